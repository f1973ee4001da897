"""Weights of candidates in an ensemble, from predictions on rows that their models have not seen.

    P  (m, n[, k])  predictions of m candidates; of each row by models that did not train on it
    w  (m,)         their weights, which sum to 1

Greedy with replacement (Caruana and others, 2004): each step adds the candidate that makes the mean the best. Few
steps, patience and few candidates: numerical optimisers of weights fit the luck of few rows (Purucker and Beel, arXiv
2307.00286). See docs/decisions/0051.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from kilter.automl.metrics import LOG_LOSS, Metric, Scored

STEPS = 25
PATIENCE = 8
"""Steps without gain after which nothing more is added."""
MOST = 25
"""Candidates that may get weight: the best ones, and the best one of each family."""


def greedy(
    predictions: np.ndarray,
    y: np.ndarray,
    metric: Metric,
    families: Sequence[str] = (),
    weight: np.ndarray | None = None,
    steps: int = STEPS,
) -> np.ndarray:
    """Weights (m,) of candidates, most of them 0; a function of its arguments.

    `families` names the family of each candidate, `weight` (n,) are weights of rows. Rows that some candidate has no
    prediction of, as nan, are left out; where no score is defined the first candidate has all weight. For metrics of
    labels the log-loss decides, which is smooth.

    >>> from kilter.automl.metrics import metric_of
    >>> from kilter.automl.task import Task
    >>> y = np.array([0.0, 1.0, 2.0, 3.0])
    >>> greedy(np.array([y + 1, y - 1, y + 9]), y, metric_of("r2", Task("regression"))).tolist()
    [0.5, 0.5, 0.0]
    """
    rows = seen(predictions)
    y, weight = y[rows], None if weight is None else weight[rows]
    metric = LOG_LOSS if metric.needs_labels else metric
    parts = metric.part(predictions[:, rows], y)
    score = metric.over(y, weight)
    alone = _defined([score(each) for each in parts])
    kind = np.array(families or ["" for _ in parts])
    places = leading(alone, kind, MOST)
    counts = np.zeros(len(parts), int)
    counts[places] = _added(parts[places], score, steps)
    return np.asarray(counts / counts.sum())


def _defined(scores: Sequence[float]) -> np.ndarray:
    """Scores that can be compared: one that is undefined, as AUC of a single class, is worse than any other."""
    return np.asarray(np.where(np.isnan(scores), -np.inf, scores))


def seen(predictions: np.ndarray) -> np.ndarray:
    """Which rows (n,) all candidates have predictions of."""
    missing = np.isnan(predictions)
    return np.asarray(~missing.any(axis=(0, *range(2, missing.ndim))))


def mixed(weights: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """The weighted mean of predictions (m, n[, k])."""
    used = np.flatnonzero(weights)
    return np.asarray(np.tensordot(weights[used], predictions[used], 1))


def leading(scores: np.ndarray, families: np.ndarray, most: int) -> np.ndarray:
    """Places of the best candidates, at most so many, with the best one of each family among them; in their order."""
    order = np.argsort(-scores, kind="stable")
    first = [next(i for i in order if families[i] == name) for name in dict.fromkeys(families[order])]
    return np.array(sorted([*first, *[i for i in order if i not in first][: max(most - len(first), 0)]]), int)


def smaller(
    predictions: np.ndarray,
    weights: np.ndarray,
    y: np.ndarray,
    metric: Metric,
    costs: np.ndarray | None = None,
    weight: np.ndarray | None = None,
) -> Iterator[np.ndarray]:
    """Weights (m,) of ensembles of ever fewer candidates, from these down to a single one.

    Each step leaves out the candidate that is missed least, for each unit of its costs (m,) where there are some, and
    weighs the others anew. So `simplify` takes the last one that scores well enough, a limit to what a prediction costs
    the first one that keeps it.

    >>> from kilter.automl.metrics import metric_of
    >>> from kilter.automl.task import Task
    >>> y, r2 = np.array([0.0, 1.0, 2.0, 3.0]), metric_of("r2", Task("regression"))
    >>> pool = np.array([y + 2, y - 1, y - 1.5])
    >>> [each.round(2).tolist() for each in smaller(pool, np.array([0.4, 0.4, 0.2]), y, r2)][1:]
    [[0.33, 0.67, 0.0], [0.0, 1.0, 0.0]]
    """
    metric = LOG_LOSS if metric.needs_labels else metric
    while True:
        yield weights
        used = np.flatnonzero(weights)
        if len(used) < 2:
            return
        whole = metric.score(y, mixed(weights, predictions), weight)
        missed = np.empty(len(used))
        for place, each in enumerate(used):
            rest = np.where(np.arange(len(weights)) == each, 0.0, weights)
            missed[place] = whole - metric.score(y, mixed(rest / rest.sum(), predictions), weight)
        missed = missed if costs is None else np.maximum(missed, 1e-12) / costs[used]
        kept = np.delete(used, np.argmin(missed))
        weights = np.zeros(len(weights))
        weights[kept] = greedy(predictions[kept], y, metric, weight=weight)


def _added(parts: np.ndarray, score: Scored, steps: int) -> np.ndarray:
    """How often each candidate (m,) is in the best of the means that come of adding the best one at each step."""
    counts = np.zeros(len(parts), int)
    best: np.ndarray = (np.arange(len(parts)) == 0).astype(int)
    total, top = np.zeros_like(parts[0], dtype=float), -np.inf
    for step in range(1, steps + 1):
        scores = _defined([score((total + each) / step) for each in parts])
        chosen = int(np.argmax(scores))
        counts[chosen] += 1
        total += parts[chosen]
        if scores[chosen] > top:
            top, best = scores[chosen], counts.copy()
        elif step - best.sum() >= PATIENCE:
            break
    return best
