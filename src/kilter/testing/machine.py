"""What every storage has to do in any order: a stateful law, by Hypothesis. Needs `pip install hypothesis`.

Subclass StorageMachine, say how a handle is opened, and pytest runs it:

    class Machine(StorageMachine):
        def open(self):
            return MyStorage(self.folder / "studies")

    TestMine = Machine.TestCase

Two handles on the same data are used in turns. What they answer is compared with a model, which is a list of events for
each study and reads the contract from it anew each time. Handles are closed, forgotten, and sent through pickle; two of
them write at once; and where `kill_at` says how, a process is killed between any two steps of what it writes.
"""

from __future__ import annotations

import copy
import os
import pickle
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from kilter.core import codec
from kilter.core.earlier import EarlierStudy
from kilter.core.errors import InvalidInput, StorageError, StudyExists, StudyNotFound
from kilter.core.events import (
    Constrained,
    Controlled,
    Created,
    Dropped,
    Ended,
    Enqueued,
    Entry,
    Event,
    Failure,
    Granted,
    Invalidated,
    Noted,
    Recalled,
    Report,
    Reported,
    SpaceExtended,
    Started,
    TrialState,
)
from kilter.core.interfaces import Appended, Storage, Worker

try:
    from hypothesis import strategies as st
    from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
except ImportError:
    raise ImportError("kilter.testing.machine draws with Hypothesis: pip install hypothesis") from None

HOUR = 3600.0

NAMES = st.sampled_from(["a", "größe", "a'; --", "%s"])
WORDS = st.sampled_from(["", "x", "größe", "\0", "\ud800", '"$float"', "it's", "%s", "nan"]) | st.text(max_size=3)
NUMBERS = st.integers(0, 3)
ATTEMPTS = st.integers(1, 2)
FLAGS = st.booleans()
TIMES = st.sampled_from([0.0, 1.5, 4e9])
VALUES = st.floats(allow_nan=False)
METRICS = st.dictionaries(st.sampled_from(["loss", "größe", "0"]), VALUES, max_size=2)
PARAMS = st.sampled_from([{"lr": 0.1}, {}, {"lr": 1.0, "opt": "a\0"}])
ATTRS = st.dictionaries(WORDS, st.none() | FLAGS | VALUES | WORDS | st.lists(WORDS, max_size=2), max_size=2)
FOLDS = st.sampled_from([None, 1, "a"])
REPORTS = st.lists(st.builds(Report, st.integers(0, 2), METRICS, FOLDS), max_size=3).map(tuple)
FAILURES = st.none() | st.builds(Failure, st.sampled_from(["lost", "interrupted", "ValueError"]), WORDS, WORDS)

CREATED = st.builds(Created, ATTRS, ATTRS, ATTRS, st.integers(0, 2**63 - 1), TIMES)
STARTED = st.builds(
    Started,
    *(NUMBERS, ATTEMPTS, PARAMS, WORDS, st.integers(0, 9), TIMES, FLAGS),
    parent=st.none() | st.just(0),
    budget=st.sampled_from([None, {"epochs": 3}, {"epochs": 0.5}]),
    granted=FLAGS,
    confirms=st.none() | st.just(0),
)
ENDED = st.builds(
    Ended,
    *(NUMBERS, ATTEMPTS, st.sampled_from(TrialState), METRICS, TIMES, REPORTS, st.none() | PARAMS, FAILURES, FLAGS),
)
RECALLED = Recalled((EarlierStudy("größe", ({"lr": 0.1}, {}), (0.5, -1.5), doublings={"width": -2.0}),), 1.7)
EVENTS = st.one_of(
    STARTED,
    STARTED,
    ENDED,
    st.builds(Enqueued, st.none() | NUMBERS, PARAMS, TIMES, st.none() | WORDS, ATTRS, FLAGS),
    st.builds(Reported, NUMBERS, ATTEMPTS, REPORTS.filter(len), TIMES),
    st.builds(Dropped, NUMBERS, ATTEMPTS, WORDS, TIMES),
    st.builds(Invalidated, NUMBERS, WORDS, TIMES),
    st.builds(Noted, st.none() | NUMBERS, ATTRS, TIMES),
    st.builds(Controlled, st.sampled_from(["running", "paused", "stopped"]), TIMES, FLAGS),
    st.builds(Granted, NUMBERS, TIMES, TIMES),
    st.sampled_from([SpaceExtended({}, 1.5), RECALLED, Constrained((("size", "<=", 0.0),), 1.6)]),
    CREATED,
)
"""Events of few trials, attempts and steps, so that they meet."""

