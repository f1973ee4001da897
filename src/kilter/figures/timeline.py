"""Who worked when: a lane for each thing that a worker did at a time."""

from __future__ import annotations

import numpy as np

from kilter.analysis.timeline import Timeline
from kilter.analysis.timeline import timeline as lanes_of
from kilter.core.events import TrialState
from kilter.core.history import History
from kilter.core.text import shortened
from kilter.figures import theme
from kilter.figures.axes import name_of
from kilter.figures.figure import Axis, Figure, Mark, Panel, Spans
from kilter.figures.trials import note

MOST = 5_000
"""Attempts drawn: the latest."""
LETTERS = 24
"""Of a worker's name."""


def timeline(history: History, now: float, recent: int | None = None) -> Figure:
    """The latest attempt of each trial by worker, the states in colours; `now` is seconds since the epoch.

    `recent` is how many trials are shown, the last ones.
    """
    found = lanes_of(history, now)
    first = max(len(history) - recent, 0) if recent is not None else 0
    rows = np.flatnonzero(found.numbers >= first)[-MOST:]
    used = np.unique(found.lane[rows]).tolist()
    names = [_name(found, lane) for lane in used]
    place = {lane: row for row, lane in enumerate(used)}
    y = Axis.of_options("", names)
    start, end = found.origin + found.starts[rows], found.origin + found.ends[rows]
    low, high = (float(start.min()), float(end.max())) if len(rows) else (now - 1.0, now)
    margin = max(0.01 * (high - low), 0.5)
    x = Axis("", "time", low - margin, high + margin)
    lane = np.array([place[each] for each in found.lane[rows].tolist()], dtype=float)
    marks = _states(found, rows, start, end, lane)
    busy = f"{found.utilisation:.0%} of the time in use" if found.utilisation is not None else ""
    some = f"the last {len(rows):,} of {len(found.numbers):,}" if len(rows) < len(found.numbers) else ""
    told = note([busy, some]) if len(rows) else "no trial has begun yet"
    summary = f"{len(rows)} trials in {len(names)} lanes of {found.workers} workers. {busy}"
    return Figure("Timeline", (Panel(x, y, tuple(marks), note=told),), summary=summary.strip())


def _states(found: Timeline, rows: np.ndarray, start: np.ndarray, end: np.ndarray, lane: np.ndarray) -> list[Mark]:
    marks: list[Mark] = []
    for state in TrialState:
        chosen = found.states[rows] == state
        if chosen.any():
            word = theme.WORDS[state]
            marks.append(Spans(start[chosen], end[chosen], lane[chosen], word, word, found.numbers[rows][chosen]))
    return marks


def _name(found: Timeline, lane: int) -> str:
    """The worker of a lane, with a count where it has several."""
    worker = found.lanes[lane]
    return shortened(name_of(worker.worker), LETTERS) + (f" /{worker.slot + 1}" if worker.slot else "")
