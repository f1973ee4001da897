"""Probabilities as sure as they ought to be, and the threshold of a decision; left alone unless rows out of fold gain.

p  (n, k)  probabilities out of fold
T          temperature: p^(1/T), scaled to sum to 1; below 1 they become surer
t          the threshold of the second of two classes
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kilter.automl.metrics import LEAST, Metric

FEWEST = 50
"""Rows below which thresholds stay: the best one of few rows is luck."""
STEPS = 100
"""Thresholds that are tried, at quantiles of the probabilities."""
SURE = 2.0
"""Standard errors by which a temperature has to gain on rows that it was not learned on."""

Blocks = Sequence[np.ndarray]
"""Which rows (n,) are scored by what was learned from the others (honesty.blocks)."""


def tempered(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities (n, k), surer below 1, less sure above; as they are at 1.

    >>> tempered(np.array([[0.2, 0.8]]), 0.5).round(2).tolist()
    [[0.06, 0.94]]
    """
    if temperature == 1:
        return probabilities
    raised = np.maximum(probabilities, LEAST) ** (1 / temperature)
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def temperature(probabilities: np.ndarray, y: np.ndarray, blocks: Blocks, weight: np.ndarray | None = None) -> float:
    """The temperature of probabilities (n, k); 1 unless it surely gains on rows that it was not learned on."""
    own = np.arange(len(y)), y
    crossed = np.empty_like(probabilities)
    for block in blocks:
        rest = ~block
        learned = _warmth(probabilities[rest], y[rest], None if weight is None else weight[rest])
        crossed[block] = tempered(probabilities[block], learned)
    gain = np.log(np.maximum(crossed[own], LEAST)) - np.log(np.maximum(probabilities[own], LEAST))
    scale = np.ones(len(y)) if weight is None else weight / weight.mean()
    mean, error = float(np.mean(scale * gain)), float(np.std(scale * gain) / np.sqrt(len(y)))
    return _warmth(probabilities, y, weight) if mean > SURE * error else 1.0


def _warmth(probabilities: np.ndarray, y: np.ndarray, weight: np.ndarray | None) -> float:
    from scipy.optimize import minimize_scalar

    own = np.arange(len(y)), y

    def loss(log_temperature: float) -> float:
        p = tempered(probabilities, float(np.exp(log_temperature)))
        return -float(np.average(np.log(np.maximum(p[own], LEAST)), weights=weight))

    return float(np.exp(minimize_scalar(loss, bounds=(-1.5, 1.5), method="bounded").x))


def decided(probabilities: np.ndarray, threshold: float) -> np.ndarray:
    """Probabilities (n, 2) moved so that the larger one is the second where it was above the threshold.

    >>> decided(np.array([[0.7, 0.3]]), 0.2).argmax(axis=1).tolist()
    [1]
    """
    if threshold == 0.5:
        return probabilities
    odds = np.column_stack([probabilities[:, 0] * threshold, probabilities[:, 1] * (1 - threshold)])
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def threshold(
    probabilities: np.ndarray, y: np.ndarray, metric: Metric, blocks: Blocks, weight: np.ndarray | None = None
) -> float:
    """The threshold of probabilities (n, 2) that a metric of labels wants; .5 unless another one gains cross-fitted."""
    if not metric.needs_labels or probabilities.shape[1] != 2 or len(y) < FEWEST:
        return 0.5

    def best(rows: np.ndarray) -> float:
        return _best(probabilities[rows], y[rows], metric, None if weight is None else weight[rows])

    crossed = probabilities.copy()
    for block in blocks:
        crossed[block] = decided(probabilities[block], best(~block))
    gains = metric.score(y, crossed, weight) > metric.score(y, probabilities, weight)
    return best(np.ones(len(y), bool)) if gains else 0.5


def _best(probabilities: np.ndarray, y: np.ndarray, metric: Metric, weight: np.ndarray | None) -> float:
    """The middle of the best stretch: a mean over neighbours tells a plateau from a lucky spike."""
    tried = np.unique(np.quantile(probabilities[:, 1], np.linspace(0.005, 0.995, STEPS)))
    scores = np.array([metric.score(y, decided(probabilities, each), weight) for each in tried])
    near = np.ones(min(5, len(tried)))
    smooth = np.convolve(scores, near, "same") / np.convolve(np.ones(len(tried)), near, "same")
    return float(tried[int(np.argmax(smooth))])
