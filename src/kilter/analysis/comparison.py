"""Which of several studies found better values, over runs with different seeds, and how sure that is.

    finals   (r,)     best value of each run at the budget that all runs had
    ranks             of a study: 1 + the chance that another one is better, summed over the others; ties count half

Runs are paired by their place where all studies have equally many: hand them over by seed. Then differences of the same
seed are compared, which takes out what the seeds share. A run that found nothing feasible is worse than any that did.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from kilter.analysis.convergence import Convergence, convergence
from kilter.analysis.drift import Drift, drifts
from kilter.analysis.objectives import place
from kilter.analysis.ranktests import holm, rank_sum, sign, signed_rank
from kilter.core.errors import InvalidInput
from kilter.core.history import History
from kilter.core.problem import Objective
from kilter.core.text import one_line

GRID = 100
"""Budgets at which bands and ranks are told at most."""
SURE = 0.05
"""A p below this, after Holm's correction, is called a difference."""
NAME = 40
"""Characters of a label in a sentence."""


@dataclass(frozen=True, eq=False)
class Contestant:
    """One of the studies, over its runs; values are in the user's own unit and direction."""

    label: str
    runs: int
    finals: np.ndarray
    """Best value of each run at the common budget, (r,); NaN where a run found none."""
    ends: np.ndarray
    """Best value of each run at its own end, (r,)."""
    trials: tuple[int, ...]
    """How many trials of each run had finished."""
    median: float
    low: float
    high: float
    """Quartiles of `finals`: of those that are known."""
    rank: float
    """Its mean rank at the common budget, 1 for the best."""
    band: np.ndarray
    """Median, lower and upper quartile of the best value so far at each of the budgets, (3, b)."""
    ranks: np.ndarray
    """Its mean rank at each of the budgets, (b,)."""


