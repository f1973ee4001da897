"""Which of many points no other one beats in every objective; all objectives are to be minimised."""

from __future__ import annotations

import numpy as np

BLOCK = 256
"""Rows that are compared with one another at once: their table of comparisons fits into a processor's cache."""


def non_dominated(values: np.ndarray) -> np.ndarray:
    """Whether each row of `values` (n, m) is dominated by no other one, shape (n,).

    A row dominates another one where it is nowhere larger and somewhere smaller, so of equal rows all stay.
    Infinite values are compared as numbers are; NaN has no place in the order and must not occur.

    >>> non_dominated(np.array([[1.0, 2.0], [2.0, 1.0], [2.0, 2.0], [1.0, 2.0]])).tolist()
    [True, True, False, True]
    """
    values = np.asarray(values, dtype=float)
    n, m = values.shape
    if n == 0 or m == 0:
        return np.ones(n, dtype=bool)
    order = np.lexsort(values.T[::-1])
    ordered = values[order]
    fresh = np.ones(n, dtype=bool)
    fresh[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    unique = ordered[fresh]  # in lexicographic order, so a row can only be dominated by one before it
    if m <= 2:
        last = unique[:, -1]
        kept = np.ones(len(unique), dtype=bool)
        kept[1:] = last[1:] < np.minimum.accumulate(last)[:-1]
    else:
        kept = _first_of_their_kind(unique)
    mask = np.empty(n, dtype=bool)
    mask[order] = kept[np.cumsum(fresh) - 1]
    return mask


def _first_of_their_kind(rows: np.ndarray) -> np.ndarray:
    """Which of different rows in lexicographic order are dominated by none before them, block by block."""
    kept = np.zeros(len(rows), dtype=bool)
    rest = rows[:, 1:]  # in the first objective no row is larger than a later one
    front = rest[:0]
    for start in range(0, len(rows), BLOCK):
        alive = np.arange(start, min(start + BLOCK, len(rows)))
        for first in range(0, len(front), BLOCK):
            alive = alive[~_below(front[first : first + BLOCK], rest[alive]).any(axis=0)]
        alive = alive[~np.triu(_below(rest[alive], rest[alive]), 1).any(axis=0)]
        kept[alive] = True
        front = np.concatenate([front, rest[alive]])
    return kept


def _below(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Whether row i of `one` is nowhere larger than row j of `other`, shape (i, j)."""
    below: np.ndarray = one[:, None, 0] <= other[None, :, 0]
    for column in range(1, one.shape[1]):
        below &= one[:, None, column] <= other[None, :, column]
    return below
