"""One connection to a PostgreSQL server, made again where it was lost, and what its errors mean."""

from __future__ import annotations

import logging
import os
import re
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from kilter.core.errors import InvalidInput, KilterError, StorageError, StorageUnreachable, needed
from kilter.core.text import masked, one_line
from kilter.storage.patience import tries

if TYPE_CHECKING:
    import psycopg

Answer = TypeVar("Answer")

log = logging.getLogger("kilter")

PATIENCE = 300.0
"""Seconds that a server may be away, as for a restart or while another takes its place."""

OPENING = 5.0
"""Seconds that it may be away when it is asked for the first time: then the address is likelier to be wrong."""

SETTINGS = {
    "application_name": "kilter",
    "connect_timeout": "10",
    # A host that is gone without a word is found out in half a minute, not in two hours.
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
"""What the user's URL does not say; in seconds, and the last one in milliseconds."""

_ABANDONED: list[Any] = []
"""Connections that came through a fork. To close one would end that of the parent."""


def _psycopg() -> Any:
    with needed("'kilter[postgres]'", "a study in PostgreSQL"):
        import psycopg

        return psycopg


class Connection:
    """A connection to the database at `address`, for any number of threads, one after the other.

    `begin` is called with each new one before it is used.
    """

    def __init__(self, address: str, begin: Callable[[psycopg.Connection], None], patience: float = PATIENCE) -> None:
        self.url = masked(address)
        self._begin = begin
        self._conninfo = _conninfo(address)
        self._patience = min(patience, OPENING)
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._open: psycopg.Connection | None = None
        self._is_closed = False
        self(lambda connection: None)
        self._patience = patience

    def __call__(self, act: Callable[[psycopg.Connection], Answer]) -> Answer:
        """What `act` makes of the connection; it is called again on another one where that was lost meanwhile.

        So what it does must come to the same when it is done twice. Raises StorageUnreachable where the server stays
        away, and StorageError where it refuses.
        """
        if self._pid != os.getpid():
            self._leave_to_the_parent()
        with self._lock:
            for number in tries(self._patience):
                try:
                    with self._explained():
                        answer = act(self._connected())
                except _Away as error:
                    away = error
                    self._lost(away, number)
                else:
                    self._is_away = False
                    return answer
        raise StorageUnreachable(
            f"{self.url} cannot be reached: {away}. Check that the server runs and that its address is right; "
            "nothing that was stored is lost"
        ) from away.__cause__

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """The rows of one statement, which is a transaction of its own and one round trip."""
        return self(lambda connection: connection.execute(statement, values).fetchall())

    def close(self) -> None:
        """Let go of it for good."""
        with self._lock:
            self._is_closed = True
            self._drop()

    # How it comes and goes.

    _is_away = False
    """Whether the user has been told that the server is away."""

    def _connected(self) -> psycopg.Connection:
        if self._is_closed:
            raise StorageError(f"the storage {self.url} is closed: open it again")
        if self._open is None:
            # Without prepared statements, so that each may go to another server process: poolers do so.
            opened = _psycopg().connect(self._conninfo, autocommit=True, prepare_threshold=None)
            weakref.finalize(self, _dropped, opened, self._pid).atexit = False
            try:
                self._begin(opened)
            except BaseException:
                opened.close()
                raise
            self._open = opened
            if self._is_away:
                log.warning("%s is back", self.url)
        return self._open

    def _lost(self, away: _Away, number: int) -> None:
        """Let go of it; a server that ends idle connections is not away, and the next try tells."""
        self._drop()
        if number > 1 and not self._is_away and self._patience > OPENING:
            self._is_away = True
            log.warning("%s cannot be reached: %s. It is tried again for %.0f s", self.url, away, self._patience)

    def _drop(self) -> None:
        opened, self._open = self._open, None
        if opened is not None:
            _dropped(opened, self._pid)

    def _leave_to_the_parent(self) -> None:
        self._lock = threading.RLock()  # a thread that this process does not have may hold the old one
        if self._open is not None:
            _ABANDONED.append(self._open)
            self._open = None
        self._pid = os.getpid()

    # Errors in words.

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """StorageError with cause and remedy in place of the server's errors, and _Away where another try may help."""
        errors = _psycopg().errors
        try:
            yield
        except errors.IntegrityError:
            raise  # whoever writes knows what is missing
        except (errors.OperationalError, errors.InterfaceError) as error:
            if _is_passing(error):
                raise _Away(one_line(error)) from error
            raise self._refused(error) from error
        except errors.Error as error:
            raise self._refused(error) from error

    def _refused(self, error: psycopg.Error) -> KilterError:
        advice = REMEDIES.get(error.sqlstate or "") or _remedy_in(error)
        said = f": {advice}" if advice else " cannot be used"
        return StorageError(f"{self.url}{said} (PostgreSQL: {one_line(error)})")


class _Away(Exception):
    """The server is not there, or has just gone."""


PARTLY = (
    "its schema kilter is not whole, as after half a restore: restore the whole dump into an empty database. Or, to "
    "begin anew without what is in it, `DROP SCHEMA kilter CASCADE`"
)

REMEDIES = {
    "42P01": PARTLY,
    "42P07": PARTLY,
    "42883": PARTLY,
    "53100": "there is no space left on the server: free some, then go on; nothing that was stored is lost",
    "25006": "the server takes no writes: give the address of the primary, not of a copy",
    "42501": "this user may not do that: whoever owns the schema kilter has to GRANT USAGE on it, and SELECT, INSERT, "
    "UPDATE, DELETE on its tables. Where there is none yet, an administrator GRANTs CREATE on the database, or makes a "
    "SCHEMA kilter that this user owns",
    "57014": "the server ended a statement that took too long: raise its statement_timeout",
}
"""The code of an error, and what we say."""

REFUSALS = {
    "authentication failed": "the server refuses the user or the password",
    "no password supplied": "the server asks for a password: put it in the URL, in PGPASSWORD or in ~/.pgpass",
    "no pg_hba.conf entry": "the server lets no such user in from this host: an administrator adds a line to its "
    "pg_hba.conf",
    "does not exist": "there is no such database, or no such user: `createdb NAME` makes a database",
    "server does not support SSL": "the server has no TLS: leave out sslmode, or switch TLS on there",
}
"""What the message of an error contains that has no code, as there is no connection yet, and what we say."""

PASSING = ("08", "57P", "53300", "40001", "40P01")
"""How the codes of errors begin that go by: of the connection, of a server that stops or starts, that has too many
connections, and of transactions that stood in one another's way."""


def _is_passing(error: psycopg.Error) -> bool:
    """Whether to try again. Without a code there is no connection, or not any more."""
    if error.sqlstate is not None:
        return error.sqlstate.startswith(PASSING)
    return _remedy_in(error) is None


def _remedy_in(error: psycopg.Error) -> str | None:
    """What we say of an error without a code. Its message has numbers, as that of a port, which may be a code's."""
    if error.sqlstate is not None:
        return None
    return next((advice for trace, advice in REFUSALS.items() if trace in str(error)), None)


def _conninfo(address: str) -> str:
    """The address with SETTINGS for what it leaves open; raises InvalidInput where it is none."""
    errors = _psycopg().errors
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    with suppress(errors.ProgrammingError):  # whose message may quote the password
        given = conninfo_to_dict(address)
        if not _is_torn(address, given):
            return make_conninfo(address, **{**SETTINGS, **given, "client_encoding": "UTF8"})
    raise InvalidInput(
        f"storage={masked(address)!r} cannot be read: write postgresql://user:password@host:5432/database, with "
        "%40 for an @ in the password, %2F for a / and so on, and options of libpq alone after the '?'"
    )


def _is_torn(address: str, given: Mapping[str, Any]) -> bool:
    """Whether a password with an @ or a / of its own has become part of the host, which every message then names."""
    place = re.sub("^[^@/]*@", "", address.partition("://")[2]).partition("?")[0]
    return "@" in place or re.fullmatch(r"[\d,]*", str(given.get("port", ""))) is None


def _dropped(connection: psycopg.Connection, pid: int) -> None:
    if pid == os.getpid():
        connection.close()
    else:
        _ABANDONED.append(connection)
