"""What the process of a study's objective learns from earlier studies: how smooth such objectives are, and more rows.

    θ      its prior is the mean of the usual one and of what the earlier studies' own processes came to, each counted
           by its weight and by how well it foretells its own trials, and as wide as these differ, but never wider than
           the usual one
    rows   trials of earlier studies of the same task, whose values are comparable, count as the study's own

A prior that is learnt from earlier tasks is the idea of HyperBO (Wang et al. 2021). Here the elements of θ are learnt
one by one, each from the studies that know its parameter, so that the spaces need not be alike.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kilter.core.earlier import spread
from kilter.models.encoding import Encoding
from kilter.models.fits import layout_of
from kilter.models.gp import Layout
from kilter.models.sources import Source, Sources

MOST = 144
"""Rows of the same task, at most: they cost as much as trials of the study's own."""


def taught_layout(sources: Sources) -> Layout:
    """The layout of a space, with the prior of θ that earlier studies teach."""
    layout, studies = layout_of(sources.encoding), sources.teaching
    usual, usual_sd = layout.prior()
    thetas = np.array([usual, *(source.theta for source in studies)])
    weights = np.array([np.ones(layout.size), *(_weight(source) * _is_known(layout, source) for source in studies)])
    weights /= weights.sum(axis=0)
    mean = (weights * thetas).sum(axis=0)
    between = (weights * (thetas - mean) ** 2).sum(axis=0)
    return replace(layout, learnt=(mean, np.minimum(np.sqrt(between + weights[0] * usual_sd**2), usual_sd)))


def _weight(source: Source) -> float:
    """How much an earlier study tells of θ: by the share of its values' variance that its process foretells.

    That is of each trial by all others (Rasmussen & Williams 2006, equation 5.12). Where values follow nothing, θ
    only says that all is noise: on earlier studies with permuted values the regret at 25 trials was half as much again.
    """
    posterior = source.posterior
    missed = posterior.alpha / np.diagonal(posterior.inverse)
    return source.study.weight * max(0.0, 1.0 - float(np.mean(missed**2)))  # values have variance 1


def _is_known(layout: Layout, source: Source) -> np.ndarray:
    """Which elements of θ an earlier study can tell: none of a parameter that it knows nothing of."""
    lengths = ~source.unknown
    warps = lengths[layout.owner[layout.numbers]]
    known: np.ndarray = np.concatenate([lengths, [True, True], warps, warps, [True]])
    return known


class SameTask:
    """The trials of earlier studies of the same task, as far as they are of the space.

    features (s, p), losses (s,) with NaN where it failed, and failed (s,).
    """

    def __init__(self, sources: Sources) -> None:
        encoding = sources.encoding
        same = [source for source in sources.teaching if source.study.same]
        most = MOST // max(len(same), 1)
        rows = [source.order[spread(len(source.order), most // 2, most)] for source in same]
        broken = np.concatenate([np.empty((0, encoding.d)), *(source.seen.failed for source in same)])
        self.features = np.concatenate(
            [np.empty((0, encoding.width))]
            + [source.features[some] for source, some in zip(same, rows)]
            + [_features(encoding, broken)]
        )
        losses = np.concatenate([np.empty(0), *(source.seen.losses[some] for source, some in zip(same, rows))])
        self.losses = np.append(losses, np.full(len(broken), np.nan))
        self.failed = np.isnan(self.losses)


def _features(encoding: Encoding, matrix: np.ndarray) -> np.ndarray:
    return encoding.features(*encoding.known(matrix))
