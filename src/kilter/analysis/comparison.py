"""Which of several studies found better values, over runs with different seeds, and how sure that is.

    finals   (r,)     best value of each run at the budget that all runs had
    ranks             of a study: 1 + the chance that another one is better, summed over the others; ties count half

Runs are paired by their place where all studies have equally many: hand them over by seed. Then differences of the same
seed are compared, which takes out what the seeds share. A run that found nothing feasible is worse than any that did.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from kilter.analysis.ranktests import holm, rank_sum, sign, signed_rank
from kilter.core.errors import InvalidInput
from kilter.core.events import TrialState
from kilter.core.history import History
from kilter.core.numbers import Number
from kilter.core.parameter import Parameter, Plain
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


@dataclass(frozen=True)
class Optimum:
    """Where the best trials of a study have a parameter: the middle one of a number, the commonest of options."""

    value: Plain
    low: Plain
    high: Plain
    """The range over the runs; of options the commonest, too."""
    share: float
    """How many of the runs have it at that option; 1 for numbers."""


@dataclass(frozen=True)
class Drift:
    """How far the best value of a parameter that all studies have lies apart."""

    name: str
    optima: Mapping[str, Optimum]
    """By study; without those whose best trials do not have it."""
    shift: float
    """From 0, at the same place, to 1, at opposite ends of the range (on a log scale where it is one), or in options
    without overlap."""
    spread: float | None
    """The same among the runs of one study, the largest; None where no study has several."""


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


def compare(studies: Mapping[str, Sequence[History]], objective: int = 0, *, against: str = "trials") -> Comparison:
    """Compare studies of one objective, each run with one or more seeds.

    `studies` has by label the runs, in the same order of seeds each; `objective` is the place of the objective,
    `against` what they had equally much of: "trials", "time" (seconds since the start) or "cost" (seconds of trials).
    Raises InvalidInput for fewer than two studies, for one without runs, and for objectives that differ.

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
    _check(runs, objective, against)
    goal = next(iter(runs.values()))[0].problem.objectives[objective]
    curves = {label: [_progress(one, objective, against) for one in each] for label, each in runs.items()}
    budget = min(float(x[-1]) if len(x) else 0.0 for each in curves.values() for x, _ in each)
    budgets = _budgets(curves, budget, against)
    losses = {label: np.array([_at(*curve, budgets) for curve in each]) for label, each in curves.items()}
    paired = len({len(each) for each in runs.values()}) == 1
    ranked = {label: _mean_ranks(losses, label, paired) for label in runs}
    order = sorted(runs, key=lambda label: float(ranked[label][-1]))
    contestants = tuple(
        _contestant(label, runs[label], curves[label], losses[label], ranked[label], goal.sign) for label in order
    )
    finals = {label: each[:, -1] for label, each in losses.items()}
    return Comparison(
        goal.name,
        goal.direction,
        against,
        budget,
        budgets,
        paired,
        contestants,
        _duels(order, finals, paired, goal.sign),
        tuple(sorted(_drifts({label: runs[label] for label in order}, objective), key=lambda drift: -drift.shift)),
        tuple(_assumptions(runs, paired, against)),
    )


def _check(runs: Mapping[str, list[History]], objective: int, against: str) -> None:
    if len(runs) < 2:
        raise InvalidInput(f"{len(runs)} study to compare: give two or more")
    if against not in ("trials", "time", "cost"):
        raise InvalidInput(f"against={against!r}: choose 'trials', 'time' or 'cost'")
    for label, histories in runs.items():
        if not histories:
            raise InvalidInput(f"{one_line(label, NAME)!r} has no run: give one history at least")
    problems = {label: one.problem for label, histories in runs.items() for one in histories}
    goals = {}
    for label, problem in problems.items():
        if not 0 <= objective < len(problem.objectives):
            raise InvalidInput(f"objective={objective!r}: {one_line(label, NAME)!r} has {len(problem.objectives)}")
        goals[label] = problem.objectives[objective]
    if len(set(goals.values())) > 1:
        told = ", ".join(f"{one_line(label, NAME)} wants to {g.direction} {g.name}" for label, g in goals.items())
        raise InvalidInput(f"the objectives differ, so no run is better than another: {told}")


