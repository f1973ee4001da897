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

from dataclasses import dataclass
from typing import cast

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotri, dpotrs
from scipy.optimize import minimize

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
LEAST_VARIANCE = 1e-12


@dataclass(frozen=True)
class Layout:
    """What the kernel has to know of the features: the parameter of each, (p,), and which are numbers, (k,)."""

    owner: np.ndarray
    numbers: np.ndarray
    d: int
    active: float
    """How many parameters are active at a time, on average: that, not their number, is what distances grow with."""

    @property
    def size(self) -> int:
        """How many elements θ has."""
        return self.d + 3 + 2 * len(self.numbers)

    def prior(self) -> tuple[np.ndarray, np.ndarray]:
        """Means and standard deviations of θ."""
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


def fit(layout: Layout, X: np.ndarray, y: np.ndarray, start: np.ndarray, iterations: int) -> tuple[np.ndarray, float]:
    """θ at a maximum of the posterior, climbed to from `start`, and the negative log posterior there."""
    low, high = layout.bounds()
    found = minimize(
        negative_log_posterior,
        np.clip(start, low, high),
        args=(layout, X, y, *layout.prior()),
        jac=True,
        method="L-BFGS-B",
        bounds=np.stack([low, high], axis=1),
        options={"maxiter": iterations, "maxcor": 10, "ftol": 1e-6, "gtol": 1e-3},
    )
    return found.x, float(found.fun)


class Posterior:
    """The process with θ given, conditioned on points; values can be replaced and points appended cheaply."""

    def __init__(self, layout: Layout, theta: np.ndarray, X: np.ndarray, y: np.ndarray) -> None:
        self.layout, self.theta = layout, theta
        d = layout.d
        self.inverse_length = np.exp(-theta[:d])[layout.owner]
        self.signal, self.noise, self.trend = (float(np.exp(theta[i])) for i in (d, d + 1, -1))
        W = layout.warped(X, theta)[0]
        self.Z, self.Z0 = W * self.inverse_length, (W - 0.5) * self.inverse_length
        self.squares = np.einsum("ij,ij->i", self.Z, self.Z)
        K = self._cross(self.Z, self.Z0)[0]
        jitter = 0.0
        while True:
            shifted = K.copy()
            shifted.flat[:: len(y) + 1] += self.noise + jitter
            L, failed = dpotrf(shifted, lower=1, clean=1)
            if not failed:
                break
            jitter = max(10.0 * jitter, JITTER)
        self.inverse = _inverse(L)
        self.set_values(y)

    def set_values(self, y: np.ndarray) -> None:
        """Replace the values at all points."""
        self.y = y
        self.alpha = self.inverse @ y

    @property
    def fitted(self) -> np.ndarray:
        """The posterior mean at the points themselves, (n,): K K⁻¹ y = y - noise · α."""
        return cast(np.ndarray, self.y - self.noise * self.alpha)

    def append(self, x: np.ndarray, y: float) -> None:
        """One more point in O(n²): the inverse of the bordered matrix by the Schur complement."""
        W = self.layout.warped(x[None], self.theta)[0]
        z, z0 = W * self.inverse_length, (W - 0.5) * self.inverse_length
        k = self._cross(z, z0)[0][0]
        v = self.inverse @ k
        rest = max(float(self._prior_variance(z0)[0]) + self.noise - float(k @ v), 1e-10)
        n = len(k)
        grown = np.empty((n + 1, n + 1))
        grown[:n, :n] = self.inverse + np.multiply.outer(v, v / rest)
        grown[:n, n] = grown[n, :n] = -v / rest
        grown[n, n] = 1.0 / rest
        self.inverse = grown
        self.Z, self.Z0 = np.vstack([self.Z, z]), np.vstack([self.Z0, z0])
        self.squares = np.append(self.squares, (z * z).sum())
        self.set_values(np.append(self.y, y))

    def _prior_variance(self, Z0: np.ndarray) -> np.ndarray:
        g = 1.0 + np.einsum("ij,ij->i", Z0, Z0) / self.layout.active
        return cast(np.ndarray, self.signal * (1.0 + self.trend * g * g))

    def _cross(self, Z: np.ndarray, Z0: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """k(points, own points), s² S and G, each (q, n)."""
        squares = np.einsum("ij,ij->i", Z, Z)[:, None] + self.squares - 2.0 * (Z @ self.Z.T)
        M, S = matern(np.maximum(squares, 0.0))
        G = Z0 @ self.Z0.T
        G /= self.layout.active
        G += 1.0
        M += self.trend * (G * G)
        M *= self.signal
        S *= self.signal
        return M, S, G

    def predict(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance, without the noise, at the points with features X (q, p); each (q,)."""
        W = self.layout.warped(X, self.theta)[0]
        Z, Z0 = W * self.inverse_length, (W - 0.5) * self.inverse_length
        K = self._cross(Z, Z0)[0]
        V = K @ self.inverse
        variance = self._prior_variance(Z0) - np.einsum("ij,ij->i", V, K)
        return K @ self.alpha, np.maximum(variance, LEAST_VARIANCE)

    def predict_with_gradients(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Mean and variance (q,), and their gradients by X, each (q, p)."""
        W, _, _, by_x = self.layout.warped(X, self.theta)
        Z, Z0 = W * self.inverse_length, (W - 0.5) * self.inverse_length
        K, S, G = self._cross(Z, Z0)
        V = K @ self.inverse
        variance = np.maximum(self._prior_variance(Z0) - np.einsum("ij,ij->i", V, K), LEAST_VARIANCE)
        t = 2.0 * self.signal * self.trend / self.layout.active
        A, B = S * self.alpha, V * S
        by_mean = -(A.sum(axis=1)[:, None] * Z - A @ self.Z) + t * ((G * self.alpha) @ self.Z0)
        g = 1.0 + np.einsum("ij,ij->i", Z0, Z0) / self.layout.active
        by_variance = 2.0 * (B.sum(axis=1)[:, None] * Z - B @ self.Z) + 2.0 * t * (g[:, None] * Z0 - (V * G) @ self.Z0)
        by_mean *= self.inverse_length
        by_variance *= self.inverse_length
        if len(self.layout.numbers):
            by_mean[:, self.layout.numbers] *= by_x
            by_variance[:, self.layout.numbers] *= by_x
        return K @ self.alpha, variance, by_mean, by_variance


def _inverse(L: np.ndarray) -> np.ndarray:
    """The inverse of the matrix whose lower Cholesky factor is L, zero above the diagonal."""
    half: np.ndarray = dpotri(L, lower=1)[0]
    inverse: np.ndarray = half + half.T
    inverse.flat[:: len(half) + 1] *= 0.5
    return inverse
