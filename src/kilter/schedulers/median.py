"""The median rule (Golovin et al. 2017, Google Vizier, section 3.2): stop what is behind most others at the same step.

A trial ends where the best that it ever reported is strictly worse than the median, over the other trials, of the mean
of all that they had reported up to the same step. Best against mean: a single noisy report ends nobody, and of curves
that fall steadily only those that lag far behind are cut.

    milestone   a step with its binary digits after the third set to zero: 1, 2, …, 8, 10, 12, 14, 16, 20, 24, …

Trials are compared where they first reach a milestone, so that those that report at different steps can be compared,
and so that a trial leaves a few dozen numbers however many steps it reports. Reports of folds are not looked at.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from math import ceil, inf, isfinite

from kilter.core.actions import Judgement, Stop
from kilter.core.errors import InvalidInput
from kilter.core.events import Report
from kilter.core.history import History, Record
from kilter.core.interfaces import Scheduler
from kilter.core.problem import Problem
from kilter.core.vocabulary import answers_other_settings

DIGITS = 3
"""Leading binary digits of a step that count: four milestones for each doubling."""


@dataclass
class Course:
    """What a trial reported, to be minimised; a number per objective."""

    best: list[float]
    total: list[float]
    count: list[int]
    step: int = -1
    """The furthest one."""
    milestone: int = -1
    mean: list[float] = field(default_factory=list)
    """Of what it had reported when it came to its latest milestone."""


@dataclass
class State:
    """What the unfinished trials reported, and the means at each milestone; smaller is better."""

    running: dict[int, Course] = field(default_factory=dict)
    means: dict[int, list[list[float]]] = field(default_factory=dict)
    """By milestone, for each objective: the means of all trials that reached it, ascending."""


@answers_other_settings
@dataclass(frozen=True)
class MedianScheduler(Scheduler):
    """Ends a trial whose best report is worse than the `percentile` of the others' means at the same step.

    Nobody is ended before step `grace`, nor while fewer than `startup` others have come as far. With several objectives
    a trial ends only where it is behind in each of them; constraints are not looked at. NaN is worse than any number,
    and a report at a step that a trial has passed changes nothing. Raises InvalidInput for settings out of range.

    >>> MedianScheduler(grace=10).percentile
    50.0
    """

    grace: int = 4
    startup: int = 5
    percentile: float = 50.0

    def __post_init__(self) -> None:
        if not (self.grace >= 0 and self.startup >= 1 and 0 <= self.percentile <= 100):
            raise InvalidInput(f"{self!r}: needs grace >= 0, startup >= 1 and a percentile from 0 to 100")

    def start(self, problem: Problem, seed: int) -> State:
        """The state before any trial."""
        return State()

    def reported(self, state: State, trial: Record, reports: tuple[Report, ...], history: History) -> None:
        """Take in the reports that lead further than those before, and note the means at new milestones."""
        objectives = history.problem.objectives
        for report in reports:
            known = state.running.get(trial.number)
            if report.fold is not None or (known is not None and report.step <= known.step):
                continue
            if known is None:
                width = len(objectives)
                known = state.running[trial.number] = Course([inf] * width, [0.0] * width, [0] * width)
            known.step = report.step
            for i, objective in enumerate(objectives):
                loss = objective.loss(report.metrics)
                known.best[i] = min(known.best[i], loss)  # which NaN does not change
                if isfinite(loss):
                    known.total[i] += loss
                    known.count[i] += 1
            if milestone(report.step) > known.milestone:
                known.milestone = milestone(report.step)
                known.mean = [s / n if n and isfinite(s) else inf for s, n in zip(known.total, known.count)]
                for row, mean in zip(state.means.setdefault(known.milestone, [[] for _ in objectives]), known.mean):
                    insort(row, mean)

    def ended(self, state: State, trial: Record, history: History) -> None:
        """A finished trial is asked about no more; its means go on counting."""
        if trial.is_finished:
            state.running.pop(trial.number, None)

    def forget(self, state: State, trial: Record, history: History) -> None:
        """Its means leave those of the others: they are what its reports alone come to."""
        alone = self.start(history.problem, 0)
        for report in history.reports.of(trial.number):
            self.reported(alone, trial, (report,), history)
        for milestone, rows in alone.means.items():
            kept = state.means.get(milestone, [])
            for row, own in zip(kept, rows):
                if own[0] in row:
                    row.remove(own[0])
            if kept and not kept[0]:
                del state.means[milestone]

    def judge(self, state: State, trial: Record, history: History) -> Judgement:
        """Stop where the best is worse than the percentile of the others, in every objective."""
        known = state.running.get(trial.number)
        if known is None or known.step < self.grace:
            return None
        rows = state.means[known.milestone]
        if len(rows[0]) <= self.startup:
            return None
        bars = [self._bar(row, mean) for row, mean in zip(rows, known.mean)]
        if all(best > bar for best, bar in zip(known.best, bars)):
            side = "median" if self.percentile == 50 else f"best {self.percentile:g} %"
            return Stop(f"at step {known.step} its best is worse than the {side} of {len(rows[0]) - 1} others")
        return None

    def _bar(self, row: list[float], own: float) -> float:
        """The percentile of a row without the trial's own mean, rounded up to one of its entries."""
        at = ceil(self.percentile / 100 * (len(row) - 2))
        return row[at + (at >= bisect_left(row, own))]


@answers_other_settings
@dataclass(frozen=True)
class PercentileScheduler(MedianScheduler):
    """The median rule with another percentile: with 25 a trial must keep up with the best quarter of the others."""

    percentile: float = 25.0


def milestone(step: int) -> int:
    """The last milestone up to a step.

    >>> [milestone(step) for step in (0, 1, 7, 8, 9, 15, 17, 1000)]
    [0, 1, 7, 8, 8, 14, 16, 896]
    """
    shift = max(0, step.bit_length() - DIGITS)
    return step >> shift << shift
