"""One attempt at a trial, between its task and its outcome: what was suggested, reported and noted on the way.

A suggestion of a name that the space lacks, or lacks in this branch, draws a value from a stream of its own and notes
an extension of the space, which travels home with the outcome.
"""

from __future__ import annotations

import ast
import math
import os
import time
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from kilter.core import codec
from kilter.core.actions import Verdict
from kilter.core.compound import Compound
from kilter.core.errors import InvalidInput, SpaceChanged, UnknownName
from kilter.core.events import Failure, Noted, Report, TrialState
from kilter.core.interfaces import Draw, Line, Outcome, Task
from kilter.core.options import copied, has_objects
from kilter.core.parameter import UNSET, Parameter, Plain, same
from kilter.core.seeds import rng
from kilter.core.text import shown
from kilter.objective.place import Place

FLUSH_SECONDS = 1.0
"""Reports wait at most this long before they are shipped, so that others see a running trial's curve."""


class Attempt:
    """What the objective makes of a task; its Trial is the objective's view of it."""

    def __init__(self, task: Task, line: Line, draw: Draw | None = None) -> None:
        self.task = task
        self.problem = problem = task.problem
        self.place = Place(task)
        self.values: dict[str, Any] = {} if problem.is_open else problem.space.values(task.params)
        """The Python values of the configuration, as far as it is known."""
        self._config: dict[str, Plain] = {} if problem.is_open else dict(task.params)
        self._space = problem.space
        self._extensions: dict[str, Any] = {}
        self._asked: dict[str, Parameter] = {}
        """What the objective has suggested so far."""
        self._misfits: list[str] = []
        self._draw = draw
        self._line = line
        self._verdict = Verdict.CONTINUE
        self.has_left = False
        """Whether it ends as the scheduler wished, whatever the objective returns."""
        self._answer: Verdict | None = None
        """What the scheduler said when reports went out before a checkpoint, until the objective asks."""
        self._reported: set[int] = set()
        self._unsent: list[Report] = []
        self.last_report: Report | None = None
        self._folds: dict[int | str, dict[str, float]] = {}
        self._flushed = 0.0
        self._flush_after = FLUSH_SECONDS
        self._attrs: dict[str, Any] = {}
        self.constraints: dict[str, float] = {}
        self._process = os.getpid()

    def __setstate__(self, state: dict[str, Any]) -> None:
        """One that was sent to this process is at home here, unlike the one that a fork finds.

        Nobody may ask it to end here, so it keeps no report back.
        """
        vars(self).update(state, _process=os.getpid(), _flushed=-math.inf, _flush_after=0.0)

    # -- suggesting -----------------------------------------------------------------------------------------------

    @property
    def parameters(self) -> dict[str, Parameter]:
        """Those of the configuration."""
        return {name: self._space[name] for name in self.values}

    def suggest(self, name: str, parameter: Parameter) -> Any:
        """The value of a parameter: what the configuration has, or was enqueued with, else one that is drawn."""
        if not isinstance(parameter, Parameter):
            raise InvalidInput(f"{name}: {shown(parameter)} is no parameter: give Float, Int, Ordinal or Choice")
        if isinstance(parameter, Compound):
            return self._suggest_whole(name, parameter)
        known = self._space.parameters.get(name)
        given = self._config.get(name, self.task.params.get(name, UNSET))
        plain = _fitting(parameter, given)
        first = self._asked.setdefault(name, parameter)
        if plain is UNSET and first is not parameter and type(first) is type(parameter):
            warnings.warn(_twice(self.task.number, name, first, parameter, self.values[name]), stacklevel=3)
            return copied(self.values[name])
        if plain is UNSET:
            plain = self._drawn(name, parameter)
            if name in self.task.chosen:
                self._misfits.append(_misfit(self.task.number, name, given, parameter, plain))
        if known is None or not known.covers(parameter) or not self._space.is_active(name, self._config):
            self._extend(name, parameter)
        self._config[name] = plain
        self.values[name] = parameter.value(plain)
        return parameter.value(plain)

    def _suggest_whole(self, name: str, compound: Compound) -> Any:
        """The value of a compound, of which each part that nobody has chosen yet is drawn."""
        chosen: dict[str, Any] = {**self.task.params, **self._config}
        given = _listed(chosen.get(name, UNSET))
        if compound.contains(given):
            chosen |= compound.named(name, compound.dissolve(given))
        self._asked.setdefault(name, compound)
        plains = {}
        for (part, parameter), suffix in zip(compound.expanded(name).items(), compound.parts()):
            plain = _fitting(parameter, chosen.get(part, UNSET))
            plains[suffix] = self._drawn(part, parameter) if plain is UNSET else plain
        value = compound.assemble(plains)
        if name in self.task.chosen and not compound.contains(given):
            self._misfits.append(_misfit(self.task.number, name, given, compound, value))
        known = self._space.declared.get(name)
        if known is None or not known.covers(compound) or not self._space.is_active(name, self._config):
            self._extend(name, compound)
        self._config.update(compound.named(name, compound.canonical(plains)))
        self.values[name] = value
        return copied(value)

    def _drawn(self, name: str, parameter: Parameter) -> Plain:
        """A value that nobody has chosen yet."""
        if self._draw is not None:
            return self._draw(self.task.number, name, parameter, self._config)
        return parameter.from_uniform(rng(self.task.seed, f"suggest {name}", self.task.number).random())

    def _extend(self, name: str, parameter: Parameter) -> None:
        """Note the parameter with the branch that it was met in.

        Where it contradicts what is known of another branch, it is this trial's alone; else that raises SpaceChanged.
        """
        met = self._space.met(name, parameter, self._config)
        try:
            self._space = self._space.extended({name: met})
        except SpaceChanged:
            if self._space.is_active(name, self._config):
                raise
            warnings.warn(
                f"{name!r} is {parameter!r} in one branch and {self._space[name]!r} in another, so its values "
                "are random here: give it a name of its own in each branch, and they are searched, too",
                stacklevel=4,
            )
        else:
            self._extensions[name] = met.to_json()

    # -- reporting ------------------------------------------------------------------------------------------------

    def report(self, report: Report) -> None:
        """Take a report, to be shipped when that is due; a second one of the same step and part is ignored."""
        if report.key in self._reported:
            of = "" if report.fold is None else f" of {report.fold!r}"
            what = f"trial {self.task.number} reported step {report.step}{of} twice; the second is ignored"
            warnings.warn(what, stacklevel=3)
            return
        self.place.keep()  # what was saved after the report before
        may_ask = self.task.may_be_stopped and self._flush_after > 0
        if may_ask:  # so this one waits for the question that may follow it, and the two are one message
            self._flush_when_due()
        self.last_report = report
        if report.fold is not None:
            self._folds[report.fold] = report.metrics
        self._reported.add(report.key)
        self._unsent.append(report)
        if not may_ask:
            self._flush_when_due()

    def flush(self) -> None:
        """Ship the reports that wait; a process that the objective forked has nobody to send them to."""
        if self._unsent and os.getpid() == self._process:
            self._line.report(tuple(self._unsent))
        elif self._unsent:
            warnings.warn(
                f"trial {self.task.number}: what a forked process reports is dropped; report where the objective began",
                stacklevel=4,
            )
        self._sent()

    def _sent(self) -> None:
        self._unsent.clear()
        self._flushed = time.monotonic()

    def _flush_when_due(self) -> None:
        if not self._flushed:
            self._flushed = time.monotonic()
        elif time.monotonic() - self._flushed >= self._flush_after:
            self.flush()

    def should_leave(self) -> bool:
        """Whether the scheduler would end or pause it now."""
        if not self.task.may_be_stopped:
            return False
        answer, self._answer = self._answer, None
        self._verdict = self._ask() if answer is None or self._unsent else answer
        return bool(self._verdict)

    def leaves(self) -> bool:
        """Whether it leaves now, or has left."""
        self.has_left = self.has_left or self.should_leave()
        return self.has_left

    def settle_reports(self) -> None:
        """Have what was reported be in the log before there is a checkpoint of it."""
        if self._unsent and self.task.may_be_stopped:
            self._answer = self._ask()

    def _ask(self) -> Verdict:
        if os.getpid() != self._process:
            self.flush()
            return Verdict.CONTINUE
        verdict = self._line.ask(tuple(self._unsent))
        self._sent()
        return verdict

    # -- the end --------------------------------------------------------------------------------------------------

    def note(self, key: str, value: Any) -> None:
        """Keep an attribute; raises InvalidInput where JSON cannot hold it."""
        codec.encode(Noted(self.task.number, {key: value}, 0.0))
        self._attrs[key] = copied(value)

    def left(self, before: Mapping[str, float] | None = None) -> Outcome:
        """The outcome where it leaves at the scheduler's wish, paused or pruned.

        It counts by what it has reported, or by `before` where that is nothing.
        """
        return self.outcome(self._verdict.ends_as, self._metrics_so_far or dict(before or {}))

    def outcome(
        self,
        state: TrialState,
        metrics: dict[str, float],
        failure: Failure | None = None,
        error: BaseException | None = None,
    ) -> Outcome:
        """The outcome with all that this attempt gathered; at part of the budget, a result is a report and a pause."""
        begun = self.task.params
        is_same = begun.keys() == self._config.keys() and all(same(begun[n], v) for n, v in self._config.items())
        changed = None if is_same else self._config
        reports = tuple(self._unsent)
        if state is TrialState.COMPLETE:
            state, last = self.task.meaning_of(metrics, self._reported)
            reports += last
        left = {} if state is TrialState.FAIL else self.place.left()  # one that failed does not go on
        return Outcome(
            self.task.number,
            self.task.attempt,
            state,
            metrics,
            reports,
            changed,
            self._extensions,
            {**self._attrs, **left},
            failure,
            self.constraints,
            error,
            self._notices(state),
            {name: one for name, one in self._asked.items() if has_objects(one)},
        )

    @property
    def _metrics_so_far(self) -> dict[str, float]:
        """What it counts by if it leaves now: its last report or, of folds, the mean over those that it reported."""
        if self.last_report is None:
            return {}
        if self.last_report.fold is None:
            return dict(self.last_report.metrics)
        names = dict.fromkeys(name for metrics in self._folds.values() for name in metrics)
        known = {name: [m[name] for m in self._folds.values() if name in m] for name in names}
        return {name: sum(values) / len(values) for name, values in known.items()}

    def _notices(self, state: TrialState) -> tuple[str, ...]:
        """What became of values that a user enqueued and that were not used."""
        is_through = state in (TrialState.COMPLETE, TrialState.PRUNED)
        asked = {**self._config, **self.values}
        unasked = [name for name in self.task.chosen if name not in asked] if is_through else []
        return (*self._misfits, *(_unasked(self.task.number, name, self.task.params, self._config) for name in unasked))


