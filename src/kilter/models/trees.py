"""Regression trees over bins, whose leaves are boxes: small enough to be summed up exactly.

    bins      (n, d)    the bin of each parameter, 0 to G - 1
    y         (n,)      what was observed there
    low, high (L, d)    a leaf holds the points whose bin j is in [low, high) for each parameter j
    value     (L,)      the mean of what was observed in it

Trees grow level by level, all nodes of a level at once: a histogram of counts and sums for each node and parameter
holds all cuts that there are, and the best one is taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DEPTH = 24
"""Levels of a tree, at most."""


@dataclass(frozen=True, eq=False)
class Tree:
    """Its leaves, see the module's first lines, and the value at each point that it was handed."""

    low: np.ndarray
    high: np.ndarray
    value: np.ndarray
    predicted: np.ndarray
    """(n,)"""


def grown(
    bins: np.ndarray, y: np.ndarray, sizes: np.ndarray, leaf: int, share: float, rng: np.random.Generator
) -> Tree:
    """The tree of observations y (k,) at the first k points of `bins` (n, d); parameter j has sizes[j] bins.

    A leaf holds `leaf` observations at least, and at each node a random `share` of the parameters may be cut.

    >>> bins = np.array([[0], [0], [1], [1], [1]])
    >>> tree = grown(bins, np.array([1.0, 1.0, 3.0, 5.0]), np.array([2]), 2, 1.0, np.random.default_rng(0))
    >>> tree.value.tolist(), tree.high.tolist(), tree.predicted.tolist()
    ([1.0, 4.0], [[1], [2]], [1.0, 1.0, 4.0, 4.0, 4.0])
    """
    low, high, width = np.zeros((1, bins.shape[1]), dtype=int), sizes[None], int(sizes.max())
    rows, node = np.arange(len(bins)), np.zeros(len(bins), dtype=int)
    leaves, predicted = [], np.empty(len(bins))
    for depth in range(DEPTH):
        seen = rows < len(y)
        count, total = _histograms(bins[rows[seen]], y[rows[seen]], node[seen], len(low), width)
        feature, cut, splits = _best_cuts(count, total, leaf, share, rng)
        splits &= depth < DEPTH - 1
        mean = total[:, 0].sum(axis=1) / count[:, 0].sum(axis=1)
        leaves.append((low[~splits], high[~splits], mean[~splits]))
        stays = splits[node]
        predicted[rows[~stays]] = mean[node[~stays]]
        rows, node = rows[stays], node[stays]
        if not len(rows):
            break
        is_right = bins[rows, feature[node]] >= cut[node]
        node = 2 * (np.cumsum(splits) - 1)[node] + is_right
        low, high = _children(low[splits], high[splits], feature[splits], cut[splits])
    lows, highs, values = (np.concatenate(parts) for parts in zip(*leaves))
    return Tree(lows, highs, values, predicted)


def _histograms(
    bins: np.ndarray, y: np.ndarray, node: np.ndarray, nodes: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Counts and sums by node, parameter and bin, each (nodes, d, width)."""
    d = bins.shape[1]
    cells = ((node[:, None] * d + np.arange(d)) * width + bins).ravel()
    shape, length = (nodes, d, width), nodes * d * width
    count = np.bincount(cells, minlength=length).reshape(shape)
    return count, np.bincount(cells, np.repeat(y, d), minlength=length).reshape(shape)


def _best_cuts(
    count: np.ndarray, total: np.ndarray, leaf: int, share: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The parameter and the cut of each node that explain most, and whether there is any."""
    nodes, d, width = count.shape
    n, s = count[:, 0].sum(axis=1)[:, None, None], total[:, 0].sum(axis=1)[:, None, None]
    left, left_sum = count.cumsum(axis=2)[:, :, :-1], total.cumsum(axis=2)[:, :, :-1]
    right = n - left
    legal = (left >= leaf) & (right >= leaf)
    with np.errstate(divide="ignore", invalid="ignore"):
        explained = left_sum**2 / left + (s - left_sum) ** 2 / right - s * s / n
    explained = np.where(legal, explained, 0.0)
    if share < 1.0:
        explained *= (rng.random((nodes, d)) < share)[:, :, None]
    flat = explained.reshape(nodes, -1)
    best = flat.argmax(axis=1) if flat.shape[1] else np.zeros(nodes, dtype=int)
    splits = flat[np.arange(nodes), best] > 1e-12 * n[:, 0, 0] if flat.shape[1] else np.zeros(nodes, dtype=bool)
    return best // max(width - 1, 1), best % max(width - 1, 1) + 1, splits


def _children(low: np.ndarray, high: np.ndarray, feature: np.ndarray, cut: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The boxes of both children of each node, left and right by turns."""
    lows, highs = np.repeat(low, 2, axis=0), np.repeat(high, 2, axis=0)
    nodes = np.arange(len(low))
    highs[2 * nodes, feature] = cut
    lows[2 * nodes + 1, feature] = cut
    return lows, highs
