"""Forests of scikit-learn: extremely randomised trees, or random ones; an optional member, `members=[…, "forest"]`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from kilter.automl.members.member import Fitted, Left, Matrix, Params, Rows, Shape, relative, settled, told, told_task
from kilter.automl.state import State
from kilter.automl.task import Task
from kilter.core.errors import InvalidInput, needed
from kilter.core.numbers import Float, Int
from kilter.core.options import Boolean
from kilter.core.parameter import Parameter

GROWN = 10
"""Trees between two looks at the clock."""
BLOCK = 4096
"""Rows that go down the trees at a time."""
PARTS = "left", "right", "column", "border", "gaps_left"


@dataclass(frozen=True)
class Forest:
    """Trees grown independently of one another, averaged."""

    name: str = "forest"
    view: str = "tree"

    def space(self, task: Task) -> dict[str, Parameter]:
        """scikit-learn's words; `extra_trees` draws borders at random."""
        return {
            "n_estimators": Int(20, 500, log=True, default=120),
            "min_samples_leaf": Int(1, 50, log=True, default=2),
            "max_features": Float(0.05, 1.0, default=0.5),
            "extra_trees": Boolean(default=True),
        }

    def work(self, params: Params, shape: Shape) -> float:
        """Seconds: each tree sorts, or draws borders for, some of the columns on each level."""
        settings = settled(self, params, Task("regression"))
        levels = math.log2(shape.rows / settings["min_samples_leaf"] + 2)
        each = (2e-9 if settings["extra_trees"] else 2e-8) * shape.columns * settings["max_features"] + 3e-8
        return 0.02 + float(settings["n_estimators"] * (2e-4 + shape.rows * levels * each))

    def fit(self, params: Params, train: Rows, valid: Rows, task: Task, seed: int, left: Left) -> Fitted:
        """All trees, or as many as there is time for; `valid` has no say."""
        with needed("kilter[automl]", "kilter.automl"):
            from sklearn import ensemble

        settings = settled(self, params, task)
        name = ("ExtraTrees" if settings.pop("extra_trees") else "RandomForest") + (
            "Regressor" if task.is_regression else "Classifier"
        )
        trees, made = settings.pop("n_estimators"), 0
        forest = getattr(ensemble, name)(warm_start=True, n_jobs=1, random_state=seed % 2**31, **settings)
        weight = None
        if train.weight is not None and np.ptp(train.weight):  # equal ones would only change which rows are drawn
            weight = relative(train.weight)
        while made < trees and (not made or left() > 0):
            made = min(made + GROWN, trees)
            forest.set_params(n_estimators=made).fit(train.matrix.values, train.y, sample_weight=weight)
        return _planted(forest, task)

    def load(self, state: State) -> Fitted:
        """From the borders and leaves of all trees."""
        arrays = state.arrays
        nodes = {name: arrays[name] for name in PARTS}
        own = np.arange(len(arrays["leaves"]))
        if not all((own <= nodes[side]).all() for side in ("left", "right")):  # a row would go round and round
            raise InvalidInput("a tree of the forest in it has a node below itself: the file was changed")
        return Trees(arrays["roots"], arrays["leaves"], **nodes, task=told_task(state.values))


@dataclass(frozen=True, eq=False)
class Trees:
    """The nodes of all trees, one after the other: where each sends a row, and what it predicts, (nodes, k).

    `left` and `right` are places of nodes, that of the node itself in a leaf. A row goes left where its value in
    `column`, as float32, is at most `border`, or is missing and `gaps_left` says so.
    """

    roots: np.ndarray
    leaves: np.ndarray
    left: np.ndarray
    right: np.ndarray
    column: np.ndarray
    border: np.ndarray
    gaps_left: np.ndarray
    task: Task

    def predict(self, matrix: Matrix) -> np.ndarray:
        """The mean of all trees."""
        values = np.asarray(matrix.values, np.float32)
        blocks = [self._leaves(values[begin : begin + BLOCK]) for begin in range(0, len(values), BLOCK)]
        found = np.concatenate([self.leaves[places].mean(axis=1) for places in blocks])
        return found[:, 0] if self.task.is_regression else found

    def _leaves(self, values: np.ndarray) -> np.ndarray:
        """(n, trees) places of the leaves that rows end in; a step takes all rows one level down all trees."""
        at, rows = np.tile(self.roots, (len(values), 1)), np.arange(len(values))[:, None]
        while True:
            seen = values[rows, self.column[at]]
            goes_left = np.where(np.isnan(seen), self.gaps_left[at], seen <= self.border[at])
            below = np.where(goes_left, self.left[at], self.right[at])
            if np.array_equal(below, at):
                return at
            at = below

    def state(self) -> State:
        """All nodes, and what was predicted."""
        nodes = {name: getattr(self, name) for name in PARTS}
        return State(told(self.task), {"roots": self.roots, "leaves": self.leaves, **nodes})

    def estimator(self) -> Any:
        """There is none: scikit-learn has no way to make a forest of known trees."""
        raise InvalidInput("a forest cannot be exported without kilter: leave it out of `members`")


def _planted(forest: Any, task: Task) -> Trees:
    """The nodes of scikit-learn's trees."""
    trees = [each.tree_ for each in forest.estimators_]
    sizes = [tree.node_count for tree in trees]
    roots = np.cumsum([0, *sizes[:-1]])

    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(tree, name) for tree in trees])

    own, begin = np.arange(sum(sizes)), np.repeat(roots, sizes)
    is_leaf = joined("children_left") < 0
    values = joined("value")[:, 0, :]
    if not task.is_regression:
        leaves = np.zeros((len(values), task.width))
        leaves[:, forest.classes_] = values / values.sum(axis=1, keepdims=True)
        values = leaves
    return Trees(
        roots,
        values,
        left=np.where(is_leaf, own, begin + joined("children_left")),
        right=np.where(is_leaf, own, begin + joined("children_right")),
        column=np.where(is_leaf, 0, joined("feature")),
        border=joined("threshold"),
        gaps_left=joined("missing_go_to_left").astype(bool),
        task=task,
    )
