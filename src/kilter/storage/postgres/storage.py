"""Studies in a PostgreSQL database, shared by any number of machines.

Each method is one statement, one transaction and one round trip; a delete alone looks first whether the study is there.
An append is a function of the database (schema.APPEND): it waits for its turn at the log, reads what others wrote and
writes ours at the next positions, all in the server, so that no worker can be slow, or go away, while others wait for
it. Each append has a token, which is kept with its events: where its answer was lost, it is sent again and finds what
it wrote. Leases run by the server's clock.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

from kilter.core import codec
from kilter.core.errors import StorageError, StorageTooNew, StudyExists, StudyNotFound
from kilter.core.events import Created, Enqueued, Entry, Event
from kilter.core.interfaces import Appended, StudyRow, Worker
from kilter.core.text import masked
from kilter.engine.repair import Repair, Row
from kilter.storage.postgres.connection import PARTLY, PATIENCE, Connection
from kilter.storage.postgres.schema import LOCK, MIGRATIONS
from kilter.storage.rows import Columns, beyond_the_end, entries, repaired_rows

if TYPE_CHECKING:
    import psycopg

SETTINGS = (
    "SET default_transaction_isolation = 'read committed'",  # which kilter.append() builds upon
    "SET extra_float_digits = 1",  # else times may come rounded
)
# A look at the catalogue itself: to_regclass() may remember that there was none before we had the lock.
IS_THERE = "SELECT FROM pg_tables WHERE schemaname = 'kilter' AND tablename = 'version'"
CREATE = """
WITH made AS (INSERT INTO kilter.study (name, created) VALUES (%s, %s) ON CONFLICT DO NOTHING RETURNING id),
first AS (
    INSERT INTO kilter.event SELECT id, 1, %s, NULL, 0, 0, NULL, %s, %s, %s FROM made RETURNING study
)
SELECT study FROM first
UNION ALL SELECT study.id FROM kilter.study JOIN kilter.event ON event.study = study.id AND position = 1
WHERE name = %s AND token = %s
"""
APPEND = "SELECT * FROM kilter.append(%s, %s, %s, %s, %s, %s, %s::JSON)"
# `position >= after`, not `>`: the entry we have read last comes along and proves that this is still the same log.
READ = """
SELECT position, kind, number, attempt, time, body FROM kilter.event
WHERE study = %s AND position >= %s ORDER BY position LIMIT %s
"""
INSERT = "INSERT INTO kilter.event VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
SAVE = """
INSERT INTO kilter.snapshot AS kept VALUES (%s, %s, %s, %s) ON CONFLICT (study) DO UPDATE
SET position = excluded.position, version = excluded.version, data = excluded.data
WHERE excluded.position >= kept.position OR excluded.version <> kept.version
RETURNING study
"""
LOAD = """
SELECT position, data FROM kilter.study LEFT JOIN kilter.snapshot ON snapshot.study = id AND version = %s WHERE id = %s
"""
RENEW = """
INSERT INTO kilter.lease VALUES (%s, %s, %s, %s, %s, clock_timestamp() + make_interval(secs => %s))
ON CONFLICT (study, worker) DO UPDATE
SET host = excluded.host, pid = excluded.pid, born = excluded.born, expires = excluded.expires
RETURNING study
"""
RELEASE = """
WITH released AS (DELETE FROM kilter.lease WHERE study = %s AND worker = %s) SELECT id FROM kilter.study WHERE id = %s
"""
LEASES = """
SELECT worker, host, pid, born, extract(epoch FROM expires - clock_timestamp())::FLOAT8
FROM kilter.study LEFT JOIN kilter.lease ON lease.study = id WHERE id = %s ORDER BY worker
"""

DESCRIBE = "SELECT current_setting('server_version'), extract(epoch FROM clock_timestamp())::FLOAT8"


class PostgreSQLStorage:
    """Studies in the PostgreSQL database of a URL as libpq reads it, in a schema `kilter`, which is made where missing.

    Safe between threads, processes and machines, and over a fork. Can be pickled: the copy opens its own connection.
    Where the connection is lost it is made again, for `patience` seconds; raises StorageUnreachable after that.
    """

    def __init__(self, url: str, patience: float = PATIENCE) -> None:
        self._address, self._patience = url, patience
        self.url = masked(url)
        self.is_durable = True
        self._connection = Connection(url, self._begin, patience)

    def __repr__(self) -> str:
        return f"PostgreSQLStorage({self.url!r})"

    def __reduce__(self) -> tuple[type[PostgreSQLStorage], tuple[str, float]]:
        return PostgreSQLStorage, (self._address, self._patience)

    def create(self, name: str, event: Created) -> int:
        kind, body = codec.encode(event)
        token = secrets.randbits(62)
        values = (name, event.time, kind, event.time, body, token, name, token)
        made = self._connection.rows(CREATE, values)
        if not made:
            raise StudyExists.of(name, self.url)
        return int(made[0][0])

    def studies(self) -> list[StudyRow]:
        rows = self._connection.rows("SELECT id, name, created FROM kilter.study ORDER BY id")
        return [StudyRow(*row) for row in rows]

    def delete(self, study: int) -> None:
        self._check_exists(study)  # before: a second try finds it gone, and that is no error
        self._connection.rows("DELETE FROM kilter.study WHERE id = %s RETURNING id", (study,))

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
        columns = [Columns.of(event) for event in events]
        batch = json.dumps([each._asdict() for each in columns])
        values = (study, after, limit, distinct, secrets.randbits(62), len(events), batch)
        with self._needing(study):
            rows = self._connection.rows(APPEND, values)
        known = self._known(study, rows, after)
        theirs, ours = [], {}
        for *row, mine in rows[known:]:
            if mine is None:
                theirs.append(row)
            else:
                ours[mine] = Entry(row[0], _stored(events[mine], columns[mine], row[2]))
        refused = [event for index, event in enumerate(events) if index not in ours]
        return Appended([*entries(theirs), *ours.values()], refused)

    def read(self, study: int, after: int = 0, count: int | None = None) -> list[Entry]:
        rows = self._connection.rows(READ, (study, after, count if count is None else count + 1))
        return entries(rows[self._known(study, rows, after) :])[:count]

    def save_snapshot(self, study: int, position: int, version: str, data: bytes) -> None:
        with self._needing(study):
            self._connection.rows(SAVE, (study, position, version, data))

    def load_snapshot(self, study: int, version: str) -> tuple[int, bytes] | None:
        [(position, data)] = self._found(study, LOAD, (version, study))
        return None if position is None else (position, bytes(data))

    def renew(self, study: int, worker: Worker, seconds: float) -> None:
        with self._needing(study):
            self._connection.rows(RENEW, (study, worker.id, worker.host, worker.pid, worker.born, seconds))

    def release(self, study: int, worker: str) -> None:
        self._found(study, RELEASE, (study, worker, study))

    def leases(self, study: int) -> list[tuple[Worker, float]]:
        rows = self._found(study, LEASES, (study,))
        return [(Worker(*row[:4]), row[4]) for row in rows if row[0] is not None]

    def describe(self) -> dict[str, str | float]:
        """The server, the format of its tables, and its clock."""
        [(server, clock)] = self._connection.rows(DESCRIBE)
        return {"server": f"PostgreSQL {server}", "format": len(MIGRATIONS), "clock": clock}

    def close(self) -> None:
        self._connection.close()

    # Mending.

    def rows(self, study: int) -> list[Row]:
        """All rows of a study's log, in order, whatever became of them."""
        return [Row(*row) for row in self._connection.rows(READ, (study, 0, None))]

    def mend(self, study: int, repair: Repair) -> str:
        """Put the repaired log in the place of the damaged one; the name of a table with what was there."""
        log = [*repaired_rows(study, repair)]
        return self._connection(lambda connection: _replace(connection, study, log))

    # What there is.

    def _known(self, study: int, rows: list[Any], after: int) -> int:
        """How many of the rows from the entry `after` on are known: that entry itself; raises where it is not there."""
        if not rows:
            self._check_exists(study)
            beyond_the_end(after, study)
        return 1 if after > 0 else 0

    def _found(self, study: int, statement: str, values: Sequence[Any]) -> list[Any]:
        """Rows of which there is one at least where the study exists."""
        rows = self._connection.rows(statement, values)
        if not rows:
            self._not_found(study)
        return rows

    def _check_exists(self, study: int) -> None:
        self._found(study, "SELECT 1 FROM kilter.study WHERE id = %s", (study,))

    def _not_found(self, study: int) -> NoReturn:
        raise StudyNotFound.of("study with the id", study, [str(row.id) for row in self.studies()])

    @contextmanager
    def _needing(self, study: int) -> Iterator[None]:
        """StudyNotFound where a row refers to a study that is not there."""
        from psycopg.errors import ForeignKeyViolation

        try:
            yield
        except ForeignKeyViolation:
            self._check_exists(study)
            raise

    # The schema.

    def _begin(self, connection: psycopg.Connection) -> None:
        """Bring the schema up to date; raises StorageTooNew where a later kilter has been here."""
        connection.execute("; ".join(SETTINGS))
        if self._version(connection) < len(MIGRATIONS):
            with connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
                _migrate(connection, self._version(connection))  # whoever is second to the lock finds it done

    def _version(self, connection: psycopg.Connection) -> int:
        if not connection.execute(IS_THERE).fetchall():
            return 0
        rows = connection.execute("SELECT version FROM kilter.version").fetchall()
        if len(rows) != 1 or rows[0][0] < 1:
            raise StorageError(f"{self.url}: {PARTLY}")
        [(version,)] = rows
        if version > len(MIGRATIONS):
            raise StorageTooNew(
                f"{self.url} was written by a later kilter: its format is {version}, this kilter knows up to "
                f"{len(MIGRATIONS)}: upgrade kilter"
            )
        return int(version)


