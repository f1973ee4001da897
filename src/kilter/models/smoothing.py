"""What noisy values say of the points where they were seen: processes averaged over how rough and how noisy things are.

    X        (n, p)   features of the points (models/encoding.py); d parameters are active
    y        (n,)     values; 0 is what is expected anywhere
    K        (n, n)   for a length l: exp(-|x - x'|₁ / 2 l d), rough, or Matérn 5/2 of |x - x'| / l √d, smooth
    C                 s² [(1 - ν) K + ν I] for a share of noise ν; s² is the likeliest, y' [C / s²]⁻¹ y / n
    mean     (n,)     s² (1 - ν) K C⁻¹ y, the posterior mean at the points themselves
    weight            of each kernel, l and ν: exp(-2 ν), since little noise is likelier than much, times the density of
                      each value given all others, multiplied over the points

A smooth process, fitted to a landscape of many valleys, calls the valleys noise, and its mean then follows nothing.
Under the kernel of Ornstein and Uhlenbeck functions are rough, and neighbours tell noise from valleys. No fit decides
between all of these, since a few dozen points leave room for many explanations (docs/decisions/0019).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from kilter.models.gp import matern

LENGTHS = (0.15, 0.3, 0.6, 1.2, 2.4)
"""Over how much of the range values are alike."""
NOISES = (0.001, 0.05, 0.2, 0.5, 0.8)
"""Shares of the variance that are noise."""
EXACT = 2.0
"""How fast the prior falls with the share of noise."""
TRUST = 0.4
"""The power of the densities: none of these processes is the true one, and their evidence claims more than it knows."""
JITTER = 1e-6
"""Added to the spectrum, which rounding may leave below 0 where points are equal."""
LEAST = 1e-12
"""The least s²: equal values leave none."""


def processes(X: np.ndarray, views: np.ndarray, active: float) -> tuple[np.ndarray, np.ndarray]:
    """The weights (v, q) of q processes, and what they believe of the values at the points X themselves (v, q, n).

    `views` (v, n) are the values, seen in several ways, and `active` parameters count at a time, on average.

    >>> weights, opinions = processes(np.array([[0.1], [0.1], [0.9]]), np.array([[-1.0, 0.0, 1.0]]), 1.0)
    >>> (weights[0] @ opinions[0]).round(1).tolist()
    [-0.4, -0.4, 0.7]
    """
    spectra = [np.linalg.eigh(K) for K in _kernels(X, active)]
    weights, opinions = zip(*[_weighed(spectra, y) for y in views], strict=True)
    return np.array(weights), np.array(opinions)


def _kernels(X: np.ndarray, active: float) -> Iterator[np.ndarray]:
    apart, squares = np.zeros((len(X), len(X))), np.zeros((len(X), len(X)))
    for column in X.T:
        along = np.abs(column[:, None] - column)
        apart += along
        squares += along * along
    for length in LENGTHS:
        yield np.exp(apart / (-2.0 * length * active))
        yield matern(squares / (length * length * active))[0]


def _weighed(spectra: Sequence[tuple[np.ndarray, np.ndarray]], y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The weights (q,), which sum to 1, and the posterior means (q, n) of all processes."""
    weights, means = zip(*[each for values, V in spectra for each in _posteriors(values, V, y)], strict=True)
    relative = np.exp(np.array(weights) - max(weights))
    return relative / relative.sum(), np.array(means)


def _posteriors(values: np.ndarray, V: np.ndarray, y: np.ndarray) -> Iterator[tuple[float, np.ndarray]]:
    """The logarithm of the weight (equations 5.10 to 5.12 of Rasmussen & Williams 2006) and the mean for each ν."""
    values, along, squares = np.maximum(values, 0.0), V.T @ y, V * V
    for noise in NOISES:
        spectrum = (1.0 - noise) * values + noise + JITTER
        alpha, precision = V @ (along / spectrum), squares @ (1.0 / spectrum)
        scale = max(float((along * along / spectrum).mean()), LEAST)
        left_out = -0.5 * float((np.log(scale / precision) + alpha * alpha / (precision * scale)).sum())
        yield TRUST * left_out - EXACT * noise, V @ ((1.0 - noise) * values / spectrum * along)
