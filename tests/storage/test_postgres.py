"""PostgreSQLStorage: conformance, what it costs, and what can go wrong with a server."""

import json
import logging
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from tests.postgres import PASSWORD
from tests.proxy import Proxy
from tests.storage.crowd import check_made_once, create_at_once
from tests.storage.views import VIEWS

from kilter import Float, create_study, load_study
from kilter.api import check_study
from kilter.core.errors import (
    InvalidInput,
    LogDamaged,
    StorageError,
    StorageTooNew,
    StorageUnreachable,
    StudyExists,
    StudyNotFound,
)
from kilter.core.events import Ended, Failure, Invalidated, Noted, Report, TrialState
from kilter.core.interfaces import Worker
from kilter.core.problem import Objective, Problem
from kilter.core.space import Space
from kilter.dashboard.reading import Reading
from kilter.engine.engine import Engine
from kilter.plugins import open_storage
from kilter.samplers.random import RandomSampler
from kilter.schedulers.fifo import FifoScheduler
from kilter.storage.postgres import PostgreSQLStorage
from kilter.storage.postgres import storage as code
from kilter.storage.postgres.connection import PATIENCE, Connection
from kilter.storage.rows import Columns
from kilter.storage.sqlite import SQLiteStorage
from kilter.study import copy_study
from kilter.testing.storage import StorageSuite, created, ended, every_kind, started, waiting


class TestPostgreSQL(StorageSuite):
    @pytest.fixture
    def storage(self, postgresql_url):
        storage = PostgreSQLStorage(postgresql_url)
        yield storage
        storage.close()

    def reopen(self, storage):
        return PostgreSQLStorage(storage._address)


@pytest.fixture(scope="module")
def shared(postgresql_server):
    """One database for tests that look at studies of their own alone."""
    name = postgresql_server.create()
    storage = PostgreSQLStorage(postgresql_server.url(name))
    yield storage
    storage.close()
    postgresql_server.drop(name)


@pytest.fixture
def storage(shared):
    yield shared
    for row in shared.studies():
        shared.delete(row.id)


@pytest.fixture
def proxy(postgresql_server):
    with Proxy(postgresql_server.port) as proxy:
        yield proxy


@pytest.fixture
def elsewhere(postgresql_server, proxy, storage):
    """A handle on the same database by way of the proxy."""
    name = storage._address.partition("@/")[2].partition("?")[0]
    handle = PostgreSQLStorage(f"{postgresql_server.tcp_url(name, proxy.port)}?sslmode=disable")
    yield handle
    handle.close()


def select(storage, statement, *values):
    return storage._connection.rows(statement, values)


# What a trial costs.


def test_each_method_is_one_round_trip(storage, elsewhere, proxy):
    study = storage.create("a", created())
    batch = [started(0), Noted(0, {"x": 1}, 2.0), ended(0, reports=(Report(0, {"loss": 1.0}),)), started(1)]
    for act in (
        lambda: elsewhere.create("b", created()),
        lambda: elsewhere.append(study, batch, 1),
        lambda: elsewhere.append(study, [started(0)], 5),
        lambda: elsewhere.read(study, 3),
        lambda: elsewhere.save_snapshot(study, 5, "v", b"x"),
        lambda: elsewhere.load_snapshot(study, "v"),
        lambda: elsewhere.renew(study, Worker("w", "here", 1, 0.0), 5),
        lambda: elsewhere.leases(study),
        lambda: elsewhere.release(study, "w"),
        lambda: elsewhere.studies(),
    ):
        before = proxy.requests
        act()
        assert proxy.requests == before + 1


@pytest.mark.parametrize("how", ["ask and tell", "a loop"])
def test_a_trial_takes_two_round_trips(elsewhere, proxy, how):
    space = {f"x{k}": Float(0, 1) for k in range(5)}
    study = create_study(storage=elsewhere, space=space, sampler="random", scheduler="fifo", seed=0)
    study.tell(study.ask(), 0.5)  # with it the worker takes its lease
    proxy.statements.clear()
    if how == "a loop":
        study.optimize(lambda trial: 0.5, n_trials=100, progress="none")
    else:
        for _ in range(100):
            study.tell(study.ask(), 0.5)
    appends = [statement for statement in proxy.statements if "kilter.append" in statement]
    assert len(appends) == 200 + (how == "a loop")  # the loop says first what it was asked for
    assert len(proxy.statements) - len(appends) < 20  # a lease, a snapshot, a look each second
    study.close()


