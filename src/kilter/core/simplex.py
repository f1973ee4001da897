"""Weights that add up to one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations_with_replacement, pairwise
from typing import Any

import numpy as np

from kilter.core.compound import MOST_FORMS, Compound
from kilter.core.errors import InvalidInput
from kilter.core.numbers import Float

DIGITS = 12
"""Decimals of a weight, as many as survive the way to the cube and back."""
SLACK = 1e-6
"""Weights that a user gives may miss a sum of 1 by this; they are divided by their sum."""


@dataclass(frozen=True, eq=False, repr=False)
class Simplex(Compound):
    """A tuple of n weights, none below 0, that add up to 1: shares of an ensemble, of a budget, of a mixture.

    Without a prior all such tuples are equally likely. The parts are the n - 1 places at which [0, 1] is cut, and the
    weights the lengths of its pieces in order: `w.1` is the first weight, `w.2` the sum of the first two. The places
    in another order cut the same pieces; sorted ones are the canonical form. A weight of 0 lies on the border, and is
    hit only where two cuts meet.

    >>> Simplex(3).assemble({"1": 0.7, "2": 0.2})
    (0.2, 0.5, 0.3)
    >>> Simplex(3).dissolve((0.2, 0.5, 0.3))
    {'1': 0.2, '2': 0.7}
    """

    n: int

    kind = "simplex"
    is_unique = False

    def __post_init__(self) -> None:
        if isinstance(self.n, bool) or not isinstance(self.n, int) or self.n < 2:
            raise InvalidInput(f"Simplex({self.n!r}): give the number of weights, 2 or more")
        super().__post_init__()

    def parts(self) -> Mapping[str, Float]:
        return {str(i): Float(0.0, 1.0) for i in range(1, self.n)}

    def assemble(self, plains: Mapping[str, Any]) -> tuple[float, ...]:
        cuts = [0.0, *sorted(plains.values()), 1.0]
        return tuple(round(after - before, DIGITS) for before, after in pairwise(cuts))

    def dissolve(self, value: Any) -> dict[str, Any]:
        weights = list(value) if isinstance(value, (list, tuple, np.ndarray)) else []
        try:
            total = math.fsum(weights)
        except (TypeError, ValueError, OverflowError):
            total = math.nan
        if len(weights) != self.n or not abs(total - 1.0) <= SLACK or min(weights) < 0:
            raise InvalidInput(f"{value!r} is not a list of {self.n} weights, none below 0, that add up to 1")
        sums = np.minimum(np.cumsum(np.array(weights, dtype=float) / total), 1.0).round(DIGITS)
        return dict(zip(self._parts, sums.tolist()))

    def canonical(self, plains: Mapping[str, Any]) -> dict[str, Any]:
        return dict(zip(plains, sorted(plains.values())))

    def canonical_units(self, units: np.ndarray) -> np.ndarray:
        return np.sort(units, axis=1)

    def forms(self, n: int | None = None) -> list[dict[str, Any]]:
        levels = Float(0.0, 1.0).grid(n or MOST_FORMS)
        if math.comb(len(levels) + self.n - 2, self.n - 1) > MOST_FORMS:
            raise InvalidInput(f"{self!r} has more than {MOST_FORMS} forms, too many for a grid: make it coarser")
        return [dict(zip(self._parts, cuts)) for cuts in combinations_with_replacement(levels, self.n - 1)]
