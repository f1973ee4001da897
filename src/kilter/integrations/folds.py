"""Runs trials fold by fold on somebody's pool of workers: a worker's unit of work is one fold of one candidate.

A free worker first takes a fold of the candidate that has the fewest under way. So as long as there are candidates to
come, each has one worker and its folds come in order, which is what a race needs; at the end, workers that nobody
needs otherwise help with the folds that are left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from math import fsum, isfinite
from typing import Any

from kilter.core.actions import Verdict
from kilter.core.attributes import confirmed_by, known_parts
from kilter.core.events import Failure, Report, TrialState
from kilter.core.interfaces import STOPPED, Message, Outcome, Progress, Task
from kilter.objective.failures import failure_of

SCORE = "score"
"""The metric that is the study's objective."""

Metrics = Mapping[str, float]


@dataclass(eq=False)
class _Running:
    """A candidate under way."""

    task: Task
    params: dict[str, Any]
    scores: dict[Any, float]
    """By fold."""
    folds: int
    """How many are wanted."""
    left: list[int]
    """Those that nobody has begun."""
    reports: list[Report] = field(default_factory=list)
    """Those that were not sent."""
    errors: dict[str, str] = field(default_factory=dict)
    """Of folds whose fit failed."""

    @property
    def mean(self) -> float:
        """Of the scores that there are."""
        return fsum(self.scores.values()) / len(self.scores)


class Folds:
    """An executor of `slots` folds at a time.

    `begin(number, params, fold)` starts a fold somewhere; `read(result)` gives its metrics, SCORE among them, and the
    error where it failed but counts nevertheless. `folds(task)` says how many of the folds a trial is scored on, from
    the first on, and `known(number)` gives the metrics of those that a trial was scored on, by earlier attempts: a
    trial that confirms another one has them from there. A trial whose mean score is not finite has failed.
    """

    def __init__(
        self,
        begin: Callable[[int, dict[str, Any], int], Future[Any]],
        slots: int,
        folds: Callable[[Task], int],
        params: Callable[[dict[str, Any]], dict[str, Any]],
        read: Callable[[Any], tuple[Metrics, str | None]],
        known: Callable[[int], Mapping[Any, Metrics]],
    ) -> None:
        self.slots = slots
        self._begin = begin
        self._folds = folds
        self._params = params
        self._read = read
        self._known = known
        self._running: dict[int, _Running] = {}
        self._begun: dict[Future[Any], tuple[_Running, int]] = {}
        self._messages: list[Message] = []

    def submit(self, task: Task) -> None:
        """Take in a candidate; its folds begin when `wait` is called."""
        own, taken, count = self._known(task.number), self._taken(task), self._folds(task)
        known = {fold: metrics[SCORE] for fold, metrics in {**taken, **own}.items()}
        left = [fold for fold in range(count) if fold not in known]
        running = self._running[task.number] = _Running(task, self._params(task.params), known, count, left)
        running.reports += [Report(0, dict(metrics), fold) for fold, metrics in taken.items() if fold not in own]
        if not left:
            self._complete(running)

    def _taken(self, task: Task) -> Mapping[Any, Metrics]:
        """What need not be measured again, since it is known from the trial that this one confirms."""
        folds, earlier = {fold for fold, _ in known_parts(task.attrs)}, confirmed_by(task.attrs, task.number)
        of = self._known(earlier) if folds and earlier is not None else {}
        return {fold: metrics for fold, metrics in of.items() if fold in folds}

    def wait(self, timeout: float | None) -> list[Message]:
        """Begin folds where workers are free, and say what has happened since."""
        if not self._messages and timeout != 0:
            self._fill()
        done, _ = wait(self._begun, 0 if self._messages else timeout, FIRST_COMPLETED)
        for future in done:
            running, fold = self._begun.pop(future)
            if self._running.get(running.task.number) is running:  # else it has left
                self._take(running, fold, future)
        messages, self._messages = self._messages, []
        return messages

    def stop(self, number: int) -> None:
        """End a candidate at once; what its folds come to is not asked any more."""
        if number in self._running:
            running = self._running[number]
            self._end(running, TrialState.FAIL, {}, STOPPED)

    def close(self) -> None:
        """Begin nothing more; what runs is its pool's to end."""
        self._running.clear()
        for future in [future for future in self._begun if future.cancel() or future.done()]:
            del self._begun[future]

    @property
    def are_running(self) -> bool:
        """Whether folds are still under way, of candidates that have left or after the end."""
        return bool(self._begun)

    def _fill(self) -> None:
        while len(self._begun) < self.slots:
            waiting = [running for running in self._running.values() if running.left]
            if not waiting:
                return
            under_way = [running for running, _ in self._begun.values()]
            running = min(waiting, key=lambda one: (under_way.count(one), one.task.number))
            fold = running.left.pop(0)
            self._begun[self._begin(running.task.number, running.params, fold)] = running, fold

    def _take(self, running: _Running, fold: int, future: Future[Any]) -> None:
        error = future.exception()
        if error is not None:
            self._end(running, TrialState.FAIL, {}, failure_of(error), error)
            return
        metrics, failure = self._read(future.result())
        running.scores[fold] = metrics[SCORE]
        running.reports.append(Report(0, dict(metrics), fold))
        if failure is not None:
            running.errors[str(fold)] = failure
        is_done = len(running.scores) == running.folds
        if running.task.may_be_stopped:
            done = len(running.scores)
            if set(range(done)) == running.scores.keys():  # the same folds as of any other at this step
                running.reports.append(Report(done, {SCORE: running.mean}))
            if not is_done:
                task, reports = running.task, tuple(running.reports)
                running.reports.clear()
                self._messages.append(
                    Progress(task.number, task.attempt, reports, lambda verdict: self._obey(running, verdict))
                )
        if is_done:
            self._complete(running)

    def _obey(self, running: _Running, verdict: Verdict) -> None:
        if verdict and self._running.get(running.task.number) is running:
            self._end(running, verdict.ends_as, {SCORE: running.mean})

    def _complete(self, running: _Running) -> None:
        if isfinite(running.mean):
            self._end(running, TrialState.COMPLETE, {SCORE: running.mean})
            return
        count = len(running.errors)
        text = f"{count} of {running.folds} fits failed" if count else f"the mean score is {running.mean}"
        self._end(running, TrialState.FAIL, {}, Failure("score", text, "\n".join(running.errors.values())))

    def _end(
        self,
        running: _Running,
        state: TrialState,
        metrics: dict[str, float],
        failure: Failure | None = None,
        error: BaseException | None = None,
    ) -> None:
        task = running.task
        del self._running[task.number]
        attrs = {"fit_errors": running.errors} if running.errors else {}
        self._messages.append(
            Outcome(
                task.number,
                task.attempt,
                state,
                metrics,
                tuple(running.reports),
                attrs=attrs,
                failure=failure,
                error=error,
            )
        )
