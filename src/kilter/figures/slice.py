"""The values of trials against each parameter, a panel for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kilter.core.history import History
from kilter.core.parameter import Parameter
from kilter.core.seeds import rng
from kilter.figures.axes import of_parameter, of_values
from kilter.figures.figure import Axis, Figure, Panel, Points, Scale, clipped
from kilter.figures.trials import Target, column, complete, note, objective, outliers, parameters, thinned, thinned_note

COLUMNS = 4
"""Panels side by side."""
SPREAD = 0.25
"""By how much trials with one option are moved apart, of the room between two options."""


def slices(history: History, params: Sequence[str] | None = None, target: Target | None = None) -> Figure:
    """A panel for each parameter with the trials in which it is active; the later a trial, the stronger its colour.

    Options are spread a little, so that trials do not hide one another. Infeasible trials are grey rings.
    """
    target, chosen = target or objective(history), parameters(history, params)
    known = complete(history, target)
    numbers = thinned(known, target)
    y = of_values(target.name, target.values[numbers])
    panels = [_panel(history, name, parameter, numbers, target, y) for name, parameter in chosen.items()]
    drawn = thinned_note(len(numbers), len(known))
    panels[:1] = [replace(panel, note=note([panel.note, drawn])) for panel in panels[:1]]
    scale = Scale("trial", 0, max(len(history) - 1, 1), good="high", whole=True)
    return Figure(
        "Slices",
        tuple(panels) or (Panel(Axis(), y, note="no parameters"),),
        min(COLUMNS, max(len(panels), 1)),
        scale,
        f"{target.name} of {len(known)} trials against each of {len(panels)} parameters.",
        shares_y=True,
    )


def _panel(history: History, name: str, parameter: Parameter, numbers: np.ndarray, target: Target, y: Axis) -> Panel:
    x = of_parameter(name, parameter)
    places, values = column(history, name, parameter, numbers), target.values[numbers]
    if x.scale == "category":
        places = places + rng(0, "spread", len(numbers)).uniform(-SPREAD, SPREAD, len(numbers))
    is_feasible = history.violations[numbers] == 0.0
    good, bad = (Points(places[which], values[which], numbers=numbers[which]) for which in (is_feasible, ~is_feasible))
    good = replace(
        good,
        label="complete",
        shade=good.numbers.astype(float),
        opacity=0.85,
        size=6.0 if len(numbers) < 1_000 else 4.0,
    )
    bad = replace(bad, label="infeasible", color="infeasible", shape="ring", size=5.0)
    active = int(np.isfinite(places).sum())
    told = f"active in {active:,}" if active < len(numbers) else ""
    if not len(numbers):
        told = "no complete trial yet"
    marks = [*clipped(bad, x, y), *clipped(good, x, y)]
    return Panel(x, y, tuple(marks), note=note([told, outliers(y.beyond(values[np.isfinite(places)]))]))
