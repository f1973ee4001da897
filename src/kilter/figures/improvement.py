"""What going on promised at the time: the gain that was expected of the next hour, beside the noise of results."""

from __future__ import annotations

import numpy as np

from kilter.analysis.gain import HOUR, gains
from kilter.core.history import History
from kilter.figures.axes import name_of, of_values
from kilter.figures.figure import Axis, Figure, Line, Mark, Panel, Points

STARTUP = 20
"""Before so many trials have finished nothing is concluded."""


def improvement(
    history: History, seed: int, noise: bool = True, tolerance: float | None = None, startup: int = STARTUP
) -> Figure:
    """The expected gain of the next hour by the number of finished trials; rings where it is too early to conclude.

    With `noise` a quarter of the noise of a trial is drawn beside it, or the `tolerance` where that is given: a gain
    below says that there is little left to find.
    """
    found = gains(history, seed, HOUR)
    x = np.array([count for count, _ in found], dtype=float)
    value = np.array([gain.value for _, gain in found])
    beside = np.array([gain.lost_below if tolerance is None else tolerance for _, gain in found])
    name = name_of(history.problem.objectives[0].name)
    seen = np.concatenate([value, beside]) if noise else value
    y = of_values(f"expected gain of {name}", seen[seen > 0])
    value, beside = np.fmax(value, y.low), np.fmax(beside, y.low)  # none, at the lower end of a log axis
    late = x >= startup
    marks: list[Mark] = [
        Line(x, value, "accent", "expected in the next hour"),
        Points(x[late], value[late], "accent", "circle", "", 7.0, x[late].astype(int)),
        Points(x[~late], value[~late], "muted", "ring", f"before {startup} trials", 7.0, x[~late].astype(int)),
    ]
    label = "a quarter of the noise" if tolerance is None else "tolerance"
    marks += [Line(x, beside, "best", label, dashed=True)] if noise and len(x) else []
    across = of_values("finished trials", x, keep=[0.0], whole=True) if len(x) else Axis("finished trials")
    panel = Panel(across, y, tuple(marks), note="" if len(x) else "too few trials to tell")
    return Figure("Expected improvement", (panel,), summary=f"Expected gain at {len(x)} counts of trials.")


def stagnation(history: History, patience: int) -> Figure:
    """How many trials were left, by number, until `patience` trials in a row would have brought nothing better."""
    best, since, left = np.inf, 0, []
    for number in history.finished:
        loss = history.values[number, 0] if history.is_candidate(number) else np.inf
        since, best = (0, loss) if loss < best else (since + 1, best)
        left.append(max(patience - since, 0))
    x = np.arange(1, len(left) + 1, dtype=float)
    across = of_values("finished trials", x, whole=True)
    up = of_values("trials left", np.array([0.0, *left]), keep=[0.0, patience], whole=True)
    panel = Panel(across, up, (Line(x, np.array(left, dtype=float), "accent", steps=True),))
    return Figure("Patience", (panel,), summary=f"{left[-1] if left else patience} trials are left.")
