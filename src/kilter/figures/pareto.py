"""Trade-offs between objectives: all trials, the front among them, and where it bends."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from kilter.analysis.pareto import front, knee
from kilter.core.events import TrialState
from kilter.core.history import History
from kilter.core.pareto import non_dominated
from kilter.figures.axes import name_of, of_values, robust
from kilter.figures.figure import Axis, Figure, Line, Mark, Panel, Points, clipped
from kilter.figures.ticks import number
from kilter.figures.trials import Target, note, objective, outliers, thinned, thinned_note

COLUMNS = 3
"""Panels side by side."""
NAMED = 6
"""Parameters of a trial of the front that are told to whoever points at it."""


def pareto(
    history: History,
    targets: Sequence[Target] | None = None,
    dominated: bool = True,
    violations: np.ndarray | None = None,
) -> Figure:
    """A panel for each pair of objectives: complete trials, the front with its knee, infeasible ones as grey rings.

    `targets` are drawn instead of the objectives; the front stays that of the study. `violations` (n,) say which trials
    are infeasible, by above 0, instead of the study's own constraints: the front is then of the others.
    """
    drawn = (
        [objective(history, i) for i in range(len(history.problem.objectives))] if targets is None else list(targets)
    )
    found, is_complete = front(history), history.states == TrialState.COMPLETE
    members, bend = found.numbers, found.knee
    if violations is not None:
        members, bend = _front(history, violations)
    missed = history.violations if violations is None else violations
    known = np.flatnonzero(is_complete & np.isfinite(np.column_stack([target.values for target in drawn])).all(axis=1))
    panels = [
        _panel(history, (drawn[a], drawn[b]), known, members, bend, missed, dominated)
        for a, b in combinations(range(len(drawn)), 2)
    ]
    if not panels:
        panels = [Panel(Axis(), Axis(), note="a front needs two objectives")]
    bends = f", the knee is trial {bend}" if bend is not None else ""
    summary = f"{len(members)} of {len(known)} trials are on the front{bends}."
    return Figure("Pareto front", tuple(panels), min(COLUMNS, len(panels)), summary=summary)


def _front(history: History, violations: np.ndarray) -> tuple[np.ndarray, int | None]:
    """The front and its knee, of the trials with no violation."""
    is_finite = np.isfinite(history.values).all(axis=1)
    good = np.flatnonzero((history.states == TrialState.COMPLETE) & is_finite & (violations <= 0))
    members = good[non_dominated(history.values[good])]
    place = knee(history.values[members])
    return members, None if place is None else int(members[place])


def _panel(
    history: History,
    pair: tuple[Target, Target],
    known: np.ndarray,
    members: np.ndarray,
    bend: int | None,
    violations: np.ndarray,
    dominated: bool,
) -> Panel:
    across, up = pair
    on_front = np.isin(known, members)
    shown = known if dominated else known[on_front]
    x, y = (of_values(t.name, t.values[shown], keep=robust(t.values[members]) if len(members) else ()) for t in pair)
    rest = thinned(known[~on_front], across) if dominated else known[:0]
    missed = violations[rest] > 0
    marks: list[Mark] = []
    for which, color, shape, label in (
        (rest[missed], "infeasible", "ring", "infeasible"),
        (rest[~missed], "muted", "circle", "dominated"),
    ):
        points = Points(across.values[which], up.values[which], color, shape, label, 5.0, which, opacity=0.6)
        marks += clipped(points, x, y)
    marks += _members(history, pair, np.intersect1d(members, known), bend, x, y)
    gone = int((_outside(x, across.values[shown]) | _outside(y, up.values[shown])).sum())
    told = [outliers(gone), thinned_note(len(rest), int((~on_front).sum())) if dominated else ""]
    return Panel(x, y, tuple(marks), note=note(told) if len(known) else "no complete trial yet")


def _outside(axis: Axis, values: np.ndarray) -> np.ndarray:
    return np.asarray((values < axis.low) | (values > axis.high))


def _members(
    history: History, pair: tuple[Target, Target], members: np.ndarray, bend: int | None, x: Axis, y: Axis
) -> list[Mark]:
    """The front as points, with the edge of what it dominates where it is a front of these two; and its knee."""
    across, up = pair
    ordered = members[np.argsort(across.losses[members], kind="stable")]
    marks: list[Mark] = []
    if len(history.problem.objectives) == 2 and None not in (across.good, up.good) and len(ordered):
        marks.append(Line(across.values[ordered], up.values[ordered], "best", "", steps=True, width=1.5, opacity=0.7))
    texts = tuple(_told(history, number) for number in ordered.tolist())
    points = Points(across.values[ordered], up.values[ordered], "best", "circle", "front", 7.0, ordered, texts)
    marks += clipped(points, x, y)
    if bend is not None and bend in members:
        at = np.array([bend])
        marks += clipped(Points(across.values[at], up.values[at], "best", "star", "knee", 14.0, at), x, y)
    return marks


def _told(history: History, trial: int) -> str:
    """The first parameters of a trial in a line."""
    params = history.problem.space.whole(history[trial].params)
    shown = [f"{name_of(n)} {number(v) if isinstance(v, float) else name_of(v)}" for n, v in params.items()]
    return ", ".join(shown[:NAMED]) + (", …" if len(shown) > NAMED else "")
