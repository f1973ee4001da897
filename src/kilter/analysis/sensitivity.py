"""Importance by the surrogate: a functional analysis of variance of its mean.

a_j(v) is what the process expects on average of trials whose parameter j is set to v; values v are those that trials
had. This is the method to trust where trials crowd near the optimum: the process has learned all parameters at once, so
that none takes the blame for others that happened to change with it.

The error of a share is that of the same process on halves of the trials: drawn without putting back, these vary about
the whole as the whole does about the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from kilter.analysis.beliefs import Believed
from kilter.analysis.explanation import Explanation, Observed, filled, together
from kilter.analysis.quality import left_out, predicted_share
from kilter.core.seeds import rng
from kilter.models.fits import Belief
from kilter.models.gp import Posterior

VALUES = 12
"""Values of a parameter at which means are compared."""
BACKGROUND = 40
"""Trials that a mean is over, ..."""
CELLS = 1_200
"""... fewer where so many would be more than this, all parameters together, ..."""
FEWEST = 8
"""... but so many in any case."""
HALVES = 10
LEADING = 16
"""Parameters whose errors are looked at, the most important ones; of others an error as large as the share is as good.
"""
JOINT = 6
"""Parameters of which pairs are looked at, the most important ones, ..."""
COARSE = 6
"""... at so many values of each."""


def explained(model: Believed, seed: int) -> Explanation:
    """The share of each dimension, and of pairs of the most important ones, in what the surrogate believes."""
    stream, d = rng(seed, "sensitivity"), model.encoding.d
    values, unseen = model.straight(model.belief.posterior.y), model.straight(left_out(model))
    left = float(((values - unseen) ** 2).mean())
    alone = [(j,) for j in range(d)]
    share = _shares(model, alone, left, stream)
    pairs = list(combinations(np.sort(np.argsort(-share, kind="stable")[:JOINT]).tolist(), 2))
    joint = _shares(model, pairs, left, stream)
    leading = np.sort(np.argsort(-share, kind="stable")[:LEADING])
    groups = [*(alone[j] for j in leading), *pairs]
    errors = np.array([_shares(_half(model, stream), groups, left, stream) for _ in range(HALVES)]).std(axis=0)
    deviation = share.copy()
    deviation[leading] = errors[: len(leading)]
    return Explanation.around(
        "surrogate",
        Observed(model.points, model.encoding.is_option, model.values, model.trials),
        share,
        deviation,
        pairs=together(pairs, joint, errors[len(leading) :]),
        fit=predicted_share(values, unseen),
    )


def _half(model: Believed, stream: np.random.Generator) -> Believed:
    """The same process on half of the trials."""
    whole = model.belief.posterior
    rows = np.sort(stream.permutation(len(whole.y))[: (len(whole.y) + 1) // 2])
    posterior = Posterior(whole.layout, whole.theta, whole.features[rows], whole.y[rows])
    return replace(model, belief=Belief(posterior, model.belief.output), points=model.points[rows])


def _shares(model: Believed, groups: Sequence[tuple[int, ...]], left: float, stream: np.random.Generator) -> np.ndarray:
    """What each dimension, or pair of them, explains of the variance, of which `left` is noise, (groups,)."""
    everything = filled(model.points, stream)
    total = float(_expected(model, everything).var()) + left
    effects = [_effect(model, list(columns), everything, stream) for columns in groups]
    return np.array(effects) / (total if total > 0 else 1.0)


def _effect(model: Believed, columns: list[int], everything: np.ndarray, stream: np.random.Generator) -> float:
    """The variance of what one parameter changes, or two beyond what each does alone, times where they are active."""
    is_active = ~np.isnan(model.points[:, columns]).any(axis=1)
    if not is_active.any():
        return 0.0
    size = min(BACKGROUND, max(FEWEST, CELLS // model.encoding.d)) // len(columns)
    background = everything[stream.permutation(np.flatnonzero(is_active))[:size]]
    axes = [_values(model, j, VALUES if len(columns) == 1 else COARSE) for j in columns]
    shape = [len(values) for values, _ in axes]
    points = np.broadcast_to(background, (*shape, *background.shape)).copy()
    for axis, (values, _) in enumerate(axes):
        points[..., columns[axis]] = np.expand_dims(values, [k for k in range(len(axes) + 1) if k != axis])
    means = _expected(model, points.reshape(-1, model.encoding.d)).reshape(*shape, -1).mean(axis=-1)
    weight = np.ones(())
    for axis, (_, weights) in enumerate(axes):
        means = means - np.expand_dims(np.tensordot(means, weights, (axis, 0)), axis)
        weight = np.multiply.outer(weight, weights)
    return float((weight * means**2).sum() * is_active.mean())


def _values(model: Believed, j: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Values of a parameter as trials had them, and the share of the trials that each stands for."""
    column = model.points[:, j]
    column = np.sort(column[~np.isnan(column)])
    if len(np.unique(column)) > most:
        column = column[((np.arange(most) + 0.5) / most * len(column)).astype(int)]
    values, counts = np.unique(column, return_counts=True)
    return values, counts / len(column)


def _expected(model: Believed, points: np.ndarray) -> np.ndarray:
    """What the surrogate expects at points (q, d), in the objective's scale, far worse values drawn in."""
    legal = model.encoding.canonical(model.encoding.snapped(points))
    return model.straight(model.belief.posterior.predict(model.encoding.features(legal))[0])
