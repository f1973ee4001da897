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
SURE = 0.01
"""Of the variance: no method is trusted to leave less than this unpredicted."""
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
        """Shares with their standard errors; nothing below 0, and all together at most 1.

        What is not predicted is noise to a share, and by chance others of it come in another sample of trials: the
        error of an R² (Wishart 1931) goes to that of the method, as far as there is such noise.
        """
        noise, n = np.clip(1.0 - (more.get("fit") or 0.0), 0.0, 1.0) if "fit" in more else 0.0, len(observed.losses)
        known = np.clip(share, 0.0, 1.0)
        noise = np.where((share != 0) | (deviation > 0), noise, 0.0)  # what did not vary explains nothing for sure
        deviation = np.sqrt(deviation**2 + 4.0 * known * (1.0 - known) ** 2 * noise / n + 2.0 * (noise / n) ** 2)
        share = _at_most_all(np.maximum(share, 0.0), deviation)
        low, high = (np.clip(share + side * LIKELY * deviation, 0.0, 1.0) for side in (-1.0, 1.0))
        return cls(method, len(observed.losses), observed.active, share, low, high, **more)

    @classmethod
    def of_nothing(cls, method: str, observed: Observed) -> Explanation:
        """What equal values, or too few of them, tell: no share of anything; while they are few it may be any."""
        n, nothing = len(observed.losses), np.zeros(len(observed.is_option))
        return cls(method, n, observed.active, nothing, nothing, nothing + (n < LEAST))


def mixed(method: str, found: Sequence[Explanation]) -> Explanation:
    """The mean of what several methods say, each by the inverse square of what it does not predict.

    Where they differ that is uncertainty, too: an interval is of the mixture's deviation.
    """
    trust = np.array([max(1.0 - (one.fit or 0.0), SURE) ** -2 for one in found])
    trust /= trust.sum()
    share, low, high = _mixed(trust, np.array([(one.share, one.low, one.high) for one in found]))
    nothing = (0.0, 0.0, 0.0)
    names = dict.fromkeys(pair for one in found for pair in one.pairs)
    pairs = {
        pair: tuple(_mixed(trust, np.array([one.pairs.get(pair, nothing) for one in found])).tolist()) for pair in names
    }
    first = max(found, key=lambda one: one.sampled)
    fit = float(trust @ [one.fit or 0.0 for one in found])
    return Explanation(method, first.sampled, first.active, share, low, high, pairs, fit)


def _mixed(trust: np.ndarray, told: np.ndarray) -> np.ndarray:
    """Share, low and high, (3, ...), of what each says of it, (methods, 3, ...)."""
    share = np.tensordot(trust, told[:, 0], 1)
    ends = [(told[:, end] - told[:, 0]) ** 2 + LIKELY**2 * (told[:, 0] - share) ** 2 for end in (1, 2)]
    below, above = (np.sqrt(np.tensordot(trust, end, 1)) for end in ends)
    return np.array([share, np.maximum(share - below, 0.0), np.minimum(share + above, 1.0)])


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
