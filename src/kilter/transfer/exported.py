"""Trials from a file that `kilter export` wrote, as JSON or as JSON lines."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kilter.core.errors import InvalidInput
from kilter.core.problem import Problem
from kilter.core.text import shown

ENDINGS = (".json", ".jsonl", ".ndjson")


def exported(path: str | os.PathLike[str], problem: Problem) -> list[tuple[Mapping[str, Any], float]]:
    """Configurations of complete and failed trials with the value of the problem's metric, NaN where that failed.

    A metric of another name counts where the file has only one. Values of a study that went the other way are turned
    round; one that says no direction, as older ones, has the problem's. Raises InvalidInput for what is no such file.
    """
    documents = _documents(path)
    ended = [each for each in documents if each["state"] in ("COMPLETE", "FAIL") and each.get("feasible") is not False]
    names = {name for each in ended for name in each["metrics"]}
    name = problem.objectives[0].name
    if name not in names and len(names) == 1:
        (name,) = names
    if names and name not in names:
        raise InvalidInput(f"{os.fspath(path)} has no metric {name!r}, but {', '.join(sorted(names))}")
    goal = problem.objectives[0].direction
    return [(each["params"], _value(each, name, goal) if _counts(each) else math.nan) for each in ended]


def _value(document: Mapping[str, Any], name: str, goal: str) -> float:
    """A metric, turned round where it was to be as large as possible and now is to be small, or the other way."""
    directions = document.get("directions")
    theirs = directions.get(name, goal) if isinstance(directions, Mapping) else goal
    return _number(document["metrics"].get(name)) * (1.0 if theirs == goal else -1.0)


def _counts(document: Mapping[str, Any]) -> bool:
    return document["state"] == "COMPLETE" and document.get("invalid") is None


def _number(value: Any) -> float:
    """A metric; what is no number stands in JSON as text."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def _documents(path: str | os.PathLike[str]) -> Sequence[Mapping[str, Any]]:
    try:
        text = Path(path).read_text(encoding="utf-8")
        is_lines = not text.lstrip().startswith("[")
        found = [json.loads(line) for line in text.splitlines() if line.strip()] if is_lines else json.loads(text)
    except OSError as error:
        raise InvalidInput(f"transfer: cannot read {os.fspath(path)}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise _unreadable(path, str(error)) from None
    for place, each in enumerate(found):
        if not _is_trial(each):
            raise _unreadable(path, f"entry {place + 1}, {shown(each, 60)}, is no trial")
    return found


def _is_trial(data: Any) -> bool:
    is_mapping = isinstance(data, Mapping)
    return (
        is_mapping
        and isinstance(data.get("state"), str)
        and all(isinstance(data.get(part), Mapping) for part in ("params", "metrics"))
    )


def _unreadable(path: str | os.PathLike[str], why: str) -> InvalidInput:
    return InvalidInput(
        f"transfer: {os.fspath(path)} is no file that this kilter reads ({why}): give one that "
        "`kilter export STUDY -o FILE.json` writes"
    )