def _fitting(parameter: Parameter, plain: Any) -> Any:
    """The plain value where the parameter allows it, else UNSET."""
    if plain is UNSET or parameter.contains(plain):
        return plain
    try:
        return parameter.plain(plain)
    except InvalidInput:
        return UNSET


def _listed(given: Any) -> Any:
    """The list whose text was taken on trust, when it was enqueued under a name that nobody knew."""
    try:
        return ast.literal_eval(given) if isinstance(given, str) else given
    except (ValueError, SyntaxError):
        return given


def _misfit(number: int, name: str, given: Any, parameter: Parameter, plain: Plain) -> str:
    """That an enqueued value does not fit what the objective asks for, and why."""
    reason = ""
    try:
        parameter.plain(given)
    except InvalidInput as error:
        reason = f", but {error}"
    return f"trial {number} was enqueued with {name}={shown(given)}{reason}. It ran with {name}={shown(plain)} instead"


def _twice(number: int, name: str, first: Parameter, then: Parameter, value: Any) -> str:
    """That one name was asked for with ranges that do not agree."""
    return (
        f"trial {number} asks for {name!r} twice, as {first!r} and as {then!r}: its value stays {shown(value)}, which "
        "the second does not allow; give each a name of its own"
    )


def _unasked(number: int, name: str, given: Mapping[str, Any], asked: Iterable[str]) -> str:
    """That the objective did not ask for an enqueued name, and which one may have been meant."""
    unknown = UnknownName.of("parameter", name, asked)
    return f"trial {number} was enqueued with {name}={shown(given.get(name))}, but its objective asks for {unknown}"
