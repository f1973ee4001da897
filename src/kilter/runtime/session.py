"""A worker at work on a study: what it begins, what its trials tell, how they end."""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from kilter.core.actions import Pause, Verdict, Wait
from kilter.core.errors import InvalidInput, StorageError
from kilter.core.events import (
    ELSEWHERE,
    INTERRUPTED,
    LOST,
    Constrained,
    Dropped,
    Ended,
    Event,
    Failure,
    Noted,
    Reported,
    SpaceExtended,
    Started,
    TrialState,
)
from kilter.core.history import Record
from kilter.core.interfaces import CheckpointStore, Outcome, Progress, Storage, Task
from kilter.core.problem import SET, Problem
from kilter.engine.engine import Engine
from kilter.engine.next import is_drawn, next_event, under_next_number
from kilter.objective.place import CHECKPOINT, left
from kilter.runtime.blas import single_threaded
from kilter.runtime.checkpoints import Checkpoints
from kilter.runtime.kept import note_place, to_work_in
from kilter.runtime.leases import LEASE_SECONDS
from kilter.runtime.log import Log
from kilter.runtime.notices import notice
from kilter.runtime.pace import Lasting
from kilter.runtime.presence import Presence

log = logging.getLogger("kilter")

LONGEST_WAY = 0.1
"""Seconds that a worker waits at most for others who take numbers of trials."""

_chance = random.SystemRandom()
"""For waits alone: neither the study's nor that of the program, which an objective may have seeded for its own use."""

ROUNDS = 3
"""How often a worker asks its sampler for one trial, where others begin theirs meanwhile."""

KEPT = 10
"""Complete trials, the best ones, whose checkpoints stay."""


