"""The line of a trial that runs in this process, and what becomes of one that is told to stop."""

from __future__ import annotations

import queue
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NoReturn

from kilter.core.actions import Verdict
from kilter.core.events import Report, TrialState
from kilter.core.interfaces import Draw, Outcome, Progress, Task
from kilter.executors.output import kept
from kilter.objective.failures import Interrupted, failure_of, release
from kilter.objective.perform import perform


class Stoppable:
    """Tells of what a trial reports and asks, and ends the trial once `stop` was called.

    One that asks is answered with STOP, so that it may save what it has, or return a result, before it leaves. One that
    reports all the same is broken off: from then on it has no result, whatever it makes of that. Some libraries turn
    what is raised in the middle of them into a KeyboardInterrupt or an error of theirs, or swallow it.
    """

    def __init__(self, task: Task, tell: Callable[[Progress], None]) -> None:
        self.task = task
        self._tell = tell
        self._answers: queue.SimpleQueue[Verdict] = queue.SimpleQueue()
        self._is_stopped = False
        self.was_told = False
        """Whether the trial was answered with the stop: what it ends with, other than a result, is owed to that."""
        self.is_broken = False
        """Whether it was broken off."""

    def stop(self) -> None:
        """Have the trial end when it next asks or reports."""
        self._is_stopped = True
        self._answers.put(Verdict.STOP)  # to one that waits for its answer

    def break_off(self) -> NoReturn:
        """End the trial where it stands."""
        self.is_broken = True
        raise Interrupted

    def report(self, reports: tuple[Report, ...]) -> None:
        """Tell of reports; see Line."""
        self._tell(Progress(self.task.number, self.task.attempt, reports))
        if self._is_stopped:
            self.break_off()

    def ask(self, reports: tuple[Report, ...]) -> Verdict:
        """Tell of reports and ask; see Line."""
        if self.was_told and reports:  # it does not listen
            self.report(reports)
        number, attempt = self.task.number, self.task.attempt
        if not self._is_stopped:
            self._tell(Progress(number, attempt, reports, self._answers.put))
            answer = self._answers.get()
        elif reports:
            self._tell(Progress(number, attempt, reports))
        self.was_told = self._is_stopped
        return Verdict.STOP if self.was_told else answer

    def perform(self, objective: Callable[..., Any], draw: Draw | None = None) -> Outcome:
        """Call the objective on the task in a thread of its own; what it prints is kept, what it raises its failure."""
        try:
            with kept(self.task.log):
                return self.ended(perform(objective, self.task, self, draw))  # in no variable: see Inline
        except BaseException as error:  # a KeyboardInterrupt too: the user's goes to the main thread alone
            return self.ended(Outcome.failed(self.task, failure_of(error), error))

    def ended(self, outcome: Outcome) -> Outcome:
        """What the outcome counts as, now that the objective is over."""
        if self.is_broken or (self.was_told and outcome.state not in (TrialState.COMPLETE, TrialState.PAUSED)):
            release(outcome.error)
            return replace(Outcome.stopped(self.task, outcome.reports), attrs=outcome.attrs)
        return outcome
