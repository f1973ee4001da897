"""The volume that a front dominates, the region that it does not, and how much of that a Gaussian belief may gain.

front       (n, m)      points to be beaten, every objective to be minimised; what others dominate is left out
reference   (m,)        the corner beyond which nothing counts
lower, upper   (k, m)   disjoint boxes that fill the region below the reference which no point dominates;
                        a lower bound may be -inf
mean, variance   (q, m) of independent Gaussian beliefs about the objectives at q places
gradients   (q, m, p)   of those by the p features of the places
"""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
from scipy.special import log_ndtr

from kilter.core.pareto import non_dominated
from kilter.models.acquisition import LOG_ROOT_TWO_PI, log_h

MOST_POINTS = {1: 1, 2: 150, 3: 75, 4: 40, 5: 16, 6: 10}
"""Points of the front that `boxes` takes, by number of objectives: some 150 boxes, up to 300 in four or more."""
FEWEST_POINTS = 8
"""The same for more objectives than those."""
THIN = 1e-5
"""A box thinner than this, in standard deviations and relative to how many it lies below the mean, is integrated by its
midpoint, since the difference of two logarithms would have fewer digits. Up to thirty standard deviations from the box
either way is good to eight digits."""


def hypervolume(front: np.ndarray, reference: np.ndarray) -> float:
    """The volume that the points of `front` (n, m) dominate below `reference` (m,); exact.

    Takes O(n log n) for two objectives and three, and for each further one at worst n times as long.

    >>> hypervolume(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([2.0, 2.0]))
    3.0
    """
    reference = np.asarray(reference, dtype=float)
    points = np.asarray(front, dtype=float).reshape(-1, len(reference))
    return _volume(reference - points[(points < reference).all(axis=1)])


def _volume(gains: np.ndarray) -> float:
    """The volume of the union of the boxes between 0 and the rows of `gains` (n, m), all of them positive."""
    if not len(gains):
        return 0.0
    gains = gains[non_dominated(-gains)]
    m = gains.shape[1]
    if m == 1:
        return float(gains.max())
    gains = gains[np.argsort(-gains[:, -1], kind="stable")]
    if m == 2:  # slices from the largest second gain to the smallest; each is as long as it goes beyond those before
        return float((np.diff(np.maximum.accumulate(gains[:, 0]), prepend=0.0) * gains[:, 1]).sum())
    if m == 3:
        return _volume_of_three(gains)
    # Slices along the last objective: row i adds to the m - 1 others what rows above it do not have, for its own
    # height (While, Bradstreet & Barone 2012, "A fast way of calculating exact hypervolumes").
    total = 0.0
    for i, row in enumerate(gains):
        rest = row[:-1]
        total += row[-1] * (rest.prod() - _volume(np.minimum(gains[:i, :-1], rest)))
    return float(total)


def _volume_of_three(gains: np.ndarray) -> float:
    """Of rows whose third gain falls: slices between one third gain and the next, as large as the union of the first
    two gains of all rows so far (Beume et al. 2009, "On the complexity of computing the hypervolume indicator").

    That union is a staircase: `across` ascends, `up` descends.
    """
    across: list[float] = []
    up: list[float] = []
    area = total = 0.0
    depths = gains[:, 2].tolist()
    for x, y, depth, following in zip(*gains[:, :2].T.tolist(), depths, [*depths[1:], 0.0]):
        stop = start = bisect_left(across, x)
        height = up[stop] if stop < len(up) else 0.0
        if height < y:
            right = x
            while start and up[start - 1] <= y:  # these steps are below the new one
                area += (right - across[start - 1]) * (y - height)
                start -= 1
                right, height = across[start], up[start]
            area += (right - (across[start - 1] if start else 0.0)) * (y - height)
            stop += stop < len(across) and across[stop] == x
            across[start:stop], up[start:stop] = [x], [y]
        total += area * (depth - following)
    return total


