"""Studies in an SQLite file, shared by the threads and processes of one machine.

Each append is one immediate transaction: it reads what others wrote since, then writes ours at the next positions.
Unique indices do what locks would do: a second claim of a trial, and a second trial of one number, fail on their own,
and only that event is refused. The file is in WAL mode, so that readers and the one
writer do not wait for each other; synchronous=NORMAL can lose the last commits when the power fails, never more.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from typing import Any, NoReturn, TypeVar

from kilter.core import codec
from kilter.core.errors import (
    LogDamaged,
    StorageDamaged,
    StorageError,
    StorageGone,
    StorageTooNew,
    StorageUnsafe,
    StudyExists,
    StudyNotFound,
)
from kilter.core.events import Created, Enqueued, Entry, Event, is_begun
from kilter.core.interfaces import Appended, StudyRow, Worker
from kilter.engine.lifecycle import ATTEMPTS
from kilter.storage import forks
from kilter.storage.remedies import explained
from kilter.storage.rows import Columns, beyond_the_end, entries
from kilter.storage.sharing import check_folder, file_system

Answer = TypeVar("Answer")

PATIENCE = 60.0
"""Seconds to wait for a lock that another process holds."""

PAGE = 512
"""Bytes of a database at least; with less SQLite takes it for a new one."""

APPLICATION = 0x4B494C54  # "KILT", SQLite's application_id of our files

NOW = "(julianday('now') - 2440587.5) * 86400.0"  # unixepoch('subsec') needs SQLite 3.42

TABLES = """
CREATE TABLE study (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, created REAL NOT NULL);

CREATE TABLE event (
    study INTEGER NOT NULL REFERENCES study ON DELETE CASCADE,
    position INTEGER NOT NULL,
    kind TEXT NOT NULL,
    number INTEGER,
    attempt INTEGER NOT NULL,
    key INTEGER,              -- last part of the identity; NULL: the event has none and is never refused
    created_number INTEGER,   -- set where the event creates the trial
    time REAL NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (study, position)
) WITHOUT ROWID;
CREATE UNIQUE INDEX event_identity ON event (study, number, attempt, kind, key) WHERE key IS NOT NULL;
CREATE UNIQUE INDEX event_creates ON event (study, created_number) WHERE created_number IS NOT NULL;
-- NULLs differ from each other in a unique index, so event_identity lets a second Created through.
CREATE UNIQUE INDEX event_created ON event (study) WHERE kind = 'created';

CREATE TABLE snapshot (
    study INTEGER PRIMARY KEY REFERENCES study ON DELETE CASCADE,
    position INTEGER NOT NULL,
    version TEXT NOT NULL,
    data BLOB NOT NULL
);

CREATE TABLE lease (
    study INTEGER NOT NULL REFERENCES study ON DELETE CASCADE,
    worker TEXT NOT NULL,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    born REAL NOT NULL,
    expires REAL NOT NULL,
    PRIMARY KEY (study, worker)
);
"""

VIEW = f"""
-- For people who read the file with SQL. A trial that was lost waits again, but only so often, and an interrupted one
-- always; the late result of an attempt that was given up counts where the trial had not ended before: kilter.engine
-- decides so. One that was invalidated counts as failed.
DROP VIEW IF EXISTS trials;
CREATE VIEW trials AS
WITH latest AS (
    SELECT study, number,
           max(CASE WHEN kind = 'enqueued' THEN position END) AS queued,
           max(CASE WHEN kind = 'started' THEN position END) AS started,
           max(CASE WHEN kind = 'ended' THEN position END) AS ended,
           max(kind = 'dropped') AS dropped,
           max(CASE WHEN kind = 'invalidated' THEN position END) AS invalidated,
           sum(kind = 'ended' AND json_extract(body, '$.failure.kind') IS 'lost') AS losses,
           min(CASE WHEN kind = 'late' AND json_extract(body, '$.counts') AND json_extract(body, '$.state') = 'complete'
                    THEN position END) AS late,
           min(CASE WHEN kind = 'ended' AND json_extract(body, '$.state') <> 'paused'
                         AND ifnull(json_extract(body, '$.failure.kind'), '') NOT IN ('lost', 'interrupted')
                    THEN position END) AS finished
    FROM event WHERE kind IN ('enqueued', 'started', 'ended', 'late', 'dropped', 'invalidated')
    GROUP BY study, number
)
SELECT study.name AS study,
       latest.number AS number,
       CASE WHEN i.position IS NOT NULL THEN 'failed'
            WHEN l.position IS NOT NULL THEN 'complete'
            WHEN e.position IS NULL THEN iif(s.position IS NULL, 'waiting', 'running')
            WHEN json_extract(e.body, '$.failure.kind') IS 'interrupted' THEN 'waiting'
            WHEN json_extract(e.body, '$.failure.kind') IS 'lost' AND latest.losses < {ATTEMPTS} THEN 'waiting'
            WHEN json_extract(e.body, '$.state') = 'paused' AND latest.dropped THEN 'pruned'
            ELSE json_extract(e.body, '$.state') END AS state,
       coalesce(l.attempt, e.attempt, s.attempt, 0) AS attempt,
       coalesce(json_extract(l.body, '$.params'), json_extract(e.body, '$.params'), json_extract(s.body, '$.params'),
                json_extract(q.body, '$.params')) AS params,
       json_extract(ifnull(l.body, e.body), '$.metrics') AS metrics,
       json_extract(s.body, '$.budget') AS budget,
       s.time AS started,
       ifnull(l.time, e.time) AS ended,
       coalesce(json_extract(ifnull(l.body, e.body), '$.failure.kind'), i.kind) AS failure,
       coalesce(json_extract(ifnull(l.body, e.body), '$.failure.message'), json_extract(i.body, '$.reason')) AS message
