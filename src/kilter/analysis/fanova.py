"""Importance by a forest: a functional analysis of variance that is exact over the leaves of trees.

A tree's leaves are boxes, so the mean of what it predicts over all parameters but one is a sum of lengths of edges
(Hutter, Hoos and Leyton-Brown 2014, algorithm 2). Two things differ from there:

- Trees come in pairs, of two halves of the trials: a and b. What one tree takes for an effect, but is noise, the other
  one has not seen, so V_j is the *covariance* of a_j and b_j. What does not matter has 0 on average, and no more.
- Values of a parameter count as often as trials had them, not evenly over its range, so that nothing rests on where no
  trial was; for random trials this is the same.

Inactive parameters get values of other trials: where it is inactive a parameter changes nothing, and trees learn that.
What it explains there counts once for each share of the trials in which it is active, since a_j is flatter by that.

The error of a share is that of its halves: half of the trials, drawn without putting back, vary about the whole as the
whole does about the truth.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from kilter.analysis.explanation import Explanation, Observed, filled, quantile_bins, together
from kilter.core.seeds import rng
from kilter.models.transforms import standard
from kilter.models.trees import Tree, grown

PAIRS = 12
"""Pairs of trees."""
LEAF = 3
"""Observations in a leaf, at least."""
CUT = 0.8
"""The share of the parameters that may be cut at a node."""
BINS = 32
"""Bins of a number, at most; of options the rarest share one."""
CELLS = 200_000
"""Trials times parameters that are looked at, at most, ..."""
FEWEST = 500
"""... and so many trials at least, where there are as many ..."""
MOST = 3_000
"""... and no more than these."""
JOINT = 8
"""Parameters of which pairs are looked at, the most important ones."""
POINTS = 1_024
"""Points at which the variance of what is predicted is taken."""


class Forest:
    """Pairs of trees, each of one half of the trials."""

    def __init__(self, bins: np.ndarray, y: np.ndarray, pairs: int, stream: np.random.Generator) -> None:
        self.sizes = bins.max(axis=0) + 1
        self.trees: list[Tree] = []
        self.unseen = np.zeros(len(y))
        """What is predicted of each trial by the trees that have not seen it, (n,)."""
        self.signal = 0.0
        """The variance of what is predicted, over points whose values are each of a trial of its own."""
        points = np.stack([stream.choice(column, POINTS) for column in bins.T], axis=1)
        half = len(y) // 2
        for _ in range(pairs):
            rows = stream.permutation(len(y))
            halves = [(rows[:half], rows[half:]), (rows[half:], rows[:half])]
            anywhere = np.empty((2, POINTS))
            for place, (seen, other) in enumerate(halves):
                everything = np.concatenate([bins[seen], bins[other], points])
                tree = grown(everything, y[seen], self.sizes, LEAF, CUT, stream)
                self.unseen[other] += tree.predicted[len(seen) : len(y)] / pairs
                self.trees.append(tree)
                anywhere[place] = tree.predicted[len(y) :]
            self.signal += float(np.cov(anywhere)[0, 1]) / pairs


def explained(observed: Observed, seed: int, pairs: int = PAIRS) -> Explanation:
    """The share of each dimension, and of pairs of the most important ones, in what a forest predicts."""
    stream = rng(seed, "fanova")
    observed = _sampled(observed, stream)
    y = standard(observed.losses)(observed.losses)
    points = filled(observed.points, stream)
    bins = np.stack([_bins(column, o) for column, o in zip(points.T, observed.is_option)], axis=1)
    forest = Forest(bins, y, pairs, stream)
    weights = _weights(bins, forest.sizes)
    means = np.stack([_marginals(tree, weights) for tree in forest.trees])
    means -= (means * weights).sum(axis=2, keepdims=True)
    part = np.maximum(observed.active / len(y), 1.0 / len(y))
    effects = _covariances(means * weights, means) / part
    left = float(((y - forest.unseen) ** 2).mean())
    total = max(forest.signal, float(np.maximum(effects.mean(axis=0), 0.0).sum())) + left
    lean = 2.0 * (means * weights * means.mean(axis=0)).sum(axis=2) / part
    deviation = np.sqrt(lean.var(axis=0) + effects.var(axis=0)) / total
    share = effects.mean(axis=0) / total
    joint = _joint(forest, weights, means, share, part, total)
    return Explanation.around("fanova", observed, share, deviation, pairs=joint, fit=1.0 - left / float(y.var()))


def _sampled(observed: Observed, stream: np.random.Generator) -> Observed:
    n, d = observed.points.shape
    most = min(max(CELLS // max(d, 1), FEWEST), MOST)
    if n <= most:
        return observed
    rows = np.sort(stream.choice(n, most, replace=False))
    return Observed(observed.points[rows], observed.is_option, observed.losses[rows], observed.trials)


def _bins(column: np.ndarray, is_option: bool) -> np.ndarray:
    if not is_option:
        return quantile_bins(column, BINS)
    counts = np.bincount(column.astype(int))
    rank = np.empty(len(counts), dtype=int)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    return np.asarray(np.minimum(rank[column.astype(int)], BINS - 1))


def _weights(bins: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The share of the trials in each bin of each parameter, (d, G)."""
    width = int(sizes.max())
    counts: np.ndarray = np.stack([np.bincount(column, minlength=width) for column in bins.T]) / len(bins)
    return counts


