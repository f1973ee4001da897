"""How much an evaluation is worth: the logarithm of expected improvement and of probabilities, with gradients.

    mean, variance   (q,)     of a Gaussian belief at q points
    gradients        (q, p)   of those by the features of the points

Logarithms because the improvement itself underflows far from the best, where its gradient would be lost
(Ament et al. 2023, "Unexpected improvements to expected improvement").
"""

from __future__ import annotations

import numpy as np
from scipy.special import erfcx, log_ndtr

LOG_ROOT_TWO_PI = 0.5 * np.log(2.0 * np.pi)
LOG_ROOT_HALF_PI = 0.5 * np.log(0.5 * np.pi)
ROOT_HALF = np.sqrt(0.5)
FAR = -1e5
"""Below this many standard deviations differences of logarithms have no digits left, and the first term of the
asymptotic series is exact to ten."""

DOUBT = 1e-3
"""Variance added to a belief, whose values have variance 1, for each unit by which it lies beyond a bound. Far beyond,
the logarithm of a probability then falls with that distance. Else it would fall with its square over a variance of
which, where there is no noise, rounding errors are all that is left: these would order what is surely infeasible."""


def log_h(z: np.ndarray) -> np.ndarray:
    """log(φ(z) + z Φ(z)), equation 9 of Ament et al.: exact to rounding for every z."""
    near = np.maximum(z, -1.0)
    value: np.ndarray = np.log(np.exp(-0.5 * near * near - LOG_ROOT_TWO_PI) + near * np.exp(log_ndtr(near)))
    tail = z < -1.0
    if tail.any():
        t = np.maximum(z[tail], -1e150)
        with np.errstate(divide="ignore", invalid="ignore"):
            inner = np.log(erfcx(-t * ROOT_HALF) * np.abs(t)) + LOG_ROOT_HALF_PI
            rest = np.where(inner > -0.6931, np.log(-np.expm1(inner)), np.log1p(-np.exp(np.minimum(inner, -0.6931))))
        far = -2.0 * np.log(np.abs(t))
        value[tail] = -0.5 * t * t - LOG_ROOT_TWO_PI + np.where(t < FAR, far, rest)
    return value


def log_expected_improvement(
    best: float,
    mean: np.ndarray,
    variance: np.ndarray,
    mean_gradient: np.ndarray | None = None,
    variance_gradient: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Logarithm of E[max(best - Y, 0)] (q,), and its gradient (q, p) where gradients of the belief are given."""
    sd = np.sqrt(variance)
    z = (best - mean) / sd
    lh = log_h(z)
    value = lh + np.log(sd)
    if mean_gradient is None or variance_gradient is None:
        return value, None
    ratio = _ratio(log_ndtr(z) - lh, z)  # d log h / dz = Φ / h
    d_sd = variance_gradient / (2.0 * sd)[:, None]
    return value, -ratio[:, None] * (mean_gradient + z[:, None] * d_sd) / sd[:, None] + d_sd / sd[:, None]


def log_probability_below(
    bound: float,
    mean: np.ndarray,
    variance: np.ndarray,
    mean_gradient: np.ndarray | None = None,
    variance_gradient: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Logarithm of P(Y <= bound) (q,), and its gradient (q, p) where gradients of the belief are given."""
    sd = np.sqrt(variance + DOUBT * np.maximum(mean - bound, 0.0))
    z = (bound - mean) / sd
    value = log_ndtr(z)
    if mean_gradient is None or variance_gradient is None:
        return value, None
    ratio = _ratio(-0.5 * z * z - LOG_ROOT_TWO_PI - value, z)  # d log Φ / dz = φ / Φ
    d_sd = (variance_gradient + (DOUBT * (mean > bound))[:, None] * mean_gradient) / (2.0 * sd)[:, None]
    return value, -ratio[:, None] * (mean_gradient + z[:, None] * d_sd) / sd[:, None]


def _ratio(logarithm: np.ndarray, z: np.ndarray) -> np.ndarray:
    """The exponential of a log ratio that tends to -z far below."""
    ratio: np.ndarray = np.where(z < FAR, -z, np.exp(np.where(z < FAR, 0.0, logarithm)))
    return ratio


def exploration_share(best: float, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """The part of expected improvement that is owed to uncertainty, σ φ(z) / EI, shape (q,), in [0, 1]."""
    sd = np.sqrt(variance)
    z = (best - mean) / sd
    share: np.ndarray = np.exp(np.minimum(-0.5 * z * z - LOG_ROOT_TWO_PI - log_h(z), 0.0))
    return share
