"""Where a trial's learning curve is heading, for people to see."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from kilter.core.events import TrialState
from kilter.core.history import History
from kilter.models.curves import EARLIER, Curve, predict


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
