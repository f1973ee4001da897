"""Probabilities as sure as they ought to be, and the threshold of a decision, both learned out of fold.

    p  (n, k)  probabilities
    T          temperature: p^(1/T), scaled to sum to 1; below 1 they become surer
    t          the threshold of the second of two classes

A mean of candidates is less sure than each of them, and rightly so only in part: T is mostly below 1. Where it is
above, single models are too sure, and the mean over folds cures that by itself: for it T is never above 1. See
docs/decisions/0051.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from kilter.automl.metrics import LEAST, Metric

BELIEVED = 100
"""Of so many rows half of a temperature is believed: its error is about 1.4 / √n."""
OF_MEAN = 0.95
"""How much surer the mean of the folds' models may be than a single one, which is what is seen out of fold."""
FEWEST = 50
"""Rows below which a threshold stays: the best one of few rows is luck."""
TRIED = 40
"""Thresholds that are tried, at quantiles of the probabilities."""
NEAR = 5
"""Neighbours over which their scores are averaged: so a plateau is told from a lucky spike."""


@dataclass(frozen=True)
class Calibration:
    """What is done to the probabilities of an ensemble; nothing by default."""

    temperature: float = 1.0
    threshold: float = 0.5

    def scored(self, raw: np.ndarray, metric: Metric) -> np.ndarray:
        """What a metric is to score: surer probabilities, moved by the threshold where it looks at labels."""
        shown = tempered(raw, self.temperature)
        return decided(shown, self.threshold) if metric.needs_labels else shown


def calibrated(
    raw: np.ndarray,
    y: np.ndarray,
    metric: Metric,
    weight: np.ndarray | None = None,
    models: int = 1,
    threshold: float | str = "auto",
) -> Calibration:
    """The calibration of probabilities (n, k), learned from those out of fold; none of values (n,).

    `weight` (n,) are weights of rows. `models` is the number of models of which the mean will be taken. A threshold is
    moved for metrics of labels alone, of two classes, where that gains more than a standard error, unless it is given.

    >>> from kilter.automl.metrics import metric_of
    >>> from kilter.automl.task import Task
    >>> y = np.arange(600) % 2
    >>> unsure = np.column_stack([1 - y, y]) * 0.2 + 0.4
    >>> calibrated(unsure, y, metric_of("log_loss", Task("binary", (0, 1)))).temperature < 0.5
    True
    """
    if raw.ndim == 1:
        return Calibration()
    believed = len(y) / (len(y) + BELIEVED)
    temperature = _temperature(raw, y, weight) ** believed
    if isinstance(threshold, str):
        threshold = _threshold(tempered(raw, temperature), y, metric, weight)
    return Calibration(min(temperature, 1.0) * OF_MEAN if models > 1 else temperature, threshold)


def tempered(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities (n, k), surer below 1, less sure above; as they are at 1.

    >>> tempered(np.array([[0.2, 0.8]]), 0.5).round(2).tolist()
    [[0.06, 0.94]]
    """
    if temperature == 1:
        return probabilities
    raised = np.maximum(probabilities, LEAST) ** (1 / temperature)
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def decided(probabilities: np.ndarray, threshold: float) -> np.ndarray:
    """Probabilities (n, 2) moved so that the larger one is the second where it was above the threshold.

    >>> decided(np.array([[0.7, 0.3]]), 0.2).argmax(axis=1).tolist()
    [1]
    """
    if threshold == 0.5:
        return probabilities
    odds = probabilities * np.array([threshold, 1 - threshold])
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def _temperature(probabilities: np.ndarray, y: np.ndarray, weight: np.ndarray | None) -> float:
    """By Newton's method on u = 1 / T, in which the log-likelihood is concave."""
    logs = np.log(np.maximum(probabilities, LEAST))
    own = logs[np.arange(len(y)), y]
    u = 1.0
    for _ in range(8):
        p = tempered(probabilities, 1 / u)
        mean = np.sum(p * logs, axis=1)
        spread = np.average(np.sum(p * logs**2, axis=1) - mean**2, weights=weight)
        if spread <= 0:
            return 1.0
        u = float(np.clip(u + np.average(own - mean, weights=weight) / spread, u / 2, 2 * u))
    return 1 / float(np.clip(u, 0.2, 5.0))


def _threshold(probabilities: np.ndarray, y: np.ndarray, metric: Metric, weight: np.ndarray | None) -> float:
    if not metric.needs_labels or probabilities.shape[1] != 2 or len(y) < FEWEST:
        return 0.5
    places = (np.arange(TRIED) + 0.5) / TRIED
    tried = np.unique(np.quantile(probabilities[:, 1], places))
    scores = np.array([metric.score(y, decided(probabilities, each), weight) for each in tried])
    gain = scores.max() - metric.score(y, probabilities, weight)
    near = np.ones(min(NEAR, len(tried)))
    smooth = np.convolve(scores, near, "same") / np.convolve(np.ones(len(tried)), near, "same")
    return float(tried[int(np.argmax(smooth))]) if gain > 0.5 / sqrt(len(y)) else 0.5
