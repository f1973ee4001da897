"""What a program tells: metrics and reports, from what it prints and from the file $KILTER_REPORT.

Metrics are looked for as JSON objects, a line each, on stdout and in the file; by patterns on stdout; and as a bare
number on the last line of stdout.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kilter.core.border import BITS, as_step, is_step
from kilter.core.errors import InvalidInput
from kilter.core.events import Failure, Report


@dataclass
class Findings:
    """The metrics found so far, by where they stood, and the reports that have not been shipped."""

    wanted: tuple[str, ...]
    patterns: Mapping[str, re.Pattern[str]]
    final: dict[str, float] = field(default_factory=dict)
    matched: dict[str, float] = field(default_factory=dict)
    reported: dict[str, float] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)
    last_line: str = ""
    unsent: list[Report] = field(default_factory=list)
    steps: set[int] = field(default_factory=set)

    def read_stdout(self, line: str) -> None:
        if line.strip():
            self.last_line = line.strip()
        if not self.read_json(line):
            self._match(line)

    def read_json(self, line: str) -> bool:
        """Take in a line where it is a JSON object with numbers, and say whether it is an object."""
        line = line.strip()
        if not (line.startswith("{") and line.endswith("}")):
            return False
        try:
            data = json.loads(line)
        except (ValueError, RecursionError):
            return False
        step = data.pop("step", None)
        metrics = {name: float(v) for name, v in data.items() if _is_metric(v)}
        if step is not None:
            self._report(step, metrics)
        elif any(name in metrics for name in self.wanted):  # other objects are the program's log
            self.final = metrics
        return True

    def metrics(self) -> dict[str, float]:
        """All metrics, the explicit over the incidental."""
        bare = _bare_number(self.last_line) if len(self.wanted) == 1 else None
        return {**self.reported, **({} if bare is None else {self.wanted[0]: bare}), **self.matched, **self.final}

    def fault(self) -> Failure | None:
        """Why the metrics are no result; None where they are one."""
        metrics = self.metrics()
        missing = [name for name in self.wanted if name not in metrics]
        if missing:
            return Failure("return", self._not_found(missing))
        return next((Failure("nan", f"the metric {n!r} is NaN") for n in self.wanted if math.isnan(metrics[n])), None)

    def take_unsent(self) -> tuple[Report, ...]:
        unsent, self.unsent = tuple(self.unsent), []
        return unsent

    def _not_found(self, missing: Sequence[str]) -> str:
        places = ["JSON lines on stdout", "JSON lines in $KILTER_REPORT"]
        places += [f"the pattern {p.pattern!r}" for name, p in self.patterns.items() if name in missing]
        if len(self.wanted) == 1:
            places.append("a number as the last line of stdout")
        seen = f"; the last line was {self.last_line[:80]!r}" if self.last_line else "; stdout was empty"
        names, looked = ", ".join(map(repr, missing)), ", ".join(places)
        return f'the program printed no {names}; looked in {looked}{seen}. Print a line {{"{missing[0]}": 0.5}}'

    def _match(self, line: str) -> None:
        steps: dict[Any, dict[str, float]] = {}
        for name, pattern in self.patterns.items():
            for found in pattern.finditer(line):
                groups = found.groupdict()
                index = pattern.groupindex.get("step")
                text = groups.get("value") or next((g for i, g in enumerate(found.groups(), 1) if i != index and g), "")
                number = _bare_number(text)
                if number is None:
                    continue
                if groups.get("step") is not None:
                    steps.setdefault(groups["step"], {})[name] = number
                else:
                    self.matched[name] = number
        for step, metrics in steps.items():
            self._report(step, metrics)

    def _report(self, step: Any, metrics: dict[str, float]) -> None:
        number = step if type(step) is int else _bare_number(str(step))
        if not is_step(number) or not metrics:  # a line of its log, then
            return
        number = as_step(number)
        self.reported.update(metrics)
        if number not in self.steps:
            self.steps.add(number)
            self.last = metrics
            self.unsent.append(Report(number, metrics))


def _is_metric(value: Any) -> bool:
    return isinstance(value, float) or (isinstance(value, int) and value.bit_length() <= BITS)


def _bare_number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if "_" not in text else None


def pattern(metric: str, text: str) -> re.Pattern[str]:
    """The regular expression that finds a metric; raises InvalidInput where it is none, or finds no number."""
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise InvalidInput(f"the pattern {text!r} of {metric!r} is not a regular expression: {error}") from None
    if not set(range(1, pattern.groups + 1)) - {pattern.groupindex.get("step")}:
        raise InvalidInput(f"the pattern {text!r} of {metric!r} has no group for the number: as in 'loss=(\\S+)'")
    return pattern


class Tail:
    """The complete lines that have been added to a file."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._offset = 0

    def lines(self, final: bool = False) -> list[str]:
        """The new lines; with `final`, also a last one that is not terminated."""
        try:
            with open(self._path, "rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return []
        if not final:
            data = data[: data.rfind(b"\n") + 1]
        self._offset += len(data)
        return data.decode(errors="replace").splitlines()
