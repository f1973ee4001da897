"""Learning curves for people to see: where those of a study lie, and where that of one trial is heading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from kilter.core.errors import UnknownName
from kilter.core.events import TrialState
from kilter.core.history import History
from kilter.models.curves import EARLIER, Curve, predict

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
"""Of the values at a step."""
STEPS = 500
"""Steps of a band at most; of more, neighbours are taken together, and a trial counts there with its latest value."""


@dataclass(frozen=True, eq=False)
class TrialCurve:
    """What one trial reported of a metric, in the order of steps."""

    number: int
    state: TrialState
    steps: np.ndarray
    """(k,)"""
    values: np.ndarray
    """(k,)"""


@dataclass(frozen=True, eq=False)
class Curves:
    """What trials reported of a metric: quantiles over all of them at each step, and some of them one by one."""

    metric: str
    direction: str | None
    """Of the objective that it is; None for another metric."""
    steps: np.ndarray
    """Ascending, (s,)."""
    quantiles: np.ndarray
    """Values at each step that 10, 25, 50, 75 and 90 % of the trials are below, (5, s)."""
    count: np.ndarray
    """How many trials reported a finite value there, (s,)."""
    top: tuple[TrialCurve, ...]
    """Curves of the best trials, the best first."""
    chosen: tuple[TrialCurve, ...]
    """Curves of the trials that were asked for."""
    metrics: tuple[str, ...]
    """All that was ever reported."""


def bands(history: History, metric: str | None = None, *, top: int = 5, numbers: Sequence[int] = ()) -> Curves:
    """Where the curves of a metric lie, by default of the first objective; reports of single folds are left out.

    `top` is how many of the best trials' curves come along, `numbers` says which others do. Raises UnknownName for a
    metric that is no objective and was never reported.

    >>> from kilter.core.events import Report
    >>> from kilter.core.history import Record
    >>> from kilter.core.problem import Problem
    >>> history = History(Problem())
    >>> for number in range(5):
    ...     history.add(Record(number, TrialState.RUNNING, {}))
    ...     history.reports.extend(number, tuple(Report(step, {"value": number / step}) for step in (1, 2)))
    >>> found = bands(history)
    >>> found.steps.tolist(), found.quantiles[2].tolist(), found.count.tolist()
    ([1, 2], [2.0, 1.0], [5, 5])
    """
    objectives = {objective.name: objective for objective in history.problem.objectives}
    name = history.problem.objectives[0].name if metric is None else metric
    reported = tuple(history.reports.metrics)
    if name not in objectives and name not in reported:
        raise UnknownName.of("metric", name, [*objectives, *reported])
    steps, quantiles, count = _quantiles(history, name)
    best = _best(history, top) if top > 0 else []
    return Curves(
        metric=name,
        direction=objectives[name].direction if name in objectives else None,
        steps=steps,
        quantiles=quantiles,
        count=count,
        top=tuple(_one(history, number, name) for number in best),
        chosen=tuple(_one(history, number, name) for number in numbers),
        metrics=reported,
    )


def _quantiles(history: History, metric: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Steps (s,), quantiles (5, s) and counts (s,) of the finite values of a metric."""
    reports = history.reports.arrays()
    values = reports.get(f"metric {metric}", np.full(history.reports.count, np.nan))
    rows = np.flatnonzero((reports["fold"] < 0) & np.isfinite(values))
    trial, step, values = reports["trial"][rows], reports["step"][rows], values[rows]
    steps, place = np.unique(step, return_inverse=True)
    if len(steps) > STEPS:
        group = np.arange(len(steps)) * STEPS // len(steps)
        place, steps = group[place], steps[np.flatnonzero(np.diff(group, append=STEPS))]
    order = np.argsort(place, kind="stable")
    borders = np.searchsorted(place[order], np.arange(len(steps) + 1))
    latest = np.zeros(len(history), dtype=int)
    quantiles, count = np.empty((len(QUANTILES), len(steps))), np.empty(len(steps), dtype=int)
    for i in range(len(steps)):
        here = order[borders[i] : borders[i + 1]]
        latest[trial[here]] = here  # of several reports of one trial the last one is written last
        known = values[here[latest[trial[here]] == here]]
        quantiles[:, i], count[i] = _spread(known), len(known)
    return steps, quantiles, count