BATCHES = st.lists(EVENTS, max_size=4)
PLACES = st.integers(0, 40)
"""Which study, or which position: whole numbers that are taken modulo how many there are, lest draws hang on chance."""
HANDLES = st.integers(0, 1)
LIMITS = st.none() | st.integers(0, 5)
WORKERS = st.sampled_from([Worker("w1", "here", 11, 123.25), Worker("w2", "größe", 2**31 - 1, 0.0)])
VERSIONS = st.sampled_from(["v1", "v2"])


@dataclass(frozen=True)
class Batch:
    """What one call of `append` is given."""

    events: list[Event]
    after: int
    limit: int | None
    distinct: bool

    def within(self, model: Model) -> Batch:
        """The same after a position that the log has."""
        return replace(self, after=self.after % (len(model.log) + 1))

    def by(self, storage: Storage, study: int) -> Appended:
        """Have a storage append it."""
        return storage.append(study, self.events, self.after, self.limit, self.distinct)


APPENDS = st.builds(Batch, BATCHES, PLACES, LIMITS, FLAGS)


@dataclass
class Model:
    """What a study is: its events in order, and what is beside them."""

    name: str
    log: list[Event]
    snapshot: tuple[int, str, bytes] | None = None
    leases: dict[Worker, bool] = field(default_factory=dict)
    """Whether each lease still runs."""

    def append(self, batch: Batch) -> Appended:
        """The contract of Storage.append, told from the log alone."""
        unread = self.log[batch.after :] if batch.distinct else []
        refused = [given for given in batch.events if not self._takes(given, batch.limit, unread)]
        return Appended(self.after(batch.after), refused)

    def _takes(self, event: Event, limit: int | None, unread: Sequence[Event]) -> bool:
        numbers = [each.number for each in self.log if each.creates]
        if isinstance(event, Enqueued) and event.number is None:
            event = replace(event, number=max([-1, *(number for number in numbers if number is not None)]) + 1)
        begins = isinstance(event, Started) and event.params
        is_begun = any(begins and isinstance(each, Started) and each.params == begins for each in unread)
        is_taken = event.identity is not None and event.identity in [each.identity for each in self.log]
        creates = event.number if event.creates else None
        is_over = creates is not None and (creates in numbers or (limit is not None and creates >= limit))
        if not (is_begun or is_taken or is_over):
            self.log.append(event)
            return True
        return False

    def after(self, position: int, count: int | None = None) -> list[Entry]:
        """The entries after a position."""
        entries = [Entry(place, event) for place, event in enumerate(self.log, 1)]
        return entries[position:][:count]


def shown(answer: Appended | Sequence[Entry]) -> Any:
    """An answer in a form in which 1, 1.0 and True differ."""
    if isinstance(answer, Appended):
        return shown(answer.entries), [codec.row(event) for event in answer.refused]
    return [(position, codec.row(event)) for position, event in answer]


