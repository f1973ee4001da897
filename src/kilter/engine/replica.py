"""A study as a fold of its log: hand it every entry in order, and it has the trials, the attributes and the space.

This is all that looking at a study needs: no sampler, no scheduler, no objective. Two replicas that were handed the
same entries are equal, whichever process they live in: nothing here reads a clock, a file or global chance. An event
that is not legal where the trial stands (a late message of a worker that was given up) changes nothing, on every
replica alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any

from kilter.core.attributes import CONFIRMS, KNOWN
from kilter.core.errors import InvalidInput, KilterError, LogDamaged, PluginFailed, UnknownName
from kilter.core.events import (
    INVALIDATED,
    LOST,
    NOTE,
    RETRIES,
    TAG,
    Constrained,
    Controlled,
    Defined,
    Dropped,
    Ended,
    Enqueued,
    Entry,
    Event,
    Failure,
    Granted,
    Invalidated,
    Noted,
    Recalled,
    Report,
    Reported,
    SpaceExtended,
    Started,
    TrialState,
)
from kilter.core.history import History, Record
from kilter.core.kinds import parameter_from_json
from kilter.core.parameter import UNSET, Parameter, Plain
from kilter.core.problem import Constraint, Problem
from kilter.core.space import Space
from kilter.engine.lifecycle import is_legal, state_after
from kilter.engine.limits import Ledger
from kilter.engine.steering import Steering


class _Gap(Exception):
    """Something between two events of the log is missing."""


class Replica:
    """Problem, trials and attributes of a study, up to a position in its log."""

    def __init__(self, problem: Problem, seed: int) -> None:
        self.seed = seed
        self.history = History(problem)
        self.ledger = Ledger()
        self.steering = Steering()
        self.position = 0
        self.attrs: dict[str, Any] = {}
        self.defined: Defined | None = None
        """What the study is of, where a run has said so, and since when."""
        self.damage: KilterError | None = None
        """Why the log could not be read on, once that happened."""
        self._problem_json: dict[str, Any] | None = None

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

    @property
    def control(self) -> str:
        """How the study stands: one of core.events.CONTROLS."""
        return self.steering.control

    @property
    def notes(self) -> dict[int | None, str]:
        """What was noted on trials, by number, and under None on the study."""
        noted: list[tuple[int | None, Any]] = [(None, self.attrs.get(NOTE))]
        noted += [(trial.number, trial.attrs.get(NOTE)) for trial in self.history]
        return {number: str(text) for number, text in noted if text}

    @property
    def tags(self) -> list[str]:
        """The tags of the study, in the order in which they were first given."""
        return [name[len(TAG) :] for name, has in self.attrs.items() if name.startswith(TAG) and has]

    def runs(self, number: int, attempt: int) -> bool:
        """Whether this attempt at a trial is the one that runs; any other one was given up, or has ended."""
        return number in self.history.running and self.history[number].attempt == attempt

    # -- what an engine adds --------------------------------------------------------------------------------------

    def _begun(self, trial: Record) -> None:
        """An attempt began."""

    def _told(self, trial: Record, reports: tuple[Report, ...]) -> None:
        """A running trial reported."""

    def _over(self, trial: Record) -> None:
        """An attempt ended: the trial is finished, paused, or waits for another one."""

    def _forget(self, trial: Record) -> None:
        """A finished trial, which is still what it was, is about to count no more."""

    def _learn_anew(self) -> None:
        """What trials are worth is another thing now."""

    # -- folding --------------------------------------------------------------------------------------------------

    def handle(self, entries: Sequence[Entry]) -> None:
        """Take in entries in the order of the log, which has no gaps.

        Raises LogDamaged where one cannot be taken in, and PluginFailed where that is not the fault of the log; the
        replica may be half changed then, and takes in no more.
        """
        if self.damage is not None:
            raise type(self.damage)(*self.damage.args) from self.damage.__cause__
        for position, event in entries:
            try:
                if position != self.position + 1:
                    raise _Gap(f"it follows position {self.position}: what stood between them is gone")
                self._fold(event)
            except PluginFailed as error:
                self.damage = error
                raise
            except Exception as error:
                why = str(error) if isinstance(error, _Gap) else f"{type(error).__name__}: {error}"
                self.damage = LogDamaged.at(position, type(event).__name__.lower(), event.number, why)
                raise self.damage from error
            self.position = position

    def _fold(self, event: Event) -> None:
        number, n = event.number, len(self.history)
        if number is not None and not 0 <= number < n and not (number == n and event.creates):
            raise _Gap(f"the study has {n} trials by then, so the event that began trial {number} is gone or damaged")
        match event:
            case Ended():
                self._ended(event)
            case Started():
                self._started(event)
            case Reported():
                if trial := self._concerned(event):
                    self._reported(trial, event.reports)
            case Enqueued():
                self._enqueued(event)
            case Dropped():
                if trial := self._concerned(event):
                    self._rest(trial, TrialState.PRUNED)
            case Noted():
                (self.attrs if event.number is None else self.history[event.number].attrs).update(event.attrs)
            case Defined():
                self._defined(event)
            case SpaceExtended():
                self._extended(event.parameters)
            case Constrained():
                self._constrained(event)
            case Recalled():
                self.history.earlier = self.history.earlier or event.studies
            case Controlled():
                self.steering.steer(event, self.position + 1)
            case Granted():
                self.steering.grant(event, self.position + 1)
            case Invalidated():
                self._invalidated(event)

    def _concerned(self, event: Reported | Ended | Dropped) -> Record | None:
        """The trial that a legal event concerns; None where the event comes too late."""
        trial = self.history[event.number]
        return trial if is_legal(event, trial) else None

    def _enqueued(self, event: Enqueued) -> None:
        if event.number is None or event.number < len(self.history):  # taken
            return
        trial = Record(event.number, TrialState.WAITING, dict(event.params), worker=event.worker, created=event.time)
        trial.enqueued, trial.judged = event.worker is None, event.judged
        trial.attrs = dict(event.attrs)
        trial.chosen = list(event.params) if trial.enqueued and RETRIES not in trial.attrs else []
        self.history.add(trial)
        retried = trial.attrs.get(RETRIES)
        if isinstance(retried, int) and 0 <= retried < len(self.history):
            self._forgive([self.history[retried]])

    def _defined(self, event: Defined) -> None:
        is_known = bool(event.definition.get("name"))
        if is_known and (self.defined is None or event.definition != self.defined.definition):
            self.defined = replace(event, forgives=False)
        if event.forgives:
            self._forgive(self.history.with_state(TrialState.FAIL))

    def _invalidated(self, event: Invalidated) -> None:
        """Have a finished trial count as one that failed and is forgiven, wherever its result had counted."""
        trial = self.history[event.number]
        if not is_legal(event, trial):
            return
        self._forget(trial)
        state, trial.invalid = trial.state, event.reason
        if state is not TrialState.FAIL:
            trial.failure = Failure(INVALIDATED, event.reason)
            self.history.move(trial, TrialState.FAIL)
        self.history.weigh(trial)
        self._forgive([trial])
        self.ledger.void(self.history, trial.number, state)
        self._learn_anew()

    def _forgive(self, trials: Iterable[Record]) -> None:
        """Have failed trials count no more; what was computed from the history before is not used again."""
        forgiven = [trial for trial in trials if trial.state is TrialState.FAIL and not trial.forgiven]
        if forgiven:
            for trial in forgiven:
                trial.forgiven = True
            self.history = copy(self.history)
            self.history.forgiven += len(forgiven)

    def _started(self, event: Started) -> None:
        trial = self.history[event.number] if event.number < len(self.history) else None
        if not is_legal(event, trial):
            return
        if trial is None:
            trial = Record(event.number, TrialState.RUNNING, {}, created=event.time, parent=event.parent)
            if event.confirms is not None:
                trial.judged, trial.attrs = False, self._confirming(event.confirms)
            self.history.add(trial)
        else:
            if trial.state is TrialState.PAUSED:
                trial.earlier = trial.seconds
            self.history.move(trial, TrialState.RUNNING)
        if not trial.params:  # another attempt has the configuration of the first one
            trial.seen = event.seen
        self._configured(trial, event.params)
        trial.attempt, trial.worker, trial.started, trial.ended = event.attempt, event.worker, event.time, None
        trial.budget = None if event.budget is None else dict(event.budget)
        self.steering.begun += event.granted
        self._begun(trial)

    def _confirming(self, number: int) -> dict[str, Any]:
        """The attributes of a trial that confirms another one: which one, and its scores of parts so far."""
        name = self.problem.objectives[0].name
        known = {
            fold: {metric: value for metric, value in metrics.items() if value == value}
            for _, metrics, fold in self.history.reports.of(number)
            if fold is not None
        }
        pairs = [[fold, metrics if metrics.keys() != {name} else metrics[name]] for fold, metrics in known.items()]
        return {CONFIRMS: number, **({KNOWN: pairs} if pairs else {})}

    def _configured(self, trial: Record, params: Mapping[str, Plain]) -> None:
        if trial.params != params:
            self.history.changed(trial.number)
        trial.params = dict(params)  # in any case: 1 and 1.0 are equal, and still not the same

    def _reported(self, trial: Record, reports: tuple[Report, ...]) -> None:
        if not reports:
            return
        furthest = self.history.reports.furthest
        before = furthest.get(trial.number, 0)
        self.history.reports.extend(trial.number, reports)
        self.ledger.steps += furthest[trial.number] - before
        self._told(trial, reports)

    def _ended(self, event: Ended) -> None:
        trial = self._concerned(event)
        if trial is None:
            return
        if event.late:
            self._take_back(trial, event.attempt)
        self._reported(trial, event.reports)
        is_lost = event.failure is not None and event.failure.kind == LOST
        trial.losses += is_lost
        if not is_lost and trial.started is not None:
            self.ledger.cost += event.time - trial.started
        trial.failure = event.failure
        state = state_after(event, trial.losses)
        if state is TrialState.WAITING:
            trial.worker = None
        else:
            if event.params is not None:
                self._configured(trial, event.params)
            trial.metrics = dict(event.metrics)
            trial.ended = event.time
        self._rest(trial, state)

    def _take_back(self, trial: Record, attempt: int) -> None:
        """Let an attempt that had been given up be the one that runs; a later one of the trial is so no more."""
        trial.attempt = attempt
        if trial.state is TrialState.WAITING:
            self.history.move(trial, TrialState.RUNNING)
            self._begun(trial)

    def _rest(self, trial: Record, state: TrialState) -> None:
        """Have a trial be in a state in which nobody works on it."""
        self.history.move(trial, state)
        if state.is_finished():
            self.history.settle(trial)
            self.ledger.count(self.history, trial.number)
        self._over(trial)

    def _extended(self, parameters: Mapping[str, Any]) -> None:
        """Grow the space by each parameter that fits it.

        One that contradicts it changes nothing, on every replica alike, nor does one whose condition is on such a one:
        two workers may meet one name in different ways at the same instant, and the first in the log has it.
        """
        space, met = self.problem.space, {name: parameter_from_json(data) for name, data in parameters.items()}
        for _ in parameters:  # a condition may name what comes after it
            left = {}
            for name, parameter in met.items():
                try:
                    space = space.extended({name: parameter})
                except UnknownName:
                    left[name] = parameter
                except InvalidInput:
                    continue
            met = left
        if space != self.problem.space:
            self.history.problem = self.problem.with_space(space)
            self._problem_json = None
            self._learn_anew()

    def _constrained(self, event: Constrained) -> None:
        """Take in constraints that are new."""
        known = {constraint.metric for constraint in self.problem.constraints}
        new = [Constraint(*constraint) for constraint in event.constraints if constraint[0] not in known]
        if not new:
            return
        self.history = self.history.under(replace(self.problem, constraints=(*self.problem.constraints, *new)))
        self._problem_json = None
        self.ledger.rank_anew(self.history)
        self._learn_anew()

    # -- options that are objects ---------------------------------------------------------------------------------

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
