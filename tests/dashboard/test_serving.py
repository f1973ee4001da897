"""Real servers: the address, the port, news over the wire, and that looking costs a run nothing but its own pace."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from kilter import Float, create_study, read_study
from kilter.core.errors import InvalidInput
from kilter.dashboard import news
from kilter.dashboard.app import API
from kilter.dashboard.serving import Serving, is_loopback, served
from kilter.storage.memory import MemoryStorage
from kilter.storage.sqlite import SQLiteStorage

SPACE = {"x": Float(0, 1), "y": Float(0, 1)}


def fetched(serving: Serving, path: str) -> Any:
    address = f"http://127.0.0.1:{serving.port}{API}{path}"
    with urllib.request.urlopen(address, timeout=20) as answer:
        return json.load(answer)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "studies.db"
    create_study(storage=f"sqlite:///{path}", study_name="s", space=SPACE, seed=0).close()
    return path


def test_a_port_that_is_busy_is_passed_over(file: Path):
    with served(file).start() as first, served(file, port=first.port).start() as second:
        assert second.port != first.port
        assert fetched(first, "/server")["studies"] == fetched(second, "/server")["studies"] == 1


def test_beyond_this_machine_there_is_a_token(file: Path):
    with served(file, host="0.0.0.0", port=0) as serving:
        assert re.fullmatch(r"http://[^/]+/\?code=[\w-]{32}", serving.url)
        serving.start()
        with pytest.raises(urllib.error.HTTPError, match="401"):
            fetched(serving, "/server")


def test_an_address_that_is_not_ours_is_refused(file: Path):
    with pytest.raises(InvalidInput, match=r"nothing can be served there|no address"):
        served(file, host="192.0.2.1")


@pytest.mark.parametrize(("host", "here"), [("::1", True), ("127.1.2.3", True), ("", False), ("example.com", False)])
def test_what_is_this_machine_alone(host: str, here: bool):
    assert is_loopback(host) is here


def test_a_study_in_memory_can_be_looked_at():
    study = create_study(storage=MemoryStorage(), study_name="s", space=SPACE, seed=0)
    with study.dashboard(port=0) as dashboard:
        study.optimize(lambda x, y: x + y, n_trials=5, progress="none")
        assert fetched(dashboard, "/studies/1")["summary"]["trials"] == 5
        assert dashboard.url.endswith("#/1") and dashboard.url in dashboard._repr_html_()
    with pytest.raises(OSError, match="refused"):
        fetched(dashboard, "/server")


class Stream:
    """The events of a server, as they come."""

    def __init__(self, serving: Serving, last: str | None = None) -> None:
        headers = {} if last is None else {"Last-Event-ID": last}
        self._answer = urllib.request.urlopen(
            urllib.request.Request(f"http://127.0.0.1:{serving.port}{API}/events", headers=headers), timeout=20
        )

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *error: object) -> None:
        self._answer.close()

    def next(self, kind: str) -> tuple[str, Any]:
        """The number and the data of the next event of a kind."""
        number, found = "", ""
        for line in self._answer:
            name, _, text = line.decode().rstrip().partition(": ")
            number = text if name == "id" else number
            found = text if name == "event" else found
            if name == "data" and found == kind:
                return number, json.loads(text)
        raise AssertionError("the stream ended")


def test_news_come_over_the_wire_and_go_on_where_they_were_left(file: Path):
    with served(file, port=0).start() as serving:
        fetched(serving, "/studies/1")
        study = create_study(storage=f"sqlite:///{file}", study_name="s", load_if_exists=True)
        with Stream(serving) as stream:
            assert stream.next("study")[1] == {"study": 1, "revision": 1, "trials": 0}
            study.optimize(lambda x, y: x + y, n_trials=1, progress="none")
            number, told = stream.next("study")
            while told["trials"] < 1 or told["revision"] < study._log.replica.position:
                number, told = stream.next("study")
            create_study(storage=f"sqlite:///{file}", study_name="t", space=SPACE).close()
            assert stream.next("studies")[1] == {"ids": [1, 2]}
        with Stream(serving, number) as stream:
            assert stream.next("studies")[1] == {"ids": [1, 2]}
        with Stream(serving, "of-another-run-3") as stream:
            assert stream.next("study")[1]["trials"] == 1


def test_so_many_pages_listen_and_no_more(file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(news, "MOST_STREAMS", 3)
    with served(file, port=0).start() as serving, ExitStack() as streams:
        address = f"http://127.0.0.1:{serving.port}{API}/events"
        for _ in range(5):
            with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=20) as answer:
                assert answer.headers["content-type"].startswith("text/event-stream") and not answer.read()
        statuses: Queue[int] = Queue()

        def listening() -> None:
            try:
                statuses.put(streams.enter_context(urllib.request.urlopen(address, timeout=20)).status)
            except urllib.error.HTTPError as error:
                statuses.put(error.code)

        for thread in (threads := [threading.Thread(target=listening) for _ in range(8)]):
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(statuses.get() for _ in threads) == [200] * 3 + [503] * 5


def test_a_stream_goes_on_after_nothing_that_is_no_number_of_an_event(file: Path):
    with served(file, port=0).start() as serving:
        with Stream(serving) as stream:
            run = stream.next("studies")[0].partition("-")[0]
        for last in ("9" * 5_000, "-1", "x", ""):
            with Stream(serving, f"{run}-{last}") as stream:
                assert stream.next("studies")[1] == {"ids": [1]}


def test_closing_ends_the_streams(file: Path):
    with served(file, port=0).start() as serving, Stream(serving) as stream:
        stream.next("studies")
        serving.close()
        with pytest.raises(AssertionError, match="the stream ended"):
            stream.next("studies")


def test_ctrl_c_ends_quietly(file: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [sys.executable, "-m", "kilter", "dashboard", "s", "--storage", f"sqlite:///{file}"]
        command += ["--port", str(taken.getsockname()[1])]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout is not None and process.stderr is not None
        address = process.stdout.readline().strip()
        assert "is busy" in process.stderr.readline() and "Ctrl-C" in process.stderr.readline()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/#/1", address)
        with urllib.request.urlopen(f"{address.partition('#')[0]}api/v1/server", timeout=20) as answer:
            assert json.load(answer)["studies"] == 1
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out, err) == (0, "", "")


# Looking only.


class Counting(SQLiteStorage):
    """A storage that counts what is asked of it, by whom."""

    def __init__(self, path: Path) -> None:
        self.writes: list[str] = []
        super().__init__(path)

    def _writing(self) -> Any:
        self.writes.append(threading.current_thread().name)
        return super()._writing()


def test_looking_writes_nothing_and_takes_no_lock(file: Path):
    """A writer holds its lock all the while, which whoever wrote, or waited for it, would trip over."""
    study = create_study(storage=f"sqlite:///{file}", study_name="s", load_if_exists=True, seed=0)
    study.optimize(lambda x, y: x + y, n_trials=30, progress="none")
    storage = Counting(file)
    blocker = SQLiteStorage(file)
    with served(storage, port=0).start() as serving, blocker._writing() as connection:
        connection.execute("UPDATE study SET created = created")
        for path in ("/studies", "/studies/1", "/studies/1/trials/3", "/studies/1/diagnostics", "/studies/1/next"):
            assert "error" not in fetched(serving, path), path
        with Stream(serving) as stream:
            stream.next("study")
    assert storage.writes == []


def logged(path: Path) -> list[tuple[Any, ...]]:
    """What a run wrote, without the clock and the names of workers."""
    with read_study(study_name="s", storage=f"sqlite:///{path}") as study:
        events = [event for _, event in study.log.read()]
    told = [(type(e).__name__, e.number, getattr(e, "params", None), getattr(e, "metrics", None)) for e in events]
    return [each for each in told if each[0] != "Created"]


def test_a_run_is_the_same_whether_it_is_looked_at_or_not(tmp_path: Path):
    """The same log, and as many transactions."""

    def tuned(name: str, looked_at: bool) -> tuple[list[tuple[Any, ...]], int]:
        path = tmp_path / f"{name}.db"
        storage = Counting(path)
        study = create_study(storage=storage, study_name="s", space=SPACE, seed=0)
        begun = len(storage.writes)
        if not looked_at:
            study.optimize(lambda x, y: x + y, n_trials=60, progress="none")
            return logged(path), len(storage.writes) - begun
        is_over, asked = threading.Event(), 0
        with study.dashboard(port=0) as dashboard, Stream(dashboard):

            def look() -> None:
                nonlocal asked
                while not is_over.is_set():
                    after = fetched(dashboard, "/studies/1")["revision"]
                    address = f"http://127.0.0.1:{dashboard.port}{API}/studies/1/columns?after={after}"
                    urllib.request.urlopen(address, timeout=20).close()
                    asked += 1

            looking = threading.Thread(target=look)
            looking.start()
            study.optimize(lambda x, y: x + y, n_trials=60, progress="none")
            is_over.set()
            looking.join()
        assert asked > 0
        return logged(path), len(storage.writes) - begun

    alone, watched = tuned("alone", False), tuned("watched", True)
    assert watched[0] == alone[0]
    assert abs(watched[1] - alone[1]) <= 4  # leases are renewed and rest by the clock
