"""Asynchronous Hyperband: successive halving from several starting points, the trusted ones used more often.

    level k     the step or budget grace · eta**k, or a level of the problem's first fidelity
    bracket b   trials that are first compared at level b: the low ones are cheap, the high ones see further
    τ_k         how well level k ranks trials as level k + 1 does: 2 · (share of pairs in the same order) - 1

A trial belongs to one bracket, drawn with the weight

    w_b = eta**-b · τ_b τ_(b+1) …

so that brackets cost about the same at first (Li et al. 2018, Hyperband, JMLR 18, section 3), and a bracket that starts
where rankings do not last is drawn less often once that shows, as in Hyper-Tune (Li et al. 2022, section 4.1, whose
weight of a level is how likely it ranks best; ours needs no model). Within a bracket the rule is that of ASHA (Li et
al. 2020): the best 1/eta at a level go on. An objective that reports steps is stopped where it is not among them; one
that takes a budget is paused at each level and resumed once it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

from kilter.core.actions import Judgement, Plan, Resume, Start, Stop
from kilter.core.errors import InvalidInput
from kilter.core.events import Report, TrialState
from kilter.core.history import History, Record
from kilter.core.interfaces import Scheduler
from kilter.core.problem import Problem
from kilter.core.seeds import rng
from kilter.core.standing import Standing
from kilter.core.vocabulary import answers_other_settings
from kilter.schedulers.rungs import Climb, Rung, Rungs, budget_at, eta_of, level_of, level_of_budget, next_number

LATEST = 16
"""Trials that one which reaches a level is compared with for τ: the last ones, so that the cost does not grow."""
PRIOR = 20
"""Pairs in the same order that τ starts from: rankings are trusted until they have been seen to change."""
LEAST = 0.05
"""The least τ: every bracket is drawn now and then, or it could never show that it became better."""


@dataclass
class Course(Climb):
    """A trial on its way up."""

    bracket: int = 0


@dataclass
class State:
    """Brackets with their rungs, where the unfinished trials stand, and how well rankings last from level to level."""

    seed: int
    levels: list[float]
    """Budgets along the first fidelity, ascending; empty where the objective reports steps."""
    rungs: dict[int, dict[int, Rung]]
    """By bracket."""
    trials: dict[int, Course] = field(default_factory=dict)
    """The unfinished ones."""
    latest: dict[int, list[tuple[Standing, Standing]]] = field(default_factory=dict)
    """By level, how those trials stood there and at the next level that reached the next one last."""
    pairs: dict[int, list[int]] = field(default_factory=dict)
    """By level, how many pairs of trials stand in the same order at the next one, and how many were compared."""


@answers_other_settings
@dataclass(frozen=True)
class HyperbandScheduler(Scheduler):
    """Asynchronous successive halving in up to `brackets` brackets; at each level the best 1/`eta` go on.

    Steps are levels from `grace` on; where the problem has a fidelity, its levels and eta count instead. With several
    objectives trials are compared by their Pareto front, and constraints come first. Raises InvalidInput for settings
    out of range. `seed` replaces the study's.

    >>> HyperbandScheduler(brackets=2).eta
    3.0
    """

    grace: int = 1
    eta: float = 3.0
    brackets: int = 3
    seed: int | None = None

    def __post_init__(self) -> None:
        if not (self.grace >= 1 and 1 < self.eta < inf and self.brackets >= 1):
            raise InvalidInput(f"{self!r}: needs grace >= 1, a finite eta > 1 and brackets >= 1")

    def start(self, problem: Problem, seed: int) -> State:
        """The state before any trial."""
        levels = problem.fidelities[0].levels() if problem.fidelities else []
        count = min(self.brackets, len(levels)) if levels else self.brackets
        return State(seed if self.seed is None else self.seed, levels, {b: {} for b in range(count)})

    # -- folding --------------------------------------------------------------------------------------------------

    def started(self, state: State, trial: Record, history: History) -> None:
        """A new trial gets its bracket, that of its budget where there is one; a resumed one waits no longer."""
        known = state.trials.get(trial.number)
        if known is None:
            bracket = self._drawn(state, trial.number)
            if state.levels:
                bracket = max(0, min(level_of_budget(state.levels, trial, history.problem), len(state.rungs) - 1))
            state.trials[trial.number] = Course(bracket=bracket)
        else:
            Rungs(state.rungs[known.bracket]).leave(known.level, trial.number, known.standing)

    def reported(self, state: State, trial: Record, reports: tuple[Report, ...], history: History) -> None:
        """Take in the first report that reaches a level; under a budget its end counts instead."""
        if state.levels:
            return
        for report in reports:
            level = level_of(report.step, self.grace, self.eta) if report.fold is None else -1
            self._reach(state, trial.number, level, history.problem.standing(report.metrics, so_far=True))

    def ended(self, state: State, trial: Record, history: History) -> None:
        """A trial that spent its budget stands on its level; one that is finished waits nowhere."""
        if state.levels and trial.state in (TrialState.PAUSED, TrialState.COMPLETE):
            level = level_of_budget(state.levels, trial, history.problem)
            self._reach(state, trial.number, level, history.problem.standing(trial.metrics, so_far=True))
        if trial.is_finished:
            known = state.trials.pop(trial.number)
            Rungs(state.rungs[known.bracket]).leave(known.level, trial.number, known.standing)

    def forget(self, state: State, trial: Record, history: History) -> None:
        """It leaves the rungs of its bracket; how alike levels are was learned of many."""
        for rungs in state.rungs.values():
            Rungs(rungs).remove(trial.number)

    def _reach(self, state: State, number: int, level: int, standing: Standing) -> None:
        """Put a trial on a level of its bracket where it is higher than the one it stands on."""
        known = state.trials[number]
        if level <= known.level or level < known.bracket:
            return
        rungs = Rungs(state.rungs[known.bracket])
        rungs.leave(known.level, number, known.standing)
        if known.level == level - 1 >= 0:
            self._compare(state, level - 1, known.standing, standing)
        known.level, known.standing, known.place = level, standing, rungs.add(level, number, standing)

    def _compare(self, state: State, level: int, below: Standing, above: Standing) -> None:
        """Count the latest trials on a level and the next that this one stands to in the same order on both."""
        latest = state.latest.setdefault(level, [])
        pairs = state.pairs.setdefault(level, [0, 0])
        for other_below, other_above in latest:
            if below != other_below and above != other_above:
                pairs[0] += (below < other_below) == (above < other_above)
                pairs[1] += 1
        latest.append((below, above))
        del latest[:-LATEST]

    # -- answering ------------------------------------------------------------------------------------------------

    def plan(self, state: State, history: History) -> Plan:
        """Resume what may go on, from the highest level down; else start a trial at the first level of a bracket."""
        for level in range(len(state.levels) - 2, -1, -1):
            for data in state.rungs.values():
                number = Rungs(data).promotable(level, 1 / eta_of(history.problem, self.eta))
                if number is not None:
                    return Resume(number, budget_at(state.levels, level + 1, history.problem))
        if not state.levels:
            return Start()
        number = next_number(history)
        return Start(budget_at(state.levels, self._drawn(state, number), history.problem))

    def judge(self, state: State, trial: Record, history: History) -> Judgement:
        """Stop what was not among the best 1/eta when it came to its latest level; the first few there go on."""
        known = state.trials[trial.number]
        level = known.level
        if state.levels or level < 0:
            return None
        rungs = Rungs(state.rungs[known.bracket])
        if rungs.size(level) < self.eta or rungs.is_best(level, known.place, 1 / self.eta, least=1):
            return None
        return Stop(f"{known.place} of {rungs.size(level)} did better at level {level} of bracket {known.bracket}")

    def _drawn(self, state: State, number: int) -> int:
        """The bracket of a new trial."""
        weights = weights_of(state, self.eta)
        u = float(rng(state.seed, "bracket", number).random()) * sum(weights)
        for bracket, weight in enumerate(weights):
            u -= weight
            if u < 0:
                return bracket
        return len(weights) - 1


def weights_of(state: State, eta: float) -> list[float]:
    """How often each bracket is to be drawn, up to a factor; the w of the module's first lines."""
    weights = []
    for bracket in range(len(state.rungs)):
        weight = eta**-bracket
        for level, (same, count) in state.pairs.items():
            if level >= bracket:
                weight *= max(LEAST, 2 * (same + PRIOR) / (count + PRIOR) - 1)
        weights.append(weight)
    return weights
