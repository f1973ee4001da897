"""Which points of a space have been tried, and which new one stands in for one that was.

Nothing is tried twice while points are left: a sampler whose suggestion some trial has had takes `Tried.near` it, or
has `renewed` do all of that.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import cast

import numpy as np

from kilter.core.history import History
from kilter.core.space import Config, Space
from kilter.models.candidates import filled
from kilter.models.encoding import encoding_of, switched_on

LISTED = 1 << 16
"""A finite space of more points counts as one without end."""
DRAWS = 64
"""Random points that are looked at for a new one, ..."""
DOUBLINGS = 8
"""... twice as many each time that none was, so often."""
REACHES = (8, 64, 512)
"""How many values up and down along a parameter new points are looked for, further where there is none."""


class Tried:
    """The points of all trials of one history, also of those that wait, run or pause; `Tried.of` has them."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.encoding = encoding_of(space)
        self._ended: set[bytes] = set()
        self._count = 0
        self._open: set[bytes] = set()
        self._paused: set[int] = set()

    @classmethod
    def of(cls, history: History) -> Tried:
        """The points of this history as it is now; amortised over calls, each trial is read once."""
        space = history.problem.space
        tried = history.memo(cls, lambda _: cls(space), given=space)  # a wider range moves the points
        tried.read(history)
        return tried

    def read(self, history: History) -> None:
        """Take in what ended, paused or began since."""
        ended = history.finished[self._count :]
        self._ended |= self._keys(history, [number for number in ended if not history[number].forgiven])
        self._count = len(history.finished)
        paused = history.paused.keys() - self._paused
        self._ended |= self._keys(history, sorted(paused))
        self._paused |= paused
        self._open = self._keys(history, [*history.running, *history.waiting])

    def _keys(self, history: History, numbers: list[int]) -> set[bytes]:
        """The keys of the trials whose configuration is whole."""
        return set(self._key(self.encoding.whole(history.matrix[numbers]))) if numbers else set()

    def _key(self, points: np.ndarray) -> list[bytes]:
        places = points + 0.0  # -0.0 is 0.0
        for j in self.encoding.fine:
            places[:, j] = self.encoding.place(j, points[:, j])
        return [row.tobytes() for row in places]

    def __len__(self) -> int:
        """How many different points have been tried."""
        return len(self._ended) + len(self._open - self._ended)

    def has(self, config: Config) -> bool:
        """Whether some trial has had a configuration."""
        return not self.are_new(self.encoding.point(config)[None])[0]

    def are_new(self, points: np.ndarray) -> np.ndarray:
        """Which points (m, d) no trial has had, (m,)."""
        new = [key not in self._ended and key not in self._open for key in self._key(points)]
        return np.array(new, dtype=bool)

    def allowed(self, points: np.ndarray) -> np.ndarray:
        """Those of the points (m, d) that no trial has had and no clause forbids, (k, d)."""
        points = points[~self.encoding.is_forbidden(points)]
        return cast(np.ndarray, points[self.are_new(points)])

    def left(self) -> np.ndarray | None:
        """The allowed points of a finite space that no trial has had, (k, d); None where they cannot be listed."""
        points = listed(self.space)
        return None if points is None else points[self.are_new(points)]

    def by_chance(self, stream: np.random.Generator) -> np.ndarray | None:
        """A new point (d,) drawn from the priors; None where a finite space has none left."""
        for doubling in range(DOUBLINGS):
            new = self.allowed(self.encoding.from_uniforms(stream.random((DRAWS << doubling, self.encoding.d))))
            if not len(new) and (left := self.left()) is not None:
                if not len(left):
                    return None
                new = left
            if len(new):
                return cast(np.ndarray, new[stream.integers(len(new))])
        drawn = self.encoding.point(self.space.draw(stream))
        return cast(np.ndarray, [*self.allowed(drawn[None]), *self._beside(drawn, stream), drawn][0])

    def near(self, point: np.ndarray, stream: np.random.Generator) -> np.ndarray | None:
        """The new point (d,) nearest to a point (d,); None where a finite space has none left.

        One that differs in a single discrete parameter where there is one, and where every configuration has a
        continuous number, whose next value is as good as any, one by chance.
        """
        new = np.empty((0, self.encoding.d)) if self.encoding.is_endless else self._beside(point, stream)
        if not len(new) and (left := self.left()) is not None:
            if not len(left):
                return None
            new = left
        if not len(new):
            return self.by_chance(stream)
        apart = self.encoding.features(new) - self.encoding.features(point[None])
        return cast(np.ndarray, new[np.argmin(np.einsum("ij,ij->i", apart, apart))])

    def _beside(self, point: np.ndarray, stream: np.random.Generator) -> np.ndarray:
        """New points that differ from a point in one active discrete parameter, the nearest of each, (k, d)."""
        active = self.encoding.active(point[None])
        discrete = [*self.encoding.choices.tolist(), *self.encoding.sizes]
        found = [self._along(j, point, active, stream) for j in discrete if active[0, j]]
        return np.concatenate([np.empty((0, len(point))), *found])

    def _along(self, j: int, point: np.ndarray, active: np.ndarray, stream: np.random.Generator) -> np.ndarray:
        """New points that differ in this parameter: the other options, or the nearest values up and down, (k, d)."""

        def new(values: np.ndarray) -> np.ndarray:
            points = np.repeat(point[None], len(values), axis=0)
            points[:, j] = values
            points = filled(self.encoding, points, np.repeat(active, len(values), axis=0), point[None], stream)
            return self.allowed(self.encoding.canonical(points))

        if self.encoding.is_option[j]:
            return new(np.delete(np.arange(self.encoding.options[j], dtype=float), int(point[j])))
        at, last = self.encoding.place(j, point[[j]]), self.encoding.sizes[j] - 1
        for reach in REACHES:
            steps = np.arange(1, reach + 1)
            ways = [places[(places >= 0) & (places <= last)] for places in (at - steps, at + steps)]
            found = [new(self.encoding.unit(j, places))[:1] for places in ways]
            if len(found[0]) or len(found[1]) or 2 * reach > last:
                break
        return np.concatenate(found)


