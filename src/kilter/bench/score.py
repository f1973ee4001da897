"""Runs of a race as figures: how much regret is left, who wins against whom, and what asking costs.

regret       (incumbent - best) / (typical - best), clipped to [0, 1]; of several objectives by the hypervolume
log regret   its logarithm to base 10, from a floor of 1e-3 (1e-2 with noise) on: tells methods apart near the optimum
rank         1 for the best, ties shared; on each problem and seed, then averaged
wins         the share of problems and seeds on which the sampler of the row is better, ties one half

arrays       (s, r, c): samplers, runs (a problem with a seed), checkpoints
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from kilter.bench.problem import DRAWS, hypervolume
from kilter.bench.race import Run
from kilter.core.errors import InvalidInput
from kilter.core.pareto import non_dominated
from kilter.core.problem import Objective
from kilter.core.seeds import rng

FLOOR, NOISY_FLOOR = 1e-3, 1e-2
"""The least regret that log regret tells from none; with noise, less cannot be seen within a usual budget."""

CHECKPOINTS = (25, 50, 100)

RESAMPLES = 2000
"""Of the bootstrap: the ends of an interval are then right to about a tenth of its width."""

COVERAGE = (2.5, 97.5)
"""Percentiles that a 95 % interval lies between."""


@dataclass(frozen=True)
class Interval:
    """A mean and the ends of its 95 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Row:
    """One sampler. Regrets have an entry a checkpoint; the rank is that at the last one."""

    sampler: str
    regret: tuple[Interval, ...]
    log_regret: tuple[Interval, ...]
    rank: float
    ask_ms: float
    """CPU, the median over all trials."""
    failures: int


@dataclass(frozen=True)
class Table:
    """Scores of several samplers on the problems and seeds that all of them have run, the best first."""

    checkpoints: tuple[int, ...]
    problems: tuple[str, ...]
    runs: int
    """Problems times seeds."""
    rows: tuple[Row, ...]
    wins: dict[str, dict[str, float]]
    notes: tuple[str, ...]
    """What was left out, and why."""

    def __str__(self) -> str:
        last = self.checkpoints[-1]
        lines = [["sampler", *(f"regret@{n}" for n in self.checkpoints), f"log10@{last}", "rank", "ms/ask"]]
        for row in self.rows:
            cells = [f"{r.mean:.3f} [{r.low:.3f}, {r.high:.3f}]" for r in row.regret]
            lines.append(
                [row.sampler, *cells, f"{row.log_regret[-1].mean:.2f}", f"{row.rank:.2f}", f"{row.ask_ms:.2g}"]
            )
        sizes = [max(map(len, column)) for column in zip(*lines)]
        return "\n".join("  ".join(cell.ljust(size) for cell, size in zip(line, sizes)).rstrip() for line in lines)


