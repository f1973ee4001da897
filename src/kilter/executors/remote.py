"""Runs trials on the machines of any cluster: a slot there for each trial at a time, kept busy from here.

    this process  RunningRemote ─────────▶  Slot     a machine     which has one worker process, as on this machine
                  step(Task)    ─────────▶
                                ◀─────────  News     reports, a question or the end; nothing after PATIENCE seconds
                  step(Verdict) ─────────▶           only to a question
                  step()        ─────────▶           to hear more of a trial that goes on
                  stop(attempt) ─────────▶           beside a step, which then tells the end

So a trial that reports nothing is one call. Limits of time and memory, kills, output and devices are matters of the
slot's Processes. A cluster only brings slots to machines and carries calls: see Cluster. A slot whose machine is lost
loses its trial, which goes on elsewhere from its checkpoint, and is opened anew.
"""

from __future__ import annotations

import logging
import math
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from dataclasses import dataclass, replace
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Generic, Protocol, TypeVar, Union

from kilter.core.actions import Verdict
from kilter.core.errors import ClusterUnreachable
from kilter.core.events import LOST, Failure
from kilter.core.interfaces import Message, Outcome, Resources, Task
from kilter.executors.machine import UNLIMITED
from kilter.executors.output import LEFT_OUT, LIMIT, Printer
from kilter.executors.payload import recalled
from kilter.executors.processes import Home, Processes, RunningProcesses

log = logging.getLogger("kilter")

LOOK = 0.2
"""Seconds after which a slot looks whether its trial is to be stopped."""

PATIENCE = 10.0
"""Seconds after which a slot answers though nothing has happened: so both sides know that the other one lives."""

SILENCE = 60.0
"""Seconds beyond that after which a slot that does not answer is given up."""

GRACE = 10.0
"""Seconds in which a slot has to stop a trial, or to close, before it is given up."""

TRIES = 6
"""How often a slot is opened in vain, where there is no other, before the cluster counts as out of reach."""

PAUSES = 0.25, 30.0
"""Seconds between two such tries: twice the first figure, then twice as many each time, up to the second figure."""

NOTICE = 20.0
"""Seconds that tasks wait for a first slot before the user is told what for."""

Handle = TypeVar("Handle")
Printed = Union[int, bytes, None]
"""What a slot's worker printed: pieces, and in between the numbers of the trials that what follows belongs to."""


class Cluster(Protocol[Handle]):
    """Brings slots to machines, and carries calls to them. Nothing here waits: what takes time is a future."""

    name: str
    """What users call it, for messages."""

    def open(self, index: int) -> Future[Handle]:
        """Make a Slot on some machine, as soon as one has room for it; slots are told apart by their index."""

    def call(self, slot: Handle, method: str, *arguments: Any) -> Future[Any]:
        """Call a method of a slot, also while another call of it runs; the future raises where the slot is lost."""

    def drop(self, slot: Handle) -> None:
        """Give up a slot, which may be lost already."""

    def close(self) -> None:
        """Give up all slots, those included that are being opened, and let go of the cluster."""


@dataclass(frozen=True)
class News:
    """What a slot tells at once."""

    messages: Sequence[Message] = ()
    printed: Sequence[Printed] = ()


# -- on the machine -----------------------------------------------------------------------------------------------