def renewed(history: History, config: Config, stream: np.random.Generator) -> Config:
    """The configuration, or the nearest one that no trial has had; itself again where a finite space is tried out."""
    tried = Tried.of(history)
    if not tried.has(config):
        return config
    near = tried.near(tried.encoding.point(config), stream)
    return config if near is None else tried.encoding.config(near)


@lru_cache(maxsize=4)
def listed(space: Space) -> np.ndarray | None:
    """All points of a space that no clause forbids, (k, d); None of an infinite one and of more than LISTED.

    >>> from kilter.core.numbers import Int
    >>> from kilter.core.options import Boolean
    >>> listed(Space({"a": Boolean(), "n": Int(1, 3).when(a=True)})).round(2).tolist()
    [[0.0, 0.5], [1.0, 0.17], [1.0, 0.5], [1.0, 0.83]]
    """
    encoding = encoding_of(space)
    points = np.zeros((1, encoding.d))
    active = np.ones((1, encoding.d), dtype=bool)
    conditions = dict(encoding.conditions)
    for j in range(encoding.d):  # parents stand before their children
        size = int(encoding.options[j]) if encoding.is_option[j] else encoding.sizes.get(j, math.inf)
        if size > LISTED:
            return None
        values = np.arange(size, dtype=float)
        values = values if encoding.is_option[j] else encoding.unit(j, values)
        active[:, j] = switched_on(active, points, conditions.get(j, []))
        times = np.where(active[:, j], len(values), 1)
        if times.sum() > LISTED:
            return None
        place = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)
        points, active = np.repeat(points, times, axis=0), np.repeat(active, times, axis=0)
        points[:, j] = values[place]
    points = encoding.canonical(points)
    if space.folded:
        points = points[np.sort(np.unique(points, axis=0, return_index=True)[1])]
    return cast(np.ndarray, points[~encoding.is_forbidden(points)])
