"""Whether the last rows of a table are like the first: where they are not, shuffled folds promise too much.

first, last     a third of the rows each, in the order that they came in
distance        numbers and dates: the largest distance of their distributions (Smirnov's), of their missing values
                too; categories: half the sum of the differences of their shares (total variation)
chance          of a distance that large among rows in any order: Smirnov's test, or the chi-square of the levels
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

FEWEST = 60
"""Rows of a table that says anything."""
MOST = 3_000
"""Rows of either part that are looked at, evenly spread."""
LEVELS = 20
"""Levels of a category that are told apart, the most frequent ones."""
FAR = 0.15
"""A distance that matters, however sure it is."""
CHANCE = 0.001
"""Of any drift at all in a table without, at most."""


@dataclass(frozen=True)
class Drift:
    """A column whose last values differ from its first, by a distance from 0 to 1."""

    column: str
    distance: float


def drifts(columns: Mapping[str, np.ndarray]) -> list[Drift]:
    """The columns, each (n,), that drift from the first rows to the last, the furthest first.

    >>> steady, rising = np.tile([0.0, 1.0], 100), np.arange(200.0)
    >>> [drift.column for drift in drifts({"steady": steady, "rising": rising})]
    ['rising']
    """
    found = []
    for name, values in columns.items():
        third = len(values) // 3
        if len(values) < FEWEST:
            continue
        distance, chance = _compared(_some(values[:third]), _some(values[-third:]))
        if distance >= FAR and chance * len(columns) < CHANCE:
            found.append(Drift(name, distance))
    return sorted(found, key=lambda drift: -drift.distance)


def _some(values: np.ndarray) -> np.ndarray:
    return values[:: -(-len(values) // MOST)]


def _compared(first: np.ndarray, last: np.ndarray) -> tuple[float, float]:
    """The distance of the two, and the chance of one that large."""
    from scipy.stats import chi2_contingency, ks_2samp

    if first.dtype != object:
        test = ks_2samp(_numbers(first), _numbers(last), method="asymp")
        return float(test.statistic), float(test.pvalue)
    levels, codes = np.unique([str(value) for value in (*first, *last)], return_inverse=True)
    frequent = np.argsort(-np.bincount(codes, minlength=len(levels)), kind="stable")[:LEVELS]
    place = np.full(len(levels), len(frequent))
    place[frequent] = np.arange(len(frequent))
    counts = np.stack([np.bincount(place[part], minlength=LEVELS + 1) for part in np.split(codes, [len(first)])])
    counts = counts[:, counts.any(axis=0)]
    if counts.shape[1] < 2:
        return 0.0, 1.0
    shares = counts / counts.sum(axis=1, keepdims=True)
    return float(np.abs(shares[0] - shares[1]).sum() / 2), float(chi2_contingency(counts).pvalue)


def _numbers(values: np.ndarray) -> np.ndarray:
    """Values or dates as numbers, missing ones below all others."""
    numbers = values.astype(float)
    missing = np.isnan(numbers) if values.dtype.kind == "f" else np.isnat(values)
    return np.where(missing, -np.inf, numbers)
