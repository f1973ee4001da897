"""A fixed bound on a reported metric: for what can be told from afar, such as a loss that explodes or turns NaN."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf, isnan

from kilter.core.actions import Judgement, Stop
from kilter.core.errors import InvalidInput
from kilter.core.events import Report
from kilter.core.history import History, Record
from kilter.core.interfaces import Scheduler
from kilter.core.problem import Problem
from kilter.core.vocabulary import answers_other_settings


@dataclass
class State:
    """How many reports of each unfinished trial are out of bounds, since the last that was within."""

    outside: dict[int, int] = field(default_factory=dict)


@answers_other_settings
@dataclass(frozen=True)
class ThresholdScheduler(Scheduler):
    """Ends a trial after `times` reports in a row whose `metric` is NaN, below `lower` or above `upper`.

    The bounds are in the metric's own unit, whatever its direction; without bounds only NaN counts. The metric is that
    of the first objective where none is named; reports without it, or before step `grace`, are passed over. An attempt
    that starts over is counted anew. Raises InvalidInput for settings that leave nothing within the bounds.

    >>> ThresholdScheduler(upper=10.0, metric="loss").grace
    0
    """

    lower: float | None = None
    upper: float | None = None
    metric: str | None = None
    grace: int = 0
    times: int = 2
    """A single report out of bounds can be noise."""

    def __post_init__(self) -> None:
        if not self._low <= self._high or self.grace < 0 or self.times < 1:
            raise InvalidInput(f"{self!r}: needs lower <= upper, neither of them NaN, grace >= 0 and times >= 1")

    @property
    def _low(self) -> float:
        return -inf if self.lower is None else self.lower

    @property
    def _high(self) -> float:
        return inf if self.upper is None else self.upper

    def start(self, problem: Problem, seed: int) -> State:
        """The state before any trial."""
        return State()

    def started(self, state: State, trial: Record, history: History) -> None:
        """An attempt may report the same steps again."""
        state.outside.pop(trial.number, None)

    def reported(self, state: State, trial: Record, reports: tuple[Report, ...], history: History) -> None:
        """Count the reports out of bounds."""
        for report in reports:
            if state.outside.get(trial.number, 0) >= self.times or report.step < self.grace:
                continue
            value = report.metrics.get(self._metric(history.problem))
            if value is None:
                continue
            if isnan(value) or not self._low <= value <= self._high:
                state.outside[trial.number] = state.outside.get(trial.number, 0) + 1
            else:
                state.outside.pop(trial.number, None)

    def ended(self, state: State, trial: Record, history: History) -> None:
        """Forget a trial that is finished."""
        if trial.is_finished:
            state.outside.pop(trial.number, None)

    def judge(self, state: State, trial: Record, history: History) -> Judgement:
        """Stop where so many reports in a row are out of bounds."""
        if state.outside.get(trial.number, 0) < self.times:
            return None
        metric = self._metric(history.problem)
        return Stop(f"{metric!r} is out of [{self._low:g}, {self._high:g}] at {self.times} reports in a row")

    def _metric(self, problem: Problem) -> str:
        return problem.objectives[0].name if self.metric is None else self.metric
