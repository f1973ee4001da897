"""An executor of your own: trials run in the threads of a pool of the standard library.

Settings never change, and `start` gives what runs an objective. A trial talks to its study through a line, which in
this process is a `Stoppable`; it also calls the objective, and what that raises is the trial's failure. So what is left
is to bring tasks to where they run, and messages back. A pool of processes has `kilter.objective.perform.perform`
called in each, with a line that sends.

    study.optimize(objective, n_trials=100, executor=PoolExecutor(4))
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from kilter.core.interfaces import Draw, Message, Outcome, Task
from kilter.core.space import Space
from kilter.executors.line import Stoppable
from kilter.executors.machine import check_slots
from kilter.executors.threads import arrived


@dataclass(frozen=True)
class PoolExecutor:
    """Runs `slots` trials at a time."""

    slots: int = 1

    def __post_init__(self) -> None:
        check_slots(self.slots, "PoolExecutor")

    def start(self, objective: Callable[..., Any], space: Space | None = None, draw: Draw | None = None) -> RunningPool:
        """Have an objective run in a pool."""
        return RunningPool(objective, self.slots, draw)


class RunningPool:
    """Runs an objective on tasks, in a pool of threads; `stop` ends a trial when it next asks or reports."""

    def __init__(self, objective: Callable[..., Any], slots: int, draw: Draw | None) -> None:
        self.slots = slots
        self._objective = objective
        self._draw = draw
        self._pool = ThreadPoolExecutor(slots)
        self._messages: SimpleQueue[Message] = SimpleQueue()
        self._lines: dict[int, Stoppable] = {}

    def submit(self, task: Task) -> None:
        """Run a task."""
        line = self._lines[task.number] = Stoppable(task, self._messages.put)
        self._pool.submit(self._perform, line)

    def wait(self, timeout: float | None) -> list[Message]:
        """What has happened since."""
        messages = arrived(self._messages, timeout, bool(self._lines))
        for message in messages:
            if isinstance(message, Outcome):
                del self._lines[message.number]
        return messages

    def stop(self, number: int) -> None:
        """End a running trial."""
        if number in self._lines:
            self._lines[number].stop()

    def close(self) -> None:
        """End all of them, and wait for no one."""
        for line in self._lines.values():
            line.stop()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _perform(self, line: Stoppable) -> None:
        self._messages.put(line.perform(self._objective, self._draw))
