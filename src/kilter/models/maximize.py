"""The best point of an acquisition: many candidates, then ascent from a few of them.

    score(points)            (q,)
    slope(points, features)  (q,), (q, k): the score and its gradient by the numbers of the points
    candidates               (q, d) points, models/encoding.py

Numbers climb by BFGS with discrete ones relaxed; then those are snapped and every discrete parameter is swept over its
neighbours, so that a start moves along its continuous and its discrete axes in turn (Wan et al. 2021, "Think global and
act local", interleaved search).
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from kilter.models.ascent import ascended
from kilter.models.candidates import filled
from kilter.models.encoding import Encoding

STARTS = 3
"""Points that climb; more were not better."""
HOPELESS = 50.0
"""Candidates whose logarithm is this far behind do not climb: they would not arrive."""
CALLS = 20
"""Evaluations of an ascent, all starts at once, at most: more gain a hundredth in the logarithm."""
AGAIN = 8
"""And of the second one, from the best point after discrete parameters moved."""
ENOUGH = 1e-4
"""An ascent ends with a step that gains less in the logarithm of the acquisition; late in a search it matters."""
SWEEPS = 3
"""Steepest discrete moves in a row, at most."""
OPTIONS = 10
"""Other options of a choice that a sweep looks at; of more, so many at random."""
JUMP = 3
"""Besides its two neighbours, a sweep tries one value of a grid within so many places."""

SLIGHT = 1e-3
"""A discrete number that was moved by no more than this to its nearest value has not moved."""


class Acquisition(Protocol):
    """What is maximised."""

    def score(self, points: np.ndarray) -> np.ndarray:
        """The value at points, (q,)."""

    def slope(self, points: np.ndarray, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The value (q,) at points with these features, and its gradient by the numbers (q, k)."""


def maximized(
    acquisition: Acquisition, encoding: Encoding, candidates: np.ndarray, best: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Points in the order of their score, best first: those that climbed and all candidates, (STARTS + 1 + q, d).

    `best` (k, d) are the best observed points: a parent that changes takes its children's values near theirs.
    """
    scores = acquisition.score(candidates)
    points, values, has_moved = _climbed(acquisition, encoding, candidates[_starts(scores, STARTS, rng)], best, rng)
    found = [points, candidates]
    if has_moved:
        again = points[[np.argmax(values)]]
        points, value, _ = _climbed(acquisition, encoding, again, best, rng, AGAIN)
        found, values = [points, *found], np.concatenate([value, values])
    order = np.argsort(-np.concatenate([values, scores]), kind="stable")
    return np.concatenate(found)[order]


def _climbed(
    acquisition: Acquisition,
    encoding: Encoding,
    points: np.ndarray,
    best: np.ndarray,
    rng: np.random.Generator,
    calls: int = CALLS,
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Where points come by ascent and sweep, their scores, and whether discrete parameters moved on the way."""
    values, has_moved = np.full(len(points), -np.inf), False
    if len(encoding.numbers):
        points, values = _ascent(acquisition, encoding, points, calls)
    snapped = encoding.canonical(encoding.snapped(points))
    if encoding.is_discrete:
        is_on_grid = bool((np.abs(snapped - points) <= SLIGHT).all())
        snapped, values, has_moved = _swept(acquisition, encoding, snapped, best, rng)
        has_moved |= not is_on_grid
    elif encoding.space.folded:  # an ascent may leave the forms by which points are known
        values = acquisition.score(snapped)
    return snapped, values, has_moved


def _starts(scores: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """The best candidate and others drawn in proportion to their acquisition (whose logarithm the scores are)."""
    first = int(np.argmax(scores))
    behind = scores[first] - scores
    shares = np.where(behind < HOPELESS, np.exp(-np.minimum(behind, HOPELESS)), 0.0)
    shares[first] = 0.0
    more = min(count - 1, int(np.count_nonzero(shares)))
    drawn = rng.choice(len(shares), more, replace=False, p=shares / shares.sum()) if more else np.empty(0, dtype=int)
    return np.concatenate([[first], drawn]).astype(int)


def _ascent(
    acquisition: Acquisition, encoding: Encoding, points: np.ndarray, calls: int
) -> tuple[np.ndarray, np.ndarray]:
    """All points climb, each on its own, along their active numbers."""
    numbers, moving, points = encoding.numbers, encoding.active(points)[:, encoding.numbers], points.copy()
    features = encoding.features(points).copy()

    def slope(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        points[:, numbers] = features[:, encoding.number_features] = x
        value, gradient = acquisition.slope(points, features)
        return value, gradient * moving

    points[:, numbers], values = ascended(slope, points[:, numbers], calls, ENOUGH)
    return points, values


def _swept(
    acquisition: Acquisition, encoding: Encoding, points: np.ndarray, best: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Steepest moves along one discrete parameter at a time, until none helps or SWEEPS are done; and if any helped."""
    values, has_moved = acquisition.score(points), False
    for _ in range(SWEEPS):
        own, neighbours = _neighbours(encoding, points, best, rng)
        if not len(own):
            break
        scores = np.where(encoding.is_forbidden(neighbours), -np.inf, acquisition.score(neighbours))
        order = np.lexsort([-scores, own])
        firsts = order[np.unique(own[order], return_index=True)[1]]  # the best neighbour of each point
        better = firsts[scores[firsts] > values[own[firsts]] + 1e-9]
        if not len(better):
            break
        points[own[better]], values[own[better]], has_moved = neighbours[better], scores[better], True
    return points, values, has_moved


def _neighbours(
    encoding: Encoding, points: np.ndarray, best: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """All points that differ in one active discrete parameter, and which of `points` each comes from."""
    active = encoding.active(points)
    own, dimension, value = [], [], []
    for j in encoding.choices.tolist():
        rows = np.flatnonzero(active[:, j])
        others = np.arange(encoding.options[j])
        if len(others) > OPTIONS:
            others = rng.choice(len(others), OPTIONS, replace=False)
        own.append(np.repeat(rows, len(others)))
        value.append(np.tile(others.astype(float), len(rows)))
        dimension.append(np.full(len(own[-1]), j))
    for j, size in encoding.sizes.items():
        rows = np.flatnonzero(active[:, j])
        at = encoding.place(j, points[rows, j])
        jump = rng.integers(2, JUMP + 1, size=len(rows)) * rng.choice([-1, 1], size=len(rows))
        places = (at[:, None] + np.stack([np.full(len(rows), -1), np.ones(len(rows), dtype=int), jump], axis=1)).ravel()
        inside = (places >= 0) & (places < size)
        own.append(np.repeat(rows, 3)[inside])
        value.append(encoding.unit(j, places[inside]))
        dimension.append(np.full(len(own[-1]), j))
    rows, dimensions, values = np.concatenate(own), np.concatenate(dimension), np.concatenate(value)
    changed = points[rows, dimensions] != values
    rows, dimensions, values = rows[changed], dimensions[changed], values[changed]
    neighbours = points[rows]
    neighbours[np.arange(len(rows)), dimensions] = values
    neighbours = encoding.canonical(encoding.snapped(filled(encoding, neighbours, active[rows], best, rng)))
    return rows, neighbours
