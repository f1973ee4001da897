"""A study on a Dask cluster of hosts with addresses of their own: one dies while trials run, another one is cut off.

    sudo .venv/bin/python -m tests.story.dask_hosts

takes a minute and a half, says what became of the trials, and fails where one was lost or ended twice.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.story.hosts import Hosts, missing

import kilter

TRIALS = 16
STEPS = 20
PAUSE = 0.1
PATIENCE = 60.0
"""Seconds for a process to come up."""

SCRIPT = f"""
import os, socket, sys, time
import kilter

def objective(x, trial):
    done = os.path.join(trial.checkpoint_dir, "steps")
    for step in range({STEPS}):
        time.sleep(0.2)
        with open(done, "a") as file:
            file.write(str(trial.attempt))
        trial.report(x, step)
        trial.should_prune()
    with open(done) as file:
        trial.set_user_attr("steps", file.read())
    trial.set_user_attr("host", socket.gethostname())
    return x

if __name__ == "__main__":
    study = kilter.create_study(space={{"x": kilter.Float(0, 1)}}, sampler="random", seed=1, storage=sys.argv[1],
                                study_name="s", load_if_exists=True)
    study.optimize(objective, limits=kilter.Limits(trials={TRIALS}), progress="none",
                   executor=kilter.executors.DaskExecutor(sys.argv[2]),
                   callbacks=[lambda study, trial: print(trial.number, trial.user_attrs, flush=True)])
"""


def main() -> None:
    """Run the study, kill and cut, and look it over."""
    if reason := missing():
        raise SystemExit(reason)
    with Hosts("one", "two", "three", "four") as hosts, tempfile.TemporaryDirectory() as folder:
        script, url, file = Path(folder, "script.py"), f"sqlite:///{folder}/k.db", Path(folder, "scheduler.json")
        script.write_text(SCRIPT)
        words = ["--host", hosts.address, "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
        scheduler = subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_scheduler", *words], stderr=subprocess.DEVNULL
        )
        try:
            until(lambda: file.exists() and '"address"' in file.read_text(), "there was a scheduler")
            run(hosts, str(script), url, json.loads(file.read_text())["address"])
        finally:
            scheduler.kill()
            scheduler.wait()
        look_over(url)


def run(hosts: Hosts, script: str, url: str, address: str) -> None:
    """The study, with one host killed and one cut off while it has trials that have got somewhere."""

    def dask_worker(host: str) -> subprocess.Popen[str]:
        words = ["--nthreads", "2", "--no-dashboard", "--local-directory", f"{Path(script).parent}/{host}"]
        return hosts.start(host, sys.executable, "-m", "distributed.cli.dask_worker", address, *words)

    power = dask_worker("one")
    driver = subprocess.Popen([sys.executable, script, url, address])
    until(lambda: steps(url) >= 5, "host one was at work")
    print("host one is killed, two takes its place", flush=True)
    power.kill()
    dask_worker("two")
    ended = steps(url)
    until(lambda: steps(url) >= ended + 5, "host two was at work")
    print("host two is cut off, three and four take its place", flush=True)
    hosts.cut("two")
    dask_worker("three")
    dask_worker("four")
    assert driver.wait() == 0


def steps(url: str) -> int:
    """How many steps have been reported."""
    try:
        return sum(len(trial.intermediate_values) for trial in kilter.load_study(storage=url, study_name="s").trials)
    except kilter.exceptions.KilterError:  # it has not begun
        return 0


def look_over(url: str) -> None:
    """Every trial has ended once, and those that lost their host went on from their checkpoints."""
    study = kilter.load_study(storage=url, study_name="s")
    lost = [trial for trial in study.trials if trial.attempt > 1]
    assert [trial.number for trial in study.trials] == list(range(TRIALS))
    assert all(trial.state is kilter.TrialState.COMPLETE for trial in study.trials)
    assert sum(trial.attempt - 1 for trial in lost) == 4  # two on each host
    for trial in lost:
        done = trial.user_attrs["steps"]
        assert done == "".join(sorted(done))
        assert "1" in done
        assert done.count(str(trial.attempt)) == STEPS
    print(f"{TRIALS} trials ended once each; trials {[trial.number for trial in lost]} lost their host, and went on")


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait for it."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"{PATIENCE:g} seconds passed before {what}"
        time.sleep(PAUSE)


if __name__ == "__main__":
    main()
