"""The empirical distribution function: the share of trials with a value at most so large."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kilter.core.history import History
from kilter.figures.axes import name_of, of_values
from kilter.figures.figure import Axis, Figure, Line, Panel
from kilter.figures.trials import Target, complete, outliers

MOST = 500
"""Corners of a line."""


def edf(studies: Sequence[tuple[str, History, Target]]) -> Figure:
    """The share of complete trials of each study, by name, with a value up to x.

    Of two studies of one problem that is to be minimised the better sampler's line lies further up.
    """
    values = [np.sort(target.values[complete(study, target)]) for _, study, target in studies]
    everything = np.concatenate([*values, np.empty(0)])
    title = studies[0][2].name if studies else ""
    x = of_values(title, everything)
    lines = tuple(_line(i, name, own, x) for i, ((name, _, _), own) in enumerate(zip(studies, values)) if len(own))
    told = outliers(x.beyond(everything)) if len(everything) else "no complete trial yet"
    panel = Panel(x, Axis("share of trials", low=-0.02, high=1.02), lines, note=told)
    summary = f"Share of {len(everything)} trials of {len(studies)} studies up to each {title}."
    return Figure("Empirical distribution", (panel,), summary=summary)


def _line(place: int, name: str, values: np.ndarray, x: Axis) -> Line:
    """The staircase of ascending values, from one end of the axis to the other."""
    shares = np.searchsorted(values, values, side="right") / len(values)
    kept = np.unique(np.linspace(0, len(values) - 1, min(MOST, len(values))).astype(int))
    kept = kept[(values[kept] >= x.low) & (values[kept] <= x.high)]
    before = float((values < x.low).mean())
    last = shares[kept[-1]] if len(kept) else before
    across, up = np.array([x.low, *values[kept], x.high]), np.array([before, *shares[kept], last])
    return Line(across, up, f"series {place}", name_of(name), steps=True)
