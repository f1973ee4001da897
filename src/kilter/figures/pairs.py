"""Pairs of parameters: where trials lie, with their ranks as colours or over a surface of the values around them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from kilter.core.errors import InvalidInput
from kilter.core.history import History
from kilter.core.parameter import Parameter
from kilter.core.seeds import rng
from kilter.figures.axes import of_parameter
from kilter.figures.figure import Axis, Cells, Figure, Mark, Panel, Points, Scale
from kilter.figures.trials import Target, column, complete, foremost, note, objective, parameters, thinned, thinned_note

MOST = 1_500
"""Trials of a panel, ..."""
OVER = 400
"""... and so many that are drawn over a surface."""
COLUMNS = 3
"""Panels side by side."""
GRID = 32
"""Cells of a surface along a parameter that is a range."""
NEAR = 0.35
"""Of the weight that a trial has where it lies: a surface ends where all trials together weigh less."""
SPREAD = 0.18
"""By how much trials with one option are moved apart, of the room between two options."""

Places = tuple[Axis, np.ndarray]
"""An axis, and where trials lie on it, shape (k,)."""


def contour(history: History, params: Sequence[str] | None = None, target: Target | None = None) -> Figure:
    """For each pair of parameters the trials over the mean value of their neighbours; blank where there are none.

    A neighbour's weight is that of a Gaussian kernel over both parameters in the scale in which they are searched,
    with a width of n^(-1/6) / 4 of the range. Without names the four parameters that matter most are paired.
    """
    target = target or objective(history)
    return _paired(
        "Contours", history, params, target, target.scale_of(complete(history, target)), target.values, _surface
    )


def ranks(history: History, params: Sequence[str] | None = None, target: Target | None = None) -> Figure:
    """For each pair of parameters the trials, coloured by the share of trials that are better.

    Values of any size serve: an outlier is a rank like others. Without names the four parameters that matter most.
    """
    target = target or objective(history)
    known = complete(history, target)
    shares = np.full(len(history), np.nan)
    order = np.unique(target.losses[known], return_inverse=True)[1]
    counts = np.cumsum(np.bincount(order, minlength=1))
    shares[known] = (counts - np.bincount(order, minlength=1))[order] / max(len(known) - 1, 1)
    scale = Scale("share of better trials", 0.0, 1.0)
    return _paired("Ranks", history, params, target, scale, shares, lambda *_: [])


def _paired(
    title: str,
    history: History,
    params: Sequence[str] | None,
    target: Target,
    scale: Scale,
    shades: np.ndarray,
    below: Callable[[Places, Places, np.ndarray, Scale], list[Mark]],
) -> Figure:
    chosen = foremost(history, target) if params is None else parameters(history, params)
    if params is not None and len(chosen) < 2:
        raise InvalidInput(f"params={list(params)!r}: name two parameters at least, to be drawn against each other")
    known = complete(history, target)
    numbers = thinned(known, target, MOST)
    places = {name: _places(history, name, parameter, numbers) for name, parameter in chosen.items()}
    panels = [_panel(places[a], places[b], numbers, shades[numbers], scale, below) for a, b in combinations(chosen, 2)]
    told = "no complete trial yet" if not len(known) else thinned_note(len(numbers), len(known))
    panels = panels or [Panel(Axis(), Axis(), note="fewer than two parameters")]
    panels[0] = replace(panels[0], note=note([panels[0].note, told]))
    summary = f"{len(known)} trials over pairs of {len(chosen)} parameters, coloured by {scale.title}."
    return Figure(title, tuple(panels), min(COLUMNS, len(panels)), scale, summary)


def _places(history: History, name: str, parameter: Parameter, numbers: np.ndarray) -> Places:
    return of_parameter(name, parameter), column(history, name, parameter, numbers)


def _panel(
    across: Places,
    up: Places,
    numbers: np.ndarray,
    shades: np.ndarray,
    scale: Scale,
    below: Callable[[Places, Places, np.ndarray, Scale], list[Mark]],
) -> Panel:
    """The trials in which both are active, the best on top."""
    both = np.isfinite(across[1]) & np.isfinite(up[1]) & np.isfinite(shades)
    rows = np.flatnonzero(both)
    rows = rows[np.argsort(-shades[rows] if scale.good == "low" else shades[rows], kind="stable")]
    (x, xs), (y, ys) = (across[0], across[1][rows]), (up[0], up[1][rows])
    active = len(rows)
    marks = below((x, xs), (y, ys), shades[rows], scale) if len(rows) else []
    if marks and len(rows) > OVER:  # the best half of them, and a sample of the others
        some = rng(0, "over", len(rows)).choice(len(rows) - OVER // 2, OVER // 2, replace=False)
        kept = np.concatenate([np.sort(some), np.arange(len(rows) - OVER // 2, len(rows))])
        rows, xs, ys = rows[kept], xs[kept], ys[kept]
    label = "complete" if len(rows) else ""
    xs, ys = _spread(x, xs, "across"), _spread(y, ys, "up")
    points = Points(xs, ys, label=label, numbers=numbers[rows], shade=shades[rows], opacity=0.9)
    told = f"both active in {active:,}" if active < len(numbers) else ""
    return Panel(x, y, (*marks, points), note=told)


def _spread(axis: Axis, places: np.ndarray, purpose: str) -> np.ndarray:
    if axis.scale != "category":
        return places
    return places + rng(0, f"spread {purpose}", len(places)).uniform(-SPREAD, SPREAD, len(places))


def _surface(across: Places, up: Places, values: np.ndarray, scale: Scale) -> list[Mark]:
    """The mean of the values around each cell, where a trial is near; in log scale the mean of their logs."""
    told = np.clip(values, scale.low, scale.high)
    logged = np.log(told) if scale.log else told
    (x, from_x), (y, from_y) = _kernel(*across), _kernel(*up)
    weight = from_y @ from_x.T
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (from_y * logged) @ from_x.T / weight
    mean[weight < NEAR] = np.nan
    return [Cells(x, y, np.exp(mean) if scale.log else mean)]


def _kernel(axis: Axis, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centres of cells (k,), and the weight of each trial in each, (k, n): options are no neighbours."""
    if axis.scale == "category":
        centres = np.arange(len(axis.options), dtype=float)
        return centres, (centres[:, None] == places[None]).astype(float)
    shares = (np.arange(GRID) + 0.5) / GRID
    width = 0.25 * len(places) ** (-1 / 6)
    centres = np.array([axis.at(share) for share in shares])
    return centres, np.exp(-0.5 * ((shares[:, None] - axis.share(places)[None]) / width) ** 2)
