"""SQLiteStorage: conformance, what it costs, and what can go wrong with a file."""

import json
import os
import pickle
import sqlite3
import sys
from dataclasses import replace

import pytest
from tests.storage.crowd import check_made_once, create_at_once
from tests.storage.views import VIEWS

from kilter.core.errors import InvalidInput, StorageError, StorageGone, StorageTooNew, StorageUnsafe
from kilter.core.events import Dropped, Ended, Failure, Invalidated, Noted, Report, Started, TrialState
from kilter.core.interfaces import Worker
from kilter.core.problem import Objective, Problem
from kilter.core.space import Space
from kilter.engine.engine import Engine
from kilter.samplers.random import RandomSampler
from kilter.schedulers.fifo import FifoScheduler
from kilter.storage import sqlite
from kilter.storage.sqlite import SQLiteStorage
from kilter.testing.storage import StorageSuite, created, ended, every_kind, started, waiting


class TestSQLite(StorageSuite):
    @pytest.fixture
    def storage(self, tmp_path):
        storage = SQLiteStorage(tmp_path / "studies.db")
        yield storage
        storage.close()

    def reopen(self, storage):
        return SQLiteStorage(storage.path)


@pytest.fixture
def storage(tmp_path):
    storage = SQLiteStorage(tmp_path / "studies.db")
    yield storage
    storage.close()


def traced(storage, act):
    statements = []
    storage._connection.set_trace_callback(statements.append)
    act()
    storage._connection.set_trace_callback(None)
    return [statement.split()[0] for statement in statements]


# What a trial costs.


@pytest.mark.parametrize("event", [started(0), ended(0, reports=(Report(0, {"loss": 1.0}),))])
def test_one_event_takes_two_statements(storage, event):
    study = storage.create("a", created())
    assert traced(storage, lambda: storage.append(study, [event], 1)) == ["BEGIN", "SELECT", "INSERT", "COMMIT"]


def test_an_end_and_the_next_start_share_a_transaction(storage):
    study = storage.create("a", created())
    storage.append(study, [started(0)], 1)
    both = traced(storage, lambda: storage.append(study, [ended(0), started(1)], 2))
    assert both == ["BEGIN", "SELECT", "INSERT", "INSERT", "COMMIT"]


def test_what_writes_nothing_is_rolled_back(storage):
    study = storage.create("a", created())
    storage.append(study, [started(0)], 1)
    assert traced(storage, lambda: storage.append(study, [started(0)], 2)) == ["BEGIN", "SELECT", "INSERT", "ROLLBACK"]
    assert traced(storage, lambda: storage.append(study, [], 2)) == ["SELECT"]


# What people see who open the file.


def test_the_view_of_trials(storage):
    study = storage.create("a", created())
    lost = Ended(2, 1, TrialState.FAIL, {}, 5.0, failure=Failure("lost", "worker gone"))
    pruned = Ended(3, 1, TrialState.PRUNED, {"loss": float("inf")}, 5.0)
    broken = Ended(4, 1, TrialState.FAIL, {}, 5.0, failure=Failure("ValueError", "bad"))
    events = [started(0), ended(0, loss=0.25, params={"lr": 0.5}), started(1), started(2), lost, started(3), pruned]
    storage.append(study, [*events, started(4), broken, waiting(5), ended(1, loss=9.0, late=True)], 1)
    columns = "number, state, json_extract(params, '$.lr'), metrics, failure"
    rows = storage._connection.execute(f"SELECT {columns} FROM trials")
    assert rows.fetchall() == [
        (0, "complete", 0.5, '{"loss":0.25}', None),
        (1, "running", 0.1, None, None),
        (2, "waiting", 0.1, "{}", "lost"),
        (3, "pruned", 0.1, '{"loss":"inf"}', None),
        (4, "failed", 0.1, "{}", "ValueError"),
        (5, "waiting", 0.2, None, None),
    ]
    storage.append(study, [started(2, 2, fresh=False)], 1)
    columns = "study, state, attempt, started, ended, message"
    row = storage._connection.execute(f"SELECT {columns} FROM trials WHERE number = 2")
    assert row.fetchall() == [("a", "running", 2, 2.0, None, None)]
    storage.append(study, [Invalidated(0, "unplugged", 7.0), Invalidated(4, "late", 7.0)], 1)
    columns = "number, state, metrics, failure, message"
    rows = storage._connection.execute(f"SELECT {columns} FROM trials WHERE number IN (0, 4)")
    assert rows.fetchall() == [
        (0, "failed", '{"loss":0.25}', "invalidated", "unplugged"),
        (4, "failed", "{}", "ValueError", "bad"),
    ]