def score(runs: Iterable[Run], at: Sequence[int] = CHECKPOINTS, recommended: bool = False, seed: int = 0) -> Table:
    """The table of a race, after each of `at` trials; after all where every run is shorter.

    Samplers are compared on the problems and seeds that all of them have. Intervals resample problems, of which a mean
    over seeds is taken first; with a single problem they resample its seeds. With `recommended`, noisy problems are
    scored by what the study recommended where the runs hold that, in place of the trial that looked best. Where a
    problem's optimum is not known, the best of all these runs takes its place, and for typical the median of what they
    had after ten trials; likewise, without a reference, the hypervolume is bounded by the worst that any run saw.

    Raises InvalidInput where the samplers have no run in common, and for a checkpoint below 1.

    >>> from kilter.bench.problems import find
    >>> from kilter.bench.race import race
    >>> table = score(race(find(["sphere-4"]), ["random", "evolution"], seeds=range(3), budget=40), at=[40])
    >>> [row.sampler for row in table.rows]
    ['evolution', 'random']
    """
    if any(n < 1 for n in at):
        raise InvalidInput(f"at={list(at)!r}: checkpoints are numbers of trials, from 1 on")
    usable, notes = _usable(list(runs))
    samplers = sorted({run.sampler for run in usable})
    grid = {(run.sampler, _cell(run)): run for run in usable}
    cells = sorted({cell for _, cell in grid})
    common = [cell for cell in cells if all((sampler, cell) in grid for sampler in samplers)]
    if not common:
        raise InvalidInput(
            f"the samplers {', '.join(samplers) or '(none)'} share no problem and seed: "
            "run the race for all of them, or score fewer samplers"
        )
    if len(common) < len(cells):
        notes.append(f"left out {len(cells) - len(common)} of {len(cells)} problems × seeds that not every sampler has")
    chosen = [[grid[sampler, cell] for cell in common] for sampler in samplers]
    checkpoints, more = _checkpoints(at, min(run.budget for row in chosen for run in row))
    names = [_shown(problem, slots) for problem, slots, _ in common]
    problems = tuple(dict.fromkeys(names))
    owner = np.array([problems.index(name) for name in names])
    raw = np.empty((len(samplers), len(common), len(checkpoints)))
    for p in range(len(problems)):
        places = np.flatnonzero(owner == p)
        raw[:, places] = _regrets([[row[i] for i in places] for row in chosen], checkpoints, recommended)
    floors = np.array([NOISY_FLOOR if run.noisy else FLOOR for run in chosen[0]])[:, None]
    regret = np.clip(raw, 0.0, 1.0)
    log_regret = np.log10(np.maximum(regret, floors))
    ranks, wins = _compared(raw[:, :, -1])
    rows = [
        Row(
            sampler,
            _intervals(regret[i], owner, seed),
            _intervals(log_regret[i], owner, seed),
            float(ranks[i].mean()),
            float(np.median([ms for run in chosen[i] for ms in run.ask_ms] or [math.nan])),
            sum(run.failures for run in chosen[i]),
        )
        for i, sampler in enumerate(samplers)
    ]
    matrix = {a: {b: float(wins[i, j]) for j, b in enumerate(samplers) if j != i} for i, a in enumerate(samplers)}
    rows.sort(key=lambda row: (row.log_regret[-1].mean, row.regret[-1].mean, row.sampler))
    return Table(checkpoints, problems, len(common), tuple(rows), matrix, (*notes, *more))


# -- which runs count -----------------------------------------------------------------------------------------------


def _cell(run: Run) -> tuple[str, int, int]:
    return run.problem, run.slots, run.seed


def _shown(problem: str, slots: int) -> str:
    return problem if slots == 1 else f"{problem} ×{slots}"


def _usable(runs: list[Run]) -> tuple[list[Run], list[str]]:
    """The runs that did not break off, of each problem as it was last, the longest of each kind; and what was not."""
    if not runs:
        raise InvalidInput("there are no runs to score: give the list that race() returns, or read_runs(file)")
    notes = []
    broken = [run for run in runs if run.error is not None]
    if broken:
        kinds = dict.fromkeys(f"{run.sampler} on {run.problem}: {run.error}" for run in broken)
        notes.append(f"left out {len(broken)} runs that broke off: {next(iter(kinds))}")
    current = {run.problem: run.fingerprint for run in runs}  # the last one counts
    kept: dict[tuple[str, tuple[str, int, int]], Run] = {}
    outdated = 0
    for run in runs:
        if run.error is None and run.fingerprint != current[run.problem]:
            outdated += 1
        elif run.error is None:
            key = run.sampler, _cell(run)
            if key not in kept or kept[key].budget <= run.budget:
                kept[key] = run
    if outdated:
        notes.append(f"left out {outdated} runs of problems that have changed since")
    return list(kept.values()), notes


def _checkpoints(at: Sequence[int], budget: int) -> tuple[tuple[int, ...], list[str]]:
    """Those that every run reached, with a note on the others; the budget where there are none."""
    reached = tuple(sorted({n for n in at if n <= budget})) or (budget,)
    beyond = sorted({n for n in at if n > budget}) if tuple(at) != CHECKPOINTS else []
    return reached, [f"no figures at {', '.join(map(str, beyond))}: the runs have {budget} trials"] if beyond else []