class Slot:
    """Runs one trial at a time on this machine, for a process on another one. Its methods may be called in any thread.

    `resources` are what a trial may use, `gpus` the devices to take them from; `logging` is how records are shown where
    the study is. A slot that is no longer referred to closes itself.
    """

    def __init__(
        self,
        payload: bytes,
        resources: Resources = UNLIMITED,
        gpus: Sequence[int | str] | None = None,
        logging: Mapping[str, Any] | None = None,
    ) -> None:
        prints = self._prints = _Prints()
        home = Home(lambda: prints, recalled=dict, logging=logging)
        self._running = RunningProcesses(Processes(1, resources, gpus), payload, home)
        self._stepping = threading.Lock()
        self._reply: Callable[[Verdict], None] | None = None
        self._at: tuple[int, int] | None = None
        self._to_stop: tuple[int, int] | None = None
        """The attempt that runs, and the one that is to be stopped."""
        self._is_closed = False
        self._end = weakref.finalize(self, self._running.close)

    def step(self, given: Task | Verdict | None = None, patience: float = PATIENCE) -> News:
        """Begin a trial, answer its question, or just go on; what happens next, or nothing within `patience` seconds.

        Where nothing runs the answer comes at once, and says that the slot is there.
        """
        deadline = time.monotonic() + patience
        with self._stepping:
            if isinstance(given, Task):
                self._at = given.number, given.attempt
                self._running.submit(given)
            elif given is not None and self._reply is not None:
                self._reply(given)
            messages: list[Message] = []
            while self._at is not None and not messages and not self._is_closed and time.monotonic() < deadline:
                if self._to_stop == self._at:
                    self._running.stop(self._at[0])
                messages = self._running.wait(LOOK)
            return self._news(messages)

    def stop(self, number: int, attempt: int) -> None:
        """Kill the worker of an attempt that runs; the step that waits for it tells of that."""
        self._to_stop = number, attempt

    def close(self) -> News:
        """End everything and leave no process behind; what is still to be told of what was printed."""
        self._is_closed = True
        with self._stepping:
            self._end()
            return News(printed=self._prints.fetch())

    def _news(self, messages: Sequence[Message]) -> News:
        return News([self._sendable(message) for message in messages], self._prints.fetch())

    def _sendable(self, message: Message) -> Message:
        if isinstance(message, Outcome):
            self._at = None
            return message
        if message.reply is None:
            return message
        self._reply = message.reply
        return replace(message, reply=_on_its_way)


def _on_its_way(verdict: Verdict) -> None:
    """Stands for the reply to a question between here and there."""


