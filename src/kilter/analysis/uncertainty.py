"""How sure the mean of scores of parts is, whose models share training rows and so err together.

The variance of the mean of k scores with variance s² is (1/k + overlap) s² after Nadeau and Bengio (2003, Machine
Learning 52); the overlap is test rows / training rows, which is 1 / (k - 1) in cross-validation, and 0 for parts that
share nothing, as seeds.
"""

from __future__ import annotations

from math import inf, nan, sqrt

import numpy as np

LEVEL = 0.95


def standard_error(scores: np.ndarray, overlap: float) -> float:
    """Of the mean of scores (k,); NaN with a single one.

    >>> [round(standard_error(np.array([1.0, 3.0]), overlap), 3) for overlap in (0.0, 0.5)]
    [1.0, 1.414]
    """
    return float(np.std(scores, ddof=1) * sqrt(1 / len(scores) + overlap)) if len(scores) > 1 else nan


def interval(mean: float, error: float, count: int, level: float = LEVEL) -> tuple[float, float]:
    """Where the expectation of a mean of so many scores lies, by Student's t; infinite with a single one.

    >>> low, high = interval(0.0, 1.0, 10)
    >>> round(low, 2), round(high, 2)
    (-2.26, 2.26)
    """
    from scipy.special import stdtrit

    if count < 2:
        return -inf, inf
    reach = float(stdtrit(count - 1, (1 + level) / 2)) * error
    return mean - reach, mean + reach
