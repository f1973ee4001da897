"""Tasks of 150 to 5,000 rows, and small learners with the space of their hyperparameters and their defaults.

A task's `draw(repetition)` gives rows to tune on and rows of the outer test, which no tuning and no estimate ever sees:
fresh ones where they are simulated, the remaining ones of a real data set. Rules and constants are chosen on the
tasks that `CHOOSES` names; the others are only looked at in the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata

import kilter
from kilter.evaluation.folds import Splits, frozen_splits

FOLDS = 5
FRESH = 5000
"""Rows of the outer test where rows are simulated."""
CHOOSES = frozenset(
    ["tilted-svm-300", "clusters-tree-300", "clusters-boosting-300", "digits-svm-300", "wide-logistic-150",
     "friedman-kernel-200", "hastie-boosting-600", "moons-neighbours-200"]
)  # fmt: skip

Rows = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Learner:
    """Fits on rows and predicts others: a number for each row, whose order or size is what is scored."""

    space: Callable[[int], kilter.Space]
    """Of so many columns."""
    predictions: Callable[[dict[str, Any], np.ndarray, np.ndarray, Sequence[np.ndarray]], list[np.ndarray]]
    """Of (params, x, y, matrices of rows to predict)."""


@dataclass(frozen=True)
class Task:
    """A data set, how many of its rows there are to tune on, a learner, and what it is scored by."""

    name: str
    rows: int
    load: Callable[[int], Rows]
    learner: Learner
    metric: str = "auc"

    @property
    def chooses(self) -> bool:
        """Whether rules may be chosen by it."""
        return self.name in CHOOSES

    @property
    def blind(self) -> float:
        """What a model scores that sees no column; classes are as frequent as one another where accuracy counts."""
        return {"auc": 0.5, "accuracy": 0.5, "r2": 0.0}[self.metric]

    def draw(self, repetition: int) -> tuple[Rows, Rows]:
        """Rows to tune on, and those of the outer test."""
        x, y = self.load(repetition)
        order = np.random.default_rng([repetition, len(y)]).permutation(len(y))
        here, there = order[: self.rows], order[self.rows : self.rows + FRESH]
        return (x[here], y[here]), (x[there], y[there])

    def splits(self, y: np.ndarray, repetition: int) -> Splits:
        """Of five folds, stratified where y has classes."""
        return frozen_splits(len(y), FOLDS, repetition, stratify=None if self.metric == "r2" else y)

    def score(self, y: np.ndarray, predictions: np.ndarray) -> float:
        """Larger is better, and 1 is the best."""
        return METRICS[self.metric](y, predictions)


def auc(y: np.ndarray, predictions: np.ndarray) -> float:
    """The area under the receiver's curve."""
    ones = int(y.sum())
    return float((rankdata(predictions)[y == 1].sum() - ones * (ones + 1) / 2) / (ones * (len(y) - ones)))


def accuracy(y: np.ndarray, predictions: np.ndarray) -> float:
    """Of predictions that are above 0 for the class 1."""
    return float(((predictions > 0) == (y == 1)).mean())


def r2(y: np.ndarray, predictions: np.ndarray) -> float:
    """The share of the variance that is explained."""
    return float(1 - ((y - predictions) ** 2).mean() / y.var())


METRICS = {"auc": auc, "accuracy": accuracy, "r2": r2}

# Data. ----------------------------------------------------------------------------------------------------------------


def made(maker: str, seed: int, rows: int = 0, **settings: Any) -> Callable[[int], Rows]:
    """Another draw of rows of the same problem in every repetition."""

    def load(repetition: int) -> Rows:
        from sklearn import datasets

        x, y = getattr(datasets, f"make_{maker}")(**{"n_samples": 60_000, "random_state": seed, **settings})
        taken = np.random.default_rng([seed, repetition]).choice(len(y), rows + FRESH, replace=False)
        x, y = x[taken], y[taken]
        return x, (y > 0).astype(int) if len(np.unique(y)) == 2 else y

    return load


def tilted(seed: int, rows: int, columns: int, informative: int, turned: float) -> Callable[[int], Rows]:
    """Two classes, of which so many columns tell, with a share of the labels turned."""
    return made("classification", seed, rows, n_features=columns, n_informative=informative, flip_y=turned)


def real(name: str, noise: float, labels: float = 0.0, one: Callable[[np.ndarray], np.ndarray] | None = None):  # type: ignore[no-untyped-def]
    """A data set of scikit-learn's, with noise on its columns and some labels turned: without it scores are perfect."""

    def load(repetition: int) -> Rows:
        from sklearn import datasets

        x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        stream = np.random.default_rng(99)
        x = (x - x.mean(0)) / (x.std(0) + 1e-9)
        x = x + stream.normal(0, noise, x.shape)
        y = y if one is None else one(y).astype(int)
        return x, np.where(stream.random(len(y)) < labels, 1 - y, y) if labels else y

    return load


# Learners. ------------------------------------------------------------------------------------------------------------


