"""Schedulers under the names and with the settings of Optuna's pruners; see kilter.schedulers for all that there are.

    kilter.create_study(pruner=kilter.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=10))

Each function returns one of our schedulers, which is what the log keeps. The settings that mean the same are carried
over. How often a rule is applied (`interval_steps`) has no counterpart: ours are asked at every report.
"""

from __future__ import annotations

import warnings
from math import log
from typing import Any

from kilter.core.errors import InvalidInput
from kilter.guests import BasePruner
from kilter.schedulers.asha import ASHAScheduler
from kilter.schedulers.fifo import FifoScheduler
from kilter.schedulers.hyperband import HyperbandScheduler
from kilter.schedulers.median import MedianScheduler, PercentileScheduler
from kilter.schedulers.patient import INNER, PatientScheduler
from kilter.schedulers.race import RaceScheduler
from kilter.schedulers.threshold import ThresholdScheduler

__all__ = [
    "BasePruner",
    "HyperbandPruner",
    "MedianPruner",
    "NopPruner",
    "PatientPruner",
    "PercentilePruner",
    "SuccessiveHalvingPruner",
    "ThresholdPruner",
    "WilcoxonPruner",
]

# ruff: noqa: N802  # functions under the names of Optuna's classes


def MedianPruner(
    n_startup_trials: int = 5, n_warmup_steps: int = 0, interval_steps: int = 1, *, n_min_trials: int = 1
) -> MedianScheduler:
    """The median rule: `n_startup_trials` others must have come as far, and nobody ends before `n_warmup_steps`.

    >>> MedianPruner(n_startup_trials=3, n_warmup_steps=10)
    MedianScheduler(grace=10, startup=3, percentile=50.0)
    """
    _told("MedianPruner", interval_steps=(interval_steps, 1))
    return MedianScheduler(grace=n_warmup_steps, startup=max(n_startup_trials, n_min_trials, 1))


def PercentilePruner(
    percentile: float,
    n_startup_trials: int = 5,
    n_warmup_steps: int = 0,
    interval_steps: int = 1,
    *,
    n_min_trials: int = 1,
) -> PercentileScheduler:
    """The median rule with another percentile: with 25 a trial must keep up with the best quarter."""
    _told("PercentilePruner", interval_steps=(interval_steps, 1))
    startup = max(n_startup_trials, n_min_trials, 1)
    return PercentileScheduler(grace=n_warmup_steps, startup=startup, percentile=percentile)


def SuccessiveHalvingPruner(
    min_resource: str | int = "auto",
    reduction_factor: int = 4,
    min_early_stopping_rate: int = 0,
    bootstrap_count: int = 0,
) -> ASHAScheduler:
    """Asynchronous successive halving that ends trials and never puts one aside, as Optuna's.

    The first rung is at step `min_resource` · `reduction_factor` ** `min_early_stopping_rate`; "auto" is step 1.

    >>> SuccessiveHalvingPruner(min_resource=2, reduction_factor=3).grace
    2
    """
    _told("SuccessiveHalvingPruner", bootstrap_count=(bootstrap_count, 0))
    first = 1 if isinstance(min_resource, str) else min_resource
    return ASHAScheduler(
        eta=float(reduction_factor), grace=first * reduction_factor**min_early_stopping_rate, waits=False
    )


def HyperbandPruner(
    min_resource: int = 1, max_resource: str | int = "auto", reduction_factor: int = 3, bootstrap_count: int = 0
) -> HyperbandScheduler:
    """Successive halving from several first rungs; `max_resource` says how many, "auto" is three.

    >>> HyperbandPruner(max_resource=81).brackets
    5
    """
    _told("HyperbandPruner", bootstrap_count=(bootstrap_count, 0))
    brackets = HyperbandScheduler.brackets
    if not isinstance(max_resource, str):
        brackets = 1 + int(log(max_resource / min_resource, reduction_factor) + 1e-9)
    return HyperbandScheduler(grace=min_resource, eta=float(reduction_factor), brackets=brackets)


def NopPruner() -> FifoScheduler:
    """Ends no trial."""
    return FifoScheduler()


def ThresholdPruner(
    lower: float | None = None, upper: float | None = None, n_warmup_steps: int = 0, interval_steps: int = 1
) -> ThresholdScheduler:
    """Ends a trial at its first report outside the bounds, or that is NaN, from step `n_warmup_steps` on."""
    if lower is None and upper is None:
        raise InvalidInput("ThresholdPruner: give lower=, upper= or both")
    _told("ThresholdPruner", interval_steps=(interval_steps, 1))
    return ThresholdScheduler(lower, upper, grace=n_warmup_steps, times=1)


def PatientPruner(wrapped_pruner: Any, patience: int, min_delta: float = 0.0) -> PatientScheduler:
    """Ends a trial that has not improved for `patience` reports, where the wrapped one would end it too.

    The wrapped one is a median, percentile or threshold rule, or None. Raises InvalidInput for others.
    """
    kinds = {type(scheduler): name for name, scheduler in INNER.items()}
    if wrapped_pruner is not None and type(wrapped_pruner) not in kinds:
        raise InvalidInput(f"PatientPruner({wrapped_pruner!r}, …) can wrap one of {', '.join(INNER)}, or None")
    inner = None if wrapped_pruner is None else kinds[type(wrapped_pruner)]
    if inner is not None and wrapped_pruner != INNER[inner]:
        warnings.warn(f"PatientPruner asks {inner!r} with its defaults, not {wrapped_pruner!r}", stacklevel=2)
    return PatientScheduler(patience=max(patience, 1), tolerance=min_delta, inner=inner)


def WilcoxonPruner(*, p_threshold: float = 0.1, n_startup_steps: int = 2) -> RaceScheduler:
    """Compares trials instance by instance, and ends those that have little chance left to be the best on all of them.

    The step of a report is the instance, as with Optuna; `p_threshold` is the chance. The rule is that of `race`.
    """
    _told("WilcoxonPruner", n_startup_steps=(n_startup_steps, 2))
    return RaceScheduler(chance=p_threshold, by_step=True, repeats=0.0)


def _told(pruner: str, **settings: tuple[Any, Any]) -> None:
    """Warn of settings that change nothing here, where they are not what they are by default."""
    for name, (given, usual) in settings.items():
        if given != usual:
            warnings.warn(f"{pruner}: {name}={given!r} has no counterpart here and changes nothing", stacklevel=3)


def __dir__() -> list[str]:
    return list(__all__)
