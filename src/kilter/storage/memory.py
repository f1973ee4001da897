"""A storage that lives and dies with the process: lists and a lock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kilter.core import codec
from kilter.core.errors import StorageError, StudyExists, StudyNotFound
from kilter.core.events import Created, Enqueued, Entry, Event, is_begun
from kilter.core.interfaces import Appended, StudyRow, Worker


@dataclass
class _Log:
    """One study: its row, its entries and what makes an event refused."""

    row: StudyRow
    entries: list[Entry]
    identities: set[tuple[int | None, int, str, int]]
    numbers: set[int] = field(default_factory=set)
    next_number: int = 0
    snapshot: tuple[int, str, bytes] | None = None
    leases: dict[str, tuple[Worker, float]] = field(default_factory=dict)

    def copy(self) -> _Log:
        """The same log, to go on independently; whoever holds a lease works on this one."""
        entries, identities, numbers = self.entries.copy(), self.identities.copy(), self.numbers.copy()
        return replace(self, entries=entries, identities=identities, numbers=numbers, leases={})

    def write(self, event: Event, limit: int | None) -> bool:
        """Append the event, or return False where it is refused."""
        if isinstance(event, Enqueued) and event.number is None:
            event = replace(event, number=self.next_number)
        identity = event.identity
        if identity is not None and identity in self.identities:
            return False
        if event.creates and not self._claim(event.number, limit):
            return False
        if identity is not None:
            self.identities.add(identity)
        self.entries.append(Entry(len(self.entries) + 1, event))
        return True

    def _claim(self, number: int | None, limit: int | None) -> bool:
        assert number is not None  # an Enqueued has been numbered by now
        if number in self.numbers or (limit is not None and number >= limit):
            return False
        self.numbers.add(number)
        self.next_number = max(self.next_number, number + 1)
        return True

    def after(self, position: int, count: int | None = None) -> list[Entry]:
        """The entries after a position of this log, at most `count` of them."""
        if position > len(self.entries):
            raise StorageError(
                f"position {position} is beyond the end ({len(self.entries)}) of the log of study {self.row.name!r}: "
                "it is another log than the one that was read before"
            )
        return self.entries[position : None if count is None else position + count]


class MemoryStorage:
    """Keeps studies in this process; safe between threads, gone when the process ends.

    >>> MemoryStorage().studies()
    []
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.url = "memory://"
        self.is_durable = False
        self._clock = clock
        self._lock = threading.RLock()
        self._logs: dict[int, _Log] = {}
        self._created = 0

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self.studies())} studies>"

    def __getstate__(self) -> dict[str, Any]:
        """What a copy or a pickle has: all studies as they are now, to go on independently."""
        with self._lock:
            return {**vars(self), "_lock": None, "_logs": {study: log.copy() for study, log in self._logs.items()}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=threading.RLock())

    def create(self, name: str, event: Created) -> int:
        with self._lock:
            if any(log.row.name == name for log in self._logs.values()):
                raise StudyExists.of(name)
            first = Entry(1, codec.stored(event))
            self._created += 1
            row = StudyRow(self._created, name, event.time)
            self._logs[row.id] = _Log(row, [first], {event.identity})
            return row.id

    def studies(self) -> list[StudyRow]:
        with self._lock:
            return [log.row for log in self._logs.values()]

    def delete(self, study: int) -> None:
        with self._lock:
            self._log(study)
            del self._logs[study]

    def append(
        self,
        study: int,
        events: Sequence[Event],
        after: int = 0,
        limit: int | None = None,
        distinct: bool = False,
    ) -> Appended:
        with self._lock:
            log = self._log(study)
            new = log.after(after)
            end = len(log.entries)
            ready = [codec.stored(event) for event in events]
            refused = [
                given
                for given, event in zip(events, ready)
                if (distinct and is_begun(event, new)) or not log.write(event, limit)
            ]
            new += log.entries[end:]
            return Appended(new, refused)

    def read(self, study: int, after: int = 0, count: int | None = None) -> list[Entry]:
        with self._lock:
            return self._log(study).after(after, count)

    def save_snapshot(self, study: int, position: int, version: str, data: bytes) -> None:
        with self._lock:
            log = self._log(study)
            if log.snapshot is None or log.snapshot[1] != version or log.snapshot[0] <= position:
                log.snapshot = (position, version, data)

    def load_snapshot(self, study: int, version: str) -> tuple[int, bytes] | None:
        with self._lock:
            snapshot = self._log(study).snapshot
            return None if snapshot is None or snapshot[1] != version else (snapshot[0], snapshot[2])

    def renew(self, study: int, worker: Worker, seconds: float) -> None:
        with self._lock:
            self._log(study).leases[worker.id] = (worker, self._clock() + seconds)

    def release(self, study: int, worker: str) -> None:
        with self._lock:
            self._log(study).leases.pop(worker, None)

    def leases(self, study: int) -> list[tuple[Worker, float]]:
        with self._lock:
            now = self._clock()
            return [(worker, expires - now) for worker, expires in self._log(study).leases.values()]

    def close(self) -> None:
        """Nothing to let go of; the studies stay as long as this object."""

    def _log(self, study: int) -> _Log:
        try:
            return self._logs[study]
        except KeyError:
            raise StudyNotFound.of("study with the id", study, map(str, self._logs)) from None
