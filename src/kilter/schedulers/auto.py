"""The scheduler for those who name none: spends less where that is safe, and otherwise leaves trials alone.

    the problem has a fidelity     asynchronous successive halving: trials pause at each level, the best third go on
    the objective reports folds    a race against the incumbent on the folds that both have done
    it reports steps               its learning curve will hardly beat the best complete trial, asked of two looks;
                                   with several objectives, behind three quarters of the others in each of them
    it does not report             nothing

A trial that reports steps is never stopped before STARTUP trials are complete, nor within the first tenth of the way
that they took, nor for a single report; one that reports folds not before its second.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kilter.core.actions import Judgement, Plan, Start
from kilter.core.events import Report, TrialState
from kilter.core.history import History, Record
from kilter.core.interfaces import Scheduler
from kilter.core.problem import Problem
from kilter.core.vocabulary import answers_other_settings
from kilter.schedulers import asha, curve, median, race

STARTUP = 5
"""Complete trials with reports before any is stopped for its steps: whoever runs five sees all of them in full."""
GRACE = 0.1
"""The share of the usual way, in steps, within which none is stopped."""
KEPT = 16
"""Complete trials whose number of steps is remembered: what is usual can change."""

FOLDS = 2
"""Folds that a trial has reported before it can lose a race: a single one can be an odd one."""

PARTS: Mapping[str, Scheduler] = {
    "asha": asha.ASHAScheduler(),
    "race": race.RaceScheduler(),
    "curve": curve.CurveScheduler(),
    "median": median.MedianScheduler(percentile=75.0),
}
"""The schedulers that it asks, by the name of their state."""


@dataclass
class State:
    """The last steps of the latest complete trials, who reports, and the states of the schedulers that it asks."""

    ends: list[int] = field(default_factory=list)
    reporting: dict[int, bool] = field(default_factory=dict)
    """The unfinished trials that have reported."""
    asha: asha.State | None = None
    race: race.State | None = None
    curve: curve.State | None = None
    median: median.State | None = None

    @property
    def parts(self) -> dict[str, Any]:
        """The states of the schedulers that are asked, by name."""
        return {name: part for name in PARTS if (part := getattr(self, name)) is not None}


@answers_other_settings
@dataclass(frozen=True)
class AutoScheduler(Scheduler):
    """Stops, pauses or races trials by what the problem and the reports allow; see the module's first lines.

    >>> AutoScheduler()
    AutoScheduler()
    """

    def start(self, problem: Problem, seed: int) -> State:
        """The state before any trial."""
        several = len(problem.objectives) > 1
        names = ["asha"] if problem.fidelities else ["median"] if several else ["race", "curve"]
        return State(**{name: PARTS[name].start(problem, seed) for name in names})

    def started(self, state: State, trial: Record, history: History) -> None:
        """Pass it on; where the others wait for reports, with the first one."""
        if state.asha is not None:
            PARTS["asha"].started(state.asha, trial, history)

    def reported(self, state: State, trial: Record, reports: tuple[Report, ...], history: History) -> None:
        """Pass it on."""
        begins = state.asha is None and trial.number not in state.reporting
        if begins:
            state.reporting[trial.number] = True
        for name, part in state.parts.items():
            if begins:
                PARTS[name].started(part, trial, history)
            PARTS[name].reported(part, trial, reports, history)

    def ended(self, state: State, trial: Record, history: History) -> None:
        """Pass it on, and note how far a complete trial came."""
        if state.asha is None and trial.number not in state.reporting:
            return  # it never reported, which is what most objectives do
        for name, part in state.parts.items():
            PARTS[name].ended(part, trial, history)
        if trial.is_finished:
            state.reporting.pop(trial.number, None)
        furthest = history.reports.furthest.get(trial.number)
        if trial.state is TrialState.COMPLETE and furthest is not None:
            state.ends = [*state.ends, furthest][-KEPT:]

    def forget(self, state: State, trial: Record, history: History) -> None:
        """Pass it on; of the ends of complete trials its own goes."""
        for name, part in state.parts.items():
            PARTS[name].forget(part, trial, history)
        furthest = history.reports.furthest.get(trial.number)
        if trial.state is TrialState.COMPLETE and furthest in state.ends:
            state.ends.remove(furthest)

    def plan(self, state: State, history: History) -> Plan:
        """With a fidelity what successive halving plans, else a new trial."""
        return Start() if state.asha is None else PARTS["asha"].plan(state.asha, history)

    def judge(self, state: State, trial: Record, history: History) -> Judgement:
        """What the race says, and out of the grace also what is said of its steps."""
        for name, part in state.parts.items():
            if name in ("curve", "median") and self._has_grace(state, trial, history):
                continue
            if name == "race" and len(part.running.get(trial.number, ())) < FOLDS:
                continue
            judgement = PARTS[name].judge(part, trial, history)
            if judgement is not None:
                return judgement
        return None

    def _has_grace(self, state: State, trial: Record, history: History) -> bool:
        if len(state.ends) < STARTUP:
            return True
        usual = sorted(state.ends)[len(state.ends) // 2]
        return history.reports.furthest.get(trial.number, 0) < GRACE * usual
