"""HTTPStorage: conformance over a real server, lost answers, and what arrives that is none of ours."""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, run_state_machine_as_test

from kilter import Float, Trial, create_study
from kilter.core import codec
from kilter.core.errors import InvalidInput, StorageError, StorageUnreachable, StudyExists, StudyNotFound
from kilter.core.events import Noted
from kilter.core.interfaces import Storage
from kilter.dashboard.once import Once
from kilter.dashboard.serving import Serving, served
from kilter.dashboard.storing import written_before
from kilter.storage import http, patience
from kilter.storage.http import HTTPStorage
from kilter.storage.memory import MemoryStorage
from kilter.storage.sqlite import SQLiteStorage
from kilter.storage.wire import event_of, row_of
from kilter.testing.machine import StorageMachine
from kilter.testing.storage import StorageSuite, created, ended, every_kind, started, waiting

TOKEN = "a token, with / and @"
QUOTED = "a%20token%2C%20with%20%2F%20and%20%40"


def serving(storage: Storage, port: int = 0) -> Serving:
    return served(storage, port=port, token=TOKEN, workers=True).start()


def address(server: Serving) -> str:
    return f"http://:{QUOTED}@127.0.0.1:{server.port}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """To begin and to end takes longer than a test: all have this one, and each finds it empty."""
    with serving(SQLiteStorage(tmp_path_factory.mktemp("served") / "studies.db")) as server:
        yield server


@pytest.fixture
def storage(server: Serving) -> Iterator[HTTPStorage]:
    storage = HTTPStorage(address(server))
    yield emptied(storage)
    storage.close()


def emptied(storage: HTTPStorage) -> HTTPStorage:
    for row in storage.studies():
        storage.delete(row.id)
    return storage


class TestHTTP(StorageSuite):
    @pytest.fixture
    def storage(self, server: Serving, storage: HTTPStorage) -> Storage:
        return storage

    def reopen(self, storage: Storage) -> Storage:
        assert isinstance(storage, HTTPStorage)
        return HTTPStorage(storage._given)


# Answers that get lost.


class Losing(httpx.BaseTransport):
    """Carries requests, and loses some on their way to the server or their answers on the way back, as it is told."""

    def __init__(self, losses: Iterable[str], meanwhile: Callable[[], None]) -> None:
        self._inner, self._losses, self._meanwhile = httpx.HTTPTransport(), iter(losses), meanwhile

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        loss = next(self._losses, "")
        if loss == "request":
            raise httpx.ConnectError("the line is cut")
        response = self._inner.handle_request(request)
        response.read()
        if loss:
            self._meanwhile()
        if loss == "answer":
            raise httpx.ReadError("the line is cut")
        return httpx.Response(502, text="<html>Bad Gateway</html>") if loss == "proxy" else response


def losing(storage: HTTPStorage, losses: Iterable[str], meanwhile: Callable[[], None]) -> None:
    """Have the next requests of a storage lost, in this order."""
    storage._client = httpx.Client(transport=Losing(losses, meanwhile), headers=storage._live().headers)


EVENTS = [Noted(None, {"a": 1}, 5.0), waiting(), waiting(), started(3), started(0, fresh=False), waiting(1)]
WAYS = [["request"], ["answer"], ["proxy"], ["answer", "answer"], ["request", "answer", "proxy"]]


@pytest.mark.parametrize("ways", WAYS, ids=" ".join)
@pytest.mark.parametrize("is_anew", [False, True], ids=["the same server", "a server that was started anew"])
def test_what_is_sent_again_is_done_once(server: Serving, storage: HTTPStorage, ways: list[str], is_anew: bool):
    def meanwhile() -> None:
        if is_anew:
            server._app.work.once = Once()

    losing(storage, ways, meanwhile)
    study = storage.create("a", created())
    other = HTTPStorage(storage._given)
    with pytest.raises(StudyExists):
        other.create("a", created(2.0))
    other.append(study, [Noted(None, {"a": 1}, 4.0), started(0)], 1)
    losing(storage, ways, meanwhile)
    answer = storage.append(study, EVENTS, 1)
    assert [event for event in EVENTS if any(event is each for each in answer.refused)] == EVENTS[-2:]
    assert answer.entries == other.read(study, 1) and len(answer.entries) == 2 + len(EVENTS) - 2
    losing(storage, ways, meanwhile)
    storage.delete(study)
    assert other.studies() == []
    with pytest.raises(StudyNotFound):
        other.delete(study)
    other.close()


class Machine(StorageMachine):
    """Every few requests one is lost, or its answer is."""

    server: ClassVar[Serving]

    def __init__(self) -> None:
        super().__init__()
        self.ways = cycle(["", "", "answer", "", "", "", "proxy", "", "request"])

    @initialize()
    def begin(self) -> None:
        emptied(HTTPStorage(address(self.server))).close()
        super().begin()

    def open(self) -> Storage:
        storage = HTTPStorage(address(self.server))
        losing(storage, self.ways, lambda: None)
        return storage


@pytest.mark.hypothesis
def test_nothing_is_lost_or_done_twice_in_any_order(server: Serving, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(patience, "FIRST_PAUSE", 0.0)
    Machine.server = server
    run_state_machine_as_test(Machine, settings=settings(max_examples=4, stateful_step_count=25))


@given(st.data())
def test_what_a_transaction_wrote_is_found_again_in_the_log(data: st.DataObject):
    """Whatever others wrote before and after, and whatever was refused."""
    kinds = st.sampled_from([started(0), started(1), waiting(), waiting(1), Noted(None, {"a": 1}, 5.0), ended(0)])
    theirs = st.lists(kinds.map(lambda event: replace(event, time=event.time + 1)), max_size=3)
    log, ours = MemoryStorage(), [replace(event) for event in data.draw(st.lists(kinds, min_size=1, max_size=5))]
    study = log.create("a", created())
    log.append(study, data.draw(theirs))
    before = log.read(study)
    appended = log.append(study, ours, before[-1].position)
    log.append(study, data.draw(theirs))
    is_there = len(appended.refused) < len(ours)
    assert written_before(ours, log.read(study, before[-1].position)) == (appended if is_there else None)


def test_a_study_goes_on_while_its_server_is_started_anew(tmp_path: Path):
    storage = SQLiteStorage(tmp_path / "studies.db")
    server = serving(storage)
    with create_study(
        storage=address(server), study_name="a", space={"x": Float(0, 1)}, sampler="random", seed=0
    ) as study:

        def objective(trial: Trial) -> float:
            nonlocal server
            if trial.number == 2:
                server.close()
                storage = SQLiteStorage(tmp_path / "studies.db")
                threading.Timer(0.2, lambda: again.append(serving(storage, server.port))).start()
            return trial.params["x"]

        again: list[Serving] = []
        study.optimize(objective, n_trials=5, progress="none")
        assert [trial.number for trial in study.trials] == [*range(5)]
    again[0].close()


def test_a_fork_has_a_connection_of_its_own(storage: HTTPStorage):
    study = storage.create("a", created())
    children = []
    for number in (0, 1):
        if (child := os.fork()) == 0:
            try:
                storage.append(study, [started(2 * n + number) for n in range(10)], 1)
            finally:
                os._exit(0)
        children.append(child)
    for number in range(20, 30):
        assert storage.append(study, [started(number)], 1).entries[-1].event == started(number)
    for child in children:
        os.waitpid(child, 0)
    assert sorted(entry.event.number or 0 for entry in storage.read(study, 1)) == [*range(30)]


def test_who_is_not_there_is_said_after_a_while(monkeypatch: pytest.MonkeyPatch, server: Serving):
    monkeypatch.setattr(http, "OPENING", 0.0)
    with pytest.raises(StorageUnreachable, match=r"http://:\*\*\*@127.0.0.1:1 could not be reached"):
        HTTPStorage("http://:secret@127.0.0.1:1")


# What may ask, and what arrives.


@pytest.mark.parametrize(
    "url", ["http://", "http:///x", "http://secret@host", "http://host:port", "http://:secret", "https://h/?a=secret"]
)
def test_addresses_that_lead_nowhere_are_refused_without_their_secrets(url: str):
    with pytest.raises(InvalidInput, match="TOKEN@host") as refused:
        HTTPStorage(url)
    assert "secret" not in str(refused.value)


def test_a_token_is_needed_and_never_shown(server: Serving, storage: HTTPStorage, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KILTER_TOKEN", TOKEN)
    bare = f"http://127.0.0.1:{server.port}"
    assert HTTPStorage(bare).studies() == []
    with pytest.raises(StorageError, match="asks for its token") as refused:
        HTTPStorage(f"http://:guess@127.0.0.1:{server.port}")
    assert "guess" not in str(refused.value)
    assert TOKEN not in repr(storage) + storage.url and QUOTED not in repr(storage) + storage.url
    assert pickle.loads(pickle.dumps(storage)).studies() == []


def test_a_dashboard_is_no_storage(tmp_path: Path):
    dashboard = served(SQLiteStorage(tmp_path / "studies.db"), port=0).start()
    with dashboard, pytest.raises(StorageError, match="kilter serve"):
        HTTPStorage(dashboard.url.partition("?")[0])


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda each: st.lists(each, max_size=5)
)
KINDS = st.sampled_from([*map(row_of, [created(), *every_kind()])])
MANGLED = st.tuples(KINDS, st.integers(0, 4), ANY).map(lambda m: [*m[0][: m[1]], m[2], *m[0][m[1] + 1 :]])


@given(MANGLED | KINDS.flatmap(st.permutations) | ANY)
def test_what_arrives_is_an_event_that_can_be_stored_or_refused(row: Any):
    try:
        event = event_of(row)
    except InvalidInput:
        return
    assert codec.decode(*codec.row(event)) == event or "nan" in str(row)