# What people see who open the database.


def test_the_view_of_trials(storage):
    study = storage.create("a", created())
    lost = Ended(2, 1, TrialState.FAIL, {}, 5.0, failure=Failure("lost", "worker gone"))
    pruned = Ended(3, 1, TrialState.PRUNED, {"loss": float("inf")}, 5.0)
    broken = Ended(4, 1, TrialState.FAIL, {}, 5.0, failure=Failure("ValueError", "bad \0 \ud800 é"))
    events = [started(0), ended(0, loss=0.25, params={"lr": 0.5}), started(1), started(2), lost, started(3), pruned]
    storage.append(study, [*events, started(4), broken, waiting(5), ended(1, loss=9.0, late=True)], 1)
    columns = "number, state, (params -> 'lr')::float8, metrics, failure"
    assert select(storage, f"SELECT {columns} FROM kilter.trials") == [
        (0, "complete", 0.5, {"loss": 0.25}, None),
        (1, "running", 0.1, None, None),
        (2, "waiting", 0.1, {}, "lost"),
        (3, "pruned", 0.1, {"loss": "inf"}, None),
        (4, "failed", 0.1, {}, "ValueError"),
        (5, "waiting", 0.2, None, None),
    ]
    storage.append(study, [started(2, 2, fresh=False)], 1)
    columns = "study, state, attempt, started, ended, message"
    rows = select(storage, f"SELECT {columns} FROM kilter.trials WHERE number = 2")
    assert rows == [("a", "running", 2, 2.0, None, None)]
    storage.append(study, [Invalidated(0, "unplugged", 7.0), Invalidated(4, "late", 7.0)], 1)
    columns = "number, state, metrics, failure, message"
    assert select(storage, f"SELECT {columns} FROM kilter.trials WHERE number IN (0, 4)") == [
        (0, "failed", {"loss": 0.25}, "invalidated", "unplugged"),
        (4, "failed", {}, "ValueError", "bad \ufffd \ufffd é"),
    ]


@pytest.mark.parametrize(("events", "shown"), VIEWS)
def test_the_view_is_that_of_sqlite(storage, tmp_path, events, shown):
    """The same columns, and what they say."""
    other = SQLiteStorage(tmp_path / "s.db")
    for each in (storage, other):
        assert each.append(each.create("a", created()), [started(0), *events]).refused == []
    rows = select(storage, "SELECT state, attempt, (metrics ->> 'loss')::float8 FROM kilter.trials")
    assert rows == [shown]
    theirs = other._connection.execute("SELECT * FROM trials")
    mine = select(storage, "SELECT column_name FROM information_schema.columns WHERE table_name = 'trials'")
    assert sorted(name for (name,) in mine) == sorted(column[0] for column in theirs.description)
    assert select(storage, "SELECT state, attempt FROM kilter.trials") == [
        row[:2] for row in other._connection.execute("SELECT state, attempt FROM trials")
    ]
    engine = Engine(Problem(Space({}), (Objective("loss"),)), RandomSampler(), FifoScheduler(), 0)
    engine.handle(other.read(1))
    (trial,) = engine.history
    assert (trial.state.name.lower(), trial.attempt) == shown[:2]
    other.close()


def test_each_body_is_readable(storage):
    study = storage.create("a", created())
    events = [*every_kind(), ended(3, loss=float("nan")), Noted(0, {"x": float("inf"), "y": r"\\u0000 \ud800"}, 1.0)]
    storage.append(study, events, 1)
    bodies = select(storage, "SELECT kilter.readable(body) FROM kilter.event")
    assert len(bodies) == 1 + len(events) and all(isinstance(body, dict) for (body,) in bodies)


