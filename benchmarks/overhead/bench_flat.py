"""What grows with use: memory over many trials, files and threads over many studies, and what reports cost.

    python benchmarks/overhead/bench_flat.py [--trials 10000] [--studies 1000] [--reports 2000] [--output FILE]

- *Trials*: no-ops in two processes, on a SQLite file. The processes are to keep their memory; this one keeps the study.
- *Studies*: made, run and dropped, in memory and on one file; half of them run in threads.
- *Reports*: eight processes report 10,000 times a second in all. What a report costs there would slow a trial down.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

import kilter
from kilter.executors.processes import Processes
from kilter.executors.threads import Threads

RESULTS = Path(__file__).resolve().parents[1] / "results" / "flat.json"
MIB = 2**20
PACE = 10_000 / 8
"""Reports a second of one process."""
SPACE = {"x": kilter.Float(0, 1), "y": kilter.Float(0, 1)}


def nothing(trial: kilter.Trial) -> float:
    return trial.params["x"]


class Reporting:
    """Reports at its pace, and notes what that took."""

    def __init__(self, reports: int) -> None:
        self.reports = reports

    def __call__(self, trial: kilter.Trial) -> float:
        cpu, begun = 0.0, time.perf_counter()
        for step in range(self.reports):
            time.sleep(max(0.0, begun + (step + 1) / PACE - time.perf_counter()))
            before = time.thread_time()
            trial.report(trial.params["x"] + step, step)
            cpu += time.thread_time() - before
        trial.set_user_attr("took", time.perf_counter() - begun)
        trial.set_user_attr("cpu", cpu)
        return trial.params["x"]


def over_trials(trials: int) -> dict[str, Any]:
    """Memory here and in the processes that run trials, when a fifth and when all are done."""
    me, seen = psutil.Process(), {}

    def look(study: kilter.Study, trial: Any) -> None:
        if trial.number in (trials // 5, trials - 1):
            gc.collect()
            slots = [child.memory_info().rss / MIB for child in me.children()]
            seen[trial.number] = (me.memory_info().rss / MIB, max(slots), time.process_time())

    with tempfile.TemporaryDirectory() as folder:
        study = kilter.create_study(space=SPACE, sampler="random", seed=0, storage=f"sqlite:///{folder}/study.db")
        study.optimize(nothing, n_trials=trials, executor=Processes(2), progress="none", callbacks=[look])
    (first, early), (last, late) = sorted(seen.items())[:2]
    return {
        "process that runs trials, growth (MiB)": late[1] - early[1],
        "this process, growth (KiB a trial)": (late[0] - early[0]) / (last - first) * 1024,
        "this process, CPU (ms a trial)": (late[2] - early[2]) / (last - first) * 1e3,
    }


def over_studies(studies: int) -> dict[str, Any]:
    """Growth of what this process holds between a tenth of the studies and all of them."""
    me, held = psutil.Process(), []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(studies):
            storage = f"sqlite:///{folder}/study.db" if number % 2 else None
            study = kilter.create_study(space=SPACE, study_name=f"study {number}", sampler="random", storage=storage)
            executor = Threads(2) if number % 4 > 1 else None
            study.optimize(nothing, n_trials=2, executor=executor, progress="none")
            del study
            if number in (studies // 10, studies - 1):
                gc.collect()
                held.append((me.num_fds(), me.num_threads(), me.memory_info().rss / MIB))
    fds, threads, memory = (late - early for early, late in zip(*held, strict=True))
    return {"files, growth": fds, "threads, growth": threads, "memory, growth (MiB)": memory}


def of_reports(reports: int) -> dict[str, Any]:
    """Reports a second of eight processes, by how much their trials are slowed, and what it costs there and here."""
    study = kilter.create_study(space=SPACE, sampler="random", seed=0)
    cpu = time.process_time()
    study.optimize(Reporting(reports), n_trials=8, executor=Processes(8), progress="none")
    cpu = time.process_time() - cpu
    took = [trial.user_attrs["took"] for trial in study.trials]
    seconds = sum(trial.user_attrs["cpu"] for trial in study.trials) / (8 * reports)
    assert all(len(trial.intermediate_values) == reports for trial in study.trials)
    return {
        "reports a second, in all": 8 * reports / max(took),
        "trials slowed by, where they compute all the time (%)": seconds * PACE * 100,
        "CPU in the trial (µs a report)": seconds * 1e6,
        "CPU here (µs a report)": cpu / (8 * reports) * 1e6,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--studies", type=int, default=1_000)
    parser.add_argument("--reports", type=int, default=2_000)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    found = {
        f"{options.studies} studies": over_studies(options.studies),
        f"{options.trials} trials": over_trials(options.trials),
        f"{options.reports} reports of 8 processes each": of_reports(options.reports),
    }
    for what, figures in found.items():
        for name, figure in figures.items():
            print(f"| {what} | {name} | {figure:.4g} |")
    options.output.write_text(json.dumps({"python": platform.python_version(), "figures": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
