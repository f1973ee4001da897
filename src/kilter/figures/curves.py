"""Learning curves: the bands in which most of them lie, and the best ones by themselves."""

from __future__ import annotations

import numpy as np

from kilter.analysis.curves import Curves, bands
from kilter.core.events import TrialState
from kilter.core.history import History
from kilter.figures.axes import name_of, of_values
from kilter.figures.figure import Band, Figure, Line, Mark, Panel
from kilter.figures.trials import note

EACH = 60
"""Up to so many trials that reported, each has its line; of more there are only bands."""


def curves(history: History, metric: str | None = None, top: int = 5) -> Figure:
    """What trials reported by step: medians, the middle half and the middle 80 %, and the `top` best ones.

    With few trials each one is a thin line, too, dashed where it was pruned. Raises UnknownName for an unknown metric.
    """
    reporting = list(history.reports.furthest)
    few = reporting if len(reporting) <= EACH else []
    found = bands(history, metric, top=top, numbers=few)
    x = of_values(
        "step", np.concatenate([found.steps, *(curve.steps for curve in found.chosen)]).astype(float), whole=True
    )
    seen = [values for values in (*found.quantiles, *(curve.values for curve in found.top)) if len(values)]
    ends = [float(curve.values[-1]) for curve in found.top[:1] if len(curve.values)]
    y = of_values(name_of(found.metric), np.concatenate([*seen, np.empty(0)]), keep=ends)
    marks = [*_bands(found), *_each(found), *_top(found)]
    told = note([f"{len(reporting):,} trials"]) if reporting else "nothing was reported"
    summary = f"{found.metric} of {len(reporting)} trials by step, with the {len(found.top)} best."
    return Figure("Learning curves", (Panel(x, y, tuple(marks), note=told),), summary=summary)


def _bands(found: Curves) -> list[Mark]:
    if not len(found.steps):
        return []
    x, (low, lower, middle, upper, high) = found.steps.astype(float), found.quantiles
    return [
        Band(x, low, high, "muted", "80 % of trials", opacity=0.18),
        Band(x, lower, upper, "muted", "50 % of trials", opacity=0.25),
        Line(x, middle, "muted", "median", dashed=True, width=1.5),
    ]


def _each(found: Curves) -> list[Mark]:
    """Thin lines for single trials, one mark for those that went on and one for those that were pruned."""
    marks: list[Mark] = []
    for state, color, label in ((False, "complete", "trials"), (True, "pruned", "pruned trials")):
        chosen = [curve for curve in found.chosen if (curve.state is TrialState.PRUNED) is state]
        if chosen:
            x = np.concatenate([np.append(curve.steps.astype(float), np.nan) for curve in chosen])
            y = np.concatenate([np.append(curve.values, np.nan) for curve in chosen])
            numbers = np.concatenate([np.full(len(curve.steps) + 1, curve.number) for curve in chosen])
            marks.append(Line(x, y, color, label, dashed=state, width=1.0, opacity=0.5, numbers=numbers))
    return marks


def _top(found: Curves) -> list[Mark]:
    return [
        Line(
            curve.steps.astype(float),
            curve.values,
            f"series {place}",
            f"trial {curve.number}",
            numbers=np.full(len(curve.steps), curve.number),
        )
        for place, curve in enumerate(found.top)
    ]
