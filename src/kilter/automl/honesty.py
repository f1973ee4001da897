"""What an ensemble will score on new data: not what its weights were chosen by, and how sure that is.

    P   (m, n[, k])  predictions of m candidates out of fold
    w   (m,)         the weights of the ensemble, learned on all rows
    w₋ₖ (m,)         weights, and calibration, learned without the rows of fold k, which are then scored by them
    L                what the score of w₋ₖ lacks to perfect
    s                skill: 1 - L / L of predictions that see no column
    A                what the ensemble scores more than its candidates do on average, weighted
    K                models of folds, of which the final one is the mean

What flatters is not there, and what is modest is made up for. Fits stop where their own fold likes it best: members
predict its rows as if it had not (members/held_out.py). Weights flatter themselves on the rows that they were chosen
by: so they are learned without. But each of those rows is predicted by the models of one fold, and a new row by the
mean of all K, which is better by (1 - 1/K) (ALONE Σw² s L + AMONG A): what a mean over folds takes away is noise of
fits, of which weights have left Σw², and of which A shows how much there is; as does a temperature above 1
(docs/decisions/0051).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, hypot, inf, isfinite, log, nan, sqrt

import numpy as np

from kilter.automl.calibration import calibrated
from kilter.automl.metrics import LOG_LOSS, Metric
from kilter.automl.splits import is_growing
from kilter.automl.weights import greedy, mixed, seen
from kilter.core.seeds import rng

LEVEL = 0.95
"""Of the interval."""
ALONE = 0.09
"""What endless folds' models of one candidate, of full skill, gain by being averaged, as a share of what they lack."""
AMONG = 0.32
"""What folds' models gain beyond that, as a share of what candidates gain by being averaged."""
TOO_SURE = 0.6
"""What they gain of log-loss, at full skill, for each unit of the logarithm of the temperature of single models."""
MOST = 0.4
"""No larger share of what is lacking is taken to be gained: a wild candidate of little weight makes A large."""
DOUBT = 0.5
"""The standard error of that gain, as a share of it."""
FEWEST = 3
"""So many rows of other classes than the commonest one there must be, or nobody can say how sure a score is."""
BLOCKS = 40
"""Groups of rows that are left out in turn, to see how much of a score is the luck of its rows."""

Folds = Sequence[tuple[np.ndarray, np.ndarray]]
"""Row numbers to train on and to score on, for each fold, as scikit-learn has them."""


@dataclass(frozen=True)
class ScoreEstimate:
    """What a model is expected to score on new data, in the unit of the metric: larger is better.

    >>> print(ScoreEstimate("roc_auc", 0.871, 0.012, 0.005, 23, 534, perfect=1.0))
    roc_auc 0.871, 95 % 0.833 … 0.900 on as many new rows (corrected for the choice among 23)
    """

    metric: str
    value: float
    """The score to expect."""
    error: float
    """Its standard error; infinite where nothing tells how much luck there is."""
    bias: float
    """What the selection had added to the score that the weights were chosen by."""
    looked_at: int
    """How many candidates were complete, and so could be chosen."""
    rows: int
    """How many rows it rests on."""
    perfect: float | None = None
    """What no model exceeds, where that is known."""
    worst: float | None = None
    """What no model falls below, where there is such an end."""

    @property
    def interval(self) -> tuple[float, float]:
        """The ends within which 95 % of tests on as many new rows score: they have luck of their own."""
        return self.within(self.rows)

    def within(self, rows: float = inf) -> tuple[float, float]:
        """The ends within which 95 % of tests on so many new rows score; of endless rows that is the true score.

        What is missing to a perfect score is known to a factor, so the interval reaches further down than up; but no
        further than the worst score that there is.

        >>> estimate = ScoreEstimate("r2", 0.5, 0.05, 0.0, 1, 100, perfect=1.0)
        >>> [round(end, 2) for end in estimate.within()]
        [0.39, 0.59]
        """
        from scipy.special import ndtri

        reach = float(ndtri((1 + LEVEL) / 2)) * self.error * sqrt(1 + self.rows / rows)
        if self.perfect is None or not isfinite(reach):
            return self.value - reach, self.value + reach
        missing = max(self.perfect - self.value, self.error)
        if missing <= 0:  # of a constant, for one
            return self.value, self.value
        factor = exp(reach / missing)
        low = self.perfect - missing * factor
        return low if self.worst is None else max(low, min(self.worst, self.value)), self.perfect - missing / factor

    def __str__(self) -> str:
        if not isfinite(self.value):
            return f"{self.metric}: no score is defined of {self.rows} rows with one class or value"
        tried = f"(corrected for the choice among {self.looked_at})" if self.looked_at > 1 else "(corrected)"
        metric = self.metric if self.perfect != 0 else f"neg_{self.metric}"  # as scikit-learn calls what it is
        if not isfinite(self.error):
            return f"{metric} {self.value:.3f}, how sure that is nobody can say {tried}"
        low, high = self.interval
        return f"{metric} {self.value:.3f}, {100 * LEVEL:.0f} % {low:.3f} … {high:.3f} on as many new rows {tried}"


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
    threshold: float | str = "auto",
) -> ScoreEstimate:
    """The estimate of an ensemble with these weights (m,), from the candidates' predictions out of fold (m, n[, k]).

    `folds` are pairs of row numbers to train on and to score on. `weight` (n,) are weights of rows, `groups` (n,) tell
    rows that belong together. `looked_at` counts candidates, where more were tried than there are predictions of. The
    ensemble is taken to be calibrated as `calibration.calibrated` says, with this threshold.
    """
    rows = np.flatnonzero(seen(predictions))
    part, truth = predictions[:, rows], y[rows]
    weight, groups = (None if each is None else each[rows] for each in (weight, groups))
    parts = blocks(rows, folds)
    crossed = _crossed(part, truth, parts, metric, families, weight, threshold)
    growing = is_growing(folds)
    alike = parts if growing else [np.ones(len(rows), bool)]
    score, spread = _score(crossed, truth, alike, metric, weight)
    raw = mixed(weights, part)
    learned = calibrated(raw, truth, metric, weight, threshold=threshold)
    observed, _ = _score(learned.scored(raw, metric), truth, alike, metric, weight)
    luck, gain, one_row = max(error_of(crossed, truth, metric, weight, groups), spread), 0.0, 0.0
    if metric.perfect is not None:
        blind = metric.score(truth, _blind(crossed, truth, weight), weight)
        if blind < score < metric.perfect:
            share = _gained(weights, part, truth, LOG_LOSS if metric.needs_labels else metric, weight)
            gain = (1 - 1 / (1 if growing else len(folds))) * share * (metric.perfect - score)
        one_row = max(metric.perfect - blind, 0.0) / len(rows)  # where nothing was wrong, one row might have been
    error = hypot(luck, DOUBT * gain, one_row)
    honest = score + gain
    tried = len(predictions) if looked_at is None else looked_at
    return ScoreEstimate(metric.name, honest, error, observed - honest, tried, len(rows), metric.perfect, metric.worst)


