"""Independent maximisations in the unit cube, side by side: projected BFGS (Nocedal & Wright 2006, section 6.1).

    x   (q, k)      a point of each problem, all evaluated in one call
    H   (q, k, k)   the inverse Hessian of each, as known so far
    t   (q,)        the length of each step, in units of the quasi-Newton step

An acquisition is cheap for many points and dear for many calls. Joined into one problem for a general optimiser, starts
would share their line searches and curvatures; here each has its own, and calls, not points, are counted.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

FIRST = 0.1
"""No coordinate moves further in the first step, in units of its range."""
SUFFICIENT = 1e-4
"""Armijo's constant: a step counts where it gains this share of what the gradient promises."""
SHORTER = 0.25
SHORTEST = 1e-3
"""A search whose steps have shrunk by more than this is over."""


def ascended(
    slope: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]], x: np.ndarray, calls: int, enough: float
) -> tuple[np.ndarray, np.ndarray]:
    """Where q points x (q, k) of the unit cube climb to, and the values there, (q,), in at most so many calls.

    `slope` gives values (q,) and gradients (q, k), 0 where a coordinate must not move. A search is over after a step
    that gained less than `enough`. No value is less than at the start.

    >>> x, value = ascended(lambda x: (-((x - 0.3) ** 2).sum(axis=1), -2 * (x - 0.3)), np.array([[0.9, 0.1]]), 20, 0)
    >>> x.round(3).tolist()
    [[0.3, 0.3]]
    """
    value, gradient = slope(x)
    steepest = np.abs(gradient).max(axis=1, initial=0.0)
    scale = np.minimum(1.0, FIRST / np.maximum(steepest, 1e-300))
    H = scale[:, None, None] * np.eye(x.shape[1])
    step = _direction(x, gradient, H, scale)
    t = np.ones(len(x))
    searching = steepest > 0
    for _ in range(calls - 1):
        if not searching.any():
            break
        tried = np.clip(x + (t * searching)[:, None] * step, 0.0, 1.0)
        there, its_gradient = slope(tried)
        moved = tried - x
        better = searching & (there >= value + SUFFICIENT * (gradient * moved).sum(axis=1)) & np.isfinite(there)
        _learn(H, moved, gradient - its_gradient, better)
        searching &= ~(better & (there - value < enough))
        x, gradient = np.where(better[:, None], tried, x), np.where(better[:, None], its_gradient, gradient)
        value, t = np.where(better, there, value), np.where(better, 1.0, SHORTER * t)
        searching &= t > SHORTEST
        step = np.where(better[:, None], _direction(x, gradient, H, scale), step)
    return x, value


def _direction(x: np.ndarray, gradient: np.ndarray, H: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """The quasi-Newton step along what the borders leave free, or the steepest one where that does not climb."""
    held = ((x <= 0.0) & (gradient < 0.0)) | ((x >= 1.0) & (gradient > 0.0))
    free = np.where(held, 0.0, gradient)
    step = np.where(held, 0.0, (H @ free[:, :, None])[:, :, 0])
    climbs = (step * free).sum(axis=1) > 0
    return np.where(climbs[:, None], step, scale[:, None] * free)


def _learn(H: np.ndarray, s: np.ndarray, y: np.ndarray, better: np.ndarray) -> None:
    """The BFGS update of the inverse Hessians (equation 6.17) of those that stepped and saw positive curvature."""
    curvature = (s * y).sum(axis=1)
    learns = better & (curvature > 1e-12) & (curvature < 1e12)  # beyond, squares leave the range of floats
    if not learns.any():
        return
    rho = np.where(learns, 1.0 / np.where(learns, curvature, 1.0), 0.0)
    Hy = (H @ y[:, :, None])[:, :, 0]
    # H + (ρ + ρ² y·Hy) s s' - ρ (s Hy' + Hy s') as s a' + a s', a half of the first term less the second
    a = (0.5 * (rho + rho * rho * (y * Hy).sum(axis=1)))[:, None] * s - rho[:, None] * Hy
    outer = s[:, :, None] * a[:, None, :]
    H += outer
    H += outer.transpose(0, 2, 1)
