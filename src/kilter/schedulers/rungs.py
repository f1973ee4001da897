"""Rungs of successive halving: who has reached which, how well they stand there, and who may go on.

    level      k = 0, 1, 2, …; the caller knows which step or budget it stands for (`level_of`)
    standing   how good a trial was where it reached the level, `Problem.standing(metrics, so_far=True)`
    place      how many stand strictly better: equals share a place, whichever came first

A `Rungs` keeps nothing of its own: it reads and changes the dict that it is handed, which can be a field of a
scheduler's state. Whatever it answers depends on what was added, not on the order. With one objective everything
costs O(log n), apart from moving the tail of a list; with several, fronts are found anew at each question.

    state.rungs: dict[int, Rung] = {}           # a field of the state; survives the codec
    rungs = Rungs(state.rungs)                  # a view, made wherever it is needed
    place = rungs.add(0, number, standing)      # in `reported`: the first report that reaches the level, once per trial
    rungs.is_best(0, place, share=1 / 3)        # stopping: whether such a place is among the best third
    rungs.promotable(0, share=1 / 3)            # promotion: the best that still waits there and is among the best third
    rungs.leave(0, number, standing)            # it was promoted, or ended: its standing goes on counting
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, field
from math import ceil
from typing import NamedTuple

import numpy as np

from kilter.core.history import History, Record
from kilter.core.problem import Problem
from kilter.core.standing import Standing
from kilter.models.pareto import crowding_distance, non_dominated_ranks

LAST = 64
"""Levels are looked for up to this one: no step is beyond it."""
LARGEST = 1e300
"""Losses of several objectives are clipped to this, so that they are some distance apart."""
NOWHERE = Standing.worst(0)
"""Of a trial that has reached no level yet."""


class Entry(NamedTuple):
    """A trial on a rung."""

    standing: Standing
    number: int


@dataclass
class Rung:
    """Who reached a level, and who of them still waits there, the best first."""

    all: list[Entry] = field(default_factory=list)
    waiting: list[Entry] = field(default_factory=list)


@dataclass
class Climb:
    """How far an unfinished trial came: the highest level that it reached, -1 for none, and how it stood there."""

    level: int = -1
    standing: Standing = NOWHERE
    place: int = 0
    step: int = 0


def level_of(step: float, grace: float, eta: float) -> int:
    """The highest level that a step or budget reaches, grace · eta**k with fractions rounded up; -1 below the first.

    >>> [level_of(step, 1, 3) for step in (0, 1, 2, 3, 8, 9)]
    [-1, 0, 0, 1, 1, 2]
    """
    level = -1
    while level < LAST and step_of(level + 1, grace, eta) <= step:
        level += 1
    return level


def step_of(level: int, grace: float, eta: float) -> int:
    """The first whole step at a level.

    >>> [step_of(level, 1, 2.5) for level in range(4)]
    [1, 3, 7, 16]
    """
    return ceil(grace * eta**level - 1e-9)


def level_of_budget(levels: list[float], trial: Record, problem: Problem) -> int:
    """The highest of the ascending levels that a trial's budget reaches, by the first fidelity; -1 below the first."""
    budget = trial.budget or problem.full_budget
    return bisect_right(levels, budget[problem.fidelities[0].name] * (1 + 1e-9)) - 1


def budget_at(levels: list[float], level: int, problem: Problem) -> dict[str, float]:
    """What to spend to reach one of the ascending levels, the last of which is the whole budget."""
    return problem.budget(levels[level] / levels[-1])


def eta_of(problem: Problem, eta: float) -> float:
    """The problem's own eta where it has fidelities, else the scheduler's."""
    return problem.fidelities[0].eta if problem.fidelities else eta


def next_number(history: History) -> int:
    """The trial that a start would begin: the first that waits for its first attempt, or a new one."""
    return next((number for number, trial in history.waiting.items() if not trial.attempt), len(history))


