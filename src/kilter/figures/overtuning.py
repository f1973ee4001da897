"""What looked best as trials ended, beside what it is worth."""

from __future__ import annotations

import numpy as np

from kilter.analysis.design import Design
from kilter.analysis.overtuning import Overtuning, overtuning
from kilter.core.history import History
from kilter.figures.axes import name_of, of_values
from kilter.figures.figure import Axis, Band, Figure, Line, Mark, Panel


def course(history: History, design: Design | None) -> Figure:
    """The best value so far by the number of finished trials, and what is expected of its configuration, ± an error.

    Where the two lines part, the best value is luck. A dashed line stands where more trials stopped paying.
    """
    found = overtuning(history, design)
    name = name_of(history.problem.objectives[0].name)
    if found is None:
        panel = Panel(Axis("finished trials"), Axis(name), note="too few trials to tell")
        return Figure("Overtuning", (panel,), summary="Too few trials to tell.")
    seen = found.course
    low, high = seen.expected - seen.error, seen.expected + seen.error
    x = of_values("finished trials", seen.trials.astype(float), whole=True)
    y = of_values(name, np.concatenate([seen.observed, low, high]), keep=[found.observed, found.expected])
    panel = Panel(x, y, (*_lines(found, low, high), *_end(found, y)))
    return Figure("Overtuning", (panel,), summary=str(found))


def _lines(found: Overtuning, low: np.ndarray, high: np.ndarray) -> list[Mark]:
    seen = found.course
    x = seen.trials.astype(float)
    return [
        Band(x, low, high, "accent", "± its error", steps=True),
        Line(x, seen.expected, "accent", "expected of it", steps=True, numbers=seen.numbers),
        Line(x, seen.observed, "best", "best observed", steps=True, numbers=seen.numbers),
    ]


def _end(found: Overtuning, y: Axis) -> list[Mark]:
    """Where more trials stopped paying."""
    if found.paid_until >= found.trials:
        return []
    return [Line(np.full(2, float(found.paid_until)), np.array([y.low, y.high]), "muted", "paid until", dashed=True)]
