"""A worker is killed in the middle of population-based training; the study decides as one that was not disturbed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import kilter

WORKER = """
import os, sys, kilter
from kilter.schedulers.pbt import PBTScheduler

left = int(os.environ.get("STEPS", 10**9))

def objective(trial):
    state = trial.load() or {"step": 0, "value": 100.0}
    value, lr = state["value"], trial.params["lr"]
    global left
    for step in range(state["step"] + 1, 25):
        if not left:
            print("here", flush=True)
            sys.stdin.read()
        left -= 1
        value = (1 - lr) ** 2 * value + lr**2
        trial.save({"step": step, "value": value})
        trial.report(value, step)
        if trial.should_prune():
            raise kilter.TrialPruned
    return value

study = kilter.create_study(
    space={"lr": kilter.Float(1e-3, 1.0, log=True)}, sampler="random", seed=3, storage=sys.argv[1], study_name="s",
    scheduler=PBTScheduler(population=5, interval=4, last_step=24), load_if_exists=True,
)
study.optimize(objective, progress="none")
"""


def start(url: str, steps: int | None = None) -> subprocess.Popen[str]:
    """A worker; with `steps`, one that stands still after so many of them and says so."""
    environment = {**os.environ, **({} if steps is None else {"STEPS": str(steps)})}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", WORKER, url], text=True, env=environment, **pipes)


def decisions(url: str) -> Counter[Any]:
    """What became of each configuration, and whose copy it was, whatever the numbers."""
    trials = kilter.load_study(storage=url, study_name="s").trials
    return Counter(
        (repr(t.params), t.state, t.value, None if t.parent is None else repr(trials[t.parent].params)) for t in trials
    )


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Counter[Any]:
    url = f"sqlite:///{tmp_path_factory.mktemp('whole') / 'k.db'}"
    worker = start(url)
    worker.communicate(timeout=120)
    assert worker.returncode == 0
    return decisions(url)


@pytest.mark.parametrize("moments", [[2, 33], [23, 24], [61]])
def test_a_worker_that_is_killed_changes_no_decision(
    tmp_path: Path, undisturbed: Counter[Any], moments: list[int]
) -> None:
    """Wherever it is killed but between saving a milestone and reporting it: then the next step stands for that one."""
    url = f"sqlite:///{tmp_path / 'k.db'}"
    for steps in moments:
        worker = start(url, steps)
        assert worker.stdout is not None
        assert worker.stdout.readline() == "here\n"
        worker.kill()
        worker.communicate()
    worker = start(url)
    worker.communicate(timeout=120)
    assert worker.returncode == 0
    study = kilter.load_study(storage=url, study_name="s")
    assert sum(trial.attempt for trial in study.trials) > 5 * 6
    assert decisions(url) == undisturbed


def test_two_workers_share_a_population(tmp_path: Path, undisturbed: Counter[Any]) -> None:
    url = f"sqlite:///{tmp_path / 'k.db'}"
    workers = [start(url) for _ in range(2)]
    for worker in workers:
        worker.communicate(timeout=120)
    assert [worker.returncode for worker in workers] == [0, 0]
    decided = decisions(url)
    assert undisturbed <= decided
    # A number that a worker had reserved when the other one filled the population may stay with nothing to run.
    assert {state for _, state, _, _ in decided - undisturbed} <= {kilter.TrialState.WAITING}