class Rungs:
    """The rungs that a dict holds; see the module's first lines.

    >>> rungs = Rungs({})
    >>> [rungs.add(0, number, Standing(0.0, (loss,))) for number, loss in enumerate([0.5, 0.2, 0.9])]
    [0, 0, 2]
    >>> rungs.size(0), rungs.is_best(0, 0, 1 / 3), rungs.promotable(0, 1 / 3)
    (3, True, 1)
    >>> rungs.leave(0, 1, Standing(0.0, (0.2,))); rungs.promotable(0, 1 / 3)
    """

    def __init__(self, data: dict[int, Rung]) -> None:
        self._data = data

    @property
    def levels(self) -> list[int]:
        """Those that any trial has reached, ascending."""
        return sorted(self._data)

    def size(self, level: int) -> int:
        """How many trials have reached a level."""
        return len(self._data[level].all) if level in self._data else 0

    def add(self, level: int, number: int, standing: Standing, waits: bool = True) -> int:
        """Note that a trial reached a level, and return its place there. Once per trial and level.

        It waits there to be promoted, unless it is still running.
        """
        insort(self._data.setdefault(level, Rung()).all, Entry(standing, number))
        if waits:
            self.wait(level, number, standing)
        return self.place(level, standing)

    def wait(self, level: int, number: int, standing: Standing) -> None:
        """A trial that reached a level waits there; nothing happens where it does already."""
        waiting, entry = self._data[level].waiting, Entry(standing, number)
        at = bisect_left(waiting, entry)
        if at == len(waiting) or waiting[at] != entry:
            waiting.insert(at, entry)

    def place(self, level: int, standing: Standing) -> int:
        """How many at a level stand strictly better."""
        first = bisect_left(self._data[level].all, Entry(standing, -1))
        if len(standing.losses) == 1:
            return first
        order, places = self._fronts(level)
        return int(places[order.index(first)])

    def is_best(self, level: int, place: int, share: float, least: int = 0) -> bool:
        """Whether a place is among the best `share` of a level, rounded down; `least` so many are in any case."""
        return place < max(least, int(share * self.size(level) + 1e-9))

    def promotable(self, level: int, share: float) -> int | None:
        """The best trial that waits at a level, where it is among the best `share`, rounded down; None without one.

        Of equals the first few are, by number: never more than that share of a level is promoted.
        """
        if level not in self._data or not self._data[level].waiting:
            return None
        rung = self._data[level]
        most = int(share * len(rung.all) + 1e-9)
        first = rung.waiting[0]
        if len(first.standing.losses) == 1:
            return first.number if bisect_left(rung.all, first) < most else None
        waiting = {entry.number for entry in rung.waiting}
        best = (rung.all[row].number for row in self._fronts(level)[0][:most])
        return next((number for number in best if number in waiting), None)

    def leave(self, level: int, number: int, standing: Standing) -> None:
        """A trial does not wait at a level any more; nothing happens where it did not."""
        waiting = self._data[level].waiting if level in self._data else []
        entry = Entry(standing, number)
        at = bisect_left(waiting, entry)
        if at < len(waiting) and waiting[at] == entry:
            del waiting[at]

    def remove(self, number: int) -> None:
        """Nobody is compared with this trial any more, which is finished."""
        for level, rung in tuple(self._data.items()):
            rung.all = [entry for entry in rung.all if entry.number != number]
            if not rung.all:
                del self._data[level]

    def _fronts(self, level: int) -> tuple[list[int], list[int]]:
        """Rows of a level with several objectives, by front and the least crowded first, and the place of each."""
        standings = [entry.standing for entry in self._data[level].all]
        losses = np.array([standing.losses for standing in standings]).clip(-LARGEST, LARGEST)
        ranks = non_dominated_ranks(losses, np.array([standing.violation for standing in standings]))
        distance = np.zeros(len(ranks))
        for rank in np.unique(ranks):
            on = ranks == rank
            distance[on] = crowding_distance(losses[on])
        order = np.lexsort([-distance, ranks])
        keys = np.stack([ranks, -distance], axis=1)[order]
        fresh = np.ones(len(keys), dtype=bool)
        fresh[1:] = (keys[1:] != keys[:-1]).any(axis=1)
        starts = np.flatnonzero(fresh)
        return order.tolist(), starts[np.cumsum(fresh) - 1].tolist()