def test_the_view_of_a_database_so_large_that_it_is_read_in_parallel(storage):
    study = storage.create("a", created())
    storage.append(study, [started(0), ended(0)], 1)

    def count(connection):
        with connection.transaction():
            for setting in ("min_parallel_table_scan_size", "parallel_setup_cost", "parallel_tuple_cost"):
                connection.execute(f"SET LOCAL {setting} = 0")
            return connection.execute("SELECT count(*) FROM kilter.trials").fetchall()

    assert storage._connection(count) == [(1,)]


def test_other_tables_of_the_same_names_are_left_alone(postgresql_url):
    with psycopg.connect(postgresql_url) as other:
        for table in ("trials", "study", "studies", "event", "version"):
            other.execute(f"CREATE TABLE public.{table} (x INT)")
    storage = PostgreSQLStorage(postgresql_url)
    storage.append(storage.create("a", created()), [started(0)])
    assert select(storage, "SELECT count(*) FROM kilter.trials") == [(1,)]
    assert select(storage, "SELECT count(*) FROM public.trials") == [(0,)]
    storage.close()


# A log is written by one at a time, once.


def test_a_distinct_start_is_one_whose_configuration_nobody_began(storage):
    """Also where it is written in another order, and with characters that jsonb refuses."""
    study = storage.create("a", created())
    one = replace(started(0), params={"a": 1, "b": "\0", "c": 0.1})
    storage.append(study, [one], 1)
    again = replace(started(1), params={"c": 0.1, "b": "\0", "a": 1.0})
    assert storage.append(study, [again], 1, distinct=True).refused == [again]
    assert storage.append(study, [replace(again, params={"a": 1, "b": "x", "c": 0.1})], 1, distinct=True).refused == []


def test_threads_share_a_handle(storage):
    study = storage.create("a", created())

    def work(index):
        for number in range(index * 20, index * 20 + 20):
            storage.append(study, [started(number), ended(number)])

    crowd = [threading.Thread(target=work, args=(index,)) for index in range(5)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        thread.join()
    assert [entry.position for entry in storage.read(study)] == list(range(1, 202))


def test_a_session_of_stricter_isolation_sees_what_others_wrote(storage):
    study = storage.create("a", created())
    [(name,)] = select(storage, "SELECT current_database()")
    strict = f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'"
    storage._connection(lambda connection: connection.execute(strict))
    one, other = pickle.loads(pickle.dumps(storage)), pickle.loads(pickle.dumps(storage))
    assert select(one, "SHOW transaction_isolation") == [("read committed",)]
    for number in range(10):
        (one, other)[number % 2].append(study, [started(number)], 1)
    assert len(storage.read(study)) == 11
    one.close()
    other.close()


# Connections that break.


def story(handle):
    """All that a storage does, and what came of it; positions, numbers and refusals must not depend on accidents."""
    one, other = handle.create("a", created()), handle.create("b", created())
    events = [started(0), Noted(0, {"x": 1}, 2.0), waiting(), started(0), waiting()]
    answers = [handle.append(one, events, 1), handle.append(one, [ended(0), ended(0), Noted(None, {"y": 2}, 3.0)], 5)]
    answers += [handle.append(one, [ended(0)], 7), handle.append(one, [waiting()], 7, limit=3)]
    handle.renew(one, Worker("w", "here", 1, 0.0), 60)
    handle.renew(one, Worker("v", "here", 1, 0.0), 60)
    handle.release(one, "v")
    handle.save_snapshot(one, 7, "v", b"\0state")
    handle.delete(other)
    with pytest.raises(StudyExists):
        handle.create("a", created())
    rows = [(row.name, row.created) for row in handle.studies()]
    leases = [worker.id for worker, _ in handle.leases(one)]
    return answers, handle.read(one), handle.load_snapshot(one, "v"), rows, leases


@pytest.mark.parametrize("part", ["question", "answer"])
def test_whatever_is_lost_on_the_way_nothing_is_lost_or_doubled(postgresql_server, postgresql_url, proxy, part):
    """For each request of a story, the making of the schema included: the connection ends before it, or after it."""
    name = postgresql_url.partition("@/")[2].partition("?")[0]
    whole, request = None, 0
    while whole is None or proxy.requests >= request:
        postgresql_server.execute("DROP SCHEMA IF EXISTS kilter CASCADE", name)
        proxy.requests = 0
        proxy.lose(request, part)
        storage = PostgreSQLStorage(f"{postgresql_server.tcp_url(name, proxy.port)}?sslmode=disable")
        came = story(storage)
        storage.close()
        whole = whole or came
        assert came == whole, f"where the {part} of request {request} was lost"
        request += 1
    assert request > 20


def test_an_append_that_is_still_under_way_is_not_done_twice(storage, elsewhere, proxy):
    """The first call waits for its turn when its connection ends; the second one comes first."""
    study = storage.create("a", created())
    [(name,)] = select(storage, "SELECT current_database()")
    note = Noted(None, {"x": 1}, 2.0)
    with psycopg.connect(storage._address) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s, %s)", (code.LOCK, study))
        answers = []
        thread = threading.Thread(target=lambda: answers.append(elsewhere.append(study, [note], 1)))
        thread.start()
        waiting_calls = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = %s"
        until(lambda: select(storage, waiting_calls, name) == [(1,)])
        proxy.drop()
        until(lambda: select(storage, waiting_calls, name) == [(2,)])
    thread.join()
    until(lambda: select(storage, waiting_calls, name) == [(0,)])
    assert answers[0].entries == storage.read(study, 1) == [(2, note)]