def test_each_body_is_json_for_sqlite(storage):
    study = storage.create("a", created())
    events = [*every_kind(), ended(3, loss=float("nan")), Noted(0, {"x": float("inf")}, 1.0)]
    storage.append(study, events, 1)
    found = storage._connection.execute("SELECT min(json_valid(body)), count(*) FROM event").fetchone()
    assert found == (1, 1 + len(events))


# Processes.


def test_it_survives_a_fork(storage):
    study = storage.create("a", created())
    child = os.fork()
    if child == 0:
        try:
            storage.append(study, [started(0)], 1)
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    assert storage.append(study, [started(0)], 1).refused == [started(0)]
    assert len(storage.read(study)) == 2


def test_who_was_forked_keeps_the_file_from_who_leaves_it(storage):
    """A parent that closes the file is not the last one where a child has it open, and takes nothing from it."""
    study = storage.create("a", created())
    began, left = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        try:
            own = SQLiteStorage(storage.path)
            own.append(study, [started(0)], 1)
            os.write(began[1], b".")
            os.read(left[0], 1)
            own.append(study, [started(1)], 2)
            os._exit(0)
        except BaseException as error:
            print(repr(error), file=sys.stderr)
        finally:
            os._exit(1)
    os.read(began[0], 1)
    storage.studies()
    storage.close()
    os.write(left[1], b".")
    assert os.waitpid(child, 0)[1] == 0
    assert len(SQLiteStorage(storage.path).read(study)) == 3


def test_a_file_that_goes_while_a_process_is_forked(storage):
    study = storage.create("a", created())
    storage.let_go()
    os.rename(storage.path, f"{storage.path}.elsewhere")
    storage.take_up()
    with pytest.raises(StorageGone, match="while a process was forked"):
        storage.read(study)
    assert not os.path.exists(storage.path)


def test_it_can_be_pickled(storage):
    study = storage.create("a", created())
    assert pickle.loads(pickle.dumps(storage)).read(study) == storage.read(study)


def test_32_processes_create_the_file_at_once(tmp_path):
    path = str(tmp_path / "new.db")
    assert create_at_once(f"sqlite:///{path}", "kilter.storage.sqlite") == [("", 0)] * 4
    check_made_once(SQLiteStorage(path))


# What can be wrong with a file.


def test_a_newer_file(storage):
    storage._connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StorageTooNew, match=rf"99.*up to {len(sqlite.MIGRATIONS)}.*upgrade kilter"):
        SQLiteStorage(storage.path)


def test_the_view_of_a_paused_trial(storage):
    """Paused, running again, paused, and dropped at last."""
    study = storage.create("a", created())

    def state():
        return storage._connection.execute("SELECT state, attempt, budget FROM trials").fetchone()

    storage.append(study, [Started(0, 1, {}, "w", 0, 1.0, budget={"epochs": 3})])
    storage.append(study, [Ended(0, 1, TrialState.PAUSED, {"loss": 1.0}, 2.0)])
    assert state() == ("paused", 1, '{"epochs":3}')
    storage.append(study, [Started(0, 2, {}, "w", 0, 3.0, fresh=False, budget={"epochs": 9})])
    assert state() == ("running", 2, '{"epochs":9}')
    storage.append(study, [Ended(0, 2, TrialState.PAUSED, {"loss": 1.0}, 4.0), Dropped(0, 2, "behind", 5.0)])
    assert state() == ("pruned", 2, '{"epochs":9}')