class StorageMachine(RuleBasedStateMachine):
    """The contract of Storage in any order of calls, on two handles; see the module's first lines."""

    shares = True
    """Whether two handles may write at the same moment, as those of two processes do."""

    kill_at: Callable[[Storage, int], None] | None = None
    """Called in a process of its own, which is about to append by this handle: have it killed at the k-th step of that,
    by `die`. A method where there is a way; None where no process is killed."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="kilter-"))
        """Empty at first, gone at the end."""
        self.models: dict[int, Model] = {}
        self.gone: list[int] = []
        self.handles: list[Storage] = []

    def open(self) -> Storage:
        """A handle on the data of this run, which is empty at first; override this."""
        raise NotImplementedError("override open()")

    @initialize()
    def begin(self) -> None:
        """Open two handles."""
        self.handles = [self.open(), self.open()]

    def teardown(self) -> None:
        """Close the handles and remove the folder."""
        for handle in self.handles:
            handle.close()
        shutil.rmtree(self.folder)

    def study(self, place: int) -> int:
        """One of the studies that there are."""
        return sorted(self.models)[place % len(self.models)]

    has_studies = precondition(lambda self: self.models)
    is_durable = precondition(lambda self: self.handles[0].is_durable)

    # Studies.

    @rule(handle=HANDLES, name=NAMES, event=CREATED)
    def create(self, handle: int, name: str, event: Created) -> None:
        """A name is taken once; the id of a study was never that of another one."""
        if any(model.name == name for model in self.models.values()):
            with pytest.raises(StudyExists):
                self.handles[handle].create(name, event)
            return
        study = self.handles[handle].create(name, event)
        assert study not in self.models and study not in self.gone
        self.models[study] = Model(name, [event])

    @has_studies
    @rule(handle=HANDLES, place=PLACES)
    def delete(self, handle: int, place: int) -> None:
        """All that belongs to a study goes with it, for both handles."""
        study = self.study(place)
        self.handles[handle].delete(study)
        del self.models[study]
        self.gone.append(study)

    @precondition(lambda self: self.gone)
    @rule(handle=HANDLES, place=PLACES, worker=WORKERS, batch=BATCHES)
    def miss(self, handle: int, place: int, worker: Worker, batch: list[Event]) -> None:
        """A study that was deleted is an error of its own, whatever is asked of it."""
        storage, study = self.handles[handle], self.gone[place % len(self.gone)]
        for ask in (
            lambda: storage.read(study),
            lambda: storage.append(study, batch),
            lambda: storage.delete(study),
            lambda: storage.leases(study),
            lambda: storage.renew(study, worker, HOUR),
            lambda: storage.load_snapshot(study, "v1"),
            lambda: storage.save_snapshot(study, 1, "v1", b""),
        ):
            with pytest.raises(StudyNotFound):
                ask()

    # The log.

    @has_studies
    @rule(handle=HANDLES, place=PLACES, batch=APPENDS)
    def append(self, handle: int, place: int, batch: Batch) -> None:
        """What is written, what is refused, and what is told of the others' events."""
        study = self.study(place)
        batch = batch.within(self.models[study])
        assert shown(batch.by(self.handles[handle], study)) == shown(self.models[study].append(batch))

    @has_studies
    @rule(handle=HANDLES, place=PLACES, events=BATCHES)
    def append_what_cannot_be_kept(self, handle: int, place: int, events: list[Event]) -> None:
        """Of a batch with an event that cannot be kept nothing is."""
        with pytest.raises(InvalidInput, match="'model'"):
            self.handles[handle].append(self.study(place), [*events, Noted(None, {"model": object()}, 1.0)])

    @has_studies
    @rule(handle=HANDLES, place=PLACES, events=BATCHES)
    def append_beyond_the_end(self, handle: int, place: int, events: list[Event]) -> None:
        """A position that the log does not have is that of another log: nothing is written."""
        study = self.study(place)
        beyond = len(self.models[study].log) + 1
        for ask in (self.handles[handle].read, lambda *where: self.handles[handle].append(where[0], events, where[1])):
            with pytest.raises(StorageError):
                ask(study, beyond)

    @has_studies
    @rule(handle=HANDLES, place=PLACES, after=PLACES, count=st.none() | st.integers(0, 9))
    def read(self, handle: int, place: int, after: int, count: int | None) -> None:
        """A part of the log."""
        study = self.study(place)
        after %= len(self.models[study].log) + 1
        assert shown(self.handles[handle].read(study, after, count)) == shown(self.models[study].after(after, count))

    @has_studies
    @precondition(lambda self: self.shares)
    @rule(place=PLACES, first=APPENDS, second=APPENDS)
    def append_at_once(self, place: int, first: Batch, second: Batch) -> None:
        """Of two that write at the same moment one came first, and both were told so."""
        study = self.study(place)
        model, together = self.models[study], threading.Barrier(2)
        batches = [first.within(model), second.within(model)]
        answers: dict[int, Appended] = {}

        def append(turn: int) -> None:
            together.wait()
            answers[turn] = batches[turn].by(self.handles[turn], study)

        threads = [threading.Thread(target=append, args=(turn,)) for turn in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for order in ((0, 1), (1, 0)):
            self.models[study] = copy.deepcopy(model)
            if all(shown(answers[turn]) == shown(self.models[study].append(batches[turn])) for turn in order):
                return
        raise AssertionError(f"no order of {batches[0]} and {batches[1]} has these answers: {answers}")

    # Snapshots and leases.

    @has_studies
    @rule(handle=HANDLES, place=PLACES, position=PLACES, version=VERSIONS, data=st.binary(max_size=4))
    def save_snapshot(self, handle: int, place: int, position: int, version: str, data: bytes) -> None:
        """The latest is kept, of the version that was saved last."""
        study = self.study(place)
        model = self.models[study]
        self.handles[handle].save_snapshot(study, position, version, data)
        if model.snapshot is None or model.snapshot[1] != version or model.snapshot[0] <= position:
            model.snapshot = (position, version, data)

    @has_studies
    @rule(handle=HANDLES, place=PLACES, version=VERSIONS)
    def load_snapshot(self, handle: int, place: int, version: str) -> None:
        """That of this version, if it is the one that is kept."""
        study = self.study(place)
        kept = self.models[study].snapshot
        expected = None if kept is None or kept[1] != version else (kept[0], kept[2])
        assert self.handles[handle].load_snapshot(study, version) == expected

    @has_studies
    @rule(handle=HANDLES, place=PLACES, worker=WORKERS, runs=FLAGS)
    def renew(self, handle: int, place: int, worker: Worker, runs: bool) -> None:
        """A lease is replaced by the worker's next one."""
        study = self.study(place)
        self.handles[handle].renew(study, worker, HOUR if runs else -HOUR)
        self.models[study].leases[worker] = runs

    @has_studies
    @rule(handle=HANDLES, place=PLACES, worker=WORKERS)
    def release(self, handle: int, place: int, worker: Worker) -> None:
        """A lease that is given back is gone, also a second time."""
        study = self.study(place)
        self.handles[handle].release(study, worker.id)
        self.models[study].leases.pop(worker, None)

    @has_studies
    @rule(handle=HANDLES, place=PLACES)
    def leases(self, handle: int, place: int) -> None:
        """Who holds one, and whether it still runs."""
        study = self.study(place)
        told = self.handles[handle].leases(study)
        assert len(told) == len(self.models[study].leases)
        assert {worker: left > 0 for worker, left in told} == self.models[study].leases

    # Handles.

    @rule(handle=HANDLES)
    def open_again(self, handle: int) -> None:
        """What was closed is there when it is opened."""
        self.handles[handle].close()
        self.handles[handle] = self.open()

    @is_durable
    @rule(handle=HANDLES)
    def forget(self, handle: int) -> None:
        """A handle that nobody closes."""
        self.handles[handle] = self.open()

    @is_durable
    @rule(handle=HANDLES)
    def travel(self, handle: int) -> None:
        """A handle that was sent to another process opens the same data there."""
        sent = pickle.dumps(self.handles[handle])
        self.handles[handle].close()
        self.handles[handle] = pickle.loads(sent)  # noqa: S301 - what was pickled a line above

    @has_studies
    @precondition(lambda self: self.kill_at is not None)
    @rule(handle=HANDLES, place=PLACES, batch=APPENDS, step=st.integers(1, 9))
    def die(self, handle: int, place: int, batch: Batch, step: int) -> None:
        """A process that is killed while it appends has written all of it or nothing, and holds nobody up."""
        study = self.study(place)
        batch = batch.within(self.models[study])
        child = os.fork()
        if child == 0:
            try:
                assert self.kill_at is not None
                self.kill_at(self.handles[handle], step)
                batch.by(self.handles[handle], study)
            finally:
                die()
        os.waitpid(child, 0)
        written = copy.deepcopy(self.models[study])
        written.append(batch)
        told = shown(self.handles[1 - handle].read(study))
        if told != shown(self.models[study].after(0)):
            self.models[study] = written

    @invariant()
    def both_see_one_truth(self) -> None:
        """All studies with all of their events, oldest first, by either handle."""
        for handle in self.handles:
            rows = [(row.id, row.name) for row in handle.studies()]
            assert rows == [(study, model.name) for study, model in self.models.items()]
            for study, model in self.models.items():
                assert shown(handle.read(study)) == shown(model.after(0))


def die() -> None:
    """End this process on the spot, as a machine that is switched off would."""
    os.kill(os.getpid(), signal.SIGKILL)
