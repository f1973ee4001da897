"""The live block of a study, as it is redrawn on a terminal during a run and by `kilter top`; and sparklines."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

from kilter.core.history import Record
from kilter.core.text import printable
from kilter.runtime.status import Status, short

SPARK = "▁▂▃▄▅▆▇█"
BARS = 24
LATEST = 5
"""Bars of a trial that runs, by its latest reports."""
RUNNING = 3
"""Trials that run, of which the block tells."""

LABELS = 7
"""Columns of the labels; GAP more lie before the text."""
GAP = 2


def block(status: Status, width: int, reason: str | None = None) -> Any:
    """What there is to say of a study, as a table for rich that fits so many columns; `reason` is why a run is over."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    is_over, room = reason is not None, width - LABELS - GAP
    first = reason if is_over and fits(status, reason or "", width) else "over" if is_over else None
    name = _name(status, width)
    title = Text(_cut(f"{name}{' ' * GAP}{heading(status, first)}", width), no_wrap=True)
    title.stylize("bold", 0, len(name))
    table = Table.grid(padding=(0, GAP))
    table.add_column(style="dim", no_wrap=True, min_width=LABELS)
    table.add_column(no_wrap=True)
    for label, text, style in _rows(status, room, is_over):
        table.add_row(label, Text(_cut(printable(text, keep=""), room), style=style))
    return Group(title, table)


def heading(status: Status, reason: str | None) -> str:
    """What is wanted, and how the study stands or how the run ended."""
    return printable(f"{status.goals_text}   {reason or status.state_text()}", keep="")


def fits(status: Status, reason: str, width: int) -> bool:
    """Whether the first line has room for why the run is over."""
    from rich.cells import cell_len

    return cell_len(_name(status, width)) + GAP + cell_len(heading(status, reason)) <= width


def _name(status: Status, width: int) -> str:
    """The study's name, cut where it needs more than half of a line."""
    return _cut(status.name, width // 2)


def _cut(text: str, room: int) -> str:
    """As much of a text as fits so many columns."""
    from rich.cells import cell_len, set_cell_size

    return text if cell_len(text) <= room else set_cell_size(text, max(room - 1, 0)) + "…"


def _rows(status: Status, room: int, is_over: bool) -> list[tuple[str, str, str]]:
    """Labels, texts and styles below the first line."""
    rows = [("best", _best(status, room, is_over), "green")]
    if status.best is not None and status.best.params:
        rows.append(("", status.params_text(status.best), ""))
    goal = f"/{status.goal}" if status.goal is not None and status.counted <= status.goal else ""
    counts, rate = f"{status.counted}{goal}   {status.counts_text()}", status.rate_text(over=is_over)
    is_short = len(counts) + 3 + len(rate) <= room
    rows += _wrapped("trials", f"{counts}   {rate}" if is_short else counts, room)
    rows += [] if is_short else [("pace", rate, "")]
    gain, saved, found = None if is_over else status.gain_text(), status.saved_text(), status.finding()
    rows += [("expect", gain, "")] if gain else []
    rows += [("saved", saved, "")] if saved else []
    owed = status.owed_text() if is_over else ""
    rows += _wrapped("earlier", owed, room) if owed else []
    running = list(status.history.running.values())[:RUNNING]
    if running and not is_over:
        rows += _wrapped("running", "   ".join(f"#{trial.number} {_latest(status, trial)}" for trial in running), room)
    matters = status.matters_text()
    rows += [("matters", matters, "")] if matters else []
    rows += [] if found is None else _wrapped(found.severity, found.sentence, room, "yellow")
    return rows


def _wrapped(label: str, text: str, room: int, style: str = "") -> list[tuple[str, str, str]]:
    """A text in as many rows as it needs."""
    lines = textwrap.wrap(printable(text, keep=""), room, break_on_hyphens=False) or [""]
    return [(label if line is lines[0] else "", line, style) for line in lines]


def _best(status: Status, room: int, is_over: bool) -> str:
    """The best value, how it came to be, and as much more as there is room for."""
    text = status.best_text(over=is_over)
    for more in (sparkline(status.progress(is_over)), status.over_first_text()):
        if more and len(text) + 3 + len(more) <= room:
            text += f"   {more}"
    return text


def _latest(status: Status, trial: Record) -> str:
    """How far a trial that runs is, and where it is heading."""
    steps, values = status.history.reports.curve(trial.number, status.objective.name)
    if not len(steps):
        return "started"
    value, row = float(values[-1]), sparkline(values[-LATEST:].tolist())
    known = "" if math.isnan(value) else f" {short(value)}"
    return f"step {int(steps[-1])}{known}" + (f" {row}" if row else "")


def sparkline(values: Sequence[float]) -> str:
    """The values as a row of at most BARS bars, the lowest of all the smallest; of those that are no number a gap.

    >>> sparkline([1.0, 2.0, 4.0]), sparkline([0.5])
    ('▁▃█', '')
    """
    picked = [values[i * (len(values) - 1) // (BARS - 1)] for i in range(BARS)] if len(values) > BARS else list(values)
    known = [value for value in picked if math.isfinite(value)]
    if len(known) < 2:
        return ""
    low, high = min(known), max(known)
    return "".join(_bar(value, low, high) for value in picked)


def _bar(value: float, low: float, high: float) -> str:
    if not math.isfinite(value):
        return " "
    return SPARK[int((value - low) / (high - low) * 7)] if high > low else SPARK[0]