def _lengths(tree: Tree, weights: np.ndarray) -> np.ndarray:
    """The share of the trials that each edge of each leaf spans, (L, d)."""
    below = np.concatenate([np.zeros((len(weights), 1)), weights.cumsum(axis=1)], axis=1)
    columns = np.arange(len(weights))
    return np.asarray(below[columns, tree.high] - below[columns, tree.low])


def _marginals(tree: Tree, weights: np.ndarray) -> np.ndarray:
    """a_j(v) of one tree in each bin of each parameter, (d, G)."""
    d, width = weights.shape
    edges = _lengths(tree, weights)
    volume = np.prod(edges, axis=1)
    means = np.zeros((d, width + 1))
    for j in range(d):
        across = tree.value * (volume / np.maximum(edges[:, j], 1e-300))
        means[j] = np.bincount(tree.low[:, j], across, width + 1) - np.bincount(tree.high[:, j], across, width + 1)
    return means.cumsum(axis=1)[:, :width]


def _covariances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Sums over bins of products of what the two trees of each pair say, (pairs, d)."""
    return np.asarray(0.5 * ((first[::2] * second[1::2]) + (first[1::2] * second[::2])).sum(axis=-1))


def _joint(
    forest: Forest, weights: np.ndarray, means: np.ndarray, share: np.ndarray, part: np.ndarray, total: float
) -> dict[tuple[int, int], tuple[float, float, float]]:
    """What pairs of the most important parameters explain together."""
    pairs = list(combinations(np.sort(np.argsort(-share, kind="stable")[:JOINT]).tolist(), 2))
    effects = np.empty((len(forest.trees) // 2, len(pairs)))
    for place, (j, k) in enumerate(pairs):
        both = np.stack([_marginal_of_two(tree, weights, j, k) for tree in forest.trees])
        weight = np.multiply.outer(weights[j], weights[k])
        both -= (both * weight).sum(axis=(1, 2), keepdims=True) + means[:, j, :, None] + means[:, k, None, :]
        flat = both.reshape(len(both), -1)
        effects[:, place] = _covariances(flat * weight.ravel(), flat) / (part[j] * part[k] * total)
    return together(pairs, effects.mean(axis=0), effects.std(axis=0))


def _marginal_of_two(tree: Tree, weights: np.ndarray, j: int, k: int) -> np.ndarray:
    """The mean of what a tree predicts for each pair of bins of two parameters, (G, G)."""
    width = weights.shape[1] + 1
    edges = _lengths(tree, weights)
    across = tree.value * np.prod(np.delete(edges, (j, k), axis=1), axis=1)
    grid = np.zeros(width * width)
    for first, sign in ((tree.low[:, j], 1.0), (tree.high[:, j], -1.0)):
        for second, other in ((tree.low[:, k], 1.0), (tree.high[:, k], -1.0)):
            grid += sign * other * np.bincount(first * width + second, across, width * width)
    return np.asarray(grid.reshape(width, width).cumsum(axis=0).cumsum(axis=1)[:-1, :-1])