@pytest.mark.parametrize(("events", "shown"), VIEWS)
def test_the_view_of_a_late_or_a_paused_result(storage, events, shown):
    study = storage.create("a", created())
    assert storage.append(study, [started(0), *events]).refused == []
    view = storage._connection.execute("SELECT state, attempt, json_extract(metrics, '$.loss') FROM trials")
    assert view.fetchone() == shown
    engine = Engine(Problem(Space({}), (Objective("loss"),)), RandomSampler(), FifoScheduler(), 0)
    engine.handle(storage.read(study))
    (trial,) = engine.history
    assert (trial.state.name.lower(), trial.attempt) == shown[:2]
    if trial.state is not TrialState.RUNNING:  # one that was paused has what it came to by then
        assert trial.metrics.get("loss") == shown[2]


def test_an_older_file_is_migrated(storage, monkeypatch):
    study = storage.create("a", created())
    more = "CREATE TABLE later (x);\nCREATE TRIGGER t AFTER INSERT ON later BEGIN\n  SELECT 1;\nEND;\n"
    monkeypatch.setattr(sqlite, "MIGRATIONS", (*sqlite.MIGRATIONS, more))
    newer = SQLiteStorage(storage.path)
    assert newer.read(study) == [(1, created())]
    assert newer._connection.execute("PRAGMA user_version").fetchone() == (len(sqlite.MIGRATIONS),)
    assert newer._connection.execute("SELECT count(*) FROM later").fetchone() == (0,)


def test_an_older_view_is_replaced(tmp_path, monkeypatch):
    older = f"{sqlite.TABLES}CREATE VIEW trials AS SELECT 1 AS one;\n"
    with monkeypatch.context() as patch:
        patch.setattr(sqlite, "MIGRATIONS", (older,))
        storage = SQLiteStorage(tmp_path / "s.db")
        storage.append(storage.create("a", created()), [started(0)])
        storage.close()
    newer = SQLiteStorage(tmp_path / "s.db")
    assert newer._connection.execute("SELECT number, state FROM trials").fetchall() == [(0, "running")]


def test_a_migration_that_fails_changes_nothing(storage, monkeypatch):
    monkeypatch.setattr(sqlite, "MIGRATIONS", (*sqlite.MIGRATIONS, "CREATE TABLE later (x);\nCREATE nonsense;\n"))
    with pytest.raises(StorageError):
        SQLiteStorage(storage.path)
    monkeypatch.undo()
    assert SQLiteStorage(storage.path)._connection.execute(
        "SELECT count(*) FROM sqlite_master WHERE name = 'later'"
    ).fetchone() == (0,)


def test_the_database_of_another_program(tmp_path):
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE customers (name)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(StorageError, match=r"another program.*kilter import"):
        SQLiteStorage(path)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database(tmp_path):
    path = tmp_path / "notes.db"
    path.write_text("dear diary, " * 100)
    with pytest.raises(StorageError, match="not an SQLite file"):
        SQLiteStorage(path)


def test_a_missing_folder(tmp_path):
    with pytest.raises(StorageError, match="make its folder"):
        SQLiteStorage(tmp_path / "nowhere" / "x.db")


def test_a_study_of_no_time_is_not_one_that_exists(storage):
    with pytest.raises(InvalidInput, match="the clock says nan"):
        storage.create("a", replace(created(), time=float("nan")))
    assert not storage.studies() and storage.create("a", created())


def test_a_file_that_cannot_be_written(storage):
    study = storage.create("a", created())
    storage._connection.execute("PRAGMA query_only = ON")  # the tests may run as root, whom no permission stops
    with pytest.raises(StorageError, match="cannot be written"):
        storage.append(study, [started(0)], 1)
    assert len(storage.read(study)) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anything")
def test_a_read_only_file(storage):
    storage.close()
    os.chmod(storage.path, 0o444)
    readonly = SQLiteStorage(storage.path)
    with pytest.raises(StorageError, match="cannot be written"):
        readonly.create("a", created())


def test_a_full_disk(storage):
    study = storage.create("a", created())
    [pages] = storage._connection.execute("PRAGMA page_count").fetchone()
    storage._connection.execute(f"PRAGMA max_page_count = {pages + 5}")
    batch = [started(0), Noted(0, {"blob": "x" * 100_000}, 1.0)]
    with pytest.raises(StorageError, match="no space left"):
        storage.append(study, batch, 1)
    assert len(storage.read(study)) == 1
    storage._connection.execute("PRAGMA max_page_count = 1000000")
    assert storage.append(study, batch, 1).refused == []


