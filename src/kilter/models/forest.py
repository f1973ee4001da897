"""A forest of extremely randomised trees (Geurts, Ernst and Wehenkel 2006): a mean and how much the trees disagree.

    x            (n, d)    configurations in the unit cube, NaN where a parameter is inactive
    y            (n,)      what was observed
    mean         (q,)      of the trees' leaves
    variance     (q,)      between the trees and within their leaves, by the law of total variance (Hutter et al. 2014)

scikit-learn grows the trees, and is imported here and nowhere else; predictions walk down the arrays that it leaves,
all trees at once, which for one configuration is some 60 times as fast as its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kilter.core.errors import InvalidInput, needed

INACTIVE = -1.0
"""Stands for NaN: outside the cube, so that half of the thresholds tell active from inactive."""


@dataclass(frozen=True)
class Forest:
    """Settings of a forest: `trees` of them, leaves of at least `leaf` observations. The same seed grows the same.

    >>> forest = Forest(trees=20).fit(np.array([[0.1], [0.4], [0.8]]), np.array([1.0, 2.0, 3.0]))
    >>> mean, variance = forest.predict(np.array([[0.1], [0.8]]))
    >>> mean.tolist(), variance.tolist()
    ([1.0, 3.0], [0.0, 0.0])
    """

    trees: int = 100
    leaf: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.trees < 1 or self.leaf < 1:
            raise InvalidInput(f"{self!r}: needs at least one tree, and one observation a leaf")

    def fit(self, x: np.ndarray, y: np.ndarray) -> Grown:
        """The forest grown on x (n, d) and finite y (n,).

        Raises InvalidInput where there is nothing to learn from or y is not finite, and MissingLibrary without
        scikit-learn.
        """
        with needed("scikit-learn", "a forest"):
            from sklearn.ensemble import ExtraTreesRegressor
        x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
        if x.ndim != 2 or y.shape != (len(x),) or not len(y) or not np.isfinite(y).all():
            raise InvalidInput(f"a forest needs x (n, d) and n finite values, not x {x.shape} and y {y.shape}")
        grower = ExtraTreesRegressor(
            self.trees, criterion="squared_error", min_samples_leaf=self.leaf, random_state=self.seed % 2**32
        )
        grower.fit(_filled(x), y)
        return Grown.of([estimator.tree_ for estimator in grower.estimators_])


@dataclass(frozen=True)
class Grown:
    """All nodes of all trees in arrays (nodes,); a leaf is its own child."""

    roots: np.ndarray
    """(trees,)"""
    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    depth: int

    @classmethod
    def of(cls, trees: list[Any]) -> Grown:
        """The arrays of scikit-learn's trees, one after the other."""
        counts = [tree.node_count for tree in trees]
        roots = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.intp)
        columns: dict[str, list[np.ndarray]] = {name: [] for name in ("feature", "threshold", "left", "right")}
        means, variances = [], []
        for root, tree in zip(roots, trees):
            left, right = tree.children_left, tree.children_right
            itself = np.arange(len(left))
            columns["left"].append(root + np.where(left < 0, itself, left))
            columns["right"].append(root + np.where(left < 0, itself, right))
            columns["feature"].append(np.maximum(tree.feature, 0))
            columns["threshold"].append(tree.threshold)
            means.append(tree.value[:, 0, 0])
            variances.append(tree.impurity)
        joined = {name: np.concatenate(parts) for name, parts in columns.items()}
        depth = max(tree.max_depth for tree in trees)
        # Rounding may leave an impurity just below 0.
        return cls(
            roots, **joined, mean=np.concatenate(means), variance=np.maximum(np.concatenate(variances), 0), depth=depth
        )

    def predict(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance (q,) at x (q, d): between the leaves' means plus the mean of the leaves' variances."""
        x = _filled(np.asarray(x, dtype=float))
        rows = np.arange(len(x))[:, None]
        node = np.broadcast_to(self.roots, (len(x), len(self.roots)))
        for _ in range(self.depth):
            node = np.where(x[rows, self.feature[node]] <= self.threshold[node], self.left[node], self.right[node])
        means = self.mean[node]
        return means.mean(axis=1), means.var(axis=1) + self.variance[node].mean(axis=1)


def _filled(x: np.ndarray) -> np.ndarray:
    """Without NaN, in the single precision that the thresholds were chosen for."""
    return np.where(np.isnan(x), INACTIVE, x).astype(np.float32)
