"""Run each trial in the calling thread: the plainest executor, and the quickest for cheap objectives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from kilter.core.actions import Verdict
from kilter.core.errors import InvalidInput
from kilter.core.interfaces import Draw, Message, Outcome, Progress, Task
from kilter.core.space import Space
from kilter.executors.line import Stoppable
from kilter.executors.output import kept
from kilter.objective.failures import Interrupted, release
from kilter.objective.perform import perform


@dataclass(frozen=True)
class Inline:
    """Runs one trial at a time, in the calling thread."""

    slots: int = 1

    def __post_init__(self) -> None:
        if self.slots != 1:
            raise InvalidInput(f"slots={self.slots!r}: one trial at a time runs inline; use threads or processes")

    def start(
        self, objective: Callable[..., Any], space: Space | None = None, draw: Draw | None = None
    ) -> RunningInline:
        """Have an objective run in the calling thread."""
        return RunningInline(objective, draw)


class RunningInline:
    """One slot; `wait` runs the trial. Reports reach `on_progress` while it runs, since nobody is waiting then.

    While a trial runs, `stop` can be called by `on_progress` or by the handler of a signal, both in the same thread.
    The trial then ends where it stands if its objective is being executed, else at its question or report; see
    `Stoppable`. `stop` may be repeated for libraries that swallow what is raised in them.
    """

    slots = 1

    def __init__(self, objective: Callable[..., Any], draw: Draw | None = None) -> None:
        self.on_progress: Callable[[Progress], None] | None = None
        self._objective = objective
        self._draw = draw
        self._task: Task | None = None
        self._held: list[Message] = []
        self._line: Stoppable | None = None
        """That of the trial that runs."""
        self._in_objective = False
        """Whether the objective is being executed: neither what takes its reports nor what comes after it."""

    def submit(self, task: Task) -> None:
        """Keep the task until `wait` runs it."""
        self._task = task

    def wait(self, timeout: float | None) -> list[Message]:
        """Run the task that was submitted; the timeout cannot interrupt it, `stop` can."""
        task, self._task = self._task, None
        if task is not None:
            self._held.append(self._perform(task))
        return self._taken()

    def stop(self, number: int) -> None:
        """End a trial that waits, or the one that runs; see the class."""
        if self._task is not None and self._task.number == number:
            self._held.append(Outcome.stopped(self._task))
            self._task = None
        elif self._line is not None and self._line.task.number == number:
            self._line.stop()
            if self._in_objective and not self._line.was_told:
                self._line.break_off()

    def close(self) -> None:
        """Nothing to end."""

    def _taken(self) -> list[Message]:
        taken, self._held = self._held, []
        return taken

    def _perform(self, task: Task) -> Outcome:
        # An exception holds the frames that called the objective: none of them has it, or the outcome, in a variable.
        with kept(task.log):
            return self._performed(task)

    def _performed(self, task: Task) -> Outcome:
        line = self._line = Stoppable(task, self._tell)
        try:
            self._in_objective = True
            return self._ended(line, perform(self._objective, task, line, self._draw))
        except (Interrupted, KeyboardInterrupt) as error:
            if not line.is_broken:
                raise  # of the user's own
            release(error)
            return Outcome.stopped(task)
        finally:
            self._in_objective = False
            self._line = None

    def _ended(self, line: Stoppable, outcome: Outcome) -> Outcome:
        self._in_objective = False
        return line.ended(outcome)

    def _tell(self, progress: Progress) -> None:
        self._in_objective = False
        try:
            if self.on_progress is not None:
                self.on_progress(progress)
                return
            self._held.append(replace(progress, reply=None))
            if progress.reply is not None:
                progress.reply(Verdict.CONTINUE)
        finally:
            self._in_objective = self._line is not None
