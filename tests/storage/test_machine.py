"""The stateful law of kilter.testing.machine, on our storages and on some that are broken on purpose."""

import time

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test
from tests.story.chaos.proxy import Proxy

from kilter.core import codec
from kilter.core.events import is_begun
from kilter.core.interfaces import Appended
from kilter.dashboard.serving import served
from kilter.storage.http import HTTPStorage
from kilter.storage.memory import MemoryStorage
from kilter.storage.postgres import PostgreSQLStorage
from kilter.storage.sqlite import SQLiteStorage
from kilter.testing.machine import StorageMachine, die

SHORT = settings(max_examples=12, stateful_step_count=30)
FEW = settings(max_examples=4, stateful_step_count=30)  # on a real server; `make test-long` has twenty times as many


class MemoryMachine(StorageMachine):
    storage = MemoryStorage

    def __init__(self):
        super().__init__()
        self.only = self.storage()

    def open(self):
        return self.only


class SQLiteMachine(StorageMachine):
    storage = SQLiteStorage

    def open(self):
        return self.storage(self.folder / "studies.db")

    def kill_at(self, storage, step):
        left = [step]

        def count(statement):
            left[0] -= 1
            if left[0] == 0:
                die()

        storage._live().set_trace_callback(count)


class LosesAnswers(StorageMachine):
    """Behind a proxy that ends a connection now and then in place of an answer, so that nobody knows what was done."""

    proxy = None

    @rule(number=st.integers(1, 4))
    def lose(self, number):
        self.proxy.lose(number)

    def teardown(self):
        super().teardown()
        self.proxy.close()


class PostgreSQLMachine(LosesAnswers):
    server = None

    def __init__(self):
        super().__init__()
        self.name = self.server.create()
        self.proxy = Proxy("127.0.0.1", self.server.port)

    def open(self):
        return PostgreSQLStorage(self.server.tcp_url(self.name, self.proxy.port))

    def kill_at(self, storage, step):
        import psycopg

        wait, left = psycopg.Connection.wait, [step]

        def counted(connection, asked, *arguments):
            left[0] -= 1
            if left[0] == 0 and step % 2:
                die()
            answer = wait(connection, asked, *arguments)
            if left[0] == 0:
                die()
            return answer

        psycopg.Connection.wait = counted

    def teardown(self):
        super().teardown()
        self.server.drop(self.name)


class HTTPMachine(LosesAnswers):
    def __init__(self):
        super().__init__()
        self.serve(0)
        self.proxy = Proxy("127.0.0.1", self.server.port)

    def serve(self, port):
        self.server = served(SQLiteStorage(self.folder / "studies.db"), port=port, token="t", workers=True).start()

    def open(self):
        return HTTPStorage(f"http://:t@127.0.0.1:{self.proxy.port}")

    @rule()
    def restart(self):
        """With nothing in its memory."""
        self.server.close()
        self.serve(self.server.port)

    def teardown(self):
        super().teardown()
        self.server.close()


@pytest.mark.hypothesis
def test_postgresql(postgresql_server):
    ours = type("Ours", (PostgreSQLMachine,), {"server": postgresql_server})
    run_state_machine_as_test(ours, settings=FEW)


TestHTTP = HTTPMachine.TestCase
TestHTTP.settings = settings(FEW, max_examples=3)  # more of them, and without restarts, are in test_http.py
TestMemory = MemoryMachine.TestCase
TestMemory.settings = SHORT
TestSQLite = SQLiteMachine.TestCase
TestSQLite.settings = SHORT


# Broken on purpose, in ways that take several calls to show.


class NumbersFromZero(MemoryStorage):
    def append(self, study, events, after=0, limit=None, distinct=False):
        self._logs[study].next_number = min(self._logs[study].next_number, 2)
        return super().append(study, events, after, limit, distinct)


class KeepsAnySnapshot(MemoryStorage):
    def save_snapshot(self, study, position, version, data):
        self._logs[study].snapshot = (position, version, data)


class TellsOfOthersTwice(MemoryStorage):
    """Reads and writes in two transactions, with what others write between them."""

    def append(self, study, events, after=0, limit=None, distinct=False):
        read = super().read(study, after)
        time.sleep(0.001)
        written = super().append(study, events, after, limit, distinct)
        own = len(events) - len(written.refused)
        return Appended(read + (written.entries[-own:] if own else []), written.refused)


class Torn(SQLiteStorage):
    """Writes event by event, once all have been looked at."""

    def append(self, study, events, after=0, limit=None, distinct=False):
        for event in events:
            codec.encode(event)
        new = self.read(study, after)
        begun = [event for event in events if distinct and is_begun(event, new)]
        refused = [e for e in events if e in begun or super(Torn, self).append(study, [e], 0, limit).refused]
        return Appended(self.read(study, after), refused)


class Alone(SQLiteMachine):
    """On one thread, so that what is broken shows by death alone."""

    shares = False


@pytest.mark.parametrize(
    ("broken", "machine"),
    [
        (NumbersFromZero, MemoryMachine),
        (KeepsAnySnapshot, MemoryMachine),
        (TellsOfOthersTwice, MemoryMachine),
        (Torn, Alone),
    ],
)
def test_the_machine_catches(broken, machine):
    found = type("Broken", (machine,), {"storage": broken})
    many = settings(max_examples=500, stateful_step_count=50, phases=[Phase.generate], database=None, derandomize=True)
    with pytest.raises((Exception, pytest.fail.Exception)):
        run_state_machine_as_test(found, settings=many)
