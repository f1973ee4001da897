"""Importance by the surrogate: a functional analysis of variance of its mean, with what it does not know.

    a_j(v)    the mean of the process over trials, parameter j having the value v in all of them
    C_j       its covariance, over values v

The mean of a Gaussian process over points is normal, so V_j is known with its uncertainty: functions a_j are drawn from
(a_j, C_j), and V_j is taken of each. Values v are those that trials had. This is the method to trust where trials crowd
near the optimum: the process has learned all parameters at once, so that none takes the blame for others that happened
to change with it.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from kilter.analysis.beliefs import Believed
from kilter.analysis.explanation import Explanation, Observed, filled
from kilter.analysis.quality import explained as predicted_share
from kilter.analysis.quality import left_out
from kilter.core.seeds import rng

VALUES = 12
"""Values of a parameter at which means are compared."""
BACKGROUND = 40
"""Trials that a mean is over."""
DRAWS = 200
JOINT = 6
"""Parameters of which pairs are looked at, the most important ones."""


def explained(model: Believed, seed: int) -> Explanation:
    """The share of each dimension, and of pairs of the most important ones, in what the surrogate believes."""
    stream = rng(seed, "sensitivity")
    posterior = model.belief.posterior
    observed = Observed(model.points, model.encoding.is_option, model.values, model.trials)
    fit = predicted_share(posterior.y, left_out(model))
    part = observed.active / len(model.points)
    everything = posterior.predict(model.encoding.features(_legal(model, filled(model.points, stream))))[0]
    effects = [_effect(model, j, stream) for j in range(model.encoding.d)]
    main = np.array([variance for variance, _ in effects]) * part
    left = float(((posterior.y - left_out(model)) ** 2).mean())
    total = max(float(everything.var()), float(main.sum())) + left
    drawn = np.stack([draws for _, draws in effects]) * part[:, None] if effects else np.empty((0, DRAWS))
    shares = drawn / np.maximum(total - main[:, None] + drawn, 1e-300)
    low, high = np.quantile(shares, (0.1, 0.9), axis=1)
    share = main / total
    return Explanation(
        "surrogate",
        len(model.points),
        observed.active,
        share,
        np.minimum(low, share),
        np.maximum(high, share),
        _joint(model, main, part, total, stream),
        fit,
    )


def _legal(model: Believed, points: np.ndarray) -> np.ndarray:
    legal: np.ndarray = model.encoding.canonical(model.encoding.snapped(points))
    return legal


def _background(model: Believed, columns: list[int], stream: np.random.Generator) -> np.ndarray:
    """Trials in which these parameters have values, (b, d)."""
    rows = np.flatnonzero(~np.isnan(model.points[:, columns]).any(axis=1))
    chosen = stream.permutation(rows)[:BACKGROUND]
    background: np.ndarray = filled(model.points, stream)[chosen]
    return background


def _values(model: Believed, j: int) -> tuple[np.ndarray, np.ndarray]:
    """Values of a parameter as trials had them, and the share of the trials that each stands for."""
    column = model.points[:, j]
    column = np.sort(column[~np.isnan(column)])
    values, counts = np.unique(column, return_counts=True)
    if not model.encoding.is_option[j] and len(values) > VALUES:
        places = ((np.arange(VALUES) + 0.5) / VALUES * len(column)).astype(int)
        values, counts = np.unique(column[places], return_counts=True)
    return values, counts / counts.sum()


def _effect(model: Believed, j: int, stream: np.random.Generator) -> tuple[float, np.ndarray]:
    """V_j by the mean of the process, and by draws from it."""
    background = _background(model, [j], stream)
    if not len(background):
        return 0.0, np.zeros(DRAWS)
    values, weights = _values(model, j)
    points = np.repeat(background[None], len(values), axis=0)
    points[:, :, j] = values[:, None]
    features = model.encoding.features(_legal(model, points.reshape(-1, model.encoding.d)))
    mean, covariance = model.belief.posterior.averages(features.reshape(len(values), len(background), -1))
    spectrum, axes = np.linalg.eigh(covariance)
    drawn = mean + stream.standard_normal((DRAWS, len(mean))) @ (axes * np.sqrt(np.maximum(spectrum, 0.0))).T
    return float(_variance(mean[None], weights)[0]), _variance(drawn, weights)


def _variance(curves: np.ndarray, weights: np.ndarray) -> np.ndarray:
    centred = curves - (curves @ weights)[:, None]
    return np.asarray(centred**2 @ weights)


def _joint(
    model: Believed, main: np.ndarray, part: np.ndarray, total: float, stream: np.random.Generator
) -> dict[tuple[int, int], tuple[float, float, float]]:
    """What pairs of the most important parameters explain together, by the mean of the process."""
    found = {}
    for j, k in combinations(np.sort(np.argsort(-main, kind="stable")[:JOINT]).tolist(), 2):
        background = _background(model, [j, k], stream)
        if not len(background):
            continue
        (first, w), (second, u) = _values(model, j), _values(model, k)
        points = np.tile(background, (len(first), len(second), 1, 1))
        points[..., j], points[..., k] = first[:, None, None], second[None, :, None]
        features = model.encoding.features(_legal(model, points.reshape(-1, model.encoding.d)))
        means = model.belief.posterior.predict(features)[0].reshape(len(first), len(second), -1).mean(axis=2)
        means -= w @ means
        means -= (means @ u)[:, None]
        share = float(w @ means**2 @ u) * min(part[j], part[k]) / total
        if share > 0:
            found[j, k] = share, share, share
    return found
