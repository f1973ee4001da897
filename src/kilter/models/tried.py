"""Which points of a space have been tried, and which of a finite one have not."""

from __future__ import annotations

from functools import lru_cache
from typing import cast
from weakref import WeakKeyDictionary

import numpy as np

from kilter.core.history import History
from kilter.core.space import Space
from kilter.models.encoding import encoding_of, switched_on

LISTED = 1 << 16
"""A finite space of more points counts as one without end."""


class Tried:
    """The points of all trials of one history, those that wait or run included. `Tried.of` brings it up to date."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.encoding = encoding_of(space)
        self._ended: set[bytes] = set()
        self._count = 0
        self._open: set[bytes] = set()

    @classmethod
    def of(cls, history: History) -> Tried:
        """The points of this history as it is now; amortised over calls, each trial is read once."""
        tried = _KNOWN.get(history)
        if tried is None or tried.space is not history.problem.space:  # a wider range moves the points
            tried = _KNOWN[history] = cls(history.problem.space)
        tried._extend(history)
        return tried

    def _extend(self, history: History) -> None:
        ended = history.finished[self._count :]
        self._ended |= self._keys(history, [number for number in ended if not history[number].forgiven])
        self._count = len(history.finished)
        self._open = self._keys(history, [*history.running, *history.waiting])

    def _keys(self, history: History, numbers: list[int]) -> set[bytes]:
        """The keys of the trials whose configuration is whole."""
        if not numbers:
            return set()
        matrix = history.matrix[numbers]
        points = self.encoding.points(matrix)
        whole = ~(self.encoding.active(points) & np.isnan(matrix)).any(axis=1)
        return set(_keys(points[whole]))

    def __len__(self) -> int:
        """How many different points have been tried."""
        return len(self._ended) + len(self._open - self._ended)

    def are_new(self, points: np.ndarray) -> np.ndarray:
        """Which points (m, d) no trial has had, (m,)."""
        new = [key not in self._ended and key not in self._open for key in _keys(points)]
        return np.array(new, dtype=bool)

    def left(self) -> np.ndarray | None:
        """The allowed points of a finite space that no trial has had, (k, d); None where they cannot be listed."""
        points = listed(self.space)
        return None if points is None else points[self.are_new(points)]


_KNOWN: WeakKeyDictionary[History, Tried] = WeakKeyDictionary()


def _keys(points: np.ndarray) -> list[bytes]:
    return [row.tobytes() for row in points + 0.0]  # -0.0 is 0.0


@lru_cache(maxsize=4)
def listed(space: Space) -> np.ndarray | None:
    """All points of a space that no clause forbids, (k, d); None of an infinite one and of more than LISTED.

    >>> from kilter.core.parameter import Boolean, Int
    >>> listed(Space({"a": Boolean(), "n": Int(1, 3).when(a=True)})).round(2).tolist()
    [[0.0, 0.5], [1.0, 0.17], [1.0, 0.5], [1.0, 0.83]]
    """
    encoding = encoding_of(space)
    points = np.zeros((1, encoding.d))
    active = np.ones((1, encoding.d), dtype=bool)
    conditions = dict(encoding.conditions)
    for j in range(encoding.d):  # parents stand before their children
        if not encoding.is_option[j] and j not in encoding.grids:
            return None
        values = np.arange(encoding.options[j]) if encoding.is_option[j] else encoding.grids[j]
        active[:, j] = switched_on(active, points, conditions.get(j, []))
        times = np.where(active[:, j], len(values), 1)
        if times.sum() > LISTED:
            return None
        place = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)
        points, active = np.repeat(points, times, axis=0), np.repeat(active, times, axis=0)
        points[:, j] = values[place]
    points = encoding.canonical(points)
    return cast(np.ndarray, points[~encoding.is_forbidden(points)])