def until(holds):
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_second_call_gets_what_the_first_one_wrote_and_no_more(storage):
    """What others wrote after that is read the next time, so that an append always ends with its own events."""
    study = storage.create("a", created())
    storage.append(study, [started(0)], 1)
    batch = json.dumps([Columns.of(event)._asdict() for event in (started(0), started(1))])
    call = (study, 1, None, False, 1000, 2, batch)
    first = [(row[0], row[-1]) for row in select(storage, code.APPEND, *call)]
    storage.append(study, [started(2)], 3)
    second = [(row[0], row[-1]) for row in select(storage, code.APPEND, *call)]
    assert first == second == [(1, None), (2, None), (3, 1)]


@pytest.mark.parametrize("how", ["stopped", "killed", "ended by an administrator"])
def test_a_study_goes_on_through_a_restart(postgresql_server, storage, caplog, how):
    server = postgresql_server
    [(name,)] = select(storage, "SELECT current_database()")
    trials = []

    def objective(trial):
        trials.append(trial.number)
        if trial.number == 5:
            if how == "ended by an administrator":
                server.end_connections(name)
            else:
                server.stop(signal.SIGINT) if how == "stopped" else server.kill()
                threading.Timer(0.3, server.start).start()
        return trial.suggest_float("x", 0, 1)

    study = create_study(storage=storage, sampler="random", scheduler="fifo", seed=0)
    with caplog.at_level(logging.WARNING):
        study.optimize(objective, n_trials=10, progress="none")
    assert trials == list(range(10)) and len(study.trials) == 10
    told = [message for message in caplog.messages if "cannot be reached" in message or "is back" in message]
    assert bool(told) == (how != "ended by an administrator")  # which the next try mends
    study.close()