def _spread(values: np.ndarray) -> np.ndarray:
    """The five quantiles; unlike NumPy's they are in order for values that are far apart, too."""
    place = (len(values) - 1) * np.array(QUANTILES)
    low, high, weight = np.floor(place).astype(int), np.ceil(place).astype(int), place % 1
    ordered = np.sort(values)
    spread: np.ndarray = np.clip(ordered[low] * (1 - weight) + ordered[high] * weight, ordered[low], ordered[high])
    return spread


def _best(history: History, top: int) -> list[int]:
    """The best complete trials that reported, by the first objective; before there are any, those that report best."""
    objective, furthest = history.problem.objectives[0], history.reports.furthest
    loss = np.where((history.states == TrialState.COMPLETE) & (history.violations == 0.0), history.values[:, 0], np.nan)
    loss[[number for number in range(len(history)) if number not in furthest]] = np.nan
    if not np.isfinite(loss).any():
        reports = history.reports.arrays()
        rows = np.flatnonzero(reports["fold"] < 0)
        if f"metric {objective.name}" in reports:
            loss[reports["trial"][rows]] = objective.sign * reports[f"metric {objective.name}"][rows]
    return [int(number) for number in np.argsort(loss, kind="stable")[:top] if np.isfinite(loss[number])]


def _one(history: History, number: int, metric: str) -> TrialCurve:
    steps, values = history.reports.curve(number, metric)
    order = np.argsort(steps, kind="stable")
    return TrialCurve(number, history[number].state, steps[order], values[order])


@dataclass(frozen=True)
class Forecast:
    """What is believed of the value with which a trial ends, in the objective's own unit and direction."""

    horizon: int
    """The step at which trials end."""
    mean: float
    low: float
    high: float
    """The value lies between `low` and `high` with probability 0.8."""
    probability: float | None
    """That it beats the best complete trial; None before there is one."""


def forecast(history: History, number: int, horizon: int | None = None) -> Forecast | None:
    """The forecast of the first objective for a trial that has reported and is not complete; None for others.

    The horizon is the highest step of the problem's only fidelity, or the furthest step of a complete trial, where it
    is not given; without any of these, and for a trial that went further, there is nothing to forecast.

    >>> from kilter.core.events import Report
    >>> from kilter.core.history import Record
    >>> from kilter.core.problem import Problem
    >>> history = History(Problem())
    >>> history.add(Record(0, TrialState.RUNNING, {}))
    >>> history.reports.extend(0, tuple(Report(step, {"value": 0.2 + 1 / step}) for step in range(1, 11)))
    >>> ahead = forecast(history, 0, horizon=50)
    >>> ahead.low < ahead.mean < 0.3 < ahead.high, ahead.probability
    (True, None)
    """
    objective, fidelities = history.problem.objectives[0], history.problem.fidelities
    trial = history[number]
    curve = _curve(history, number)
    if curve is None or trial.state is TrialState.COMPLETE:
        return None
    complete = [other for other in map(history.__getitem__, history.finished) if other.state is TrialState.COMPLETE]
    if horizon is None and len(fidelities) == 1:
        horizon = fidelities[0].step(fidelities[0].high)
    if horizon is None:
        horizon = max((history.reports.furthest.get(other.number, 0) for other in complete), default=0)
    if horizon < curve.steps[-1]:
        return None
    known = (_curve(history, other.number) for other in reversed(complete))
    ahead = predict(curve, horizon, list(islice((other for other in known if other is not None), EARLIER)))
    values = [float(history.values[t.number, 0]) for t in complete if history.problem.is_feasible(t.metrics)]
    best = min(values, default=None)
    low, high = sorted(objective.sign * ahead.quantile(probability) for probability in (0.1, 0.9))
    chance = None if best is None else ahead.probability_below(best)
    return Forecast(horizon, objective.sign * ahead.mean, low, high, chance)


def _curve(history: History, number: int) -> Curve | None:
    """The curve of a trial, smaller is better, with the value that it returned as its end where it is complete."""
    objective, trial = history.problem.objectives[0], history[number]
    steps, values = history.reports.curve(number, objective.name)
    end = float(history.values[number, 0]) if trial.state is TrialState.COMPLETE else None
    return Curve.of(steps, objective.sign * values, end)
