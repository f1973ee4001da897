"""The loop: ask the engine, write, submit, wait, write; until a limit, the sampler or the user says it is enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kilter.core.errors import StudyAborted
from kilter.core.history import Trial
from kilter.core.interfaces import Executor, Outcome
from kilter.engine.limits import Limits
from kilter.executors.inline import Inline
from kilter.runtime.session import Session
from kilter.runtime.signals import Interrupts, Terminated

TICK = 0.25
"""Seconds between looks at the clock, at signals and at the display while trials run."""


@dataclass
class Run:
    """One run of the loop. `calls` bounds the trials of this run, `limits` those of the study.

    `on_end` is called with each trial that ended here; `catch` are the exceptions that do not end the run.
    """

    session: Session
    executor: Executor
    limits: Limits
    calls: int | None = None
    catch: tuple[type[BaseException], ...] = (Exception,)
    on_end: Callable[[Trial], None] | None = None
    on_tick: Callable[[], None] | None = None
    wants_stop: Callable[[], bool] = lambda: False

    def __post_init__(self) -> None:
        self.reason: str | None = None
        self._running: set[int] = set()
        self._begun = 0
        self._error: BaseException | None = None
        self._since = self.session.clock()

    def __call__(self) -> str:
        """Run until there is a reason to stop; the reason."""
        with Interrupts(isinstance(self.executor, Inline)) as self._interrupts:
            try:
                self._turn()
            except (KeyboardInterrupt, Terminated):
                self._abandon()
                self._finish()
                raise
            except BaseException:
                self._abandon()
                self.executor.close()
                raise
            self._finish()
        if self._error is not None:
            raise self._error
        if self.reason is None:
            self.reason = "done"
        self._check_hopeless()
        return self.reason

    def _turn(self) -> None:
        while True:
            self.session.recover()
            self._fill()
            if not self._running:
                return
            for message in self.executor.wait(TICK):
                if isinstance(message, Outcome):
                    self._end(message)
                else:
                    self.session.progress(message)
            if self.on_tick is not None:
                self.on_tick()
            self._obey()

    def _fill(self) -> None:
        """Start trials while there are free slots and no reason to stop."""
        while self.reason is None and len(self._running) < self.executor.slots:
            self.reason = self._enough()
            if self.reason is not None:
                return
            trial = self.session.begin(self.limits.trials)
            if trial is None:
                self.reason = self._nothing_left()
                return
            self._begun += 1
            self._running.add(trial.number)
            self.executor.submit(self.session.task(trial))

    def _enough(self) -> str | None:
        called_off = self._called_off()
        if called_off is not None:
            return called_off
        if self.calls is not None and self._begun >= self.calls:
            return f"{self.calls} trials are done"
        engine = self.session.engine
        if engine.ledger.hopeless(self.limits, engine.history):
            return "every trial failed"
        return engine.ledger.reached(self.limits, engine.history)

    def _called_off(self) -> str | None:
        """What the user or the clock says, whatever the trials do."""
        if self._interrupts.draining or self.wants_stop():
            return "stopped by the user"
        if self.limits.seconds is not None and self.session.clock() - self._since >= self.limits.seconds:
            return f"the time is up ({self.limits.seconds:g} s)"
        return None

    def _nothing_left(self) -> str:
        total = self.limits.trials
        if total is not None and len(self.session.engine.history) >= total:
            return f"the study has its {total} trials"
        return "the sampler has nothing left to try"

    def _end(self, outcome: Outcome) -> None:
        self._running.discard(outcome.number)
        if outcome.failure is not None and outcome.failure.kind == "stopped" and self._interrupts.stopping:
            self.session.interrupt(outcome.number, "stopped by the user")
            return
        self.session.end(outcome)
        if self.on_end is not None:
            self.on_end(self.session.engine.history[outcome.number])
        if outcome.error is not None and not isinstance(outcome.error, self.catch):
            self._error = outcome.error
            self.reason = "the objective raised an exception that is not to be caught"

    def _obey(self) -> None:
        """Start nothing more where the user or the clock says so; stop what runs where the user insists."""
        if self.reason is None:
            self.reason = self._called_off()
        if self._interrupts.stopping:
            for number in list(self._running):
                self.executor.stop(number)

    def _abandon(self) -> None:
        """Put back what still ran when the run was broken off."""
        for number in list(self._running):
            self.executor.stop(number)
            self.session.interrupt(number, "the run was broken off")
        self._running.clear()

    def _finish(self) -> None:
        self.executor.close()
        if self._interrupts.terminated:
            raise Terminated
        if self._interrupts.stopping:
            raise KeyboardInterrupt

    def _check_hopeless(self) -> None:
        engine = self.session.engine
        if self._begun and engine.ledger.hopeless(self.limits, engine.history):
            trial = engine.history[engine.history.finished[-1]]
            failure = trial.failure
            kind, message = (failure.kind, failure.message) if failure else ("", "")
            raise StudyAborted(
                f"the first {engine.ledger.same_failures} trials all failed with {kind}: {message}. "
                f"Mend the objective and run again; the study keeps these, and trial {trial.number} the traceback"
            )
