"""The log of a study in an SQLite file as rows that may be damaged, and its repair, in place or in a new file."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kilter.engine.repair import Repair, Row
from kilter.storage.remedies import explained
from kilter.storage.rows import repaired_rows
from kilter.storage.sqlite import INSERT, PATIENCE, SQLiteStorage

ROWS = "SELECT position, kind, number, attempt, time, body FROM event WHERE study = ? ORDER BY position"


@dataclass(frozen=True)
class MendableFile:
    """An SQLite file whose logs can be looked at and mended."""

    storage: SQLiteStorage

    def rows(self, study: int) -> list[Row]:
        """All rows of a study's log, in order."""
        with _opened(self.storage.path) as connection:
            connection.text_factory = bytes  # what is no UTF-8 must not keep us from the rest
            return [
                Row(position, _text(kind), number, attempt, time, _text(body))
                for position, kind, number, attempt, time, body in connection.execute(ROWS, (study,))
            ]

    def mend(self, study: int, repair: Repair) -> str:
        """Put the repaired log in its place; the path of a copy of the whole file as it was."""
        copy = _copied(self.storage.path)
        with _opened(self.storage.path) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                connection.execute("DELETE FROM event WHERE study = ?", (study,))
                connection.execute("DELETE FROM snapshot WHERE study = ?", (study,))
                connection.executemany(INSERT, repaired_rows(study, repair))
                connection.execute("COMMIT")
            except BaseException:
                connection.execute("ROLLBACK")
                raise
        return copy


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
            connection.executemany(INSERT, repaired_rows(study.id, study.repair))
        connection.execute("COMMIT")
    return new


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
