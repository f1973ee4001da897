"""What trackers of experiments share: the events of a study, folded into the trials that they show.

A tracker of another library is a Tracker with that library's way to open a study and a trial, and to write to them:

    from kilter.integrations.tracking import Tracker

    class Printed(Tracker):
        def start(self, trial): print("trial", trial.number, trial.budget)
        def end(self, trial): print("trial", trial.number, trial.state.name, trial.metrics)
        ...

    kilter.tune(train, space, n_trials=50, observers=[Printed()])

Configurations are told in their plain form, {"optimizer": "adam", "lr": 0.01}: an object by its name.
"""

from __future__ import annotations

import inspect
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, NamedTuple, Protocol, TypeVar

from kilter.core.attributes import DEFAULT
from kilter.core.errors import NotReady
from kilter.core.events import (
    LOST,
    Created,
    Dropped,
    Ended,
    Enqueued,
    Event,
    Failure,
    Noted,
    Report,
    Reported,
    Started,
    TrialState,
)
from kilter.core.parameter import Plain
from kilter.core.problem import Problem
from kilter.engine.lifecycle import state_after

T = TypeVar("T")

HELLO, PATIENCE = 5.0, 60.0
"""Seconds in which a tracker's own thread has to learn of a study, and to open a trial, for others to use."""

TICK = 0.05
"""Seconds between two looks whether it has."""


class Numbered(Protocol):
    """A trial, as an objective or a study has it."""

    @property
    def number(self) -> int: ...


class Row(NamedTuple):
    """Values at a step, by the name of their curve: the metric, or metric/fold-2 for one of a single fold."""

    step: int
    values: dict[str, float]


@dataclass(frozen=True)
class TrackedStudy:
    """A study; `id` is its own, the same in each process and after each restart."""

    name: str
    problem: Problem
    id: str
    made_with: Mapping[str, str]
    """The names of the sampler and the scheduler that it was made with, and its seed."""

    @property
    def facts(self) -> dict[str, str]:
        """What is to be known of it, as text."""
        directions = {objective.name: objective.direction for objective in self.problem.objectives}
        return {"study": self.name, "directions": json.dumps(directions), **self.made_with}


@dataclass
class TrackedTrial:
    """A trial as far as it has been told here."""

    number: int
    attempt: int = 1
    state: TrialState = TrialState.RUNNING
    """WAITING after an attempt that was interrupted, or whose worker vanished: another one will follow."""
    params: dict[str, Plain] = field(default_factory=dict)
    """Where the objective suggests its parameters they are known at the end of an attempt only."""
    proposed: dict[str, Plain] = field(default_factory=dict)
    """What the attempt began with; an objective that suggests may take something else."""
    budget: dict[str, float] = field(default_factory=dict)
    parent: int | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    failure: Failure | None = None
    attrs: dict[str, Any] = field(default_factory=dict)
    judged: bool = True
    """Whether it is one of the search, not one that measures another trial once more."""
    losses: int = 0
    """How many of its attempts ended because their process did."""
    last: Row = field(default_factory=lambda: Row(0, {}))
    """The latest step, and the latest value of each curve."""

    @property
    def facts(self) -> dict[str, str]:
        """What is to be known of it beside its parameters and metrics, as text; the same names each time."""
        failure = f"{self.failure.kind}: {self.failure.message}" if self.failure else ""
        return {
            "trial": str(self.number),
            "attempt": str(self.attempt),
            "state": self.state.name,
            "parent": "" if self.parent is None else str(self.parent),
            "budget": json.dumps(self.budget) if self.budget else "",
            "failure": failure,
        }


