"""What the tests of the boosting libraries share: rows, and schedulers that stop or pause where they are told to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

import kilter
from kilter.core.actions import Pause, Resume, Start, Stop
from kilter.core.interfaces import Scheduler

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(300, 6))
LABELS = (ROWS[:, 0] + ROWS[:, 1] ** 2 + RNG.normal(size=300) > 0.5).astype(int)
SPACE = {"learning_rate": kilter.Float(0.05, 0.3, log=True, default=0.1)}


@dataclass
class Nothing:
    kept: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class StopsAt(Scheduler):
    """Stops every trial at its report of a step."""

    step: int = 5

    def start(self, problem, seed):
        return Nothing()

    def judge(self, state, trial, history):
        return Stop("enough") if history.reports.furthest[trial.number] >= self.step else None


@dataclass(frozen=True)
class PausesAt(Scheduler):
    """Pauses the first attempt of every trial at a step, and lets it go on at once."""

    step: int = 5

    def start(self, problem, seed):
        return Nothing()

    def plan(self, state, history):
        return Resume(min(history.paused)) if history.paused else Start()

    def judge(self, state, trial, history):
        return Pause("later") if trial.attempt == 1 and history.reports.furthest[trial.number] >= self.step else None


def run(objective: Any, scheduler: Any = "fifo", n_trials: int = 1, **more: Any) -> kilter.Study:
    study = kilter.create_study(space=SPACE, scheduler=scheduler, seed=0, sampler="random", **more)
    study.optimize(objective, n_trials=n_trials, progress="none")
    return study


def asked(**study: Any) -> kilter.Trial:
    """A trial outside an objective, so that errors arrive as they are."""
    return kilter.create_study(space=SPACE, seed=0, **study).ask()