def _progress(history: History, objective: int, against: str) -> tuple[np.ndarray, np.ndarray]:
    """What was spent when each trial finished, ascending, and the best loss by then; (k,) each."""
    numbers = history.finished
    loss = [history.values[n, objective] if history.is_candidate(n) else math.inf for n in numbers]
    best = np.minimum.accumulate(np.array(loss, dtype=float)) if loss else np.empty(0)
    if against == "trials":
        return np.arange(1.0, len(numbers) + 1), best
    trials = [history[number] for number in numbers]
    if against == "cost":
        return np.cumsum([0.0 if math.isnan(t.seconds) else t.seconds for t in trials]), best
    began = min((t.started for t in history if t.started is not None), default=0.0)
    times = [began if t.ended is None else t.ended for t in trials]
    return np.maximum.accumulate(np.array(times, dtype=float) - began) if times else np.empty(0), best


def _budgets(curves: Mapping[str, list[tuple[np.ndarray, np.ndarray]]], budget: float, against: str) -> np.ndarray:
    if against == "trials":
        count = int(budget)
        return np.unique(np.linspace(1, count, min(count, GRID)).astype(int)).astype(float) if count else np.zeros(1)
    return np.linspace(0.0, budget, GRID + 1)[1:] if budget > 0 else np.zeros(1)


def _at(x: np.ndarray, best: np.ndarray, budgets: np.ndarray) -> np.ndarray:
    """The best loss when so much was spent, inf where nothing had been found, (b,)."""
    place = np.searchsorted(x, budgets * (1 + 1e-12), side="right") - 1
    known = np.append(best, math.inf)
    found: np.ndarray = known[np.where(place >= 0, place, len(best))]
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
    curves: list[tuple[np.ndarray, np.ndarray]],
    losses: np.ndarray,
    ranked: np.ndarray,
    sign: float,
) -> Contestant:
    values = np.where(np.isfinite(losses), sign * losses, np.nan)
    finals = values[:, -1]
    known = finals[np.isfinite(finals)]
    low, median, high = np.quantile(known, (0.25, 0.5, 0.75)).tolist() if len(known) else (math.nan,) * 3
    ends = np.array([sign * best[-1] if len(best) and np.isfinite(best[-1]) else np.nan for _, best in curves])
    return Contestant(
        label,
        len(histories),
        finals,
        ends,
        tuple(len(history.finished) for history in histories),
        median,
        low,
        high,
        float(ranked[-1]),
        _quartiles(losses) * sign,
        ranked,
    )


def _quartiles(losses: np.ndarray) -> np.ndarray:
    """Median, lower and upper quartile over runs (r, b), (3, b); NaN where one of them has found nothing."""
    order = np.sort(losses, axis=0)
    places = [(len(losses) - 1) * share for share in (0.5, 0.25, 0.75)]
    rows = [(order[math.floor(p)], order[math.ceil(p)], p % 1) for p in places]
    with np.errstate(invalid="ignore"):
        return np.array([np.where(np.isfinite(b), a * (1 - w) + b * w, np.nan) for a, b, w in rows])


# -- two by two ---------------------------------------------------------------------------------------------------


def _duels(order: list[str], finals: Mapping[str, np.ndarray], paired: bool, way: float) -> tuple[Duel, ...]:
    pairs = list(combinations(order, 2))
    differences = [_differences(finals[a], finals[b], paired) for a, b in pairs]
    tests = [_test(finals[a], finals[b], d, paired) for (a, b), d in zip(pairs, differences)]
    corrected = holm([p for _, p in tests])
    return tuple(
        _duel(a, b, d, test, p, worth, paired, way)
        for (a, b), d, (test, p), worth in zip(pairs, differences, tests, corrected)
    )


def _differences(one: np.ndarray, other: np.ndarray, paired: bool) -> np.ndarray:
    """First less second in losses, of each pair or of each two runs; 0 where neither found anything."""
    a, b = (one, other) if paired else (np.repeat(one, len(other)), np.tile(other, len(one)))
    with np.errstate(invalid="ignore"):
        return np.where(a == b, 0.0, a - b)


def _test(one: np.ndarray, other: np.ndarray, differences: np.ndarray, paired: bool) -> tuple[str, float | None]:
    if len(one) < 2 and len(other) < 2:
        return "none", None
    return ("wilcoxon", signed_rank(differences)) if paired else ("mann-whitney", rank_sum(one, other))


