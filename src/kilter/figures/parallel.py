"""Parallel coordinates: a line for each trial across its value and its parameters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kilter.core.history import History
from kilter.core.numbers import Float, Int
from kilter.core.parameter import Parameter
from kilter.figures.axes import of_parameter, of_values
from kilter.figures.figure import Axis, Figure, Panel, Strands
from kilter.figures.ticks import labelled
from kilter.figures.trials import Target, column, complete, note, objective, outliers, parameters, thinned, thinned_note

MOST = 2_000
"""Lines; more of them are a carpet."""
INACTIVE = -0.12
"""Where a line passes that has no value on an axis."""


def parallel(history: History, params: Sequence[str] | None = None, targets: Sequence[Target] = ()) -> Figure:
    """A line for each complete trial, from its value over its parameters, the best ones drawn last.

    Where a parameter is not active the line passes below its axis. With several targets each has an axis, and the
    first gives the colour.
    """
    targets = list(targets) or [objective(history, i) for i in range(len(history.problem.objectives))]
    chosen = parameters(history, params)
    known = complete(history, targets[0])
    numbers = thinned(known, targets[0], MOST)
    numbers = numbers[np.argsort(-targets[0].losses[numbers], kind="stable")]
    axes = [of_values(target.name, target.values[numbers]) for target in targets]
    columns = [np.clip(axis.share(target.values[numbers]), 0, 1) for axis, target in zip(axes, targets)]
    gone = sum(axis.beyond(target.values[numbers]) for axis, target in zip(axes, targets))
    ticks = [labelled(axis) for axis in axes]
    for name, parameter in chosen.items():
        axis = of_parameter(name, parameter)
        share = axis.share(column(history, name, parameter, numbers))
        is_active = np.isfinite(share)
        columns.append(np.where(is_active, np.clip(share, 0, 1), INACTIVE))
        ticks.append(labelled(axis, _ends(parameter)) + (() if is_active.all() else ((INACTIVE, "not active"),)))
        axes.append(axis)
    strands = Strands(
        tuple(axis.title for axis in axes),
        np.column_stack(columns).reshape(len(numbers), len(axes)),
        targets[0].values[numbers],
        tuple(ticks),
        numbers,
    )
    told = note([outliers(gone), thinned_note(len(numbers), len(known))]) if len(known) else "no complete trial yet"
    upright = Axis.of_options("", strands.titles)
    panel = Panel(upright, Axis(scale="none", low=INACTIVE - 0.05, high=1.05), (strands,), note=told)
    summary = f"{len(numbers)} trials as lines over {len(chosen)} parameters, coloured by {targets[0].name}."
    return Figure("Parallel coordinates", (panel,), 1, targets[0].scale_of(known), summary)


def _ends(parameter: Parameter) -> tuple[float, ...]:
    """The bounds of a range, which its axis names."""
    return (float(parameter.low), float(parameter.high)) if isinstance(parameter, (Float, Int)) else ()
