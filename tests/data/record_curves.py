"""Records curves.npz: what real learners reported per epoch or tree, to judge learning-curve predictions by.

Each family is a learner on a data set, trained with random settings, bad ones included: learning rates from useless to
divergent, and step schedules whose drop comes late. Values are a validation loss, smaller is better.
Run as `python tests/data/record_curves.py`; takes some minutes. Arrays are named calibration/<family> where they fixed
the constants of kilter.models.curves, and heldout/<family> where they only judge.
"""

from __future__ import annotations

import pathlib
import warnings

import numpy as np
from sklearn import datasets
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss, mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler

CURVES = 26
"""Curves per family."""
CALIBRATION = (
    "digits_adam_loss",
    "cancer_linear_error",
    "classes_schedule_loss",
    "wine_boosting_loss",
    "noisy_hist_error",
    "diabetes_network_mse",
    "moons_momentum_error",
)


def classes(**settings):
    return datasets.make_classification(random_state=settings.pop("seed"), **settings)


DATA = {
    "digits": lambda: datasets.load_digits(return_X_y=True),
    "cancer": lambda: datasets.load_breast_cancer(return_X_y=True),
    "wine": lambda: datasets.load_wine(return_X_y=True),
    "diabetes": lambda: datasets.load_diabetes(return_X_y=True),
    "moons": lambda: datasets.make_moons(800, noise=0.25, random_state=1),
    "friedman": lambda: datasets.make_friedman1(900, noise=2.0, random_state=2),
    "classes": lambda: classes(seed=3, n_samples=1200, n_features=20, n_informative=8, n_classes=4, flip_y=0.05),
    "noisy": lambda: classes(seed=4, n_samples=1000, n_features=15, n_informative=5, n_classes=2, flip_y=0.15),
    "many": lambda: classes(seed=5, n_samples=1500, n_features=30, n_informative=12, n_classes=6, flip_y=0.02),
}


def split(name):
    x, y = DATA[name]()
    parts = train_test_split(x, y, test_size=0.4, random_state=0)
    scaler = StandardScaler().fit(parts[0])
    centre, scale = (parts[2].mean(), parts[2].std()) if name in ("diabetes", "friedman") else (0, 1)
    targets = [(part - centre) / scale for part in parts[2:]] if scale != 1 else parts[2:]
    return scaler.transform(parts[0]), scaler.transform(parts[1]), *targets


def loss(model, x, y, metric):
    if metric == "mse":
        return mean_squared_error(y, model.predict(x))
    if metric == "error":
        return 1.0 - model.score(x, y)
    return log_loss(y, np.clip(model.predict_proba(x), 1e-7, 1), labels=model.classes_)


def network(data, metric, steps, rng, solver="adam", schedule=False, regress=False):
    x, held, y, truth = data
    low, high = (-4.5, -0.7) if solver == "adam" else (-4, 0.3)
    hidden = tuple(int(2 ** rng.uniform(1, 6)) for _ in range(rng.integers(1, 3)))
    model = (MLPRegressor if regress else MLPClassifier)(
        hidden_layer_sizes=hidden,
        solver=solver,
        learning_rate_init=10 ** rng.uniform(low, high),
        alpha=10 ** rng.uniform(-6, 0.5),
        batch_size=int(2 ** rng.uniform(3.5, 7)),
        momentum=rng.uniform(0, 0.95),
        activation=str(rng.choice(["relu", "tanh"])),
        random_state=int(rng.integers(1000)),
    )
    drops = sorted(int(steps * share) for share in rng.uniform(0.3, 0.95, rng.integers(0, 3))) if schedule else []
    values = []
    for step in range(1, steps + 1):
        if regress:
            model.partial_fit(x, y)
        else:
            model.partial_fit(x, y, classes=np.unique(y))
        if step in drops:
            model._optimizer.learning_rate_init *= 0.1
            model._optimizer.learning_rate = model._optimizer.learning_rate_init
        values.append(loss(model, held, truth, metric))
    return values


