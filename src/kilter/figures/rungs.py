"""The ladder of a study that stops trials early: at each rung who went on, and who did not."""

from __future__ import annotations

import numpy as np

from kilter.analysis.rungs import Rung, ladder
from kilter.core.history import History
from kilter.core.seeds import rng
from kilter.figures.axes import name_of, of_values
from kilter.figures.figure import Axis, Figure, Line, Mark, Panel, Points, clipped
from kilter.figures.trials import outliers

MOST = 1_000
"""Trials drawn at a rung."""
SPREAD = 0.32
"""By how much trials at one rung are moved apart, of the room between two rungs."""


def rungs(history: History) -> Figure:
    """Values of trials when they came to each rung, those that went on beside those that did not; the cut as a line."""
    found = ladder(history)
    values = np.concatenate([*(rung.values for rung in found.rungs), np.empty(0)])
    y = of_values(name_of(found.metric), values)
    x = Axis.of_options(name_of(found.unit), [f"{rung.step}: {rung.went_on} of {rung.came}" for rung in found.rungs])
    marks = [mark for place, rung in enumerate(found.rungs) for mark in _rung(place, rung, x, y)]
    told = outliers(y.beyond(values)) if found.rungs else "no trial was stopped or put aside"
    went = " to ".join(str(rung.came) for rung in found.rungs)
    return Figure("Rungs", (Panel(x, y, tuple(marks), note=told),), summary=f"Trials that came to each rung: {went}.")


def _rung(place: int, rung: Rung, x: Axis, y: Axis) -> list[Mark]:
    some = np.arange(len(rung.numbers))
    if len(some) > MOST:
        some = np.sort(rng(0, "rung", place).choice(some, MOST, replace=False))
    moved = place + rng(0, "spread", place).uniform(-SPREAD, SPREAD, len(some))
    goes, values, numbers = rung.is_beyond[some], rung.values[some], rung.numbers[some]
    marks: list[Mark] = []
    for chosen, color, shape, label in (
        (~goes, "pruned", "hollow", "ended here"),
        (goes, "complete", "circle", "went on"),
    ):
        points = Points(moved[chosen], values[chosen], color, shape, label, 5.0, numbers[chosen], opacity=0.7)
        marks += clipped(points, x, y)
    if rung.cut is not None and y.low <= rung.cut <= y.high:
        ends = np.array([place - 0.42, place + 0.42])
        marks.append(Line(ends, np.full(2, rung.cut), "best", "worst that went on", width=1.5))
    return marks
