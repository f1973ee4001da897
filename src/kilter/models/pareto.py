"""Orders of points with several objectives, all to be minimised: fronts, crowding, and niches around directions.

values      (n, m)   objectives
violation   (n,)     by how much the constraints are missed, 0 where they are met
rank        (n,)     0 for the front, 1 for what would be the front without it, and so on
"""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np

from kilter.core.pareto import non_dominated

SMALL_WEIGHT = 1e-6
"""Of the other objectives where the extreme point of one is looked for, as Deb & Jain have it."""


def non_dominated_ranks(values: np.ndarray, constraint_violation: np.ndarray | None = None) -> np.ndarray:
    """The front on which each row of `values` (n, m) lies, shape (n,), 0 for the best.

    With `constraint_violation` (n,), whatever meets the constraints comes before whatever does not, and the latter
    are ordered by their violation alone (Deb et al. 2002, definition 1).

    >>> non_dominated_ranks(np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])).tolist()
    [0, 0, 1]
    """
    values = np.asarray(values, dtype=float)
    ranks = np.zeros(len(values), dtype=int)
    violation = np.zeros(len(values)) if constraint_violation is None else np.asarray(constraint_violation, dtype=float)
    left = np.flatnonzero(violation <= 0)
    missing = np.flatnonzero(~(violation <= 0))
    rank = 0
    if values.shape[1] == 1 and len(left):
        ranks[left] = np.unique(values[left, 0], return_inverse=True)[1]
        rank = int(ranks[left].max()) + 1
    else:
        while len(left):
            front = non_dominated(values[left])
            ranks[left[front]] = rank
            left = left[~front]
            rank += 1
    if len(missing):
        ranks[missing] = rank + np.unique(violation[missing], return_inverse=True)[1]
    return ranks


def crowding_distance(values: np.ndarray) -> np.ndarray:
    """How far the neighbours of each row of one front (n, m) are apart, shape (n,), infinite at the ends.

    The sum over objectives of the distance between the next smaller and the next larger value, in units of the
    front's range (Deb et al. 2002, section III-B).
    """
    values = np.asarray(values, dtype=float)
    n, m = values.shape
    if n < 3:
        return np.full(n, np.inf)
    order = np.argsort(values, axis=0, kind="stable")
    ordered = np.take_along_axis(values, order, axis=0)
    span = ordered[-1] - ordered[0]
    gaps = np.full((n, m), np.inf)
    gaps[1:-1] = (ordered[2:] - ordered[:-2]) / np.where(span > 0, span, 1.0)
    distance = np.zeros(n)
    for column in range(m):
        if span[column] > 0:  # the ends of an objective in which all are equal are none
            distance[order[:, column]] += gaps[:, column]
    return distance


def crowded_order(values: np.ndarray, constraint_violation: np.ndarray) -> np.ndarray:
    """Row numbers (n,) from best to worst: by rank, then the least crowded first (Deb et al. 2002, section III-C)."""
    ranks = non_dominated_ranks(values, constraint_violation)
    distance = np.empty(len(ranks))
    for rank in np.unique(ranks):
        distance[ranks == rank] = crowding_distance(values[ranks == rank])
    return np.lexsort((-distance, ranks))


def niched_order(values: np.ndarray, constraint_violation: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Row numbers (n,) from best to worst: by rank, then those whose direction has the fewest better ones.

    Objectives are scaled so that the front's ideal point is 0 and its intercepts are 1; each row belongs to the
    nearest ray of `directions` (k, m), and stands behind those of its ray that have a better rank or are nearer to it
    (Deb & Jain 2014, sections IV-C to IV-E, without chance: where rays are equally empty, the nearest row is taken).
    """
    ranks = non_dominated_ranks(values, constraint_violation)
    scaled = _scaled(values, values[ranks == 0])
    rays = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    along = scaled @ rays.T
    apart = np.sqrt(np.maximum((scaled * scaled).sum(axis=1)[:, None] - along * along, 0.0))
    ray = apart.argmin(axis=1)
    distance = apart[np.arange(len(values)), ray]
    order = np.lexsort((distance, ranks, ray))
    first = np.flatnonzero(np.diff(ray[order], prepend=-1))
    place = np.empty(len(values), dtype=int)
    place[order] = np.arange(len(values)) - np.repeat(first, np.diff(first, append=len(values)))
    return np.lexsort((distance, place, ranks))


def _scaled(values: np.ndarray, front: np.ndarray) -> np.ndarray:
    """Values with the front's ideal point at 0 and its hyperplane's intercepts at 1 (Deb & Jain 2014, algorithm 2)."""
    ideal = front.min(axis=0)
    shifted = front - ideal
    weights = np.where(np.eye(front.shape[1], dtype=bool), 1.0, SMALL_WEIGHT)
    extremes = shifted[(shifted[None, :, :] / weights[:, None, :]).max(axis=2).argmin(axis=1)]
    nadir = shifted.max(axis=0)
    try:
        with np.errstate(divide="ignore", invalid="ignore"):
            intercepts = 1.0 / np.linalg.solve(extremes, np.ones(len(ideal)))
    except np.linalg.LinAlgError:
        intercepts = nadir
    sound = np.isfinite(intercepts) & (intercepts > SMALL_WEIGHT * nadir)
    span = np.where(sound.all(), intercepts, nadir)
    scaled: np.ndarray = (values - ideal) / np.where(span > 0, span, 1.0)
    return scaled


def das_dennis(objectives: int, most: int) -> np.ndarray:
    """Directions spread evenly over the simplex, shape (k, objectives), each of sum 1; at most `most`, if that can be.

    The lattice of Das & Dennis (1998) with as many divisions as fit. Where these are so few that none lies inside, a
    second, smaller lattice is put there (Deb & Jain 2014, section V). There is always one for each axis.

    >>> das_dennis(3, 6).tolist()[:3]
    [[0.0, 0.0, 1.0], [0.0, 0.5, 0.5], [0.0, 1.0, 0.0]]
    """
    divisions = 1
    while comb(divisions + objectives, objectives - 1) <= most and objectives > 1:
        divisions += 1
    outer = _lattice(objectives, divisions)
    if divisions >= objectives:
        return outer
    inside = 0
    while comb(inside + objectives, objectives - 1) + len(outer) <= most:
        inside += 1
    inner = 0.5 * _lattice(objectives, inside) + 0.5 / objectives if inside else outer[:0]
    return np.concatenate([outer, inner])


def _lattice(objectives: int, divisions: int) -> np.ndarray:
    """All points of the simplex whose coordinates are multiples of 1 / divisions: bars between stars."""
    chosen = list(combinations(range(divisions + objectives - 1), objectives - 1))
    bars = np.array(chosen, dtype=int).reshape(len(chosen), objectives - 1)
    left = np.full((len(bars), 1), -1)
    right = np.full((len(bars), 1), divisions + objectives - 1)
    counts: np.ndarray = np.diff(np.hstack([left, bars, right]), axis=1) - 1
    return counts / divisions