def test_a_server_that_stays_away(postgresql_server, proxy, storage):
    [(name,)] = select(storage, "SELECT current_database()")
    handle = PostgreSQLStorage(f"{postgresql_server.tcp_url(name, proxy.port)}?sslmode=disable", patience=0.2)
    study = handle.create("a", created())
    proxy.refuse(True)
    proxy.drop()
    with pytest.raises(StorageUnreachable, match=r"kilter:\*\*\*@127.* cannot be reached.*Check that the server runs"):
        handle.append(study, [started(0)], 1)
    proxy.refuse(False)
    assert handle.append(study, [started(0)], 1).refused == []
    handle.close()
    with pytest.raises(StorageError, match="is closed: open it again"):
        handle.studies()


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_twice_does_not_wait_for_a_server_that_is_away(postgresql_server, proxy, storage, workers):
    [(name,)] = select(storage, "SELECT current_database()")
    handle = PostgreSQLStorage(f"{postgresql_server.tcp_url(name, proxy.port)}?sslmode=disable")

    def lost(study, trial):
        if trial.number == 2:
            proxy.refuse(True)
            proxy.drop()
            for seconds in (0.3, 0.6):
                threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT)).start()

    study = create_study(storage=handle, study_name="a", sampler="random", seed=0)
    began = time.monotonic()
    with pytest.raises((KeyboardInterrupt, StorageUnreachable)):
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_jobs=workers, callbacks=[lost], progress="none")
    assert time.monotonic() - began < PATIENCE / 5
    proxy.refuse(False)
    assert len(study.trials) >= 3
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2, progress="none")
    handle.close()


def test_a_server_that_holds_still_is_waited_for(postgresql_server, storage):
    study = storage.create("a", created())
    postgresql_server.pause()
    threading.Timer(0.3, postgresql_server.resume).start()
    assert storage.append(study, [started(0)], 1).refused == []


def test_a_backup_that_was_put_in_place_of_the_log_is_noticed(storage):
    study = storage.create("a", created())
    storage.append(study, [started(0), ended(0)], 1)
    select(storage, "DELETE FROM kilter.event WHERE position > 2 RETURNING 1")
    for act in (lambda: storage.read(study, 3), lambda: storage.append(study, [started(1)], 3)):
        with pytest.raises(StorageError, match=r"position 3 is beyond the end.*load the study again"):
            act()


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


def test_it_can_be_pickled(storage):
    study = storage.create("a", created())
    copy = pickle.loads(pickle.dumps(storage))
    assert copy.read(study) == storage.read(study)
    copy.close()


def test_32_processes_create_the_schema_at_once(postgresql_url):
    assert create_at_once(postgresql_url, "kilter.storage.postgres", "psycopg") == [("", 0)] * 4
    storage = PostgreSQLStorage(postgresql_url)
    check_made_once(storage)
    storage.close()


# Around a storage.


PAGE = Path(__file__).parents[2] / "docs/how-to/postgresql.md"
TRAIN = "import kilter\ndef train(x): return x\nspace = {'x': kilter.Float(0, 1)}\n"


def test_scripts_that_are_as_on_the_page_share_one_total(postgresql_url, tmp_path):
    shown = PAGE.read_text("utf-8").split("```text\n")[1].split("```")[0]
    assert "n_trials=500" in shown and "postgresql://ada:secret@db.example/tuning" in shown
    there = shown.replace("500", "12").replace("postgresql://ada:secret@db.example/tuning", postgresql_url)
    (tmp_path / "train.py").write_text(TRAIN + there)
    scripts = [subprocess.Popen([sys.executable, "train.py"], cwd=tmp_path, stderr=subprocess.PIPE) for _ in range(2)]
    assert [(each.communicate()[1], each.returncode)[1] for each in scripts] == [0, 0]
    study = load_study(study_name="digits", storage=postgresql_url)
    assert len(study.trials) == study.goal == 12


def test_a_damaged_log_is_mended_and_kept(storage):
    study = create_study(study_name="a", storage=storage, sampler="random", scheduler="fifo", seed=0)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3, progress="none")
    study.close()
    assert check_study(study_name="a", storage=storage).lost == []
    torn = "UPDATE kilter.event SET body = '{\"half\": ' WHERE kind = 'ended' AND number = 1 RETURNING 1"
    assert len(select(storage, torn)) == 1
    with pytest.raises(LogDamaged, match=r"trial 1, ended"):
        storage.read(storage.studies()[0].id)
    found = check_study(study_name="a", storage=storage, repair=True)
    assert len(found.lost) == 1 and found.copy.startswith("kilter.event_")
    assert select(storage, f"SELECT count(*) FROM {found.copy} WHERE position(%s IN body) > 0", "half") == [(1,)]
    again = load_study(study_name="a", storage=storage, sampler="random", scheduler="fifo")
    again.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2, progress="none")
    assert check_study(study_name="a", storage=storage).lost == []
    again.close()


