"""What an objective sees of the study: its Trial.

A declared space reaches the objective as keyword arguments or as `trial.params`. A suggest_* call on a name that the
space lacks, or lacks in this branch, draws a value from a stream of its own and notes an extension of the space, which
travels home with the outcome.
"""

from __future__ import annotations

import math
import os
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NoReturn

from kilter.core import border, codec
from kilter.core.actions import Verdict
from kilter.core.errors import InvalidInput, NotHere, SpaceChanged, UnknownName
from kilter.core.events import SYSTEM, Failure, Noted, Report, TrialState
from kilter.core.interfaces import Draw, Line, Outcome, Task
from kilter.core.numbers import Float, Int
from kilter.core.options import Choice, copied, has_objects
from kilter.core.parameter import UNSET, Parameter, Plain, same
from kilter.core.problem import Objective
from kilter.core.seeds import rng
from kilter.core.text import shown
from kilter.objective import checkpoint

FLUSH_SECONDS = 1.0
"""Reports wait at most this long before they are shipped, so that others see a running trial's curve."""


_ELSEWHERE = {
    "study": "it may run in another process than its study; name the study itself in the objective, study.trials",
    "relative_params": "read .params, which has what was suggested so far",
    "storage": "read what the study has, study.trials",
}
"""Names of Optuna's that a trial does not have, and what does it here."""