# -- regret of one problem ------------------------------------------------------------------------------------------


def _regrets(runs: list[list[Run]], checkpoints: Sequence[int], recommended: bool) -> np.ndarray:
    """Regrets that are not clipped, shape (s, seeds, c); inf where there is no feasible value yet."""
    first = runs[0][0]
    flat = [run for row in runs for run in row]
    steps = [min(DRAWS, checkpoints[-1]), *checkpoints]
    if len(first.objectives) > 1:
        reference = first.reference if first.reference is not None else _worst(flat)
        levels = np.array([[[-_volume(run, n, reference) for n in steps] for run in row] for row in runs])
        best, typical = (None if known is None else -known for known in (first.best, first.typical))
    else:
        sign = Objective(*first.objectives[0]).sign
        levels = np.array([[[sign * _value(run, n, recommended) for n in steps] for run in row] for row in runs])
        levels = np.where(np.isnan(levels), np.inf, levels)
        best, typical = (None if known is None else sign * known for known in (first.best, first.typical))
    if best is None:
        best = float(levels.min())
    if typical is None:
        typical = float(np.median(levels[:, :, 0]))
    gap = typical - best
    if not gap > 0:  # all that counts is whether the best was reached
        gap = math.ulp(0.0)
    with np.errstate(over="ignore", invalid="ignore"):
        regret = (levels[:, :, 1:] - best) / gap
    return np.where(np.isnan(regret), np.inf, regret)


def _value(run: Run, n: int, recommended: bool) -> float:
    """The incumbent after n trials, NaN where there is none; a run that ended early keeps its last."""
    if recommended and run.recommended:
        asked = [value for count, value in run.recommended if count <= n]
        if asked:
            return asked[-1]
    seen = run.incumbent[:n]
    return math.nan if not seen or seen[-1] is None else seen[-1]


def _volume(run: Run, n: int, reference: Sequence[float]) -> float:
    """The hypervolume after n trials of those that look best, at their values without noise."""
    signs = np.array([Objective(*pair).sign for pair in run.objectives])
    pairs = [
        (seen, true) for seen, true in zip(run.values[:n], run.truths[:n]) if seen is not None and true is not None
    ]
    if not pairs:
        return 0.0
    looks = non_dominated(signs * np.array([seen for seen, _ in pairs]))
    return hypervolume((signs * np.array([true for _, true in pairs]))[looks], reference)


def _worst(runs: Sequence[Run]) -> list[float]:
    """The largest of each objective, signed to be minimised, that any run has seen."""
    signs = np.array([Objective(*pair).sign for pair in runs[0].objectives])
    seen = [true for run in runs for true in run.truths if true is not None]
    return [float(v) for v in (signs * np.array(seen)).max(axis=0)] if seen else [0.0] * len(signs)


# -- statistics -----------------------------------------------------------------------------------------------------


def _compared(final: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ranks (s, r) with ties shared, and shares of wins (s, s), of final regrets (s, r)."""
    better = (final[:, None] < final[None]).astype(float) + 0.5 * (final[:, None] == final[None])  # (s, s, r)
    ranks = 0.5 + better.sum(axis=0)  # with itself it ties, which makes the half up to 1
    return ranks, better.mean(axis=2)


def _intervals(figures: np.ndarray, owner: np.ndarray, seed: int) -> tuple[Interval, ...]:
    """Means of `figures` (r, c) over problems, each a mean over its seeds, with bootstrap intervals."""
    groups = np.unique(owner)
    units = np.array([figures[owner == p].mean(axis=0) for p in groups]) if len(groups) > 1 else figures
    picks = rng(seed, "bootstrap").integers(len(units), size=(RESAMPLES, len(units)))
    low, high = np.percentile(units[picks].mean(axis=1), COVERAGE, axis=0)
    return tuple(Interval(float(m), float(a), float(b)) for m, a, b in zip(units.mean(axis=0), low, high))