def _duel(
    a: str, b: str, d: np.ndarray, test: str, p: float | None, worth: float | None, paired: bool, way: float
) -> Duel:
    wins, ties, losses = int((d < 0).sum()), int((d == 0).sum()), int((d > 0).sum())
    middle = float(np.median(d))
    effect = (wins + ties / 2) / len(d)
    sign_p = sign(d) if paired and len(d) > 1 else None
    difference = way * middle if math.isfinite(middle) else None
    first, second = one_line(a, NAME), one_line(b, NAME)
    tally = f"{wins} of {len(d)} {'pairs' if paired else 'pairs of runs'} are better, {ties} equal"
    if worth is not None and worth < SURE:
        winner, loser = (first, second) if effect > 0.5 else (second, first)
        verdict = f"{winner} is better than {loser}: p = {worth:.2g}; of {first}, {tally}"
    else:
        why = (
            "one run each says nothing of chance"
            if test == "none"
            else "all runs are equal"
            if worth is None
            else f"p = {worth:.2g}"
        )
        verdict = f"{first} and {second} cannot be told apart: {why}; of {first}, {tally}"
    return Duel(a, b, wins, ties, losses, difference, effect, test, p, worth, sign_p, verdict)


def _assumptions(runs: Mapping[str, list[History]], paired: bool, against: str) -> list[str]:
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
        told.append(f"Runs have from {min(lengths)} to {max(lengths)} trials and are compared at {min(lengths)}.")
    return told


# -- common parameters --------------------------------------------------------------------------------------------


def _drifts(runs: Mapping[str, list[History]], objective: int) -> list[Drift]:
    spaces = [one.problem.space.parameters for each in runs.values() for one in each]
    names = [name for name in spaces[0] if all(name in space for space in spaces)]
    best = {label: [t for one in each if (t := _best(one, objective)) is not None] for label, each in runs.items()}
    found = []
    for name in names:
        plains = {label: [t[name] for t in trials if name in t] for label, trials in best.items()}
        plains = {label: values for label, values in plains.items() if values}
        if len(plains) > 1:
            found.append(_drift(name, [space[name] for space in spaces], plains))
    return found


def _best(history: History, objective: int) -> Mapping[str, Plain] | None:
    known = [number for number in history.finished if history.is_candidate(number)]
    if not known:
        return None
    return history[min(known, key=lambda number: (history.values[number, objective], number))].params


def _drift(name: str, parameters: list[Parameter], plains: Mapping[str, list[Any]]) -> Drift:
    several = [values for values in plains.values() if len(values) > 1]
    if all(isinstance(parameter, Number) for parameter in parameters):
        place = _scale(parameters)
        middle = {label: sorted(values)[len(values) // 2] for label, values in plains.items()}
        optima = {label: Optimum(middle[label], min(v), max(v), 1.0) for label, v in plains.items()}
        at = [place(value) for value in middle.values()]
        spread = max((place(max(values)) - place(min(values)) for values in several), default=None)
        return Drift(name, optima, max(at) - min(at), spread)
    shares = {label: {repr(v): values.count(v) / len(values) for v in values} for label, values in plains.items()}
    commonest = {label: max(values, key=values.count) for label, values in plains.items()}
    optima = {label: Optimum(v, v, v, shares[label][repr(v)]) for label, v in commonest.items()}
    apart = [_apart(one, other) for one, other in combinations(shares.values(), 2)]
    within = max((1.0 - max(shares[label].values()) for label, v in plains.items() if len(v) > 1), default=None)
    return Drift(name, optima, max(apart), within)


def _scale(parameters: list[Any]):  # type: ignore[no-untyped-def]
    """The place of a number in the range that all of the parameters span, from 0 to 1; on a log scale where all are."""
    is_log = all(parameter.log for parameter in parameters)
    low, high = min(p.low for p in parameters), max(p.high for p in parameters)
    if is_log:
        low, high = math.log(low), math.log(high)
    return lambda value: ((math.log(value) if is_log else value) - low) / (high - low) if high > low else 0.0


def _apart(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Half the sum of differences of shares: 0 for equal ones, 1 where no option is in both."""
    return sum(abs(one.get(option, 0.0) - other.get(option, 0.0)) for option in {*one, *other}) / 2.0


# -- distribution -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Distribution:
    """The values of all complete, feasible trials: `share` of them are as small as `values` or smaller."""

    objective: str
    direction: str
    trials: int
    values: np.ndarray
    """Ascending, (q,)."""
    share: np.ndarray
    """(q,)"""


def distribution(history: History, objective: int = 0, points: int = 500) -> Distribution:
    """The empirical distribution of an objective, at so many of its values at most."""
    goal = history.problem.objectives[objective]
    counts = (history.states == TrialState.COMPLETE) & (history.violations == 0.0)
    values = goal.sign * history.values[counts, objective]
    values = np.sort(values[np.isfinite(values)])
    n = len(values)
    rows = np.unique(np.linspace(0, n - 1, min(n, points)).astype(int)) if n else np.empty(0, dtype=int)
    return Distribution(goal.name, goal.direction, n, values[rows], (rows + 1.0) / max(n, 1))
