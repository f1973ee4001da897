"""The log of a study in an SQLite file as rows that may be damaged, and its repair in place."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from typing import Any

from kilter.core import codec
from kilter.core.events import Event
from kilter.engine.repair import Repair, Row
from kilter.storage.sqlite import INSERT, PATIENCE, SQLiteStorage, explained

ROWS = "SELECT position, kind, number, attempt, time, body FROM event WHERE study = ? ORDER BY position"


def rows(storage: SQLiteStorage, study: int) -> list[Row]:
    """All rows of a study's log, in order."""
    with _opened(storage.path) as connection:
        connection.text_factory = bytes  # what is no UTF-8 must not keep us from the rest
        return [
            Row(position, _text(kind), number, attempt, time, _text(body))
            for position, kind, number, attempt, time, body in connection.execute(ROWS, (study,))
        ]


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
    copy = f"{path}.bak-{datetime.now():%Y%m%d-%H%M%S}"
    if os.path.exists(copy):
        copy += f"-{os.getpid()}"
    with _opened(path) as connection, closing(sqlite3.connect(copy)) as to:
        connection.backup(to)
    return copy


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
