"""The schedule of the best member of a population: which configuration it was trained with, from which step to which.

A trial is a stretch of training with one configuration, and `Record.parent` names the one whose checkpoint it began
with. So the training that ends in the best trial is read backwards along the parents. Where a stretch began is read off
the reports: at the last step that the parent reported before the first one of the trial's own. A trial that found no
checkpoint reports from the beginning again, and its schedule begins with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

from kilter.core.errors import InvalidInput, NotReady
from kilter.core.events import TrialState
from kilter.core.history import History, Record


@dataclass(frozen=True)
class Segment:
    """Steps start + 1 to end were trained with these (plain) parameters, in this trial."""

    start: int
    end: int
    params: Mapping[str, Any]
    trial: int


@dataclass(frozen=True)
class Schedule:
    """Segments in the order of steps, without gaps.

    To train once more from scratch, ask for the configuration of each step:

    >>> schedule = Schedule((Segment(0, 5, {"lr": 0.1}, 0), Segment(5, 20, {"lr": 0.02}, 7)))
    >>> [schedule.params_at(step)["lr"] for step in (1, 5, 6, 20)]
    [0.1, 0.1, 0.02, 0.02]
    >>> print(schedule)
    steps 1 to 5: lr=0.1 (trial 0)
    steps 6 to 20: lr=0.02 (trial 7)
    """

    segments: tuple[Segment, ...]

    def __post_init__(self) -> None:
        if not self.segments:
            raise InvalidInput("a schedule has one segment at least")

    def __str__(self) -> str:
        return "\n".join(
            f"steps {s.start + 1} to {s.end}: {', '.join(map(_shown, s.params.items()))} (trial {s.trial})"
            for s in self.segments
        )

    @property
    def steps(self) -> int:
        """The last step."""
        return self.segments[-1].end

    def params_at(self, step: int) -> dict[str, Any]:
        """The plain configuration that a step, counted from 1, is trained with; beyond the end the last one.

        Options that are objects stand here by name, and values that have parts as lists: `space.values(...)` gives
        what the objective had.
        """
        found = next((segment for segment in self.segments if step <= segment.end), self.segments[-1])
        return dict(found.params)

    def to_json(self) -> list[dict[str, Any]]:
        """This schedule as JSON-serialisable data."""
        return [{"start": s.start, "end": s.end, "params": dict(s.params), "trial": s.trial} for s in self.segments]

    @classmethod
    def from_json(cls, data: list[dict[str, Any]]) -> Schedule:
        """The schedule that `to_json` wrote."""
        return cls(tuple(Segment(**entry) for entry in data))


def best_schedule(history: History) -> Schedule:
    """The schedule of the best trial: the best complete one or, before there is any, the best by its last report.

    Of several objectives the first one counts. Raises NotReady where no trial has reported anything.
    """
    trial = _best(history)
    if trial is None:
        raise NotReady("no trial has reported a value yet, so there is no schedule")
    return schedule_of(history, trial.number)


def schedule_of(history: History, number: int) -> Schedule:
    """The schedule that ends in a trial."""
    segments: list[Segment] = []
    space = history.problem.space
    trial, end = history[number], max(_steps(history, number), default=0)
    while True:
        start = _beginning(history, trial)
        if end > start or not (start or segments):  # else it trained no step of its own
            segments.insert(0, Segment(start, end, space.whole(trial.params), trial.number))
        if not start or trial.parent is None:
            return Schedule(tuple(segments))
        trial, end = history[trial.parent], start


def _beginning(history: History, trial: Record) -> int:
    """The step that the checkpoint was at which the trial began with; 0 where it began with none."""
    if trial.parent is None:
        return 0
    first = min(_steps(history, trial.number), default=inf)
    return max((step for step in _steps(history, trial.parent) if step < first), default=0)


def _steps(history: History, number: int) -> list[int]:
    """The steps that a trial reported as a whole."""
    return [report.step for report in history.reports.of(number) if report.fold is None]


def _best(history: History) -> Record | None:
    objective = history.problem.objectives[0]
    complete = [t for t in history.with_state(TrialState.COMPLETE) if history.problem.is_feasible(t.metrics)]
    last = {t.number: float(history.values[t.number, 0]) for t in complete}
    if not last:
        alive = history.with_state(TrialState.RUNNING, TrialState.PAUSED, TrialState.WAITING, TrialState.PRUNED)
        for trial in alive:
            values = history.reports.curve(trial.number, objective.name)[1]
            if len(values):
                last[trial.number] = objective.sign * float(values[-1])
    finite = {number: value if value == value else inf for number, value in last.items()}
    return history[min(finite, key=lambda number: (finite[number], number))] if finite else None


def _shown(item: tuple[str, Any]) -> str:
    name, plain = item
    return f"{name}={_text(plain)}"


def _text(plain: Any) -> str:
    if isinstance(plain, list):
        return f"[{', '.join(map(_text, plain))}]"
    return f"{plain:.4g}" if isinstance(plain, float) else str(plain)
