"""What the verbs print: trials as JSON documents, tables that fit the terminal, durations and times."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from kilter.core.text import printable

if TYPE_CHECKING:
    from kilter.analysis.finding import Finding
    from kilter.api import StudyView
    from kilter.frozen import FrozenTrial


def echo_json(data: Any) -> None:
    """One document on stdout; what is no character to print stands in it as an escape of JSON."""
    document = json.dumps(safe(data), ensure_ascii=False, indent=2)
    if not document.isprintable():
        document = "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in document)
    click.echo(document)


def safe(data: Any) -> Any:
    """Data that any JSON reader takes: NaN and infinities as text."""
    from kilter.dashboard.export import safe as made_safe

    return made_safe(data)


def when(moment: datetime | None) -> str | None:
    """A moment in ISO 8601, in UTC."""
    from kilter.dashboard.export import when as written

    return written(moment)


def trial_json(trial: FrozenTrial, reports: bool = False) -> dict[str, Any]:
    """A trial as a document."""
    from kilter.dashboard.export import document

    return document(trial, reports)


def state(name: str) -> str:
    """The name of a state as a person reads it."""
    return "failed" if name == "FAIL" else name.lower()


def seconds(trial: FrozenTrial) -> float | None:
    """How long it ran."""
    duration = trial.duration
    return None if duration is None else duration.total_seconds()


def text(value: Any) -> str:
    """A value in a cell: short, and in one line whatever it holds."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.5g}"
    if isinstance(value, list):
        return ",".join(map(text, value))
    return printable(str(value), keep="")


def option(value: Any) -> str:
    """The value of a parameter in a cell: None is one, too."""
    return "None" if value is None else text(value)


def span(value: float | None) -> str:
    """A duration in a cell."""
    from kilter.runtime.status import span as spelled

    return "" if value is None else spelled(value)


def ago(moment: float | None, now: float) -> str:
    """How long ago something was."""
    return "" if moment is None else f"{span(float(round(max(now - moment, 0))))} ago"


@dataclass(frozen=True)
class Column:
    """A column of a table; the one of the highest `rank` goes first where the terminal is too narrow."""

    title: str
    cells: Sequence[str]
    rank: int = 0
    right: bool = False


def width(wide: bool = False) -> int | None:
    """The columns of the terminal; None where nothing needs to fit."""
    given = os.environ.get("COLUMNS", "")
    if wide:
        return None
    if given.isdigit() and int(given) > 0:
        return int(given)
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def echo_table(columns: Sequence[Column], limit: int | None) -> list[str]:
    """Print a table at most `limit` wide; the titles of the columns that had to go."""
    from rich.cells import cell_len, set_cell_size

    sizes = {id(c): max(cell_len(cell) for cell in (c.title, *c.cells)) for c in columns}
    kept, dropped = list(columns), []
    while limit is not None and len(kept) > 1 and sum(sizes[id(c)] + 2 for c in kept) - 2 > limit:
        last = max(reversed(kept), key=lambda c: c.rank)
        # Cutting a long cell short is kinder than losing the column.
        over = sum(sizes[id(c)] + 2 for c in kept) - 2 - limit
        longest = max(kept, key=lambda c: sizes[id(c)])
        if sizes[id(longest)] > 24 and not longest.right:
            sizes[id(longest)] = max(24, sizes[id(longest)] - over)
            continue
        kept.remove(last)
        dropped.append(last.title)
    if limit is not None and len(kept) == 1:
        sizes[id(kept[0])] = min(sizes[id(kept[0])], limit)

    def padded(cell: str, column: Column) -> str:
        size = sizes[id(column)]
        if cell_len(cell) > size:
            return set_cell_size(cell, size - 1) + "…"
        space = " " * (size - cell_len(cell))
        return space + cell if column.right else cell + space

    click.echo(click.style(printable("  ".join(padded(c.title, c) for c in kept).rstrip()), bold=True))
    for i in range(len(kept[0].cells)):
        echo("  ".join(padded(c.cells[i], c) for c in kept).rstrip())
    return dropped[::-1]


def bar(share: float) -> str:
    """A share as a bar of up to twenty characters."""
    return "█" * round(20 * min(max(share, 0.0), 1.0))


COLORS = {"act": "red", "look": "yellow", "note": "blue"}


def echo_findings(findings: Iterable[Finding]) -> None:
    """Print what was found, and what to do about it."""
    for finding in findings:
        click.echo(click.style(f"{finding.severity:<6}", fg=COLORS[finding.severity]), nl=False)
        echo(finding.sentence)
        if finding.action:
            echo(f"      → {finding.action}")


def echo_pairs(pairs: Mapping[str, str]) -> None:
    """Names and values, a line each."""
    longest = max(map(len, pairs), default=0)
    for name, value in pairs.items():
        echo(f"{name:<{longest}}  {value}".rstrip())


def echo(line: str) -> None:
    """What people read, on stdout."""
    click.echo(printable(line))


def command(study: StudyView, verb: str, *words: str) -> str:
    """What a verb does to a study, for a shell."""
    from kilter.storage.commands import command as made

    return made(verb, study.study_name, study.log.url, *words)


def note(message: str) -> None:
    """A remark, on stderr."""
    click.echo(printable(message), err=True)
