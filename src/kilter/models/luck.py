"""What scores on parts, folds, seeds or data sets, say of the points that were scored: the luck of neighbours is alike.

    X       (n, w)   features of the points (models/encoding.py)
    Y       (n, p)   scores on p parts; smaller is better, NaN where a point was not scored on a part
    Y_ij             μ_j + f(x_i) + g_j(x_i): how hard the part is, the truth, and luck
    f                a process with the covariance a K, of which K is any kernel of models/smoothing.py
    g_j              processes with the covariance s² Q, Q = (1 - η) K + η I; parts of other repetitions test the same
                     rows again, and theirs have the correlation R (p, p). What is left of Y beside points and parts
                     shows it: contrasts of Y over parts, on points that have all, are draws of it
    W       (m, p)   what was measured: the mean over parts that all points have, and that over others that some have
    z                W Y, and its covariance a K + s² Q W R W' + τ² W W', for μ may be anything

On a fixed split a model with C = 1 and one with C = 1.1 err together. So that neighbours agree says nothing of how much
is luck; independent noise would call it truth, and be sure of it. Only parts tell, by how neighbours differ on them.

Folds share training rows, whose luck all of them have (Nadeau and Bengio 2003, Machine Learning 52), and no contrast
shows it: what R has everywhere, in z, adds to what a mean is in doubt, and not to where it is. And all points may be
worth the same, a = 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from kilter.models.smoothing import JITTER, LEAST, TRUST, Belief, kernels, relative_weights

AMPLITUDES = tuple(10.0**power for power in np.arange(-1.5, 3.0, 0.5))
"""Of the truth, a, in units of the variance of what was measured. Where a search has converged, a few of the points are
hundreds of that away."""
ROUGH = (1e-6, 1e-4, 0.01, 0.1, 0.3, 0.6, 1.0)
"""Shares η of luck that neighbours do not have in common."""
ALIKE = 0.2
"""The probability, before anything is seen, that all points are worth the same."""
HARD = 100.0
"""τ², the variance of how hard parts are: nothing is known of it."""
ROUNDING = 1e-9
"""The share of luck, which may be far larger than 1, that keeps its covariance regular."""
SLIGHT = 1e-3
"""Processes with less weight than this are left out of covariances."""
MANY = 20
"""Points that have all parts, from which on the better half shows luck."""
USUAL = 4.0
"""So many contrasts say beforehand that luck is everywhere as in the better half."""
NEAR = 4
"""The power of the correlation of luck that says how near points are."""
SEEN = 0.1
"""The share of luck that a contrast of parts has at least, to tell of it."""
FEWEST = 3
"""Points that have all parts, from which on they show what luck is like."""


class _Posterior(NamedTuple):
    weight: float
    """The logarithm of it."""
    mean: np.ndarray
    """(n,)"""
    factor: tuple[np.ndarray, bool]
    """Of the covariance of what was measured."""


@dataclass(frozen=True, eq=False)
class _Measured:
    """What was measured: z (m,), the points that it is of, W (m, p), and the covariance of everything but the truth."""

    z: np.ndarray
    at: np.ndarray
    W: np.ndarray
    rest: np.ndarray

    def posterior(self, truth: np.ndarray) -> _Posterior:
        """With this covariance (n, n) of the truth, where parts are as hard as all of them are on average."""
        factor = cho_factor(truth[np.ix_(self.at, self.at)] + self.rest, lower=True)
        alpha = cho_solve(factor, self.z)
        evidence = -0.5 * float(self.z @ alpha) - float(np.log(np.diag(factor[0])).sum())
        return _Posterior(TRUST * evidence, self._hard(truth[:, self.at]) @ alpha, factor)

    def covariance(self, truth: np.ndarray) -> np.ndarray:
        """What is left of that covariance."""
        cross = self._hard(truth[:, self.at])
        left: np.ndarray = self._hard(truth) - cross @ cho_solve(self.posterior(truth).factor, cross.T)
        return left

    def _hard(self, truth: np.ndarray) -> np.ndarray:
        hard: np.ndarray = truth + HARD / self.W.shape[1]
        return hard


def belief_of_parts(X: np.ndarray, Y: np.ndarray, active: float, shared: np.ndarray | None = None) -> Belief:
    """What is believed of the points X themselves; its noise is the variance of a mean over the parts that all have.

    Luck on the parts has the correlation `shared` (p, p), that of repetitions which test the same rows again; none by
    default. Scores are in units of how far their means are apart, about 0. Each point has a score, and FEWEST have all.

    >>> X, Y = np.array([[0.1], [0.5], [0.9]]), np.array([[1.0, 1.4], [0.0, 0.1], [-1.2, -1.3]])
    >>> belief_of_parts(X, Y, 1.0).mean.round(1).tolist()
    [1.2, 0.0, -1.2]
    """
    alike = list(kernels(X, active))
    # What the rows in common add is in doubt, and moves no mean: choices and estimates were worse for it.
    # In a mean over the parts that all have, luck varies by no more than what was measured, 1, or than contrasts do.
    # Neighbours that are nearly the same would allow any amount of smooth luck, and tell nothing of those far away.
    own = np.eye(Y.shape[1]) if shared is None else shared
    bare = semidefinite(own - (own[0, 0] - 1.0))
    common = np.isfinite(Y).all(axis=0)
    of_mean = float(bare[np.ix_(common, common)].mean()) if common.any() else 1.0
    luck = _luck(alike, Y, bare, most=1.0 / of_mean)
    seen, doubted = _measured(Y, luck, bare), _measured(Y, luck, own)
    truths = [(K, a) for K in alike for a in AMPLITUDES]
    found = [seen.posterior(a * K) for K, a in truths]
    logarithms = [each.weight for each in found]
    truths.append((np.zeros_like(luck), 0.0))
    found.append(seen.posterior(truths[-1][0]))
    logarithms.append(found[-1].weight + float(np.log(len(logarithms) * ALIKE / (1.0 - ALIKE))))
    weights = relative_weights(logarithms)
    means = np.array([each.mean for each in found])
    mean = weights @ means
    apart = (means - mean) * np.sqrt(weights)[:, None]
    covariance = apart.T @ apart
    for weight, (K, a) in zip(weights, truths, strict=True):
        if weight > SLIGHT:
            covariance += weight * doubted.covariance(a * K)
    return Belief(mean, covariance, float(np.diag(luck).mean() * (seen.W[0] @ own @ seen.W[0])))


def semidefinite(guess: np.ndarray) -> np.ndarray:
    """The nearest symmetric matrix without negative eigenvalues: correlations of different evaluations are rough."""
    variances, axes = np.linalg.eigh((guess + guess.T) / 2.0)
    nearest: np.ndarray = (axes * np.maximum(variances, 0.0)) @ axes.T
    return nearest


def _measured(Y: np.ndarray, luck: np.ndarray, own: np.ndarray) -> _Measured:
    """Of each point the mean over the parts that all have, and that over others which it has besides."""
    known = np.isfinite(Y)
    common = known.all(axis=0)
    masks = [known & common, known & ~common]
    at = np.concatenate([np.flatnonzero(mask.any(axis=1)) for mask in masks])
    W = np.concatenate([mask[mask.any(axis=1)] for mask in masks]).astype(float)
    W /= W.sum(axis=1, keepdims=True)
    rest = luck[np.ix_(at, at)] * (W @ own @ W.T) + HARD * (W @ W.T)
    rest += (JITTER + ROUNDING * np.abs(rest).max()) * np.eye(len(at))
    return _Measured((W * np.nan_to_num(Y[at])).sum(axis=1), at, W, rest)


def _luck(alike: Sequence[np.ndarray], Y: np.ndarray, own: np.ndarray, most: float) -> np.ndarray:
    """s² Q (n, n), s² at most so much, as the better half of the points that have all parts shows it: they matter.

    Restricted likelihood: with C contrasts over parts, Y C has nothing of how hard parts are but a mean. Where others
    show more luck than that, as a default far away from where the search went, they have more.
    """
    whole = np.flatnonzero(np.isfinite(Y).all(axis=1))
    values = Y[whole].mean(axis=1)
    rows = whole[values <= np.median(values)] if len(whole) > MANY else whole
    beside = Y[whole] @ _contrasts(own)
    beside -= beside[np.isin(whole, rows)].mean(axis=0)
    left = beside[np.isin(whole, rows)]
    n, k = left.shape
    shown = float(((beside - beside.mean(axis=0)) ** 2).sum()) / (k * max(len(beside) - 1, 1))
    logarithms, scales = [], []
    for K in alike:
        values, V = np.linalg.eigh(K[np.ix_(rows, rows)])
        along = ((V.T @ left) ** 2).sum(axis=1)
        for rough in ROUGH:
            spectrum = (1.0 - rough) * np.maximum(values, 0.0) + rough
            told = float((along / spectrum).sum()) / ((n - 1) * k)
            scales.append(min(max(told, LEAST), max(most, shown)))
            misfit = (n - 1) * (np.log(scales[-1]) + told / scales[-1])
            logarithms.append(-0.5 * k * (np.log(spectrum).sum() + misfit))
    weights = (relative_weights(logarithms) * scales).reshape(len(alike), len(ROUGH))
    luck: np.ndarray = (weights @ np.array(ROUGH)).sum() * np.eye(len(Y))
    for weight, K in zip(weights @ (1.0 - np.array(ROUGH)), alike, strict=True):
        luck += weight * K
    luck += _more(luck, whole, rows, beside)
    return luck


def _more(luck: np.ndarray, whole: np.ndarray, rows: np.ndarray, beside: np.ndarray) -> np.ndarray:
    """The covariance (n, n) of the luck that points have beyond that which was found of some `rows`; none of these.

    By contrasts (whole, k) of the points that have all parts, and of their neighbours among the others. It is added:
    were the luck that all have in common larger for some, these would differ by far more than any contrast shows.
    """
    more, others = np.zeros_like(luck), np.flatnonzero(~np.isin(whole, rows))
    if not len(others):
        return more
    at = whole[others]
    expected = np.diag(luck)[at] + luck[np.ix_(rows, rows)].mean() - 2.0 * luck[np.ix_(at, rows)].mean(axis=1)
    squares = (beside[others] ** 2).sum(axis=1) / np.maximum(expected, LEAST)
    scales = np.sqrt(np.diag(luck)[at])
    near = (luck[np.ix_(at, at)] / np.outer(scales, scales)) ** NEAR
    freedom = beside.shape[1] * near.sum(axis=1)
    beyond = np.sqrt(expected * np.maximum((near @ squares + USUAL) / (freedom + USUAL) - 1.0, 0.0))
    more[np.ix_(at, at)] = near * np.outer(beyond, beyond)
    return more


def _contrasts(own: np.ndarray) -> np.ndarray:
    """(p, k) contrasts of parts whose luck has this correlation, each column sums to 0: they have luck of their own.

    What repetitions of a cross-validation differ by is next to no luck, and tells none.
    """
    center = np.eye(len(own)) - 1.0 / len(own)
    variances, axes = np.linalg.eigh(center @ own @ center)
    kept = variances > SEEN
    contrasts: np.ndarray = axes[:, kept] / np.sqrt(variances[kept])
    return contrasts
