"""How a search space looks to a model.

    matrix    (n, d)   as History keeps it: unit cube, an option at the middle of its cell, NaN where inactive
    points    (n, d)   numbers in [0, 1], options as their index; inactive ones at a fixed place: equals coincide
    features  (n, p)   what kernels see: numbers as they are, options as one-hot / √2, an inactive option as zeros

With that one-hot scale the squared Euclidean distance between two options is 1, the Hamming distance, and every kernel
below stays matrix algebra.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from kilter.core.parameter import CONFIDENCES, Parameter
from kilter.core.seeds import rng
from kilter.core.space import Config, Space

NEUTRAL = 0.5
"""Where the number of an inactive parameter stands."""
GRID = 4096
"""The values of a number are kept as a table where there are at most so many; those of a finer one are computed."""
ONE_HOT = np.sqrt(0.5)
LARGEST = 1e300
"""Ratios of neighbouring values are clipped to this, so that they are floats."""
SAMPLE = 256
"""Points over which the number of active parameters is averaged."""


class Encoding:
    """The representations of one space and what can be asked of points without decoding them.

    >>> from kilter.core.numbers import Float
    >>> from kilter.core.options import Choice
    >>> encoding = Encoding(Space({"model": Choice(["svm", "knn"]), "C": Float(0, 1).when(model="svm")}))
    >>> encoding.features(encoding.from_uniforms(np.array([[0.1, 0.7], [0.9, 0.7]]))).round(2)
    array([[0.71, 0.  , 0.7 ],
           [0.  , 0.71, 0.5 ]])
    """

    def __init__(self, space: Space) -> None:
        parameters = list(space.parameters.values())
        self.space = space
        self.d = len(parameters)
        self.is_option = np.array([not p.is_ordered for p in parameters], dtype=bool)
        self.options = np.array([int(p.size) if o else 1 for p, o in zip(parameters, self.is_option)], dtype=int)
        self.numbers = np.flatnonzero(~self.is_option)
        self.choices = np.flatnonzero(self.is_option)
        self.grids = {j: _grid(parameters[j]) for j in self.numbers.tolist() if parameters[j].size <= GRID}
        self.fine = {j: parameters[j] for j in self.numbers.tolist() if GRID < parameters[j].size < math.inf}
        """Discrete numbers of more values than a grid holds."""
        self.sizes = {j: int(parameters[j].size) for j in self.numbers.tolist() if parameters[j].size < math.inf}
        """How many values each discrete number has."""
        self._borders = {j: _borders(parameters[j], grid) for j, grid in self.grids.items()}
        ends = np.cumsum(self.options)
        self.first = ends - self.options
        """The first feature of each parameter, shape (d,)."""
        self.width = int(ends[-1]) if self.d else 0
        self.owner = np.repeat(np.arange(self.d), self.options)
        """The parameter that each feature belongs to, shape (p,)."""
        self.number_features = self.first[self.numbers]
        self.conditions = [
            (child, self._places((c.parent, c.values) for c in p.conditions))
            for child, p in enumerate(parameters)
            if p.conditions
        ]
        """Each conditional parameter with its parents and the places of theirs that switch it on."""
        self.is_flat = not self.conditions
        self.is_discrete = bool(len(self.choices) or self.sizes)
        self._clauses = [self._places(clause.items()) for clause in space.forbidden]
        asked = {j for places in [*self._clauses, *(parents for _, parents in self.conditions)] for j, _ in places}
        self._folded = [([space.names.index(n) for n in p.names(name)], p) for name, p in space.folded.items()]
        """The columns of compounds of which several forms stand for one value; those may change places."""
        asked |= {j for columns, _ in self._folded if asked & set(columns) for j in columns}
        self._exact = {j: parameters[j] for j in sorted(asked) if parameters[j].size == math.inf}
        """Continuous numbers that are asked for exact values: rare, so the slow way will do."""
        self._neutral = np.where(self.is_option, 0.0, NEUTRAL)
        self._priors = [(j, p) for j, p in enumerate(parameters) if p.prior is not None]

    def _places(self, wanted: Iterable[tuple[str, tuple[Any, ...]]]) -> list[tuple[int, np.ndarray]]:
        """Parameters by number, and the places of the values of theirs that are wanted."""
        return [(self.space.names.index(name), self._places_of(name, values)) for name, values in wanted]

    def _places_of(self, name: str, values: tuple[Any, ...]) -> np.ndarray:
        j, parameter = self.space.names.index(name), self.space[name]
        units = parameter.units([value for value in values if parameter.contains(value)])
        if j in self.fine:
            return self.unit(j, self.place(j, units))
        return np.floor(units * self.options[j]) if self.is_option[j] else units

    # -- between representations ----------------------------------------------------------------------------------

    def points(self, matrix: np.ndarray) -> np.ndarray:
        """Rows of a History as points; a place that is not known reads as neutral."""
        points = np.where(np.isnan(matrix), NEUTRAL, matrix)
        points[:, self.choices] = self._index(points[:, self.choices])
        return self.canonical(self.snapped(points))

    def point(self, config: Config) -> np.ndarray:
        """The point (d,) of one configuration."""
        point: np.ndarray = self.points(self.space.encode([config]))[0]
        return point

    def known(self, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows of a History as points, and which of their active parameters have a value, each (n, d).

        Of old trials none is known of what came into the space later.
        """
        points = self.points(matrix)
        return points, self.active(points) & ~np.isnan(matrix)

    def whole(self, matrix: np.ndarray) -> np.ndarray:
        """The points of those rows of a History whose active parameters all have a value, (k, d)."""
        points = self.points(matrix)
        whole: np.ndarray = points[~(self.active(points) & np.isnan(matrix)).any(axis=1)]
        return whole

    def config(self, point: np.ndarray) -> Config:
        """The configuration at one point, shape (d,)."""
        return self.space.decode(self.matrix(point).tolist())

    def matrix(self, points: np.ndarray) -> np.ndarray:
        """Points (…, d) as rows of a History would be, all values known."""
        matrix: np.ndarray = np.where(self.is_option, (points + 0.5) / self.options, points)
        return matrix

    def from_uniforms(self, uniforms: np.ndarray) -> np.ndarray:
        """Points at quantiles (n, d) of the priors; uniform where there are none."""
        points = np.array(uniforms, dtype=float)
        for j, parameter in self._priors:
            points[:, j] = parameter.units([parameter.from_uniform(float(u)) for u in points[:, j]])
        points[:, self.choices] = self._index(points[:, self.choices])
        return self.canonical(self.snapped(points))

    def _index(self, units: np.ndarray) -> np.ndarray:
        count = self.options[self.choices]
        index: np.ndarray = np.minimum(np.floor(units * count), count - 1)
        return index

    def snapped(self, points: np.ndarray) -> np.ndarray:
        """The numbers of discrete parameters moved to the places of the values that they decode to."""
        points = np.array(points, dtype=float)
        for j in self.sizes:
            points[:, j] = self.unit(j, self.place(j, points[:, j]))
        for j, parameter in self._exact.items():
            points[:, j] = parameter.units([parameter.from_unit(float(u)) for u in points[:, j]])
        return points

    def place(self, j: int, units: np.ndarray) -> np.ndarray:
        """Which of its values, counted from 0, a discrete number has at positions (n,)."""
        if j in self.fine:
            return np.asarray(self.fine[j].places(units))
        return np.asarray(self._borders[j].searchsorted(units, side="right"), dtype=float)

    def unit(self, j: int, places: np.ndarray) -> np.ndarray:
        """The positions (n,) of values of a discrete number."""
        if j in self.fine:
            return np.asarray(self.fine[j].units_at(places))
        return np.asarray(self.grids[j][places.astype(int)])

    def canonical(self, points: np.ndarray) -> np.ndarray:
        """The same points in the form by which they are known, with inactive parameters at their fixed place."""
        if self._folded:
            points = points.copy()
        for columns, compound in self._folded:
            is_option, options = self.is_option[columns], self.options[columns]
            units = np.where(is_option, (points[:, columns] + 0.5) / options, points[:, columns])
            units = compound.canonical_units(units)
            points[:, columns] = np.where(is_option, np.floor(units * options), units)
        if self.is_flat:
            return points
        return np.where(self.active(points), points, self._neutral)

    def features(self, points: np.ndarray, active: np.ndarray | None = None) -> np.ndarray:
        """Points as kernels see them, (n, p); `active` (n, d) where more than conditions keeps a parameter unset."""
        if not len(self.choices):
            return np.ascontiguousarray(points, dtype=float)
        if active is None and not self.is_flat:
            active = self.active(points)
        features = np.zeros((len(points), self.width))
        features[:, self.number_features] = points[:, self.numbers]
        rows = np.arange(len(points))[:, None]
        hot = self.first[self.choices] + points[:, self.choices].astype(int)
        features[rows, hot] = ONE_HOT if active is None else ONE_HOT * active[:, self.choices]
        return features

    # -- asking ---------------------------------------------------------------------------------------------------

    def active(self, points: np.ndarray) -> np.ndarray:
        """Which parameters are active, shape (n, d)."""
        active = np.ones(points.shape, dtype=bool)
        for child, parents in self.conditions:
            active[:, child] = switched_on(active, points, parents)
        return active

    def is_forbidden(self, points: np.ndarray) -> np.ndarray:
        """Which points match a forbidden clause, shape (n,)."""
        hit = np.zeros(len(points), dtype=bool)
        if self._clauses:
            active = self.active(points)
            for clause in self._clauses:
                hit |= switched_on(active, points, clause)
        return hit

    def log_prior(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The logarithm of the users' beliefs at points, up to a constant, (n,), and its gradient by them (n, d)."""
        value, gradient = np.zeros(len(points)), np.zeros(points.shape)
        active = self.active(points) if self._priors else None
        for j, parameter in self._priors:
            assert parameter.prior is not None
            assert active is not None
            believed = parameter.unit(parameter.plain(parameter.prior.value))
            spread = CONFIDENCES[parameter.prior.confidence]
            on = active[:, j]
            if self.is_option[j]:
                k = self.options[j]
                hit = points[:, j] == np.floor(believed * k)
                value += on * np.where(hit, np.log1p(-spread), np.log(spread / max(k - 1, 1)))
            else:
                step = (points[:, j] - believed) / spread
                value -= 0.5 * on * step**2
                gradient[:, j] -= on * step / spread
        return value, gradient

    @cached_property
    def size(self) -> float:
        """How many configurations the space has; math.inf with a continuous parameter."""
        return self.space.size

    @cached_property
    def mean_active(self) -> float:
        """How many parameters are active at a time, the average over uniform points; at least 1."""
        if self.is_flat:
            return float(max(self.d, 1))
        points = self.from_uniforms(rng(0, "mean active").random((SAMPLE, self.d)))
        return max(float(self.active(points).sum(axis=1).mean()), 1.0)

    @cached_property
    def is_endless(self) -> bool:
        """Whether every configuration has a continuous number, so that no two are alike by chance."""
        conditional = {child for child, _ in self.conditions}
        return any(j not in self.sizes and j not in conditional for j in self.numbers.tolist())

    @property
    def has_priors(self) -> bool:
        """Whether the user said where good values lie."""
        return bool(self._priors)


@lru_cache(maxsize=64)
def encoding_of(space: Space) -> Encoding:
    """The encoding of a space, made once."""
    return Encoding(space)


def switched_on(active: np.ndarray, points: np.ndarray, parents: list[tuple[int, np.ndarray]]) -> np.ndarray:
    """Where all parents are active and at one of the given places, shape (n,)."""
    on = np.ones(len(points), dtype=bool)
    for parent, places in parents:
        on &= active[:, parent] & (points[:, parent, None] == places).any(axis=1)
    return on


def _grid(parameter: Parameter) -> np.ndarray:
    return parameter.units(parameter.grid(int(parameter.size)))


def _borders(parameter: Parameter, grid: np.ndarray) -> np.ndarray:
    """Where the cells of neighbouring values meet: half-way between them, on a logarithmic scale too."""
    share = np.full(max(len(grid) - 1, 0), 0.5)
    if getattr(parameter, "log", False):
        values: list[Any] = parameter.grid(len(grid))  # whole numbers may be larger than a float tells apart
        step = np.array([min((after - before) / before, LARGEST) for before, after in pairwise(values)])
        # log1p, since of the logarithms of large numbers hardly a digit of the difference would be left.
        share = np.clip(np.log1p(step / 2) / np.log1p(step), 0.01, 0.99)
    borders: np.ndarray = grid[:-1] + share * np.diff(grid)
    return borders
