"""The main function of a worker process; see executors.processes for what it is told.

The main thread runs objectives, as many libraries ask for. A second thread listens, and ends the process with its
children as soon as the parent is gone, also in the middle of an objective.
"""

from __future__ import annotations

import ctypes
import io
import os
import pickle
import queue
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from multiprocessing import connection as connections
from multiprocessing.reduction import ForkingPickler
from typing import Any, NoReturn

from kilter.core.actions import Verdict
from kilter.core.events import MISUSE, Failure, Report, TrialState
from kilter.core.interfaces import Outcome, Task
from kilter.core.parameter import Parameter
from kilter.core.problem import Problem
from kilter.core.space import Space
from kilter.executors import records
from kilter.executors.output import flush, libc, mark
from kilter.objective.failures import failure_of, release
from kilter.objective.perform import perform

LINES = 1
"""_IOLBF of C: a stream that is written line by line."""

ADVICE = "move it to a module, or use workers=1"

SENT = (
    "have it installed where trials run, or send it along: by cloudpickle.register_pickle_by_value(module), or on Ray "
    "by RayExecutor(runtime_env={'working_dir': '.'})"
)

WATCH = 1.0
"""Seconds between two looks at who our parent is; a hung up connection is noticed at once."""


def main(setup: Mapping[str, Any]) -> None:
    """Call the parent, fetch the objective, and run tasks until it says goodbye."""
    os.chdir(setup["cwd"])
    sys.argv[:] = setup["argv"]
    _print_whole_lines()
    connection = connections.Client(setup["address"], authkey=bytes.fromhex(setup["key"]))
    connection.send(setup["token"])
    payload = connection.recv_bytes()
    line = _Parent(connection, setup["parent"], setup["token"])
    objective, space = _loaded(payload)
    records.configure(setup["logging"])
    line.send("loaded", None)
    _serve(line, objective, space)


def _print_whole_lines() -> None:
    """Hold back no line that was printed, by Python or by C: it is to survive a kill."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(line_buffering=True)
    with suppress(Exception):  # where the C library is another
        libc.setvbuf(ctypes.c_void_p.in_dll(libc, "stdout"), None, LINES, 0)


def _serve(line: _Parent, objective: Callable[..., Any], space: Space | None) -> None:
    @lru_cache(maxsize=1)
    def recalled(problem: Problem) -> Problem:
        return problem if space is None else problem.with_space(problem.space.recalled(space))

    sent: dict[str, Parameter] = {}
    while (task := line.tasks.get()) is not None:
        outcome = _outcome(line, objective, replace(task, problem=recalled(task.problem)))
        new = {name: one for name, one in outcome.met.items() if sent.get(name) != one}
        sent |= new
        data, met = _sendable(replace(outcome, met={})), _objects(new)
        flush()
        line.send("outcome", (data, met))


def _outcome(line: _Parent, objective: Callable[..., Any], task: Task) -> Outcome:
    line.mark(task.number)
    try:
        outcome = perform(objective, task, line)
    except BaseException as error:  # a KeyboardInterrupt too: the user's goes to the parent alone
        outcome = Outcome.failed(task, failure_of(error), error)
    release(outcome.error)
    outcome = _explained(outcome)
    is_misuse = outcome.failure is not None and outcome.failure.kind == MISUSE  # which ends the run, over there
    return replace(outcome, error=outcome.error if is_misuse else None)


def _loaded(payload: bytes) -> tuple[Callable[..., Any], Space | None]:
    """The objective and the space; where they cannot be loaded, an objective that says so for every trial."""
    unpickler = pickle.Unpickler(io.BytesIO(payload))
    try:
        objective, space = unpickler.load()
        _settle_in(unpickler.load())
        return objective, space
    except ModuleNotFoundError as error:
        reason: BaseException = ModuleNotFoundError(f"{error}, which the objective needs: {SENT}", name=error.name)
    except BaseException as error:
        reason = error

    def unloadable(trial: Any) -> NoReturn:
        raise reason

    return unloadable, None


def _settle_in(scripts: Mapping[str, Any]) -> None:
    """Have what came of the script be found in __main__, where pickle looks for it by name.

    Processes that the objective starts may have no such __main__: what is sent to them goes by value.
    """
    main = vars(sys.modules["__main__"])
    main.update(scripts)

    def reduce(_: ForkingPickler, thing: Any) -> Any:
        name = getattr(thing, "__name__", None)
        if isinstance(name, str) and name in scripts and thing is main.get(name):
            import cloudpickle

            return pickle.loads, (cloudpickle.dumps(thing),)
        return NotImplemented

    setattr(ForkingPickler, "reducer_override", reduce)  # noqa: B010 - of which the types know nothing


def _explained(outcome: Outcome) -> Outcome:
    """With what to do where something of the script was looked for in vain."""
    failure = outcome.failure
    if failure is None or failure.kind not in ("PicklingError", "AttributeError") or "__main__" not in failure.message:
        return outcome
    advice = f"{failure.message}: a worker process has of the script what the objective uses; {ADVICE}"
    return replace(outcome, failure=replace(failure, message=advice))


def _sendable(outcome: Outcome) -> bytes:
    try:
        data = pickle.dumps(outcome)
    except Exception as error:
        failure = Failure("return", f"what the trial left cannot be sent to the parent: {error}")
        data = pickle.dumps(
            replace(outcome, state=TrialState.FAIL, metrics={}, attrs={}, params=None, extensions={}, failure=failure)
        )
    return data


def _objects(met: Mapping[str, Parameter]) -> dict[str, bytes]:
    """What a trial met, as far as it can be sent; of the rest the parent knows the names, as the log does."""
    sendable = {}
    for name, parameter in met.items():
        with suppress(Exception):
            sendable[name] = pickle.dumps(parameter)
    return sendable


class _Parent:
    """The line to the parent, and the thread that listens to it."""

    def __init__(self, connection: connections.Connection, parent: int, token: str) -> None:
        self._connection = connection
        self._parent = parent
        self._token = token
        self._output = os.dup(1)  # whatever an objective makes of its stdout
        self._sending = threading.Lock()
        self.tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._replies: queue.SimpleQueue[Verdict] = queue.SimpleQueue()
        threading.Thread(target=self._listen, name="kilter-parent", daemon=True).start()

    def send(self, kind: str, content: Any) -> None:
        try:
            with self._sending:
                self._connection.send((kind, content))
        except OSError:
            _die()

    def mark(self, number: int) -> None:
        """Say in the midst of what is printed that the output of this trial begins."""
        flush()
        os.write(self._output, mark(self._token, number))

    def report(self, reports: tuple[Report, ...]) -> None:
        self.send("progress", (reports, False))

    def ask(self, reports: tuple[Report, ...]) -> Verdict:
        self.send("progress", (reports, True))
        return self._replies.get()

    def _listen(self) -> None:
        try:
            while True:
                if self._connection.poll(WATCH):
                    message = self._connection.recv()
                    if isinstance(message, Verdict):
                        self._replies.put(message)
                    else:
                        self.tasks.put(message)
                        if message is None:
                            return
                elif os.name == "posix" and os.getppid() != self._parent:
                    _die()  # someone forked from the parent still holds the connection open
        except (EOFError, OSError):
            _die()


def _die() -> NoReturn:
    """End this process and the children that the objective left in its group."""
    if os.name == "posix":
        os.killpg(0, signal.SIGKILL)
    os._exit(1)
