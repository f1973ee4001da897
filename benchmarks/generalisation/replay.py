"""Studies as they would have been, out of pools: the first n configurations, seen on one fold, on all, or in a race."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from make_pools import STREAMS
from tasks import TASKS, Task

import kilter
from kilter.analysis.design import Design, Part
from kilter.core.attributes import CONFIRMS, DEFAULT
from kilter.core.events import Ended, Enqueued, Report, Reported, Started, TrialState
from kilter.core.history import History
from kilter.core.problem import Objective, Problem
from kilter.evaluation.folds import over_folds
from kilter.samplers import RandomSampler
from kilter.testing.sampler import Log

SCHEMES = ("holdout", "five", "race")


@dataclass(frozen=True)
class Pool:
    """One file of make_pools.py; see there."""

    task: Task
    repetition: int
    stream: str
    path: pathlib.Path

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """All but the params."""
        with np.load(self.path) as file:
            return {name: file[name] for name in file.files}

    @cached_property
    def params(self) -> list[dict[str, Any]]:
        """Of each configuration."""
        return [json.loads(each) for each in self.arrays["params"]]

    def __getattr__(self, name: str) -> np.ndarray:
        if name in ("folds", "predictions", "test", "y", "fold", "seconds"):
            return self.arrays[name]
        raise AttributeError(name)

    @cached_property
    def problem(self) -> Problem:
        """Its space and one score to maximise."""
        columns = self.task.draw(self.repetition)[0][0].shape[1]
        return Problem(self.task.learner.space(columns), (Objective("value", "maximize"),))

    def design(self, folds: Sequence[int]) -> Design:
        """Of an evaluation on these folds."""
        tested = [int((self.fold == fold).sum()) for fold in folds]
        parts = tuple(Part(fold, train=len(self.y) - rows, test=rows) for fold, rows in zip(folds, tested))
        return Design(parts, perfect=1.0, blind=self.task.blind)


def pools(folder: pathlib.Path, streams: Sequence[str] = STREAMS, chooses: bool | None = None) -> Iterator[Pool]:
    """All that are there, by repetition; with `chooses`, of tasks for choosing rules, or of the others."""
    for repetition in range(100):
        for task in TASKS:
            for stream in streams:
                path = folder / task.name / f"{repetition}-{stream}.npz"
                if path.exists() and chooses in (None, task.chooses):
                    yield Pool(task, repetition, stream, path)


def replayed(pool: Pool, n: int, folds: Sequence[int]) -> History:
    """A study of the first n configurations, each scored on these folds."""
    return searched(pool, n, folds).engine.history


def searched(pool: Pool, n: int, folds: Sequence[int]) -> Log:
    """The log of that study, to go on with."""
    log = Log(RandomSampler(), pool.problem, 0)
    for place in range(n):
        tried(log, pool, place, folds, {DEFAULT: True} if place == 0 else {})
    return log


def tried(log: Log, pool: Pool, place: int, folds: Sequence[int], attrs: Mapping[str, Any]) -> None:
    """One more trial, of the configuration at a place of the pool."""
    number, config = len(log.engine.history), pool.problem.space.plain(pool.params[place])
    scores = pool.folds[place, list(folds)]
    log.write(Enqueued(number, config, 0.0, attrs=attrs))
    log.write(Started(number, 1, config, "w", log.engine.position, 10.0, fresh=False))
    reports = tuple(Report(0, {"value": float(score)}, fold) for fold, score in zip(folds, scores))
    log.write(Reported(number, 1, reports, 10.0))
    log.write(Ended(number, 1, TrialState.COMPLETE, {"value": float(scores.mean())}, 10.0))


def confirmed(pool: Pool, n: int, k: int = 10) -> History:
    """A study of the first n configurations, each scored on the first fold, and the best k and the default on all."""
    log = searched(pool, n, [0])
    for number in dict.fromkeys([*np.argsort(-pool.folds[:n, 0], kind="stable")[:k].tolist(), 0]):
        tried(log, pool, number, range(5), {CONFIRMS: number})
    return log.engine.history


def raced(pool: Pool, n: int, scheduler: Any = "race") -> kilter.Study:
    """A study of the first n configurations under a race, in this order."""
    study = kilter.create_study(
        space=pool.problem.space, direction="maximize", scheduler=scheduler, sampler="random", seed=0
    )
    places = {}
    for number in range(n):
        places[study.enqueue_trial(pool.params[number], {DEFAULT: True} if number == 0 else {})] = number

    def objective(trial: Any) -> float:
        return over_folds(trial, range(5), lambda fold: pool.folds[places[trial.number], fold])

    study.optimize(objective, n_trials=n, progress="none")
    return study