def boxes(front: np.ndarray, reference: np.ndarray, limit: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Disjoint boxes, lower (k, m) and upper (k, m), that fill what `front` (n, m) does not dominate below `reference`.

    Of a front of more than `limit` points (by default MOST_POINTS) that many are taken, as far apart as can be.
    Each local upper bound u of the points (Klamroth, Lacour & Vanderpooten 2015) has a box that reaches from -inf to
    u in the first objective, and in each other objective j from the largest value there of the points that define
    u in the objectives before j (Lacour, Klamroth & Fonseca 2017, the complement of their partition). For two
    objectives these are n + 1 strips, for three at most 2 n + 1 boxes.

    >>> lower, upper = boxes(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([2.0, 2.0]))
    >>> sorted(zip(lower.tolist(), upper.tolist()))  # doctest: +NORMALIZE_WHITESPACE
    [([-inf, -inf], [2.0, 0.0]), ([-inf, 0.0], [1.0, 1.0]), ([-inf, 1.0], [0.0, 2.0])]
    """
    reference = np.asarray(reference, dtype=float)
    m = len(reference)
    points = np.asarray(front, dtype=float).reshape(-1, m)
    points = points[(points < reference).all(axis=1)]
    points = np.unique(points[non_dominated(points)], axis=0)
    points = _spread_out(points, MOST_POINTS.get(m, FEWEST_POINTS) if limit is None else limit)
    # The bounds are looked for among places in order, where no two points are alike in any objective.
    n = len(points)
    order = np.argsort(points, axis=0, kind="stable")
    places = np.empty((n, m), dtype=int)
    np.put_along_axis(places, order, np.arange(n)[:, None], axis=0)
    bounds, below = _local_upper_bounds(places)
    coordinates = np.vstack([np.full(m, -np.inf), np.take_along_axis(points, order, axis=0), reference])
    columns = np.arange(m)
    lower, upper = coordinates[below + 1, columns], coordinates[bounds + 1, columns]
    solid = (lower < upper).all(axis=1)
    return lower[solid], upper[solid]


def _local_upper_bounds(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The corners of the region that no row of `places` (n, m) dominates, and the lower corners of their boxes.

    Places are numbers from 0 to n - 1 and different in each column; n stands for the reference, -1 for no bound.
    `definers` (k, m, m) holds for each corner and objective the point that bounds the corner there.
    """
    n, m = places.shape
    bounds = np.full((1, m), n)
    definers = np.full((1, m, m), -1)
    definers[0, range(m), range(m)] = n
    for point in places:
        hit = (point < bounds).all(axis=1)
        old_bounds, old_definers = bounds[hit], definers[hit]
        new_bounds, new_definers = [bounds[~hit]], [definers[~hit]]
        for j in range(m):
            others = np.delete(old_definers[:, :, j], j, axis=1)
            valid = point[j] > others.max(axis=1, initial=-1)
            moved, defined = old_bounds[valid], old_definers[valid]
            moved[:, j] = point[j]
            defined[:, j, :] = point
            new_bounds.append(moved)
            new_definers.append(defined)
        bounds, definers = np.concatenate(new_bounds), np.concatenate(new_definers)
    below = np.full_like(bounds, -1)
    for j in range(1, m):
        below[:, j] = definers[:, :j, j].max(axis=1)
    return bounds, below


def _spread_out(points: np.ndarray, limit: int) -> np.ndarray:
    """At most `limit` of the points (n, m): the best of each objective, then always the one farthest from all taken."""
    if len(points) <= limit:
        return points
    span = np.ptp(points, axis=0)
    unit = (points - points.min(axis=0)) / np.where(span > 0, span, 1.0)
    taken = list(dict.fromkeys(unit.argmin(axis=0).tolist()))[:limit]
    distance = np.min([((unit - unit[i]) ** 2).sum(axis=1) for i in taken], axis=0)
    while len(taken) < limit:
        taken.append(int(distance.argmax()))
        distance = np.minimum(distance, ((unit - unit[taken[-1]]) ** 2).sum(axis=1))
    return points[taken]


def log_expected_hypervolume_improvement(
    lower: np.ndarray,
    upper: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    mean_gradients: np.ndarray | None = None,
    variance_gradients: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """The log of the expected gain in hypervolume (q,), and its gradient (q, p) where gradients of beliefs are given.

    A result y gains in box (l, u) the product over objectives of (u - max(l, y))⁺. For independent beliefs the
    expectation is the product of ψ(u) - ψ(l), ψ(b) = E[(b - Y)⁺] = σ h((b - μ) / σ), h(z) = φ(z) + z Φ(z) (Yang et al.
    2019, "Efficient computation of expected hypervolume improvement"), here in logarithms, so that neither value nor
    gradient vanishes far from the front (Ament et al. 2023). `variance` must be positive.
    """
    wants_gradient = mean_gradients is not None and variance_gradients is not None
    sd = np.sqrt(variance)
    total = np.zeros((len(mean), len(lower)))
    by_mean, by_sd = [], []
    for j in range(lower.shape[1]):
        log_gain, d_mean, d_sd = _log_gain(lower[:, j], upper[:, j], mean[:, j], sd[:, j], wants_gradient)
        total += log_gain
        by_mean.append(d_mean)
        by_sd.append(d_sd)
    top = total.max(axis=1, keepdims=True)
    share = np.exp(total - top)
    whole = share.sum(axis=1, keepdims=True)
    value = (top + np.log(whole))[:, 0]
    if mean_gradients is None or variance_gradients is None:
        return value, None
    share /= whole
    slope_mean = np.stack([(share * d).sum(axis=1) for d in by_mean], axis=1)
    slope_variance = np.stack([(share * d).sum(axis=1) for d in by_sd], axis=1) / (2.0 * sd)
    return value, (slope_mean[:, :, None] * mean_gradients + slope_variance[:, :, None] * variance_gradients).sum(
        axis=1
    )


def _log_gain(
    lower: np.ndarray, upper: np.ndarray, mean: np.ndarray, sd: np.ndarray, wants_gradient: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """log(ψ(upper) - ψ(lower)) in one objective, shape (q, k), and where wanted its slopes by mean and by sd."""
    knots, at = np.unique(np.concatenate([lower, upper]), return_inverse=True)  # boxes share most of their bounds
    at_lower, at_upper = np.split(at, 2)
    scale = sd[:, None]
    z = (knots - mean[:, None]) / scale
    lh = log_h(z)
    lh_upper = lh.take(at_upper, axis=1)
    ratio = np.minimum(lh.take(at_lower, axis=1) - lh_upper, 0.0)
    width = (upper - lower) / scale
    middle = 0.5 * (z.take(at_lower, axis=1) + z.take(at_upper, axis=1))
    thin = width * np.maximum(1.0, -middle) < THIN
    width, middle = width[thin], middle[thin]
    log_below = log_ndtr(middle)

    remainder = -np.expm1(ratio)  # 1 - ψ(lower) / ψ(upper)
    remainder[thin] = 1.0
    gain = np.log(remainder) + lh_upper
    gain[thin] = np.log(width) + log_below
    gain += np.log(scale)
    if not wants_gradient:
        return gain, gain, gain

    share = np.exp(ratio)
    by_mean = np.exp(log_ndtr(z) - lh)
    by_sd = np.exp(-0.5 * z * z - LOG_ROOT_TWO_PI - lh)
    d_mean = (by_mean.take(at_upper, axis=1) - share * by_mean.take(at_lower, axis=1)) / remainder
    d_sd = (by_sd.take(at_upper, axis=1) - share * by_sd.take(at_lower, axis=1)) / remainder
    hazard = np.exp(-0.5 * middle * middle - LOG_ROOT_TWO_PI - log_below)
    d_mean[thin] = hazard
    d_sd[thin] = -middle * hazard
    return gain, -d_mean / scale, d_sd / scale
