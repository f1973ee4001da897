"""How good a result is: one value, by which everybody compares.

    violation    0 where every constraint is met; else Σ excess / |bound| over the constraints, where excess is how far
                 the metric is beyond the bound (1 stands for a bound of 0); inf where a metric is unknown
    losses       the objectives times their sign, so that smaller is better

A share of the bound knows no unit: milliseconds and accuracies can be added up. A bound of 0 has no unit to offer, so
whoever sets such constraints scales them. With a single constraint any of this leaves the order as it is.
docs/decisions/0022 has what else was tried.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from math import inf, isfinite
from typing import NamedTuple


class Standing(NamedTuple):
    """Constraints first, then the objectives; of two standings the smaller one is better.

    With several objectives that is the order of the first of them; which of two dominates, `models.pareto` says.

    >>> Standing(0.0, (3.0,)) < Standing(0.0, (4.0,)) < Standing(0.1, (1.0,)) < Standing.worst(1)
    True
    """

    violation: float
    losses: tuple[float, ...]

    @classmethod
    def worst(cls, objectives: int) -> Standing:
        """Of a result that tells nothing: a failure, or an objective that is missing, NaN or infinitely bad."""
        return cls(inf, (inf,) * objectives)

    @property
    def is_feasible(self) -> bool:
        """Whether every constraint is met."""
        return self.violation == 0.0

    @property
    def loss(self) -> float:
        """Of the first objective."""
        return self.losses[0]


def spread(standings: Iterable[Standing]) -> float:
    """Largest less smallest of the finite losses; 0 where there is none."""
    finite = [standing.loss for standing in standings if isfinite(standing.loss)]
    return min(max(finite) - min(finite), sys.float_info.max) if finite else 0.0


def excess_as_share(excess: float, bound: float) -> float:
    """Excess / |bound| of what is beyond a bound, 0 where nothing is, inf where that is not known.

    >>> excess_as_share(-3.0, 20.0), excess_as_share(1.0, 100.0), excess_as_share(float("nan"), 1.0)
    (0.0, 0.01, inf)
    """
    if excess <= 0.0:
        return 0.0
    return excess / (abs(bound) or 1.0) if excess == excess else inf
