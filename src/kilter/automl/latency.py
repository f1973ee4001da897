"""How long predictions take: milliseconds for 1,000 rows, by what they are spent on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from kilter.automl.budget import clock

if TYPE_CHECKING:
    from kilter.automl.model import Model
    from kilter.automl.reading import Table

T = TypeVar("T")

ROWS = 1_000
REPEATS = 3
"""Of which the fastest counts: the others were disturbed."""


@dataclass(frozen=True)
class Latency:
    """Milliseconds of reading, of encoding each view behind all encoders, and of the models of each part."""

    reading: float
    views: Mapping[str, float]
    parts: tuple[float, ...]

    def of(self, places: Collection[int], model: Model) -> float:
        """Of an ensemble of some of the parts."""
        views = {model.parts[place].view for place in places}
        return self.reading + sum(self.views[view] for view in views) + sum(self.parts[place] for place in places)


def measured(model: Model, table: Table, frame: Any = None, now: Callable[[], float] = clock) -> Latency:
    """What 1,000 rows take, made of the table's; with `frame`, the same rows before they are read, reading too."""
    many = np.resize(np.arange(len(table)), ROWS)
    rows = table.rows(many)
    reading = 0.0 if frame is None else _timed(partial(model.reading.table, frame.iloc[many]), now)[0]
    views = dict.fromkeys((part.view for part in model.parts), 0.0)
    parts = [0.0] * len(model.parts)
    for place, encoder in enumerate(model.encoders):
        matrices = {}
        for view in views:
            seconds, matrices[view] = _timed(partial(encoder.transform, rows, view), now)
            views[view] += seconds
        for number, part in enumerate(model.parts):
            if part.share(place):
                parts[number] += _timed(partial(part.fitted[place].predict, matrices[part.view]), now)[0]
    return Latency(reading, views, tuple(parts))


def _timed(function: Callable[[], T], now: Callable[[], float]) -> tuple[float, T]:
    """The milliseconds that it takes, and what it gives."""
    best, found = np.inf, function()
    for _ in range(REPEATS):
        began = now()
        found = function()
        best = min(best, 1000 * (now() - began))
    return best, found