def _score(
    found: np.ndarray, y: np.ndarray, parts: Sequence[np.ndarray], metric: Metric, weight: np.ndarray | None
) -> tuple[float, float]:
    """The mean score of parts of the rows, and its standard error: a trend from part to part is no skill in any."""
    scores = np.array([metric.score(y[part], found[part], None if weight is None else weight[part]) for part in parts])
    defined = scores[np.isfinite(scores)]
    if len(defined) < 2:
        return float(defined.mean()) if len(defined) else nan, 0.0
    return float(defined.mean()), float(defined.std(ddof=1) / sqrt(len(defined)))


def _crossed(
    predictions: np.ndarray,
    y: np.ndarray,
    scored: Sequence[np.ndarray],
    metric: Metric,
    families: Sequence[str],
    weight: np.ndarray | None,
    threshold: float | str,
) -> np.ndarray:
    """Predictions (n[, k]) of each block of rows by weights, and calibration, that were learned on the others."""
    crossed: np.ndarray = np.empty_like(predictions[0])
    for block in scored:
        rest = ~block
        there = None if weight is None else weight[rest]
        weights = greedy(predictions[:, rest], y[rest], metric, families, there)
        learned = calibrated(mixed(weights, predictions[:, rest]), y[rest], metric, there, threshold=threshold)
        crossed[block] = learned.scored(mixed(weights, predictions[:, block]), metric)
    return crossed


def _gained(
    weights: np.ndarray, predictions: np.ndarray, y: np.ndarray, metric: Metric, weight: np.ndarray | None
) -> float:
    """The share of what the models of one fold lack that the mean of endlessly many folds' does not."""
    raw, perfect = mixed(weights, predictions), metric.perfect or 0.0
    missing = perfect - metric.score(y, raw, weight)
    blind = perfect - metric.score(y, _blind(raw, y, weight), weight)
    if not 0 < missing < blind:
        return 0.0
    used = np.flatnonzero(weights)
    alone = perfect - sum(weights[j] * metric.score(y, predictions[j], weight) for j in used)
    own = ALONE * float(weights @ weights)
    if metric == LOG_LOSS:  # models that are too sure are so by noise of their own
        own += TOO_SURE * max(log(calibrated(raw, y, metric, weight).temperature), 0.0)
    return float(np.clip(own * (1 - missing / blind) + AMONG * (alone - missing) / missing, 0.0, MOST))


def _blind(like: np.ndarray, y: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    """What sees no column predicts: the mean (n,), or the shares of classes (n, k)."""
    if like.ndim == 1:
        return np.full(len(y), np.average(y, weights=weight))
    shares = np.bincount(y, weights=weight, minlength=like.shape[1])
    return np.tile(shares / shares.sum(), (len(y), 1))


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
    """The standard error of the score of predictions, by leaving out blocks of rows in turn (the jackknife).

    It is infinite where fewer than FEWEST rows are of other classes than the commonest: they say nothing of luck.
    """
    if y.dtype.kind in "iu" and len(y) - np.bincount(y).max() < FEWEST:
        return inf
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
    defined = np.array(without)[np.isfinite(without)]
    return float(np.std(defined) * sqrt(len(defined) - 1)) if len(defined) > 1 else inf
