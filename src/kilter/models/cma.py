"""CMA-ES (Hansen 2016, arXiv:1604.00772) with margin (Hamano et al. 2022, 2025): arrays in, arrays out.

    x = m + σ A ∘ y,  y = B (D ∘ z),  z ~ N(0, I)        a numeric point; C = B D² Bᵀ
    c_i ~ q_i                                            an option of categorical i

    m  mean     (d,)      B  basis    (d, d), or (0, 0) where C is diagonal      q  chances  (k, most options)
    σ  sigma              D  scales   (d,)
    A  stretch  (d,)      λ  points of a generation, best first

The margin keeps each cell of a discrete coordinate, and each option of a categorical one, within reach: m, A and q are
corrected after an update such that leaving the cell of the mean never becomes too unlikely, nor more likely while none
that left it does well. Good points outside that cell count as its neighbours' centres. The chances follow the
natural gradient with a trust region that adapts to how much they agree (ASNG; Akimoto et al. 2019, CatCMA 2024).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

MOST_FULL = 100
"""Dimensions up to which C is full; beyond, its d² entries take longer to learn than anybody waits."""
REACH = 0.73
"""Chance that none of the discrete coordinates leaves by its margin, when all have converged (Hamano et al. 2024)."""
SMALLEST = 1e-12
"""Of the largest axis: a shorter one is lost in the rounding of floats."""
SIGNAL = 1.5
"""Squared norm of the accumulated gradient of the chances, over noise alone, that the trust region aims at (ASNG)."""


class Strategy(NamedTuple):
    """The constants of an update, by dimension and λ."""

    weights: np.ndarray
    """(λ,), falling; the positive ones sum to 1."""
    c1: float
    c_mu: float
    c_sigma: float
    d_sigma: float
    c_path: float
    length: float
    """Expected norm of z."""


@lru_cache(maxsize=64)
def strategy(dimensions: int, popsize: int) -> Strategy:
    """Hansen's default constants (2016, table 1); for a diagonal C those of Ros and Hansen (2008)."""
    d = dimensions
    raw = math.log((popsize + 1) / 2) - np.log(np.arange(1, popsize + 1))
    good, bad = np.maximum(raw, 0), np.maximum(-raw, 0)
    mass = float(good.sum() ** 2 / (good**2).sum())
    c1 = 2 / ((d + 1.3) ** 2 + mass)
    c_mu = min(1 - c1, 2 * (mass - 2 + 1 / mass + 0.25) / ((d + 2) ** 2 + mass))
    if d > MOST_FULL:
        c1, c_mu = (c * (d + 2) / 3 for c in (c1, c_mu))
        c1, c_mu = (c / max(1.0, c1 + c_mu) for c in (c1, c_mu))
    mass_bad = float(bad.sum() ** 2 / max((bad**2).sum(), 1e-300))
    scale = min(1 + c1 / c_mu, 1 + 2 * mass_bad / (mass + 2), (1 - c1 - c_mu) / (d * c_mu))
    weights = good / good.sum() - scale * bad / max(bad.sum(), 1e-300)
    c_sigma = (mass + 2) / (d + mass + 5)
    d_sigma = 1 + 2 * max(0.0, math.sqrt((mass - 1) / (d + 1)) - 1) + c_sigma
    c_path = (4 + mass / d) / (d + 4 + 2 * mass / d)
    length = math.sqrt(d) * (1 - 1 / (4 * d) + 1 / (21 * d * d))
    return Strategy(weights, c1, c_mu, c_sigma, d_sigma, c_path, length)


