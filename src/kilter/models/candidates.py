"""Points worth scoring: neighbours of the best ones, with children that a changed parent switches on filled in.

points   (n, d)   what was observed, models/encoding.py; `best` are the best of them, best first
"""

from __future__ import annotations

import numpy as np

from kilter.models.encoding import Encoding, switched_on

PARENTS = np.array([0.4, 0.2, 0.15, 0.15, 0.1])
"""How often each of the five best points is perturbed."""
MATES = 10
"""A quarter of the mutants is crossed with one of so many best points."""
CROSSED = 0.25
STEPS = (-4.0, -0.5)
"""Numbers move by a normal step of standard deviation 10^U(-4, -0.5), of the range: late trials are fine work."""
REDRAWN = 0.7
"""How often an option that may change does."""
DUPLICATE = 1e-3
"""Points no further apart than this in any coordinate count as the same: objectives are flat or noisy at that scale."""
COARSE = 100
"""Beyond so many trials the search has become finer: that distance falls with the square of their number."""
NEAR = 0.1
"""Standard deviation of a newly active number round that of a good point."""


def filled(
    encoding: Encoding, points: np.ndarray, was_active: np.ndarray, best: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """The points with values for parameters that are active now and were not: half uniform, half near a good point's.

    Good are the first three of `best` (k, d) that have the parameter active.
    """
    if encoding.is_flat:
        return points
    points = points.copy()
    best_active = encoding.active(best)
    active = np.ones(points.shape, dtype=bool)
    for child, parents in encoding.conditions:  # parents stand before their children
        active[:, child] = switched_on(active, points, parents)
        new = np.flatnonzero(active[:, child] & ~was_active[:, child])
        if not len(new):
            continue
        if encoding.is_option[child]:
            values = rng.integers(encoding.options[child], size=len(new)).astype(float)
        else:
            values = rng.random(len(new))
        models = best[best_active[:, child], child][:3]
        if len(models):
            known = models[rng.integers(len(models), size=len(new))]
            if not encoding.is_option[child]:
                known = np.clip(known + NEAR * rng.standard_normal(len(new)), 0.0, 1.0)
            values = np.where(rng.random(len(new)) < 0.5, known, values)
        points[new, child] = values
        if not encoding.is_option[child]:
            points[new] = encoding.snapped(points[new])
    return points


def mutants(encoding: Encoding, best: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Neighbours of the best points (k, d): a few active dimensions moved, some crossed with others; (count, d)."""
    shares = PARENTS[: len(best)]
    parents = rng.choice(len(shares), count, p=shares / shares.sum())
    points: np.ndarray = best[parents].copy()
    was_active = encoding.active(best)[parents]
    if not encoding.d:
        return points
    draws = np.where(was_active, rng.random((count, encoding.d)), 2.0)  # only what is active can be moved
    wanted = rng.choice([1.0, 2.0, 4.0, np.inf], count)
    moved = draws < np.clip(wanted / np.maximum(was_active.sum(axis=1), 1), 0.0, 1.0)[:, None]
    moved[np.arange(count), draws.argmin(axis=1)] = True
    numbers = encoding.numbers
    if len(numbers):
        step = rng.standard_normal((count, len(numbers))) * 10.0 ** rng.uniform(*STEPS, count)[:, None]
        points[:, numbers] = np.clip(points[:, numbers] + np.where(moved[:, numbers], step, 0.0), 0.0, 1.0)
        _step_on(encoding, points, best[parents], moved, dict(zip(numbers.tolist(), step.T > 0)))
    for j in encoding.choices:
        change = np.flatnonzero(moved[:, j] & (rng.random(count) < REDRAWN))
        points[change, j] = rng.integers(encoding.options[j], size=len(change))
    crossed = np.flatnonzero(rng.random(count) < CROSSED)
    mates = rng.integers(min(MATES, len(best)), size=len(crossed))
    taken = rng.random((len(crossed), encoding.d)) < 0.5
    points[crossed] = np.where(taken, best[mates], points[crossed])
    was_active[crossed] = np.where(taken, encoding.active(best)[mates], was_active[crossed])
    points = encoding.snapped(points)  # so that the new values of parents are ones that children may wait for
    return encoding.canonical(filled(encoding, points, was_active, best, rng))


def _step_on(
    encoding: Encoding, points: np.ndarray, origin: np.ndarray, moved: np.ndarray, is_up: dict[int, np.ndarray]
) -> None:
    """Where a discrete number was moved and is still the same, take the next value, up or down and never out."""
    for j, size in encoding.sizes.items():
        before, after = encoding.place(j, origin[:, j]), encoding.place(j, points[:, j])
        stuck = np.flatnonzero(moved[:, j] & (before == after))
        if size > 1 and len(stuck):
            at = before[stuck]
            up = np.where(is_up[j][stuck], at < size - 1, at == 0)
            points[stuck, j] = encoding.unit(j, at + np.where(up, 1, -1))


def first_new(encoding: Encoding, points: np.ndarray, seen: np.ndarray) -> np.ndarray | None:
    """The first of the points (q, d) that is allowed and not (nearly) one of those seen (k, d); None where all are."""
    allowed = ~encoding.is_forbidden(points)
    apart = DUPLICATE * min(1.0, COARSE / max(len(seen), 1)) ** 2
    point: np.ndarray
    for point in points[allowed]:
        near = seen
        for j in range(encoding.d):  # after the first coordinate hardly any is left
            near = near[np.abs(near[:, j] - point[j]) <= apart]
        if not len(near):
            return point
    return None
