"""Early stopping of a trial by itself: it ends once it has not improved for a while, whatever the others do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf

from kilter.core.actions import Judgement, Stop
from kilter.core.errors import InvalidInput, UnknownName
from kilter.core.events import Report
from kilter.core.history import History, Record
from kilter.core.interfaces import Scheduler
from kilter.core.problem import Problem
from kilter.core.vocabulary import answers_other_settings
from kilter.schedulers import median, threshold

INNER: Mapping[str, Scheduler] = {
    "median": median.MedianScheduler(),
    "percentile": median.PercentileScheduler(),
    "threshold": threshold.ThresholdScheduler(),
}
"""Schedulers that can be asked to agree, by name: those that stop but never pause."""


@dataclass
class Course:
    """A trial that goes on: its best loss by objective, its furthest step, and its reports since it improved."""

    best: list[float]
    step: int = -1
    since: int = -1


@dataclass
class State:
    """The trials that go on, and what the inner scheduler knows."""

    running: dict[int, Course] = field(default_factory=dict)
    inner: median.State | threshold.State | None = None


@answers_other_settings
@dataclass(frozen=True)
class PatientScheduler(Scheduler):
    """Ends a trial once its last `patience` reports improved on none of its objectives by more than `tolerance`.

    The tolerance is in the unit of the objectives. With `inner`, the name of a scheduler ('median', 'percentile',
    'threshold'), a trial ends only where that one too would end it. NaN never improves; reports of folds and reports
    at a step that the trial has passed are not looked at. Raises InvalidInput for settings out of range, UnknownName.

    >>> PatientScheduler(patience=20, inner="median").tolerance
    0.0
    """

    patience: int = 10
    tolerance: float = 0.0
    inner: str | None = None

    def __post_init__(self) -> None:
        if not (self.patience >= 1 and 0 <= self.tolerance < inf):
            raise InvalidInput(f"{self!r}: needs patience >= 1 and a finite tolerance >= 0")
        if self.inner is not None and self.inner not in INNER:
            raise UnknownName.of("scheduler to be patient with", self.inner, INNER)

    def start(self, problem: Problem, seed: int) -> State:
        """The state before any trial."""
        return State() if self.inner is None else State(inner=INNER[self.inner].start(problem, seed))

    def started(self, state: State, trial: Record, history: History) -> None:
        """Pass it on."""
        if self.inner is not None:
            INNER[self.inner].started(state.inner, trial, history)

    def reported(self, state: State, trial: Record, reports: tuple[Report, ...], history: History) -> None:
        """Count the reports without improvement."""
        for report in reports:
            known = state.running.get(trial.number)
            if report.fold is not None or (known is not None and report.step <= known.step):
                continue
            losses = [objective.loss(report.metrics) for objective in history.problem.objectives]
            if known is None:
                known = state.running[trial.number] = Course([inf] * len(losses))
            improves = any(loss < best - self.tolerance for loss, best in zip(losses, known.best))
            known.step, known.since = report.step, 0 if improves else known.since + 1
            if improves:
                known.best = [min(best, loss) for loss, best in zip(losses, known.best)]  # which NaN does not change
        if self.inner is not None:
            INNER[self.inner].reported(state.inner, trial, reports, history)

    def ended(self, state: State, trial: Record, history: History) -> None:
        """Forget a trial that is finished."""
        if trial.is_finished:
            state.running.pop(trial.number, None)
        if self.inner is not None:
            INNER[self.inner].ended(state.inner, trial, history)

    def forget(self, state: State, trial: Record, history: History) -> None:
        """Pass it on."""
        if self.inner is not None:
            INNER[self.inner].forget(state.inner, trial, history)

    def judge(self, state: State, trial: Record, history: History) -> Judgement:
        """Stop where patience is at its end and the inner scheduler, if any, agrees."""
        known = state.running.get(trial.number)
        if known is None or known.since < self.patience:
            return None
        if self.inner is None:
            return Stop(f"no improvement in {known.since} reports up to step {known.step}")
        agrees = INNER[self.inner].judge(state.inner, trial, history)
        return Stop(f"no improvement in {known.since} reports; {agrees.reason}") if agrees is not None else None
