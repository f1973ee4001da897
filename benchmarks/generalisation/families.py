"""Families of data sets for benchmarks: the same configurations are good on some of them and not on others.

A family has a space, and `loss(params, data set)`, smaller is better. Two are functions, whose data sets differ in
where their best lies and in the scale of their losses by four orders of magnitude; two are models of scikit-learn,
fitted to generated data sets of 150 to 400 rows and scored on 1,000 fresh ones, or cross-validated on their rows alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from zlib import crc32

import numpy as np

from kilter import Choice, Float, Int, Space
from kilter.core.seeds import rng

Params = Mapping[str, Any]
FOLDS = 3


@dataclass(frozen=True)
class Family:
    """`loss(params, data set)` is what a configuration is truly worth on a data set, `observed` what tuning sees."""

    name: str
    space: Space
    loss: Callable[[Params, int], float]
    observed: Callable[[Params, int], float]
    arrays: Callable[[int], tuple[np.ndarray, ...]]
    """The rows of a data set that tuning may see."""
    train: Callable[..., float]
    """The loss on some rows after a fit on others: train(train, test, **params)."""


def functions(centres: int) -> Family:
    """Bowls in four dimensions around one of so many places, some of them rippled, on scales from .01 to 100."""
    space = Space({name: Float(0, 1) for name in "abcd"})
    places = rng(0, "centres", centres).random((centres, 4))

    def loss(params: Params, data: int) -> float:
        stream = rng(centres, "function", data)
        best = np.clip(places[stream.integers(centres)] + 0.08 * stream.standard_normal(4), 0, 1)
        weights, scale, floor = stream.dirichlet(np.full(4, 0.7)), 10.0 ** stream.uniform(-2, 2), stream.uniform(0.2, 1)
        ripple, angle = stream.uniform(0, 0.05), stream.uniform(0, 6)
        away = np.array([params[name] for name in "abcd"]) - best
        bowl = float(weights @ np.minimum(away**2, 0.5)) * 4 + ripple * float(np.sin(12 * away.sum() + angle))
        return float(scale * (floor + bowl))

    def observed(params: Params, data: int) -> float:
        value = loss(params, data)
        stream = rng(data, "noise", crc32(repr(sorted(params.items())).encode()))
        return value * (1 + 0.01 * float(stream.standard_normal()))

    def train(train: tuple[np.ndarray, ...], test: tuple[np.ndarray, ...], **params: Any) -> float:
        return observed(params, int(test[0][0]))

    return Family(f"functions around {centres} places", space, loss, observed, lambda data: (np.full(6, data),), train)


@lru_cache(256)
def classes(data: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A data set of classes: x and y of 150 to 400 rows, and 1,000 fresh ones."""
    from sklearn.datasets import make_circles, make_classification, make_gaussian_quantiles, make_moons

    stream = rng(0, "classes", data)
    rows, seed = int(stream.integers(150, 400)), int(stream.integers(2**31))
    kind, noise = data % 4, float(stream.uniform(0.0, 0.2))
    width = int(stream.integers(4, 20))
    if kind == 0:
        x, y = make_classification(
            rows + 1000, width, n_informative=3, n_redundant=0, flip_y=noise, class_sep=0.8, random_state=seed
        )
    elif kind == 1:
        x, y = make_moons(rows + 1000, noise=0.15 + noise, random_state=seed)
    elif kind == 2:
        x, y = make_circles(rows + 1000, noise=0.1 + noise / 2, factor=0.5, random_state=seed)
    else:
        x, y = make_gaussian_quantiles(n_samples=rows + 1000, n_features=3, n_classes=3, random_state=seed)
    if kind:
        x = np.hstack([x, stream.standard_normal((len(x), width // 4))])
    return x[:rows], y[:rows], x[rows:], y[rows:]


@lru_cache(256)
def numbers(data: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A data set whose target is a number, in a unit of its own; rows as above."""
    from sklearn.datasets import make_friedman1, make_friedman2, make_friedman3, make_regression

    stream = rng(0, "numbers", data)
    rows, seed = int(stream.integers(150, 400)), int(stream.integers(2**31))
    noise, kind = float(stream.uniform(0.0, 0.5)), data % 4
    if kind == 0:
        x, y = make_regression(rows + 1000, int(stream.integers(5, 30)), n_informative=5, random_state=seed)
    else:
        make = [make_friedman1, make_friedman2, make_friedman3][kind - 1]
        x, y = make(n_samples=rows + 1000, random_state=seed)
    y = (y + noise * y.std() * stream.standard_normal(len(y))) * 10.0 ** stream.uniform(-2, 2)
    return x[:rows], y[:rows], x[rows:], y[rows:]


def classifier(params: Params) -> Any:
    """One of four learners of classes."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC
    from sklearn.tree import DecisionTreeClassifier

    learner = params["learner"]
    if learner == "svm":
        model = SVC(C=params["C"], gamma=params["gamma"])
    elif learner == "neighbours":
        model = KNeighborsClassifier(params["k"], p=params["p"])
    elif learner == "tree":
        model = DecisionTreeClassifier(max_depth=params["depth"], min_samples_leaf=params["leaf"], random_state=0)
    else:
        model = LogisticRegression(C=params["l2"], max_iter=200)
    return make_pipeline(StandardScaler(), model)


def regressor(params: Params) -> Any:
    """One of three learners of numbers; the target is standardised within."""
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.kernel_ridge import KernelRidge
    from sklearn.linear_model import Lasso
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.tree import DecisionTreeRegressor

    learner = params["learner"]
    if learner == "kernel":
        model = KernelRidge(alpha=params["alpha"], gamma=params["gamma"], kernel="rbf")
    elif learner == "tree":
        model = DecisionTreeRegressor(max_depth=params["depth"], min_samples_leaf=params["leaf"], random_state=0)
    else:
        model = Lasso(alpha=params["l1"], max_iter=300)
    return TransformedTargetRegressor(make_pipeline(StandardScaler(), model), transformer=StandardScaler())


def models(
    name: str, space: Space, model: Callable[[Params], Any], data_of: Callable[[int], Any], is_classes: bool
) -> Family:
    """A family of learners: loss on fresh rows; seen is the mean of a cross-validation of three folds."""

    def error(estimator: Any, x: np.ndarray, y: np.ndarray) -> float:
        found = estimator.predict(x)
        return float(np.mean(found != y)) if is_classes else float(np.sqrt(np.mean((found - y) ** 2)))

    def fitted(params: Params, x: np.ndarray, y: np.ndarray) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return model(params).fit(x, y)

    def loss(params: Params, data: int) -> float:
        x, y, fresh, truth = data_of(data)
        return error(fitted(params, x, y), fresh, truth)

    def observed(params: Params, data: int) -> float:
        x, y = data_of(data)[:2]
        fold = rng(0, "folds", data).permutation(len(y)) % FOLDS
        sides = [(fold != k, fold == k) for k in range(FOLDS)]
        return float(np.mean([error(fitted(params, x[train], y[train]), x[test], y[test]) for train, test in sides]))

    def train(train: tuple[np.ndarray, ...], test: tuple[np.ndarray, ...], **params: Any) -> float:
        return error(fitted(params, *train), *test)

    return Family(name, space, loss, observed, lambda data: data_of(data)[:2], train)


def families() -> list[Family]:
    """All four."""
    of_classes = Space(
        {
            "learner": Choice(["svm", "neighbours", "tree", "linear"]),
            "C": Float(0.01, 1000, log=True).when(learner="svm"),
            "gamma": Float(1e-4, 10, log=True).when(learner="svm"),
            "k": Int(1, 40, log=True).when(learner="neighbours"),
            "p": Int(1, 2).when(learner="neighbours"),
            "depth": Int(1, 16).when(learner="tree"),
            "leaf": Int(1, 40, log=True).when(learner="tree"),
            "l2": Float(1e-4, 100, log=True).when(learner="linear"),
        }
    )
    of_numbers = Space(
        {
            "learner": Choice(["kernel", "tree", "linear"]),
            "alpha": Float(1e-6, 10, log=True).when(learner="kernel"),
            "gamma": Float(1e-4, 10, log=True).when(learner="kernel"),
            "depth": Int(1, 16).when(learner="tree"),
            "leaf": Int(1, 40, log=True).when(learner="tree"),
            "l1": Float(1e-4, 10, log=True).when(learner="linear"),
        }
    )
    return [
        functions(2),
        functions(6),
        models("classes", of_classes, classifier, classes, True),
        models("numbers", of_numbers, regressor, numbers, False),
    ]
