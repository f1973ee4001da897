"""What an ensemble will score on new data: not what its weights were chosen by, and how sure that is.

    P   (m, n[, k])  predictions of m candidates out of fold
    w   (m,)         the weights of the ensemble, learned on all rows
    w₋ₖ (m,)         weights learned without the rows of fold k, which then score those rows

See docs/decisions/0051.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite, sqrt

import numpy as np

from kilter.automl.metrics import Metric
from kilter.automl.weights import greedy, mixed, seen
from kilter.core.seeds import rng

LEVEL = 0.95
"""Of the interval."""
BLOCKS = 40
"""Groups of rows that are left out in turn, to see how much of a score is the luck of its rows."""

Folds = Sequence[tuple[np.ndarray, np.ndarray]]
"""Row numbers to train on and to score on, for each fold, as scikit-learn has them."""


@dataclass(frozen=True)
class ScoreEstimate:
    """What a model is expected to score on new data, in the unit of the metric: larger is better.

    >>> print(ScoreEstimate("roc_auc", 0.871, 0.012, 0.005, 23, 534))
    roc_auc 0.871, 95 % 0.838 … 0.904 on as many new rows (corrected for 23 models tried)
    """

    metric: str
    value: float
    """The score to expect."""
    error: float
    """Its standard error; infinite where nothing tells how much luck there is."""
    bias: float
    """What the selection had added to the score that the weights were chosen by."""
    looked_at: int
    """How many candidates were looked at."""
    rows: int
    """How many rows it rests on."""

    @property
    def interval(self) -> tuple[float, float]:
        """The ends within which 95 % of tests on as many new rows score: they have luck of their own."""
        return self.within(self.rows)

    def within(self, rows: float = inf) -> tuple[float, float]:
        """The ends within which 95 % of tests on so many new rows score; of endless rows that is the true score.

        >>> estimate = ScoreEstimate("r2", 0.5, 0.05, 0.0, 1, 100)
        >>> [round(end, 2) for end in estimate.within()]
        [0.4, 0.6]
        """
        from scipy.special import ndtri

        reach = float(ndtri((1 + LEVEL) / 2)) * self.error * sqrt(1 + self.rows / rows)
        return self.value - reach, self.value + reach

    def __str__(self) -> str:
        tried = f"(corrected for {self.looked_at} models tried)"
        if not isfinite(self.error):
            return f"{self.metric} {self.value:.3f}, how sure that is nobody can say {tried}"
        low, high = self.interval
        return (
            f"{self.metric} {self.value:.3f}, {LEVEL:.0%} {low:.3f} … {high:.3f} on as many new rows {tried}".replace(
                "%", " %"
            )
        )


def estimate(
    predictions: np.ndarray,
    weights: np.ndarray,
    y: np.ndarray,
    folds: Folds,
    metric: Metric,
    families: Sequence[str] = (),
    weight: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    looked_at: int | None = None,
) -> ScoreEstimate:
    """The estimate of an ensemble with these weights (m,), from the candidates' predictions out of fold (m, n[, k]).

    `folds` are pairs of row numbers to train on and to score on. `weight` (n,) are weights of rows, `groups` (n,) tell
    rows that belong together. `looked_at` counts candidates, where more were tried than there are predictions of.
    """
    rows = np.flatnonzero(seen(predictions))
    part, truth = predictions[:, rows], y[rows]
    of_rows = None if weight is None else weight[rows]
    crossed = np.empty_like(part[0])
    for block in blocks(rows, folds):
        others = ~block
        there = None if of_rows is None else of_rows[others]
        crossed[block] = mixed(greedy(part[:, others], truth[others], metric, families, there), part[:, block])
    observed = metric.score(truth, mixed(weights, part), of_rows)
    value = metric.score(truth, crossed, of_rows)
    alike = None if groups is None else groups[rows]
    return ScoreEstimate(
        metric.name,
        value,
        error_of(crossed, truth, metric, of_rows, alike),
        observed - value,
        len(predictions) if looked_at is None else looked_at,
        len(rows),
    )


def blocks(rows: np.ndarray, folds: Folds) -> list[np.ndarray]:
    """Which of these rows (n,) weights are to be learned without: those of a fold, or a fifth where folds are few."""
    if len(folds) > 2:
        first: dict[int, int] = {}
        for k, (_, scored) in enumerate(folds):
            for row in scored:
                first.setdefault(int(row), k)
        place = np.array([first.get(int(row), 0) for row in rows])
    else:
        place = rng(0, "blocks").permutation(len(rows)) % 5
    return [place == k for k in np.unique(place)]


def error_of(
    predictions: np.ndarray,
    y: np.ndarray,
    metric: Metric,
    weight: np.ndarray | None = None,
    groups: np.ndarray | None = None,
) -> float:
    """The standard error of the score of predictions, by leaving out blocks of rows in turn (the jackknife)."""
    names = np.arange(len(y)) if groups is None else np.unique(groups, return_inverse=True)[1]
    dealt = rng(0, "jackknife").permutation(int(names.max()) + 1) % BLOCKS
    place = dealt[names]
    used = np.unique(place)
    if len(used) < 2:
        return inf
    without = []
    for k in used:
        kept = place != k
        without.append(metric.score(y[kept], predictions[kept], None if weight is None else weight[kept]))
    return float(np.std(without) * sqrt(len(used) - 1))
