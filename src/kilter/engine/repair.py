"""What is whole of a damaged log: the events that can be read and folded, in a log without gaps.

Trials keep their numbers. One whose start is lost waits to be run again, unless its end has the configuration too.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

from kilter.core import codec
from kilter.core.errors import LogDamaged, StorageError
from kilter.core.events import (
    INTERRUPTED,
    Created,
    Ended,
    Enqueued,
    Entry,
    Event,
    Failure,
    Reported,
    Started,
    TrialState,
)
from kilter.core.parameter import Plain
from kilter.engine.replica import Replica

REPAIR = "repair"
"""The worker of attempts whose start had to be put in."""

UNKNOWN = "how this attempt ended is lost from the log"

MOST_ATTEMPTS = 10
"""Attempts in a row that may be lost; a number beyond that is damaged itself."""


@dataclass(frozen=True)
class Row:
    """An event as a storage has it, whatever became of it."""

    position: int
    kind: str | None
    number: int | None
    attempt: int
    time: float
    body: str | None
    """Its JSON; None where its bytes are not text."""

    def event(self) -> Event:
        """What it says; raises StorageError where that cannot be read."""
        if self.kind is None or self.body is None:
            raise StorageError("its bytes are not text")
        return codec.decode(self.kind, self.number, self.attempt, self.time, self.body)


@dataclass
class Repair:
    """What a repair comes to."""

    kept: list[tuple[Event, Row | None]] = field(default_factory=list)
    """The events of the repaired log, each with the row that it stands in as it is; None for what had to be put in."""
    lost: list[str] = field(default_factory=list)
    """What is lost, a line each: its position, its trial, and why."""
    waiting: list[int] = field(default_factory=list)
    """Trials whose start is lost: they wait to be run again."""


@runtime_checkable
class Mendable(Protocol):
    """A storage whose logs can be seen as rows, whatever became of them, and put in order."""

    def rows(self, study: int) -> list[Row]:
        """All rows of a study's log, in order."""

    def mend(self, study: int, repair: Repair) -> str:
        """Put a repaired log in the place of the damaged one; the place where that is kept."""


def repaired(rows: Iterable[Row], fresh: Callable[[Created], Replica]) -> Repair:
    """The repair of a log with these rows, in order; `fresh` makes a replica for a study that came to be so.

    Raises LogDamaged where what the study is, its first event, is lost itself.
    """
    return _Mender(list(rows), fresh).repair()


