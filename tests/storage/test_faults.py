"""Every statement of a storage fails once, in every way: what was asked has happened whole or not at all."""

import sqlite3
from contextlib import suppress
from itertools import count

import pytest
from tests.storage.faults import FOR_GOOD, Faulty

import kilter
from kilter.core.errors import StorageError
from kilter.core.events import Noted, Report
from kilter.core.interfaces import Worker
from kilter.core.limits import Limits
from kilter.storage import sqlite
from kilter.storage.postgres import PostgreSQLStorage
from kilter.storage.sqlite import SQLiteStorage
from kilter.testing.storage import created, ended, started, waiting

WORKER = Worker("w1", "here", 11, 123.25)
EVENTS = [ended(0, reports=(Report(1, {"loss": 0.5}),)), started(1), waiting(), Noted(0, {"tag": "x"}, 4.0)]

OPERATIONS = {
    "create": lambda storage, study: storage.create(f"beside {study}", created()),
    "append": lambda storage, study: storage.append(study, EVENTS, 1, limit=9, distinct=True),
    "delete": lambda storage, study: storage.delete(study),
    "save_snapshot": lambda storage, study: storage.save_snapshot(study, 2, "v", b"two"),
    "renew": lambda storage, study: storage.renew(study, WORKER, 3600.0),
    "release": lambda storage, study: storage.release(study, "w0"),
    "read": lambda storage, study: storage.read(study),
    "studies": lambda storage, study: storage.studies(),
    "load_snapshot": lambda storage, study: storage.load_snapshot(study, "v"),
    "leases": lambda storage, study: storage.leases(study),
}
ERRORS = [
    sqlite3.OperationalError("database is locked"),
    sqlite3.OperationalError("database or disk is full"),
    sqlite3.OperationalError("disk I/O error"),
    sqlite3.OperationalError("attempt to write a readonly database"),
    sqlite3.DatabaseError("database disk image is malformed"),
    MemoryError(),
    KeyboardInterrupt(),
]


def begun(storage, name):
    """A study with a trial, a snapshot and a lease."""
    study = storage.create(name, created())
    storage.append(study, [started(0)], 1)
    storage.save_snapshot(study, 1, "v", b"one")
    storage.renew(study, Worker("w0", "here", 1, 1.0), 3600.0)
    return study


def seen(storage, study):
    """All that a storage has of a study and of the one beside it."""
    rows = {row.id: row.name for row in storage.studies() if row.id == study or row.name == f"beside {study}"}
    return {
        name: (storage.read(row), storage.load_snapshot(row, "v"), {worker for worker, _ in storage.leases(row)})
        for row, name in rows.items()
    }


@pytest.mark.parametrize("does", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("until", [0, FOR_GOOD], ids=["once", "for good"])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: str(error) or type(error).__name__)
def test_each_statement_of_sqlite_fails(tmp_path, error, until, does):
    """For once or until further notice, at its k-th call for all k, before its work is done or after it."""
    storage, other = SQLiteStorage(tmp_path / "s.db"), SQLiteStorage(tmp_path / "s.db")
    other._connection.execute("PRAGMA busy_timeout = 0")  # a lock that stays is noticed
    for act in OPERATIONS.values():
        for at in count(1):
            study = begun(other, f"study {len(other.studies())}")
            whole, before = storage._connection, seen(other, study)
            storage._connection = Faulty(whole, error, at, max(at, until), does)
            try:
                act(storage, study)
            except (StorageError, MemoryError, KeyboardInterrupt) as raised:
                assert isinstance(error, sqlite3.Error) == isinstance(raised, StorageError)
            else:
                assert storage._connection.calls < at, "an error was kept to itself"
            is_over = storage._connection.calls < at
            storage._connection = whole
            after = seen(storage, study)
            assert after == seen(other, study)
            if after == before and not is_over:
                act(other, study)
                assert seen(storage, study) == seen(other, study)
            storage.append(begun(other, f"next {study} {at}"), [started(5)], 1)
            if is_over:
                break
    storage.close()
    other.close()


