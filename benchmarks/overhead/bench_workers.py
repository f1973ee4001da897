"""Many worker processes on one study, each trial with reports: how fast, and whether the log is what it should be.

    python benchmarks/overhead/bench_workers.py [--storage URL] [--workers 32] [--trials 100] [--reports 5]
        [--output FILE]

Each of the workers is `kilter worker`, all started at once; `--trials` are per worker, and their total is exact.
Without a storage it is an SQLite file, in memory where there is /dev/shm. Seconds are told from the first event of a
trial to the last, so that the start of so many interpreters is not counted; CPU seconds are those of all workers.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import kilter
from kilter.core.events import Ended, Reported, Started, TrialState

RESULTS = Path(__file__).resolve().parents[1] / "results" / "workers.json"

OBJECTIVE = """
import os

REPORTS = int(os.environ["REPORTS"])

def loss(x, y, trial):
    for step in range(1, REPORTS + 1):
        trial.report(x * x + y / step, step)
        trial.should_prune()
    return x * x + y
"""


def worked(url: str, folder: Path, workers: int, total: int, reports: int) -> float:
    """Have so many workers run a study to its total; the CPU seconds of all."""
    space = {"x": kilter.Float(0, 1), "y": kilter.Float(0, 1)}
    kilter.create_study(storage=url, study_name="load", space=space, sampler="random", seed=0).close()
    (folder / "load.py").write_text(OBJECTIVE)
    command = [sys.executable, "-m", "kilter.cli", "worker", "load", "--storage", url, "-n", str(total)]
    command += ["--objective", "load.py:loss", "--progress", "none"]
    environment = {**os.environ, "REPORTS": str(reports), "OMP_NUM_THREADS": "1"}
    before = os.times()
    begun = [
        subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(workers)
    ]
    errors = [process.communicate()[1] for process in begun]
    if failed := [error for process, error in zip(begun, errors) if process.returncode or error]:
        raise SystemExit(f"{len(failed)} of {workers} workers failed, as: {failed[0]}")
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def checked(url: str, total: int, reports: int) -> dict[str, Any]:
    """What the log says; raises SystemExit where it is not what it should be."""
    study = kilter.load_study(storage=url, study_name="load")
    events = [entry.event for entry in study.log.read()]
    starts = Counter(event.number for event in events if isinstance(event, Started))
    ends = Counter(event.number for event in events if isinstance(event, Ended))
    told = Counter[int]()
    for event in events:
        if isinstance(event, (Reported, Ended)):
            told[event.number] += len(event.reports)
    right = dict.fromkeys(range(total), 1)
    states = {trial.state for trial in study.trials}
    if not (starts == ends == right and states == {TrialState.COMPLETE} and set(told.values()) == {reports}):
        raise SystemExit(
            f"the log is wrong: {len(starts)} begun, {len(ends)} ended, {states}, {Counter(told.values())}"
        )
    times = [event.time for event in events if isinstance(event, (Started, Ended))]
    return {"events": len(events), "seconds": max(times) - min(times)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--storage", help="the URL of an empty storage")
    parser.add_argument("--workers", type=int, default=32)
    parser.add_argument("--trials", type=int, default=100, help="of each worker")
    parser.add_argument("--reports", type=int, default=5)
    parser.add_argument("--output", type=Path, default=RESULTS)
    given = parser.parse_args()
    total = given.workers * given.trials
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="kilter-load-", dir=memory) as folder:
        url = given.storage or f"sqlite:///{folder}/load.db"
        cpu = worked(url, Path(folder), given.workers, total, given.reports)
        found = checked(url, total, given.reports)
    found |= {
        "storage": url.partition(":")[0],
        "workers": given.workers,
        "trials": total,
        "reports": given.reports,
        "per_second": total / found["seconds"],
        "cpu_ms_per_trial": 1e3 * cpu / total,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
    }
    given.output.write_text(json.dumps(found, indent=2) + "\n")
    print(
        f"{total} trials of {given.workers} workers on {found['storage']}, {given.reports} reports each: all there once"
    )
    print(f"{found['per_second']:.0f} trials/s, {found['cpu_ms_per_trial']:.2f} ms CPU a trial with the workers' start")


if __name__ == "__main__":
    main()