def test_a_study_moves_from_a_file_to_the_database(storage, tmp_path):
    path = f"sqlite:///{tmp_path}/s.db"
    study = create_study(study_name="a", storage=path, sampler="random", scheduler="fifo", seed=0)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=20, progress="none")
    copy_study(from_study_name="a", from_storage=path, to_storage=storage)
    moved = load_study(study_name="a", storage=storage)
    assert [(t.params, t.values) for t in moved.trials] == [(t.params, t.values) for t in study.trials]
    moved.close()
    study.close()


def test_a_dashboard_has_a_connection_of_its_own(storage):
    reading = Reading(storage)
    assert reading.storage is not storage and reading.rows() == storage.studies()
    assert "s3cret" not in reading.address
    reading.close()
    assert storage.studies() == []


# Versions of the schema.


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM kilter.version",
        "INSERT INTO kilter.version VALUES (1)",
        "UPDATE kilter.version SET version = 0",
        "DROP TABLE kilter.version",
        "DROP TABLE kilter.study CASCADE",
    ],
)
def test_a_schema_that_was_restored_in_part_is_told(postgresql_url, damage):
    storage = PostgreSQLStorage(postgresql_url)
    storage._connection(lambda connection: connection.execute(damage))
    storage.close()
    with pytest.raises(StorageError, match=r"restore the whole dump.*DROP SCHEMA kilter CASCADE"):
        load_study(study_name="a", storage=postgresql_url)


def test_times_are_whole_whatever_the_database_says_of_digits(postgresql_server, storage):
    [(name,)] = select(storage, "SELECT current_database()")
    postgresql_server.execute(f"ALTER DATABASE {name} SET extra_float_digits = -10")
    other = pickle.loads(pickle.dumps(storage))
    study = other.create("a", created(1796100123.456789))
    assert other.read(study)[0].event.time == 1796100123.456789
    other.close()


def test_an_older_schema_is_migrated(postgresql_url, monkeypatch):
    storage = PostgreSQLStorage(postgresql_url)
    study = storage.create("a", created())
    monkeypatch.setattr(code, "MIGRATIONS", (*code.MIGRATIONS, "CREATE TABLE kilter.later (x INT);"))
    newer = PostgreSQLStorage(postgresql_url)
    assert newer.read(study) == [(1, created())]
    assert select(newer, "SELECT version, (SELECT count(*) FROM kilter.later) FROM kilter.version") == [
        (len(code.MIGRATIONS), 0)
    ]
    monkeypatch.undo()
    storage.append(study, [started(0)], 1)  # who has it open goes on
    with pytest.raises(StorageTooNew, match=rf"is {len(code.MIGRATIONS) + 1}.*up to {len(code.MIGRATIONS)}.*upgrade"):
        PostgreSQLStorage(postgresql_url)
    storage.close()
    newer.close()


def test_a_migration_that_fails_changes_nothing(postgresql_url, monkeypatch):
    monkeypatch.setattr(code, "MIGRATIONS", (*code.MIGRATIONS, "CREATE TABLE kilter.later (x INT); CREATE nonsense;"))
    with pytest.raises(StorageError, match="syntax error"):
        PostgreSQLStorage(postgresql_url)
    with psycopg.connect(postgresql_url) as connection:
        assert connection.execute("SELECT to_regnamespace('kilter')").fetchone() == (None,)


