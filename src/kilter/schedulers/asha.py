"""Asynchronous successive halving (Li et al. 2020, ASHA): at each rung the best 1/eta go on.

    rung k       the step or budget grace · eta**k, or a level of the problem's first fidelity
    stopping     a trial that is not among the best of its rung ends there; until eta trials have come to a rung none
                 is known to be good, and they are put aside with their checkpoints
    promotion    every trial is put aside at its rung, and resumed when it is among the best

Low rungs can mislead: early on, what will never learn often looks better than what learns at last. Four rules beside
the paper's keep the search from being caught there (docs/decisions/0010):

    opening      of the first trials every second one goes to the second rung whatever it is like
    controls     every fifth trial goes as far as any trial went before, whatever it is like; the model-based samplers
                 choose it without looking at low rungs (models/controls.py, `is_control`)
    returning    a configuration that was stopped and is proposed again, by a sampler that knows how it did, goes that
                 far too
    the end      is not known before a trial reaches it, so all three are judged at the rung beyond; and a trial that
                 no other went beyond goes on to its next report, since this one may have been its last
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from math import inf

from kilter.core.actions import Judgement, Pause, Plan, Resume, Start, Stop
from kilter.core.errors import InvalidInput
from kilter.core.events import Report, TrialState
from kilter.core.history import History, Record
from kilter.core.interfaces import Scheduler
from kilter.core.problem import Problem
from kilter.core.standing import Standing
from kilter.core.vocabulary import answers_other_settings
from kilter.models.controls import is_control
from kilter.schedulers.rungs import (
    Climb,
    Rung,
    Rungs,
    budget_at,
    eta_of,
    level_of,
    level_of_budget,
    next_number,
    step_of,
)

OPENING = 6
"""Of so many first trials every second one goes to the second rung: how low rungs and higher ones go together is
learned from those that nothing has selected. With none of them the search went astray more often, and all of them, or
the third rung, cost more early than they brought."""


@dataclass
class Course(Climb):
    """A trial on its way up."""

    free: int = 0
    """The step before which it is not compared."""
    verdict: str = ""
    """What it is in for: "stop", "pause" or nothing."""


@dataclass
class State:
    """Rungs, where the unfinished trials stand, and which configurations were stopped."""

    levels: list[float]
    """Budgets along the first fidelity, ascending; empty where the objective reports steps."""
    rungs: dict[int, Rung] = field(default_factory=dict)
    top: int = 0
    """The largest step that was reported."""
    trials: dict[int, Course] = field(default_factory=dict)
    """The unfinished ones."""
    stopped: dict[str, int] = field(default_factory=dict)
    """By the digest of a configuration that was stopped, how often."""


@answers_other_settings
@dataclass(frozen=True)
class ASHAScheduler(Scheduler):
    """At rungs from step `grace` on, each `eta` times the one below, the best 1/eta go on.

    `promote` puts the others aside, to be resumed when they are among the best, instead of ending them; None does so
    where the problem has fidelities, whose levels and eta then count. Without `waits` nobody is put aside: of the first
    eta trials that come to a rung those go on that are the best there so far, and the others end. Several objectives
    are compared by their Pareto front, and constraints come first. Raises InvalidInput for settings out of range.

    >>> ASHAScheduler(eta=4).grace
    1
    """

    eta: float = 3.0
    grace: int = 1
    promote: bool | None = None
    waits: bool = True

    def __post_init__(self) -> None:
        if not (self.grace >= 1 and 1 < self.eta < inf):
            raise InvalidInput(f"{self!r}: needs grace >= 1 and a finite eta > 1")

    def start(self, problem: Problem, seed: int) -> State:
        """The state before any trial."""
        return State(problem.fidelities[0].levels() if problem.fidelities else [])

    # -- folding --------------------------------------------------------------------------------------------------

    def started(self, state: State, trial: Record, history: History) -> None:
        """A new trial may be free of comparison up to some step; a resumed one goes on to the next rung."""
        known = state.trials.get(trial.number)
        if known is None:
            is_free = is_control(trial.number) or _digest(trial) in state.stopped
            second = step_of(1, self.grace, self.eta) if _opens(trial.number) else 0
            free = max(second, state.top if is_free else 0)
            state.trials[trial.number] = Course(free=free)
        else:
            known.verdict = ""
            Rungs(state.rungs).leave(known.level, trial.number, known.standing)

    def reported(self, state: State, trial: Record, reports: tuple[Report, ...], history: History) -> None:
        """The first report that reaches a rung counts there; under a budget the end of an attempt does."""
        if state.levels:
            return
        for report in reports:
            if report.fold is None:
                state.top = max(state.top, report.step)
                level = level_of(report.step, self.grace, self.eta)
                if level > state.trials[trial.number].level:
                    standing = history.problem.standing(report.metrics, so_far=True)
                    self._reach(state, trial.number, level, standing, report.step)

    def ended(self, state: State, trial: Record, history: History) -> None:
        """A trial that is put aside waits on its rung; one that was stopped is remembered by its configuration."""
        known = state.trials[trial.number]
        if state.levels and trial.state in (TrialState.PAUSED, TrialState.COMPLETE):
            level = level_of_budget(state.levels, trial, history.problem)
            if level > known.level:
                self._reach(state, trial.number, level, history.problem.standing(trial.metrics, so_far=True))
        if trial.is_finished:
            del state.trials[trial.number]
            Rungs(state.rungs).leave(known.level, trial.number, known.standing)
            if trial.state is TrialState.PRUNED:
                digest = _digest(trial)
                state.stopped[digest] = state.stopped.get(digest, 0) + 1
        elif trial.state is TrialState.PAUSED and known.level >= 0:
            Rungs(state.rungs).wait(known.level, trial.number, known.standing)

    def forget(self, state: State, trial: Record, history: History) -> None:
        """It leaves the rungs, and those that were stopped."""
        Rungs(state.rungs).remove(trial.number)
        digest = _digest(trial)
        if trial.state is TrialState.PRUNED and digest in state.stopped:
            state.stopped[digest] -= 1
            if not state.stopped[digest]:
                del state.stopped[digest]

    def _reach(self, state: State, number: int, level: int, standing: Standing, step: int | None = None) -> None:
        """Put a trial on a rung, and say what is to come of it."""
        known, rungs = state.trials[number], Rungs(state.rungs)
        known.level, known.step, known.standing = level, step or 0, standing
        known.place = rungs.add(level, number, standing, waits=False)
        is_free = step is not None and step < known.free
        if is_free or rungs.is_best(level, known.place, 1 / self.eta, least=0 if self.waits else 1):
            known.verdict = ""
        elif self.promote or (self.waits and rungs.size(level) < self.eta):
            known.verdict = "pause"
        else:
            known.verdict = "stop"

    # -- answering ------------------------------------------------------------------------------------------------

    def plan(self, state: State, history: History) -> Plan:
        """Resume the best that was put aside on the highest rung and may go on; else start a trial."""
        rungs, problem = Rungs(state.rungs), history.problem
        share = 1 / eta_of(problem, self.eta)
        for level in reversed(rungs.levels):
            number = rungs.promotable(level, share)
            if number is not None and not (state.levels and level == len(state.levels) - 1):
                return Resume(number, budget_at(state.levels, level + 1, problem) if state.levels else None)
        if not state.levels:
            return Start()
        number = next_number(history)
        level = int(_opens(number) and len(state.levels) > 2)  # of two levels the second is the end
        if is_control(number) and rungs.levels:
            level = max(level, rungs.levels[-1])
        return Start(budget_at(state.levels, level, problem))

    def judge(self, state: State, trial: Record, history: History) -> Judgement:
        """What the trial's standing was when it came to its latest rung, once any trial went beyond that step."""
        known = state.trials[trial.number]
        if state.levels or not known.verdict or known.step == state.top:
            return None
        where = f"at step {step_of(known.level, self.grace, self.eta)}"
        if known.verdict == "pause":
            return Pause(f"is to be compared with more trials {where}")
        return Stop(f"was not among the best 1/{self.eta:g} {where}")


def _opens(number: int) -> bool:
    """Whether a trial goes to the second rung whatever it is like."""
    return number < OPENING and number % 2 == 1


def _digest(trial: Record) -> str:
    """A short name of a configuration."""
    return hashlib.blake2b(json.dumps(trial.params, sort_keys=True).encode(), digest_size=8).hexdigest()
