"""Early stopping of a trial by itself: it ends once it has not improved for a while, whatever the others do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Any

from kilter.core.actions import Judgement, Stop
from kilter.core.errors import InvalidInput, UnknownName
from kilter.core.events import Report
from kilter.core.history import History, Record
from kilter.core.interfaces import Scheduler
from kilter.core.problem import Problem
from kilter.schedulers import median, threshold

INNER: dict[str, tuple[Callable[[], Scheduler], type]] = {
    "median": (median.MedianScheduler, median.State),
    "percentile": (median.PercentileScheduler, median.State),
    "threshold": (threshold.ThresholdScheduler, threshold.State),
}
"""Schedulers that can be asked to agree, by name, each with its state: those that stop but never pause."""


@dataclass
class State:
    """By trial that goes on: its furthest step, its best by objective, and its reports since that improved."""

    names: list[str]
    signs: list[float]
    running: dict[int, dict[str, Any]] = field(default_factory=dict)
    inner: dict[str, Any] = field(default_factory=dict)
    """The fields of the inner scheduler's state."""


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
        state = State([o.name for o in problem.objectives], [o.sign for o in problem.objectives])
        if self.inner is not None:
            state.inner = vars(INNER[self.inner][0]().start(problem, seed))
        return state

    def started(self, state: State, trial: Record, history: History) -> None:
        """Pass it on."""
        self._tell(state, "started", trial, history)

    def reported(self, state: State, trial: Record, reports: tuple[Report, ...], history: History) -> None:
        """Count the reports without improvement."""
        for report in reports:
            known = state.running.get(trial.number)
            if report.fold is not None or (known is not None and report.step <= known["step"]):
                continue
            values = [sign * report.metrics.get(name, inf * sign) for name, sign in zip(state.names, state.signs)]
            if known is None:
                known = state.running[trial.number] = {"best": [inf] * len(values), "since": -1}
            improves = any(value < best - self.tolerance for value, best in zip(values, known["best"]))
            known["step"], known["since"] = report.step, 0 if improves else known["since"] + 1
            if improves:
                known["best"] = [value if value < best else best for value, best in zip(values, known["best"])]
        self._tell(state, "reported", trial, reports, history)

    def ended(self, state: State, trial: Record, history: History) -> None:
        """Forget a trial that is finished."""
        if trial.is_finished:
            state.running.pop(trial.number, None)
        self._tell(state, "ended", trial, history)

    def judge(self, state: State, trial: Record, history: History) -> Judgement:
        """Stop where patience is at its end and the inner scheduler, if any, agrees."""
        known = state.running.get(trial.number)
        if known is None or known["since"] < self.patience:
            return None
        if self.inner is None:
            return Stop(f"no improvement in {known['since']} reports up to step {known['step']}")
        scheduler, kind = INNER[self.inner]
        agrees = scheduler().judge(kind(**state.inner), trial, history)
        return Stop(f"no improvement in {known['since']} reports; {agrees.reason}") if agrees is not None else None

    def _tell(self, state: State, method: str, *what: Any) -> None:
        """Let the inner scheduler, if any, take in what happened."""
        if self.inner is not None:
            make, kind = INNER[self.inner]
            state.inner = told(make(), kind, state.inner, method, *what)


def told(scheduler: Scheduler, kind: type, fields: dict[str, Any], method: str, *what: Any) -> dict[str, Any]:
    """The fields of another scheduler's state of that kind after its method `started`, `reported` or `ended`.

    A state within a state is kept as its fields, so that the codec can write it.
    """
    state = kind(**fields)
    getattr(scheduler, method)(state, *what)
    return dict(vars(state))
