"""The loop: ask the engine, write, submit, wait, write; until a limit, the sampler or the user says it is enough."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from kilter.analysis.failures import kinds
from kilter.core.actions import Wait
from kilter.core.errors import NAME, PluginFailed, StorageError, StudyAborted
from kilter.core.events import INTERRUPTED, LOST, MISUSE, TrialState
from kilter.core.history import Record
from kilter.core.interfaces import Holding, Message, Outcome, Progress, Running, RunsHere, Stopper
from kilter.core.limits import Limits
from kilter.core.text import one_line
from kilter.engine.asked import asked
from kilter.engine.ending import Ending, EndKind
from kilter.engine.limits import Tally
from kilter.objective.failures import Interruption, release
from kilter.runtime.pace import Lasting, slots_would_wait
from kilter.runtime.session import Session
from kilter.runtime.signals import Alarm, Interrupts
from kilter.runtime.steering import paused_text

log = logging.getLogger("kilter")

TICK = 0.25
"""Seconds between looks at the clock, at signals and at the display while trials run."""

HEARING = 1.0
"""Seconds between looks at what others have written while trials run: what users want of the study is among that."""

SHORT = 1e-3
"""Seconds that are waited at least, lest a clock stand still for the rounding of what is left."""

KILLED = (LOST, "died", "exit")
"""How processes of trials end where whoever ends this one, as a batch system, tells all of them at once."""

STOPPED = "stopped by the user"
TOLD_TO_GO = "told to go; what ran goes on elsewhere, or next time"
ENDED = "the study was stopped"
USED_WRONGLY = "used kilter wrongly"
NOT_CAUGHT = "raised an exception that is not to be caught"


@dataclass
class Loop:
    """One run of a study. `calls` bounds the trials of this run, `limits` those of the study.

    Where `limits.seconds` are over, what runs is cut and put back in the queue, so that a later run goes on with it.
    The other limits, and `stoppers`, only keep trials from being started. `on_end` is called with each trial that
    ended here, `tell` with what its user has to know at once; `catch` are the exceptions that do not end the run.
    """

    session: Session
    executor: Running
    limits: Limits
    calls: int | None = None
    catch: tuple[type[BaseException], ...] = (BaseException,)
    on_end: Callable[[Record], None] | None = None
    on_tick: Callable[[], None] | None = None
    tell: Callable[[str], None] = log.warning
    wants_stop: Callable[[], bool] = lambda: False
    stoppers: Sequence[Stopper] = ()
    holding: Sequence[Holding] = ()
    heeds_from: int | None = None
    """The place in the log from which on what users say is meant for this run; where it stands now, with None."""
    joins: bool = False
    """Whether a total that others ask for is meant for this run, where it has none itself."""

    def __post_init__(self) -> None:
        self.ending: Ending | None = None
        """Why no more trials are started, once there is a reason."""
        self.tally = Tally()
        self._running: dict[int, float] = {}
        """The trials that run here, and since when."""
        self._lasting = Lasting()
        """How long they run."""
        self.begun = 0
        """How many trials were begun here."""
        self._met: set[int] = set()
        """The trials that were begun here, once or more often."""
        self._waits = False
        """Whether the scheduler waits for a trial that runs."""
        self._has_looked = False
        """Whether there was nothing to do, and a look around for trials of the dead."""
        self._error: BaseException | None = None
        self._since = self._heard = self.session.stopwatch()
        self._begins_at = self.session.engine.position if self.heeds_from is None else self.heeds_from
        self._lent = self.session.engine.steering.seconds
        """The seconds that had been added to earlier runs."""
        self._is_paused = False
        """Whether users have been told that the study is paused."""
        self._cut: list[int] = []
        """The trials that were put back because the time was up, or the study was stopped."""
        self._here = self.executor if isinstance(self.executor, RunsHere) else None

    def __call__(self) -> Ending:
        """Run until there is a reason to stop; how it ended."""
        if self._here is not None:
            self._here.on_progress = self._attend
        with Interrupts(self._here is not None, self.session.notice) as self._interrupts:
            self.session.hands_back = lambda: self._interrupts.hands_back
            try:
                self._turn()
            except (KeyboardInterrupt, Interruption) as error:
                # What neither the user nor a signal asked for came out of the objective. That counts like a worker
                # that vanished, or a trial that always does so would wait for ever.
                is_own = self._here is not None and not self._interrupts.stopping
                self._abandon(LOST if is_own else INTERRUPTED, type(error).__name__)
                self._finish()
                raise
            except BaseException as error:
                self._abandon(INTERRUPTED, type(error).__name__)
                self.executor.close()
                raise
            finally:
                if self._here is not None:  # else the session would live until the garbage collector comes by
                    self._here.on_progress = None
                self.session.hands_back = lambda: False
                self.session.drop_ahead()
                self.session.obeys_from = self.session.engine.position
            self._finish()
        if self._error is not None:
            raised = [self._error]
            self._error = None
            raise raised.pop()  # and keep nothing of it: this frame would hold what the objective held
        return replace(self.ending or Ending(EndKind.EXHAUSTED, "done"), cut=tuple(self._cut))

    def _turn(self) -> None:
        while True:
            self.session.recover()
            self._fill()
            if not self._running:
                if not self._waits:
                    return
                time.sleep(TICK)  # for a trial of another worker
                self.session.sync()
            self._take(self._wait())
            self._hear()
            if self._stops:  # what has come already need not be cut
                for _ in range(2 * len(self._running)):  # a report and the end of each
                    self._take(self.executor.wait(0))
            self._look()

    def _hear(self) -> None:
        """Read what others wrote, now and then; who writes often, reads as often."""
        now = self.session.stopwatch()
        if now - self._heard >= HEARING:
            self._heard = now
            self.session.sync()

    def _take(self, messages: list[Message]) -> None:
        for message in messages:
            if isinstance(message, Outcome):
                self._end(message)
            else:
                self.session.progress(message)

    def _wait(self) -> list[Message]:
        """What has happened since; not beyond the time that is left, and an objective in this thread is broken off."""
        left = self._left()
        if self._here is not None and (left < math.inf or self.session.notice > 0):
            with Alarm(self._left, self._stop_all) as alarm:
                self._interrupts.on_notice = alarm.wind
                return self._here.wait(None)
        if self._asks_ahead:
            messages = self.executor.wait(0)
            if messages:  # a result comes first, and then whoever waits for a verdict
                return messages
            self.session.ask_ahead(self._most, self._may_begin, self._may_add)
            left = self._left()
        return self.executor.wait(max(min(TICK, left), SHORT) if left > 0 else TICK)

    @property
    def _asks_ahead(self) -> bool:
        """Whether the sampler is asked before a slot is free."""
        is_open = self.ending is None and self._running
        return bool(is_open and slots_would_wait(self.executor.slots, self.session.thinking, self._lasting))

    def _attend(self, progress: Progress) -> None:
        """Take a report or a question out of the middle of an objective that runs in this thread."""
        self.session.progress(progress)
        self._look()

    def _look(self) -> None:
        if self.on_tick is not None:
            self.on_tick()
        self._obey()

    def _left(self) -> float:
        """Seconds until the time is up, or until trials have had theirs to leave; infinite without such a limit."""
        seconds = self._seconds
        left = math.inf if seconds is None else self._since + seconds - self.session.stopwatch()
        return min(left, self._interrupts.left)

    @property
    def _seconds(self) -> float | None:
        """How long the run may last, with what was added since it began."""
        added = self.session.engine.steering.seconds - self._lent
        return None if self.limits.seconds is None else self.limits.seconds + added

    def _fill(self) -> None:
        """Start trials while there are free slots and no reason to stop."""
        self._waits = False
        self._tell_of_pause()
        while self.ending is None and len(self._running) < self.executor.slots:
            self.ending = self._enough()
            if self.ending is not None:
                return
            held = self._held()
            if held is not None:
                if not self._running:
                    self.ending = Ending(EndKind.LIMIT, held)
                return
            is_new = self._may_begin
            trial = self.session.begin(self._most, is_new, self._may_add)
            if trial is None:
                if self._running:  # one that runs may pause, and go on
                    return
                if is_new and not self._has_looked:
                    self._has_looked = True
                    self.session.recover(at_once=True)
                    continue
                if is_new and self.session.is_in_doubt:
                    self._has_looked, self._waits = False, True
                    return
                done = "1 trial is done" if self.calls == 1 else f"{self.calls} trials are done"
                self.ending = self._nothing_left() if is_new else Ending(EndKind.LIMIT, done)
                return
            if isinstance(trial, Wait):
                self._waits = True
                return
            self._has_looked = False
            self.begun += trial.number not in self._met
            self._met.add(trial.number)
            self._running[trial.number] = self.session.stopwatch()
            self.executor.submit(self.session.task(trial))

    def _tell_of_pause(self) -> None:
        """Say that the study is paused, and that it goes on, each once."""
        is_paused = self.session.engine.steering.is_paused
        if is_paused is not self._is_paused:
            self._is_paused = is_paused
            self.tell(paused_text(self.session) if is_paused else f"{one_line(self.session.name, NAME)} goes on")

    def _enough(self) -> Ending | None:
        called_off = self._called_off()
        if called_off is not None:
            return called_off
        engine, now = self.session.engine, self.session.clock()
        reached = engine.ledger.reached(self.limits, engine.history)
        reached = reached or next(filter(None, (stopper(engine.history, now) for stopper in self.stoppers)), None)
        if reached is None:
            return None
        return Ending(EndKind.LIMIT, reached if isinstance(reached, str) else "a stopper said so")

    def _held(self) -> str | None:
        """Why no trial begins while others run."""
        history = self.session.engine.history
        return next(filter(None, (callback.holds(history) for callback in self.holding)), None)

    def _called_off(self) -> Ending | None:
        """What the user or the clock says, whatever the trials do."""
        if self._interrupts.draining or self.wants_stop():
            return Ending(EndKind.STOPPED, STOPPED if self._interrupts.terminated is None else TOLD_TO_GO)
        if self.session.engine.steering.stopped > self._begins_at:
            return Ending(EndKind.STOPPED, ENDED)
        if self._left() <= 0:
            return Ending(EndKind.TIME, f"the time is up ({self._seconds:g} s)")
        return None

    def _nothing_left(self) -> Ending:
        total, history, steering = self._total, self.session.engine.history, self.session.engine.steering
        if total == 0:
            return Ending(EndKind.LIMIT, "no trials were asked for")
        if self._most is not None and len(history) - steering.begun > self._most:
            has = f"the study has {len(history) - history.forgiven} trials, and {total} were asked for"
            return Ending(EndKind.LIMIT, has)
        if len(history) - steering.begun == self._most:
            added = f" and {steering.begun} that were added" if steering.begun else ""
            return Ending(EndKind.LIMIT, f"the study has its {total} trials{added}")
        plan = self.session.engine.plan()
        reason = plan.reason if isinstance(plan, Wait) else "the sampler has nothing left to try"
        return Ending(EndKind.EXHAUSTED, reason)

    @property
    def _total(self) -> int | None:
        """How many trials the study is to have."""
        is_asked = self.joins and self.limits.trials is None
        return asked(self.session.engine).trials if is_asked else self.limits.trials

    @property
    def _most(self) -> int | None:
        """How many trials the study may have, those that are forgiven included, and without those that were added."""
        total = self._total
        return None if total is None else total + self.session.engine.history.forgiven

    @property
    def _may_begin(self) -> bool:
        """Whether this run may begin another trial of its own."""
        return self.calls is None or self.begun < self.calls

    @property
    def _may_add(self) -> bool:
        """Whether trials that users added are meant for this run: one that counts its own is asked anew each time."""
        return self.calls is None or self.session.engine.steering.granted > self._begins_at

    def _end(self, outcome: Outcome) -> None:
        if self._goes_on_elsewhere(outcome):
            release(outcome.error)
            self._put_back(outcome)
            self._running.pop(outcome.number, None)
            return
        is_misuse = outcome.failure is not None and outcome.failure.kind == MISUSE
        is_caught = outcome.error is None or (isinstance(outcome.error, self.catch) and not is_misuse)
        if is_caught:
            release(outcome.error)
        counts = self.session.end(outcome)
        self._lasting.take(self.session.stopwatch() - self._running[outcome.number])
        del self._running[outcome.number]  # now: where its end could not be written it is to be put back
        trial = self.session.engine.history[outcome.number]
        if counts and trial.state is TrialState.WAITING:
            log.warning("trial %d is tried again: %s", trial.number, trial.failure.message if trial.failure else "")
        elif counts and self.on_end is not None:
            self.on_end(trial)
        if not is_caught:
            self._error = self._error or outcome.error
            why = f"ended, since trial {trial.number} {USED_WRONGLY if is_misuse else NOT_CAUGHT}"
            self.ending = Ending(EndKind.FAILED, why)
        elif counts:
            self.tally.count(trial)
            self._give_up_where_hopeless(trial)

    def _goes_on_elsewhere(self, outcome: Outcome) -> bool:
        """Whether a trial left since this process is to end, or was stopped, or killed by what ends the process too."""
        kind = None if outcome.failure is None else outcome.failure.kind
        is_killed = kind in KILLED and self._interrupts.terminated is not None
        if outcome.state is TrialState.WAITING or is_killed:
            return True
        return kind is not None and self._stops and self._is_owed_to_stop(kind)

    def _is_owed_to_stop(self, kind: str) -> bool:
        """Whether a failure of this kind says only that the trial was stopped.

        What the user broke into in this thread may say it in any words: libraries turn a KeyboardInterrupt into others.
        """
        return kind == "stopped" or (self._here is not None and self._interrupts.stopping)

    def _put_back(self, outcome: Outcome) -> None:
        """Have a trial that was stopped wait to go on, with what it reported."""
        if outcome.reports:
            self.session.progress(Progress(outcome.number, outcome.attempt, outcome.reports))
        if self._interrupts.stopping or self._interrupts.terminated is not None:
            self.session.interrupt(outcome.number, STOPPED, outcome=outcome)
            return
        over = ENDED if self._is_cut else f"the time of the run was up ({self._seconds:g} s)"
        self.session.interrupt(outcome.number, over, outcome=outcome)
        self._cut.append(outcome.number)

    @property
    def _stops(self) -> bool:
        """Whether what runs is to be stopped: the user insists, here or from elsewhere, or the time is up."""
        return self._interrupts.stopping or self._is_cut or self._left() <= 0

    @property
    def _is_cut(self) -> bool:
        """Whether the study was stopped, and what runs is to be broken off."""
        return self.session.engine.steering.cut > self._begins_at

    def _obey(self) -> None:
        """Start nothing more where the user or the clock says so, and stop what runs where that is meant."""
        self.ending = self.ending or self._called_off()
        if self._stops:
            self._stop_all()
        for number in self._running:
            if self.session.engine.history[number].is_finished:  # by an attempt that had been given up too early
                self.executor.stop(number)

    def _stop_all(self) -> None:
        for number in list(self._running):
            self.executor.stop(number)

    def _abandon(self, kind: str, by: str) -> None:
        """Put back what still ran when the run was broken off."""
        for number in self._running:
            self.executor.stop(number)
        for number in self._running:
            with suppress(StorageError, PluginFailed):  # whoever runs the study next finds that this worker is gone
                self.session.interrupt(number, f"the run was broken off by {by}", kind)
        self._running.clear()

    def _finish(self) -> None:
        self.executor.close()
        if self._interrupts.terminated is not None:
            raise self._interrupts.terminated from None
        if self._interrupts.stopping:
            raise KeyboardInterrupt from None  # where in the objective it broke in tells nobody anything

    def _give_up_where_hopeless(self, trial: Record) -> None:
        """End the run with an error once its trials fail so often in the same way that more of them would."""
        if self._error is not None or not self.tally.is_hopeless(self.limits):
            return
        tally, failure = self.tally, trial.failure.line if trial.failure else "no reason"
        row = f"the {'last' if tally.row < tally.failed + tally.succeeded else 'first'} {tally.row} trials all failed"
        many = f"{'the last' if tally.succeeded else 'all'} {tally.unbroken} trials failed"
        is_row = tally.row >= (self.limits.failures or 0) or tally.is_unusable(self.limits)
        self.ending = Ending(EndKind.FAILED, f"given up, since {row if is_row else many}")
        if tally.is_unusable(self.limits) and trial.failure:  # whose message says it all
            self._error = StudyAborted(f"{row}: {trial.failure.message}")
            return
        why = f"{row} with {failure}" if is_row else f"{many} ({kinds(tally.failures)}), the latest with {failure}"
        self._error = StudyAborted(
            f"{why}. Fix the objective and run again; the study keeps these, and trial {trial.number} the traceback"
        )