class _Mender:
    """Takes in row by row, with a replica that has folded what was kept so far."""

    def __init__(self, rows: list[Row], fresh: Callable[[Created], Replica]) -> None:
        self._rows, self._fresh = rows, fresh
        self._most = _most_trials(rows)
        """A larger number is damaged itself."""
        self._made = Repair()
        self._positions: list[int] = []
        """Where the rows that were kept stood."""
        self._identities: set[object] = set()

    def repair(self) -> Repair:
        before = self._begin()
        for row in self._rows[1:]:
            if row.position != before + 1:
                self._made.lost.append(f"positions {before + 1} to {row.position - 1}: they are gone")
            before = row.position
            try:
                self._take(row, row.event())
            except StorageError as error:
                self._lose(row, str(error))
        self._made.waiting = [number for number in self._made.waiting if self._is_placeholder(number)]
        return self._made

    def _begin(self) -> int:
        """Take in the first row, which says what the study is; its position."""
        first = self._rows[0] if self._rows else Row(1, "created", None, 0, 0.0, None)
        try:
            event = first.event()
            if not isinstance(event, Created):
                raise StorageError("a log begins with what its study is, and that is gone")
        except StorageError as error:
            raise LogDamaged.at(first.position, str(first.kind), None, str(error)) from error
        self._created, self._replica = event, self._fresh(event)
        self._keep(event, first)
        return first.position

    def _take(self, row: Row, event: Event) -> None:
        number, n = event.number, len(self._replica.history)
        if isinstance(event, Created):
            self._lose(row, "the study had come to be before")
        elif number is None:
            self._keep(event, row)
        elif not 0 <= number < min(self._most, row.position):
            self._lose(row, "no trial can have this number")
        elif isinstance(event, Started):
            self._take_start(row, event)
        elif isinstance(event, Enqueued) and (number >= n or self._is_placeholder(number)):
            self._fill(number, event.time)
            self._keep(event, row) if number >= n else self._swap(event, row)
        elif number >= n or self._is_placeholder(number):
            self._take_orphan(row, event)
        else:
            if isinstance(event, (Reported, Ended)):
                self._start(number, event.attempt, event.time)
            self._keep(event, row)

    def _is_placeholder(self, number: int) -> bool:
        return number in self._made.waiting and self._replica.history[number].attempt == 0

    def _take_start(self, row: Row, event: Started) -> None:
        number, history = event.number, self._replica.history
        self._fill(number if event.fresh else number + 1, event.time)
        if event.fresh:  # whatever it says, it is the first attempt
            if number < len(history) and not self._is_placeholder(number):
                self._lose(row, "its trial had begun before")
                return
            mended = replace(event, attempt=1, fresh=number == len(history))
        else:
            mended = event
            self._end_before(number, event.attempt, event.params, event.time)
        if self._made.lost:  # positions have moved, and explanations go by them
            mended = replace(mended, seen=bisect_right(self._positions, event.seen))
        self._keep(mended, row) if mended == event else self._put(mended)

    def _take_orphan(self, row: Row, event: Event) -> None:
        """Take in an event of a trial whose start is lost: an end that has the configuration is enough of a trial."""
        number, n = row.number, len(self._replica.history)
        assert number is not None
        if not isinstance(event, Ended) or event.params is None:
            self._lose(row, "the start of its trial is lost")
            return
        self._fill(number, event.time)
        self._put(Started(number, 1, event.params, REPAIR, 0, event.time, fresh=number >= n))
        self._put(replace(event, attempt=1, late=False))

    def _start(self, number: int, attempt: int, time: float) -> None:
        """Start the attempt at a trial whose configuration is known, where that start is lost."""
        trial = self._replica.history[number]
        if trial.attempt < attempt and trial.params:
            self._end_before(number, attempt, trial.params, time)
            self._put(Started(number, attempt, trial.params, REPAIR, 0, time, fresh=False))

    def _end_before(self, number: int, attempt: int, params: Mapping[str, Plain], time: float) -> None:
        """End, and where need be start, the attempts before this one."""
        trial = self._replica.history[number]
        for earlier in range(trial.attempt, min(attempt, trial.attempt + MOST_ATTEMPTS)):
            if trial.attempt < earlier:
                self._put(Started(number, earlier, params, REPAIR, 0, time, fresh=False))
            if trial.state is TrialState.RUNNING:
                self._put(Ended(number, earlier, TrialState.FAIL, {}, time, failure=Failure(INTERRUPTED, UNKNOWN)))

    def _fill(self, number: int, time: float) -> None:
        """Have the trials wait that come before this number and were never begun as far as we know."""
        for missing in range(len(self._replica.history), number):
            self._put(Enqueued(missing, {}, time))
            self._made.waiting.append(missing)

    def _swap(self, event: Enqueued, row: Row) -> None:
        """Put what was enqueued in the place of what was made up for it."""
        place = next(i for i, (kept, _) in enumerate(self._made.kept) if kept.identity == event.identity)
        self._made.kept[place] = event, row
        self._made.waiting = [number for number in self._made.waiting if number != event.number]
        self._fold_anew()

    def _fold_anew(self) -> None:
        self._replica = self._fresh(self._created)
        self._replica.handle([Entry(i, event) for i, (event, _) in enumerate(self._made.kept, 1)])

    def _keep(self, event: Event, row: Row) -> None:
        """Take over a row as it is, or say that it is lost where it cannot be folded."""
        try:
            self._put(event, row)
        except LogDamaged as error:
            self._lose(row, str(error.__cause__))
            self._fold_anew()

    def _put(self, event: Event, row: Row | None = None) -> None:
        identity = event.identity
        if identity is not None and identity in self._identities:
            if row is not None:
                self._lose(row, "there is one of the same identity before it")
            return
        self._replica.handle([Entry(len(self._made.kept) + 1, event)])
        self._identities.add(identity)
        self._made.kept.append((event, row))
        self._positions += [row.position] if row else []

    def _lose(self, row: Row, why: str) -> None:
        of = "the study" if row.number is None else f"trial {row.number}"
        self._made.lost.append(f"position {row.position} ({of}, {row.kind}): {why}")


def _most_trials(rows: list[Row]) -> int:
    """How many trials there can be at most: up to those that two rows speak of, and one for each row that is lost."""
    known = Counter(row.number for row in rows if isinstance(row.number, int))
    lost = sum(row.body is None or not isinstance(row.number, (int, type(None))) for row in rows)
    gone = rows[-1].position - len(rows) if rows else 0
    return max(len(known) + lost + gone, 1 + max((number for number, times in known.items() if times > 1), default=0))
