"""Racing over folds: a trial ends once it has hardly a chance left to beat the incumbent on all folds.

Fold is whatever part an evaluation is the mean of: a fold of cross-validation, an instance, a seed. The incumbent is
the complete trial with the best mean. A trial is only ever compared with it on the folds that both have done:

    K, n        folds of the incumbent, and those of them that the trial has reported
    d_1 … d_n   differences to the incumbent, fold by fold, positive where the trial is worse; mean m
    s²          variance of such differences within a trial, (ν₀ s₀² + Σ (d_i - m)²) / (ν₀ + n - 1): the trial's own
                few, and the study's s₀², the median over its latest complete trials, as if ν₀ more had been seen

If the differences still to come are like those seen, normal with an unknown mean, then the mean over all K folds is

    m + s √((K - n) / (K n)) · T        T Student-t with ν₀ + n - 1 degrees of freedom

and the trial ends where that is below zero with a probability of less than `chance`. So a hopeless one may go after a
single fold, where a signed-rank test cannot speak before the fourth (p < 0.1) or fifth (p < 0.05). Scores of folds are
correlated, for they share training rows; here that does no harm, since what is predicted is the mean over these very
folds: what all of them share is part of m, and as n nears K nothing is left to be unsure of.

The moderated variance is that of Smyth (2004, Statistical Applications in Genetics and Molecular Biology 3(1));
early-stopped cross-validation is compared by Bergman, Purucker and Hutter (2024, arXiv 2405.03389), whose forgiving
rule (stop where the mean is worse than the incumbent's worst fold) compares folds with other folds, and saves less.

A share of the trials measures leading configurations once more (analysis/repeats.py): on the parts that they have not
met, or by a new call of an objective that is noisy, also where it has no parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import atan, cos, fsum, inf, isfinite, isnan, pi, sin, sqrt
from typing import Any, ClassVar

from kilter.core.actions import Judgement, Plan, Repeat, Start, Stop
from kilter.core.attributes import confirmed_by
from kilter.core.errors import InvalidInput
from kilter.core.events import Report, TrialState
from kilter.core.history import History, Record
from kilter.core.interfaces import Capabilities, Scheduler
from kilter.core.problem import Problem
from kilter.core.vocabulary import answers_other_settings

PRIOR = 3
"""ν₀, how many differences of its own make a trial's variance count as much as the study's. With less, a single fold
decides less often; with more, a trial of another kind than those before is judged by their spread."""

FIRST = 2.0
"""A variance of differences to begin with, in units of the incumbent's own variance over folds: that of two independent
scores, which pairing mostly makes less. It stays one of those that the median is taken of."""

KEPT = 20
"""So many of the latest variances are kept. A median, for those of bad trials may be a thousand times as large (the log
loss of one confident error), and a mean of them would let everybody run to the end."""

EARLY = 10
"""Trials before the first repeat: by then there are leading ones."""

HUGE = 1e100
"""Scores beyond this count as infinite: their squares could not be added."""

Folds = dict[Any, float]
"""Scores to be minimised by fold."""


@dataclass
class State:
    """The incumbent with its folds, what running trials have reported, and the spread of differences so far."""

    incumbent: int | None = None
    folds: Folds = field(default_factory=dict)
    own: float = 0.0
    """Variance of the incumbent's scores."""
    running: dict[int, Folds] = field(default_factory=dict)
    variances: list[float] = field(default_factory=list)
    """Of the differences of the latest complete trials to the incumbent of their time, oldest first."""
    complete: int = 0
    """How many complete trials were compared or became the incumbent."""


