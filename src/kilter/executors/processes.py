"""Runs trials in long-lived worker processes of our own, which can be limited, killed and replaced.

    parent  --stdin: address, key, sys.path----->      worker      Popen, not multiprocessing: needs no main guard
    parent  --objective and space (cloudpickle)----->  worker      once
    parent  --Task------------------------------>      worker
    parent  <--(reports, asks)-------------------      worker
    parent  --Verdict--------------------------->      worker      only to a question
    parent  <--Outcome--------------------------       worker

A worker that dies fails its trial and no other, and one that is killed loses it; the next trial of that slot gets a
fresh one.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import queue
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing import AuthenticationError
from multiprocessing import connection as connections
from typing import Any

from kilter.core.actions import Verdict
from kilter.core.errors import InvalidInput
from kilter.core.events import LOST, Failure
from kilter.core.interfaces import STOPPED, Draw, Message, Outcome, Progress, Resources, Task
from kilter.core.space import Space
from kilter.executors import records
from kilter.executors.children import kill_tree, own_group, signal_group, tree_memory, was_killed
from kilter.executors.machine import UNLIMITED, check_slots, environments, out_of_memory, out_of_time
from kilter.executors.output import Heard, Printer, Printing
from kilter.executors.payload import packed, recalled

TICK = 0.2
"""Seconds between two looks at the memory of a trial, and at a process whose end the platform does not announce."""

FAREWELL = 2.0
"""Seconds that idle workers get to end by themselves, so that what the objective opened is flushed."""

BOOTSTRAP = (
    "import json, sys; setup = json.loads(sys.stdin.readline()); sys.path[:] = setup['path']; "
    "from kilter.executors.worker import main; main(setup)"
)
"""The worker takes our sys.path before it imports kilter, which `-m` could not: kilter may only be found there."""


@dataclass(frozen=True)
class Processes:
    """Runs trials in `slots` processes, each within `resources`.

    `gpus` lists the devices to share out; without it they are those of CUDA_VISIBLE_DEVICES or of the machine.
    """

    slots: int = 1
    resources: Resources = UNLIMITED
    gpus: Sequence[int | str] | None = None

    def __post_init__(self) -> None:
        check_slots(self.slots, "Processes")

    def start(
        self, objective: Callable[..., Any], space: Space | None = None, draw: Draw | None = None
    ) -> RunningProcesses:
        """Have an objective run in processes, to which it is sent now.

        Raises InvalidInput where it cannot be sent, or where the devices do not suffice.
        """
        return RunningProcesses(self, packed(objective, space))


@dataclass(frozen=True)
class Home:
    """What of the process that asked for trials its workers know, and what becomes of all that they tell it."""

    printing: Callable[[], Printing] = Printer
    """Takes what one worker prints."""
    recalled: Callable[[Mapping[str, bytes]], Mapping[str, Any]] = recalled
    """Makes parameters of those that trials met, as they were sent."""
    logging: Mapping[str, Any] | None = None
    """How records are shown there; None is as in this process."""


HERE = Home()


class RunningProcesses:
    """Runs trials in processes, which start when they are first needed.

    A limit on seconds counts from the moment the objective is called. What the workers print is kept with the trial
    and, as in `#7 epoch 1`, goes to the stderr of this process.
    """

    def __init__(self, settings: Processes, payload: bytes, home: Home = HERE) -> None:
        self.slots = settings.slots
        self._home = home
        self._resources = settings.resources
        self._environments = environments(settings.slots, settings.resources, settings.gpus)
        self._payload = payload
        self._workers: list[_Worker | None] = [None] * self.slots
        self._by_trial: dict[int, _Worker] = {}
        self._ready: list[Message] = []
        self._door: _Door | None = None
        self._memory_checked = 0.0

    def submit(self, task: Task) -> None:
        """Give the task to a free worker, starting one where there is none."""
        if self._door is None:
            self._door = _Door(self._payload)
        slot = self._free_slot()
        worker = self._workers[slot]
        if worker is None:
            worker = self._workers[slot] = _Worker(slot, self._environments[slot], self._door, self._home)
        self._by_trial[task.number] = worker
        worker.give(task)

    def wait(self, timeout: float | None) -> list[Message]:
        """What has happened since; without a timeout, nothing at once where nothing runs."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            self._look(0 if self._ready else self._patience(deadline))
            if self._ready:
                messages, self._ready = self._ready, []
                return messages
            if (deadline is None and not self._by_trial) or (deadline is not None and time.monotonic() >= deadline):
                return []

    def stop(self, number: int) -> None:
        """Kill the worker of a running trial with all its children. A trial that is not running is left alone."""
        worker = self._by_trial.get(number)
        if worker is not None:
            self._kill(worker, STOPPED)

    def close(self) -> None:
        """Let idle workers go, kill the others, and leave neither a process nor a file."""
        living = [worker for worker in self._workers if worker is not None]
        for worker in living:
            worker.dismiss()
        deadline = time.monotonic() + FAREWELL
        for worker in living:
            worker.end(deadline)
        self._workers = [None] * self.slots
        self._by_trial.clear()
        if self._door is not None:
            self._door.close()
            self._door = None

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers that live."""
        return [worker.process.pid for worker in self._workers if worker is not None]

    # -- waiting --------------------------------------------------------------------------------------------------

    def _patience(self, deadline: float | None) -> float | None:
        """How long to sleep at most: until the deadline, a trial's time limit, or the next look at memory."""
        now = time.monotonic()
        waits = [] if deadline is None else [deadline - now]
        running = [worker for worker in self._workers if worker is not None and worker.task is not None]
        if not running and deadline is None:
            return 0
        if self._resources.seconds is not None:
            waits += [w.began + self._resources.seconds - now for w in running if w.began is not None]
        if running and (self._resources.memory is not None or any(w.sentinel is None for w in running)):
            waits.append(TICK)
        return max(0.0, min(waits)) if waits else None

    def _look(self, patience: float | None) -> None:
        """Sleep until something happens, then take in all of it."""
        ready = connections.wait(self._watched(), patience)
        if self._door is not None and self._door.bell in ready:
            for token, connection in self._door.arrivals():
                self._welcome(token, connection)
        for worker in [w for w in self._workers if w is not None]:
            self._read(worker)
            if worker.has_died():
                self._read(worker)  # what it wrote before it died
                self._bury(worker)
        self._enforce()

    def _watched(self) -> list[Any]:
        watched: list[Any] = [] if self._door is None else [self._door.bell]
        for worker in self._workers:
            if worker is not None:
                watched += [thing for thing in (worker.connection, worker.sentinel) if thing is not None]
        return watched

    def _welcome(self, token: str, connection: connections.Connection) -> None:
        for worker in self._workers:
            if worker is not None and worker.token == token:
                worker.connection = connection
                return
        connection.close()  # killed before it had arrived

    def _read(self, worker: _Worker) -> None:
        for kind, content in worker.receive():
            if kind == "loaded":
                worker.is_loaded = True
                worker.send_task()
            elif kind == "progress":
                reports, asks = content
                number, attempt = worker.running
                self._ready.append(Progress(number, attempt, reports, worker.reply if asks else None))
            else:
                data, met = content
                worker.met |= self._home.recalled(met)
                self._finish(worker, replace(pickle.loads(data), met=worker.met))

    def _finish(self, worker: _Worker, outcome: Outcome) -> None:
        worker.task = worker.began = None
        self._by_trial.pop(outcome.number, None)
        self._ready.append(outcome)

    def _bury(self, worker: _Worker) -> None:
        """Take a dead worker away; its trial, if any, has failed with it, or is lost where something killed it."""
        task = worker.task
        self._remove(worker)
        if task is not None:
            code = worker.process.returncode
            self._finish(
                worker, Outcome.failed(task, Failure(LOST if was_killed(code) else "died", _cause_of_death(code)))
            )

    def _kill(self, worker: _Worker, failure: Failure) -> None:
        task = worker.task
        self._remove(worker)
        if task is not None:
            self._finish(worker, Outcome.failed(task, failure))

    def _remove(self, worker: _Worker) -> None:
        worker.kill()
        self._workers[worker.slot] = None

    def _enforce(self) -> None:
        """Kill the trials that exceed their limits."""
        now = time.monotonic()
        seconds, memory = self._resources.seconds, self._resources.memory
        weigh = memory is not None and now - self._memory_checked >= TICK
        if weigh:
            self._memory_checked = now
        for worker in [w for w in self._workers if w is not None and w.began is not None]:
            if seconds is not None and worker.began is not None and now - worker.began >= seconds:
                self._kill(worker, out_of_time(seconds))
            elif weigh and memory is not None and (used := tree_memory(worker.process.pid)) > memory:
                self._kill(worker, out_of_memory(used, memory))

    def _free_slot(self) -> int:
        """A slot whose worker waits, else one without a worker."""
        idle = [i for i, worker in enumerate(self._workers) if worker is not None and worker.task is None]
        empty = [i for i, worker in enumerate(self._workers) if worker is None]
        if not idle and not empty:
            raise InvalidInput(f"all {self.slots} slots are taken: wait for an outcome before the next submit")
        return (idle + empty)[0]