@dataclass
class Gaussian:
    """The distribution of the numeric coordinates; the module's first lines give the shapes."""

    mean: np.ndarray
    sigma: float
    basis: np.ndarray
    scales: np.ndarray
    stretch: np.ndarray
    path_sigma: np.ndarray
    path_c: np.ndarray
    leaving: np.ndarray
    """Chances of discrete coordinates to leave the cell of the mean, as last corrected; shape (d,), 1 elsewhere."""
    generation: int = 0

    @classmethod
    def round(cls, mean: np.ndarray, sigma: float) -> Gaussian:
        """The distribution with C = I."""
        d = len(mean)
        full = d <= MOST_FULL
        basis = np.eye(d) if full else np.empty((0, 0))
        return cls(mean, sigma, basis, np.ones(d), np.ones(d), np.zeros(d), np.zeros(d), np.ones(d))

    def steps(self, z: np.ndarray) -> np.ndarray:
        """The y of standard normal z, both (d,) or (λ, d)."""
        scaled = self.scales * z
        return np.asarray(scaled @ self.basis.T if len(self.basis) else scaled)

    def points(self, steps: np.ndarray) -> np.ndarray:
        """The x of steps y, both (d,) or (λ, d)."""
        return np.asarray(self.mean + self.sigma * self.stretch * steps)

    def steps_to(self, points: np.ndarray) -> np.ndarray:
        """The y of points x, both (d,) or (λ, d)."""
        return np.asarray((points - self.mean) / (self.sigma * self.stretch))

    def whitened(self, steps: np.ndarray) -> np.ndarray:
        """C^(-1/2) y, both (d,) or (λ, d)."""
        if not len(self.basis):
            return np.asarray(steps / self.scales)
        return np.asarray(((steps @ self.basis) / self.scales) @ self.basis.T)

    @property
    def deviations(self) -> np.ndarray:
        """Standard deviations of y, shape (d,)."""
        if not len(self.basis):
            return self.scales
        return np.asarray(np.sqrt(((self.basis * self.scales) ** 2).sum(axis=1)))

    @property
    def condition(self) -> float:
        """Longest over shortest axis of C, squared."""
        return float((self.scales.max() / self.scales.min()) ** 2)


def clipped(step: np.ndarray, gaussian: Gaussian) -> np.ndarray:
    """A step that was not drawn from the distribution, cut to a likely length (Hansen 2011, eq. 4); shape (d,)."""
    d = len(step)
    length = float(np.linalg.norm(gaussian.whitened(step)))
    return step * min(1.0, (math.sqrt(d) + 2 * d / (d + 2)) / max(length, 1e-300))


