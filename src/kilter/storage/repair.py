"""The log of a study in an SQLite file as rows that may be damaged, and its repair, in place or in a new file."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kilter.core import codec
from kilter.core.events import Event
from kilter.engine.repair import Repair, Row
from kilter.storage.remedies import explained
from kilter.storage.sqlite import INSERT, PATIENCE, SQLiteStorage

ROWS = "SELECT position, kind, number, attempt, time, body FROM event WHERE study = ? ORDER BY position"


def rows(storage: SQLiteStorage, study: int) -> list[Row]:
    """All rows of a study's log, in order."""
    with _opened(storage.path) as connection:
        connection.text_factory = bytes  # what is no UTF-8 must not keep us from the rest
        return [
            Row(position, _text(kind), number, attempt, time, _text(body))
            for position, kind, number, attempt, time, body in connection.execute(ROWS, (study,))
        ]


@dataclass(frozen=True)
class MendableFile:
    """An SQLite file whose logs can be looked at and mended."""

    storage: SQLiteStorage

    def rows(self, study: int) -> list[Row]:
        """All rows of a study's log, in order."""
        return rows(self.storage, study)

    def mend(self, study: int, repair: Repair) -> str:
        """Put the repaired log in its place; the path of a copy of the whole file as it was."""
        return write(self.storage, study, repair)


def check_pages(storage: SQLiteStorage) -> None:
    """Raise StorageDamaged where the file itself is not whole, whatever its rows say."""
    with _opened(storage.path) as connection:
        [said] = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if said != "ok":
            raise sqlite3.DatabaseError(f"malformed: {said}")


@dataclass(frozen=True)
class Saved:
    """A study as it comes into a new file."""

    id: int
    name: str
    created: float
    repair: Repair


def write_anew(path: str, studies: Iterable[Saved]) -> str:
    """Put studies into a new file beside the one at a path, which stays as it is; the path of the new one."""
    stem, ending = os.path.splitext(path)
    new = _unused(f"{stem}.repaired-{datetime.now():%Y%m%d-%H%M%S}", ending)
    SQLiteStorage(new).close()  # with all its tables
    with _opened(new) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for study in studies:
            connection.execute("INSERT INTO study VALUES (?, ?, ?)", (study.id, study.name, study.created))
            for position, (event, row) in enumerate(study.repair.kept, 1):
                connection.execute(INSERT, _values(study.id, position, event, row))
        connection.execute("COMMIT")
    return new


def write(storage: SQLiteStorage, study: int, repair: Repair) -> str:
    """Put the repaired log in the place of the damaged one, after a copy of the whole file; the path of the copy."""
    copy = _copied(storage.path)
    with _opened(storage.path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.execute("DELETE FROM event WHERE study = ?", (study,))
            connection.execute("DELETE FROM snapshot WHERE study = ?", (study,))
            for position, (event, row) in enumerate(repair.kept, 1):
                connection.execute(INSERT, _values(study, position, event, row))
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
    return copy


def _values(study: int, position: int, event: Event, row: Row | None) -> tuple[Any, ...]:
    _, attempt, _, key = event.identity or (None, 0, "", None)
    kind, body = codec.encode(event) if row is None else (row.kind, row.body)
    return study, position, kind, event.number, attempt, key, event.number if event.creates else None, event.time, body


def _copied(path: str) -> str:
    """A copy of the file as it is, beside it."""
    copy = _unused(f"{path}.bak-{datetime.now():%Y%m%d-%H%M%S}")
    with _opened(path) as connection, closing(sqlite3.connect(copy)) as to:
        connection.backup(to)
    return copy


def _unused(path: str, ending: str = "") -> str:
    return f"{path}-{os.getpid()}{ending}" if os.path.exists(path + ending) else path + ending


def _text(value: Any) -> str | None:
    try:
        return value.decode() if isinstance(value, bytes) else str(value)
    except UnicodeDecodeError:
        return None


@contextmanager
def _opened(path: str) -> Iterator[sqlite3.Connection]:
    with explained(path):
        connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
        try:
            yield connection
        finally:
            connection.close()
