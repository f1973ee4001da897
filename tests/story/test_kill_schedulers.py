"""A worker is killed in the middle of Hyperband and of population-based training: the decisions are the same."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

import kilter

WORKER = """
import os, sys, kilter
from kilter.schedulers import HyperbandScheduler, PBTScheduler

def result(x, step):  # curves that cross: a large x falls faster, to a higher end
    return x + (1 - x) / step

def under_fidelity(x, epochs, trial):
    told = trial.load() or 0
    for epoch in range(told + 1, epochs + 1):
        trial.save(epoch)
        print("step", flush=True)
    return result(x, epochs)

def by_steps(x, trial):
    step, gained = trial.load() or (0, 0.0)
    while step < 12:
        step, gained = step + 1, gained + x * (1 - step / 12) + (1 - x) * step / 12
        trial.report(gained, step)
        trial.save((step, gained))
        print("step", flush=True)
        if trial.should_prune():
            raise kilter.TrialPruned
    return gained

if sys.argv[2] == "hyperband":
    objective, more = under_fidelity, dict(fidelity=kilter.Fidelity("epochs", 1, 27))
    scheduler, direction = HyperbandScheduler(), "minimize"
else:
    objective, more = by_steps, {}
    scheduler, direction = PBTScheduler(population=4, interval=3), "maximize"
study = kilter.create_study(space={"x": kilter.Float(0, 1)}, sampler="random", scheduler=scheduler, seed=5,
                            storage=sys.argv[1], study_name="s", load_if_exists=True, direction=direction, **more)
from kilter.core.limits import Limits
study.optimize(objective, limits=Limits(trials=int(sys.argv[3])), progress="none")
"""


def start(url: str, method: str, trials: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WORKER, url, method, str(trials)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=os.environ)


def decisions(url: str) -> list[tuple[object, ...]]:
    """What became of each trial, whatever attempts it took; a report that a kill cut off before it was sent is lost."""
    study = kilter.load_study(storage=url, study_name="s")
    return [(t.state.name, t.params, t.parent, t.budget, t.intermediate_values, t.value) for t in study.trials]


@pytest.mark.parametrize(("method", "trials"), [("hyperband", 30), ("pbt", 10)])
def test_the_same_decisions_with_kills_as_without(tmp_path: Path, method: str, trials: int) -> None:
    undisturbed, killed = (f"sqlite:///{tmp_path / name}.db" for name in ("undisturbed", "killed"))
    worker = start(undisturbed, method, trials)
    printed, _ = worker.communicate(timeout=60)
    assert worker.returncode == 0
    expected = decisions(undisturbed)
    assert {"COMPLETE"} < {state for state, *_ in expected}
    moments = random.Random(1)
    for _ in range(2):
        worker = start(killed, method, trials)
        assert worker.stdout is not None
        for _ in range(moments.randrange(2, printed.count("step") // 2)):
            worker.stdout.readline()
        worker.kill()
        worker.wait()
    worker = start(killed, method, trials)
    worker.communicate(timeout=60)
    assert worker.returncode == 0
    assert decisions(killed) == expected
    attempts = [sum(t.attempt for t in kilter.load_study(storage=url).trials) for url in (undisturbed, killed)]
    assert attempts[1] > attempts[0]
