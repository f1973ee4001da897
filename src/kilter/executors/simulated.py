"""Runs trials in virtual time: what takes hours takes no time, and happens in the same order every time.

For tests of schedulers and races between them. Time moves only inside wait().
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

from kilter.core.actions import Verdict
from kilter.core.errors import InvalidInput, TrialPruned, UnusableResult
from kilter.core.events import Report
from kilter.core.interfaces import Draw, Message, Outcome, Progress, Task
from kilter.core.space import Space
from kilter.executors.machine import check_slots
from kilter.objective.failures import failure_of


@dataclass
class VirtualClock:
    """Tells the seconds that have passed in a simulation; called for the time, as time.time is.

    >>> clock = VirtualClock()
    >>> clock.advance(2.5)
    >>> clock()
    2.5
    """

    now: float = 0.0

    def __call__(self) -> float:
        return self.now

    def advance(self, to: float) -> None:
        """Move on to a time; it never goes back."""
        self.now = max(self.now, to)


@dataclass(frozen=True)
class Simulated:
    """Runs an objective that says how long it would take, at most `slots` trials at a time, by this clock.

    The objective gets the configuration, with the budget of each fidelity, as a dict. It returns (value or metrics,
    seconds); or it is a generator that yields (step, value or metrics, seconds since the report before), and may return
    (value or metrics, seconds), else the last report is its result. A limit given to wait() is in virtual seconds.

    >>> running = Simulated(4, VirtualClock()).start(lambda config: (config["x"] ** 2, 60.0))
    """

    slots: int
    clock: VirtualClock

    def __post_init__(self) -> None:
        check_slots(self.slots, "Simulated")

    def start(
        self, objective: Callable[[dict[str, Any]], Any], space: Space | None = None, draw: Draw | None = None
    ) -> RunningSimulated:
        """Have an objective run in virtual time."""
        return RunningSimulated(objective, self.slots, self.clock)


class RunningSimulated:
    """Runs an objective in virtual time; see Simulated."""

    def __init__(self, objective: Callable[[dict[str, Any]], Any], slots: int, clock: VirtualClock) -> None:
        self.slots = slots
        self._objective = objective
        self._clock = clock
        self._queue: list[tuple[float, int, int, _Run, Message]] = []
        self._running: dict[int, _Run] = {}
        self._scheduled = 0

    def submit(self, task: Task) -> None:
        """Start a task now, in virtual time."""
        if len(self._running) >= self.slots:
            raise InvalidInput(f"all {self.slots} slots are taken: wait for an outcome before the next submit")
        run = self._running[task.number] = _Run(task)
        run.begin(self._objective)
        self._schedule(run)

    def wait(self, timeout: float | None) -> list[Message]:
        """The next message by virtual time, ties by number; time moves to it, or by the timeout where none is due."""
        deadline = None if timeout is None else self._clock() + timeout
        while self._queue:
            due, _, _, run, message = self._queue[0]
            if deadline is not None and due > deadline:
                break
            heapq.heappop(self._queue)
            if run.is_over:
                continue  # stopped since
            self._clock.advance(due)
            self._deliver(run, message)
            return [message]
        if deadline is not None:
            self._clock.advance(deadline)
        return []

    def stop(self, number: int) -> None:
        """End a running trial at the current time."""
        run = self._running.get(number)
        if run is not None and not run.is_over:
            run.is_over = True
            run.close()
            self._push(self._clock(), _Run(run.task), Outcome.stopped(run.task))

    def close(self) -> None:
        """Forget all that runs."""
        for run in self._running.values():
            run.is_over = True
            run.close()
        self._running.clear()
        self._queue.clear()

    def _deliver(self, run: _Run, message: Message) -> None:
        if isinstance(message, Outcome):
            run.is_over = True
            run.close()
            self._running.pop(message.number, None)
        elif message.reply is None:
            self._schedule(run)

    def _schedule(self, run: _Run) -> None:
        seconds, message = run.advance(lambda verdict: self._answered(run, verdict))
        self._push(self._clock() + seconds, run, message)

    def _answered(self, run: _Run, verdict: Verdict) -> None:
        if run.is_over:
            return
        if verdict:
            self._push(self._clock(), run, Outcome.left(run.task, verdict, run.last))
        else:
            self._schedule(run)

    def _push(self, due: float, run: _Run, message: Message) -> None:
        self._scheduled += 1
        heapq.heappush(self._queue, (due, message.number, self._scheduled, run, message))


@dataclass
class _Run:
    """One trial, and the generator that its objective may be."""

    task: Task
    is_over: bool = False
    _steps: Generator[Any, None, Any] | None = None
    _result: Any = None
    _error: BaseException | None = None
    last: dict[str, float] = field(default_factory=dict)
    """The metrics of the last report."""
    _told: set[int] = field(default_factory=set)

    def begin(self, objective: Callable[[dict[str, Any]], Any]) -> None:
        try:
            result = objective({**self.task.problem.space.values(self.task.params), **(self.task.budget or {})})
        except Exception as error:
            self._error = error
            return
        if isinstance(result, Generator):
            self._steps = result
        else:
            self._result = result

    def advance(self, reply: Callable[[Verdict], None]) -> tuple[float, Message]:
        """The next message, and after how many seconds it comes."""
        try:
            if self._error is not None:
                raise self._error
            if self._steps is None:
                return self._end(self._result)
            try:
                step, value, seconds = next(self._steps)
            except StopIteration as end:
                return (0.0, self._outcome(self.last)) if end.value is None else self._end(end.value)
            self.last = self._named(value)
            report = Report(step, self.last)
            self._told.add(step)
            asked = reply if self.task.may_be_stopped else None
            return float(seconds), Progress(self.task.number, self.task.attempt, (report,), asked)
        except TrialPruned:
            return 0.0, Outcome.left(self.task, Verdict.STOP, self.last)
        except Exception as error:
            return 0.0, Outcome.failed(self.task, failure_of(error), error)

    def close(self) -> None:
        if self._steps is not None:
            self._steps.close()

    def _end(self, result: Any) -> tuple[float, Outcome]:
        if not isinstance(result, tuple) or len(result) != 2:
            raise UnusableResult(
                f"the objective returned {result!r}: a simulated one returns (value or metrics, seconds)"
            )
        value, seconds = result
        try:
            return float(seconds), self._outcome(value)
        except InvalidInput as error:  # a bad value still took its time
            return float(seconds), Outcome.failed(self.task, failure_of(error), error)

    def _outcome(self, value: Any) -> Outcome:
        metrics = self.task.problem.metrics(value)
        state, last = self.task.meaning_of(metrics, self._told)
        return Outcome(self.task.number, self.task.attempt, state, metrics, last)

    def _named(self, value: Any) -> dict[str, float]:
        if isinstance(value, Mapping):
            return {str(name): float(number) for name, number in value.items()}
        return {self.task.problem.objectives[0].name: float(value)}
