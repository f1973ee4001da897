"""In which order candidates meet the folds: a first look at many, then the rest in order of promise.

An ensemble is better the more its members differ, so a race for the best mean alone would leave it poor: the first of
each family goes on unless it is hopeless, and what is hopeless is judged with patience. See docs/decisions/0048.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev
from typing import Any, ClassVar

from kilter import plugins
from kilter.automl.configurations import MEMBER
from kilter.core.actions import Judgement, Pause, Plan, Resume, Start, Stop, Wait
from kilter.core.events import TrialState
from kilter.core.history import History, Record
from kilter.core.interfaces import Capabilities, Scheduler
from kilter.core.problem import Problem

WIDTHS = {1: 3.0}
"""How many widths of the best candidate's scores another one may be behind, by the number of folds: a single fold
says less."""
LATER = 2.0
FAMILY = 1.5
"""The first candidate of a family may be so many times as far behind: what differs is worth more than it scores."""
LEAST = 0.02
"""The width is at least this share of what the best candidate lacks to a perfect score."""


def allowed(seconds: float) -> bool:
    """Everything may begin where time is not limited."""
    return True


def nothing() -> float:
    """All folds are encoded."""
    return 0.0


def unlisted(history: History) -> bool:
    """Nothing is listed to be looked at."""
    return False


@dataclass(frozen=True)
class FoldScheduler(Scheduler):
    """First looks at one fold of many candidates, then completes them in order of promise; see the module.

    The first `opening` trials meet all `folds` at once. What is `listed`, as long as there is some of it, is looked at
    for at most `looks` seconds. With `models` there is no race: so many trials are begun, and each goes to its end,
    which makes the result a function of data and seed whoever runs them. `perfect` is the score of a perfect model, if
    it is known. `allows` says whether what is expected to last so many seconds may begin, and
    `encodes` how many it takes to encode the folds that nobody has met. Where these do not fit there are first looks
    alone: what they have met can be weighed.
    """

    folds: int
    opening: int = 0
    looks: float = math.inf
    models: int = 0
    perfect: float | None = None
    allows: Callable[[float], bool] = allowed
    listed: Callable[[History], bool] = unlisted
    encodes: Callable[[], float] = nothing

    capabilities: ClassVar[Capabilities] = Capabilities(objectives=1)

    def start(self, problem: Problem, seed: int) -> Any:
        """Nothing to remember: the history says it all."""
        return plugins.State()

    def plan(self, state: Any, history: History) -> Plan:
        """What opens, then first looks, then the most promising one of those put aside, then what is new."""
        if self.models and len(history) >= self.models:
            return Wait("all models are made")
        if len(history) < self.opening:
            return Start()
        if not all(history[number].is_finished for number in range(self.opening)):
            return Wait("what opens is not through yet")  # it says on which scale the others learn
        if self.models:
            return Start()
        encodes = self.encodes()
        fitting = [trial for trial in history.paused.values() if self.allows(encodes + self.remaining(trial, history))]
        if self._looks_on(history):
            return Start()
        if fitting:
            # One that takes more than half of what is left would be the last.
            modest = [trial for trial in fitting if self.allows(2 * self.remaining(trial, history))]
            return Resume(most_promising(modest or fitting, history).number)
        # One has to be whole, and what is cut short keeps its best.
        if history.paused and leader(history) is None and self.allows(encodes):
            return Resume(min(history.paused.values(), key=lambda trial: self.remaining(trial, history)).number)
        return Start()

    def _looks_on(self, history: History) -> bool:
        """Whether another first look may begin: not where the best one so far could not be completed any more."""
        looked = [trial for trial in history.trials[self.opening :] if not math.isnan(trial.seconds)]
        spent = math.fsum(trial.seconds for trial in looked)
        if spent >= self.looks or not self.listed(history):
            return False
        if not history.paused:
            return True
        best = most_promising(list(history.paused.values()), history)
        return self.allows(spent / len(looked) + self.remaining(best, history))

    def remaining(self, trial: Record, history: History) -> float:
        """Seconds that the folds which a paused trial has not met yet are expected to take."""
        done = len(scores(trial.number, history))
        return trial.seconds / max(done, 1) * (self.folds - done)

    def judge(self, state: Any, trial: Record, history: History) -> Judgement:
        """After a fold: put aside what was looked at, and end what is hopeless."""
        if self.models or trial.number < self.opening:
            return None
        if reason := self.hopeless(trial, history):
            return Stop(reason)
        return Pause("one fold is done, the others come in order of promise") if trial.attempt == 1 else None

    def hopeless(self, trial: Record, history: History) -> str:
        """Why a trial has no weight to hope for, from the folds that it has met; "" where it has."""
        best = leader(history)
        mine = scores(trial.number, history)
        if best is None or not mine:
            return ""
        theirs = scores(best.number, history)
        count = min(len(mine), len(theirs))
        behind = fmean(theirs[:count]) - fmean(mine[:count])
        lacks = 0.0 if self.perfect is None else LEAST * (self.perfect - fmean(theirs))
        limit = WIDTHS.get(count, LATER) * max(pstdev(theirs), lacks)
        if trial.params[MEMBER] not in families(history, but=trial.number):
            limit *= FAMILY
        return f"{behind:.3g} behind trial {best.number} after {count} of {self.folds} folds" if behind > limit else ""


def scores(number: int, history: History) -> list[float]:
    """The scores of a trial by fold, in their order."""
    name = history.problem.objectives[0].name
    found = {report.fold: report.metrics[name] for report in history.reports.of(number) if report.fold is not None}
    return [found[fold] for fold in sorted(found, key=str)]


def leader(history: History) -> Record | None:
    """The complete trial with the best mean; the earlier one of equals."""
    complete = [trial for trial in history if trial.state is TrialState.COMPLETE]
    return min(complete, key=lambda trial: (trial.standing(history.problem), trial.number), default=None)


def families(history: History, but: int = -1) -> set[str]:
    """The members of which a candidate is complete, or on its way beyond the first look."""
    there = [trial for trial in history if trial.number != but]
    return {
        str(trial.params[MEMBER])
        for trial in there
        if trial.state is TrialState.COMPLETE or (trial.state is TrialState.RUNNING and trial.attempt > 1)
    }


def most_promising(paused: Sequence[Record], history: History) -> Record:
    """The best by its first folds; of families of which none has met more than one fold the best one comes first."""
    known = {trial.params[MEMBER] for trial in history if trial.attempt > 1 or trial.state is TrialState.COMPLETE}
    fresh = [trial for trial in paused if trial.params[MEMBER] not in known]
    return max(fresh or paused, key=lambda trial: (fmean(scores(trial.number, history) or [-math.inf]), -trial.number))
