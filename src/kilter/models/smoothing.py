"""What noisy values say of the points where they were seen: processes averaged over how rough and how noisy things are.

    X        (n, p)   features of the points (models/encoding.py); d parameters are active
    y        (n,)     values; 0 is what is expected anywhere
    K        (n, n)   for a length l: exp(-|x - x'|₁ / 2 l d), rough, or Matérn 5/2 of |x - x'| / l √d, smooth
    C                 s² [(1 - ν) K + ν I] for a share of noise ν; s² is the likeliest, y' [C / s²]⁻¹ y / n
    mean     (n,)     s² (1 - ν) K C⁻¹ y, the posterior mean at the points themselves
    weight            of each kernel, l and ν: exp(-2 ν), since little noise is likelier than much, times the density of
                      each value given all others, multiplied over the points

Where points were measured with more or less noise than others, r (n,) times its variance, everything is that of the
whitened K / √r r' and y / √r. Where noise was measured too, as the variance u with f degrees of freedom, then s² is
(y' [C / s²]⁻¹ y + f u / ν) / (n + f), and the weight has the density of u, which is s² ν χ²(f) / f.

A smooth process, fitted to a landscape of many valleys, calls the valleys noise, and its mean then follows nothing.
Under the kernel of Ornstein and Uhlenbeck functions are rough, and neighbours tell noise from valleys. No fit decides
between all of these, since a few dozen points leave room for many explanations (docs/decisions/0019, 0042).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from kilter.models.gp import matern

LENGTHS = (0.15, 0.3, 0.6, 1.2, 2.4)
"""Over how much of the range values are alike."""
NOISES = (1e-6, 0.001, 0.05, 0.2, 0.5, 0.8, 0.95)
"""Shares of the variance that are noise."""
EXACT = 2.0
"""How fast the prior falls with the share of noise."""
TRUST = 0.4
"""The power of the densities: none of these processes is the true one, and their evidence claims more than it knows."""
JITTER = 1e-6
"""Added to the spectrum, which rounding may leave below 0 where points are equal."""
LEAST = 1e-12
"""The least s²: equal values leave none."""


class Measured(NamedTuple):
    """What is known of noise besides the values: its variance, and the degrees of freedom of that."""

    variance: float
    freedom: float


UNKNOWN = Measured(0.0, 0.0)
"""Nothing is known of noise."""


@dataclass(frozen=True, eq=False)
class Belief:
    """What is believed of values without noise."""

    mean: np.ndarray
    """(n,)"""
    covariance: np.ndarray
    """(n, n)"""
    noise: float
    """The variance of noise that is expected, where it is relatively 1."""


class _Posterior(NamedTuple):
    """Of one process."""

    weight: float
    """The logarithm of it."""
    mean: np.ndarray
    """(n,) along the eigenvectors of the kernel."""
    spread: np.ndarray
    """(n,) variances along them."""
    noise: float
    """The variance of noise."""


def belief(X: np.ndarray, y: np.ndarray, active: float, relative: np.ndarray, measured: Measured = UNKNOWN) -> Belief:
    """What is believed of the points X themselves by all processes together; a mixture, with its mean and covariance.

    Values y (n,) have `relative` (n,) times the variance of noise, of which `measured` is known besides.

    >>> found = belief(np.array([[0.1], [0.1], [0.9]]), np.array([-1.0, 0.0, 1.0]), 1.0, np.array([1.0, 1.0, 0.1]))
    >>> found.mean.round(1).tolist()
    [-0.3, -0.3, 0.9]
    """
    roots = np.sqrt(relative)
    spectra = [np.linalg.eigh(K / np.outer(roots, roots)) for K in kernels(X, active)]
    found = [list(_posteriors(values, V, y / roots, measured)) for values, V in spectra]
    weights = relative_weights(each.weight for some in found for each in some).reshape(len(spectra), len(NOISES))
    means = np.array([[V @ each.mean for each in some] for (_, V), some in zip(spectra, found, strict=True)])
    mean = np.einsum("kv,kvn->n", weights, means)
    apart = ((means - mean) * np.sqrt(weights)[:, :, None]).reshape(-1, len(y))
    covariance = apart.T @ apart
    for (_, V), some, weight in zip(spectra, found, weights, strict=True):
        covariance += (V * (weight @ np.array([each.spread for each in some]))) @ V.T
    noise = float((weights * [[each.noise for each in some] for some in found]).sum())
    return Belief(roots * mean, np.outer(roots, roots) * covariance, noise)


def kernels(X: np.ndarray, active: float) -> Iterator[np.ndarray]:
    """Of all lengths, rough and smooth, between points X (n, w), (n, n) each."""
    apart, squares = np.zeros((len(X), len(X))), np.zeros((len(X), len(X)))
    for column in X.T:
        along = np.abs(column[:, None] - column)
        apart += along
        squares += along * along
    for length in LENGTHS:
        yield np.exp(apart / (-2.0 * length * active))
        yield matern(squares / (length * length * active))[0]


def relative_weights(logarithms: Iterable[float]) -> np.ndarray:
    """Weights that sum to 1, from their logarithms up to a constant."""
    weights = np.array(list(logarithms))
    relative = np.exp(weights - weights.max())
    shares: np.ndarray = relative / relative.sum()
    return shares


def _posteriors(values: np.ndarray, V: np.ndarray, y: np.ndarray, measured: Measured = UNKNOWN) -> Iterator[_Posterior]:
    """What is believed with each ν (equations 5.10 to 5.12 of Rasmussen & Williams 2006)."""
    values, along, squares = np.maximum(values, 0.0), V.T @ y, V * V
    u, f = max(measured.variance, LEAST), measured.freedom
    for noise in NOISES:
        spectrum = (1.0 - noise) * values + noise + JITTER
        alpha, precision = V @ (along / spectrum), squares @ (1.0 / spectrum)
        scale = max(float((along * along / spectrum).sum() + f * u / noise) / (len(y) + f), LEAST)
        density = -0.5 * float((np.log(scale / precision) + alpha * alpha / (precision * scale)).sum())
        density -= 0.5 * f * (math.log(scale * noise / u) + u / (scale * noise) - 1.0)
        known = (1.0 - noise) * values / spectrum
        spread = scale * (noise + JITTER) * known
        yield _Posterior(TRUST * density - EXACT * noise, known * along, spread, scale * noise)
