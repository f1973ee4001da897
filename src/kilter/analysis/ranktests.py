"""Tests on ranks, exact where that is cheap: whether paired differences, or two groups, lean to one side.

    d        (n,)   differences of pairs; those that are 0 or NaN are ties and say nothing
    W        sum of the ranks of |d| over d > 0
    p        two-sided: how likely so uneven a sum is where each sign is a fair coin

Infinite differences have the largest ranks. Ranks that are shared are halves at most, so twice the sum is a whole
number, and its distribution is that of a sum of independent whole numbers, convolved one by one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

EXACT = 60
"""Differences up to which the distribution of W is computed; beyond, it is taken to be normal."""


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1, shared ones averaged, (n,).

    >>> ranks(np.array([3.0, 1.0, 3.0])).tolist()
    [2.5, 1.0, 2.5]
    """
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    found: np.ndarray = (last - (count - 1) / 2.0)[place]
    return found


def signed_rank(differences: np.ndarray) -> float | None:
    """Wilcoxon's signed-rank test (1945): p, or None where every difference is a tie.

    It assumes that differences are symmetric about their median where there is no effect.

    >>> signed_rank(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    0.0625
    """
    known = differences[~np.isnan(differences) & (differences != 0)]
    if not len(known):
        return None
    rank = ranks(np.abs(known))
    w = float(rank[known > 0].sum())
    mean, n = float(rank.sum()) / 2.0, len(known)
    if n > EXACT:
        deviation = math.sqrt(float((rank**2).sum()) / 4.0)
        return math.erfc(max(abs(w - mean) - 0.5, 0.0) / deviation / math.sqrt(2.0))
    doubled = (2.0 * rank).round().astype(int)
    chances = np.zeros(int(doubled.sum()) + 1)
    chances[0] = 1.0
    for each in doubled.tolist():
        moved = np.roll(chances, each)
        moved[:each] = 0.0
        chances = (chances + moved) / 2.0
    away = np.abs(np.arange(len(chances)) - 2.0 * mean) >= abs(2.0 * w - 2.0 * mean) - 1e-9
    return min(float(chances[away].sum()), 1.0)


def sign(differences: np.ndarray) -> float | None:
    """The sign test: p of so uneven a number of wins and losses, or None where every difference is a tie.

    >>> sign(np.array([0.1, 3.0, -0.2, 1.0]))
    0.625
    """
    wins, losses = int((differences > 0).sum()), int((differences < 0).sum())
    n, few = wins + losses, min(wins, losses)
    if not n:
        return None
    return min(sum(math.comb(n, k) for k in range(few + 1)) / 2.0 ** (n - 1), 1.0) if n < 1000 else _normal(n, few)


def _normal(n: int, few: int) -> float:
    return math.erfc((n / 2.0 - few - 0.5) / (math.sqrt(n) / 2.0) / math.sqrt(2.0))


def rank_sum(one: np.ndarray, other: np.ndarray) -> float | None:
    """The test of Mann and Whitney (1947) on groups that are not paired: p, or None where one is empty.

    It assumes that the groups differ in nothing but their place where there is no effect.
    """
    if not len(one) or not len(other):
        return None
    from scipy.stats import mannwhitneyu  # slow to load

    return float(mannwhitneyu(one, other, alternative="two-sided").pvalue)


def holm(p: Sequence[float | None]) -> list[float | None]:
    """Holm's correction (1979): by each p what it is worth among so many that were looked at; None stays.

    >>> holm([0.01, None, 0.04])
    [0.02, None, 0.04]
    """
    known = sorted((value, i) for i, value in enumerate(p) if value is not None)
    corrected: list[float | None] = [None] * len(p)
    least = 0.0
    for place, (value, i) in enumerate(known):
        least = max(least, min(value * (len(known) - place), 1.0))
        corrected[i] = least
    return corrected