@pytest.mark.parametrize("exists", [False, True], ids=["new", "existing"])
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: str(error) or type(error).__name__)
def test_each_statement_of_opening_a_file_fails(tmp_path, monkeypatch, error, exists):
    """And the file can be opened all the same the next time."""
    monkeypatch.setattr(sqlite, "PATIENCE", 0.0)
    connect = sqlite3.connect
    for at in count(1):
        path, made = tmp_path / f"{at}.db", []
        if exists:
            begun(SQLiteStorage(path), "a")

        def connected(*arguments, at=at, made=made, **options):
            made.append(Faulty(connect(*arguments, **options), error, at, at))
            return made[0]

        with monkeypatch.context() as patch:
            patch.setattr(sqlite3, "connect", connected)
            try:
                SQLiteStorage(path).close()
            except (StorageError, MemoryError, KeyboardInterrupt) as raised:
                assert isinstance(error, sqlite3.Error) == isinstance(raised, StorageError)
        storage = SQLiteStorage(path)
        assert len(storage.studies()) == exists
        storage.append(begun(storage, "b"), [started(5)], 1)
        storage.close()
        if made[0].calls < at:
            break


def run(storage, calls):
    """Two trials, however many there are already; `calls` is told each one that runs."""

    def objective(trial):
        calls.append(trial.number)
        x = trial.suggest_float("x", 0, 1)
        trial.report(x, 1)
        return x

    study = kilter.create_study(storage=storage, study_name="s", sampler="random", seed=0, load_if_exists=True)
    try:
        study.optimize(objective, limits=Limits(trials=2), progress="none")
        return study.trials
    finally:
        study.close()


@pytest.mark.parametrize(
    ("error", "until"),
    [(ERRORS[1], 0), (ERRORS[2], FOR_GOOD), (KeyboardInterrupt(), 0)],
    ids=["full once", "no disk for good", "interrupted"],
)
def test_each_statement_of_a_run_fails(tmp_path, error, until):
    """The run ends, and when it is run again it has what it has undisturbed; no evaluation was made in vain but one."""
    undisturbed = [(t.number, t.params, t.value) for t in run(SQLiteStorage(tmp_path / "whole.db"), [])]
    for at in count(1):
        storage, calls = SQLiteStorage(tmp_path / f"{at}.db"), []
        whole = storage._connection
        faulty = storage._connection = Faulty(whole, error, at, max(at, until))
        with suppress(StorageError, KeyboardInterrupt):
            run(storage, calls)
        storage._connection = whole
        if faulty.calls >= at:
            storage.studies()  # gives a lock back where no statement worked, not even the one that gives it back
            again = SQLiteStorage(storage.path)
            again._connection.execute("PRAGMA busy_timeout = 0")
            run(again, calls)
            again.close()
        assert [(t.number, t.params, t.value) for t in run(storage, calls)] == undisturbed
        assert len(calls) <= 3
        assert storage.leases(1) == []
        storage.close()
        if faulty.calls < at:
            break


# PostgreSQL.

COMPARED = ("append", "read", "load_snapshot")
"""What the same is answered of two studies that are the same."""


@pytest.mark.parametrize("does", [False, True], ids=["before", "after"])
def test_each_statement_of_postgresql_loses_its_connection(postgresql_url, does):
    """Before it was sent, or in place of its answer: it is done once, and answered as if nothing had been."""
    psycopg = pytest.importorskip("psycopg")
    storage, other = PostgreSQLStorage(postgresql_url), PostgreSQLStorage(postgresql_url)
    for name, act in OPERATIONS.items():
        for at in count(1):
            study, undisturbed = (begun(other, f"study {len(other.studies())}") for _ in range(2))
            storage.studies()  # has a connection
            away = psycopg.OperationalError("server closed the connection unexpectedly")
            faulty = storage._connection._open = Faulty(storage._connection._open, away, at, at, does)
            answer, expected = act(storage, study), act(other, undisturbed)
            assert answer == expected or name not in COMPARED
            assert [*seen(other, study).values()] == [*seen(other, undisturbed).values()]
            if faulty.calls < at:
                break
            assert storage._connection._open is not faulty
        storage._connection._open = faulty.connection
    storage.close()
    other.close()


@pytest.mark.parametrize("error", ["DiskFull", "ReadOnlySqlTransaction", "QueryCanceled", "InsufficientPrivilege"])
def test_each_statement_of_postgresql_is_refused(postgresql_url, error):
    """Nothing has happened, the storage says why, and goes on where it is asked again."""
    psycopg = pytest.importorskip("psycopg")
    storage, other = PostgreSQLStorage(postgresql_url), PostgreSQLStorage(postgresql_url)
    for name, act in OPERATIONS.items():
        study = begun(other, name)
        before = seen(other, study)
        whole = storage._connection._open
        storage._connection._open = Faulty(whole, getattr(psycopg.errors, error)("so it is"), 1, 1)
        with pytest.raises(StorageError, match="so it is"):
            act(storage, study)
        assert seen(other, study) == before
        storage._connection._open = whole
        act(storage, study)
    storage.close()
    other.close()
