"""A study as a fold of its log: hand it every entry in order, and ask it what to do next.

Two engines that were handed the same entries are equal and answer alike, whichever process they live in: nothing here
reads a clock, a file or global chance. An event that is not legal where the trial stands (a late message of a worker
that was given up) changes nothing, on every replica alike.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any

from kilter.core.actions import Judgement, Plan
from kilter.core.errors import IncapableSampler, InvalidInput, LogDamaged
from kilter.core.events import (
    LOST,
    RETRIES,
    Constrained,
    Defined,
    Dropped,
    Ended,
    Enqueued,
    Entry,
    Event,
    Noted,
    Report,
    Reported,
    SpaceExtended,
    Started,
    TrialState,
)
from kilter.core.history import History, Record
from kilter.core.interfaces import Sampler, Scheduler
from kilter.core.kinds import parameter_from_json
from kilter.core.parameter import UNSET, Parameter, Plain
from kilter.core.problem import Constraint, Problem
from kilter.core.seeds import rng
from kilter.core.space import Config, Space
from kilter.engine.lifecycle import is_legal, state_after
from kilter.engine.limits import Ledger


class _Gap(Exception):
    """Something between two events of the log is missing."""


COMPLETIONS = 32
"""Draws that are looked at for a completion of what a user enqueued in part that no trial has had."""


class Engine:
    """Problem, history and the states of sampler and scheduler, up to a position in the log."""

    def __init__(self, problem: Problem, sampler: Sampler, scheduler: Scheduler, seed: int) -> None:
        check_capable(sampler, problem)
        self.sampler = sampler
        self.scheduler = scheduler
        self.seed = seed
        self.history = History(problem)
        self.sampler_state: Any = sampler.start(problem, seed)
        self.scheduler_state: Any = scheduler.start(problem, seed)
        self.ledger = Ledger()
        self.position = 0
        self.attrs: dict[str, Any] = {}
        self.defined: Defined | None = None
        """What the study is of, where a run has said so, and since when."""
        self._problem_json: dict[str, Any] | None = None
        self.damage: str | None = None
        """Where the log could not be read on, once that happened."""

    @property
    def problem(self) -> Problem:
        """The problem with the space as it is now."""
        return self.history.problem

    @property
    def problem_json(self) -> dict[str, Any]:
        """The problem as data; the same object until the space grows."""
        if self._problem_json is None:
            self._problem_json = self.problem.to_json()
        return self._problem_json

    # -- folding --------------------------------------------------------------------------------------------------

    def handle(self, entries: Sequence[Entry]) -> None:
        """Take in entries in the order of the log, which has no gaps.

        Raises LogDamaged where one cannot be taken in; the engine may be half changed then, and takes in no more.
        """
        if self.damage is not None:
            raise LogDamaged(self.damage)
        for position, event in entries:
            try:
                if position != self.position + 1:
                    raise _Gap(f"it follows position {self.position}: what stood between them is gone")
                self._fold(event)
            except Exception as error:  # plug-ins take part in the fold
                why = str(error) if isinstance(error, _Gap) else f"{type(error).__name__}: {error}"
                damaged = LogDamaged.at(position, type(event).__name__.lower(), event.number, why)
                self.damage = str(damaged)
                raise damaged from error
            self.position = position

    def _fold(self, event: Event) -> None:
        number, n = event.number, len(self.history)
        if number is not None and not 0 <= number < n and not (number == n and event.creates):
            raise _Gap(f"the study has {n} trials by then, so the event that began trial {number} is gone or damaged")
        kind = type(event)
        if kind is Ended:
            self._ended(event)  # type: ignore[arg-type]
        elif kind is Started:
            self._started(event)  # type: ignore[arg-type]
        elif kind is Enqueued:
            self._enqueued(event)  # type: ignore[arg-type]
        elif kind is Reported:
            if trial := self._concerned(event):
                self._reported(trial, event.reports)  # type: ignore[union-attr]
        elif kind is Dropped:
            self._dropped(event)  # type: ignore[arg-type]
        elif kind is Defined:
            self._defined(event)  # type: ignore[arg-type]
        elif kind is SpaceExtended:
            self._extended(event.parameters)  # type: ignore[union-attr]
        elif kind is Constrained:
            self._constrained(event)  # type: ignore[arg-type]
        elif kind is Noted:
            if event.number is None:
                self.attrs.update(event.attrs)  # type: ignore[union-attr]
            elif trial := self._trial(event.number):
                trial.attrs.update(event.attrs)  # type: ignore[union-attr]

    def _concerned(self, event: Event) -> Record | None:
        """The trial that a legal event concerns; None where the event comes too late."""
        trial = self._trial(event.number)
        return trial if is_legal(event, trial) else None

    def _trial(self, number: int | None) -> Record | None:
        return self.history[number] if isinstance(number, int) and 0 <= number < len(self.history) else None

    def _enqueued(self, event: Enqueued) -> None:
        if event.number is None or event.number < len(self.history):  # taken
            return
        trial = Record(event.number, TrialState.WAITING, dict(event.params), worker=event.worker, created=event.time)
        trial.enqueued = event.worker is None
        trial.attrs = dict(event.attrs)
        trial.chosen = list(event.params) if trial.enqueued and RETRIES not in trial.attrs else []
        self.history.add(trial)
        self.history.waiting[trial.number] = trial
        if (retried := self._trial(trial.attrs.get(RETRIES))) is not None:
            self._forgive([retried])

    def _defined(self, event: Defined) -> None:
        is_known = bool(event.definition.get("name"))
        if is_known and (self.defined is None or event.definition != self.defined.definition):
            self.defined = replace(event, forgives=False)
        if event.forgives:
            self._forgive(trial for trial in self.history.trials if trial.state is TrialState.FAIL)

    def _forgive(self, trials: Iterable[Record]) -> None:
        """Have failed trials count no more; what was computed from the history before is not used again."""
        forgiven = [trial for trial in trials if trial.state is TrialState.FAIL and not trial.forgiven]
        if forgiven:
            for trial in forgiven:
                trial.forgiven = True
            self.history = copy(self.history)
            self.history.forgiven += len(forgiven)

    def _started(self, event: Started) -> None:
        if event.number == len(self.history) and is_legal(event, None):
            self.history.add(Record(event.number, TrialState.WAITING, {}, created=event.time, parent=event.parent))
        trial = self._concerned(event)
        if trial is None:
            return
        self.history.waiting.pop(trial.number, None)
        if self.history.paused.pop(trial.number, None):
            trial.earlier = trial.seconds
        trial.state = TrialState.RUNNING
        if not trial.params:  # another attempt has the configuration of the first one
            trial.seen = event.seen
        self._configured(trial, event.params)
        trial.attempt, trial.worker, trial.started, trial.ended = event.attempt, event.worker, event.time, None
        trial.budget = None if event.budget is None else dict(event.budget)
        self.history.running[trial.number] = trial
        self.scheduler.started(self.scheduler_state, trial, self.history)

    def _configured(self, trial: Record, params: Mapping[str, Plain]) -> None:
        if trial.params != params:
            self.history.changed(trial.number)
        trial.params = dict(params)  # in any case: 1 and 1.0 are equal, and still not the same

    def _reported(self, trial: Record, reports: tuple[Report, ...]) -> None:
        if not reports:
            return
        before = self.history.reports.furthest.get(trial.number, 0)
        self.history.reports.extend(trial.number, reports)
        self.ledger.steps += self.history.reports.furthest[trial.number] - before
        self.scheduler.reported(self.scheduler_state, trial, reports, self.history)

    def _ended(self, event: Ended) -> None:
        trial = self._concerned(event)
        if trial is None:
            return
        if event.late:
            self._taken_back(trial, event.attempt)
        if event.reports:
            self._reported(trial, event.reports)
        del self.history.running[trial.number]
        is_lost = event.failure is not None and event.failure.kind == LOST
        trial.losses += is_lost
        if not is_lost and trial.started is not None:
            self.ledger.cost += event.time - trial.started
        trial.state = state_after(event, trial.losses)
        trial.failure = event.failure
        if trial.state is TrialState.WAITING:
            trial.worker = None
            self.history.waiting[trial.number] = trial
            self.scheduler.ended(self.scheduler_state, trial, self.history)
            return
        if event.params is not None:
            self._configured(trial, event.params)
        trial.metrics = dict(event.metrics)
        trial.ended = event.time
        if trial.state is TrialState.PAUSED:
            self.history.paused[trial.number] = trial
            self.scheduler.ended(self.scheduler_state, trial, self.history)
        else:
            self._finished(trial)

    def _taken_back(self, trial: Record, attempt: int) -> None:
        """Let an attempt that had been given up be the one that runs; a later one of the trial is so no more."""
        trial.attempt = attempt
        if self.history.waiting.pop(trial.number, None):
            trial.state = TrialState.RUNNING
            self.history.running[trial.number] = trial
            self.scheduler.started(self.scheduler_state, trial, self.history)

    def _dropped(self, event: Dropped) -> None:
        trial = self._concerned(event)
        if trial is not None:
            del self.history.paused[trial.number]
            trial.state = TrialState.PRUNED
            self._finished(trial)

    def _finished(self, trial: Record) -> None:
        self.history.settle(trial)
        self.ledger.count(self.history, trial.number)
        self.scheduler.ended(self.scheduler_state, trial, self.history)
        self.sampler.tell(self.sampler_state, trial)

    def _extended(self, parameters: Mapping[str, Any]) -> None:
        """Grow the space by each parameter that fits it.

        One that contradicts it changes nothing, on every replica alike: two workers may meet one name in different
        ways at the same instant, and the first in the log has it.
        """
        for name, data in parameters.items():
            try:
                space = self.problem.space.extended({name: parameter_from_json(data)})
            except InvalidInput:
                continue
            self.history.problem = self.problem.with_space(space)
        self._problem_json = None

    def _constrained(self, event: Constrained) -> None:
        """Take in constraints that are new, and have the sampler learn anew what it knew without them."""
        known = {constraint.metric for constraint in self.problem.constraints}
        new = [Constraint(*constraint) for constraint in event.constraints if constraint[0] not in known]
        if not new:
            return
        problem = replace(self.problem, constraints=(*self.problem.constraints, *new))
        self.history = self.history.under(problem)
        self._problem_json = None
        self.ledger.rank_anew(self.history)
        self.sampler_state = self.sampler.start(problem, self.seed)
        for number in self.history.finished:
            self.sampler.tell(self.sampler_state, self.history[number])

    def recall(self, space: Space) -> None:
        """Take the objects that the log knows by name only from a space that has them."""
        self.history.problem = self.problem.with_space(self.problem.space.recalled(space))
        self._problem_json = None

    def recall_met(self, met: Mapping[str, Parameter]) -> None:
        """The same from parameters as a trial met them; what the log has not, they do not add."""
        space = self.problem.space
        unknown = [name for name in space.nameless if name in met and space[name].covers(met[name])]
        if unknown:
            self.recall(Space({name: replace(met[name].under(()), default=UNSET, prior=None) for name in unknown}))

    # -- asking ---------------------------------------------------------------------------------------------------

    def claimable(self, busy: Container[int] = ()) -> Record | None:
        """The first waiting trial but those of these numbers, of which the worker still runs an earlier attempt."""
        return next((trial for trial in self.history.waiting.values() if trial.number not in busy), None)

    def runs(self, number: int, attempt: int) -> bool:
        """Whether this attempt at a trial is the one that runs; any other one was given up, or has ended."""
        return number in self.history.running and self.history[number].attempt == attempt

    def propose(self, number: int) -> Config | None:
        """The whole configuration of a trial: what was enqueued or started before, and the sampler's word on the rest.

        None where the sampler has nothing left to try.
        """
        known: Config = self.history[number].params if number < len(self.history) else {}
        space = self.problem.space
        if known and all(name in known or not space.is_active(name, known) for name in space.names):
            return dict(known)
        config = self.sampler.ask(self.sampler_state, self.history, number)
        if config is None and known:
            config = self._allowed(number, {n: v for n, v in known.items() if n in space})
        if config is None or not known:
            return config
        fitting = {n: v for n, v in known.items() if n in space}
        completed = space.from_uniforms([0.5] * len(space), {**config, **fitting})
        if space.is_forbidden(completed) or self._has(completed):
            completed = self._allowed(number, fitting) or completed
        return {**completed, **{n: v for n, v in known.items() if n not in space}}

    def _allowed(self, number: int, known: Config) -> Config | None:
        """A random completion that no trial has had, if a few draws find one; None where nothing is allowed."""
        stream = rng(self.seed, "completion", number)
        try:
            drawn = [self.problem.space.draw(stream, known)]
            while self._has(drawn[-1]) and len(drawn) < COMPLETIONS:
                drawn.append(self.problem.space.draw(stream, known))
        except InvalidInput:
            return None
        return drawn[0] if self._has(drawn[-1]) else drawn[-1]

    def _has(self, config: Config) -> bool:
        """Whether some trial has had a configuration."""
        return any(trial.params == config for trial in self.history)

    def plan(self) -> Plan:
        """What the scheduler would have a free worker do."""
        return self.scheduler.plan(self.scheduler_state, self.history)

    def judge(self, number: int) -> Judgement:
        """Whether a running trial should end or pause now. Ask of the attempt that runs only: see `runs`."""
        return self.scheduler.judge(self.scheduler_state, self.history[number], self.history)


def check_capable(sampler: Sampler, problem: Problem) -> None:
    """Raise IncapableSampler where the problem needs what the sampler cannot do."""
    able, name = sampler.capabilities, type(sampler).__name__
    lacks = None
    if len(problem.objectives) > able.objectives:
        lacks = f"{able.objectives} objective(s); this problem has {len(problem.objectives)}"
    elif problem.constraints and not able.constraints:
        lacks = f"no constraints; this problem has {len(problem.constraints)}"
    elif not problem.space.is_flat and not able.conditions:
        lacks = "no conditional parameters; this space has some"
    elif not able.infinite and problem.space.size == float("inf"):
        lacks = "finite spaces only; this one has continuous parameters"
    if lacks:
        raise IncapableSampler(f"{name} handles {lacks}: use sampler='auto'")
