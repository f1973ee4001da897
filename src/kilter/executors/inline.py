"""Run each trial in the calling thread: the plainest executor, and the quickest for cheap objectives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NoReturn

from kilter.core.actions import Verdict
from kilter.core.events import Failure, Report, TrialState
from kilter.core.interfaces import Message, Outcome, Progress, Task
from kilter.core.space import Space
from kilter.executors.output import kept
from kilter.objective.failures import Interrupted, failed, release
from kilter.objective.perform import perform
from kilter.objective.trial import Draw

STOPPED = Failure("stopped", "stopped on request")


class Inline:
    """One slot; `wait` runs the trial. Reports reach `on_progress` while it runs, since nobody is waiting then.

    While a trial runs, `stop` can be called by `on_progress` or by the handler of a signal, both in the same thread.
    The trial then ends where it stands if its objective is being executed, else at its question or report. Once it
    was broken off it has no result, whatever it makes of that: some libraries turn what is raised in the middle of them
    into a KeyboardInterrupt or an error of theirs, or swallow it. `stop` may be repeated for those.
    """

    slots = 1

    def __init__(
        self,
        objective: Callable[..., Any],
        space: Space | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        draw: Draw | None = None,
    ) -> None:
        self.on_progress = on_progress
        self._objective = objective
        self._space = space
        self._draw = draw
        self._task: Task | None = None
        self._held: list[Message] = []
        self._running: int | None = None
        self._in_objective = False
        """Whether the objective is being executed: neither what takes its reports nor what comes after it."""
        self._stopped = False
        self._told = False
        """Whether the trial that runs was told to stop: it may save, and return a result; it ends with no failure."""
        self._broken = False
        """Whether something was raised in the middle of it."""

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
            self._held.append(failed(self._task, Failure("stopped", "stopped before it began")))
            self._task = None
        elif self._running == number:
            self._stopped = True
            if self._in_objective and not self._told:
                self._break()

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
        self._stopped = self._told = self._broken = False
        self._running = task.number
        try:
            self._in_objective = True
            send, ask = partial(self._send, task), partial(self._ask, task)
            return self._settled(task, perform(self._objective, task, send, ask, self._space, self._draw))
        except (Interrupted, KeyboardInterrupt) as error:
            if not self._broken:
                raise  # of the user's own
            release(error)
            return failed(task, STOPPED)
        finally:
            self._in_objective = False
            self._running = None

    def _settled(self, task: Task, outcome: Outcome) -> Outcome:
        """What the outcome counts as, now that the objective is over."""
        self._in_objective = False
        if self._broken or (self._told and outcome.state not in (TrialState.COMPLETE, TrialState.PAUSED)):
            release(outcome.error)
            return replace(failed(task, STOPPED), reports=outcome.reports)
        return outcome

    def _break(self) -> NoReturn:
        self._broken = True
        raise Interrupted

    def _send(self, task: Task, reports: tuple[Report, ...]) -> None:
        self._tell(Progress(task.number, task.attempt, reports))
        if self._stopped and (self._told or not task.judged):
            self._break()
        self._told = self._stopped  # it may be about to ask, and then to save what it has

    def _ask(self, task: Task) -> Verdict:
        answer: list[Verdict] = []
        if self.on_progress is not None:
            self._tell(Progress(task.number, task.attempt, (), answer.append))
        if self._stopped:  # it may save what it has before it leaves
            self._told = True
            return Verdict.STOP
        return answer[0] if answer else Verdict.CONTINUE

    def _tell(self, progress: Progress) -> None:
        self._in_objective = False
        try:
            if self.on_progress is None:
                self._held.append(progress)
            else:
                self.on_progress(progress)
        finally:
            self._in_objective = self._running is not None
