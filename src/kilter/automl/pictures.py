"""What a report shows of a model on rows that it has not seen: its word against what was, in figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kilter.figures.axes import name_of, robust
from kilter.figures.figure import Axis, Band, Bars, Figure, Line, Panel, Points
from kilter.figures.ticks import number

if TYPE_CHECKING:
    from kilter.automl.explain import Importances

BINS = 10
"""Of predicted probabilities, each with as many rows."""
SHOWN = 20
"""Columns whose importance is drawn."""
DOTS = 2_000
"""Rows drawn at most."""


def calibration(said: np.ndarray, was: np.ndarray, of: str) -> Figure:
    """How often a class was there among rows of about the same predicted probability, with what chance allows.

    `said` are probabilities (n,), `was` truth values (n,).
    """
    groups = np.array_split(np.argsort(said, kind="stable"), min(BINS, max(len(said) // 10, 1)))
    x = np.array([said[rows].mean() for rows in groups])
    y = np.array([was[rows].mean() for rows in groups])
    low, high = np.transpose([_wilson(int(was[rows].sum()), len(rows)) for rows in groups])
    off = float(np.average(np.abs(x - y), weights=[len(rows) for rows in groups]))
    held = int(((low <= x) & (x <= high)).sum())
    marks = (
        Line(np.array([0.0, 1.0]), np.array([0.0, 1.0]), "muted", "as it should be", dashed=True, width=1.0),
        Band(x, low, high),
        Line(x, y, "accent", "as it was"),
        Points(x, y, size=7.0),
    )
    share = Axis(f"predicted probability of {name_of(of)}", low=0.0, high=1.0)
    told = f"Predicted probabilities are off by {off:.3f} on average; {held} of {len(groups)} groups are within chance."
    return Figure("Calibration", (Panel(share, Axis("share that was", low=0.0, high=1.0), marks),), summary=told)


def against(predicted: np.ndarray, was: np.ndarray, of: str) -> Figure:
    """Predicted numbers beside what was, a point for each row, at most `DOTS` of them."""
    some = slice(None, None, -(-len(was) // DOTS) or 1)
    low, high = robust(np.concatenate([predicted, was]))
    margin = 0.03 * (high - low) or 1.0
    ends = np.array([low - margin, high + margin])
    marks = (
        Line(ends, ends, "muted", "as it should be", dashed=True, width=1.0),
        Points(predicted[some], was[some], size=4.0, opacity=0.5, label="a row"),
    )
    x, y = (Axis(title, low=float(ends[0]), high=float(ends[1])) for title in (f"predicted {name_of(of)}", "was"))
    middle = float(np.median(np.abs(predicted - was)))
    told = f"Half of the predictions are within {number(middle, 3)} of what was."
    return Figure("Predicted and true", (Panel(x, y, marks),), summary=told)


def importance(found: Importances) -> Figure:
    """A bar for each column, as long as the score falls without it."""
    first = found.columns[:SHOWN]
    y = Axis.of_options("", [name_of(one.column) for one in reversed(first)])
    drops, low, high = (np.array([getattr(one, part) for one in first]).clip(0) for part in ("drop", "low", "high"))
    reach = float(max(high[np.isfinite(high)].max(initial=0.0), drops.max(initial=0.0))) or 1.0
    bars = Bars(np.arange(len(first), dtype=float)[::-1], drops, low, high.clip(max=reach))
    x = Axis(f"{found.metric} falls by", low=0.0, high=1.05 * reach)
    sure = sum(one.is_sure for one in found)
    top = f"{name_of(first[0].column)} matters most" if first else "there is no column"
    told = f"Without a column the score falls: {top}; the interval of {sure} of {len(found)} is above 0."
    return Figure("Importance", (Panel(x, y, (bars,)),), summary=told)


def by_fold(scores: Sequence[float], interval: tuple[float, float], value: float, metric: str) -> Figure:
    """The score on each fold, beside the estimate with its interval."""
    own = np.array(scores, dtype=float)
    lanes = np.arange(len(own), dtype=float)
    ends = np.array([-0.5, len(own) - 0.5])
    low, high = (np.full(2, end) for end in interval)
    marks = (
        Band(ends, low, high, label="95 % of the estimate"),
        Line(ends, np.full(2, value), "accent", "estimate"),
        Points(lanes, own, "best", size=8.0, label="a fold"),
    )
    known = np.concatenate([own[np.isfinite(own)], [value, *interval]])
    margin = 0.08 * float(np.ptp(known)) or 0.05
    y = Axis(metric, low=float(known.min()) - margin, high=float(known.max()) + margin)
    told = f"By fold {metric} is {number(float(np.nanmin(own)), 3)} to {number(float(np.nanmax(own)), 3)}."
    x = Axis.of_options("fold", [str(k + 1) for k in range(len(own))])
    return Figure("Score by fold", (Panel(x, y, marks),), summary=told)


def _wilson(hits: int, rows: int, z: float = 1.96) -> tuple[float, float]:
    """The interval of a share (Wilson 1927), which stays within 0 and 1."""
    share = hits / rows
    middle = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    reach = z / (1 + z * z / rows) * np.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    return float(middle - reach), float(middle + reach)
