"""Stops a trial whose learning curve will hardly beat the best complete trial.

At steps that lie apart by a share of the way so far, the model of kilter.models.curves predicts the value that the
trial would end with; it takes into account how earlier complete trials went on from the same step. Where the chance to
beat the best of them is small at two such looks in a row, the trial stops.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

from kilter.core.actions import Stop
from kilter.core.errors import InvalidInput
from kilter.core.events import Report, TrialState
from kilter.core.history import History, Record
from kilter.core.interfaces import Capabilities, Scheduler
from kilter.core.memo import Memo
from kilter.core.problem import Objective, Problem
from kilter.core.vocabulary import answers_other_settings
from kilter.models.curves import EARLIER, Curve, predict

KEPT = 32
"""Points kept of a complete trial's curve."""
LOOKS = 2
"""So many looks in a row must find no hope: one report may be noise."""


@dataclass
class Look:
    """What is known of a trial that may go on. What its looks show is asked when it is needed: those who only read the
    log need not predict anything.
    """

    first: int
    """Its first step."""
    furthest: int = -1
    points: int = 0
    """Of its curve."""
    reports: int = 0
    """Those that went further."""
    next: float = 0.0
    """The step from which on to look again."""
    latest: list[tuple[int, float]] = field(default_factory=list)
    """Points of the curve and the last loss, at the latest looks."""


@dataclass
class State:
    """What was seen; smaller is better."""

    horizon: int | None
    """Where trials end, if that is given; else the furthest step of a complete trial is taken."""
    furthest: int = 0
    complete: int = 0
    """How many trials are complete."""
    best: float | None = None
    """The best loss of a complete trial that meets the constraints."""
    earlier: list[int] = field(default_factory=list)
    """The latest complete trials, whose curves show how others go on."""
    looks: dict[int, Look] = field(default_factory=dict)
    """By trial that may go on."""


@answers_other_settings
@dataclass(frozen=True)
class CurveScheduler(Scheduler):
    """Stops a trial that will beat the best complete one with less than `probability`, in one objective.

    Never within its first `grace` reports, before `startup` trials are complete (what a schedule does to all of them
    late, they tell), or beyond the `horizon`: the step at which trials end. Where that is None it is the highest step
    of the problem's fidelity, or without one the furthest step of a complete trial. Looks are `spacing` apart, as a
    share of the way since a trial's first report.
    """

    probability: float = 0.05
    grace: int = 5
    startup: int = 3
    horizon: int | None = None
    spacing: float = 0.25

    capabilities: ClassVar[Capabilities] = Capabilities(objectives=1)

    def __post_init__(self) -> None:
        if not 0 < self.probability < 1:
            raise InvalidInput(f"{self!r}: probability must lie between 0 and 1")
        if (
            self.grace < 1
            or self.startup < 1
            or not 0 < self.spacing < math.inf
            or (self.horizon is not None and self.horizon < 1)
        ):
            raise InvalidInput(
                f"{self!r}: needs grace >= 1, startup >= 1, spacing > 0, and a horizon of at least one step"
            )

    def start(self, problem: Problem, seed: int) -> State:
        """The state before any trial."""
        horizon = self.horizon
        if horizon is None and len(problem.fidelities) == 1:
            horizon = problem.fidelities[0].step(problem.fidelities[0].high)
        return State(horizon)

    def reported(self, state: State, trial: Record, reports: tuple[Report, ...], history: History) -> None:
        """Count, and look where the trial has come far enough since the last look."""
        objective = history.problem.objectives[0]
        for report in reports:
            if report.fold is None:
                look = state.looks.get(trial.number)
                if look is None:
                    look = state.looks[trial.number] = Look(report.step)
                look.points += 1
                if objective.name in report.metrics:
                    self._take(state, look, report, objective)

    def ended(self, state: State, trial: Record, history: History) -> None:
        """A complete trial sets the mark, the horizon, and an example of how curves go on."""
        if trial.is_finished:
            state.looks.pop(trial.number, None)
        loss = history.problem.objectives[0].loss(trial.metrics)
        if trial.state is not TrialState.COMPLETE or math.isnan(loss):
            return
        state.complete += 1
        if history.problem.is_feasible(trial.metrics) and (state.best is None or loss < state.best):
            state.best = loss
        furthest = history.reports.furthest.get(trial.number)
        if furthest is not None:
            state.furthest = max(state.furthest, furthest)
            state.earlier = [*state.earlier, trial.number][-EARLIER:]

    def forget(self, state: State, trial: Record, history: History) -> None:
        """A complete one is no example any more, and where it was the best another one is."""
        objective = history.problem.objectives[0]
        loss = objective.loss(trial.metrics)
        if trial.state is not TrialState.COMPLETE or math.isnan(loss):
            return
        state.complete -= 1
        state.earlier = [number for number in state.earlier if number != trial.number]
        if loss == state.best:
            others = [number for number in history.finished if number != trial.number and history.is_candidate(number)]
            state.best = min((float(history.values[number, 0]) for number in others), default=None)

    def judge(self, state: State, trial: Record, history: History) -> Stop | None:
        """Stop where the latest looks all found too small a chance."""
        look = state.looks.get(trial.number)
        if look is None or state.best is None or len(look.latest) < LOOKS:
            return None
        chance = 0.0
        for points, loss in reversed(look.latest):
            chance = max(chance, _chance(state, trial.number, points, loss, history))
            if chance >= self.probability:
                return None
        sign = history.problem.objectives[0].sign
        return Stop(
            f"at step {look.furthest} its chance to beat {sign * state.best:.6g} in the end is at most "
            f"{chance:.2g}, below {self.probability:g}"
        )

    def _take(self, state: State, look: Look, report: Report, objective: Objective) -> None:
        """Take in a report, and note where it is time for a look."""
        step = report.step
        if step < look.first:
            look.first = step
        if step <= look.furthest:  # said again after a restart, or out of order
            return
        look.furthest = step
        look.reports += 1
        if look.reports < self.grace or step < look.next or state.best is None or state.complete < self.startup:
            return
        if step < (state.furthest if state.horizon is None else state.horizon):
            look.next = step + max(1.0, self.spacing * (step - look.first))
            look.latest = [*look.latest, (look.points, objective.loss(report.metrics))][-LOOKS:]


def _chance(state: State, number: int, points: int, loss: float, history: History) -> float:
    """The probability that a trial ends better than the best complete one, by the first so many points of its curve."""
    if state.best is None or loss < state.best:  # it is ahead already: no need to ask the model
        return 1.0
    if not math.isfinite(loss):  # a training that came to nan or inf does not come back
        return 0.0
    chances = history.memo("chances to end as the best", lambda _: Memo())
    return chances.of((number, points, state.complete), lambda: _predicted(state, number, points, history))


def _predicted(state: State, number: int, points: int, history: History) -> float:
    objective = history.problem.objectives[0]
    steps, values = history.reports.curve(number, objective.name)
    curve = Curve.of(steps[:points], objective.sign * values[:points])
    if curve is None or state.best is None:
        return 1.0
    horizon = state.furthest if state.horizon is None else state.horizon
    earlier = [known for other in state.earlier if (known := _complete(other, history)) is not None]
    return predict(curve, horizon, earlier).probability_below(state.best)


def _complete(number: int, history: History) -> Curve | None:
    """The curve of a complete trial, thinned."""

    def read() -> Curve | None:
        objective = history.problem.objectives[0]
        steps, values = history.reports.curve(number, objective.name)
        return Curve.of(steps, objective.sign * values, objective.loss(history[number].metrics), points=KEPT)

    return history.memo("curves of complete trials", lambda _: Memo()).of(number, read)
