"""How far the surrogate is to be trusted: each trial's value beside what the others say of it.

    μ_i = y_i - [K⁻¹ y]_i / [K⁻¹]_ii      σ²_i = 1 / [K⁻¹]_ii

These are the mean and variance without trial i (equations 5.10 to 5.12 of Rasmussen & Williams 2006); what was fitted,
θ, is that of all trials, so this is a little kinder than the truth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from kilter.analysis.beliefs import Believed, believed
from kilter.core.history import History

INSIDE = 0.8
"""The probability with which a value lies in its interval."""
REACH = float(ndtri(0.5 + INSIDE / 2))


@dataclass(frozen=True, eq=False)
class Quality:
    """How well the surrogate predicts trials that it has not seen; values in the objective's own unit."""

    objective: str
    trials: int
    """Trials that are complete with finite values; of very many a sample is looked at, `numbers`."""
    numbers: np.ndarray
    """(n,)"""
    observed: np.ndarray
    """(n,)"""
    predicted: np.ndarray
    """(n,), from the other trials."""
    low: np.ndarray
    """(n,)"""
    high: np.ndarray
    """(n,). The value lies between `low` and `high` with probability 0.8, as the model believes."""
    deviation: np.ndarray
    """(n,), how far the value is from what was predicted, in the standard deviations that the model gives it."""
    r2: float
    """The share of the variance that is predicted: 1 is perfect, 0 and less as good as the mean. Counted in the
    surrogate's scale, where values that are far worse than most are drawn in. NaN where all values are equal."""
    rank_correlation: float
    """Spearman's, of values and predictions; NaN where either are all equal."""
    coverage: float
    """The share of the values that lie in their intervals; 0.8 is right, less is overconfident."""
    noise: float
    """The share of the variance that the model takes for noise."""


def quality(history: History, objective: int | str = 0, seed: int = 0) -> Quality:
    """Leave-one-out predictions of an objective; raises NotReady before three trials are complete.

    >>> from kilter import Float, create_study
    >>> study = create_study(space={"x": Float(0, 1), "y": Float(0, 1)}, seed=0, sampler="random")
    >>> study.optimize(lambda x, y: x + y * y, n_trials=30, progress="none")
    >>> quality(study.history).r2 > 0.99
    True
    """
    model = believed(history, objective, seed)
    posterior = model.belief.posterior
    precision = np.diagonal(posterior.inverse)
    mean, sd = posterior.y - posterior.alpha / precision, np.sqrt(1.0 / precision)
    low, high = model.interval(mean, REACH * sd)
    observed, predicted = model.objective.sign * model.values, model.own(mean)
    return Quality(
        objective=model.objective.name,
        trials=model.trials,
        numbers=model.numbers,
        observed=observed,
        predicted=predicted,
        low=low,
        high=high,
        deviation=(posterior.y - mean) / sd,
        r2=predicted_share(model.straight(posterior.y), model.straight(mean)),
        rank_correlation=_correlation(rankdata(observed), rankdata(predicted)),
        coverage=float((np.abs(posterior.y - mean) <= REACH * sd).mean()),
        noise=posterior.noise / (posterior.noise + posterior.signal),
    )


def left_out(model: Believed) -> np.ndarray:
    """What the other trials say of each, in the surrogate's scale, (n,)."""
    posterior = model.belief.posterior
    means: np.ndarray = posterior.y - posterior.alpha / np.diagonal(posterior.inverse)
    return means


def predicted_share(observed: np.ndarray, predicted: np.ndarray) -> float:
    """R²: one minus the mean square of what is left, as a share of the variance; NaN where there is none."""
    variance = float(observed.var())
    return 1.0 - float(((observed - predicted) ** 2).mean()) / variance if variance > 0 else float("nan")


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 0 and b.std() > 0 else float("nan")
