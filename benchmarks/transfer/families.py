"""Families of tasks that are alike, for the question what earlier studies are worth to the next one.

A family has a space and sixteen tasks: `loss(params, task)` is what a configuration is truly worth, smaller is better,
and `noise` is how far what a trial sees is off. Two families are functions. Two are models of scikit-learn, fitted to
200 rows and scored by 1 - AUC on 500 others: pairs of digits with noise, and generated data of four kinds.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from kilter import Choice, Float, Int, Space
from kilter.core.seeds import rng

Params = Mapping[str, Any]
TASKS = 16
TRAIN, TEST = 200, 500
PAIRS = [(0, 6), (1, 2), (1, 7), (1, 8), (2, 3), (2, 8), (3, 5), (3, 8)]
"""Of digits that look alike."""


@dataclass(frozen=True)
class Family:
    """Tasks on one space; a trial sees `loss * (1 + noise * a normal number)`."""

    name: str
    space: Space
    loss: Callable[[Params, int], float]
    noise: float = 0.0


# Functions. -----------------------------------------------------------------------------------------------------------


def bowl(away: np.ndarray, stream: np.random.Generator, weights: np.ndarray) -> float:
    """A bowl that is flat far away, turned a little and rippled, the same way for one task."""
    turn = np.eye(len(away)) + 0.3 * stream.standard_normal((len(away), len(away)))
    ripple = 0.03 * np.sin(9 * away.sum() + stream.uniform(0, 6))
    return float(weights @ np.minimum((turn @ away) ** 2, 0.4)) * 4 + float(ripple)


def bowls() -> Family:
    """Six numbers; the best of all tasks are near one place, and losses differ by four orders of magnitude."""
    space = Space(
        {
            "rate": Float(1e-5, 1e-1, log=True),
            "decay": Float(1e-6, 1e-1, log=True),
            "units": Int(8, 512, log=True),
            "dropout": Float(0, 0.8),
            "momentum": Float(0, 1),
            "warm": Float(0, 1),
        }
    )
    place = rng(0, "bowls: place").uniform(0.2, 0.8, 6)
    common = rng(0, "bowls: weights").dirichlet(np.full(6, 0.8))

    def loss(params: Params, task: int) -> float:
        stream = rng(0, "bowls", task)
        best = np.clip(place + 0.1 * stream.standard_normal(6), 0, 1)
        weights = 0.7 * common + 0.3 * stream.dirichlet(np.full(6, 0.7))
        scale, floor = 10.0 ** stream.uniform(-2, 2), stream.uniform(0.2, 1)
        units = np.array([parameter.unit(params[name]) for name, parameter in space.parameters.items()])
        return float(scale * (floor + bowl(units - best, stream, weights)))

    return Family("bowls", space, loss, noise=0.01)


def branches() -> Family:
    """Three kinds with parameters of their own: which kind is best differs, where it is best is alike."""
    space = Space(
        {
            "kind": Choice(["red", "green", "blue"]),
            "depth": Int(1, 12).when(kind="red"),
            "share": Float(0.05, 1).when(kind="red"),
            "cost": Float(1e-3, 1e3, log=True).when(kind="green"),
            "width": Float(1e-4, 1e1, log=True).when(kind="green"),
            "near": Int(1, 50, log=True).when(kind="blue"),
            "l2": Float(1e-6, 1, log=True),
        }
    )
    kinds = {"red": ["depth", "share", "l2"], "green": ["cost", "width", "l2"], "blue": ["near", "l2"]}
    places = {kind: rng(1, f"branches: {kind}").uniform(0.2, 0.8, len(names)) for kind, names in kinds.items()}

    def loss(params: Params, task: int) -> float:
        stream = rng(1, "branches", task)
        ahead = dict(zip(kinds, (0.0, 0.2, 0.3) if stream.random() < 0.5 else stream.permutation([0.0, 0.15, 0.3])))
        scale, floor = 10.0 ** stream.uniform(-1, 1), stream.uniform(0.1, 0.5)
        kind = params["kind"]
        own = rng(1, f"branches: {kind}", task)
        units = np.array([space.parameters[name].unit(params[name]) for name in kinds[kind]])
        best = np.clip(places[kind] + 0.12 * own.standard_normal(len(units)), 0, 1)
        return float(scale * (floor + ahead[kind] + bowl(units - best, own, own.dirichlet(np.ones(len(units))))))

    return Family("branches", space, loss, noise=0.01)


# Models. --------------------------------------------------------------------------------------------------------------


@lru_cache(TASKS)
def rows(task: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of two classes: x and y to fit on, and x and y to score on."""
    from sklearn.preprocessing import StandardScaler

    stream = rng(2, "rows", task)
    x, y = pair_of_digits(task, stream) if task < len(PAIRS) else generated(task, stream)
    turned = stream.random(len(y)) < stream.uniform(0.02, 0.15)
    order = stream.permutation(len(y))
    x, y = StandardScaler().fit_transform(x)[order], np.where(turned, 1 - y, y)[order]
    return x[:TRAIN], y[:TRAIN], x[TRAIN : TRAIN + TEST], y[TRAIN : TRAIN + TEST]


