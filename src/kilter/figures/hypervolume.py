"""How the volume that the front dominates grew."""

from __future__ import annotations

from collections.abc import Sequence

from kilter.analysis.pareto import hypervolume as volume_of
from kilter.core.history import History
from kilter.figures.axes import of_values
from kilter.figures.figure import Figure, Line, Panel
from kilter.figures.ticks import number


def hypervolume(history: History, reference: Sequence[float] | None = None) -> Figure:
    """The dominated volume by the number of finished trials, measured from a reference in the user's own unit.

    Without a reference it is measured from a tenth of the range beyond the worst values. Raises InvalidInput where the
    reference has not a number for each objective.
    """
    found = volume_of(history, reference)
    corner = ", ".join(number(value) for value in found.reference.tolist())
    x = of_values("finished trials", found.trials.astype(float), whole=True)
    y = of_values("hypervolume", found.volume, keep=[0.0])
    line = Line(found.trials.astype(float), found.volume, "accent", steps=True, numbers=found.numbers)
    told = f"from ({corner})" + ("" if found.is_exact else ", estimated")
    panel = Panel(x, y, (line,), note=told if len(found.trials) else "no trial has finished yet")
    last = found.volume[-1] if len(found.volume) else 0.0
    return Figure("Hypervolume", (panel,), summary=f"The front dominates {number(float(last))} from ({corner}).")
