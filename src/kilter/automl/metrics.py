"""What predictions are scored by: larger is always better, and what a search asks often is quick.

y            (n,) values, or int places of classes (task.py)
predictions  (n,) values, or (n, k) probabilities
part         what of predictions a score depends on, (n,): of AUC the probability of the second class, of log-loss
             that of the true class. It mixes as predictions do, so a mixture is scored without the rest
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from kilter.automl.task import Task
from kilter.core.errors import InvalidInput, UnknownName

Weight = np.ndarray | None
Scored = Callable[[np.ndarray], float]
"""From the part of one prediction to its score."""

LEAST = 1e-7
"""A probability below this counts as this in the log-loss: one sure error is not infinitely bad."""
OTHERS = {
    "auc": "roc_auc",
    "rmse": "root_mean_squared_error",
    "mae": "mean_absolute_error",
    "mse": "mean_squared_error",
    "mape": "mean_absolute_percentage_error",
    "mcc": "matthews_corrcoef",
    "acc": "accuracy",
    "logloss": "log_loss",
}
"""What other systems call a metric."""
AUTO = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "r2"}


@dataclass(frozen=True)
class Metric:
    """A score by its name. Errors are negated, so that the larger one of two scores is always the better one.

    `needs_labels` says that it looks at decisions rather than at probabilities: then a threshold matters. `perfect` is
    what no model exceeds, None where nobody knows; `worst` what none falls below, None where there is no such end.
    """

    name: str
    over: Callable[[np.ndarray, Weight], Scored]
    """From y and weights to what scores parts of predictions: what all predictions have in common is done once."""
    part: Callable[[np.ndarray, np.ndarray], np.ndarray]
    """From predictions (…, n[, k]) and y to their parts (…, n)."""
    needs_labels: bool = False
    perfect: float | None = None
    worst: float | None = None

    def score(self, y: np.ndarray, predictions: np.ndarray, weight: Weight = None) -> float:
        """The score of predictions.

        >>> metric_of("auto", Task("regression")).score(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 2.0]))
        0.5
        """
        return self.over(y, weight)(self.part(predictions, y))


def metric_of(metric: Any, task: Task) -> Metric:
    """The metric of a name, of "auto", or of one of scikit-learn's scorers.

    "auto" is roc_auc of two classes, log_loss of more, r2 of values. Names are scikit-learn's, with or without the
    "neg_" of errors. A scorer is called as scorer(estimator, X, y) with an estimator whose predictions are X.
    Raises UnknownName where there is no such scorer, InvalidInput where it cannot score such a task.

    >>> metric_of("auto", Task("binary", ("no", "yes"))).name
    'roc_auc'
    """
    if isinstance(metric, str):
        return _named(AUTO[task.kind] if metric == "auto" else metric, task)
    if not callable(metric):
        raise InvalidInput(f"metric={metric!r}: give the name of a scorer, or a scorer as scorer(estimator, X, y)")
    return _of_scorer(getattr(metric, "__name__", None) or repr(metric), metric, task)


def _named(name: str, task: Task) -> Metric:
    plain = name.removeprefix("neg_")
    quick = {
        "roc_auc": ("binary", _area, _second, 1.0),
        "log_loss": ("classes", LOG_LOSS.over, LOG_LOSS.part, 0.0),
        "r2": ("regression", _explained, _itself, 1.0),
        "mean_squared_error": ("regression", _squared, _itself, 0.0),
        "root_mean_squared_error": ("regression", _root, _itself, 0.0),
        "mean_absolute_error": ("regression", _absolute, _itself, 0.0),
    }
    if plain in quick:
        kind, over, part, perfect = quick[plain]
        if kind == task.kind or (kind == "classes" and not task.is_regression):
            return Metric(plain, over, part, perfect=perfect, worst=0.0 if plain == "roc_auc" else None)
    return _of_scorer(plain, _scorer(name), task)


def _scorer(name: str) -> Any:
    from sklearn.metrics import get_scorer, get_scorer_names

    known = get_scorer_names()
    if name.lower() in OTHERS:
        raise UnknownName(f"no metric {name!r}: it is called {OTHERS[name.lower()]!r}")
    for each in (name, f"neg_{name}"):
        if each in known:
            return get_scorer(each)
    raise UnknownName.of("metric", name, [each.removeprefix("neg_") for each in known])


def _of_scorer(name: str, scorer: Any, task: Task) -> Metric:
    from kilter.evaluation.estimators import perfect, worst

    needs_labels = not task.is_regression and getattr(scorer, "_response_method", None) == "predict"
    metric = Metric(name, _Asked(scorer, task), _itself, needs_labels, perfect(scorer), worst(scorer))
    _try(metric, task)
    return metric


def _try(metric: Metric, task: Task) -> None:
    """A scorer that cannot score such a task says so before anything is fitted."""
    y = np.tile(np.arange(task.width), 4) if task.classes else np.arange(1.5, 9.0)
    truth = y if task.is_regression else np.eye(task.width)[y] * 0.5 + 0.5 / task.width
    try:
        metric.score(y, truth)
    except Exception as error:
        of = "values" if task.is_regression else f"{task.width} classes"
        hint = f": take one of {', '.join(similar)}" if (similar := _longer(metric.name)) else ""
        if isinstance(error, TypeError):
            hint = ". Is it a function of y and predictions? make_scorer makes a scorer of it"
        raise InvalidInput(f"metric={metric.name!r} cannot score {of}: {error}{hint}") from error


def _longer(name: str) -> list[str]:
    """Metrics whose names go on where this one ends, as those do that say how classes are averaged."""
    from sklearn.metrics import get_scorer_names

    return [each for each in get_scorer_names() if each.startswith(f"{name}_")]


def check(metric: Metric, task: Task, y: np.ndarray, weight: Weight) -> None:
    """Raises InvalidInput where the metric cannot score this target, as one of counts what is negative, or no weights.

    It is asked to score what sees no column.
    """
    if not isinstance(metric.over, _Asked) or (y == y[0]).all():
        return
    if task.is_regression:
        blind = np.full(len(y), np.average(y, weights=weight))
    else:
        shares = np.bincount(y, weights=weight, minlength=task.width)
        blind = np.tile(shares / shares.sum(), (len(y), 1))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            metric.score(y, blind, weight)
    except Exception as error:
        of = "this target" if weight is None else "this target with weights"
        raise InvalidInput(f"metric={metric.name!r} cannot score {of}: {error}") from error


@dataclass(frozen=True)
class _Asked:
    """One of scikit-learn's scorers as a function of predictions."""

    scorer: Any
    task: Task

    def __call__(self, y: np.ndarray, weight: Weight) -> Scored:
        truth = y if self.task.is_regression else self._names()[y]
        weights = {} if weight is None else {"sample_weight": weight}
        told = _told(self.task, self._names())
        return lambda predictions: float(self.scorer(told, predictions, truth, **weights))

    def _names(self) -> np.ndarray:
        """Classes as y has them; places where a scorer takes 1 for the one that it looks for, as it does by default."""
        classes = np.asarray(self.task.classes)
        own = getattr(self.scorer, "_kwargs", {}).get("pos_label")
        is_by_place = own is None and getattr(self.scorer, "_score_func", None) is not None
        return np.arange(len(classes)) if is_by_place else classes


