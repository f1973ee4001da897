"""What a dashboard has read of a storage: of each study that was asked for a replica, which goes on by itself.

Looking takes no lock that a worker waits for, and writes nothing: a study is read as any other process reads it. What
is changed goes by a log and a connection of its own, so that a change that waits for a file keeps nobody from looking.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from copy import copy
from functools import cached_property
from itertools import takewhile
from typing import Any, TypeVar

from kilter import replay
from kilter.core.errors import StorageError, StudyNotFound
from kilter.core.events import Created, Entry
from kilter.core.history import History
from kilter.core.interfaces import OnDisk, Storage, StudyRow
from kilter.core.problem import Problem
from kilter.core.text import masked
from kilter.dashboard.columns import Columns
from kilter.engine.replica import Replica
from kilter.plugins import existing_storage, open_storage
from kilter.runtime.log import Log, created

Answer = TypeVar("Answer")


class Followed(Replica):
    """A replica that knows which trials changed last, so that nobody has to look through all of them."""

    def __init__(self, problem: Problem, seed: int) -> None:
        super().__init__(problem, seed)
        self._changed: dict[int, int] = {}
        """At which position each trial changed, of those that did while it was followed; the latest at the end."""

    def handle(self, entries: Sequence[Entry]) -> None:
        """Take in entries, and note whom they are about."""
        super().handle(entries)
        for position, event in entries:
            if event.number is not None:
                self._changed.pop(event.number, None)
                self._changed[event.number] = position

    def changed(self, after: int) -> list[int]:
        """The trials that changed after a position at which it was followed already, by number."""
        late = takewhile(lambda item: item[1] > after, reversed(self._changed.items()))
        return sorted(number for number, _ in late)


class Study:
    """One study: its log, and its columns. Whoever reads `log.replica` holds `log.lock`."""

    def __init__(self, row: StudyRow, storage: Storage) -> None:
        self.id, self.name = row.id, row.name
        self.storage = storage
        self.created: Created = created(storage, row.id)
        self.log = replay.followed(row.id, storage, _followed)
        self.token = object()
        """Stands for what was read of this log: one that is read anew has another."""
        self._remembered: dict[str, tuple[object, Any]] = {}
        self._columns: Columns
        self._problem: dict[str, Any]
        self._since = self._columns_at = 0
        """From which position on changes are known; and up to which position the columns have them."""
        self.begin()

    @cached_property
    def changing(self) -> Log[Replica]:
        """The log to change it by: whoever writes may wait for other processes, with the locks of all that it holds."""
        return replay.followed(self.id, apart(self.storage), replay.without_plugins)

    @property
    def revision(self) -> int:
        """How far in the log it was read: what is known at a revision never changes."""
        return self.log.replica.position

    def sync(self) -> int:
        """Read on, and return the revision."""
        with self.log.lock:
            self.log.sync()
            return self.revision

    def columns(self, after: int | None = None) -> bytes:
        """The columns at this revision; what changed since `after` alone, where that is known."""
        with self.log.lock:
            replica = self.log.replica
            if replica.problem_json is not self._problem:  # another space, or constraints
                self.begin()
            elif self._columns_at < replica.position:
                self._columns.update(replica.history, replica.changed(self._columns_at))
                self._columns_at = replica.position
            is_known = after is not None and self._since <= after <= replica.position
            return self._columns.packed(self.id, self.revision, replica.changed(after or 0) if is_known else None)

    def at_rest(self) -> History:
        """The trials at the latest revision, for who looks at them for a while; one copy for all who do."""
        with self.log.lock:
            return self.remembered("at rest", self.revision, self.log.replica.history.at_rest)

    def begin(self) -> None:
        """Make the columns anew, of all that is known now."""
        replica = self.log.replica
        self._problem = replica.problem_json
        self._since = self._columns_at = replica.position
        self._columns = Columns(replica.history, self.created.time)
        self._columns.update(replica.history, range(len(replica.history)))

    def remembered(self, what: str, at: object, make: Callable[[], Answer]) -> Answer:
        """What was made for this `at`, such as a revision; made now where that is another one."""
        with self.log.lock:
            known = self._remembered.get(what)
            if known is None or known[0] != at:
                known = self._remembered[what] = at, make()
            answer: Answer = known[1]
            return answer


def apart(storage: Storage) -> Storage:
    """Another connection to the same studies; the storage itself where they live in this process alone."""
    return copy(storage) if storage.is_durable else storage


def _followed(created: Created) -> Followed:
    return replay.of_kind(Followed, created)


class Reading:
    """A storage and the studies that were read of it, for any number of threads.

    A file that is gone is an error until one is there again; then it is opened anew, and so are its studies.
    """

    def __init__(self, given: str | os.PathLike[str] | Storage) -> None:
        there = existing_storage(given)
        self._storage = apart(there) if there is given else there  # a run of this process may wait with that lock
        self._is_ours = self._storage is not given
        self._lock, self._opening = threading.Lock(), threading.Lock()
        self._studies: dict[int, Study] = {}
        self._file = self._found()

    def close(self) -> None:
        """Let go of the storage, where it was opened here."""
        if self._is_ours:
            self._storage.close()

    @property
    def address(self) -> str:
        """Where the storage is, without secrets."""
        return masked(self._storage.url)

    def said(self, error: Exception) -> str:
        """What an error says, without the secrets of the storage's address."""
        return str(error).replace(self._storage.url, self.address)

    @property
    def storage(self) -> Storage:
        """The storage, which is there; raises StorageError where it went away."""
        with self._lock:
            return self._at_hand()

    def rows(self) -> list[StudyRow]:
        """The studies there are, oldest first; of those that are gone nothing is kept."""
        rows = self.storage.studies()
        with self._lock:
            for gone in self._studies.keys() - {row.id for row in rows}:
                del self._studies[gone]
        return rows

    def study(self, number: int) -> Study:
        """A study by its id, read up to now; raises StudyNotFound."""
        study = self._known(number) or self._opened(number)
        try:
            study.sync()
        except StorageError:
            self._forget(study)
            raise
        return study

    def followed(self) -> list[Study]:
        """The studies that somebody has asked for."""
        with self._lock:
            return list(self._studies.values())

    def _known(self, number: int) -> Study | None:
        with self._lock:
            self._at_hand()
            return self._studies.get(number)

    def _opened(self, number: int) -> Study:
        with self._opening:  # a page asks several things at once, and a long log is to be read once
            if (study := self._known(number)) is not None:
                return study
            storage = self.storage
            row = next((row for row in storage.studies() if row.id == number), None)
            if row is None:
                raise StudyNotFound(f"there is no study {number}: it was deleted, or never was")
            study = Study(row, storage)
            with self._lock:
                if storage is self._storage:
                    self._studies[number] = study
            return study

    def _forget(self, study: Study) -> None:
        with self._lock:
            if self._studies.get(study.id) is study:
                del self._studies[study.id]

    # -- the file -----------------------------------------------------------------------------------------------------

    def _at_hand(self) -> Storage:
        found = self._found()
        if found != self._file:
            if found is None:
                raise StorageError(
                    f"{self.address} is gone: it was moved or deleted. Put it back, and this page goes on"
                )
            self._storage, self._file, self._studies = open_storage(self._storage.url), found, {}
        return self._storage

    def _found(self) -> tuple[int, int] | None:
        """Which file is at the path of the storage; None where it has none, or it is gone."""
        if not isinstance(self._storage, OnDisk):
            return None
        try:
            there = os.stat(self._storage.path)
        except OSError:
            return None
        return there.st_dev, there.st_ino