FROM latest
JOIN study ON study.id = latest.study
LEFT JOIN event q ON q.study = latest.study AND q.position = latest.queued
LEFT JOIN event s ON s.study = latest.study AND s.position = latest.started
LEFT JOIN event e ON e.study = latest.study AND e.position = latest.ended
                 AND latest.ended > coalesce(latest.started, 0)
LEFT JOIN event l ON l.study = latest.study AND l.position = latest.late
                 AND latest.losses < {ATTEMPTS} AND latest.late < ifnull(latest.finished, latest.late + 1)
LEFT JOIN event i ON i.study = latest.study AND i.position = latest.invalidated
ORDER BY latest.study, latest.number;
"""

MIGRATIONS = (TABLES, "", "", VIEW)
"""Scripts of SQL; script k turns a file of version k into one of version k + 1. Only ever add at the end: another VIEW,
say, where it has to change. Versions 2 and 3 were earlier views."""

# `position >= after`, not `>`: the entry we have read last comes along and proves that this is still the same log.
SELECT = (
    "SELECT position, kind, number, attempt, time, body FROM event "
    "WHERE study = ? AND position >= ? ORDER BY position LIMIT ?"
)
ALL = -1  # as a LIMIT
BYTES = (
    "SELECT position, CAST(number AS BLOB), CAST(kind AS BLOB), CAST(body AS BLOB) FROM event "
    "WHERE study = ? AND position >= ? ORDER BY position"
)
INSERT = "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
NEXT_NUMBER = "SELECT coalesce(max(created_number), -1) + 1 FROM event WHERE study = ? AND created_number IS NOT NULL"

FORK_PATIENCE = 1.0
"""Seconds that a fork waits for who is at work on a file."""

_ABANDONED: list[sqlite3.Connection] = []
"""Connections that came through a fork. To close one, even by losing it, would break the locks of the parent."""


class SQLiteStorage:
    """Studies in the SQLite file at `path`, which is made where it is missing; its folder is not.

    Safe between threads, between processes of one machine, and over a fork. Can be pickled: the copy opens the file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.path.abspath(os.fspath(path))
        self.url = f"sqlite:///{self.path}"
        self.is_durable = True
        self._lock = threading.RLock()
        self._is_closed = False
        self._connection: sqlite3.Connection | None = self._connected()
        self._files = _files(self.path)
        self._gone: str | None = None
        """What became of the file, where it is not at its path any more."""
        forks.watch(self)

    def __repr__(self) -> str:
        return f"SQLiteStorage({self.path!r})"

    def __reduce__(self) -> tuple[type[SQLiteStorage], tuple[str]]:
        return SQLiteStorage, (self.path,)

    def create(self, name: str, event: Created) -> int:
        kind, body = codec.encode(event)  # looks at the event, too, as at its time
        with self._writing() as connection:
            try:
                row = connection.execute("INSERT INTO study (name, created) VALUES (?, ?)", (name, event.time))
            except sqlite3.IntegrityError:
                raise StudyExists.of(name, self.path) from None
            assert row.lastrowid is not None
            connection.execute(INSERT, (row.lastrowid, 1, kind, None, 0, 0, None, event.time, body))
            return row.lastrowid

    def studies(self) -> list[StudyRow]:
        with self._reading() as connection:
            return [StudyRow(*row) for row in connection.execute("SELECT id, name, created FROM study ORDER BY id")]

    def delete(self, study: int) -> None:
        with self._writing() as connection:
            if not connection.execute("DELETE FROM study WHERE id = ?", (study,)).rowcount:
                _not_found(connection, study)

    def append(
        self,
        study: int,
        events: Sequence[Event],
        after: int = 0,
        limit: int | None = None,
        distinct: bool = False,
    ) -> Appended:
        if not events:
            return Appended(self.read(study, after), [])
        with self._writing() as connection:
            rows = _rows(connection, study, after, ALL)
            log = _entries(connection, study, rows, after)
            end: int = rows[-1][0]
            refused = []
            unread = tuple(log) if distinct else ()
            for event in events:
                begun = is_begun(event, unread)
                written = None if begun else _insert(connection, study, end + 1, event, limit)
                if written is None:
                    refused.append(event)
                else:
                    end += 1
                    log.append(Entry(end, written))
            return Appended(log, refused)

    def read(self, study: int, after: int = 0, count: int | None = None) -> list[Entry]:
        with self._reading() as connection:
            most = ALL if count is None else count + 1  # the entry at `after` comes along
            rows = _rows(connection, study, after, most)
            return _entries(connection, study, rows, after)[:count]

    def save_snapshot(self, study: int, position: int, version: str, data: bytes) -> None:
        with self._writing() as connection, _needing(connection, study):
            connection.execute(
                "INSERT INTO snapshot VALUES (?, ?, ?, ?) ON CONFLICT (study) DO UPDATE "
                "SET position = excluded.position, version = excluded.version, data = excluded.data "
                "WHERE excluded.position >= position OR excluded.version <> version",
                (study, position, version, data),
            )

    def load_snapshot(self, study: int, version: str) -> tuple[int, bytes] | None:
        with self._reading() as connection:
            _check_exists(connection, study)
            found = connection.execute(
                "SELECT position, data FROM snapshot WHERE study = ? AND version = ?", (study, version)
            ).fetchone()
            return found and (found[0], bytes(found[1]))

    def renew(self, study: int, worker: Worker, seconds: float) -> None:
        with self._writing() as connection, _needing(connection, study):
            connection.execute(
                f"INSERT OR REPLACE INTO lease VALUES (?, ?, ?, ?, ?, {NOW} + ?)",
                (study, worker.id, worker.host, worker.pid, worker.born, seconds),
            )

    def release(self, study: int, worker: str) -> None:
        with self._writing() as connection:
            _check_exists(connection, study)
            connection.execute("DELETE FROM lease WHERE study = ? AND worker = ?", (study, worker))

    def leases(self, study: int) -> list[tuple[Worker, float]]:
        with self._reading() as connection:
            _check_exists(connection, study)
            rows = connection.execute(
                f"SELECT worker, host, pid, born, expires - {NOW} FROM lease WHERE study = ? ORDER BY worker",
                (study,),
            )
            return [(Worker(*row[:4]), row[4]) for row in rows]

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            self._connection = None
            self._drop()

    def describe(self) -> dict[str, str | float]:
        """The library, the format of the file, and its size, with that of what is not merged into it yet."""
        return {
            "library": f"SQLite {sqlite3.sqlite_version}",
            "format": len(MIGRATIONS),
            "bytes": _size(self.path),
            "unmerged_bytes": _size(f"{self.path}-wal"),
            "file_system": file_system(self.path) or "unknown",
        }

    # How statements reach the file.

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, explained(self.path):
            connection = self._live()
            _roll_back(connection)  # where an interrupt broke into a rollback
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all or nothing, and no commit where there is nothing to commit."""
        with self._reading() as connection:
            self._check_in_place(connection)
            with _transaction(connection):
                yield connection

    def _check_in_place(self, connection: sqlite3.Connection) -> None:
        """Raise StorageGone where what we write would go to a file that nobody finds; costs some microseconds."""
        if self._gone is None and self._files != _files(self.path, self._files):
            self._gone = (
                f"the file {self.path} (or its -wal) was moved, deleted or replaced while the study ran, so what is "
                f"stored now would be lost: the run ends here. {_rescued(connection, self.path)}"
            )
        if self._gone is not None:
            raise StorageGone(self._gone)

    def _live(self) -> sqlite3.Connection:
        if self._is_closed:
            raise StorageError(f"the storage {self.path} is closed: open it again")
        if self._connection is None:
            if _files(self.path, ("",)).get("") != self._files[""]:
                raise StorageGone(f"the file {self.path} was moved, deleted or replaced while a process was forked")
            self._connection = self._connected()
            self._files = _files(self.path)
        return self._connection

    def _connected(self) -> sqlite3.Connection:
        connection = _opened(self.path)
        # A connection is part of a cycle, so that one that is only dropped keeps its files until a collector comes by.
        self._drop = weakref.finalize(self, _dropped, connection, os.getpid())
        self._drop.atexit = False
        return connection

    # A fork. SQLite knows the locks of a process by file, and a new process inherits that knowledge without the locks:
    # its connections would think themselves safe, and whoever closes the last one elsewhere would take the log of
    # changes from under them. So there is no connection while a process is forked.

    def let_go(self) -> bool:
        """Close the file for a fork; False where somebody is at work on it."""
        if not self._lock.acquire(timeout=FORK_PATIENCE):
            return False
        self._connection = None
        self._drop()
        return True

    def take_up(self) -> None:
        """Open it again when it is needed."""
        self._lock.release()

    def forsake(self) -> None:
        """In the new process: leave alone what somebody was at, with the lock that nobody here holds."""
        self._lock = threading.RLock()
        self._connection = None
        self._drop()


def _dropped(connection: sqlite3.Connection, pid: int) -> None:
    if pid == os.getpid():
        connection.close()
    else:
        _ABANDONED.append(connection)


# The log.


def _rows(connection: sqlite3.Connection, study: int, after: int, most: int) -> list[Any]:
    """The rows from the entry `after` on; raises LogDamaged where the bytes of one are no text."""
    try:
        return connection.execute(SELECT, (study, after, most)).fetchall()
    except sqlite3.OperationalError as error:
        if "decode" not in str(error):
            raise
        rows = connection.execute(BYTES, (study, after))
        position, number = next((row[0], row[1]) for row in rows if not all(map(_is_text, row[1:])))
        number = None if number is None else number.decode(errors="backslashreplace")
        raise LogDamaged.at(position, "garbled", number, "its bytes are not text") from error


def _is_text(data: bytes | None) -> bool:
    try:
        return data is None or isinstance(data.decode(), str)
    except UnicodeDecodeError:
        return False


def _entries(connection: sqlite3.Connection, study: int, rows: list[Any], after: int) -> list[Entry]:
    """The events of rows that start at the entry `after` itself, without that one."""
    if not rows:
        _check_exists(connection, study)
        beyond_the_end(after, study)
    return entries(rows[1:] if after > 0 else rows)


def _insert(connection: sqlite3.Connection, study: int, position: int, event: Event, limit: int | None) -> Event | None:
    """Write an event and return it as stored, or None where it is refused."""
    if isinstance(event, Enqueued) and event.number is None:
        event = replace(event, number=connection.execute(NEXT_NUMBER, (study,)).fetchone()[0])
    created = event.number if event.creates else None
    if created is not None and limit is not None and created >= limit:
        return None
    columns = Columns.of(event)
    try:
        connection.execute(INSERT, columns.values(study, position))
    except sqlite3.IntegrityError as error:
        if "event.position" in str(error):
            raise  # never a refusal: two events at one position
        return None
    return codec.stored(event, columns.row)


def _check_exists(connection: sqlite3.Connection, study: int) -> None:
    if connection.execute("SELECT 1 FROM study WHERE id = ?", (study,)).fetchone() is None:
        _not_found(connection, study)


def _not_found(connection: sqlite3.Connection, study: int) -> NoReturn:
    known = [str(row[0]) for row in connection.execute("SELECT id FROM study ORDER BY id")]
    raise StudyNotFound.of("study with the id", study, known)


@contextmanager
def _needing(connection: sqlite3.Connection, study: int) -> Iterator[None]:
    """StudyNotFound where a row refers to a study that is not there."""
    try:
        yield
    except sqlite3.IntegrityError:
        _check_exists(connection, study)
        raise


# Opening.


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except (OSError, ValueError):
        return 0


def _files(path: str, which: Iterable[str] = ("", "-wal")) -> dict[str, tuple[int, int]]:
    """Which files stand at the path of the database and of its log of changes; those that do not exist are left out."""
    found = {}
    for ending in which:
        try:
            there = os.stat(path + ending)
        except OSError:
            continue
        found[ending] = (there.st_dev, there.st_ino)
    return found


def _rescued(connection: sqlite3.Connection, path: str) -> str:
    """Copy what an open connection still sees of a file that is gone, and say where."""
    copy = f"{path}.saved-{os.getpid()}"
    try:
        with closing(sqlite3.connect(copy)) as to:
            connection.backup(to)
    except (sqlite3.Error, OSError) as error:
        return f"What was stored in it could not be saved ({error}): look for the file, or for a copy of it"
    return f"All that was stored by now is in {copy}: put that in its place (and remove {path}-wal and -shm)"


def _check_whole(path: str) -> None:
    """Raise where a database was moved or deleted without its log of changes, which a new one could not live beside."""
    is_there = _size(f"{path}-wal") > 0  # first: a new one begins with the database
    if is_there and os.path.exists(path) and _size(path) < PAGE:  # SQLite would begin anew, and remove it
        raise StorageDamaged(f"{path} is cut off, but {path}-wal is not: restore {path}, or a copy of both")
    if os.path.exists(f"{path}-wal") and not os.path.exists(path):
        raise StorageError(
            f"{path} is not there, but {path}-wal, which has what was stored in it last: put the two beside each other "
            f"again, or remove {path}-wal and {path}-shm to begin with an empty file"
        )


def _opened(path: str) -> sqlite3.Connection:
    _check_whole(path)
    with explained(path):
        check_folder(path)
        connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            _patiently(lambda: _prepare(connection, path))
        except BaseException:
            connection.close()
            raise
        return connection


def _prepare(connection: sqlite3.Connection, path: str) -> None:
    version = _version(connection, path)
    connection.execute("PRAGMA foreign_keys = ON")
    try:
        [mode] = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        connection.execute("PRAGMA synchronous = NORMAL")
        if version < len(MIGRATIONS):
            _migrate(connection, path)
    except sqlite3.OperationalError as error:
        if "locking protocol" in str(error) or "disk I/O" in str(error):
            _unsafe(path, str(error))
        raise
    if mode != "wal":
        _unsafe(path, f"journal mode {mode}")


def _unsafe(path: str, reason: str) -> NoReturn:
    raise StorageUnsafe(
        f"the folder of {path} cannot lock and share files as SQLite needs it ({reason}); "
        "it may be a network folder: put the file on a local disk"
    )


def _version(connection: sqlite3.Connection, path: str) -> int:
    """The schema version of the file; raises where it is not a file that we can use. Writes nothing."""
    connection.execute("BEGIN")  # one view of all three, while others may be creating
    try:
        [application] = connection.execute("PRAGMA application_id").fetchone()
        [version] = connection.execute("PRAGMA user_version").fetchone()
        [objects] = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    finally:
        connection.execute("ROLLBACK")
    if application != APPLICATION and (application or version or objects):
        raise StorageError(
            f"{path} is the database of another program: choose another file name for kilter's studies (kilter import "
            f"{path} reads one of Optuna's)"
        )
    if version > len(MIGRATIONS):
        raise StorageTooNew(
            f"{path} was written by a later kilter: its format is {version}, this kilter knows up to "
            f"{len(MIGRATIONS)}: upgrade kilter"
        )
    return int(version)


def _migrate(connection: sqlite3.Connection, path: str) -> None:
    """Bring the schema up to date. Whoever is second to the lock finds it done."""
    with _transaction(connection, "EXCLUSIVE"):
        [version] = connection.execute("PRAGMA user_version").fetchone()
        for script in MIGRATIONS[version:]:
            for statement in _statements(script):
                connection.execute(statement)
        if version < len(MIGRATIONS):
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def _statements(script: str) -> Iterator[str]:
    """The single statements of a script; executescript() would commit our transaction first."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if statement.strip() and sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _patiently(act: Callable[[], Answer]) -> Answer:
    """Try again while the file is locked: a switch to WAL does not wait for its lock by itself."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return act()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.01)


@contextmanager
def _transaction(connection: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    before = connection.total_changes
    try:
        connection.execute(f"BEGIN {kind}")
        yield
        wrote = kind == "EXCLUSIVE" or connection.total_changes != before
        connection.execute("COMMIT" if wrote else "ROLLBACK")
    except BaseException:
        with suppress(sqlite3.Error):  # what went wrong first is what is to be told
            _roll_back(connection)
        raise


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:  # some errors, as of a full disk, roll back on their own
        connection.execute("ROLLBACK")
