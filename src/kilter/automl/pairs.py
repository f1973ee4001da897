"""Sums, differences, products and ratios of two numbers, of those that quick trees gain most by.

A tree splits along one column at a time: it needs many leaves for a ratio or a slanted border. AutoGluon's portfolio of
12/2025 has such columns in every other model of trees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from kilter.automl.parsing import finite

if TYPE_CHECKING:
    from kilter.automl.members.member import Matrix
    from kilter.automl.task import Task

COLUMNS = 8
"""Of which all pairs are tried."""

KEPT = 20

ROWS = 10_000
"""That quick trees look at."""

TREES, ROUNDS, MOST = 40, 8, 2_000
"""Quick trees, and rounds of them at least where there are several classes; at most so many trees, but for a round."""
SIGNS = "+", "−", "×", "/"

QUICK = {
    "num_leaves": 15,
    "learning_rate": 0.15,
    "feature_fraction": 0.6,
    "max_bin": 63,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


@dataclass(frozen=True)
class Pairs:
    """Which columns of the tree view are taken together, and how: (p,) places of both, and of the sign in SIGNS."""

    first: np.ndarray
    second: np.ndarray
    sign: np.ndarray

    @classmethod
    def fit(cls, matrix: Matrix, y: np.ndarray, task: Task, seed: int, weight: np.ndarray | None = None) -> Pairs:
        """Of these rows; none where fewer than two numbers matter."""
        step = len(matrix) // ROWS + 1
        values, some = matrix.values[::step], y[::step]
        heavy = None if weight is None else weight[::step]
        gains = _gains(values, some, task, seed, heavy, matrix.categorical)
        gains[list(matrix.categorical)] = 0
        for place in np.flatnonzero(gains):
            known = values[:, place][np.isfinite(values[:, place])]
            gains[place] *= len(np.unique(known)) > 2
        best = np.sort(np.argsort(-gains, kind="stable")[: min(COLUMNS, int((gains > 0).sum()))])
        every = [(one, two, sign) for one, two in combinations(best.tolist(), 2) for sign in range(len(SIGNS))]
        tried = cls(*np.array(every, np.int64).reshape(-1, 3).T)
        if not every:
            return tried
        gains = _gains(np.hstack([values, tried(values)]), some, task, seed, heavy, matrix.categorical)[len(gains) :]
        kept = np.sort(np.argsort(-gains, kind="stable")[: min(KEPT, int((gains > 0).sum()))])
        return cls(tried.first[kept], tried.second[kept], tried.sign[kept])

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """(n, p) from the values of the tree view, (n, d)."""
        pairs = np.empty((len(values), len(self.sign)))
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            for sign, taken in enumerate((np.add, np.subtract, np.multiply, np.divide)):
                which = self.sign == sign
                pairs[:, which] = taken(values[:, self.first[which]], values[:, self.second[which]])
        return finite(pairs)

    def names(self, names: Sequence[str]) -> list[str]:
        """Of the pairs, from those of the tree view's columns."""
        places = zip(self.first.tolist(), self.sign.tolist(), self.second.tolist(), strict=True)
        return [f"{names[one]} {SIGNS[sign]} {names[two]}" for one, sign, two in places]


def _gains(
    values: np.ndarray, y: np.ndarray, task: Task, seed: int, weight: np.ndarray | None, categorical: Sequence[int]
) -> np.ndarray:
    """(d,) what the splits in each column gain."""
    import lightgbm

    own = QUICK | {"objective": task.kind, "seed": seed % 2**31, "min_data_in_leaf": min(20, len(y) // 10 + 1)}
    if task.kind == "multiclass":
        own["num_class"] = task.width
    data = lightgbm.Dataset(values, y, weight=weight, categorical_feature=list(categorical), params=own)
    trees = lightgbm.train(own, data, _rounds(task.width))
    return np.asarray(trees.feature_importance("gain"), float)


def _rounds(classes: int) -> int:
    """Each of which has a tree for every class."""
    return max(min(max(TREES // classes, ROUNDS), MOST // classes), 1)