@answers_other_settings
@dataclass(frozen=True)
class RaceScheduler(Scheduler):
    """Ends a trial whose `chance` to beat the incumbent's mean is less than that, judged on folds that both have done.

    Nothing ends before `startup` trials are complete. Objectives report each part, `trial.report(score, fold=k)` (or
    instance=, seed=), in the same order in every trial and with the same splits, and ask `trial.should_prune()`; what
    they report by step is ignored, unless `by_step` says that a step is such a part. NaN, or an infinitely bad score,
    ends the trial, since the mean can be no number any more; trials that have such never become the incumbent. A
    repeated part replaces the one before. One objective; under constraints the incumbent is the best feasible trial.

    At most the share `repeats` of the trials measure a leading configuration once more, where that is expected to
    better the choice more than new configurations do: on the parts that an evaluation with `first` has left, or by a
    new call. Where results are exact one trial is spent to see that. They have the attribute "confirms", and are not
    stopped. Raises InvalidInput for a chance outside (0, 0.5), a startup below 1, and repeats outside [0, 0.5].

    >>> RaceScheduler(chance=0.05)
    RaceScheduler(chance=0.05, startup=3, by_step=False, repeats=0.2)
    """

    chance: float = 0.15
    startup: int = 3
    by_step: bool = False
    repeats: float = 0.2

    capabilities: ClassVar[Capabilities] = Capabilities(objectives=1)

    def __post_init__(self) -> None:
        if not 0 < self.chance < 0.5:
            raise InvalidInput(f"{self!r}: chance is a probability above 0 and below 0.5")
        if self.startup < 1:
            raise InvalidInput(f"{self!r}: startup is at least 1, the first incumbent")
        if not 0 <= self.repeats <= 0.5:
            raise InvalidInput(f"{self!r}: repeats is a share of the trials, from 0 to 0.5")

    def start(self, problem: Problem, seed: int) -> State:
        """The state before any trial."""
        return State()

    def reported(self, state: State, trial: Record, reports: tuple[Report, ...], history: History) -> None:
        """Note the scores of folds; the latest of a fold counts."""
        objective = history.problem.objectives[0]
        for report in reports:
            part = report.step if report.fold is None and self.by_step else report.fold
            if part is not None and objective.name in report.metrics:
                state.running.setdefault(trial.number, {})[part] = comparable(objective.loss(report.metrics))

    def ended(self, state: State, trial: Record, history: History) -> None:
        """A complete, feasible trial adds its differences to the spread, and may be the new incumbent."""
        if trial.state in (TrialState.PAUSED, TrialState.WAITING):
            return  # what it reported stays known
        folds = state.running.pop(trial.number, None)
        if trial.state is not TrialState.COMPLETE or not folds or not all(map(isfinite, folds.values())):
            return
        differences = paired(folds, state.folds)
        freedom = len(differences) - 1
        again = state.incumbent is not None and measured(trial) == measured(history[state.incumbent])
        if freedom > 0 and not again:
            median = (1 - 2 / (9 * freedom)) ** 3  # of a variance whose mean is 1 (Wilson and Hilferty 1931)
            state.variances = [*state.variances, variance(differences) / median][-KEPT:]
        if not history.problem.is_feasible(trial.metrics):
            return
        state.complete += 1
        # A trial that lacks folds of the incumbent could be the best on its own ones by chance.
        is_better = len(differences) == len(state.folds) and fsum(differences) < 0
        if state.incumbent is None or again or is_better:
            state.incumbent, state.folds, state.own = trial.number, folds, variance(list(folds.values()))

    def forget(self, state: State, trial: Record, history: History) -> None:
        """The race is as if the others had been run without it, in the order in which they ended."""
        anew = State(running=state.running)
        for other in map(history.__getitem__, history.finished):
            if other.number != trial.number and other.invalid is None and other.state is TrialState.COMPLETE:
                self.reported(anew, other, tuple(history.reports.of(other.number)), history)
                self.ended(anew, other, history)
        vars(state).update(vars(anew))

    def plan(self, state: State, history: History) -> Plan:
        """A new trial, or where it is time for one, and it is worth it, a repeat; what is enqueued goes first."""
        count = len(history)
        is_time = int((count + 1) * self.repeats) > int(count * self.repeats)
        if count < EARLY or not is_time or history.waiting or history.problem.fidelities:
            return Start()
        from kilter.analysis.repeats import to_repeat  # loads SciPy

        number = to_repeat(history)
        return Start() if number is None else Repeat(number)

    def judge(self, state: State, trial: Record, history: History) -> Judgement:
        """Stop where the chance to beat the incumbent is too small."""
        if state.complete < self.startup:
            return None
        differences = paired(state.running.get(trial.number, {}), state.folds)
        n, folds = len(differences), len(state.folds)
        if not 0 < n < folds:
            return None
        if inf in differences:
            return Stop(
                f"one of {n} folds is not a number or infinitely bad; trial {state.incumbent} has a score there"
            )
        mean = fsum(differences) / n
        if mean <= 0:
            return None
        freedom = PRIOR + n - 1
        spread = (PRIOR * prior(state) + (n - 1) * variance(differences)) / freedom
        error = sqrt(spread * (folds - n) / (folds * n))
        left = tail(mean / error, freedom) if error else 0.0
        if left >= self.chance:
            return None
        return Stop(
            f"worse than trial {state.incumbent} by {mean:.3g} on {n} of {folds} folds, "
            f"with {left:.1%} chance to beat it on all"
        )


def measured(trial: Record) -> int:
    """The trial whose configuration a trial measures: itself, or the one that it confirms."""
    earlier = confirmed_by(trial.attrs, trial.number)
    return trial.number if earlier is None else earlier


def comparable(score: float) -> float:
    """A score to be minimised, with NaN as the worst of all and huge ones as infinite."""
    if isnan(score) or score > HUGE:
        return inf
    return -inf if score < -HUGE else score


def paired(folds: Folds, others: Folds) -> list[float]:
    """Differences of scores, fold by fold, over the folds that both have.

    >>> paired({0: 3.0, 1: 5.0, "x": 9.0}, {1: 4.0, 0: 1.0, 2: 7.0})
    [2.0, 1.0]
    """
    return [score - others[fold] for fold, score in folds.items() if fold in others]


def prior(state: State) -> float:
    """s₀², the variance of differences to expect within a trial before its own are seen."""
    known = sorted([*state.variances, FIRST * state.own])
    return known[len(known) // 2]


def variance(values: Sequence[float]) -> float:
    """The variance of a sample; 0 for a single value.

    >>> variance([1.0, 3.0])
    2.0
    """
    mean = fsum(values) / len(values)
    return fsum((value - mean) ** 2 for value in values) / max(1, len(values) - 1)


def tail(t: float, freedom: int) -> float:
    """The probability that Student's t with `freedom` >= 1 degrees of freedom exceeds t >= 0.

    The finite sums of Abramowitz and Stegun (1964), 26.7.3 and 26.7.4, since importing SciPy's takes 0.2 s.

    >>> round(tail(1.0, 1), 6), round(tail(2.0, 2), 6)
    (0.25, 0.091752)
    """
    angle = atan(t / sqrt(freedom))
    odd = freedom % 2
    term = cos(angle) if odd else 1.0
    total = term if freedom > 1 else 0.0
    for i in range(3 if odd else 2, freedom - 1, 2):
        term *= (i - 1) / i * cos(angle) ** 2
        total += term
    within = sin(angle) * total
    return (1 - (2 / pi * (angle + within) if odd else within)) / 2
