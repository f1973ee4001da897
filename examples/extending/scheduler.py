"""A scheduler of your own: a trial ends once it is behind the best one at the same step by more than a margin.

`started`, `reported` and `ended` change the state, in the order of the log; `plan` and `judge` only look at it. What is
not defined here is inherited: a free worker starts a new trial, and every trial runs to its end.

    study = kilter.create_study(scheduler=MarginScheduler(margin=0.1))
"""

from __future__ import annotations

from dataclasses import dataclass, field

from kilter.core.actions import Judgement, Stop
from kilter.core.errors import InvalidInput
from kilter.core.events import Report
from kilter.core.history import History, Record
from kilter.core.interfaces import Scheduler
from kilter.core.problem import Problem


@dataclass
class State:
    """The least loss that was reported at each step, and the latest step and loss of each trial that runs."""

    best: dict[int, float] = field(default_factory=dict)
    latest: dict[int, tuple[int, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class MarginScheduler(Scheduler):
    """Ends a trial whose loss is above the best one of the step by more than `margin`, in the metric's unit."""

    margin: float = 0.1
    grace: int = 1
    """The first step that is judged."""

    def __post_init__(self) -> None:
        if not self.margin >= 0:
            raise InvalidInput(f"margin={self.margin!r}: give a number from 0 on")

    def start(self, problem: Problem, seed: int) -> State:
        """The state before any trial."""
        return State()

    def reported(self, state: State, trial: Record, reports: tuple[Report, ...], history: History) -> None:
        """Compare with what others had at the step."""
        for report in reports:
            loss = history.problem.standing(report.metrics, so_far=True).loss
            state.latest[trial.number] = report.step, loss
            state.best[report.step] = min(loss, state.best.get(report.step, loss))

    def ended(self, state: State, trial: Record, history: History) -> None:
        """Forget what runs no more."""
        state.latest.pop(trial.number, None)

    def judge(self, state: State, trial: Record, history: History) -> Judgement:
        """End it where it is too far behind; None to go on."""
        step, loss = state.latest.get(trial.number, (0, 0.0))
        if step < self.grace or loss <= state.best[step] + self.margin:
            return None
        return Stop(f"{loss:.4g} at step {step}, and another trial had {state.best[step]:.4g}")