def _replace(connection: psycopg.Connection, study: int, log: list[tuple[Any, ...]]) -> str:
    """Write a whole log anew, after a copy of the old one into a table whose name this returns."""
    from psycopg import sql

    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s::INTEGER)", (LOCK, study))
        [(now,)] = cursor.execute("SELECT to_char(clock_timestamp(), 'YYYYMMDD_HH24MISS_US')").fetchall()
        name = f"event_{study}_before_{now}"
        copy = sql.SQL("CREATE TABLE {} AS SELECT * FROM kilter.event WHERE study = {}")
        cursor.execute(copy.format(sql.Identifier("kilter", name), study))
        cursor.execute("DELETE FROM kilter.event WHERE study = %s", (study,))
        cursor.execute("DELETE FROM kilter.snapshot WHERE study = %s", (study,))
        cursor.executemany(INSERT, log)
    return f"kilter.{name}"


def _migrate(connection: psycopg.Connection, version: int) -> None:
    if not connection.execute("SELECT FROM pg_namespace WHERE nspname = 'kilter'").fetchall():
        connection.execute("CREATE SCHEMA kilter")  # which "IF NOT EXISTS" takes a right for, also where it is there
    for script in MIGRATIONS[version:]:
        connection.execute(script)
    if version < len(MIGRATIONS):
        connection.execute("UPDATE kilter.version SET version = %s", (len(MIGRATIONS),))


def _stored(event: Event, columns: Columns, number: int | None) -> Event:
    """An event as a reader of the log will see it, with the number that the database gave it."""
    if isinstance(event, Enqueued) and event.number is None:
        event = replace(event, number=number)
    return codec.stored(event, (columns.kind, number, *columns.row[2:]))
