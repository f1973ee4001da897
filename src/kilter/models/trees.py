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
class Leaves:
    """The boxes of one tree; see the module's first lines."""

    low: np.ndarray
    high: np.ndarray
    value: np.ndarray

    def predict(self, bins: np.ndarray) -> np.ndarray:
        """The value of the leaf of each point, (q,)."""
        inside = np.ones((len(bins), len(self.value)), dtype=bool)
        for j in np.flatnonzero((self.low > 0).any(axis=0) | (self.high < self.high.max(axis=0)).any(axis=0)):
            inside &= (bins[:, j, None] >= self.low[:, j]) & (bins[:, j, None] < self.high[:, j])
        found: np.ndarray = self.value[inside.argmax(axis=1)]
        return found


def grown(
    bins: np.ndarray, y: np.ndarray, sizes: np.ndarray, leaf: int, share: float, rng: np.random.Generator
) -> Leaves:
    """The tree of some observations; parameter j has sizes[j] bins.

    A leaf holds `leaf` observations at least, and at each node a random `share` of the parameters may be cut.

    >>> bins = np.array([[0], [0], [1], [1]])
    >>> leaves = grown(bins, np.array([1.0, 1.0, 3.0, 5.0]), np.array([2]), 2, 1.0, np.random.default_rng(0))
    >>> leaves.value.tolist(), leaves.high.tolist()
    ([1.0, 4.0], [[1], [2]])
    """
    d, width = bins.shape[1], int(sizes.max())
    low, high = [np.zeros(d, dtype=int)], [sizes.astype(int)]
    node, rows = np.zeros(len(y), dtype=int), np.arange(len(y))
    done: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    lows, highs = np.array(low), np.array(high)
    for _ in range(DEPTH):
        count, total = _histograms(bins[rows], y[rows], node, len(lows), width)
        feature, cut, splits = _best_cuts(count, total, leaf, share, rng)
        means = total[:, 0].sum(axis=1) / count[:, 0].sum(axis=1)
        done.append((lows[~splits], highs[~splits], means[~splits]))
        if not splits.any():
            break
        kept = splits[node]
        rows, node = rows[kept], node[kept]
        place = np.cumsum(splits) - 1
        is_right = bins[rows, feature[node]] >= cut[node]
        node = 2 * place[node] + is_right
        lows, highs = _children(lows[splits], highs[splits], feature[splits], cut[splits])
    else:
        count = np.bincount(node, minlength=len(lows))
        done.append((lows, highs, np.bincount(node, y[rows], minlength=len(lows)) / count))
    return Leaves(*(np.concatenate(parts) for parts in zip(*done)))


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
