"""How a search went on: the value of each trial by its number, and the best so far."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kilter.core.events import TrialState
from kilter.core.history import History, Record
from kilter.core.text import one_line
from kilter.figures.axes import name_of, of_numbers, of_values
from kilter.figures.figure import EDGE, Axis, Band, Figure, Line, Mark, Panel, Points, clipped
from kilter.figures.trials import Target, by_state, note, objective, outliers, thinned, thinned_note

FAILURES = 2_000
"""Failed trials drawn, at most."""
WHY = 60
"""Characters of a failure, for whoever points at it."""


def history(study: History, target: Target | None = None) -> Figure:
    """Values by trial number, the best so far as steps; states by shape, failed trials at the worse edge.

    Values that are far off most are marked at the edge, and where values span decades the axis is logarithmic.
    """
    target = target or objective(study)
    known = np.flatnonzero(~np.isnan(target.values) & (study.states != TrialState.FAIL))
    numbers = thinned(known, target)
    x, best = of_numbers("trial", len(study)), _best(study, target)
    y = of_values(target.name, target.values[numbers], keep=best[-1:, 1].tolist())
    marks: list[Mark] = [*_failed(study, x, y, target)]
    marks += by_state(study, numbers, np.arange(len(study), dtype=float), target.values, (x, y))
    marks += _improvements(best, len(study), x, y)
    told = note([outliers(y.beyond(target.values[numbers])), thinned_note(len(numbers), len(known))])
    panel = Panel(x, y, tuple(marks), note=told if len(study) else "no trial yet")
    return Figure("Optimization history", (panel,), summary=_summary(study, target, best))


def histories(studies: Sequence[tuple[str, History, Target]], error_bar: bool = False) -> Figure:
    """The same of several studies, a colour each; or, with `error_bar`, mean and deviation over them by number."""
    values = np.concatenate([target.values[np.isfinite(target.values)] for _, _, target in studies] or [np.empty(0)])
    name = studies[0][2].name if studies else ""
    x = of_numbers("trial", max((len(study) for _, study, _ in studies), default=0))
    y = of_values(name, values)
    if error_bar:
        marks = _mean(studies)
    else:
        marks = [mark for i, each in enumerate(studies) for mark in _one(i, *each, x, y)]
    panel = Panel(x, y, tuple(marks), note=outliers(y.beyond(values)))
    return Figure("Optimization history", (panel,), summary=f"{name} of {len(studies)} studies by trial number.")


def _best(study: History, target: Target) -> np.ndarray:
    """Where the best value of complete, feasible trials changed: (number, value), shape (k, 2)."""
    if target.good is None:
        return np.empty((0, 2))
    losses = np.where((study.states == TrialState.COMPLETE) & (study.violations == 0.0), target.losses, np.nan)
    so_far = np.fmin.accumulate(losses) if len(losses) else losses
    changed = np.flatnonzero(np.isfinite(so_far) & (so_far != np.concatenate([[np.nan], so_far[:-1]])))
    return np.column_stack([changed, target.values[changed]]).astype(float).reshape(-1, 2)


def _improvements(best: np.ndarray, trials: int, x: Axis, y: Axis) -> list[Mark]:
    if not len(best):
        return []
    line = np.vstack([best, [max(trials - 1, 0), best[-1, 1]]])
    last = Points(best[-1:, 0], best[-1:, 1], "best", "star", "best", 11.0, best[-1:, 0].astype(int))
    return [Line(line[:, 0], line[:, 1], "best", "best so far", steps=True), *clipped(last, x, y)]


def _failed(study: History, x: Axis, y: Axis, target: Target) -> list[Points]:
    """Trials that failed or came to nothing, at the edge where bad values are."""
    is_over = np.isin(study.states, (TrialState.COMPLETE, TrialState.PRUNED)) & np.isnan(target.values)
    failed = np.flatnonzero((study.states == TrialState.FAIL) | is_over)
    failed = failed[:: -(-len(failed) // FAILURES) or 1]  # a row of crosses is a row of crosses
    if not len(failed):
        return []
    worst = y.at(EDGE if target.good == "high" else 1 - EDGE)
    why = tuple(_why(study[number]) for number in failed.tolist())
    return [Points(failed.astype(float), np.full(len(failed), worst), "failed", "cross", "failed", 7.0, failed, why)]


def _why(trial: Record) -> str:
    return one_line(trial.failure.line, WHY) if trial.failure else "no value"


def _one(place: int, name: str, study: History, target: Target, x: Axis, y: Axis) -> list[Mark]:
    best, color = _best(study, target), f"series {place}"
    numbers = thinned(np.flatnonzero((study.states == TrialState.COMPLETE) & ~np.isnan(target.values)), target)
    points = Points(
        numbers.astype(float), target.values[numbers], color, label=name_of(name), numbers=numbers, opacity=0.45
    )
    lines = []
    if len(best):
        line = np.vstack([best, [len(study) - 1, best[-1, 1]]])
        lines = [Line(line[:, 0], line[:, 1], color, f"best of {name_of(name)}", steps=True)]
    return [*clipped(points, x, y), *lines]


def _mean(studies: Sequence[tuple[str, History, Target]]) -> list[Mark]:
    """Mean and standard deviation by number, of the values and of the best so far."""
    length = max(len(study) for _, study, _ in studies)
    rows, bests = np.full((2, len(studies), length), np.nan)
    for row, best, (_, study, target) in zip(rows, bests, studies):
        complete = (study.states == TrialState.COMPLETE) & np.isfinite(target.values)
        row[: len(study)] = np.where(complete, target.values, np.nan)
        changes = _best(study, target)
        for number, value in changes.tolist():
            best[int(number) :] = value
    marks: list[Mark] = []
    for table, color, label in ((rows, "accent", "mean"), (bests, "best", "mean of the best so far")):
        known = np.flatnonzero(np.isfinite(table).any(axis=0))
        if len(known):
            mean, sd = np.nanmean(table[:, known], axis=0), np.nanstd(table[:, known], axis=0)
            marks.append(Band(known.astype(float), mean - sd, mean + sd, color, f"{label} ± sd"))
            marks.append(Line(known.astype(float), mean, color, label))
    return marks


def _summary(study: History, target: Target, best: np.ndarray) -> str:
    if not len(best):
        return f"{target.name} of {len(study)} trials by number."
    return f"{target.name} of {len(study)} trials by number; the best is {best[-1, 1]:.4g}, of trial {best[-1, 0]:.0f}."