def test_reading_takes_no_right_to_write(postgresql_server, postgresql_url):
    storage = PostgreSQLStorage(postgresql_url)
    study = storage.create("a", created())
    grants = "GRANT USAGE ON SCHEMA kilter TO looker; GRANT SELECT ON ALL TABLES IN SCHEMA kilter TO looker"
    with psycopg.connect(postgresql_url) as connection:
        connection.execute(f"CREATE USER looker; {grants}")
    looker = PostgreSQLStorage(postgresql_url.replace("kilter@", "looker@", 1))
    assert looker.read(study) == [(1, created())]
    with pytest.raises(StorageError, match="this user may not do that"):
        looker.append(study, [started(0)], 1)
    with psycopg.connect(postgresql_url) as connection:
        connection.execute("GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA kilter TO looker")
    assert looker.append(study, [started(0)], 1).refused == []
    looker.renew(study, Worker("w", "host", 1, 1.0), 60.0)
    looker.delete(looker.create("b", created()))
    looker.close()
    storage.close()
    postgresql_server.execute(
        "DROP OWNED BY looker; DROP USER looker", storage._address.partition("@/")[2].split("?")[0]
    )


# What is wrong, in words and without secrets.


def test_what_is_wrong_with_an_address(postgresql_server):
    port = postgresql_server.port
    for url, error, words in (
        (postgresql_server.tcp_url("nowhere"), StorageError, "`createdb NAME` makes a database"),
        (f"postgresql://kilter:{PASSWORD[:3]}@127.0.0.1:{port}/postgres", StorageError, "user or the password"),
        (f"postgresql://kilter@127.0.0.1:{port}/postgres", StorageError, "PGPASSWORD"),
        ("postgresql://ada:se%cret@host/db", InvalidInput, r"postgresql://ada:\*\*\*@host/db.*%40 for an @"),
        ("postgresql://ada:secret@host/db?patients=3", InvalidInput, "options of libpq alone"),
        ("postgresql+psycopg2://host/db", Exception, "did you mean 'postgresql'"),
    ):
        with pytest.raises(error, match=words) as raised:
            open_storage(url)
        told = f"{raised.value} {raised.value.__cause__} {raised.value.__context__}"
        assert "secret" not in told and "se%cret" not in told and PASSWORD not in told


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://kilter:pre@s3cret@127.0.0.1:1/x",
        "postgresql://kilter:pre@s3cret/and@127.0.0.1:1/x",
        "postgresql://kilter:pre@s3cret?and@127.0.0.1:1/x",
        "postgresql://kilter:pre@s3cret:and@127.0.0.1:1/x",
        "postgresql://kilter:s3cret/and@127.0.0.1:1/x",
        "postgresql://kilter:pr?e@s3cret@127.0.0.1:1/x",
        "postgresql://kilter@corp:s3cret@127.0.0.1:1/x",
        "postgresql://kilter:s3cret",
    ],
)
def test_a_password_that_is_not_escaped_is_found_before_it_is_taken_for_a_host(url):
    with pytest.raises(InvalidInput, match="%40 for an @ in the password") as raised:
        open_storage(url)
    told = f"{raised.value} {raised.value.__cause__} {raised.value.__context__}"
    assert "s3cret" not in told and "pre" not in told


def test_secrets_are_shown_nowhere(postgresql_server):
    name = postgresql_server.create()
    storage = open_storage(postgresql_server.tcp_url(name))
    study = create_study(storage=storage, sampler="random", seed=0)
    for shown in (storage.url, repr(storage), repr(study), str(vars(storage._connection).get("url"))):
        assert "s3cret" not in shown
    with pytest.raises(StudyNotFound) as raised:
        storage.read(99)
    assert "s3cret" not in str(raised.value)
    again = pickle.loads(pickle.dumps(study))
    again.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1, progress="none")
    assert len(again.trials) == 1
    study.close()
    again.close()
    storage.close()
    postgresql_server.drop(name)


@pytest.mark.parametrize("code", ["42883", "42501", "53100", "57014"])
def test_the_port_of_a_server_that_is_away_is_no_code_of_an_error(code):
    with socket.socket() as taken:
        try:
            taken.bind(("127.0.0.1", int(code)))  # nobody listens there meanwhile
        except OSError:
            pytest.skip(f"port {code} is in use")
        with pytest.raises(StorageUnreachable, match=f"port {code} failed"):
            Connection(f"postgresql://kilter@127.0.0.1:{code}/studies", lambda opened: None, patience=0.0)
