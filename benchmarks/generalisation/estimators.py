"""Ways to tell what the choice of a search will score on new rows, from what the search has seen.

    scores  (c, k)   scores of c configurations on k folds, larger is better
    moves   (c, n)   influence: by how much each row that was tested moves a configuration's mean (see `influence`)

Each way is a function of a Search, and returns its choice and what it expects of it; none sees the outer test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from replay import Pool  # noqa: TC002 - a dataclass's field
from scipy.stats import rankdata

from kilter.analysis.configurations import on_parts
from kilter.analysis.design import Design
from kilter.analysis.estimate import estimate
from kilter.analysis.merits import merits
from kilter.core.history import History

DRAWS = 200
BOOTSTRAPS = 20

Told = tuple[int, float]
"""The choice, by its place in the pool, and what it is expected to score."""


@dataclass(frozen=True)
class Search:
    """What a search has seen."""

    pool: Pool
    history: History
    design: Design

    @cached_property
    def seen(self) -> tuple[np.ndarray, np.ndarray]:
        """The places of configurations that were scored on all folds, and scores."""
        found = merits(self.history, self.design).configurations
        scores = -on_parts(found, self.design.names)
        whole = np.isfinite(scores).all(axis=1)
        return np.array([each.number for each in found])[whole], scores[whole]

    @cached_property
    def stream(self) -> np.random.Generator:
        """Of chance."""
        return np.random.default_rng([self.pool.repetition, len(self.history)])

    @property
    def folds(self) -> list[int]:
        """The folds that all of them met."""
        return [int(name) for name in self.design.names]


def best(search: Search, value: Callable[[np.ndarray], float]) -> Told:
    """The best observed mean, and a value from all scores."""
    places, scores = search.seen
    return int(places[scores.mean(1).argmax()]), float(value(scores))


def observed(search: Search) -> Told:
    """The score that it was chosen by."""
    return best(search, lambda scores: scores.mean(1).max())


def cross_validated(search: Search) -> Told:
    """The choice is made anew for each fold by the others, and counted on it."""

    def value(scores: np.ndarray) -> float:
        folds = range(scores.shape[1])
        return float(np.mean([scores[np.delete(scores, k, axis=1).mean(1).argmax(), k] for k in folds]))

    return best(search, value)


def tibshirani(search: Search) -> Told:
    """Tibshirani and Tibshirani (2009): less by how much better the best of each fold is there than the choice is."""
    return best(search, lambda scores: scores.mean(1).max() - (scores.max(0) - scores[scores.mean(1).argmax()]).mean())


def untouched(search: Search) -> Told:
    """Chosen by all folds but the last, counted on that."""
    places, scores = search.seen
    chosen = int(scores[:, :-1].mean(1).argmax())
    return int(places[chosen]), float(scores[chosen, -1])


def luck_of_folds(search: Search) -> Told:
    """Less by what the best gains where noise is added once more, as folds show it."""

    def value(scores: np.ndarray) -> float:
        left = scores - scores.mean(1, keepdims=True)
        left -= left.mean(0)
        k = scores.shape[1]
        return _less_luck(scores.mean(1), search.stream.standard_normal((DRAWS, k)) @ left.T / np.sqrt(k * (k - 1)))

    return best(search, value)


def luck_of_rows(search: Search) -> Told:
    """The same with noise as rows show it: it needs all predictions."""
    places, _ = search.seen
    moves = influence(search.pool, places, search.folds)
    return best(
        search,
        lambda scores: _less_luck(scores.mean(1), search.stream.standard_normal((DRAWS, moves.shape[1])) @ moves.T),
    )


def _less_luck(means: np.ndarray, noise: np.ndarray) -> float:
    noise = noise - noise.mean(1, keepdims=True)
    picked = (means + noise).argmax(1)
    return float(means.max() - noise[np.arange(len(noise)), picked].mean())


def shrunk(search: Search) -> Told:
    """Drawn in to the mean of the better half, by as much as the noise that folds show explains of its spread."""

    def value(scores: np.ndarray) -> float:
        means, k = scores.mean(1), scores.shape[1]
        left = scores - means[:, None]
        left -= left.mean(0)
        good = means >= np.median(means)
        noise = (left[good] ** 2).sum() / (good.sum() - 1) / (k - 1) / k
        kept = max(0.0, 1 - noise / max(means[good].var(), 1e-12))
        return float(means[good].mean() + kept * (means.max() - means[good].mean()))

    return best(search, value)


def bootstrapped(search: Search) -> Told:
    """Tsamardinos, Greasidou and Borboudakis (2018): chosen by rows drawn with replacement, counted on all others."""
    places, _ = search.seen
    pool, stream = search.pool, search.stream
    rows = [np.flatnonzero(pool.fold == fold) for fold in search.folds]
    found = []
    while len(found) < BOOTSTRAPS:
        drawn = [stream.choice(mine, len(mine)) for mine in rows]
        left = [np.setdiff1d(mine, taken) for mine, taken in zip(rows, drawn)]
        inside, outside = (np.mean([_scores(pool, places, some) for some in each], axis=0) for each in (drawn, left))
        if np.isfinite(inside).all() and np.isfinite(outside).all():
            found.append(outside[inside.argmax()])
    return best(search, lambda scores: float(np.mean(found)))


def by_merits(search: Search) -> Told:
    """What merits expect of the best observed one."""
    known = merits(search.history, search.design)
    numbers = [each.number for each in known.configurations]
    chosen, _ = observed(search)
    return chosen, -float(known.mean[numbers.index(chosen)])


def kilters(search: Search) -> Told:
    """`study.estimate()`, of kilter's own choice."""
    found = estimate(search.history, search.design)
    return found.number, found.value