class Trial:
    """One attempt at a configuration, in the words of Optuna's Trial.

    `params` holds the Python values of the configuration: all of it where the space was declared, else those that were
    suggested so far.
    """

    def __init__(
        self,
        task: Task,
        line: Line,
        draw: Draw | None = None,
    ) -> None:
        self.number = task.number
        self.attempt = task.attempt
        self._extensions: dict[str, Any] = {}
        self._asked: dict[str, Parameter] = {}
        """What the objective has suggested so far."""
        self.user_attrs = {name: value for name, value in task.attrs.items() if not name.startswith(SYSTEM)}
        self.system_attrs = {name[len(SYSTEM) :]: v for name, v in task.attrs.items() if name.startswith(SYSTEM)}
        self._new_attrs: dict[str, Any] = {}
        self._misfits: list[str] = []
        self._task = task
        self._line = line
        self._problem = problem = task.problem
        self._space = problem.space
        self._config: dict[str, Plain] = {} if problem.is_open else dict(task.params)
        self._values: dict[str, Any] = {} if problem.is_open else problem.space.values(task.params)
        self._draw = draw
        self._verdict = Verdict.CONTINUE
        self.has_left = False
        """Whether leaves() has said True."""
        self._answer: Verdict | None = None
        """What the scheduler said when reports went out before a checkpoint, until the objective asks."""
        self._reported: set[int] = set()
        self._unsent: list[Report] = []
        self._last: Report | None = None
        self._folds: dict[int | str, dict[str, float]] = {}
        self._constraints: dict[str, float] = {}
        self._flushed = 0.0
        self._flush_after = FLUSH_SECONDS
        self._process = os.getpid()

    def __repr__(self) -> str:
        return f"Trial(number={self.number}, params={self.params!r})"

    def _repr_html_(self) -> str:
        """What a notebook shows: a table of the configuration."""
        from kilter.core import html

        return html.table([], [("trial", self.number), *self.params.items()])

    def __setstate__(self, state: dict[str, Any]) -> None:
        """One that was sent to this process is at home here, unlike the one that a fork finds.

        Nobody may ask it to end here, so it keeps no report back.
        """
        vars(self).update(state, _process=os.getpid(), _flushed=-math.inf, _flush_after=0.0)

    def __getattr__(self, name: str) -> NoReturn:
        what = f"a trial has no attribute {name!r}"
        if name in _ELSEWHERE:
            raise NotHere(f"{what}: {_ELSEWHERE[name]}")
        raise AttributeError(what)

    def __deepcopy__(self, memo: dict[int, Any]) -> Trial:
        """Itself: a callback that is cloned with its estimator goes on speaking for this attempt."""
        return self

    @property
    def params(self) -> dict[str, Any]:
        """The configuration as Python values."""
        return {name: copied(value) for name, value in self._values.items()}

    @property
    def distributions(self) -> dict[str, Parameter]:
        """The parameters of the configuration."""
        return {name: self._space[name] for name in self._values}

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What the study wants of the metrics, each with its name and direction."""
        return self._problem.objectives

    @property
    def last_report(self) -> Report | None:
        """The latest report, if any."""
        return self._last

    @property
    def metrics_so_far(self) -> dict[str, float]:
        """What it counts by if it leaves now: its last report or, of folds, the mean over those that it reported."""
        if self._last is None:
            return {}
        if self._last.fold is None:
            return dict(self._last.metrics)
        names = dict.fromkeys(name for metrics in self._folds.values() for name in metrics)
        known = {name: [m[name] for m in self._folds.values() if name in m] for name in names}
        return {name: sum(values) / len(values) for name, values in known.items()}

    @property
    def checkpoint_dir(self) -> str:
        """A directory of this attempt's own, made on first use.

        An attempt after a pause, a retry or a fork finds in it a copy of what was left in the one before. What has been
        reported is in the log before the path is handed out: report a step before you save it, and a trial that is
        killed in between does the step again, as if nothing had happened.
        """
        if self._unsent and self._task.may_be_stopped:
            self._answer = self._ask()
        if self._task.directory is None:
            raise InvalidInput("this trial has no checkpoint directory: the study was asked without one")
        os.makedirs(self._task.directory, exist_ok=True)
        return self._task.directory

    @property
    def budget(self) -> dict[str, float]:
        """How far to go along each fidelity of the study; empty where it has none."""
        return dict(self._task.budget or {})

    @property
    def parent(self) -> int | None:
        """The trial whose checkpoint this one began with, if any."""
        return self._task.parent

    @property
    def datetime_start(self) -> datetime | None:
        """When this attempt began."""
        return None if self._task.started is None else datetime.fromtimestamp(self._task.started)

    def save(self, state: Any) -> None:
        """Keep the state of the training in the checkpoint: numbers, text, arrays, and lists and dicts of these.

        Report a step before you save it; see checkpoint_dir. Raises InvalidInput for anything else: write that to a
        file in `checkpoint_dir`.
        """
        checkpoint.save(self.checkpoint_dir, state)

    def load(self) -> Any:
        """What `save` kept last, in this attempt, an earlier one, or in the trial that this one was forked from.

        None where there is nothing, or where it is damaged, which is warned of: the training then starts anew. A trial
        that was paused after its last step may be resumed with nothing left to do: keep the result in the state too.
        """
        return None if self._task.directory is None else checkpoint.load(self._task.directory)

    # -- suggesting -----------------------------------------------------------------------------------------------

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """A real number in [low, high]."""
        return self._suggest(name, _declared(name, _float, low, high, step, log))  # type: ignore[no-any-return]

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """A whole number from low to high, both included."""
        return self._suggest(name, _declared(name, _int, low, high, step, log))  # type: ignore[no-any-return]

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of the choices, as the object it is."""
        return self._suggest(name, _declared(name, Choice, choices))

    def suggest_uniform(self, name: str, low: float, high: float) -> float:
        """Optuna's older word for suggest_float."""
        return self.suggest_float(name, low, high)

    def suggest_loguniform(self, name: str, low: float, high: float) -> float:
        """Optuna's older word for suggest_float with log=True."""
        return self.suggest_float(name, low, high, log=True)

    def suggest_discrete_uniform(self, name: str, low: float, high: float, q: float) -> float:
        """Optuna's older word for suggest_float with a step, `q`."""
        return self.suggest_float(name, low, high, step=q)

    def suggest(self, name: str, parameter: Parameter) -> Any:
        """A value of any parameter, such as an Ordinal or one with a default or prior."""
        return self._suggest(name, parameter)

    def _suggest(self, name: str, parameter: Parameter) -> Any:
        if not isinstance(parameter, Parameter):
            raise InvalidInput(f"{name}: {shown(parameter)} is no parameter: give Float, Int, Ordinal or Choice")
        known = self._space.parameters.get(name)
        given = self._config.get(name, self._task.params.get(name, UNSET))
        plain = _fitting(parameter, given)
        first = self._asked.setdefault(name, parameter)
        if plain is UNSET and first is not parameter and type(first) is type(parameter):
            warnings.warn(_twice(self.number, name, first, parameter, self._values[name]), stacklevel=3)
            return copied(self._values[name])
        if plain is UNSET:
            plain = self._drawn(name, parameter)
            if name in self._task.chosen:
                self._misfits.append(_misfit(self.number, name, given, parameter, plain))
        if known is None or not known.covers(parameter) or not self._space.is_active(name, self._config):
            self._extend(name, parameter)
        self._config[name] = plain
        self._values[name] = parameter.value(plain)
        return parameter.value(plain)

    def _drawn(self, name: str, parameter: Parameter) -> Plain:
        """A value that nobody has chosen yet."""
        if self._draw is not None:
            return self._draw(self.number, name, parameter, self._config)
        return parameter.from_uniform(rng(self._task.seed, f"suggest {name}", self.number).random())

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

    def report(
        self,
        value: Any,
        step: int | None = None,
        *,
        fold: int | str | None = None,
        instance: int | str | None = None,
        seed: int | str | None = None,
    ) -> None:
        """Tell metrics at a step, or of a fold: a number for a single objective, or a dict; NaN and inf are kept.

        `instance` and `seed` are other words for `fold`: whatever part the evaluation is the mean of. Parts are only
        ever compared with the same part of another trial. A second report of the same step and fold is ignored with a
        warning.
        """
        part = _part(fold, instance, seed)
        if step is None and part is not None:
            step = 0
        report = Report(border.as_step(step), self._named(value), part)
        if report.key in self._reported:
            of = "" if part is None else f" of {part!r}"
            warnings.warn(f"trial {self.number} reported step {step}{of} twice; the second is ignored", stacklevel=2)
            return
        may_ask = self._task.may_be_stopped and self._flush_after > 0
        if may_ask:  # so this one waits for the question that may follow it, and the two are one message
            self._flush_when_due()
        self._last = report
        if part is not None:
            self._folds[part] = report.metrics
        self._reported.add(report.key)
        self._unsent.append(report)
        if not may_ask:
            self._flush_when_due()

    def should_prune(self) -> bool:
        """Whether the scheduler would end or pause this trial now: then save what is to be kept and raise TrialPruned.

        A paused trial is called again later, with the same configuration and its checkpoint.
        """
        if not self._task.may_be_stopped:
            return False
        answer, self._answer = self._answer, None
        self._verdict = self._ask() if answer is None or self._unsent else answer
        return bool(self._verdict)

    def leaves(self) -> bool:
        """Whether the scheduler would end or pause this trial now; if so it ends so, whatever the objective returns.

        For a callback that stops the training of a library: the library returns as usual, with what it has trained,
        and nothing has to be raised. Once it has said True it does so without asking again.
        """
        self.has_left = self.has_left or self.should_prune()
        return self.has_left

    def _ask(self) -> Verdict:
        if os.getpid() != self._process:
            self.flush()
            return Verdict.CONTINUE
        verdict = self._line.ask(tuple(self._unsent))
        self._sent()
        return verdict

    def _notices(self, state: TrialState) -> tuple[str, ...]:
        """What became of values that a user enqueued and that were not used."""
        is_through = state in (TrialState.COMPLETE, TrialState.PRUNED)
        unasked = [name for name in self._task.chosen if name not in self._config] if is_through else []
        return (*self._misfits, *(_unasked(self.number, name, self._task.params, self._config) for name in unasked))

    @property
    def left_as(self) -> TrialState:
        """The state of this trial where it leaves at the scheduler's wish: paused or pruned."""
        return TrialState.PAUSED if self._verdict is Verdict.PAUSE else TrialState.PRUNED

    def flush(self) -> None:
        """Ship the reports that wait; a process that the objective forked has nobody to send them to."""
        if self._unsent and os.getpid() == self._process:
            self._line.report(tuple(self._unsent))
        elif self._unsent:
            warnings.warn(
                f"trial {self.number}: what a forked process reports is dropped; report where the objective began",
                stacklevel=3,
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

    def set_user_attr(self, key: str, value: Any) -> None:
        """Keep a JSON-serialisable value beside the trial; raises InvalidInput for one that is not."""
        self._note(key, value)
        self.user_attrs[key] = value

    def _note(self, key: str, value: Any) -> None:
        codec.encode(Noted(self.number, {key: value}, 0.0))
        self._new_attrs[key] = copied(value)

    def set_system_attr(self, key: str, value: Any) -> None:
        """Keep a JSON-serialisable value beside the trial, apart from what users keep; Optuna's older word."""
        self._note(f"{SYSTEM}{key}", value)
        self.system_attrs[key] = value

    def set_constraint(self, key: str, value: float) -> None:
        """Set a constraint of this trial, which it meets at 0 and below; where it is set twice the first counts.

        Samplers look for trials that meet all constraints, and only such a one is the best. A bound on a metric that
        the objective returns is declared instead, `subject_to={"latency_ms": "<= 20"}`. Raises InvalidInput for NaN.

        >>> from kilter import create_study
        >>> def objective(trial):
        ...     x = trial.suggest_float("x", 0, 1)
        ...     trial.set_constraint("large", 0.5 - x)
        ...     return x
        >>> study = create_study(seed=0)
        >>> study.optimize(objective, n_trials=20, progress="none")
        >>> 0.5 <= study.best_value < 0.6
        True
        """
        number = _number_of(key, value)
        if key in self._constraints:
            warnings.warn(f"trial {self.number} set the constraint {key!r} twice; the second is ignored", stacklevel=2)
            return
        self._constraints[key] = number

    @property
    def constraints(self) -> dict[str, float]:
        """The constraints that were set, by name."""
        return dict(self._constraints)

    def outcome(
        self,
        state: TrialState,
        metrics: dict[str, float],
        failure: Failure | None = None,
        error: BaseException | None = None,
    ) -> Outcome:
        """The outcome with all that this attempt gathered; at part of the budget, a result is a report and a pause."""
        begun = self._task.params
        is_same = begun.keys() == self._config.keys() and all(same(begun[n], v) for n, v in self._config.items())
        changed = None if is_same else self._config
        reports = tuple(self._unsent)
        if state is TrialState.COMPLETE:
            state, last = self._task.meaning_of(metrics, self._reported)
            reports += last
        return Outcome(
            self.number,
            self.attempt,
            state,
            metrics,
            reports,
            changed,
            self._extensions,
            self._new_attrs,
            failure,
            self._constraints,
            error,
            self._notices(state),
            {name: one for name, one in self._asked.items() if has_objects(one)},
        )

    def _named(self, value: Any) -> dict[str, float]:
        several = len(self._problem.objectives) > 1
        if several and not isinstance(value, dict):
            raise InvalidInput(f"report({value!r}): with several objectives, report a dict of named metrics")
        try:
            if isinstance(value, dict):
                return {str(name): border.as_real(number) for name, number in value.items()}
            return {self._problem.objectives[0].name: border.as_real(value)}
        except ValueError:
            raise InvalidInput(f"report({shown(value)}): the value must be a number or a dict of metrics") from None


def _part(fold: Any, instance: Any, seed: Any) -> int | str | None:
    """The one part that a report is about."""
    given = {"fold": fold, "instance": instance, "seed": seed}
    named = {name: part for name, part in given.items() if part is not None}
    if len(named) > 1:
        raise InvalidInput(f"a report is about one part, not {' and '.join(named)}: join them to one, as in fold='3/7'")
    for name, part in named.items():
        if isinstance(part, str):
            return part
        if isinstance(part, bool) or not hasattr(part, "__index__"):
            raise InvalidInput(f"{name}={part!r} of a report: it must be a whole number or text")
        return int(part)
    return None


def _number_of(key: str, value: Any) -> float:
    """The value of a constraint."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if math.isnan(number) or not isinstance(key, str):
        raise InvalidInput(f"set_constraint({key!r}, {value!r}): give a name and a number, met at 0 and below")
    return number


def _declared(name: str, make: Callable[..., Any], *arguments: Any) -> Any:
    """The parameter that a suggestion declares, its name in front of what is wrong with it."""
    try:
        return make(*arguments)
    except InvalidInput as error:
        raise InvalidInput(f"{name}: {error}") from None


@lru_cache(maxsize=1024)
def _float(low: float, high: float, step: float | None, log: bool) -> Float:
    return Float(low, high, step=step, log=log)


@lru_cache(maxsize=1024)
def _int(low: int, high: int, step: int, log: bool) -> Int:
    return Int(low, high, step=step, log=log)


def _fitting(parameter: Parameter, plain: Any) -> Any:
    """The plain value where the parameter allows it, else UNSET."""
    if plain is UNSET or parameter.contains(plain):
        return plain
    try:
        return parameter.plain(plain)
    except InvalidInput:
        return UNSET


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
