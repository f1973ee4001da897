"""Runs trials in threads of this process: no start-up, nothing is copied, and nothing can be enforced.

Worth it where the objective waits (for a server, a subprocess) or computes outside the interpreter lock. A thread
cannot be killed, so `stop` only takes effect when the trial next asks should_prune or ships its reports, and there are
no limits on the seconds or the memory of a trial: use Processes for those.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kilter.core.interfaces import Draw, Message, Outcome, Task
from kilter.core.space import Space
from kilter.executors.line import Stoppable
from kilter.executors.machine import check_slots


@dataclass(frozen=True)
class Threads:
    """Runs trials in `slots` threads of this process."""

    slots: int = 1

    def __post_init__(self) -> None:
        check_slots(self.slots, "Threads")

    def start(
        self, objective: Callable[..., Any], space: Space | None = None, draw: Draw | None = None
    ) -> RunningThreads:
        """Have an objective run in threads, which start when they are first needed."""
        return RunningThreads(objective, self.slots, draw)


class RunningThreads:
    """Runs trials in `slots` threads of this process.

    `stop(number)` ends a trial at its next should_prune, which is answered with True, or at the next batch of reports
    that leaves it (at most a second of reports later); until then its slot stays taken. A thread that never reports
    cannot be ended, and what it returns is its result.
    """

    def __init__(self, objective: Callable[..., Any], slots: int, draw: Draw | None = None) -> None:
        self.slots = slots
        self._objective = objective
        self._draw = draw
        self._lines: queue.SimpleQueue[Stoppable | None] = queue.SimpleQueue()
        self._messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._running: dict[int, Stoppable] = {}
        self._threads: list[threading.Thread] = []

    def submit(self, task: Task) -> None:
        """Hand the task to a thread."""
        line = self._running[task.number] = Stoppable(task, self._messages.put)
        if len(self._threads) < min(self.slots, len(self._running)):
            thread = threading.Thread(target=self._work, name=f"kilter-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._lines.put(line)

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
        for line in self._running.values():
            line.stop()
        for _ in self._threads:
            self._lines.put(None)

    def _work(self) -> None:
        while (line := self._lines.get()) is not None:
            self._messages.put(line.perform(self._objective, self._draw))


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