def _told(task: Task, classes: np.ndarray) -> Any:
    """An estimator that predicts what it is given."""
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

    class Told(RegressorMixin if task.is_regression else ClassifierMixin, BaseEstimator):  # type: ignore[misc]
        is_fitted_ = True
        if not task.is_regression:
            classes_ = classes

            def predict_proba(self, given: np.ndarray) -> np.ndarray:
                return given

        def predict(self, given: np.ndarray) -> np.ndarray:
            return given if task.is_regression else classes[np.argmax(given, axis=1)]

    return Told()


# ---------------------------------------------------------------------------------------- parts of predictions


def _itself(predictions: np.ndarray, y: np.ndarray) -> np.ndarray:
    return predictions


def _second(predictions: np.ndarray, y: np.ndarray) -> np.ndarray:
    return predictions[..., -1]  # of a single class there is no second


def _of_truth(predictions: np.ndarray, y: np.ndarray) -> np.ndarray:
    return predictions[..., np.arange(len(y)), y]


# ------------------------------------------------------------------------------------------------------ scores


def _area(y: np.ndarray, weight: Weight) -> Scored:
    """The area under the ROC curve: how often one of the second class is above one of the first; nan without both."""
    one = (y == 1).astype(float) if weight is None else (y == 1) * weight
    zero = (y == 0).astype(float) if weight is None else (y == 0) * weight
    pairs = one.sum() * zero.sum()
    if not pairs:
        return lambda p: float("nan")

    def scored(p: np.ndarray) -> float:
        order = np.argsort(p)
        ahead, behind, ranked = one[order], zero[order], p[order]
        starts = np.flatnonzero(np.diff(ranked, prepend=-np.inf))
        if len(starts) < len(p):  # equal ones count half
            ahead, behind = np.add.reduceat(ahead, starts), np.add.reduceat(behind, starts)
        return float(ahead @ (np.cumsum(behind) - behind / 2) / pairs)

    return scored


def _log_likelihood(y: np.ndarray, weight: Weight) -> Scored:
    return lambda p: float(np.average(np.log(np.maximum(p, LEAST)), weights=weight))


def _explained(y: np.ndarray, weight: Weight) -> Scored:
    total = float(np.average((y - np.average(y, weights=weight)) ** 2, weights=weight))
    error = _squared(y, weight)
    if (y == y[0]).all():  # as scikit-learn has it, but for rounding
        return lambda p: float(-error(p) <= (1e-12 * y[0]) ** 2)
    return lambda p: 1 + error(p) / total


def _squared(y: np.ndarray, weight: Weight) -> Scored:
    return lambda p: -float(np.average((y - p) ** 2, weights=weight))


def _root(y: np.ndarray, weight: Weight) -> Scored:
    error = _squared(y, weight)
    return lambda p: -float(np.sqrt(-error(p)))


def _absolute(y: np.ndarray, weight: Weight) -> Scored:
    return lambda p: -float(np.average(np.abs(y - p), weights=weight))


LOG_LOSS = Metric("log_loss", _log_likelihood, _of_truth, perfect=0.0)
