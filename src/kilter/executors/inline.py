"""Run each trial in the calling thread: the plainest executor, and the quickest for cheap objectives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kilter.core.events import Failure, Report
from kilter.core.interfaces import Message, Progress, Task
from kilter.core.space import Space
from kilter.executors.context import failed, perform


class Inline:
    """One slot; `wait` runs the trial. Reports reach `on_progress` while it runs, since nobody is waiting then."""

    slots = 1

    def __init__(
        self,
        objective: Callable[..., Any],
        space: Space | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self._objective = objective
        self._space = space
        self._on_progress = on_progress
        self._task: Task | None = None
        self._held: list[Message] = []

    def submit(self, task: Task) -> None:
        """Keep the task until `wait` runs it."""
        self._task = task

    def wait(self, timeout: float | None) -> list[Message]:
        """Run the task that was submitted; the time limit cannot interrupt it."""
        task, self._task = self._task, None
        if task is None:
            held, self._held = self._held, []
            return held
        outcome = perform(
            self._objective, task, lambda reports: self._send(task, reports), lambda: self._ask(task), self._space
        )
        held, self._held = self._held, []
        return [*held, outcome]

    def stop(self, number: int) -> None:
        """End a trial that waits; one that runs in this thread has ended before anybody can stop it."""
        if self._task is not None and self._task.number == number:
            self._held.append(failed(self._task, Failure("stopped", "stopped before it began")))
            self._task = None

    def close(self) -> None:
        """Nothing to end."""

    def _send(self, task: Task, reports: tuple[Report, ...]) -> None:
        progress = Progress(task.number, task.attempt, reports)
        if self._on_progress is None:
            self._held.append(progress)
        else:
            self._on_progress(progress)

    def _ask(self, task: Task) -> bool:
        if self._on_progress is None:
            return False
        answer: list[bool] = []
        self._on_progress(Progress(task.number, task.attempt, (), answer.append))
        return answer[0]