class Tracker:
    """An observer that folds events into trials; a subclass says what to do with them.

    One study at a time: it forgets one when another begins. What happened before it was told, or elsewhere, it does not
    know, so a method may be called for a trial that was never started here.

    Where an objective goes to another process with a tracker, a copy goes that knows the study and has nothing open.
    """

    def __init__(self) -> None:
        self.time = 0.0
        """When what is being told happened, in seconds since the epoch."""
        self.newest = 0
        """The largest number of a trial so far: where the best value is shown, whose own number may be smaller."""
        self._trials: dict[int, TrackedTrial] = {}
        self._study: TrackedStudy | None = None
        self._has_failed = False

    @property
    def study(self) -> TrackedStudy:
        """The study that is tracked; raises NotReady where there is none."""
        return self.awaited(lambda: self._study, HELLO, "is told of no study: use it while it observes one")

    def awaited(self, find: Callable[[], T | None], seconds: float, otherwise: str) -> T:
        """What the tracker's thread is about to make, for other threads; raises NotReady where it does not come."""
        until = time.monotonic() + seconds
        while (found := find()) is None:
            if self._has_failed or time.monotonic() > until:
                raise NotReady(f"{type(self).__name__} {'has failed' if self._has_failed else otherwise}")
            time.sleep(TICK)
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        settings = {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}
        return _copied, (type(self), settings, self.study)

    # -- for a subclass to say ------------------------------------------------------------------------------------

    def begin(self) -> None:
        """A study begins, or goes on: self.study."""
        raise NotImplementedError

    def start(self, trial: TrackedTrial) -> None:
        """An attempt at a trial begins."""
        raise NotImplementedError

    def know(self, trial: TrackedTrial, params: Mapping[str, Plain]) -> None:
        """Parameters of a trial that were not known before; each is told once."""
        raise NotImplementedError

    def report(self, trial: TrackedTrial, rows: Iterable[Row]) -> None:
        """New values of a trial; final ones that no report had are at the last step."""
        raise NotImplementedError

    def end(self, trial: TrackedTrial) -> None:
        """An attempt ended, as trial.state says: finished, paused, or waiting for the next one."""
        raise NotImplementedError

    def note(self, number: int | None, attrs: Mapping[str, Any]) -> None:
        """Attributes of a trial or, with None, of the study."""
        raise NotImplementedError

    def best(self) -> float | None:
        """The best value so far of the only objective as the tracker's own records have it, or None."""
        raise NotImplementedError

    def improve(self, trial: TrackedTrial, value: float) -> None:
        """A trial is complete, feasible, and better than best()."""
        raise NotImplementedError

    def flush(self) -> None:
        """All that there was to say of an event has been said."""

    def close(self) -> None:
        """The observation ends; a subclass closes what it has opened, and calls this last."""
        self._study, self._trials = None, {}

    # -- the fold -------------------------------------------------------------------------------------------------

    def __call__(self, study_name: str, event: Event) -> None:
        """Take in an event of the study; an Observer."""
        try:
            self._take(study_name, event)
        except BaseException:
            self._has_failed = True  # so that nobody waits for it
            raise

    def _take(self, study_name: str, event: Event) -> None:
        self.time = event.time
        if isinstance(event, Created):
            self.newest, self._trials, self._has_failed = 0, {}, False
            self._study = _tracked(study_name, event)
            self.begin()
        elif isinstance(event, Enqueued):
            if event.number is not None:
                trial = self._trial(event.number)
                trial.attrs.update(event.attrs)
                trial.judged = event.judged or event.attrs.get(DEFAULT) is True
        elif isinstance(event, Started):
            self._start(event)
        elif isinstance(event, Reported):
            self._report(self._trial(event.number), event.reports)
        elif isinstance(event, Ended):
            # What a worker that vanished has left running is for that one's tracker to show.
            if not event.late and (event.number in self._trials or not _is_lost(event)):
                self._end(event)
        elif isinstance(event, Dropped):
            trial = self._trial(event.number)
            trial.state = TrialState.PRUNED
            self._finish(trial)
        elif isinstance(event, Noted):
            if event.number in self._trials:
                self._trials[event.number].attrs.update(event.attrs)
            self.note(event.number, event.attrs)
        self.flush()

    def _trial(self, number: int) -> TrackedTrial:
        return self._trials.setdefault(number, TrackedTrial(number))

    def _start(self, event: Started) -> None:
        trial = self._trial(event.number)
        self.newest = max(self.newest, event.number)
        trial.attempt, trial.state, trial.failure = event.attempt, TrialState.RUNNING, None
        trial.parent = event.parent if event.parent is not None else trial.parent
        trial.budget = dict(event.budget or {})
        trial.judged = trial.judged and event.confirms is None
        self.start(trial)
        if trial.attrs:
            self.note(trial.number, trial.attrs)
        trial.proposed = dict(event.params)
        if len(self.study.problem.space):  # else the objective may still suggest something else
            self._know(trial, trial.proposed)

    def _know(self, trial: TrackedTrial, params: Mapping[str, Plain]) -> None:
        new = {name: value for name, value in params.items() if name not in trial.params}
        trial.params.update(params)
        if new:
            self.know(trial, new)

    def _report(self, trial: TrackedTrial, reports: Iterable[Report]) -> None:
        rows = [Row(r.step, _curves(r)) for r in reports]
        for row in rows:
            trial.last = Row(max(trial.last.step, row.step), {**trial.last.values, **row.values})
        if rows:
            self.report(trial, rows)

    def _end(self, event: Ended) -> None:
        trial = self._trial(event.number)
        self._report(trial, event.reports)
        trial.metrics, trial.failure = dict(event.metrics), event.failure
        trial.losses += _is_lost(event)
        trial.state = state_after(event, trial.losses)
        if trial.state is not TrialState.WAITING:
            self._know(trial, trial.proposed if event.params is None else event.params)
        self._finish(trial)

    def _finish(self, trial: TrackedTrial) -> None:
        if trial.state.is_finished():
            known = trial.last.values
            new = {name: value for name, value in trial.metrics.items() if known.get(name) != value}
            if new:
                self.report(trial, [Row(trial.last.step, new)])
            self._crown(trial)
        self.end(trial)
        if trial.state.is_finished():
            del self._trials[trial.number]

    def _crown(self, trial: TrackedTrial) -> None:
        problem = self.study.problem
        is_candidate = trial.state is TrialState.COMPLETE and trial.judged
        if len(problem.objectives) > 1 or not is_candidate or not problem.is_feasible(trial.metrics):
            return
        (objective,) = problem.objectives
        best = self.best()
        if best is None or objective.loss(trial.metrics) < objective.sign * best:
            self.improve(trial, trial.metrics[objective.name])


def text(value: Any) -> str:
    """An attribute as text: a string as it is, anything else as JSON.

    >>> text("adam"), text([1, 2])
    ('adam', '[1, 2]')
    """
    return value if isinstance(value, str) else json.dumps(value)


def _copied(kind: Callable[..., Tracker], settings: Mapping[str, Any], study: TrackedStudy) -> Tracker:
    copy = kind(**settings)
    copy._study = study
    return copy


def _tracked(study_name: str, created: Created) -> TrackedStudy:
    identity = blake2b(f"{study_name} {created.time!r} {created.seed}".encode(), digest_size=8).hexdigest()
    made_with = {
        "sampler": str(created.sampler["name"]),
        "scheduler": str(created.scheduler["name"]),
        "seed": str(created.seed),
    }
    return TrackedStudy(study_name, Problem.from_json(created.problem), identity, made_with)


def _curves(report: Report) -> dict[str, float]:
    suffix = "" if report.fold is None else f"/fold-{report.fold}"
    return {f"{name}{suffix}": value for name, value in report.metrics.items()}


def _is_lost(event: Ended) -> bool:
    return event.failure is not None and event.failure.kind == LOST
