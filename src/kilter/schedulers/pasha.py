"""PASHA (Bohdal et al. 2023, ICLR): successive halving whose top level rises only while rankings still change.

    level k     the step or budget grace · eta**k, or a level of the problem's first fidelity
    top         the highest level that trials may reach for now, 1 at first
    ε           noise: how far two trials can be apart whose order says nothing

Each time a trial reaches the top, the trials there are ranked by their values on it and on the level below. The ranking
is stable where each trial on the upper list has, on the lower level, a value within ε of that of the trial which the
lower list has in the same place (soft ranking, section 4.2); where it is not, the top rises by one. ε is the 90th
percentile of the distances, at their last common step, of pairs of trials whose curves crossed at least twice (section
4.3): such a pair changes its order by chance.

Ours differs in one thing: a trial at the top that is better than all that were there before it goes on to its end, so
that a study has complete trials to choose from. There are few of these, about the logarithm of the number that came.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from typing import ClassVar, NamedTuple

import numpy as np

from kilter.core.actions import Judgement, Pause, Plan, Resume, Start, Stop
from kilter.core.errors import InvalidInput
from kilter.core.events import Report, TrialState
from kilter.core.history import History, Record
from kilter.core.interfaces import Capabilities, Scheduler
from kilter.core.problem import Problem
from kilter.core.standing import Standing
from kilter.core.vocabulary import answers_other_settings
from kilter.schedulers.rungs import Climb, Rung, Rungs, budget_at, eta_of, level_of, level_of_budget

LATEST = 16
"""Trials at the top whose ranking is looked at: the last ones, so that the cost does not grow."""
PERCENTILE = 90.0
"""Of the distances of trials that changed their order by chance (section 4.3)."""
STEPS = 64
"""Steps of the curves that are compared for ε, spread evenly: long curves need not be read in full."""


@dataclass
class Course(Climb):
    """A trial on its way up."""

    held: bool = True
    """Whether the top holds it."""


class Ranked(NamedTuple):
    """A trial that reached the top, with its losses on the level below and there."""

    number: int
    below: float
    above: float


@dataclass
class State:
    """The rungs and the top, where the unfinished trials stand, and who was ranked last."""

    levels: list[float]
    """Budgets along the first fidelity, ascending; empty where the objective reports steps."""
    top: int
    furthest: int = 0
    """The largest step that was reported."""
    rungs: dict[int, Rung] = field(default_factory=dict)
    trials: dict[int, Course] = field(default_factory=dict)
    """The unfinished ones."""
    ranked: list[Ranked] = field(default_factory=list)
    """Trials that reached the top last."""
    leader: Standing | None = None
    """Of the trial that went on to its end last."""


@answers_other_settings
@dataclass(frozen=True)
class PASHAScheduler(Scheduler):
    """Successive halving, the best 1/`eta` at each level, up to a top that rises while rankings change.

    Steps are levels from `grace` on; where the problem has a fidelity, its levels and eta count instead. A trial at the
    top is paused, so its objective should keep checkpoints. One objective only; the violation of constraints counts
    first. One objective. Raises InvalidInput for settings out of range.

    >>> PASHAScheduler(grace=5).eta
    3.0
    """

    grace: int = 1
    eta: float = 3.0

    capabilities: ClassVar[Capabilities] = Capabilities(objectives=1)

    def __post_init__(self) -> None:
        if not (self.grace >= 1 and 1 < self.eta < inf):
            raise InvalidInput(f"{self!r}: needs grace >= 1 and a finite eta > 1")

    def start(self, problem: Problem, seed: int) -> State:
        """The state before any trial."""
        levels = problem.fidelities[0].levels() if problem.fidelities else []
        return State(levels, min(1, len(levels) - 1) if levels else 1)

    # -- folding --------------------------------------------------------------------------------------------------

    def started(self, state: State, trial: Record, history: History) -> None:
        """A resumed trial waits no longer; one that leaves the top itself is the leader."""
        known = state.trials.setdefault(trial.number, Course())
        if known.level < 0:
            return
        rungs = Rungs(state.rungs)
        if known.level == state.top and trial.number == rungs.promotable(state.top, 1 / rungs.size(state.top)):
            known.held, state.leader = False, known.standing
        rungs.leave(known.level, trial.number, known.standing)
        known.place = rungs.place(known.level, known.standing)

    def reported(self, state: State, trial: Record, reports: tuple[Report, ...], history: History) -> None:
        """Take in the first report that reaches a level; under a budget its end counts instead."""
        if state.levels:
            return
        for report in reports:
            if report.fold is None:
                state.furthest = max(state.furthest, report.step)
                level = level_of(report.step, self.grace, self.eta)
                standing = history.problem.standing(report.metrics, so_far=True)
                self._reach(state, trial.number, level, standing, history, report.step)

    def ended(self, state: State, trial: Record, history: History) -> None:
        """A trial that spent its budget stands on its level; one that is finished waits nowhere."""
        if state.levels and trial.state in (TrialState.PAUSED, TrialState.COMPLETE):
            level = level_of_budget(state.levels, trial, history.problem)
            self._reach(state, trial.number, level, history.problem.standing(trial.metrics, so_far=True), history)
        if trial.is_finished:
            known = state.trials.pop(trial.number)
            Rungs(state.rungs).leave(known.level, trial.number, known.standing)

    def forget(self, state: State, trial: Record, history: History) -> None:
        """It leaves the rungs and the ranking; who comes to the top next leads where it had led."""
        rungs = state.rungs.values()
        if any(entry == (state.leader, trial.number) for rung in rungs for entry in rung.all):
            state.leader = None
        Rungs(state.rungs).remove(trial.number)
        state.ranked = [row for row in state.ranked if row.number != trial.number]

    def _reach(
        self, state: State, number: int, level: int, standing: Standing, history: History, step: int = 0
    ) -> None:
        """Put a trial on a level where it is higher than the one it stands on; let the top rise where it has to."""
        known = state.trials[number]
        if level <= known.level:
            return
        rungs = Rungs(state.rungs)
        rungs.leave(known.level, number, known.standing)
        if level == state.top == known.level + 1:
            state.ranked = [*state.ranked, Ranked(number, known.standing.loss, standing.loss)][-LATEST:]
        known.level, known.step, known.standing = level, step, standing
        known.place = rungs.add(level, number, standing)
        if level < state.top and not state.levels:
            rungs.leave(level, number, standing)  # it goes on unless it is stopped
        if level == state.top and self._has_to_rise(state, history):
            state.top, state.ranked = state.top + 1, []

    def _has_to_rise(self, state: State, history: History) -> bool:
        if len(state.ranked) < eta_of(history.problem, self.eta) or state.top == len(state.levels) - 1:
            return False
        below, above = np.array([(row.below, row.above) for row in state.ranked]).T
        if is_stable(below, above, 0.0):
            return False
        name = history.problem.objectives[0].name
        return not is_stable(below, above, noise([history.reports.curve(row.number, name) for row in state.ranked]))

    # -- answering ------------------------------------------------------------------------------------------------

    def plan(self, state: State, history: History) -> Plan:
        """Resume what may go on below the top, then what leads there; else start a trial."""
        rungs, problem = Rungs(state.rungs), history.problem
        for level in range(state.top - 1, -1, -1):
            number = rungs.promotable(level, 1 / eta_of(problem, self.eta))
            if number in history.paused:
                return Resume(number, budget_at(state.levels, level + 1, problem) if state.levels else None)
        if rungs.size(state.top) >= eta_of(problem, self.eta):
            number = rungs.promotable(state.top, 1 / rungs.size(state.top))
            if number in history.paused and self._leads(state, state.trials[number].standing):
                return Resume(number)
        return Start(budget_at(state.levels, 0, problem) if state.levels else None)

    def judge(self, state: State, trial: Record, history: History) -> Judgement:
        """Pause at the top; stop what was not among the best 1/eta when it came to a level below."""
        known = state.trials[trial.number]
        level = known.level
        if state.levels or level < 0 or not known.held:
            return None
        if level >= state.top:
            if known.step == state.furthest:
                return None  # this may have been its last report: nobody has gone beyond
            return Pause(f"level {level} is the top for now")
        rungs = Rungs(state.rungs)
        if rungs.size(level) < self.eta or rungs.is_best(level, known.place, 1 / self.eta, least=1):
            return None
        return Stop(f"{known.place} of {rungs.size(level)} did better at level {level}")

    def _leads(self, state: State, standing: Standing) -> bool:
        return state.leader is None or standing < state.leader


def is_stable(below: np.ndarray, above: np.ndarray, epsilon: float) -> bool:
    """Whether values (n,) on two levels rank alike, values on the lower one within epsilon of each other being equal.

    Values that are not finite are left out.

    >>> is_stable(np.array([0.1, 0.2, 0.9]), np.array([0.2, 0.1, 0.9]), 0.0)
    False
    >>> is_stable(np.array([0.1, 0.2, 0.9]), np.array([0.2, 0.1, 0.9]), 0.15)
    True
    """
    finite = np.isfinite(below) & np.isfinite(above)
    below, above = below[finite], above[finite]
    return bool((np.abs(below[np.argsort(above, kind="stable")] - np.sort(below)) <= epsilon).all())


def noise(curves: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """ε from the curves, steps and values each, of some trials; 0 where no two of them crossed at least twice."""
    if len(curves) < 2:
        return 0.0
    rows = [dict(zip(steps.tolist(), values.tolist())) for steps, values in curves]
    common = sorted(set.intersection(*map(set, rows)))
    common = [common[i] for i in np.unique(np.linspace(0, len(common) - 1, STEPS).astype(int))] if common else []
    values = np.array([[row[step] for step in common] for row in rows])
    i, j = np.triu_indices(len(rows), 1)
    with np.errstate(invalid="ignore"):  # two infinite values are not apart in a way that can be counted
        difference = values[i] - values[j] if common else np.zeros((len(i), 0))
        crossed = (np.diff(np.sign(difference), axis=1) != 0).sum(axis=1) >= 2
    distances = np.abs(difference[crossed, -1]) if crossed.any() else np.empty(0)
    distances = distances[np.isfinite(distances)]
    return float(np.percentile(distances, PERCENTILE)) if len(distances) else 0.0
