"""The log of a study, and a replica in step with it.

Write, then act: an event is in the storage before anybody acts on it, and the replica folds only what came back from
there, in the order of the log. Each write is one transaction; the storage is never locked while a sampler thinks.
"""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from typing import Any, Generic, TypeVar
from weakref import WeakSet

from kilter.core.errors import InvalidInput, LogDamaged, StorageError, StudyNotFound
from kilter.core.events import Created, Event, Started
from kilter.core.interfaces import Storage
from kilter.engine import snapshot
from kilter.engine.engine import Engine
from kilter.engine.replica import Replica
from kilter.runtime.notices import notice
from kilter.storage.commands import command

R_co = TypeVar("R_co", bound=Replica, covariant=True)

SNAPSHOT_EVERY = 10_000
"""Entries between snapshots at least; replaying that many takes a fraction of a second."""

SNAPSHOT_GROWTH = 4
"""A snapshot is due once a quarter of what the last one holds has come, so that a fifth of a log is the most that is
replayed. While it was due at twice the size, 50,000 trials of 20 reports took 1.1 s to open, and now take 0.65; the
snapshots of that many cost 1.5 s together, of the minute in which they are written."""

CHUNK = 5_000
"""Entries read at once: a long log need not be in memory twice."""


def name_of(storage: Storage, study: int) -> str:
    """The name of a study, for messages."""
    return next((row.name for row in storage.studies() if row.id == study), f"study {study}")


def id_of(storage: Storage, name: str) -> int:
    """What a storage calls a study; raises StudyNotFound with the nearest name."""
    known = {row.name: row.id for row in storage.studies()}
    if name not in known:
        raise StudyNotFound.of("study", name, known, f"(in {storage.url})")
    return known[name]


def names_like(word: str, storage: Storage) -> list[str]:
    """The names of the studies that a name or a pattern means, as svm-*, in the order in which they were made.

    Raises StudyNotFound with the nearest name where it means none.
    """
    known = [row.name for row in storage.studies()]
    names = [word] if word in known else [name for name in known if fnmatchcase(name, word)]
    if not names:
        raise StudyNotFound.of("study", word, known, f"(in {storage.url})")
    return names


@contextmanager
def named(storage: Storage, study: int) -> Iterator[None]:
    """Gives an error about a damaged log the name of its study."""
    try:
        yield
    except LogDamaged as error:
        raise error.of(name_of(storage, study), storage.url) from error.__cause__


def created(storage: Storage, study: int) -> Created:
    """How a study came to be, which its log begins with."""
    with named(storage, study):
        entries = storage.read(study, 0, 1)
        if not entries or not isinstance(entries[0].event, Created):
            kind = type(entries[0].event).__name__.lower() if entries else "created"
            raise LogDamaged.at(1, kind, None, "a log begins with what its study is, and that is gone")
        return entries[0].event


@contextmanager
def undisturbed() -> Iterator[None]:
    """Lets the collector of garbage rest: what is made of a log stays, and would be looked through again and again."""
    is_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if is_on:
            gc.enable()


_LOGS: WeakSet[Log[Any]] = WeakSet()
"""Those of this process."""

_TAKEN = threading.local()
"""The logs whose locks a thread took to fork."""

PATIENCE = 1.0
"""Seconds that a fork waits for who is at work on a log: longer, and the two may wait for one another."""


def _take_locks() -> None:
    """Who forks waits until nobody is within a log, which the new process has as it stands, without other threads."""
    _TAKEN.logs = [log for log in tuple(_LOGS) if log.lock.acquire(timeout=PATIENCE)]


def _give_locks_back() -> None:
    for log in _TAKEN.logs:
        log.lock.release()
    _TAKEN.logs = []


def _renew_locks() -> None:
    """Locks that a thread of the parent may hold for ever are other ones here."""
    for log in set(_LOGS).difference(_TAKEN.logs):
        log.lock = threading.RLock()
    _give_locks_back()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_take_locks, after_in_parent=_give_locks_back, after_in_child=_renew_locks)


class Log(Generic[R_co]):
    """What one process has read of a study, and the only one here who writes to its log."""

    def __init__(self, storage: Storage, study: int, replica: R_co) -> None:
        self.storage = storage
        self.study = study
        self.replica = replica
        self.lock = threading.RLock()
        self.observers: list[Callable[[Event], None]] = []
        """Told each event that is written from here."""
        self.owns_storage = False
        """Whether nobody else has the storage, so that it is closed with the study."""
        self._snapshot_at = replica.position
        self._is_unstorable = False
        """Whether the state of a plug-in cannot be stored, which is said once."""
        _LOGS.add(self)

    @property
    def name(self) -> str:
        """The name of the study, for messages."""
        return name_of(self.storage, self.study)

    def command(self, verb: str, *words: str) -> str:
        """What a verb of the shell does to the study, for messages."""
        return command(verb, self.name, self.storage.url, *words)

    def sync(self) -> None:
        """Read what others wrote."""
        with self.lock:
            with named(self.storage, self.study), undisturbed():
                while True:
                    entries = self.storage.read(self.study, self.replica.position, CHUNK)
                    self.replica.handle(entries)
                    if len(entries) < CHUNK:
                        break
            self._snapshot_where_due()

    def write(self, *events: Event, limit: int | None = None, distinct: bool = False) -> list[Event]:
        """Append events, take in all that is new in the log, and return the refused ones.

        Raises InvalidInput, and writes nothing, where one could not be read again or is of a trial that nobody begins.
        """
        with self.lock:
            self._check(events)
            try:  # as named() does, which costs more than all the rest of this
                appended = self.storage.append(self.study, events, self.replica.position, limit, distinct)
                self.replica.handle(appended.entries)
            except LogDamaged as error:
                raise error.of(self.name, self.storage.url) from error.__cause__
            self._snapshot_where_due()
            if self.observers:
                ours = len(appended.entries) - len(events) + len(appended.refused)
                for observer in tuple(self.observers):
                    for entry in appended.entries[ours:]:  # as stored: with the number that the storage gave
                        observer(entry.event)
            return appended.refused

    def _check(self, events: Sequence[Event]) -> None:
        """Raise InvalidInput for an event of a trial that is not there by then: no log could go on after it."""
        trials = len(self.replica.history)
        for event in events:
            number, creates = event.number, event.creates
            if number is not None and not 0 <= number < trials + creates:
                raise InvalidInput(f"{event!r}: the study has {trials} trials by then")
            if number == trials and isinstance(event, Started) and event.attempt != 1:
                raise InvalidInput(f"{event!r}: the first attempt at a trial is number 1")
            trials += creates and number in (None, trials)

    def _snapshot_where_due(self) -> None:
        if self.replica.position - self._snapshot_at >= max(SNAPSHOT_EVERY, self._snapshot_at // SNAPSHOT_GROWTH):
            self.save_snapshot()

    def save_snapshot(self) -> None:
        """Keep the replica as it stands, so that the next process need not replay the log; where it is an engine."""
        replica, at = self.replica, self.replica.position
        if not isinstance(replica, Engine) or replica.damage is not None or not self.storage.is_durable:
            return
        if at <= self._snapshot_at or self._is_unstorable:
            return
        self._snapshot_at = at
        try:
            data = snapshot.dumps(replica)
        except InvalidInput as error:  # which only a plug-in's author can mend; the log has all that is known
            self._is_unstorable = True
            notice(f"no snapshot of {self.name!r} is kept, so to open it takes a replay of its whole log: {error}")
            return
        with suppress(StorageError):  # it only saves time, and what is wrong shows where an event is written
            self.storage.save_snapshot(self.study, at, snapshot.VERSION, data)