def tied(weights: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """The weights with those of equal ranks averaged; `ranks` (λ,) ascending.

    >>> tied(np.array([3.0, 2.0, 1.0]), np.array([0, 1, 1])).tolist()
    [3.0, 1.5, 1.5]
    """
    _, group, counts = np.unique(ranks, return_inverse=True, return_counts=True)
    return np.asarray((np.bincount(group, weights) / counts)[group])


def updated(gaussian: Gaussian, steps: np.ndarray, ranks: np.ndarray) -> Gaussian:
    """The distribution after a generation of steps y (λ, d), best first; equal ranks (λ,) share their weights.

    Hansen 2016, equations 38 to 47, with negative weights for the worse half.
    """
    popsize, d = steps.shape
    s = strategy(d, popsize)
    good, bad = tied(np.maximum(s.weights, 0), ranks), tied(np.minimum(s.weights, 0), ranks)
    mass = 1 / float((good**2).sum())  # of the weights as they are, so that ties alone move no path
    mean_step = good @ steps
    white = gaussian.whitened(steps)
    path_sigma = (1 - s.c_sigma) * gaussian.path_sigma + math.sqrt(s.c_sigma * (2 - s.c_sigma) * mass) * (good @ white)
    norm = float(np.linalg.norm(path_sigma))
    generation = gaussian.generation + 1
    warmed = norm / math.sqrt(1 - (1 - s.c_sigma) ** (2 * (generation + 1)))
    moving = 1.0 if warmed < (1.4 + 2 / (d + 1)) * s.length else 0.0
    path_c = (1 - s.c_path) * gaussian.path_c + moving * math.sqrt(s.c_path * (2 - s.c_path) * mass) * mean_step
    weights = good + bad * d / np.maximum((white**2).sum(axis=1), 1e-12)
    kept = 1 + s.c1 * (1 - moving) * s.c_path * (2 - s.c_path) - s.c1 - s.c_mu * float((good + bad).sum())
    if len(gaussian.basis):
        root = gaussian.basis * gaussian.scales
        covariance = kept * (root @ root.T) + s.c1 * np.outer(path_c, path_c) + s.c_mu * (steps.T * weights) @ steps
        values, basis = np.linalg.eigh((covariance + covariance.T) / 2)
    else:
        values = kept * gaussian.scales**2 + s.c1 * path_c**2 + s.c_mu * (weights @ steps**2)
        basis = gaussian.basis
    scales = np.sqrt(np.maximum(values, SMALLEST**2 * max(float(values.max()), 1e-200)))
    sigma = gaussian.sigma * math.exp(min(1.0, s.c_sigma / s.d_sigma * (norm / s.length - 1)))
    mean = gaussian.mean + gaussian.sigma * mean_step
    return replace(
        gaussian, mean=mean, sigma=sigma, basis=basis, scales=scales,
        path_sigma=path_sigma, path_c=path_c, generation=generation,
    )  # fmt: skip


def centred(
    gaussian: Gaussian, steps: np.ndarray, ranks: np.ndarray, columns: np.ndarray, centres: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Steps y (λ, d), best first, moved to centres of cells where they say which cell is good, and where any does (k,).

    A selected coordinate outside the cell of the mean goes to the centre of its own, so that the mean follows a good
    neighbour however narrow the distribution is; the others of that coordinate move against it, so that the mean is
    not pushed. `columns` (k,) are the discrete coordinates, `centres` (k, cells) those of their cells, padded with inf.
    Hamano et al. 2025 (arXiv:2504.07884), here with the weights of the recombination.
    """
    weights = tied(np.maximum(strategy(steps.shape[1], len(steps)).weights, 0), ranks)
    own = gaussian.points(steps)[:, columns]
    rows = np.arange(len(columns))
    cells = _cells(own, centres)
    gaps = np.where((weights > 0)[:, None], centres[rows, cells] - own, 0.0)
    left = (cells != _cells(gaussian.mean[columns], centres)) & (weights > 0)[:, None]
    bias = weights @ np.where(left, gaps, 0.0)
    against = np.where(~left & (gaps * bias < 0), gaps, 0.0)
    total = weights @ against
    share = np.minimum(1.0, np.divide(-bias, total, out=np.zeros_like(total), where=total != 0))
    moved = steps.copy()
    moved[:, columns] += np.where(left, gaps, share * against) / (gaussian.sigma * gaussian.stretch[columns])
    return moved, left.any(axis=0)


def with_margin(
    gaussian: Gaussian, columns: np.ndarray, centres: np.ndarray, margin: float, succeeded: np.ndarray
) -> Gaussian:
    """The distribution corrected so that each discrete coordinate leaves its cell with at least chance `margin`.

    Nor may it leave with a higher chance than before unless a step out of the cell `succeeded` (k,). `columns` (k,) are
    the discrete coordinates, `centres` (k, cells) those of their cells, padded with inf.
    Hamano et al. 2025 (arXiv:2504.07884), less the widening of A in the first and last cell, which gained nothing.
    """
    from scipy.special import ndtr, ndtri  # a third of a second of import, paid by the first discrete problem

    mean, stretch, leaving = gaussian.mean.copy(), gaussian.stretch.copy(), gaussian.leaving.copy()
    m = mean[columns]
    most = np.where(succeeded, 1.0, leaving[columns])
    spread = gaussian.sigma * gaussian.deviations[columns]
    deviation = spread * stretch[columns]
    borders = (centres[:, 1:] + centres[:, :-1]) / 2
    place = _cells(m, centres)
    last = np.isfinite(borders).sum(axis=1)
    rows = np.arange(len(columns))
    low = borders[rows, np.maximum(place - 1, 0)]
    high = borders[rows, np.minimum(place, last - 1)]
    edge = (place == 0) | (place == last)
    # In the first or last cell the mean comes near enough to the one border there is, or keeps away from it.
    side = np.clip(ndtr(-np.abs(m - low) / deviation), margin, np.clip(most, margin, 0.5 - 1e-9))
    # Elsewhere the chances to leave below and above are raised to margin / 2 each, then m and A are solved for.
    below, above = ndtr((low - m) / deviation), ndtr((m - high) / deviation)
    least = np.where(succeeded, margin / 2, 1 - np.maximum(most, margin))
    within = np.maximum(1 - below - above, least)
    below, above = np.maximum(below, margin / 2), np.maximum(above, margin / 2)
    surplus = (1 - below - above - within) / np.maximum(below + above + within - margin - least, 1e-12)
    below = np.clip(below + surplus * (below - margin / 2), 1e-12, 0.5 - 1e-9)
    above = np.clip(above + surplus * (above - margin / 2), 1e-12, 0.5 - 1e-9)
    down, up = -ndtri(below), -ndtri(above)
    mean[columns] = np.where(
        edge, low + np.where(place == 0, 1, -1) * ndtri(side) * deviation, (low * up + high * down) / (down + up)
    )
    stretch[columns] = np.where(edge, stretch[columns], (high - low) / ((down + up) * spread))
    leaving[columns] = np.where(edge, side, below + above)
    return replace(gaussian, mean=mean, stretch=stretch, leaving=leaving)


def _cells(coordinates: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """In which cells coordinates (..., k) lie."""
    borders = (centres[:, 1:] + centres[:, :-1]) / 2
    return np.asarray((borders < coordinates[..., None]).sum(axis=-1))


@dataclass
class Chances:
    """The distributions of the categorical coordinates, and what ASNG remembers of earlier gradients."""

    q: np.ndarray
    """(k, most options), each row sums to 1; padded with 0."""
    path: np.ndarray
    """Accumulated gradients in units of their noise, shaped as q."""
    gamma: float = 0.0
    """Expected squared norm of the path under noise alone."""
    caution: float = 1.0
    """One over the radius of the trust region."""

    @classmethod
    def even(cls, sizes: Sequence[int]) -> Chances:
        """The same chance for all options of each categorical."""
        q = np.zeros((len(sizes), max(sizes, default=0)))
        for row, size in zip(q, sizes):
            row[:size] = 1 / size
        return cls(q, np.zeros_like(q))

    def drawn(self, uniforms: np.ndarray) -> np.ndarray:
        """The options at the given quantiles, both of shape (k,)."""
        options = (np.cumsum(self.q, axis=1) <= uniforms[:, None]).sum(axis=1)
        return np.asarray(np.minimum(options, (self.q > 0).sum(axis=1) - 1))


def updated_chances(chances: Chances, options: np.ndarray, ranks: np.ndarray, margin: float) -> Chances:
    """The chances after a generation of options (λ, k), best first; none falls below margin / (options - 1).

    CatCMA (Hamano et al. 2024), section 3; ASNG (Akimoto et al. 2019), algorithm 1.
    """
    popsize, k = options.shape
    weights = np.maximum(strategy(max(1, k), popsize).weights, 0)
    q = chances.q
    there = q > 0
    hot = np.zeros((popsize, *q.shape))
    hot[np.arange(popsize)[:, None], np.arange(k), options] = 1.0
    gradient = np.tensordot(tied(weights, ranks), hot - q, axes=1)
    noise_units = np.divide(gradient, np.sqrt(q), out=np.zeros_like(q), where=there)
    norm = float(np.linalg.norm(noise_units))
    if norm < 1e-12:
        return chances
    radius = 1 / chances.caution
    q = q + radius / norm * gradient
    rate = min(0.9, radius / math.sqrt(float((there.sum(axis=1) - 1).sum())))
    path = (1 - rate) * chances.path + math.sqrt(rate * (2 - rate)) * noise_units / norm
    gamma = (1 - rate) ** 2 * chances.gamma + rate * (2 - rate)
    caution = max(1.0, chances.caution * math.exp(rate * (gamma - float((path**2).sum()) / SIGNAL)))
    least = np.where(there, margin / np.maximum(there.sum(axis=1, keepdims=True) - 1, 1), 0.0)
    q = np.where(there, np.maximum(q, least), 0.0)
    excess = q - least
    share = (1 - least.sum(axis=1)) / np.maximum(excess.sum(axis=1), 1e-300)
    q = least + excess * share[:, None]
    return Chances(q, path, gamma, caution)


def margin_of(discrete: int) -> float:
    """The margin of each of so many discrete coordinates (Hamano et al. 2024)."""
    return float(1 - REACH ** (1 / max(1, discrete)))