def scaled(x: np.ndarray, others: Sequence[np.ndarray]) -> list[np.ndarray]:
    """All by the mean and the spread of the first."""
    mean, spread = x.mean(0), x.std(0) + 1e-9
    return [(each - mean) / spread for each in (x, *others)]


def leading(x: np.ndarray, y: np.ndarray, share: float) -> np.ndarray:
    """The columns that go with y most closely, so many of them."""
    strength = np.abs((x - x.mean(0)).T @ (y - y.mean())) / (x.std(0) + 1e-9)
    return np.argsort(-strength, kind="stable")[: max(1, round(share * x.shape[1]))]


def squares(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared distances (len(a), len(b))."""
    return np.maximum((a * a).sum(1)[:, None] + (b * b).sum(1) - 2 * a @ b.T, 0)


SHARE = kilter.Float(0.1, 1.0, default=1.0)


def svm_space(columns: int) -> kilter.Space:
    return kilter.Space(
        {
            "C": kilter.Float(1e-2, 1e3, log=True, default=1.0),
            "gamma": kilter.Float(1e-2 / columns, 1e2 / columns, log=True, default=1.0 / columns),
            "share": SHARE,
            "balanced": kilter.Boolean(default=False),
        }
    )


def svm(params: dict[str, Any], x: np.ndarray, y: np.ndarray, others: Sequence[np.ndarray]) -> list[np.ndarray]:
    from sklearn.svm import SVC

    kept = leading(x, y, params["share"])
    x, *others = scaled(x[:, kept], [each[:, kept] for each in others])
    weight = "balanced" if params["balanced"] else None
    model = SVC(C=params["C"], gamma=params["gamma"], class_weight=weight, max_iter=20_000).fit(x, y)
    held, dual = model.support_vectors_.astype("f4"), model.dual_coef_[0].astype("f4")
    # As model.decision_function, several times faster.
    return [
        np.exp(-np.float32(params["gamma"]) * squares(each.astype("f4"), held)) @ dual + model.intercept_[0]
        for each in others
    ]


def logistic_space(columns: int) -> kilter.Space:
    return kilter.Space(
        {
            "C": kilter.Float(1e-4, 1e3, log=True, default=1.0),
            "share": SHARE,
            "balanced": kilter.Boolean(default=False),
            "squares": kilter.Boolean(default=False),
        }
    )


def logistic(params: dict[str, Any], x: np.ndarray, y: np.ndarray, others: Sequence[np.ndarray]) -> list[np.ndarray]:
    from sklearn.linear_model import LogisticRegression

    kept = leading(x, y, params["share"])
    x, *others = scaled(x[:, kept], [each[:, kept] for each in others])
    if params["squares"]:
        x, *others = [np.hstack([each, each**2]) for each in (x, *others)]
    weight = "balanced" if params["balanced"] else None
    model = LogisticRegression(C=params["C"], class_weight=weight, max_iter=60).fit(x, y)
    return [model.decision_function(each) for each in others]


def tree_space(columns: int) -> kilter.Space:
    return kilter.Space(
        {
            "max_depth": kilter.Int(1, 20, default=20),
            "min_samples_leaf": kilter.Int(1, 60, log=True, default=1),
            "max_features": kilter.Float(0.1, 1.0, default=1.0),
            "alpha": kilter.Float(1e-5, 3e-2, log=True, default=1e-5),
            "entropy": kilter.Boolean(default=False),
        }
    )


def tree(params: dict[str, Any], x: np.ndarray, y: np.ndarray, others: Sequence[np.ndarray]) -> list[np.ndarray]:
    from sklearn.tree import DecisionTreeClassifier

    model = DecisionTreeClassifier(
        criterion="entropy" if params["entropy"] else "gini", max_depth=params["max_depth"], random_state=0,
        min_samples_leaf=params["min_samples_leaf"], max_features=params["max_features"], ccp_alpha=params["alpha"],
    ).fit(x, y)  # fmt: skip
    return [model.predict_proba(each)[:, 1] - 0.5 for each in others]


def neighbours_space(columns: int) -> kilter.Space:
    return kilter.Space(
        {
            "neighbours": kilter.Int(1, 80, log=True, default=5),
            "steepness": kilter.Float(1e-2, 10.0, log=True, default=1e-2),
            "share": SHARE,
            "weight": kilter.Float(0.1, 1.0, default=1.0),
        }
    )


def neighbours(params: dict[str, Any], x: np.ndarray, y: np.ndarray, others: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Nearest neighbours, weighed by distance; columns of the second half count less."""
    kept = leading(x, y, params["share"])
    x, *others = scaled(x[:, kept], [each[:, kept] for each in others])
    count = np.where(np.arange(x.shape[1]) < x.shape[1] / 2, 1.0, params["weight"])
    found = []
    for each in others:
        far = squares(each * count, x * count)
        near = np.argpartition(far, min(params["neighbours"], len(x)) - 1, axis=1)[:, : params["neighbours"]]
        weights = np.exp(-params["steepness"] * np.take_along_axis(far, near, 1) / x.shape[1]) + 1e-9
        found.append((weights * (2 * y[near] - 1)).sum(1) / weights.sum(1))
    return found


def boosting_space(columns: int) -> kilter.Space:
    return kilter.Space(
        {
            "num_iterations": kilter.Int(3, 40, log=True, default=20),
            "learning_rate": kilter.Float(0.02, 0.6, log=True, default=0.1),
            "num_leaves": kilter.Int(2, 31, log=True, default=31),
            "min_data_in_leaf": kilter.Int(2, 60, log=True, default=20),
            "lambda_l2": kilter.Float(1e-3, 30.0, log=True, default=1e-3),
            "feature_fraction": kilter.Float(0.2, 1.0, default=1.0),
        }
    )


def boosting(params: dict[str, Any], x: np.ndarray, y: np.ndarray, others: Sequence[np.ndarray]) -> list[np.ndarray]:
    import lightgbm

    fixed = {"objective": "binary", "verbosity": -1, "num_threads": 1, "seed": 0, "max_bin": 31}
    model = lightgbm.train({**params, **fixed}, lightgbm.Dataset(x, y, params={"max_bin": 31, "verbosity": -1}))
    return [model.predict(each, raw_score=True, num_threads=1) for each in others]


def kernel_space(columns: int) -> kilter.Space:
    return kilter.Space(
        {
            "alpha": kilter.Float(1e-3, 1e2, log=True, default=1.0),
            "gamma": kilter.Float(1e-3 / columns, 1e1 / columns, log=True, default=1.0 / columns),
            "share": SHARE,
            "linear": kilter.Float(0.0, 1.0, default=0.0),
        }
    )


def kernel(params: dict[str, Any], x: np.ndarray, y: np.ndarray, others: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Ridge regression with a kernel that is part Gaussian, part linear."""
    kept = leading(x, y, params["share"])
    x, *others = scaled(x[:, kept], [each[:, kept] for each in others])

    def similar(a: np.ndarray) -> np.ndarray:
        gaussian = np.exp(-params["gamma"] * squares(a, x))
        return (1 - params["linear"]) * gaussian + params["linear"] * (a @ x.T) / x.shape[1]

    centre = y.mean()
    dual = np.linalg.solve(similar(x) + params["alpha"] * np.eye(len(x)), y - centre)
    return [similar(each) @ dual + centre for each in others]


SVM, LOGISTIC, TREE = Learner(svm_space, svm), Learner(logistic_space, logistic), Learner(tree_space, tree)
NEIGHBOURS, BOOSTING = Learner(neighbours_space, neighbours), Learner(boosting_space, boosting)
KERNEL = Learner(kernel_space, kernel)

CLUSTERS: dict[str, Any] = {"n_features": 20, "n_informative": 6, "n_redundant": 4, "n_clusters_per_class": 4}

TASKS = [
    Task("tilted-svm-300", 300, tilted(1, 300, 20, 5, 0.12), SVM),
    Task("clusters-tree-300", 300, made("classification", 2, 300, flip_y=0.1, class_sep=1.5, **CLUSTERS), TREE),
    Task("clusters-boosting-300", 300, made("classification", 3, 300, flip_y=0.1, class_sep=1.2, **CLUSTERS), BOOSTING),
    Task("digits-svm-300", 300, real("digits", 2.0, one=lambda y: y % 2), SVM),
    Task("wide-logistic-150", 150, tilted(4, 150, 60, 6, 0.1), LOGISTIC),
    Task("friedman-kernel-200", 200, made("friedman1", 5, 200, noise=3.0), KERNEL, "r2"),
    Task("hastie-boosting-600", 600, made("hastie_10_2", 6, 600), BOOSTING),
    Task("moons-neighbours-200", 200, made("moons", 7, 200, noise=0.45), NEIGHBOURS),
    Task("tilted-logistic-300", 300, tilted(8, 300, 30, 8, 0.2), LOGISTIC),
    Task("clusters-svm-300", 300, made("classification", 9, 300, flip_y=0.15, class_sep=1.2, **CLUSTERS), SVM),
    Task("digits-tree-300", 300, real("digits", 0.7, one=lambda y: y >= 5), TREE),
    Task("digits-boosting-300", 300, real("digits", 1.0, 0.1, one=lambda y: y % 2), BOOSTING),
    Task("cancer-logistic-150", 150, real("breast_cancer", 2.0, 0.1), LOGISTIC),
    Task("diabetes-kernel-200", 200, real("diabetes", 0.0), KERNEL, "r2"),
    Task("quantiles-svm-400", 400, made("gaussian_quantiles", 10, 400, n_features=8, n_classes=2), SVM, "accuracy"),
    Task("circles-neighbours-150", 150, made("circles", 11, 150, noise=0.3, factor=0.4), NEIGHBOURS),
    Task("clusters-tree-2000", 2000, made("classification", 12, 2000, flip_y=0.15, **CLUSTERS), TREE),
    Task("weak-logistic-5000", 5000, tilted(13, 5000, 20, 6, 0.4), LOGISTIC),
]
