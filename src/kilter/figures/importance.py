"""Which parameters matter: bars with intervals, the longest on top."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kilter.analysis.importance import AUTO, Importance
from kilter.analysis.importance import importance as importance_of
from kilter.core.errors import UnknownName
from kilter.core.history import History
from kilter.figures.axes import name_of
from kilter.figures.figure import NONE, Axis, Bars, Figure, Mark, Panel
from kilter.figures.ticks import number
from kilter.figures.trials import Target, note
from kilter.models.results import LEAST

MOST = 25
"""Parameters shown."""


@dataclass(frozen=True)
class Weights:
    """By parameter how much it matters for one thing, with an interval where that is known."""

    label: str
    shares: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    told: str = ""


def weights(
    history: History,
    targets: Sequence[Target],
    params: Sequence[str] | None = None,
    method: str = AUTO,
    seed: int = 0,
) -> list[Weights]:
    """What the analysis says of each target; raises UnknownName for a parameter or method that there is not."""
    return [_weights(history, target, params, method, seed) for target in targets]


def importances(found: Sequence[Weights], trials: int) -> Figure:
    """A bar for each parameter and target: the share of the variance that it explains on its own."""
    totals: dict[str, float] = {}
    for one in found:
        for name, share in one.shares.items():
            totals[name] = totals.get(name, 0.0) + share
    names = sorted(totals, key=lambda name: -totals[name])[:MOST]
    y = Axis.of_options("", [name_of(name) for name in reversed(names)])
    marks: list[Mark] = [_bars(place, one, names, len(found)) for place, one in enumerate(found)] if names else []
    reach = max(
        (float(max(bars.high.max(initial=0.0), bars.length.max())) for bars in marks if isinstance(bars, Bars)),
        default=1.0,
    )
    left = f"the first {MOST} of {len(totals)}" if len(totals) > MOST else ""
    told = (
        note([found[0].told if len(found) == 1 else "", left]) if trials >= LEAST else "too few complete trials to tell"
    )
    panel = Panel(
        Axis("share of the variance explained", low=0.0, high=1.12 * reach or 1.0), y, tuple(marks), note=told
    )
    first = f"{names[0]} matters most, {number(totals[names[0]], 2)}" if names else "no parameters"
    return Figure("Importance", (panel,), summary=f"Importance of {len(totals)} parameters: {first}.")


def _weights(history: History, target: Target, params: Sequence[str] | None, method: str, seed: int) -> Weights:
    of = None if target.objective is not None else target.of
    found = importance_of(history, target.objective, method=method, target=of, seed=seed)
    shares = {share.parameter: share for share in found.shares}
    for name in params or ():
        if name not in shares:
            raise UnknownName.of("parameter", name, shares)
    chosen = [shares[name] for name in (shares if params is None else params)]
    return Weights(
        target.name,
        {share.parameter: share.share for share in chosen},
        {share.parameter: (share.low, share.high) for share in chosen},
        _told(found),
    )


def _told(found: Importance) -> str:
    """How it was found, and how far that is to be trusted."""
    some = f"{found.sampled:,} of {found.trials:,}" if found.sampled < found.trials else f"{found.trials:,}"
    sure = "" if found.explained is None else f", which predicts {max(found.explained, 0.0):.0%} of the variance"
    rest = f" · noise and the rest: {found.rest:.0%}" if found.trials >= LEAST else ""
    return f"{found.method} of {some} trials{sure}{rest}"


def _bars(place: int, one: Weights, names: Sequence[str], of: int) -> Bars:
    """The bars of one target; of several, beside those of the others."""
    thick = 0.75 / of
    y = np.arange(len(names), dtype=float)[::-1] + (of - 1 - 2 * place) / 2 * thick
    shares = np.array([max(one.shares.get(name, 0.0), 0.0) for name in names])
    low, high = (
        np.array([one.intervals[name][end] if name in one.intervals else one.shares.get(name, 0.0) for name in names])
        for end in (0, 1)
    )
    known = bool(one.intervals)
    texts = () if of > 1 else tuple(f"{share:.2f}" if share >= 0.01 else "< 0.01" for share in shares.tolist())
    color = f"series {place}"
    return Bars(y, shares, low.clip(0) if known else NONE, high if known else NONE, color, one.label, texts, thick)
