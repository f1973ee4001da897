"""Gaussian process regression on a few hundred points, for hyperparameters (Rasmussen & Williams 2006, chapters 2, 5).

    X        (n, p)   features of the points (models/encoding.py); y (n,) values of mean 0 and standard deviation 1
    w                 inputs after the warp of Kumaraswamy, one pair of shapes per numeric feature
    z                 w / l, l the length-scale of the feature's parameter
    k(x, x')          s² [ M(|z - z'|) + ρ (1 + z₀·z₀' / d)² ] + noise δ,   z₀ = (w - 1/2) / l
    M(r)              (1 + √5 r + 5/3 r²) exp(-√5 r), Matérn 5/2
    θ                 log l (d,), log s², log noise, log a (k,), log b (k,), log ρ

θ is the maximum of the posterior under Gaussian priors on its elements. The quadratic trend stands in for the bowl that
most problems are from afar; it matters from some ten dimensions on.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotri, dpotrs, dtrtrs

from kilter.models.ascent import ascended
from kilter.models.transforms import kumaraswamy

LENGTH = (np.log(0.5), 0.25, 1.0)
"""log l ~ N(m + e·log d, sd²): m, e, sd. Stronger growth with d, or a wide prior, ends in "everything is noise"."""
LENGTHS = (0.025, 1000.0)
SIGNAL = (0.0, 0.7)
SIGNALS = (0.05, 20.0)
NOISE = (-7.0, 2.0)
"""Outputs have variance 1, so this expects noise of 3 % of the spread and leaves room for none and for half."""
NOISES = (1e-8, 1.0)
NOISE_START = 0.01
WARP = 0.5
"""log a, log b ~ N(0, 0.5²): the identity unless the data insist."""
WARPS = 1.5
TREND = (np.log(0.05), 1.0)
TRENDS = (1e-3, 5.0)
JITTER = 1e-8
"""Added to the diagonal, times ten at each try, where a kernel matrix is not positive definite in floating point."""
ENOUGH = 1e-3
"""A fit ends with a step that gains less in the logarithm of the posterior."""
LEAST_VARIANCE = 1e-12
SQRT5 = np.sqrt(5.0)


@dataclass(frozen=True)
class Layout:
    """What the kernel has to know of the features: the parameter of each, (p,), and which are numbers, (k,)."""

    owner: np.ndarray
    numbers: np.ndarray
    d: int
    active: float
    """How many parameters are active at a time, on average: that, not their number, is what distances grow with."""
    learnt: tuple[np.ndarray, np.ndarray] | None = None
    """Means and standard deviations of θ, where those of other processes tell more than the usual ones."""

    @property
    def size(self) -> int:
        """How many elements θ has."""
        return self.d + 3 + 2 * len(self.numbers)

    @property
    def with_one_more(self) -> Layout:
        """The layout with one more number, always active, as the last feature."""
        owner, numbers = np.append(self.owner, self.d), np.append(self.numbers, len(self.owner))
        return Layout(owner, numbers, self.d + 1, self.active + 1.0)

    def prior(self) -> tuple[np.ndarray, np.ndarray]:
        """Means and standard deviations of θ."""
        if self.learnt is not None:
            return self.learnt
        d, k = self.d, 2 * len(self.numbers)
        length = LENGTH[0] + LENGTH[1] * np.log(self.active)
        mean = np.concatenate([np.full(d, length), [SIGNAL[0], NOISE[0]], np.zeros(k), [TREND[0]]])
        sd = np.concatenate([np.full(d, LENGTH[2]), [SIGNAL[1], NOISE[1]], np.full(k, WARP), [TREND[1]]])
        return mean, sd

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Least and largest θ."""
        d, k = self.d, 2 * len(self.numbers)
        pairs = np.log([LENGTHS, SIGNALS, NOISES, TRENDS])
        low, high = (
            np.concatenate([np.full(d, e[0]), [e[1], e[2]], np.full(k, w), [e[3]]])
            for e, w in zip(pairs.T, (-WARPS, WARPS))
        )
        return low, high

    def start(self) -> np.ndarray:
        """Where the first fit begins."""
        if self.learnt is not None:
            return self.learnt[0]
        theta = self.prior()[0]
        theta[: self.d] = np.clip(theta[: self.d], np.log(0.25), np.log(0.5 * np.sqrt(max(self.active, 2.0))))
        theta[self.d + 1] = np.log(NOISE_START)
        return theta

    def warped(self, X: np.ndarray, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Inputs after the warp (n, p), and the derivatives of the numbers by log a, log b, x, each (n, k)."""
        k, i = len(self.numbers), self.d + 2
        w, by_a, by_b, by_x = kumaraswamy(
            X[:, self.numbers], np.exp(theta[i : i + k]), np.exp(theta[i + k : i + 2 * k])
        )
        if k == X.shape[1]:
            return w, by_a, by_b, by_x
        W = X.copy()
        W[:, self.numbers] = w
        return W, by_a, by_b, by_x


def matern(squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """M and S = -2 dM/d(r²) at squared distances."""
    root = np.sqrt(5.0 * squares)
    decay = np.exp(-root)
    root += 1.0
    return (squares * (5.0 / 3.0) + root) * decay, root * decay * (5.0 / 3.0)


def negative_log_posterior(
    theta: np.ndarray, layout: Layout, X: np.ndarray, y: np.ndarray, mean: np.ndarray, sd: np.ndarray
) -> tuple[float, np.ndarray]:
    """-log p(y | X, θ) - log p(θ) up to a constant, and its gradient; mean and sd are those of the prior of θ.

    Equations 5.8 and 5.9 of Rasmussen & Williams, arranged so that no array has more than n² or n·p elements.
    """
    n, d, owner = len(y), layout.d, layout.owner
    inverse_length, signal, noise, trend = (
        np.exp(-theta[:d])[owner],
        np.exp(theta[d]),
        np.exp(theta[d + 1]),
        np.exp(theta[-1]),
    )
    W, by_a, by_b, _ = layout.warped(X, theta)
    Z, Z0 = W * inverse_length, (W - 0.5) * inverse_length
    squares = np.einsum("ij,ij->i", Z, Z)
    M, S = matern(np.maximum(squares[:, None] + squares - 2.0 * (Z @ Z.T), 0.0))
    G = Z0 @ Z0.T
    G /= layout.active
    G += 1.0
    P = G * G
    M += trend * P
    K = signal * M
    K.flat[:: n + 1] += noise
    L, failed = dpotrf(K.T, lower=1, overwrite_a=1, clean=1)
    if failed:
        return 1e10, np.zeros_like(theta)
    alpha, _ = dpotrs(L, y, lower=1)
    value = 0.5 * float(y @ alpha) + float(np.log(np.diagonal(L)).sum())
    A = np.multiply.outer(alpha, alpha)
    A -= _inverse(L)  # -2 d(log p)/dK
    gradient = np.zeros_like(theta)
    gradient[d] = -0.5 * signal * np.vdot(A, M)
    gradient[d + 1] = -0.5 * noise * np.trace(A)
    gradient[-1] = -0.5 * signal * trend * np.vdot(A, P)
    S *= A
    by_matern = signal * (S.sum(axis=1)[:, None] * Z - S @ Z)  # by z
    A *= G
    by_trend = (A @ Z0) * (-2.0 * trend * signal / layout.active)
    per_feature = np.einsum("ij,ij->j", by_matern, Z) + np.einsum("ij,ij->j", by_trend, Z0)
    gradient[:d] = -np.bincount(owner, per_feature, minlength=d)
    k = len(layout.numbers)
    if k:
        by_w = ((by_matern + by_trend) * inverse_length)[:, layout.numbers]
        gradient[d + 2 : d + 2 + k] = np.einsum("ij,ij->j", by_w, by_a)
        gradient[d + 2 + k : -1] = np.einsum("ij,ij->j", by_w, by_b)
    t = (theta - mean) / sd
    return value + 0.5 * float(t @ t), gradient + t / sd


def fit(layout: Layout, features: np.ndarray, y: np.ndarray, start: np.ndarray, calls: int) -> tuple[np.ndarray, float]:
    """θ near a maximum of the posterior, climbed to from `start`, and the negative log posterior there."""
    (low, high), (mean, sd) = layout.bounds(), layout.prior()

    def slope(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        value, gradient = negative_log_posterior(low + x[0] * (high - low), layout, features, y, mean, sd)
        return np.array([-value]), -(gradient * (high - low))[None]

    x, value = ascended(slope, (np.clip(start, low, high) - low)[None] / (high - low), calls, ENOUGH)
    return low + x[0] * (high - low), -float(value[0])


class Posterior:
    """The process with θ given, conditioned on points."""

    def __init__(self, layout: Layout, theta: np.ndarray, X: np.ndarray, y: np.ndarray) -> None:
        self.layout, self.theta, self.features, self.y = layout, theta, X, y
        d = layout.d
        self.inverse_length = np.exp(-theta[:d])[layout.owner]
        self.signal, self.noise, self.trend = (float(np.exp(theta[i])) for i in (d, d + 1, -1))
        W = layout.warped(X, theta)[0]
        self.Z, self.Z0 = W * self.inverse_length, (W - 0.5) * self.inverse_length
        self.squares = np.einsum("ij,ij->i", self.Z, self.Z)
        self._factor, self._jitter = _factor(self._kernel(self.Z, self.Z0), self.noise)

    @cached_property
    def inverse(self) -> np.ndarray:
        """K⁻¹, (n, n)."""
        return _inverse(self._factor)

    @cached_property
    def alpha(self) -> np.ndarray:
        """K⁻¹ y, (n,)."""
        return cast(np.ndarray, self.inverse @ self.y)

    @property
    def fitted(self) -> np.ndarray:
        """The posterior mean at the points themselves, (n,): K K⁻¹ y = y - noise · α."""
        return self.y - self.noise * self.alpha

    def imagining(self, features: np.ndarray) -> Posterior:
        """The same process conditioned on its own means at more points (q, p) (the Kriging believer).

        That leaves all means as they are: the new points have α = 0, and only the factor grows, by rows below it. The
        inverse is made of it anew: to grow that too costs less, but running trials lie close together, and where noise
        is 1e-8 what is left of its complement is rounding error.
        """
        W = self.layout.warped(features, self.theta)[0]
        Z, Z0 = W * self.inverse_length, (W - 0.5) * self.inverse_length
        cross, own = self._kernel(Z, Z0), self.covariance(features, features)
        alpha = dpotrs(self._factor, self.y, lower=1)[0]
        other = copy(self)
        vars(other).pop("inverse", None)
        other.features, other.y = np.concatenate([self.features, features]), np.append(self.y, cross @ alpha)
        other.Z, other.Z0 = np.concatenate([self.Z, Z]), np.concatenate([self.Z0, Z0])
        other.squares = np.append(self.squares, np.einsum("ij,ij->i", Z, Z))
        other.alpha = np.append(alpha, np.zeros(len(Z)))
        own.flat[:: len(Z) + 1] += self.noise + self._jitter
        grown = _grown(self._factor, cross, own)
        if grown is None:
            other._factor, other._jitter = _factor(other._kernel(other.Z, other.Z0), self.noise)
        else:
            other._factor = grown
        return other

    def _prior_variance(self, Z0: np.ndarray) -> np.ndarray:
        g = 1.0 + np.einsum("ij,ij->i", Z0, Z0) / self.layout.active
        return cast(np.ndarray, self.signal * (1.0 + self.trend * g * g))

    def _cross(self, Z: np.ndarray, Z0: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """k(points, own points), s² S and G, each (q, n)."""
        M, S = matern(self._squares(Z))
        G = self._products(Z0)
        M += self.trend * (G * G)
        M *= self.signal
        S *= self.signal
        return M, S, G

    def _kernel(self, Z: np.ndarray, Z0: np.ndarray) -> np.ndarray:
        """k(points, own points) alone, (q, n): `_cross` in place, in 60 % of its time where no gradient is wanted."""
        M = self._squares(Z)
        root = np.sqrt(M)
        root *= SQRT5
        M *= 5.0 / 3.0
        M += root
        M += 1.0
        np.negative(root, out=root)
        M *= np.exp(root, out=root)
        G = self._products(Z0)
        G *= G
        G *= self.trend
        M += G
        M *= self.signal
        return M

    def _squares(self, Z: np.ndarray) -> np.ndarray:
        """Squared distances to the own points, (q, n)."""
        squares = (-2.0 * Z) @ self.Z.T
        squares += np.einsum("ij,ij->i", Z, Z)[:, None]
        squares += self.squares
        return cast(np.ndarray, np.maximum(squares, 0.0, out=squares))

    def _products(self, Z0: np.ndarray) -> np.ndarray:
        """1 + z₀·z₀' / d, (q, n)."""
        products = (Z0 / self.layout.active) @ self.Z0.T
        products += 1.0
        return cast(np.ndarray, products)

    def covariance(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """k between two sets of features, without the noise and before any point was seen; (q, r)."""
        scale, pair = self.inverse_length, [self.layout.warped(X, self.theta)[0] for X in (first, second)]
        (a, b), (a0, b0) = [W * scale for W in pair], [(W - 0.5) * scale for W in pair]
        squares = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2.0 * a @ b.T
        shape = matern(np.maximum(squares, 0.0))[0] + self.trend * (1.0 + a0 @ b0.T / self.layout.active) ** 2
        return cast(np.ndarray, self.signal * shape)

    def averages(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The belief on g means of the function, each over b points, X (g, b, p): mean (g,), covariance (g, g)."""
        g, b, p = X.shape
        X = X.reshape(g * b, p)
        W = self.layout.warped(X, self.theta)[0]
        K = self._kernel(W * self.inverse_length, (W - 0.5) * self.inverse_length).reshape(g, b, -1).mean(axis=1)
        prior = self.covariance(X, X).reshape(g, b, g, b).mean(axis=(1, 3))
        return K @ self.alpha, prior - K @ self.inverse @ K.T

    def predict(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance, without the noise, at the points with features X (q, p); each (q,)."""
        W = self.layout.warped(X, self.theta)[0]
        Z, Z0 = W * self.inverse_length, (W - 0.5) * self.inverse_length
        K = self._kernel(Z, Z0)
        V = K @ self.inverse
        variance = self._prior_variance(Z0) - np.einsum("ij,ij->i", V, K)
        return K @ self.alpha, np.maximum(variance, LEAST_VARIANCE)

    def predict_with_gradients(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Mean and variance (q,), and their gradients by X, each (q, p)."""
        W, _, _, by_x = self.layout.warped(X, self.theta)
        Z = W * self.inverse_length
        Z0 = Z - 0.5 * self.inverse_length
        K, S, G = self._cross(Z, Z0)
        V = K @ self.inverse
        g = 1.0 + np.einsum("ij,ij->i", Z0, Z0) / self.layout.active
        variance = self.signal * (1.0 + self.trend * g * g) - np.einsum("ij,ij->i", V, K)
        # dk/dz = C z' - S z - ½ t G / l with C = S + t G, since z₀' = z' - ½ / l; one product serves mean and variance.
        t = 2.0 * self.signal * self.trend / self.layout.active
        C = S + t * G
        pulled = np.concatenate([C * self.alpha, C * V]) @ self.Z
        q = len(Z)
        by_mean = (
            pulled[:q] - (S @ self.alpha)[:, None] * Z - (0.5 * t * (G @ self.alpha))[:, None] * self.inverse_length
        )
        by_variance = (2.0 * np.einsum("ij,ij->i", S, V))[:, None] * Z - 2.0 * pulled[q:]
        by_variance += (2.0 * t * g)[:, None] * Z0
        by_variance += (t * np.einsum("ij,ij->i", G, V))[:, None] * self.inverse_length
        by_mean *= self.inverse_length
        by_variance *= self.inverse_length
        if len(self.layout.numbers) == X.shape[1]:
            by_mean *= by_x
            by_variance *= by_x
        elif len(self.layout.numbers):
            by_mean[:, self.layout.numbers] *= by_x
            by_variance[:, self.layout.numbers] *= by_x
        return K @ self.alpha, np.maximum(variance, LEAST_VARIANCE), by_mean, by_variance


class WholePosterior(Posterior):
    """A process over configurations and, as its last feature, resource; asked at the whole resource, which is 1."""

    def imagining(self, features: np.ndarray) -> Posterior:
        """The same process conditioned on its own means at more points at the whole resource."""
        return super().imagining(_whole(features))

    def predict(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance, without the noise, at configurations with features X (q, p)."""
        return super().predict(_whole(X))

    def predict_with_gradients(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Mean and variance (q,), and their gradients by X, each (q, p)."""
        mean, variance, by_mean, by_variance = super().predict_with_gradients(_whole(X))
        return mean, variance, by_mean[:, :-1], by_variance[:, :-1]


def _whole(features: np.ndarray) -> np.ndarray:
    return np.concatenate([features, np.ones((len(features), 1))], axis=1)


def _factor(K: np.ndarray, noise: float) -> tuple[np.ndarray, float]:
    """The lower Cholesky factor of K + noise, with as much jitter as that takes; and the jitter."""
    jitter = 0.0
    while True:
        shifted = K.copy()
        shifted.flat[:: len(K) + 1] += noise + jitter
        L, failed = dpotrf(shifted, lower=1, clean=1)
        if not failed:
            return L, jitter
        jitter = max(10.0 * jitter, JITTER)


def _grown(L: np.ndarray, cross: np.ndarray, own: np.ndarray) -> np.ndarray | None:
    """The factor with rows for more points, of covariances `cross` (q, n) and `own` (q, q); None where that fails."""
    n, q = len(L), len(own)
    below = dtrtrs(L, cross.T, lower=1)[0].T
    corner, failed = dpotrf(own - below @ below.T, lower=1, clean=1)
    if failed:
        return None
    grown = np.zeros((n + q, n + q), order="F")
    grown[:n, :n], grown[n:, :n], grown[n:, n:] = L, below, corner
    return grown


def _inverse(L: np.ndarray) -> np.ndarray:
    """The inverse of the matrix whose lower Cholesky factor is L, zero above the diagonal."""
    half: np.ndarray = dpotri(L, lower=1)[0]
    inverse: np.ndarray = half + half.T
    inverse.flat[:: len(half) + 1] *= 0.5
    return inverse
