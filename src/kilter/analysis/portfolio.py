"""A portfolio: few configurations of which one is good on each data set, for a data set that nobody has tuned on yet.

    c, t     candidates: the best configurations tried on each data set · tasks: data sets of one study, or studies
    L        (c, t)  what each candidate is believed to lose on each task: by a Gaussian process of that task's trials,
             so studies need not have tried the same, and trials that a race stopped count for what they have seen
    unit     (L - least of the task) / (median of the task - least), so that no task outweighs others by its scale
    chosen   one by one, each the candidate that lowers the mean over tasks of the least loss chosen so far the most

Greedy choice leaves at most 1/e of what the best set of that size would gain, since the gain of one more only ever
shrinks (Nemhauser, Wolsey and Fisher 1978); portfolios of this kind: Feurer et al. 2022, arXiv 2007.04074.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, Protocol

import numpy as np

from kilter.analysis.beliefs import believed_of
from kilter.analysis.design import Design
from kilter.core.earlier import EarlierStudy
from kilter.core.errors import InvalidInput, NotReady
from kilter.core.events import TrialState
from kilter.core.history import History
from kilter.core.parameter import Plain
from kilter.core.space import Space
from kilter.models.matching import config_in, matched
from kilter.models.results import LEAST, Results

MOST = 512
"""Candidates at most, as many of the best from each task."""


class Queue(Protocol):
    """What a portfolio needs of a study that is to begin with it."""

    def enqueue_trial(self, params: Mapping[str, Any]) -> int:
        """Have this configuration tried next."""


@dataclass(frozen=True, eq=False)
class Portfolio:
    """Configurations in the order in which to try them.

    Losses are shares: 0 is the best known for each task, 1 the middle one of the candidates.
    """

    configurations: tuple[dict[str, Any], ...]
    losses: np.ndarray
    """(k,), what the best of the first 1, 2, …, k leaves on the tasks at hand, in the mean."""
    expected: np.ndarray
    """(k,), the same to expect of a new task: each left out in turn, and the others choosing for it."""
    tasks: tuple[str, ...]
    """The data sets, or the studies."""
    values: np.ndarray
    """(k, t), the value to expect of each configuration on each task, in the objective's own unit."""

    def enqueue(self, study: Queue) -> list[int]:
        """Have a study begin with these configurations; the numbers of its trials."""
        return [study.enqueue_trial(params) for params in self.configurations]

    def __str__(self) -> str:
        scale = "a loss of 0 is the best known on each, 1 that of the middle configuration"
        lines = [f"{len(self.configurations)} configurations for {len(self.tasks)} tasks; {scale}"]
        for i, params in enumerate(self.configurations):
            shown = ", ".join(f"{name}={value}" for name, value in params.items())
            lines.append(f"{i + 1}. {shown}: loss {self.losses[i]:.3f}, on a new task {self.expected[i]:.3f}")
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class Task:
    """One data set, with the trials that were scored on it."""

    name: str
    history: History
    numbers: np.ndarray
    """(n,), trials that ended."""
    losses: np.ndarray
    """(n,), smaller is better."""

    def best(self, count: int) -> list[dict[str, Plain]]:
        """The configurations of so many of the best trials, with the prior's middle for what a trial did not have."""
        space, order = self.history.problem.space, np.argsort(self.losses, kind="stable")[:count]
        tried = (self.history[number].params for number in self.numbers[order].tolist())
        whole = [space.from_uniforms([0.5] * len(space), params) for params in tried]
        return [config for config in whole if not space.is_forbidden(config)]

    def believed(self, configs: Sequence[Mapping[str, Plain]], seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Losses to expect of configurations, far worse ones drawn in, (c,), and values in the objective's unit."""
        belief = believed_of(self.history, self.numbers, self.losses, seed)
        matrix = self.history.problem.space.encode(configs)
        points, known = belief.encoding.known(matrix)
        latent = belief.belief.posterior.predict(belief.encoding.features(points, known))[0]
        # Far worse than all that was seen is no worse than that; what may be better than all of it counts as it is.
        losses = belief.belief.output.straight(np.minimum(latent, belief.belief.posterior.y.max()))
        return losses, self.history.problem.objectives[0].sign * belief.own(latent)


def portfolio_of_data_sets(history: History, design: Design | None, n: int, seed: int) -> Portfolio:
    """The portfolio of a study for its data sets, or for the parts of its evaluation where those are not of data sets.

    Raises NotReady where trials report no parts, or fewer than three trials were scored on one.
    """
    if design is None:
        raise NotReady("no trial tells scores of data sets: tune with kilter.evaluation.DataSets, or report each part")
    sets: dict[str, list[int]] = {}
    for column, part in enumerate(design.parts):
        sets.setdefault(part.data or str(part.name), []).append(column)
    numbers, losses = _losses(history, design)
    means = {name: _means(losses[:, columns]) for name, columns in sets.items()}
    return _chosen([_task(name, history, numbers, means[name]) for name in sets], n, seed)


def portfolio_of_studies(histories: Sequence[tuple[str, History]], n: int, seed: int) -> Portfolio:
    """The portfolio of studies by name, each of which is a task, in the space of the first one.

    Raises InvalidInput where a study has none of that space's parameters, and NotReady where one has fewer than three
    complete trials of that space.
    """
    if not histories:
        raise InvalidInput("portfolio([]): give the studies to choose from")
    space = histories[0][1].problem.space
    return _chosen([_seen_in(space, name, history) for name, history in histories], n, seed)


def _seen_in(space: Space, name: str, history: History) -> Task:
    """A study as a task, with those of its complete trials that are of a space."""
    if len(history.problem.objectives) > 1:
        raise InvalidInput(f"the study {name!r} has several objectives: a portfolio is for one")
    numbers = [number for number in _ended(history) if history[number].state is TrialState.COMPLETE]
    if history.problem.space != space:
        history = _history_in(space, name, history, numbers)
        numbers = list(range(len(history)))
    return _task(name, history, numbers, history.values[numbers, 0])


def _history_in(space: Space, name: str, history: History, numbers: Sequence[int]) -> History:
    """Some trials of a study, under numbers of their own, as far as they are of another space."""
    seen = matched(EarlierStudy(name, tuple(history[number].params for number in numbers)), space)
    if numbers and not seen.matched:
        raise InvalidInput(f"the study {name!r} is no task of the first one's: {seen.reason}")
    there = History(replace(history.problem, space=space))
    for place in seen.kept:
        trial = history[numbers[place]]
        there.add(replace(trial, number=len(there), params=config_in(trial.params, space) or {}, parent=None))
        there.settle(there[len(there) - 1])
    return there


def _ended(history: History) -> list[int]:
    """Trials that a belief may rest on and that may be chosen, stopped ones too."""
    results = Results.of(history)
    return [int(number) for number in results.numbers[results.feasible]]


def _losses(history: History, design: Design) -> tuple[list[int], np.ndarray]:
    """Trials that ended, and their losses on all parts (n, p), NaN where one was not scored."""
    objective, numbers = history.problem.objectives[0], _ended(history)
    scores = [history.reports.folds(number, objective.name) for number in numbers]
    table = [[folds.get(name, np.nan) for name in design.names] for folds in scores]
    return numbers, objective.sign * np.array(table).reshape(len(numbers), len(design.parts))


def _means(losses: np.ndarray) -> np.ndarray:
    """The mean loss of trials over the parts of a data set, (n,), from what each has seen; NaN where that is nothing.

    A part that is harder than others counts as such whether a trial has seen it or not.
    """
    seen = np.isfinite(losses)
    hardness = np.where(seen, losses, 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    own = np.where(seen, losses - hardness, 0.0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
    return np.where(seen.any(axis=1), own + hardness[seen.any(axis=0)].mean(), np.nan) if seen.any() else own + np.nan


def _task(name: str, history: History, numbers: Sequence[int], losses: np.ndarray) -> Task:
    known = np.isfinite(losses)
    if known.sum() < LEAST:
        raise NotReady(f"{name!r}: {known.sum()} trials have a score there, and a portfolio takes {LEAST} at least")
    return Task(name, history, np.array(numbers)[known], losses[known])


def _chosen(tasks: Sequence[Task], n: int, seed: int) -> Portfolio:
    if isinstance(n, bool) or not isinstance(n, Integral) or n < 1:
        raise InvalidInput(f"portfolio(n={n!r}): give how many configurations to choose, a whole number from 1 on")
    share = max(1, MOST // len(tasks))
    found = {tuple(sorted(config.items())): config for task in tasks for config in task.best(share)}
    configs = list(found.values())
    believed = [task.believed(configs, seed) for task in tasks]
    losses = in_shares(np.stack([losses for losses, _ in believed], axis=1))
    chosen = greedy(losses, n)
    space = tasks[0].history.problem.space
    return Portfolio(
        tuple(space.values(configs[row]) for row in chosen),
        least(losses, chosen).mean(axis=1),
        _on_new_task(losses, n),
        tuple(task.name for task in tasks),
        np.stack([values for _, values in believed], axis=1)[chosen],
    )


def in_shares(losses: np.ndarray) -> np.ndarray:
    """Losses (c, t), of which 0 is the least and 1 the middle one of each task; all 0 where a task has but one.

    >>> in_shares(np.array([[1.0, 200.0], [2.0, 100.0], [5.0, 300.0]])).tolist()
    [[0.0, 1.0], [1.0, 0.0], [4.0, 2.0]]
    """
    over = losses - losses.min(axis=0)
    middle = np.median(over, axis=0)
    unit = np.where(middle > 0, middle, over.max(axis=0))
    shares: np.ndarray = over / np.where(unit > 0, unit, 1.0)
    return shares


def greedy(losses: np.ndarray, k: int) -> list[int]:
    """Rows of losses (c, t), each the one that lowers the mean of the least losses so far the most; k at most.

    >>> greedy(np.array([[0.0, 9.0, 9.0], [4.0, 4.0, 4.0], [9.0, 0.0, 9.0], [9.0, 9.0, 0.0]]), 3)
    [1, 0, 2]
    """
    chosen: list[int] = []
    left = np.full(losses.shape[1], np.inf)
    for _ in range(min(k, len(losses))):
        means = np.minimum(losses, left).mean(axis=1)
        means[chosen] = np.inf
        chosen.append(int(np.argmin(means)))
        left = np.minimum(left, losses[chosen[-1]])
    return chosen


def least(losses: np.ndarray, chosen: Sequence[int]) -> np.ndarray:
    """The least of the first 1, 2, … chosen rows on each task, (k, t)."""
    return np.asarray(np.minimum.accumulate(losses[list(chosen)], axis=0))


def _on_new_task(losses: np.ndarray, k: int) -> np.ndarray:
    """The mean over tasks of what those chosen by all other tasks leave on it, (k,); NaN with a single task."""
    tasks = losses.shape[1]
    if tasks == 1:
        return np.full(min(k, len(losses)), np.nan)
    left = [least(losses, greedy(np.delete(losses, task, axis=1), k))[:, task] for task in range(tasks)]
    return np.asarray(np.mean(left, axis=0))
