"""An executor for launchers that take several jobs at once and come back when all are done."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kilter.core.events import Failure
from kilter.core.interfaces import Message, Outcome, Task
from kilter.executors.inline import Inline
from kilter.objective.failures import failed


class Batches(Inline):
    """Gathers up to `slots` tasks, and hands them to `launch` together, in this thread.

    So Ctrl-C breaks into what runs, as it does for an objective. `launch` says how each ended, in any order.
    """

    def __init__(self, launch: Callable[[Sequence[Task]], Sequence[Outcome]], slots: int) -> None:
        self.slots = slots
        self.on_progress = None
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
        self._held += [
            failed(t, Failure("stopped", "stopped before it began")) for t in self._tasks if t.number == number
        ]
        self._tasks = [task for task in self._tasks if task.number != number]
