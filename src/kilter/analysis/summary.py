"""What there is to say of a study at a glance."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kilter.analysis.convergence import candidates, convergence
from kilter.analysis.failures import counted
from kilter.analysis.pace import pace
from kilter.analysis.savings import Savings
from kilter.core.events import TrialState
from kilter.core.history import History, Record

if TYPE_CHECKING:
    from kilter.engine.limits import Ledger

HOUR = 3600.0
BARS = 40
"""Values of the course of a study, at most."""


@dataclass(frozen=True)
class Goal:
    """An objective: a metric, and the direction in which it is better."""

    name: str
    direction: str


@dataclass(frozen=True)
class Running:
    """A trial that runs, and what it reported last."""

    number: int
    started: float
    """Seconds since the epoch; NaN where unknown."""
    seconds: float
    """For how long it has run."""
    step: int | None
    """None before it has reported."""
    value: float
    """The first objective at that step, in its own unit; NaN where that was not reported."""
    worker: str | None


@dataclass(frozen=True)
class Failures:
    """Trials that failed in one way."""

    kind: str
    count: int
    latest: int
    """The number of the last one."""


@dataclass(frozen=True)
class Summary:
    """A study at a glance; all values are in the objectives' own units."""

    objectives: tuple[Goal, ...]
    constraints: tuple[str, ...]
    trials: int
    states: Mapping[str, int]
    """By the name of a state how many trials are in it; states that no trial is in are left out."""
    forgiven: int
    """Failures that no longer count: from before the objective changed, or tried again."""
    best: int | None
    """The number of the best trial; None where there is none, and with several objectives."""
    value: float | None
    params: Mapping[str, Any]
    """The best trial's configuration by declared names, in plain values."""
    front: tuple[int, ...]
    """With several objectives the trials that no other one beats in all of them."""
    baseline: int | None
    """The first trial that could have been the best: that of the defaults, where the space has them."""
    gain: float | None
    """How much better than that one the best is, 0 or more whichever the direction; None with several objectives."""
    rate: float
    """Trials that end in an hour, at the pace of the latest, breaks between runs left out; 0 before one has ended."""
    seconds: float
    """How long trials ran, all together."""
    saved_share: float
    """The steps that early stopping saved, of all that there would have been."""
    saved_seconds: float
    running: tuple[Running, ...]
    failures: tuple[Failures, ...]
    """The most frequent first; those that are forgiven are left out."""
    last_activity: float | None
    """When a trial last began or ended, in seconds since the epoch."""
    since_best: int
    """How many trials have ended since the best one did, or the last one of the front."""
    progress: tuple[float, ...]
    """The best value so far at up to 40 even counts of trials that ended; nothing with several objectives."""


def summary(history: History, now: float, *, ledger: Ledger | None = None) -> Summary:
    """A study as it is `now`, in seconds since the epoch; `ledger` is that of its replica, where there is one.

    >>> from kilter import Float, create_study
    >>> study = create_study(space={"x": Float(0, 1, default=0.9)}, seed=0)
    >>> study.optimize(lambda x: (x - 0.3) ** 2, n_trials=20, progress="none")
    >>> found = summary(study.history, now=0.0)
    >>> found.states, found.baseline, round(found.gain, 2)
    ({'COMPLETE': 20}, 0, 0.36)
    """
    problem, is_single = history.problem, len(history.problem.objectives) == 1
    course, good = convergence(history), np.flatnonzero(candidates(history))
    best = int(course.numbers[-1]) if is_single and len(course.numbers) else None
    baseline = int(good[0]) if len(good) else None
    front = () if is_single else tuple(trial.number for trial in history.front())
    saved = Savings.of(history)
    return Summary(
        objectives=tuple(Goal(objective.name, objective.direction) for objective in problem.objectives),
        constraints=tuple(map(str, problem.constraints)),
        trials=len(history),
        states=_states(history),
        forgiven=history.forgiven,
        best=best,
        value=None if best is None else float(course.best[-1]),
        params={} if best is None else problem.space.whole(history[best].params),
        front=front,
        baseline=baseline,
        gain=None
        if best is None or baseline is None
        else float(history.values[baseline, 0]) - float(history.values[best, 0]),
        rate=HOUR * pace(history, history.finished) if history.finished else 0.0,
        seconds=_seconds(history) if ledger is None else ledger.cost,
        saved_share=saved.share,
        saved_seconds=saved.seconds,
        running=tuple(_running(history, trial, now) for trial in history.running.values()),
        failures=_failures(history),
        last_activity=_last_activity(history),
        since_best=_since(history, front if best is None else (best,)),
        progress=progress(history),
    )


def _states(history: History) -> dict[str, int]:
    counts = Counter(history.states.tolist())
    return {state.name: counts[state] for state in TrialState if counts[state]}


def _seconds(history: History) -> float:
    return float(sum(trial.seconds for trial in history if math.isfinite(trial.seconds)))


def _running(history: History, trial: Record, now: float) -> Running:
    objective = history.problem.objectives[0]
    steps, values = history.reports.curve(trial.number, objective.name)
    started = math.nan if trial.started is None else trial.started
    return Running(
        number=trial.number,
        started=started,
        seconds=max(now - started, 0.0),
        step=int(steps[-1]) if len(steps) else None,
        value=float(values[-1]) if len(values) else math.nan,
        worker=trial.worker,
    )


def _failures(history: History) -> tuple[Failures, ...]:
    found = (Failures(kind, count, latest) for kind, (count, latest) in counted(history).items())
    return tuple(sorted(found, key=lambda failures: -failures.count))


def _last_activity(history: History) -> float | None:
    """Trials are created and end in order, nearly: the last of each decide, and all that run."""
    latest = [*history.running.values(), *(history[number] for number in history.finished[-1:]), *history.trials[-1:]]
    times = [time for trial in latest for time in (trial.created, trial.started, trial.ended) if time]
    return max(times, default=None)


def _since(history: History, numbers: tuple[int, ...]) -> int:
    wanted = set(numbers)
    reversed_places = (since for since, number in enumerate(reversed(history.finished)) if number in wanted)
    return next(reversed_places, len(history.finished))


def progress(history: History) -> tuple[float, ...]:
    """The best value so far at up to 40 even counts of trials that ended; nothing with several objectives."""
    course = convergence(history)
    if not len(course.x) or len(history.problem.objectives) > 1:
        return ()
    counts = np.unique(np.linspace(course.x[0], len(history.finished), BARS).astype(int))
    return tuple(course.best[np.searchsorted(course.x, counts, side="right") - 1].tolist())
