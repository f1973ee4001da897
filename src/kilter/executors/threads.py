"""Runs trials in threads of this process: no start-up, nothing is copied, and nothing can be enforced.

Worth it where the objective waits (for a server, a subprocess) or computes outside the interpreter lock. A thread
cannot be killed, so `stop` only takes effect when the trial next asks should_prune or ships its reports, and limits on
the seconds or the memory of a trial are refused: use Processes for those.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from kilter.core.actions import Verdict
from kilter.core.errors import InvalidInput
from kilter.core.events import Report, TrialState
from kilter.core.interfaces import Message, Outcome, Progress, Resources, Task
from kilter.core.space import Space
from kilter.executors.inline import STOPPED
from kilter.executors.output import kept
from kilter.objective.failures import Interrupted, failed, failure_of
from kilter.objective.perform import perform
from kilter.objective.trial import Draw

UNLIMITED = Resources()
"""What a trial may use where nobody said."""

Ship = Callable[[tuple[Report, ...]], None]
Ask = Callable[[tuple[Report, ...]], Verdict]


class Reporting:
    """What a running objective talks to: joins the reports that precede a question with the question itself.

    A judged trial flushes its reports and then asks, which would make two messages of each step. So the last batch is
    held back until the next batch, question or end comes.
    """

    def __init__(self, judged: bool, ship: Ship, ask: Ask) -> None:
        self._judged = judged
        self._ship = ship
        self._ask = ask
        self._held: tuple[Report, ...] = ()

    def send(self, reports: tuple[Report, ...]) -> None:
        """Take a batch of reports."""
        if not self._judged:
            self._ship(reports)
            return
        if self._held:
            self._ship(self._take())
        self._held = reports

    def judged(self) -> Verdict:
        """Ask the scheduler, with the reports that it has not seen."""
        return self._ask(self._take())

    def complete(self, outcome: Outcome) -> Outcome:
        """The outcome with the reports that still wait here."""
        return replace(outcome, reports=self._take() + outcome.reports)

    def _take(self) -> tuple[Report, ...]:
        held, self._held = self._held, ()
        return held


class Threads:
    """Runs trials in `slots` threads of this process.

    `stop(number)` ends a trial at its next should_prune, which is answered with True, or at the next batch of reports
    that leaves it (at most a second of reports later); until then its slot stays taken. A thread that never reports
    cannot be ended, and what it returns is its result.
    """

    def __init__(
        self,
        objective: Callable[..., Any],
        slots: int,
        space: Space | None = None,
        resources: Resources = UNLIMITED,
        draw: Draw | None = None,
    ) -> None:
        if slots < 1:
            raise InvalidInput(f"slots={slots!r}: at least one thread is needed")
        for name in ("seconds", "memory"):
            if getattr(resources, name) is not None:
                raise InvalidInput(
                    f"{name}={getattr(resources, name)!r} cannot be enforced on a thread: "
                    "use Processes, or drop the limit"
                )
        self.slots = slots
        self._objective = objective
        self._space = space
        self._draw = draw
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._running: dict[int, _Run] = {}
        self._threads: list[threading.Thread] = []

    def submit(self, task: Task) -> None:
        """Hand the task to a thread; threads start when they are first needed."""
        self._running[task.number] = _Run(task, self._messages.put)
        if len(self._threads) < min(self.slots, len(self._running)):
            thread = threading.Thread(target=self._work, name=f"kilter-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._tasks.put(task)

    def wait(self, timeout: float | None) -> list[Message]:
        """What has happened since; without a timeout, nothing at once where nothing runs."""
        messages = arrived(self._messages, timeout, bool(self._running))
        for message in messages:
            if isinstance(message, Outcome):
                self._running.pop(message.number, None)
        return messages

    def stop(self, number: int) -> None:
        """Ask a running trial to end; see the class. A trial that is not running is left alone."""
        if number in self._running:
            self._running[number].stop()

    def close(self) -> None:
        """Ask all trials to end and let the idle threads go; a busy one is a daemon and ends with the process."""
        for run in self._running.values():
            run.stop()
        for _ in self._threads:
            self._tasks.put(None)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            self._messages.put(self._running[task.number].perform(self._objective, self._space, self._draw))


class _Run:
    """One trial in a thread, and whether it was told to stop."""

    def __init__(self, task: Task, post: Callable[[Message], None]) -> None:
        self._task = task
        self._post = post
        self._stopped = threading.Event()
        self._told = False
        """Whether the objective has met the stop: what it then ends with, other than a result, is owed to that."""
        self._replies: queue.SimpleQueue[Verdict] = queue.SimpleQueue()
        self._reporting = Reporting(task.judged, self._ship, self._ask)

    def stop(self) -> None:
        self._stopped.set()
        self._replies.put(Verdict.STOP)

    def perform(self, objective: Callable[..., Any], space: Space | None, draw: Draw | None) -> Outcome:
        try:
            with kept(self._task.log):
                return self._settled(  # in no variable: see Inline
                    perform(objective, self._task, self._reporting.send, self._reporting.judged, space, draw)
                )
        except BaseException as error:  # a KeyboardInterrupt too: the user's goes to the main thread alone
            return self._settled(failed(self._task, failure_of(error), error))

    def _settled(self, outcome: Outcome) -> Outcome:
        outcome = self._reporting.complete(outcome)
        if self._told and outcome.state not in (TrialState.COMPLETE, TrialState.PAUSED):
            return replace(failed(self._task, STOPPED), reports=outcome.reports)
        return outcome

    def _ship(self, reports: tuple[Report, ...]) -> None:
        self._post(Progress(self._task.number, self._task.attempt, reports))
        if self._meets_stop():
            raise Interrupted

    def _ask(self, reports: tuple[Report, ...]) -> Verdict:
        if self._meets_stop():  # it may save what it has before it leaves
            if reports:
                self._post(Progress(self._task.number, self._task.attempt, reports))
            return Verdict.STOP
        self._post(Progress(self._task.number, self._task.attempt, reports, self._replies.put))
        answer = self._replies.get()
        return Verdict.STOP if self._meets_stop() else answer

    def _meets_stop(self) -> bool:
        self._told = self._told or self._stopped.is_set()
        return self._told


def arrived(messages: queue.SimpleQueue[Message], timeout: float | None, expected: bool) -> list[Message]:
    """All messages that are there, once the first has come; without a timeout, none at once where none is expected."""
    if timeout is None and not expected:
        return []
    try:
        first = messages.get(timeout=timeout)
    except queue.Empty:
        return []
    # Not until none is left: whoever reports as fast as this reads would keep us here for good.
    return [first, *(messages.get() for _ in range(messages.qsize()))]
