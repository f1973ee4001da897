"""Trials as documents of JSON and as rows of a table, for files that others read."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from kilter.core.problem import Problem
from kilter.core.text import in_unicode
from kilter.executors.command.template import joined
from kilter.frozen import FrozenTrial

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""


def document(trial: FrozenTrial, reports: bool = False) -> dict[str, Any]:
    """A trial as a document."""
    failure = trial.failure
    data: dict[str, Any] = {
        "number": trial.number,
        "state": trial.state.name,
        "params": trial.plain_params,
        "metrics": trial.metrics,
        "directions": trial.directions,
        "feasible": trial.is_feasible if trial.state.name == "COMPLETE" else None,
        "attempt": trial.attempt,
        "worker": trial.worker,
        "started": when(trial.datetime_start),
        "ended": when(trial.datetime_complete),
        "seconds": _seconds(trial),
        "attrs": trial.user_attrs,
        "artifacts": [artifact._asdict() for artifact in trial.artifacts],
        "note": trial.note,
        "invalid": trial.invalid,
        "failure": None if failure is None else {"kind": failure.kind, "message": failure.message},
    }
    if reports:
        data["reports"] = [{"step": step, **metrics} for step, metrics in trial.reports.items()]
        if failure is not None:
            data["failure"]["traceback"] = failure.traceback
    return data


def json_lines(trials: Sequence[FrozenTrial]) -> str:
    """A document in each line, reports included."""
    documents = (safe(document(trial, reports=True)) for trial in trials)
    return in_unicode("".join(json.dumps(each, ensure_ascii=False) + "\n" for each in documents))


def file_name(study: str) -> str:
    """The name of a study, made fit to be that of a file.

    >>> file_name("runs/digits: <2>")
    'runs-digits-2'
    """
    return re.sub(r"[^\w.-]+", "-", study).strip("-.")[:100] or "study"


def csv_text(trials: Sequence[FrozenTrial], problem: Problem) -> str:
    """A row a trial; text that a spreadsheet would run as a formula gets an apostrophe before it."""
    titles, table = rows(trials, problem)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(_guarded, titles))
    for row in table:
        writer.writerow(map(_guarded, row))
    return in_unicode(out.getvalue())


def rows(trials: Sequence[FrozenTrial], problem: Problem) -> tuple[list[str], list[list[Any]]]:
    """The columns' titles, and a row a trial."""
    documents = [document(trial) for trial in trials]
    metrics = list(dict.fromkeys([*problem.objective_names, *(name for d in documents for name in d["metrics"])]))
    params = list(problem.space.declared)
    shown = [{name: _cell(value) for name, value in document["params"].items()} for document in documents]
    titles = ["number", "state", *(f"metrics.{n}" for n in metrics), *(f"params.{n}" for n in params)]
    titles += ["feasible", "attempt", "started", "ended", "seconds", "failure"]
    table = []
    for d, own in zip(documents, shown):
        failure = d["failure"] and f"{d['failure']['kind']}: {d['failure']['message']}"
        table.append(
            [d["number"], d["state"], *(d["metrics"].get(n) for n in metrics), *(own.get(n) for n in params)]
            + [d["feasible"], d["attempt"], d["started"], d["ended"], d["seconds"], failure]
        )
    return titles, table


def _cell(value: Any) -> Any:
    """A list in one cell, as `kilter enqueue` reads it."""
    return joined(value, str) if isinstance(value, list) else value


def _guarded(cell: Any) -> Any:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell


def safe(data: Any) -> Any:
    """Data that any JSON reader takes: NaN and infinities as text."""
    if isinstance(data, float) and not math.isfinite(data):
        return str(data)
    if isinstance(data, Mapping):
        return {str(key): safe(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [safe(value) for value in data]
    return data if data is None or isinstance(data, (bool, int, float, str)) else str(data)


def when(moment: datetime | None) -> str | None:
    """A moment in ISO 8601, in UTC."""
    if moment is None:
        return None
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _seconds(trial: FrozenTrial) -> float | None:
    """How long it ran."""
    duration = trial.duration
    return None if duration is None else duration.total_seconds()