def test_a_lock_that_is_never_given_back(storage, monkeypatch):
    study = storage.create("a", created())
    other = sqlite3.connect(storage.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    storage._connection.execute("PRAGMA busy_timeout = 20")
    with pytest.raises(StorageError, match="locked by another process"):
        storage.append(study, [started(0)], 1)
    other.execute("ROLLBACK")
    assert storage.append(study, [started(0)], 1).refused == []
    other.close()


def test_a_folder_without_wal():
    connection = sqlite3.connect(":memory:", isolation_level=None)  # answers 'memory' when asked for WAL
    with pytest.raises(StorageUnsafe, match="local disk"):
        sqlite._prepare(connection, "/net/x.db")


def test_a_damaged_event(storage):
    study = storage.create("a", created())
    storage._connection.execute("UPDATE event SET body = '{\"problem\":'")
    with pytest.raises(StorageError, match="cannot be read"):
        storage.read(study)


def test_a_log_that_was_replaced(storage):
    study = storage.create("a", created())
    with pytest.raises(StorageError, match="beyond the end"):
        storage.append(study, [started(0)], 17)
    assert len(storage.read(study)) == 1


LOST = {
    "deleted": lambda path: os.remove(path),
    "moved": lambda path: os.rename(path, f"{path}.away"),
    "replaced": lambda path: os.replace(SQLiteStorage(f"{path}.other").path, path),
    "without its log of changes": lambda path: os.remove(f"{path}-wal"),
}


@pytest.mark.parametrize("how", LOST)
def test_a_file_that_is_lost_while_it_is_open_is_noticed_and_saved(storage, how):
    study = storage.create("a", created())
    storage.append(study, [started(0), ended(0)], 1)
    LOST[how](storage.path)
    for act in (
        lambda: storage.append(study, [started(1)], 3),
        lambda: storage.renew(study, Worker("w", "h", 1, 0.0), 9.0),
        lambda: storage.create("b", created()),
    ):
        with pytest.raises(
            StorageGone, match=rf"moved, deleted or replaced .* is in (.*\.saved-{os.getpid()}): "
        ) as raised:
            act()
    assert len(storage.read(study)) == 3  # what is in memory or still open can be looked at
    saved = SQLiteStorage(f"{storage.path}.saved-{os.getpid()}")
    assert f"in {saved.path}:" in str(raised.value)
    assert saved.read(study) == storage.read(study)
    saved.close()


def test_a_database_is_not_begun_beside_the_log_of_one_that_is_gone(storage):
    study = storage.create("a", created())
    os.rename(storage.path, f"{storage.path}.away")
    storage.close()
    with pytest.raises(StorageError, match=r"studies\.db-wal, which has what was stored in it last: put the two"):
        SQLiteStorage(storage.path)
    os.rename(f"{storage.path}-wal", f"{storage.path}.away-wal")
    back = SQLiteStorage(f"{storage.path}.away")
    assert len(back.read(study)) == 1
    back.close()
    SQLiteStorage(storage.path).close()


def test_a_file_that_is_only_copied_or_linked_to_stays(storage, tmp_path):
    study = storage.create("a", created())
    os.link(storage.path, tmp_path / "link.db")
    os.symlink(storage.path, tmp_path / "symbolic.db")
    other = SQLiteStorage(storage.path)
    other.append(study, [started(0)], 1)
    other.close()
    assert not storage.append(study, [ended(0)], 1).refused


def test_a_closed_storage_says_so(storage):
    storage.close()
    with pytest.raises(StorageError, match="closed"):
        storage.studies()


def test_plain_sql_reads_a_metric(storage):
    study = storage.create("a", created())
    storage.append(study, [started(0), ended(0, loss=0.125)], 1)
    [text] = storage._connection.execute("SELECT metrics FROM trials").fetchone()
    assert json.loads(text) == {"loss": 0.125}
