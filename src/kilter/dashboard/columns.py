"""The trials of a study as columns of numbers, brought up to date trial by trial, and as bytes for a browser.

    uint32 h | header: h bytes of JSON, padded with spaces so that 4 + h is a multiple of 8 | buffers

All is little-endian. A buffer lies at its offset after the header, a multiple of 8, and is a typed array as it is:
JavaScript copies nothing. Where `rows` are given, the buffers hold those trials alone, in that order. A column with
`options` holds their places; a number without one (NONE of its dtype) says that the parameter is inactive, or that
there is no worker. Why columns: docs/decisions/0032-dashboard.md
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kilter.core.history import History, Record
from kilter.core.parameter import Parameter, typed
from kilter.core.text import shortened

NONE = {"u1": 0xFF, "u2": 0xFFFF}
"""What stands for no option."""
LONGEST = 200
"""Characters of an option that a header holds."""
MOST_SORTS = 1_000
"""So many sorts of failures are told apart, and workers; what comes after them is `other`."""


@dataclass
class Column:
    """One number for each trial; `of` reads it from a trial."""

    kind: str
    dtype: str
    of: Callable[[Record], Any]
    name: str | None = None
    options: list[str] | None = None
    fill: float = math.nan
    """What a trial has of which nothing was read yet."""
    numbers: np.ndarray = field(default_factory=lambda: np.empty(0))

    @property
    def key(self) -> str:
        """What tells it from the others."""
        return self.kind if self.name is None else f"{self.kind}:{self.name}"

    def take(self, trials: Sequence[Record], size: int) -> None:
        """Read the numbers of some trials; there are `size` in all."""
        if len(self.numbers) < size:
            grown = np.full(max(64, size + size // 2), self.fill, dtype=f"<{self.dtype}")
            grown[: len(self.numbers)] = self.numbers
            self.numbers = grown
        with np.errstate(over="ignore"):  # beyond the largest number of four bytes lies infinity
            self.numbers[[trial.number for trial in trials]] = _numbers(list(map(self.of, trials)))


def _numbers(read: list[Any]) -> np.ndarray:
    try:
        return np.array(read, dtype=float)
    except (TypeError, ValueError):  # a value of another study's parameter of this name may be text
        return np.array([_number(value) for value in read])


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


class Texts:
    """The texts of a column and their places, in the order in which they were met; of very many the first alone."""

    def __init__(self, first: Iterable[str] = ()) -> None:
        self.known = list(first)
        self._places = {text: place for place, text in enumerate(self.known)}

    def place(self, text: str) -> int:
        """Where a text stands, which may be new."""
        place = self._places.get(text)
        if place is None:
            if len(self.known) > MOST_SORTS:
                return len(self.known) - 1
            place = self._places[text] = len(self.known)
            self.known.append("other" if place == MOST_SORTS else shortened(text, LONGEST))
        return place


class Columns:
    """All columns of a study, as its history is now."""

    def __init__(self, history: History, origin: float) -> None:
        self.origin = origin
        self.trials = 0
        self._failures, self._workers = Texts([""]), Texts()
        self._columns: dict[str, Column] = {}
        for column in self._fixed(history, origin):
            self._columns[column.key] = column

    def update(self, history: History, numbers: Iterable[int]) -> bool:
        """Read these trials anew; whether there is a column more than before."""
        trials = [history[number] for number in numbers]
        self.trials = len(history)
        known = len(self._columns)
        for column in self._met(history, trials):
            self._columns.setdefault(column.key, column)
        for column in self._columns.values():
            column.take(trials, self.trials)
        return len(self._columns) > known

    def packed(self, study: int, revision: int, rows: Sequence[int] | None = None) -> bytes:
        """The columns as bytes: of all trials, or of those that changed."""
        buffers: list[np.ndarray] = []
        offset = 0

        def placed(numbers: np.ndarray) -> dict[str, int]:
            nonlocal offset
            place = {"offset": offset, "length": len(numbers)}
            buffers.append(numbers)
            offset = _aligned(offset + numbers.nbytes)
            return place

        changed = None if rows is None else np.array(rows, dtype="<i4")
        header: dict[str, Any] = {"v": 1, "study": study, "revision": revision, "trials": self.trials}
        header |= {"origin": self.origin, "rows": None if changed is None else placed(changed), "columns": []}
        for column in self._columns.values():
            numbers = column.numbers[: self.trials] if changed is None else column.numbers[changed]
            entry: dict[str, Any] = {"key": column.key, "kind": column.kind, "dtype": column.dtype, **placed(numbers)}
            if column.name is not None:
                entry["name"] = column.name
            if column.options is not None:
                entry["options"] = column.options
            header["columns"].append(entry)
        return _joined(header, buffers)

    # -- which columns there are --------------------------------------------------------------------------------

    def _fixed(self, history: History, origin: float) -> Iterable[Column]:
        problem = history.problem
        yield Column("state", "u1", lambda trial: int(trial.state), fill=0)
        yield Column("started", "f4", lambda trial: math.nan if trial.started is None else trial.started - origin)
        yield Column("seconds", "f4", lambda trial: trial.seconds)
        for objective in problem.objectives:
            yield Column("value", "f4", _metric(objective.name), objective.name)
        if problem.constraints:
            yield Column("violation", "f4", lambda t: problem.violation(t.metrics) if t.metrics else math.nan)
        yield Column("attempt", "u1", lambda trial: min(trial.attempt, 0xFF), fill=0)
        worker, failure = self._workers, self._failures
        yield Column(
            "worker",
            "u2",
            lambda trial: NONE["u2"] if trial.worker is None else worker.place(trial.worker),
            options=worker.known,
            fill=NONE["u2"],
        )
        yield Column(
            "failure",
            "u2",
            lambda trial: 0 if trial.failure is None else failure.place(trial.failure.sort),
            options=failure.known,
            fill=0,
        )
        for name, parameter in problem.space.parameters.items():
            yield _of_parameter(name, parameter)

    def _met(self, history: History, trials: Sequence[Record]) -> Iterable[Column]:
        """Columns that some trials need, which are few where no others come up."""
        objectives = set(history.problem.objective_names)
        names = dict.fromkeys(name for trial in trials for name in trial.metrics if name not in objectives)
        yield from (Column("metric", "f4", _metric(name), name) for name in names)
        if history.reports.count:
            furthest = history.reports.furthest
            yield Column("step", "i4", lambda trial: min(furthest.get(trial.number, -1), 2**31 - 1), fill=-1)
        if any(trial.parent is not None for trial in trials):
            yield Column("parent", "i4", lambda trial: -1 if trial.parent is None else trial.parent, fill=-1)


def _metric(name: str) -> Callable[[Record], float]:
    return lambda trial: trial.results.get(name, math.nan)


def _of_parameter(name: str, parameter: Parameter) -> Column:
    if not parameter.labels:
        return Column("param", "f4", lambda trial: trial.params.get(name, math.nan), name)
    dtype = "u1" if len(parameter.labels) < NONE["u1"] else "u2"
    places = {typed(label): place for place, label in enumerate(parameter.labels)}
    none = NONE[dtype]

    def place(trial: Record) -> int:
        return places.get(typed(trial.params[name]), none) if name in trial.params else none

    options = [shortened(option_text(label), LONGEST) for label in parameter.labels]
    return Column("param", dtype, place, name, options, fill=none)


def option_text(label: Any) -> str:
    """The plain form of an option as text: that of a text is itself.

    >>> option_text("svm"), option_text(None), option_text(True), option_text(0.5)
    ('svm', 'null', 'true', '0.5')
    """
    return label if isinstance(label, str) else json.dumps(label)


def _aligned(length: int) -> int:
    return -(-length // 8) * 8


def _joined(header: dict[str, Any], buffers: Sequence[np.ndarray]) -> bytes:
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (_aligned(4 + len(text)) - 4 - len(text))
    parts = [len(text).to_bytes(4, "little"), text]
    for numbers in buffers:
        parts += [numbers.tobytes(), bytes(_aligned(numbers.nbytes) - numbers.nbytes)]
    return b"".join(parts)