def fixed(search: Search) -> Told:
    """The default, whatever was found: nothing was chosen, so this is as well as the rows themselves know it."""
    return 0, float(search.pool.folds[0, search.folds].mean())


WAYS = (
    observed, cross_validated, tibshirani, untouched, luck_of_folds, luck_of_rows, bootstrapped, shrunk, by_merits,
    kilters, fixed,
)  # fmt: skip
NEEDS_FOLDS = (cross_validated, tibshirani, untouched, luck_of_folds, shrunk)

# Rows. ----------------------------------------------------------------------------------------------------------------


def influence(pool: Pool, places: np.ndarray, folds: list[int]) -> np.ndarray:
    """Of each row that these folds test on the mean score of configurations, (c, n)."""
    parts = []
    for fold in folds:
        rows = pool.fold == fold
        parts.append(INFLUENCES[pool.task.metric](pool.y[rows], pool.predictions[places][:, rows].astype(float)))
    return np.concatenate(parts, axis=1) / len(folds)


def _auc(y: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Placements (DeLong, DeLong and Clarke-Pearson 1988), from ranks."""
    found = np.empty_like(predictions)
    ranks, ones = rankdata(predictions, axis=1), y == 1
    for mine, sign in ((ones, 1), (~ones, -1)):
        others = len(y) - mine.sum()
        above = sign * (ranks[:, mine] - rankdata(predictions[:, mine], axis=1)) / others
        found[:, mine] = (above - above.mean(1, keepdims=True)) / mine.sum()
    return found


def _accuracy(y: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    right = ((predictions > 0) == (y == 1)).astype(float)
    return (right - right.mean(1, keepdims=True)) / len(y)


def _r2(y: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    squares, spread = (y - predictions) ** 2, (y - y.mean()) ** 2
    ratio = squares.mean(1, keepdims=True) / spread.mean()
    return -(squares - ratio * spread) / spread.mean() / len(y)


INFLUENCES = {"auc": _auc, "accuracy": _accuracy, "r2": _r2}


def _scores(pool: Pool, places: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Of configurations on these rows, which may come twice; NaN where they are all of one class."""
    y, predictions = pool.y[rows], pool.predictions[places][:, rows].astype(float)
    if pool.task.metric == "accuracy":
        return ((predictions > 0) == (y == 1)).mean(1)
    if pool.task.metric == "r2":
        return 1 - ((y - predictions) ** 2).mean(1) / y.var()
    ones = int(y.sum())
    if not 0 < ones < len(y):
        return np.full(len(places), np.nan)
    return (rankdata(predictions, axis=1)[:, y == 1].sum(1) - ones * (ones + 1) / 2) / (ones * (len(y) - ones))