class _Worker:
    """One worker process, the connection to it once it has called, and the task that it works on."""

    def __init__(self, slot: int, environment: dict[str, str], door: _Door, home: Home) -> None:
        self.slot = slot
        self.token = secrets.token_hex(8)
        self.task: Task | None = None
        self.running = (0, 0)
        self.met: dict[str, Any] = {}
        """Parameters with objects that its trials met, as far as these could be sent."""
        self.began: float | None = None
        self.is_loaded = False
        self.connection: connections.Connection | None = None
        self.process = subprocess.Popen(
            [sys.executable, "-c", BOOTSTRAP],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            **own_group(),
        )
        assert self.process.stdout is not None  # it is a pipe
        self.printing = home.printing()
        self.heard = Heard(self.process.stdout, self.token, self.printing)
        self.sentinel = _sentinel(self.process)
        self._introduce(door, home.logging)

    def _introduce(self, door: _Door, logging: Mapping[str, Any] | None) -> None:
        setup = {
            "address": door.address,
            "key": door.key.hex(),
            "token": self.token,
            "path": sys.path,
            "cwd": os.getcwd(),
            "argv": sys.argv,
            "logging": records.configured() if logging is None else logging,
            "parent": os.getpid(),
        }
        stdin = self.process.stdin
        if stdin is not None:
            try:
                stdin.write(json.dumps(setup).encode() + b"\n")
                stdin.close()
            except OSError:
                pass  # it is dead already, which the next look will find

    def give(self, task: Task) -> None:
        self.task = task
        self.running = (task.number, task.attempt)
        self.printing.expect(task.number, task.log)
        if self.is_loaded:
            self.send_task()

    def send_task(self) -> None:
        if self.task is not None:
            self.began = time.monotonic()
            self._send(self.task)

    def reply(self, verdict: Verdict) -> None:
        self._send(Verdict(verdict))

    def dismiss(self) -> None:
        """Let an idle worker end by itself; kill a busy one."""
        if self.task is None and self.is_loaded:
            self._send(None)
        else:
            self.kill()

    def end(self, deadline: float) -> None:
        """Wait until it has ended, and kill what is left of it after the deadline."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(max(0.0, deadline - time.monotonic()))
        self.kill()

    def receive(self) -> Iterable[tuple[str, Any]]:
        """All that has arrived."""
        while self.connection is not None:
            try:
                if not self.connection.poll():
                    return
                message = self.connection.recv()
            except (EOFError, OSError):
                self.connection.close()
                self.connection = None
                try:
                    self.process.wait(TICK)  # it hung up, so its end is near: learn the exit code
                except subprocess.TimeoutExpired:
                    kill_tree(self.process.pid)
                return
            yield message

    def has_died(self) -> bool:
        return self.process.poll() is not None

    def kill(self) -> None:
        """Kill the process with all its children and let go of what we hold of it."""
        if self.process.poll() is None:
            kill_tree(self.process.pid)
            self.process.wait()
        else:  # its id may be another's by now, that of its group is not while a child of its lives
            signal_group(self.process.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        self.heard.finish()
        if self.connection is not None:
            self.connection.close()
            self.connection = None
        if self.sentinel is not None and os.name == "posix":
            os.close(self.sentinel)
        self.sentinel = None

    def _send(self, message: Any) -> None:
        if self.connection is None:
            return
        try:
            self.connection.send(message)
        except OSError:
            pass  # it is dead, which the next look will find


class _Door:
    """Where workers call: an address that only this user can reach, behind a random key.

    A thread answers, since the handshake and a large objective take a while; `bell` rings when someone has come in.
    """

    def __init__(self, payload: bytes) -> None:
        self.key = secrets.token_bytes(32)
        self.bell, self._button = connections.Pipe(duplex=False)
        self._directory = _short_directory() if os.name == "posix" else None
        address = None if self._directory is None else os.path.join(self._directory, "door")
        self._listener = connections.Listener(address, authkey=self.key, backlog=64)
        self.address = self._listener.address
        self._payload = payload
        self._closed = False
        self._arrivals: queue.SimpleQueue[tuple[str, connections.Connection]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._answer, name="kilter-door", daemon=True)
        self._thread.start()

    def arrivals(self) -> list[tuple[str, connections.Connection]]:
        """Who has come in since the bell was last answered."""
        arrived = []
        while self.bell.poll():
            self.bell.recv_bytes()
            arrived.append(self._arrivals.get())
        return arrived

    def close(self) -> None:
        self._closed = True
        try:
            connections.Client(self.address, authkey=self.key).close()  # wakes the thread, which then closes the rest
        except (OSError, EOFError, AuthenticationError):
            pass
        self._thread.join(FAREWELL)
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)

    def _answer(self) -> None:
        while not self._closed:
            try:
                connection = self._listener.accept()
            except (OSError, EOFError, AuthenticationError):
                continue  # someone who died on the threshold, or was not ours
            if self._closed:
                connection.close()
            else:
                self._let_in(connection)
        self._listener.close()
        while not self._arrivals.empty():
            self._arrivals.get()[1].close()
        self.bell.close()
        self._button.close()

    def _let_in(self, connection: connections.Connection) -> None:
        try:
            token = connection.recv()
            connection.send_bytes(self._payload)
        except (OSError, EOFError):
            connection.close()
            return
        self._arrivals.put((token, connection))
        self._button.send_bytes(b"1")


def _cause_of_death(code: int | None) -> str:
    if code is not None and code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        hint = ", often because memory ran out" if name == "SIGKILL" else ""
        return f"the worker process was killed by {name}{hint}"
    return f"the worker process ended with exit code {code}"


def _sentinel(process: subprocess.Popen[bytes]) -> int | None:
    """Something to wait on that is ready once the process has ended, where the platform has it."""
    if os.name == "nt":
        return int(getattr(process, "_handle"))  # noqa: B009 - the attribute exists on Windows alone
    try:
        return os.pidfd_open(process.pid)  # type: ignore[attr-defined, unused-ignore]
    except (AttributeError, OSError):
        return None


def _short_directory() -> str:
    """A directory of our own whose path leaves room for a socket, whose name may have some 100 characters."""
    place = None if len(tempfile.gettempdir()) < 60 else "/tmp"
    return tempfile.mkdtemp(prefix="kilter-", dir=place)