class Session(Log[Engine]):
    """A worker at work on a study: it begins trials, hands on what they report, and writes how they end."""

    def __init__(
        self,
        storage: Storage,
        study: int,
        engine: Engine,
        clock: Callable[[], float],
        lease: float | None = LEASE_SECONDS,
        keep_checkpoints: int = KEPT,
        checkpoints: str | os.PathLike[str] | CheckpointStore | None = None,
        worker: str | None = None,
        notice: float = 0.0,
    ) -> None:
        super().__init__(storage, study, engine)
        self.presence = Presence(storage, study, lease, worker)
        self.notice = notice
        """Seconds that trials get to save and leave, once this process is to end."""
        self.hands_back: Callable[[], bool] = lambda: False
        """Whether that time has come: trials that ask are told to leave."""
        self.clock = clock
        self.stopwatch = time.monotonic if clock is time.time else clock
        """The seconds between two looks at this are those that passed, also where the time of day jumps."""
        self._keep_checkpoints = keep_checkpoints
        self._kept_in = checkpoints
        self._checkpoints: Checkpoints | None = None
        self._open: dict[int, int] = {}
        """The attempts that were begun here and have not ended here, by trial."""
        self.obeys_from = engine.position
        """The place in the log from which on a stop is meant for who asks here for a trial, outside of a run."""
        self._ahead: tuple[Problem, Started] | None = None
        """The start of a trial that the sampler was asked for ahead, and the problem as it was then."""
        self.thinking = Lasting()
        """For how long it is asked what to do next."""
        self.finishing: Callable[[Outcome], Outcome] = lambda outcome: outcome
        """What is still to be done for a trial that has ended, before that is written."""

    @property
    def engine(self) -> Engine:
        """The replica, which is asked what to do next."""
        return self.replica

    @property
    def settings(self) -> dict[str, Any]:
        """What this handle on the study was made with, to make another one."""
        return {
            "lease": self.presence.seconds,
            "keep_checkpoints": self._keep_checkpoints,
            "checkpoints": self._kept_in,
            "clock": self.clock,
            "worker": self.presence.name,
            "notice": self.notice,
        }

    def rest(self) -> None:
        """Have the lease given back in a while, where nothing that was begun here is open by then."""
        if not self._open:
            self.presence.rest()

    def leave(self) -> None:
        """Give the lease back where nothing that was begun here is open."""
        if not self._open:
            self.close()

    def close(self) -> None:
        """Give the lease back; trials that still run here are then free for others."""
        self.presence.leave()
        if self._open:  # a lease that is taken later is not theirs
            self._be_another()
        if self._checkpoints is not None:
            self._retain()

    def _be_another(self) -> None:
        """Begin anew as a worker without trials."""
        self.presence = Presence(self.storage, self.study, self.presence.seconds, self.presence.name)
        self._open, self._ahead = {}, None

    # -- beginning ------------------------------------------------------------------------------------------------

    def begin(
        self, limit: int | None = None, is_new: bool = True, may_add: bool = False, worker: str | None = None
    ) -> Record | Wait | None:
        """Start an attempt: at a trial that lost its worker, else at what the scheduler plans.

        It is for this worker, or for another one, elsewhere, which holds a lease of its own.

        None where there is nothing to do, for `limit` bounds the number of trials, and with `is_new` False only those
        go on that have begun; with `may_add` those that a user has added begin beyond that. Wait where something that
        runs has to end first, and in a study that is paused.

        The number of a new trial is taken by writing its start, with its configuration. Where another worker was
        faster the sampler is asked again, since it knows more now. Who was slower ROUNDS times takes the next number
        with what it has, unless somebody has begun just that.
        """
        if self.presence.is_of_a_parent:  # whose trials are its own
            self._be_another()
        with self.lock:
            _ = self.checkpoints  # raises where their URL cannot be reached: better before anything has begun
            self.presence.hold()
            self.recover()
            refusals, kept, again = 0, None, self._taken_ahead(limit, is_new)
            while True:
                event = again or self._next_event(limit, is_new, may_add)
                if not isinstance(event, (Started, Dropped)):
                    return event
                if worker is not None and isinstance(event, Started):
                    event = replace(event, worker=worker)
                asked = time.perf_counter()
                if trial := self._begun(event, self._most(event, limit)):
                    if worker is None:
                        self._open[trial.number] = trial.attempt
                    return trial
                if again is None:
                    kept = event if refusals >= ROUNDS and isinstance(event, Started) else None
                refusals += 1
                _give_way(refusals, time.perf_counter() - asked)
                again = kept and under_next_number(kept, self.engine, limit, self._open)

    def ask_ahead(self, limit: int | None = None, is_new: bool = True, may_add: bool = False) -> None:
        """Have the sampler choose for a new trial that `begin` is to start later, within the same bounds.

        There is one such choice at a time. It rests on the log up to here, as the trial will tell by `seen`; where it
        no longer fits when a slot is free, the sampler is asked again. So it would be where others work on the study:
        they begin trials in between, or choose nearly the same, ahead as well. Then nothing is chosen.
        """
        with self.lock:
            if self._ahead is None and self.engine.claimable() is None and self._is_alone:
                event = self._next_event(limit, is_new, may_add)
                if isinstance(event, Started) and event.fresh and is_drawn(event, self.engine.history):
                    self._ahead = self.engine.problem, event

    def drop_ahead(self) -> None:
        """Forget what was chosen ahead: nobody begins it."""
        self._ahead = None

    @property
    def _is_alone(self) -> bool:
        """Whether all trials that run do so here."""
        return all(trial.worker == self.presence.worker.id for trial in self.engine.history.running.values())

    def _taken_ahead(self, limit: int | None, is_new: bool) -> Started | None:
        """The start that was made ahead, as of now, where it would still be next."""
        ahead, self._ahead = self._ahead, None
        if ahead is None or not is_new:
            return None
        problem, start = ahead
        if problem is not self.engine.problem or start.number != len(self.engine.history):
            return None
        start_now = under_next_number(start, self.engine, limit, self._open)
        return start_now and replace(start_now, time=self.clock())

    def _most(self, event: Started | Dropped, limit: int | None) -> int | None:
        """How many trials there may be for this one to begin."""
        if limit is None or (isinstance(event, Started) and event.granted):
            return None
        return limit + self.engine.steering.begun

    def _next_event(self, limit: int | None, is_new: bool, may_add: bool) -> Started | Dropped | Wait | None:
        worker, now, begun = self.presence.worker.id, self.clock(), self.stopwatch()
        with single_threaded():
            event = next_event(self.engine, worker, now, busy=self._open, limit=limit, is_new=is_new, may_add=may_add)
        self.thinking.take(self.stopwatch() - begun)
        return event

    def add(self, params: Mapping[str, Any], now: float) -> int:
        """Start a trial that was run elsewhere, so that its end can be told; its number."""
        with self.lock:
            while True:
                start = Started(len(self.engine.history), 1, params, self.presence.worker.id, ELSEWHERE, now)
                if self._is_written(start):
                    return start.number

    def _begun(self, event: Started | Dropped, limit: int | None) -> Record | None:
        """The trial whose start was written, and was legal where it stands; None where others were faster."""
        distinct = isinstance(event, Started) and is_drawn(event, self.engine.history)
        if not self._is_written(event, limit, distinct) or isinstance(event, Dropped):
            return None
        trial = self.engine.history[event.number]
        return trial if (trial.attempt, trial.worker) == (event.attempt, event.worker) else None

    def _is_written(self, event: Started | Dropped, limit: int | None = None, distinct: bool = False) -> bool:
        """Whether an event was written that another worker may have been faster with."""
        before = self.engine.position
        refused = self.write(event, limit=limit, distinct=distinct)
        if refused and self.engine.position == before:  # by nobody: the same again would be refused for ever
            name = self.name
            raise StorageError(
                f"the start of trial {event.number} of {name!r} was refused, though nobody else has begun it: the log "
                f"may be damaged: `{self.command('check')}` looks it over"
            )
        return not refused

    def task(self, trial: Record) -> Task:
        """What an executor needs to run a trial that has begun."""
        engine = self.engine
        return Task(
            number=trial.number,
            attempt=trial.attempt,
            params=trial.params,
            problem=engine.problem,
            seed=engine.seed,
            directory=None,
            may_be_stopped=self._is_judged(trial) or self.notice > 0,
            attrs={name: value for name, value in trial.attrs.items() if not name.startswith(CHECKPOINT)},
            budget=trial.budget,
            parent=trial.parent,
            started=trial.started,
            log=self.checkpoints.store.log(trial.number),
            chosen=tuple(trial.chosen),
            store=self.checkpoints.store,
            sources=self.checkpoints.prepare(trial, engine.history),
        )

    def _is_judged(self, trial: Record) -> bool:
        return self.engine.scheduler.judges and trial.judged

    @property
    def checkpoints(self) -> Checkpoints:
        """What trials keep."""
        if self._checkpoints is None:
            self._checkpoints = Checkpoints(to_work_in(self._kept_in, self))
        return self._checkpoints

    def note_place(self) -> None:
        """Have the study know where its user said that it keeps what trials save."""
        note_place(self._kept_in, self, self.clock())

    def recover(self, at_once: bool = False) -> list[int]:
        """End the attempts of workers that vanished; the numbers of their trials. See Presence.recover."""
        return self.presence.recover(self, self.clock, at_once)

    @property
    def is_in_doubt(self) -> bool:
        """Whether something runs on a worker that may have vanished, which a later look will tell."""
        doubted = self.presence.doubted
        return bool(doubted) and any(trial.worker in doubted for trial in self.engine.history.running.values())

    # -- going on and ending --------------------------------------------------------------------------------------

    def progress(self, progress: Progress) -> None:
        """Write reports of an attempt, and answer whether it should stop; one that was given up should, at once."""
        number, attempt = progress.number, progress.attempt
        with self.lock:
            if progress.reports and self.engine.runs(number, attempt):
                self.write(Reported(number, attempt, progress.reports, self.clock()))
                self.checkpoints.say_where()
            elif progress.reply is not None:
                self.sync()
            if progress.reply is not None:
                progress.reply(self._judged(number, attempt))

    def verdict(self, number: int, attempt: int) -> Verdict:
        """Whether an attempt should go on, end or pause."""
        with self.lock:
            self.sync()
            return self._judged(number, attempt)

    def _judged(self, number: int, attempt: int) -> Verdict:
        if not self.engine.runs(number, attempt):  # no scheduler knows of it
            return Verdict.STOP
        is_judged = self._is_judged(self.engine.history[number])
        judgement = self.engine.judge(number) if is_judged else None
        if judgement is None:
            return Verdict.LEAVE if self.hands_back() else Verdict.CONTINUE
        return Verdict.PAUSE if isinstance(judgement, Pause) else Verdict.STOP

    def end(self, outcome: Outcome) -> bool:
        """Write how an attempt ended; False where the trial had been given to another worker who was faster."""
        for message in outcome.notices:
            notice(message)
        outcome = self._with_what_is_left(self.finishing(outcome))
        now, told = self.clock(), {f"{SET}{name}": value for name, value in outcome.constraints.items()}
        self.constrain(told)
        ended = Ended(
            outcome.number,
            outcome.attempt,
            outcome.state,
            {**outcome.metrics, **told},
            now,
            outcome.reports,
            outcome.params,
            outcome.failure,
        )
        with self.lock:
            refused = self.write(*_met(outcome, now), ended)
            if self._open.get(outcome.number) == outcome.attempt:
                del self._open[outcome.number]
            self.engine.recall_met(outcome.met)
            counts = self._counts(ended, ended not in refused)
            self._retain()
            return counts

    def _with_what_is_left(self, outcome: Outcome) -> Outcome:
        """With the seal of what the attempt has left, where it ended before it could keep that itself."""
        failure, place = outcome.failure, (outcome.number, outcome.attempt)
        if f"{CHECKPOINT}{outcome.attempt}" in outcome.attrs or (failure is not None and failure.kind != LOST):
            return outcome
        return replace(outcome, attrs={**outcome.attrs, **left(self.checkpoints.store, *place)})

    def _counts(self, ended: Ended, is_in_time: bool) -> bool:
        """Whether an end is that of its trial; one of an attempt that had been given up is written as a late one."""
        trial = self.engine.history[ended.number]
        if trial.attempt == ended.attempt and (is_in_time or trial.metrics == ended.metrics):
            return True  # where it was not in time it was told twice: a first answer was lost on its way
        self.write(replace(ended, late=True, counts=True))
        counts = trial.attempt == ended.attempt and trial.state is TrialState.COMPLETE
        late = "had been given up; its result came in time to count"
        lost = "was given up; its result comes too late to count, and is kept"
        log.warning("trial %d: this worker %s", ended.number, late if counts else lost)
        return counts

    def constrain(self, metrics: Iterable[str]) -> None:
        """Let the study know of constraints that trials set themselves, by the names of their metrics."""
        known = {constraint.metric for constraint in self.engine.problem.constraints}
        new = tuple((metric, "<=", 0.0) for metric in metrics if metric not in known)
        if new:
            self.write(Constrained(new, self.clock()))

    def interrupt(self, number: int, reason: str, kind: str = INTERRUPTED, outcome: Outcome | None = None) -> None:
        """Break off a trial of ours and put it back in the queue, with what it has noted; as LOST, only so often."""
        attempt = self._open.pop(number, self.engine.history[number].attempt)
        broken = Outcome(number, attempt, TrialState.FAIL, {}, attrs=outcome.attrs if outcome else {})
        broken, now = self._with_what_is_left(broken), self.clock()
        ended = Ended(number, attempt, TrialState.FAIL, {}, now, failure=Failure(kind, reason))
        self.write(*_met(broken, now), ended)

    def _retain(self) -> None:
        with self.lock:
            self.checkpoints.retain(self.engine.history, self._keep_checkpoints)

    def note(self, number: int | None, attrs: Mapping[str, Any]) -> None:
        """Keep attributes with a trial or, with None, with the study."""
        self.write(Noted(number, attrs, self.clock()))


def _give_way(refusals: int, took: float) -> None:
    """Wait for as long as some tries take, so that those who want the same number do not all come for the next one.

    With eight workers who do nothing else, a start in a database is written at the second try and not at the fourth.
    """
    time.sleep(min(_chance.uniform(0, refusals) * took, LONGEST_WAY))


def _met(outcome: Outcome, now: float) -> Iterator[Event]:
    """What an attempt met and noted, to be written before its end."""
    if outcome.extensions:
        yield SpaceExtended(outcome.extensions, now)
    if outcome.attrs:
        yield Noted(outcome.number, outcome.attrs, now)


def check_objects(engine: Engine) -> None:
    """Raise InvalidInput where options are objects that this process knows by name only."""
    nameless = engine.problem.space.nameless
    if nameless:
        raise InvalidInput(
            f"the options of {', '.join(map(repr, nameless))} are objects of which the log keeps only the names: "
            f"pass the space again, load_study(..., space=space)"
        )