def pair_of_digits(task: int, stream: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two digits, each image three times with its own noise."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    here = np.isin(y, PAIRS[task])
    x, y = np.tile(x[here], (3, 1)), np.tile(y[here] == PAIRS[task][0], 3).astype(int)
    return x + stream.uniform(4, 8) * stream.standard_normal(x.shape), y


def generated(task: int, stream: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Clusters, moons, circles or shells, with columns of noise beside."""
    from sklearn import datasets

    size, seed = TRAIN + TEST, int(stream.integers(2**31))
    made = [
        lambda: datasets.make_classification(size, 12, n_informative=5, class_sep=0.7, random_state=seed),
        lambda: datasets.make_moons(size, noise=0.3, random_state=seed),
        lambda: datasets.make_circles(size, noise=0.15, factor=0.5, random_state=seed),
        lambda: datasets.make_gaussian_quantiles(n_samples=size, n_features=4, n_classes=2, random_state=seed),
    ]
    x, y = made[task % 4]()
    return np.hstack([x, stream.standard_normal((size, int(stream.integers(1, 6))))]), y


def models(name: str, space: Space, model: Callable[[Params], Any]) -> Family:
    """A learner on the sixteen data sets."""

    def loss(params: Params, task: int) -> float:
        from sklearn.metrics import roc_auc_score

        x, y, fresh, truth = rows(task)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # of fits that were ended before they converged
            scores = model(params).fit(x, y).decision_function(fresh)
        return 1 - float(roc_auc_score(truth, np.nan_to_num(scores)))

    return Family(name, space, loss)


def support_vectors() -> Family:
    """SVC, with what belongs to its kernels."""
    space = Space(
        {
            "kernel": Choice(["linear", "poly", "rbf"]),
            "C": Float(1e-3, 1e3, log=True),
            "gamma": Float(1e-5, 1e1, log=True).when(kernel=["poly", "rbf"]),
            "degree": Int(2, 5).when(kernel="poly"),
            "coef0": Float(0, 1).when(kernel="poly"),
        }
    )

    def model(params: Params) -> Any:
        from sklearn.svm import SVC

        return SVC(**params, max_iter=20_000)

    return models("support vectors", space, model)


def gradient_descent() -> Family:
    """A linear model by stochastic gradient descent."""
    space = Space(
        {
            "loss": Choice(["log_loss", "hinge", "modified_huber"]),
            "penalty": Choice(["l2", "elasticnet"]),
            "l1_ratio": Float(0, 1).when(penalty="elasticnet"),
            "alpha": Float(1e-6, 1, log=True),
            "learning_rate": Choice(["constant", "invscaling", "adaptive"]),
            "eta0": Float(1e-5, 1, log=True),
            "power_t": Float(0.1, 1).when(learning_rate="invscaling"),
            "max_iter": Int(1, 40, log=True),
        }
    )

    def model(params: Params) -> Any:
        from sklearn.kernel_approximation import Nystroem
        from sklearn.linear_model import SGDClassifier
        from sklearn.pipeline import make_pipeline

        return make_pipeline(Nystroem(n_components=60, random_state=0), SGDClassifier(**params, random_state=0))

    return models("gradient descent", space, model)


def families() -> list[Family]:
    """All four."""
    return [bowls(), branches(), support_vectors(), gradient_descent()]
