"""An executor for launchers that take several jobs at once and come back when all are done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kilter.core.interfaces import Message, Outcome, Progress, Task


class Batches:
    """Gathers up to `slots` tasks, and hands them to `launch` together, in this thread.

    So Ctrl-C breaks into what runs, as it does for an objective. `launch` says how each ended, in any order.
    """

    def __init__(self, launch: Callable[[Sequence[Task]], Sequence[Outcome]], slots: int) -> None:
        self.slots = slots
        self.on_progress: Callable[[Progress], Any] | None = None
        """Nothing comes before the end of a batch."""
        self._launch = launch
        self._tasks: list[Task] = []
        self._held: list[Message] = []

    def submit(self, task: Task) -> None:
        """Keep the task until `wait` launches it."""
        self._tasks.append(task)

    def wait(self, timeout: float | None) -> list[Message]:
        """Launch what was submitted; the timeout cannot interrupt it."""
        held, self._held = self._held, []
        tasks, self._tasks = self._tasks, []
        return [*held, *(self._launch(tasks) if tasks else ())]

    def stop(self, number: int) -> None:
        """End a trial that waits; one that was launched ends with its batch."""
        self._held += [Outcome.stopped(task) for task in self._tasks if task.number == number]
        self._tasks = [task for task in self._tasks if task.number != number]

    def close(self) -> None:
        """Nothing to end."""