@dataclass(frozen=True)
class Duel:
    """Two of the studies: `difference` and `effect` are of the first one against the second."""

    first: str
    second: str
    wins: int
    """Pairs in which the first one is better; of all pairs of runs where they are not paired."""
    ties: int
    losses: int
    difference: float | None
    """Median of first less second, in the objective's unit; None where it is not known."""
    effect: float
    """The chance that a run of the first is better than one of the second, a tie counting half."""
    test: str
    """"wilcoxon" of pairs, "mann-whitney" of groups, or "none" where there is one run each."""
    p: float | None
    corrected: float | None
    """p after Holm's correction for all the duels."""
    sign_p: float | None
    """p of the sign test on pairs, which assumes nothing of the differences."""
    verdict: str
    """The same in a sentence."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """Studies beside one another, the best first."""

    objective: str
    direction: str
    against: str
    """What budgets are counted in: "trials", or seconds of "time" or "cost"."""
    budget: float
    """What all runs had, and are compared at."""
    budgets: np.ndarray
    """Ascending, (b,)."""
    is_paired: bool
    contestants: tuple[Contestant, ...]
    duels: tuple[Duel, ...]
    """Of each two once, the better ranked first."""
    parameters: tuple[Drift, ...]
    """The largest shift first."""
    assumptions: tuple[str, ...]
    """What the tests take for granted, and what is in the way of a verdict; a sentence each."""


def compare(
    studies: Mapping[str, Sequence[History]], objective: int | str = 0, *, against: str = "trials"
) -> Comparison:
    """Compare studies of one objective, each run with one or more seeds.

    `studies` has by label the runs, in the same order of seeds each; `objective` is a place or a name, `against` what
    they had equally much of: "trials", "time" (seconds since the start) or "cost" (seconds of trials).
    Raises InvalidInput for fewer than two studies, for one without runs, and for objectives that differ; UnknownName
    for an objective or axis that there is not.

    >>> from kilter.core.events import TrialState
    >>> from kilter.core.history import Record
    >>> from kilter.core.problem import Problem
    >>> def run(*values):
    ...     history = History(Problem())
    ...     for number, value in enumerate(values):
    ...         history.add(Record(number, TrialState.COMPLETE, {}, metrics={"value": value}))
    ...         history.settle(history[number])
    ...     return history
    >>> found = compare({"a": [run(3, 2), run(4, 1)], "b": [run(5, 3), run(6, 2)]})
    >>> [(c.label, c.rank, c.median) for c in found.contestants], found.duels[0].wins
    ([('a', 1.0, 1.5), ('b', 2.0, 2.5)], 2)
    """
    runs = {str(label): list(histories) for label, histories in studies.items()}
    goal = _goal(runs, objective)
    courses = {label: [convergence(one, objective, against) for one in each] for label, each in runs.items()}
    budget = min((float(course.x[-1]) for each in courses.values() for course in each if len(course.x)), default=0.0)
    budgets = _budgets(budget, against)
    losses = {label: np.array([_at(course, goal.sign, budgets) for course in each]) for label, each in courses.items()}
    paired = len({len(each) for each in runs.values()}) == 1
    ranked = {label: _mean_ranks(losses, label, paired) for label in runs}
    order = sorted(runs, key=lambda label: float(ranked[label][-1]))
    finals = {label: each[:, -1] for label, each in losses.items()}
    return Comparison(
        objective=goal.name,
        direction=goal.direction,
        against=against,
        budget=budget,
        budgets=budgets,
        is_paired=paired,
        contestants=tuple(
            _contestant(label, runs[label], courses[label], losses[label], ranked[label], goal.sign) for label in order
        ),
        duels=_duels(order, finals, paired, goal.sign),
        parameters=drifts({label: runs[label] for label in order}, objective),
        assumptions=tuple(_assumptions(runs, paired, against, budget)),
    )


def _goal(runs: Mapping[str, list[History]], objective: int | str) -> Objective:
    """The objective that all runs have."""
    if len(runs) < 2:
        raise InvalidInput(f"there is nothing to compare with {len(runs)} study: give two or more")
    empty = [label for label, histories in runs.items() if not histories]
    if empty:
        raise InvalidInput(f"{one_line(empty[0], NAME)!r} has no run: give one history at least")
    problems = [(label, one.problem) for label, histories in runs.items() for one in histories]
    goals = [(label, problem.objectives[place(problem, objective)]) for label, problem in problems]
    if len({goal for _, goal in goals}) > 1:
        told = {f"{one_line(label, NAME)} is to {goal.direction} {one_line(goal.name, NAME)}" for label, goal in goals}
        raise InvalidInput(f"the objectives differ, so none is better than another: {', '.join(sorted(told))}")
    return goals[0][1]


def _budgets(budget: float, against: str) -> np.ndarray:
    if against == "trials":
        return np.unique(np.linspace(1, max(budget, 1), min(int(max(budget, 1)), GRID)).astype(int)).astype(float)
    return np.linspace(0.0, budget, GRID + 1)[1:] if budget > 0 else np.zeros(1)


def _at(course: Convergence, sign: float, budgets: np.ndarray) -> np.ndarray:
    """The best loss when so much was spent, inf where nothing had been found, (b,)."""
    best = np.append(math.inf, sign * course.best)
    found: np.ndarray = best[np.searchsorted(course.x, budgets, side="right")]
    return found


def _chance(one: np.ndarray, other: np.ndarray, paired: bool) -> np.ndarray:
    """How often `one` (r, b) has the smaller loss than `other` (s, b), ties counting half, (b,)."""
    if not paired:
        one, other = one[:, None], other[None]
    smaller = (one < other) + 0.5 * (one == other)
    chance: np.ndarray = smaller.reshape(-1, smaller.shape[-1]).mean(axis=0)
    return chance


def _mean_ranks(losses: Mapping[str, np.ndarray], label: str, paired: bool) -> np.ndarray:
    others = [_chance(other, losses[label], paired) for name, other in losses.items() if name != label]
    mean: np.ndarray = 1.0 + np.sum(others, axis=0)
    return mean


def _contestant(
    label: str,
    histories: list[History],
    courses: list[Convergence],
    losses: np.ndarray,
    ranked: np.ndarray,
    sign: float,
) -> Contestant:
    finals = np.where(np.isfinite(losses[:, -1]), sign * losses[:, -1], np.nan)
    known = finals[np.isfinite(finals)]
    low, median, high = np.quantile(known, (0.25, 0.5, 0.75)).tolist() if len(known) else (math.nan,) * 3
    middle, one, other = sign * _quartiles(losses)
    return Contestant(
        label=label,
        runs=len(histories),
        finals=finals,
        ends=np.array([course.best[-1] if len(course.best) else np.nan for course in courses]),
        trials=tuple(len(history.finished) for history in histories),
        median=median,
        low=low,
        high=high,
        rank=float(ranked[-1]),
        band=np.array([middle, np.minimum(one, other), np.maximum(one, other)]),
        ranks=ranked,
    )


def _quartiles(losses: np.ndarray) -> np.ndarray:
    """Median and both quartiles over runs (r, b), (3, b); NaN where one of them falls among runs that found nothing."""
    order = np.sort(losses, axis=0)
    places = [(len(losses) - 1) * share for share in (0.5, 0.25, 0.75)]
    rows = [(order[math.floor(p)], order[math.ceil(p)], p % 1) for p in places]
    with np.errstate(invalid="ignore"):
        return np.array([np.where(np.isfinite(b), a * (1 - w) + b * w, np.nan) for a, b, w in rows])


# -- two by two ---------------------------------------------------------------------------------------------------


def _duels(order: list[str], finals: Mapping[str, np.ndarray], paired: bool, way: float) -> tuple[Duel, ...]:
    duels = [_duel(a, b, finals[a], finals[b], paired, way) for a, b in combinations(order, 2)]
    judged = (replace(duel, corrected=p) for duel, p in zip(duels, holm([duel.p for duel in duels])))
    return tuple(replace(duel, verdict=_verdict(duel, way)) for duel in judged)


def _duel(a: str, b: str, one: np.ndarray, other: np.ndarray, paired: bool, way: float) -> Duel:
    """Of final losses (r,) and (s,)."""
    d = _differences(one, other, paired)
    wins, ties, losses = int((d < 0).sum()), int((d == 0).sum()), int((d > 0).sum())
    middle = float(np.median(d))
    if len(one) < 2 and len(other) < 2:
        test, p, sign_p = "none", None, None
    elif paired:
        test, p, sign_p = "wilcoxon", signed_rank(d), sign(d)
    else:
        test, p, sign_p = "mann-whitney", rank_sum(one, other), None
    difference = way * middle if math.isfinite(middle) else None
    return Duel(
        first=a,
        second=b,
        wins=wins,
        ties=ties,
        losses=losses,
        difference=difference,
        effect=(wins + ties / 2) / len(d),
        test=test,
        p=p,
        corrected=None,
        sign_p=sign_p,
        verdict="",
    )


def _differences(one: np.ndarray, other: np.ndarray, paired: bool) -> np.ndarray:
    """First less second in losses, of each pair or of each two runs; 0 where neither found anything."""
    a, b = (one, other) if paired else (np.repeat(one, len(other)), np.tile(other, len(one)))
    with np.errstate(invalid="ignore"):
        return np.where(a == b, 0.0, a - b)


def _verdict(duel: Duel, way: float) -> str:
    first, second = one_line(duel.first, NAME), one_line(duel.second, NAME)
    runs = duel.wins + duel.ties + duel.losses
    tally = f"{first} is better in {duel.wins} of {runs} pairs{f', equal in {duel.ties}' if duel.ties else ''}"
    lead = (duel.effect - 0.5) or -way * (duel.difference or 0.0)
    if duel.corrected is not None and duel.corrected < SURE and lead:
        winner, loser = (first, second) if lead > 0 else (second, first)
        return f"{winner} is better than {loser} (p = {duel.corrected:.2g}): {tally}"
    if duel.test == "none":
        return f"{first} and {second} have one run each, which says nothing of chance: {tally}"
    p = "all are equal" if duel.corrected is None else f"p = {duel.corrected:.2g}"
    return f"{first} and {second} cannot be told apart ({p}): {tally}"


def _assumptions(runs: Mapping[str, list[History]], paired: bool, against: str, budget: float) -> list[str]:
    count = min(map(len, runs.values()))
    told = []
    if max(map(len, runs.values())) == 1:
        return ["There is one run of each study: run more seeds before you believe in a difference."]
    if paired:
        told.append("Runs are paired by their place: the n-th of each study is taken to have the same seed and data.")
        told.append("Wilcoxon's test takes differences to be symmetric about their median; the sign test does not.")
        if 2.0 ** (1 - count) >= SURE:
            told.append(f"{count} pairs cannot show p < {SURE:g}, whatever they are: run 6 seeds or more.")
    else:
        told.append("The studies have different numbers of runs, so runs are not paired.")
        told.append("The test of Mann and Whitney takes the spread of the studies to be alike.")
    if len(runs) > 2:
        told.append("p is corrected for the number of pairs by Holm's method.")
    lengths = {len(one.finished) for each in runs.values() for one in each}
    if against == "trials" and len(lengths) > 1:
        told.append(f"Runs have from {min(lengths)} to {max(lengths)} trials and are compared after {budget:.0f}.")
    return told