def linear(data, metric, steps, rng):
    x, held, y, truth = data
    model = SGDClassifier(
        loss="log_loss",
        alpha=10 ** rng.uniform(-6, -1),
        learning_rate=str(rng.choice(["constant", "invscaling"])),
        eta0=10 ** rng.uniform(-5, 0),
        power_t=rng.uniform(0.1, 0.5),
        penalty=str(rng.choice(["l2", "l1"])),
        random_state=int(rng.integers(1000)),
    )
    values = []
    for _ in range(steps):
        model.partial_fit(x, y, classes=np.unique(y))
        values.append(loss(model, held, truth, metric))
    return values


def boosting(data, metric, steps, rng):
    x, held, y, truth = data
    model = GradientBoostingClassifier(
        n_estimators=steps,
        learning_rate=10 ** rng.uniform(-2.5, 0.2),
        max_depth=int(rng.integers(1, 5)),
        subsample=rng.uniform(0.3, 1),
        min_samples_leaf=int(2 ** rng.uniform(0, 5)),
        max_features=rng.uniform(0.2, 1),
        random_state=int(rng.integers(1000)),
    ).fit(x, y)
    chances = model.staged_predict_proba(held)
    return [log_loss(truth, np.clip(p, 1e-7, 1), labels=model.classes_) for p in chances]


def hist(data, metric, steps, rng):
    x, held, y, truth = data
    model = (HistGradientBoostingRegressor if metric == "mse" else HistGradientBoostingClassifier)(
        max_iter=steps,
        learning_rate=10 ** rng.uniform(-2.5, 0),
        max_leaf_nodes=int(2 ** rng.uniform(1, 6)),
        min_samples_leaf=int(2 ** rng.uniform(1, 7)),
        l2_regularization=10 ** rng.uniform(-4, 2),
        early_stopping=False,
        random_state=int(rng.integers(1000)),
    ).fit(x, y)
    if metric == "mse":
        return [mean_squared_error(truth, p) for p in model.staged_predict(held)]
    return [1.0 - np.mean(truth == p) for p in model.staged_predict(held)]


FAMILIES = {
    "digits_adam_loss": (network, 60, {}),
    "cancer_linear_error": (linear, 50, {}),
    "classes_schedule_loss": (network, 70, {"solver": "sgd", "schedule": True}),
    "wine_boosting_loss": (boosting, 100, {}),
    "noisy_hist_error": (hist, 100, {}),
    "diabetes_network_mse": (network, 50, {"regress": True}),
    "moons_momentum_error": (network, 40, {"solver": "sgd"}),
    "digits_schedule_error": (network, 60, {"solver": "sgd", "schedule": True}),
    "digits_linear_loss": (linear, 40, {}),
    "cancer_adam_loss": (network, 50, {}),
    "many_schedule_error": (network, 70, {"schedule": True}),
    "cancer_boosting_loss": (boosting, 100, {}),
    "friedman_hist_mse": (hist, 100, {}),
    "wine_momentum_loss": (network, 30, {"solver": "sgd"}),
}


def main():
    warnings.simplefilter("ignore")
    arrays = {}
    for index, (name, (learner, steps, settings)) in enumerate(FAMILIES.items()):
        source, _, metric = name.split("_")
        data = split(source)
        rng = np.random.default_rng((17, index))
        curves = []
        while len(curves) < CURVES:
            try:
                with np.errstate(all="ignore"):
                    values = np.array(learner(data, metric, steps, rng, **settings), np.float32)
            except ValueError as error:
                if "parameter" in str(error):
                    raise
                continue  # weights overflowed: no curve to speak of
            if np.isfinite(values).all():
                curves.append(values)
        purpose = "calibration" if name in CALIBRATION else "heldout"
        arrays[f"{purpose}/{name}"] = np.array(curves)
        print(purpose, name, np.median(curves, axis=0)[[0, -1]])
    np.savez_compressed(pathlib.Path(__file__).with_name("curves.npz"), **arrays)


if __name__ == "__main__":
    main()
