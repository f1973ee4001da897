"""Importance without a model: how differently trials of different ranks are spread over each parameter.

PED-ANOVA (Watanabe, Bansal and Hutter 2023) asks which trials are among the best γ, and shows that what a parameter
explains of that is the Pearson divergence of two densities, of the best and of all:

    V_j / V  =  γ / (1 - γ) Σ_g p_all(g) (p_best(g) / p_all(g) - 1)²

With densities that are constant over bins this is the variance between bins of a one-way analysis of variance. So it
stays one for any other response. Two are used:

    r = [rank ≤ γ n]       that of the paper, where a quantile γ is given
    r = -log(rank / n)     = ∫ [rank ≤ γ n] dγ / γ: all quantiles at once, small ones as much as large ones

Bins hold about as many trials each, so that no unit of a parameter is of account, and options have one each. From the
variance between bins goes what chance alone would put there (Kelley 1935, ε²), since of ten trials the best are never
spread as all are. A parameter that is active in some trials is looked at in those, as "Conditional PED-ANOVA" does.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from kilter.analysis.explanation import Explanation, Observed, quantile_bins

PER_ROOT = 0.8
"""Bins for each root of the number of trials: 8 of 100, the fewest errors of shares in simulations."""
MOST = 64
"""Bins, at most."""


def explained(observed: Observed, quantile: float | None = None) -> Explanation:
    """The share of each dimension in a trial's rank, or in its being among the best `quantile`."""
    response = _response(observed.losses, quantile)
    effects = [_effect(column, response, is_option) for column, is_option in zip(observed.points.T, observed.is_option)]
    share, deviation = np.array(effects).reshape(-1, 2).T
    return Explanation.around("pedanova", observed, share, deviation)


def _response(losses: np.ndarray, quantile: float | None) -> np.ndarray:
    n = len(losses)
    if quantile is None:
        return np.asarray(-np.log((rankdata(losses) - 0.5) / n))
    cut = np.sort(losses)[int(np.ceil(quantile * n)) - 1]
    return np.asarray(losses <= cut, dtype=float)


def _effect(column: np.ndarray, response: np.ndarray, is_option: bool) -> tuple[float, float]:
    """The share of the variance of a response (n,) that lies between the bins of a parameter, and its standard error.

    The error is that of the influence of each trial on the share, and, since that is none where there is no effect,
    of what is left between bins by chance.
    """
    n, active = len(response), ~np.isnan(column)
    centred = response - response.mean()
    total = float((centred**2).mean())
    if not (total > 0 and active.sum() > 1):
        return 0.0, 0.0
    values, own = column[active], response[active] - response[active].mean()
    bins = values.astype(int) if is_option else quantile_bins(values, _most(len(values)))
    count, sums = np.bincount(bins), np.bincount(bins, own)
    k = int((count > 0).sum())
    if k < 2 or len(values) <= k:
        return 0.0, 0.0
    mean = (sums / np.maximum(count, 1))[bins]
    rest = own - mean
    by_chance = (k - 1) * float((rest**2).sum()) / (len(values) - k)
    share = (float((mean**2).sum()) - by_chance) / (n * total)
    influence = -max(share, 0.0) * centred**2
    influence[active] += mean**2 + 2.0 * mean * rest
    variance = float(influence.var()) / n + 2.0 * (by_chance / n) ** 2 / (k - 1)
    return share, variance**0.5 / total


def _most(n: int) -> int:
    return int(np.clip(round(PER_ROOT * np.sqrt(n)), 2, MOST))
