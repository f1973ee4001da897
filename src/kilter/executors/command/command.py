"""Runs any program once per trial: `template` fills in its arguments, and `findings` reads what it prints or writes."""

from __future__ import annotations

import math
import os
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import IO, Any

from kilter.core.actions import Verdict
from kilter.core.errors import InvalidInput
from kilter.core.events import LOST, Failure
from kilter.core.interfaces import STOPPED, Draw, Message, Outcome, Progress, Resources, Task
from kilter.core.space import Space
from kilter.executors.children import Watcher, kill_tree, signal_group, tree_memory, was_killed
from kilter.executors.command.findings import Tail
from kilter.executors.command.program import Program
from kilter.executors.machine import UNLIMITED, check_slots, environments, out_of_memory, out_of_time
from kilter.executors.output import Log
from kilter.executors.threads import arrived
from kilter.objective.failures import MESSAGE, TRACEBACK, clipped, failure_of
from kilter.objective.place import Place

KEPT = 40
"""Lines of stderr that a failure keeps."""

LINE = 2**20
"""Bytes of a line that are read at once: a longer one counts as several."""

GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL."""

TICK = 0.1
"""Seconds between two looks at the report file; memory is weighed at every second one."""


@dataclass(frozen=True)
class Command:
    """Runs a program in `slots` process groups at once, each within `resources`.

    `gpus` lists the devices to share out; without it they are those of CUDA_VISIBLE_DEVICES or of the machine. One that
    is to end gets `grace` seconds between SIGTERM and SIGKILL.
    """

    slots: int = 1
    resources: Resources = UNLIMITED
    gpus: Sequence[int | str] | None = None
    grace: float = GRACE

    def __post_init__(self) -> None:
        check_slots(self.slots, "Command")

    def start(
        self, objective: Program | Sequence[str] | str, space: Space | None = None, draw: Draw | None = None
    ) -> RunningCommand:
        """Have a program run, or a command line. Raises where it asks for what the space lacks."""
        if not isinstance(objective, (Program, str, list, tuple)):
            raise InvalidInput(f"Command runs programs, not {objective!r}: give a Program, or its words as a list")
        program = objective if isinstance(objective, Program) else Program(objective)
        return RunningCommand(program, self)


class RunningCommand:
    """Runs a program on tasks, each in a process group of its own."""

    def __init__(self, program: Program, settings: Command) -> None:
        self.slots = settings.slots
        self._program = program
        self._settings = settings
        self._environments = environments(settings.slots, settings.resources, settings.gpus)
        self._free = list(reversed(range(settings.slots)))
        self._running: dict[int, tuple[int, _Run]] = {}
        self._messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._watcher = Watcher()
        self._checked: set[tuple[str, ...]] = set()

    def submit(self, task: Task) -> None:
        """Start the program on a task. Raises where the template asks for a parameter that the study lacks."""
        problem = task.problem
        if problem.space.names not in self._checked:
            self._program.check(problem.space, problem.full_budget)
            self._checked.add(problem.space.names)
        if not self._free:
            raise InvalidInput(f"all {self.slots} slots are taken: wait for an outcome before the next submit")
        slot = self._free.pop()
        environment = {**self._environments[slot], **self._watcher.mark()}
        run = _Run(self._program, task, environment, self._settings, self._messages.put)
        self._running[task.number] = slot, run
        run.thread.start()

    def wait(self, timeout: float | None) -> list[Message]:
        """What has happened since; without a timeout, nothing at once where nothing runs."""
        messages = arrived(self._messages, timeout, bool(self._running))
        for message in messages:
            if isinstance(message, Outcome):
                slot, _ = self._running.pop(message.number)
                self._free.append(slot)
        return messages

    def stop(self, number: int) -> None:
        """Terminate a running program: SIGTERM to its group, and SIGKILL after the grace."""
        if number in self._running:
            self._running[number][1].end(STOPPED)

    def close(self) -> None:
        """Terminate all programs together and wait until they are gone."""
        runs = [run for _, run in self._running.values()]
        for run in runs:
            run.end(STOPPED)
        for run in runs:
            run.thread.join()
        self._watcher.close()


class _Run:
    """One run of the program, in a thread of its own; `end` asks it to terminate the program."""

    def __init__(
        self,
        program: Program,
        task: Task,
        environment: Mapping[str, str],
        settings: Command,
        post: Callable[[Message], None],
    ) -> None:
        self.thread = threading.Thread(target=self._run, name=f"kilter-trial-{task.number}", daemon=True)
        self._program = program
        self._task = task
        self._place = Place(task)
        self._environment = environment
        self._settings = settings
        self._post = post
        self._findings = program.findings(task.problem)
        self._stderr: deque[str] = deque(maxlen=KEPT)
        self._log = Log(task.log)
        self._events: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._reason: Failure | Verdict | None = None
        self._weighed = 0.0

    def end(self, reason: Failure | Verdict) -> None:
        """End the program: with a failure, or at the scheduler's wish."""
        self._events.put(("end", reason))

    def _run(self) -> None:
        task = self._task
        given = self._place.directory
        temporary = None if given is not None else tempfile.mkdtemp(prefix="kilter-trial-")
        directory = os.path.abspath(given or temporary or "")
        try:
            os.makedirs(directory, exist_ok=True)
            outcome = self._outcome(directory)
            if outcome.failure is None:
                outcome = replace(outcome, attrs=self._place.left())
        except BaseException as error:
            outcome = Outcome.failed(task, failure_of(error), error)
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
        self._post(outcome)

    def _outcome(self, directory: str) -> Outcome:
        report = os.path.join(directory, f"report-{self._task.attempt}.jsonl")
        process = self._program.begin(self._task, directory, self._variables(directory, report))
        readers = [
            self._reader(process.stdout, "stdout", directory),
            self._reader(process.stderr, "stderr", directory),
        ]
        tail = Tail(report)
        try:
            self._watch(process, tail)
        finally:
            kill_tree(process.pid) if process.poll() is None else _kill_group(process.pid)
            process.wait()
            for reader in readers:
                reader.join(self._settings.grace)
            self._log.close()
        self._drain()
        for line in tail.lines(final=True):
            self._findings.read_json(line)
        return self._ended(process.returncode)

    def _variables(self, directory: str, report: str) -> dict[str, str]:
        return {
            **self._environment,
            "KILTER_TRIAL": str(self._task.number),
            "KILTER_ATTEMPT": str(self._task.attempt),
            "KILTER_REPORT": report,
            "KILTER_CHECKPOINT_DIR": directory,
        }

    # -- watching -------------------------------------------------------------------------------------------------

    def _reader(self, stream: IO[bytes] | None, name: str, directory: str) -> threading.Thread:
        """A thread that takes in the lines of a stream, and keeps them in the trial's directory."""

        def read() -> None:
            if stream is None:
                return
            log = Log(os.path.join(directory, f"{name}.log"))
            with stream:
                while line := stream.readline(LINE):
                    log.write(line)
                    self._log.write(line)
                    self._events.put((name, line.decode(errors="replace")))
            log.close()
            self._events.put(("eof", None))

        thread = threading.Thread(target=read, name=f"kilter-{name}", daemon=True)
        thread.start()
        return thread

    def _watch(self, process: subprocess.Popen[bytes], tail: Tail) -> None:
        """Follow the program until it has ended, by itself or because we ended it."""
        began = time.monotonic()
        kill_at = math.inf
        open_streams = 2
        while process.poll() is None:
            try:
                # With both streams closed only the exit is left to come, which nothing announces.
                kind, content = self._events.get(timeout=TICK if open_streams else TICK / 10)
                open_streams -= kind == "eof"
                self._take(kind, content)
                self._drain_ready()
            except queue.Empty:
                pass
            for line in tail.lines():
                self._findings.read_json(line)
            self._ship()
            now = time.monotonic()
            self._enforce(process, now - began)
            if self._reason is not None and kill_at == math.inf:
                kill_at = now + (0 if getattr(self._reason, "kind", "") == "memory" else self._settings.grace)
                _terminate(process)
            if now >= kill_at:
                kill_tree(process.pid)

    def _take(self, kind: str, content: Any) -> None:
        if kind == "stdout":
            self._findings.read_stdout(content)
        elif kind == "stderr":
            self._stderr.append(content)
        elif kind == "end":
            self._reason = self._reason or content

    def _drain_ready(self) -> None:
        """Take what is there already, but no endless flow, during which no limit would be looked at."""
        for _ in range(1000):
            if self._events.empty():
                return
            self._take(*self._events.get())

    def _drain(self) -> None:
        while not self._events.empty():
            self._take(*self._events.get())

    def _ship(self) -> None:
        reports = self._findings.take_unsent()
        if reports:
            self._place.keep()
            task = self._task
            reply = self._reply if task.may_be_stopped else None
            self._post(Progress(task.number, task.attempt, reports, reply))

    def _reply(self, verdict: Verdict) -> None:
        if verdict:
            self.end(verdict)

    def _enforce(self, process: subprocess.Popen[bytes], elapsed: float) -> None:
        limits = self._settings.resources
        if self._reason is None and limits.seconds is not None and elapsed >= limits.seconds:
            self._reason = out_of_time(limits.seconds)
        if self._reason is None and limits.memory is not None and elapsed - self._weighed >= 2 * TICK:
            self._weighed = elapsed
            used = tree_memory(process.pid)
            if used > limits.memory:
                self._reason = out_of_memory(used, limits.memory)

    # -- how it ended ---------------------------------------------------------------------------------------------

    def _ended(self, code: int) -> Outcome:
        task, findings = self._task, self._findings
        reports = findings.take_unsent()
        if isinstance(self._reason, Verdict):
            return Outcome.left(task, self._reason, findings.last, reports)
        failure = self._reason or self._failure(code)
        if failure is not None:
            return Outcome.failed(task, failure, reports=reports)
        metrics = findings.metrics()
        state, last = task.meaning_of(metrics, findings.steps)
        return Outcome(task.number, task.attempt, state, metrics, reports + last)

    def _failure(self, code: int) -> Failure | None:
        """What is wrong with a program that has ended by itself: its exit code, or what it printed."""
        tail = clipped("".join(self._stderr), TRACEBACK)
        if code != 0:
            said = next((line.strip() for line in reversed(self._stderr) if line.strip()), "nothing on stderr")
            how = f"exit code {code}" if code > 0 else f"ended by {_signal_name(-code)}"
            return Failure(LOST if was_killed(code) else "exit", clipped(f"{how}: {said}", MESSAGE), tail)
        fault = self._findings.fault()
        return fault and replace(fault, traceback=tail)


def _terminate(process: subprocess.Popen[bytes]) -> None:
    if os.name == "posix":
        signal_group(process.pid, signal.SIGTERM)
    else:
        process.terminate()


def _kill_group(pid: int) -> None:
    """Kill what a program that has ended left behind in its group."""
    signal_group(pid, getattr(signal, "SIGKILL", signal.SIGTERM))


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
