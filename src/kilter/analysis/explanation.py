"""What methods of importance look at, and what they answer: columns for the dimensions of a space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kilter.models.encoding import NEUTRAL
from kilter.models.results import LEAST

TINY = 1e-12
HALVINGS = 50
LIKELY = 1.2816
"""A normal variable is within so many standard deviations of its mean with probability 0.8."""


@dataclass(frozen=True, eq=False)
class Observed:
    """Trials and what they came to."""

    points: np.ndarray
    """(n, d) as in models/encoding.py, NaN where a parameter has no value."""
    is_option: np.ndarray
    """Which parameters have options, (d,)."""
    losses: np.ndarray
    """(n,), smaller is better; inf for what was stopped before it came to its end."""
    trials: int
    """How many there are, of which these may be a sample."""

    @property
    def active(self) -> np.ndarray:
        """In how many trials each parameter has a value, (d,)."""
        counts: np.ndarray = (~np.isnan(self.points)).sum(axis=0)
        return counts


@dataclass(frozen=True, eq=False)
class Explanation:
    """Shares of the variance for the dimensions of a space."""

    method: str
    sampled: int
    active: np.ndarray
    """(d,), as in Observed."""
    share: np.ndarray
    """(d,)"""
    low: np.ndarray
    """(d,)"""
    high: np.ndarray
    """(d,)"""
    pairs: Mapping[tuple[int, int], tuple[float, float, float]] = field(default_factory=dict)
    """What two dimensions explain together: share, low and high."""
    fit: float | None = None
    """How much of the variance is predicted where it was not seen."""

    @classmethod
    def around(
        cls, method: str, observed: Observed, share: np.ndarray, deviation: np.ndarray, **more: Any
    ) -> Explanation:
        """Shares with their standard errors; nothing below 0, and all together at most 1."""
        share = _at_most_all(np.maximum(share, 0.0), deviation)
        low, high = (np.clip(share + side * LIKELY * deviation, 0.0, 1.0) for side in (-1.0, 1.0))
        return cls(method, len(observed.losses), observed.active, share, low, high, **more)

    @classmethod
    def of_nothing(cls, method: str, observed: Observed) -> Explanation:
        """What equal values, or too few of them, tell: no share of anything; while they are few it may be any."""
        n, nothing = len(observed.losses), np.zeros(len(observed.is_option))
        return cls(method, n, observed.active, nothing, nothing, nothing + (n < LEAST))


def together(
    pairs: Sequence[tuple[int, int]], share: np.ndarray, deviation: np.ndarray
) -> dict[tuple[int, int], tuple[float, float, float]]:
    """What pairs explain, with what their standard errors make of it; those that explain nothing are left out."""
    low, high = (np.clip(share + side * LIKELY * deviation, 0.0, 1.0) for side in (-1.0, 1.0))
    found = zip(pairs, zip(share.tolist(), low.tolist(), high.tolist()))
    return {pair: (min(one[0], 1.0), one[1], one[2]) for pair, one in found if one[0] > 0}


def _at_most_all(share: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Shares that sum to at most 1: from each goes the same number of its errors, so the least sure go first."""
    if share.sum() <= 1.0:
        return share
    few, many = 0.0, float((share / np.maximum(deviation, TINY)).max())
    for _ in range(HALVINGS):
        middle = 0.5 * (few + many)
        too_few = np.maximum(share - middle * deviation, 0.0).sum() > 1.0
        few, many = (middle, many) if too_few else (few, middle)
    share = np.maximum(share - many * deviation, 0.0)
    return share / max(float(share.sum()), 1.0)


def filled(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same points with a value everywhere: where a parameter has none, one that it has in another trial."""
    points = points.copy()
    for column in points.T:
        missing = np.isnan(column)
        if missing.any():
            known = column[~missing]
            column[missing] = rng.choice(known, missing.sum()) if len(known) else NEUTRAL
    return points


def quantile_bins(values: np.ndarray, most: int) -> np.ndarray:
    """The bin of each value (n,), of at most so many with about as many values each; equal values are in one."""
    edges = np.unique(np.quantile(values, np.arange(1, most) / most, method="inverted_cdf"))
    return edges.searchsorted(values, side="left")