class _Prints:
    """What a worker prints, until it is fetched; of very much the beginning."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pieces: list[Printed] = []
        self._size = 0

    def expect(self, number: int, path: str | None) -> None:
        """Where the output is kept is no matter of this machine."""

    def turn(self, number: int | None) -> None:
        with self._lock:
            self._pieces.append(number)

    def take(self, data: bytes) -> None:
        with self._lock:
            if data and self._size <= LIMIT:
                self._size += len(data)
                self._pieces.append(data if self._size <= LIMIT else LEFT_OUT)

    def fetch(self) -> list[Printed]:
        with self._lock:
            pieces, self._pieces, self._size = self._pieces, [], 0
            return pieces


# -- where the study is -------------------------------------------------------------------------------------------


class RunningRemote(Generic[Handle]):
    """Runs trials on the slots of a cluster, which open as the cluster has room for them.

    With `grows` one more is always being opened, so that there are as many as the cluster has room for. `slots` counts
    those that are open, and is at least 1: a task waits until there is one. What the workers print arrives with what
    they tell; it is kept with the trial here and, as in `#7 epoch 1`, goes to the stderr of this process.
    """

    def __init__(self, cluster: Cluster[Handle], slots: int, grows: bool = False) -> None:
        self._cluster = cluster
        self._grows = grows
        self._seats: list[_Seat[Handle]] = []
        self._arrived: SimpleQueue[tuple[_Seat[Handle], Future[Any]]] = SimpleQueue()
        self._waiting: deque[Task] = deque()
        self._ready: list[Message] = []
        self._told_at: float | None = None
        """When it is to be told that there is no slot, by the monotonic clock; None while there is one."""
        for _ in range(slots):
            self._add()

    @property
    def slots(self) -> int:
        """How many trials can run now."""
        return max(1, sum(seat.slot is not None for seat in self._seats))

    def submit(self, task: Task) -> None:
        """Give the task to a free slot, or to the next one that is."""
        self._waiting.append(task)
        self._hand_out()

    def wait(self, timeout: float | None) -> list[Message]:
        """What has happened since; without a timeout, nothing at once where nothing runs.

        Raises ClusterUnreachable where no slot can be opened.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = LOOK if deadline is None else min(LOOK, max(0.0, deadline - time.monotonic()))
            self._take_in(0 if self._ready else left)
            if self._ready:
                messages, self._ready = self._ready, []
                return messages
            if (deadline is None and not self._is_busy) or (deadline is not None and time.monotonic() >= deadline):
                return []

    def stop(self, number: int) -> None:
        """Have the worker of a running trial killed. A trial that is not running is left alone."""
        for task in [task for task in self._waiting if task.number == number]:
            self._waiting.remove(task)
            self._ready.append(Outcome.stopped(task))
        for seat in self._seats:
            if seat.task is not None and seat.task.number == number and not seat.is_stopped:
                assert seat.slot is not None  # it has a task
                seat.is_stopped = True
                self._cluster.call(seat.slot, "stop", number, seat.task.attempt)
                if seat.call is None:  # it waits for an answer, and needs none any more
                    self._step(seat)
                seat.deadline = time.monotonic() + GRACE

    def close(self) -> None:
        """End what runs, close all slots, and let go of the cluster."""
        calls = {seat: self._cluster.call(seat.slot, "close") for seat in self._seats if seat.slot is not None}
        wait_for(calls.values(), GRACE)
        for seat, call in calls.items():
            if call.done() and call.exception() is None:
                seat.show(call.result().printed)
            seat.printer.turn(None)
            seat.call = seat.task = seat.slot = None
        self._seats, self._ready = [], []
        self._waiting.clear()
        self._cluster.close()

    # -- slots ----------------------------------------------------------------------------------------------------

    @property
    def _is_busy(self) -> bool:
        return bool(self._waiting) or any(seat.task is not None for seat in self._seats)

    def _add(self) -> None:
        self._seats.append(_Seat(len(self._seats)))
        self._open(self._seats[-1])

    def _open(self, seat: _Seat[Handle]) -> None:
        seat.deadline = None
        self._expect(seat, self._cluster.open(seat.index))

    def _expect(self, seat: _Seat[Handle], call: Future[Any]) -> None:
        seat.call = call
        call.add_done_callback(lambda done: self._arrived.put((seat, done)))

    def _step(self, seat: _Seat[Handle], given: Task | Verdict | None = None) -> None:
        assert seat.slot is not None  # only an open slot is stepped
        if not seat.is_stopped:
            seat.deadline = time.monotonic() + PATIENCE + SILENCE
        self._expect(seat, self._cluster.call(seat.slot, "step", given, PATIENCE))

    def _hand_out(self) -> None:
        """Give tasks that wait to slots that do."""
        for seat in self._seats:
            if self._waiting and seat.slot is not None and seat.task is None and seat.call is None:
                seat.task, seat.is_stopped = self._waiting.popleft(), False
                seat.printer.expect(seat.task.number, seat.task.log)
                self._step(seat, seat.task)

    def _lose(self, seat: _Seat[Handle], why: str) -> None:
        """Give up a slot, with its trial, and open another."""
        slot, task, seat.slot, seat.task = seat.slot, seat.task, None, None
        if slot is not None:
            self._cluster.drop(slot)
        if task is not None:
            lost = Outcome.failed(task, Failure(LOST, f"the {self._cluster.name} worker was lost: {why}"))
            self._ready.append(Outcome.stopped(task) if seat.is_stopped else lost)
        self._open(seat)
        for other in self._seats:  # what took this one may have taken others: no trial is to find that out
            if other.slot is not None and other.task is None and other.call is None:
                other.is_stopped = False
                self._step(other)

    # -- what happens ---------------------------------------------------------------------------------------------

    def _take_in(self, patience: float) -> None:
        """Wait until something happens, then take in all of it."""
        try:
            arrived = [self._arrived.get(timeout=patience)]
        except Empty:
            arrived = []
        arrived += [self._arrived.get() for _ in range(self._arrived.qsize())]
        for seat, call in arrived:
            if call is seat.call:  # else of a slot that was given up
                seat.call = None
                self._arrive(seat, call)
        self._check_deadlines()

    def _arrive(self, seat: _Seat[Handle], call: Future[Any]) -> None:
        error = None if call.cancelled() else call.exception()
        if call.cancelled() or error is not None:
            why = "its call was cancelled" if error is None else f"{type(error).__name__}: {error}"
            if seat.slot is not None:
                self._lose(seat, why)
            else:
                self._try_later(seat, why)
        elif seat.slot is None:
            seat.slot, seat.failures, seat.deadline = call.result(), 0, None
            self._hand_out()
            if self._grows and all(seat.slot is not None for seat in self._seats):
                self._add()
        else:
            self._hear(seat, call.result())

    def _hear(self, seat: _Seat[Handle], news: News) -> None:
        seat.show(news.printed)
        goes_on = seat.task is not None
        for message in news.messages:
            if isinstance(message, Outcome):
                message = replace(message, met=recalled(message.met))  # type: ignore[arg-type]
                seat.task, goes_on = None, False
            elif message.reply is not None and not seat.is_stopped:
                message = replace(message, reply=partial(self._answer, seat, seat.task))
                goes_on = False
            self._ready.append(message)
        seat.deadline = None
        if goes_on:
            self._step(seat)
        self._hand_out()

    def _answer(self, seat: _Seat[Handle], task: Task | None, verdict: Verdict) -> None:
        if seat.task is task and seat.call is None:  # else it was stopped, or lost
            self._step(seat, verdict)

    def _try_later(self, seat: _Seat[Handle], why: str) -> None:
        """Open a slot again in a while, where that failed; raises ClusterUnreachable where it is of no use."""
        seat.failures += 1
        name = self._cluster.name
        if seat.failures >= TRIES and all(other.slot is None for other in self._seats):
            raise ClusterUnreachable(
                f"no slot could be opened on {name}, {seat.failures} times in a row; the last time {why}. Look whether "
                "its workers run, and have the same Python and kilter, and run the script again: it goes on"
            )
        if seat.failures == 1:
            log.warning("%s: a slot could not be opened (%s), and is tried again", name, why)
        first, most = PAUSES
        seat.deadline = time.monotonic() + min(most, first * 2**seat.failures)

    def _check_deadlines(self) -> None:
        now = time.monotonic()
        for seat in self._seats:
            if seat.deadline is None or now < seat.deadline:
                continue
            if seat.slot is None:
                self._open(seat)
            else:
                self._lose(seat, f"it did not answer for {GRACE if seat.is_stopped else SILENCE:g} seconds")
        self._tell_of_wait(now)

    def _tell_of_wait(self, now: float) -> None:
        """Say what is waited for where trials find no slot for a while, once."""
        if not self._waiting or any(seat.slot is not None for seat in self._seats):
            self._told_at = None
        elif self._told_at is None:
            self._told_at = now + NOTICE
        elif now >= self._told_at:
            self._told_at = math.inf
            log.warning("%s has no room for a slot yet: trials begin once it has", self._cluster.name)


class _Seat(Generic[Handle]):
    """A place for one trial at a time: a slot once it is open, and the task that it works on."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.slot: Handle | None = None
        self.task: Task | None = None
        self.is_stopped = False
        """Whether the task is to be stopped."""
        self.failures = 0
        """How often in a row the slot could not be opened."""
        self.call: Future[Any] | None = None
        """What is being waited for: the slot to be opened, or a step to end. None of a slot that asks or is free."""
        self.deadline: float | None = None
        """When the call counts as lost, or the slot is to be opened again, by the monotonic clock."""
        self.printer = Printer()

    def show(self, printed: Sequence[Printed]) -> None:
        for piece in printed:
            if isinstance(piece, bytes):
                self.printer.take(piece)
            else:
                self.printer.turn(piece)
