"""A trial as a user reads it after the fact, in Optuna's words."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import inf
from typing import Any, Union

from kilter.core.errors import InvalidInput, UnknownName
from kilter.core.events import NOTE, SYSTEM, Failure, TrialState
from kilter.core.history import History, Record
from kilter.core.numbers import Float, Int
from kilter.core.options import Choice
from kilter.core.parameter import Parameter
from kilter.core.problem import SET
from kilter.objective.place import Artifact, artifacts_noted
from kilter.objective.trial import Trial


class _Answering:
    """Suggestions by the words of Trial, for a trial whose values are known; reports and attributes go nowhere."""

    __slots__ = ()

    def suggest(self, name: str, parameter: Parameter) -> Any:
        """The value that it has."""
        raise NotImplementedError

    def suggest_float(self, name: str, low: float, high: float, **_: Any) -> float:
        """The value that it has, as `suggest`."""
        value: float = self.suggest(name, Float(low, high))
        return value

    def suggest_int(self, name: str, low: int, high: int, **_: Any) -> int:
        """The value that it has, as `suggest`."""
        value: int = self.suggest(name, Int(low, high))
        return value

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """The value that it has, as `suggest`."""
        return self.suggest(name, Choice(choices))

    def suggest_uniform(self, name: str, low: float, high: float) -> float:
        """Optuna's older word for suggest_float."""
        return self.suggest_float(name, low, high)

    def suggest_loguniform(self, name: str, low: float, high: float) -> float:
        """Optuna's older word for suggest_float."""
        return self.suggest_float(name, low, high)

    def suggest_discrete_uniform(self, name: str, low: float, high: float, q: float) -> float:
        """Optuna's older word for suggest_float."""
        return self.suggest_float(name, low, high)

    def report(self, value: float | Mapping[str, float], step: int = 0, **_: Any) -> None:
        """Nothing: the study stays as it is."""

    def set_user_attr(self, key: str, value: Any) -> None:
        """Nothing: the study stays as it is."""

    def set_system_attr(self, key: str, value: Any) -> None:
        """Nothing: the study stays as it is."""

    def set_constraint(self, key: str, value: float) -> None:
        """Nothing: the study stays as it is."""

    def log_artifact(self, path: str | os.PathLike[str], name: str | None = None) -> None:
        """Nothing: the study stays as it is."""

    def should_prune(self) -> bool:
        """False."""
        return False


class FixedTrial(_Answering):
    """A trial of your own making, to call an objective with given values, in a test or by hand.

    Raises UnknownName (a ValueError) for a parameter without a value. `number` is what the objective sees.

    >>> def objective(trial):
    ...     return trial.suggest_float("x", 0, 10) + trial.suggest_int("y", 0, 3)
    >>> objective(FixedTrial({"x": 2.5, "y": 1}))
    3.5
    """

    def __init__(self, params: Mapping[str, Any], number: int = 0) -> None:
        self._given = dict(params)
        self.number = number
        self.params: dict[str, Any] = {}
        self.distributions: dict[str, Parameter] = {}
        self.user_attrs: dict[str, Any] = {}
        self.system_attrs: dict[str, Any] = {}
        self.constraints: dict[str, float] = {}
        self.datetime_start = datetime.now()

    def suggest(self, name: str, parameter: Parameter) -> Any:
        """The value that was given; one that the parameter does not have is warned of, and used."""
        if name not in self._given:
            raise UnknownName.of("value of", name, self._given, "(in the FixedTrial)")
        value = self._given[name]
        try:
            value = parameter.value(parameter.plain(value))
        except InvalidInput as error:
            warnings.warn(f"FixedTrial: {name}={value!r} is not in {parameter!r}: {error}", stacklevel=3)
        self.params[name] = value
        self.distributions[name] = parameter
        return value

    def set_user_attr(self, key: str, value: Any) -> None:
        """Keep it in `user_attrs`."""
        self.user_attrs[key] = value

    def set_system_attr(self, key: str, value: Any) -> None:
        """Keep it in `system_attrs`."""
        self.system_attrs[key] = value

    def set_constraint(self, key: str, value: float) -> None:
        """Keep it in `constraints`."""
        self.constraints[key] = float(value)

    def __repr__(self) -> str:
        return f"FixedTrial({self._given!r}, number={self.number})"


class FrozenTrial(_Answering):
    """One trial of a study; reading it costs nothing until an attribute is asked for."""

    __slots__ = ("_history", "_record")

    def __init__(self, record: Record, history: History) -> None:
        self._record = record
        self._history = history

    @property
    def record(self) -> Record:
        """What the history has of it, in plain values."""
        return self._record

    @property
    def number(self) -> int:
        """Its number in the study, from 0."""
        return self._record.number

    @property
    def state(self) -> TrialState:
        """Where it stands."""
        return self._record.state

    @property
    def params(self) -> dict[str, Any]:
        """The configuration as Python values."""
        space = self._history.problem.space
        return {name: space.value(name, plain) for name, plain in self.plain_params.items()}

    @property
    def plain_params(self) -> dict[str, Any]:
        """The configuration as JSON has it: options that are objects by name, values that have parts as lists."""
        return self._history.problem.space.whole(self._record.params)

    @property
    def distributions(self) -> dict[str, Parameter]:
        """The parameters of the configuration."""
        space = self._history.problem.space
        return {name: space[name] for name in self.plain_params if name in space}

    @property
    def metrics(self) -> dict[str, float]:
        """All metrics that it returned."""
        return dict(self._record.metrics)

    @property
    def directions(self) -> dict[str, str]:
        """Of each objective, by name, whether it is to "minimize" or to "maximize"."""
        return {objective.name: objective.direction for objective in self._history.problem.objectives}

    @property
    def values(self) -> list[float] | None:
        """Its objectives in order; None where it has not all of them."""
        metrics = self._record.metrics
        names = [objective.name for objective in self._history.problem.objectives]
        if self.state is TrialState.FAIL or any(name not in metrics for name in names):
            return None
        return [metrics[name] for name in names]

    @property
    def value(self) -> float | None:
        """Its objective, where there is one only."""
        values = self.values
        if values is not None and len(values) > 1:
            raise InvalidInput("this study has several objectives: read .values or .metrics")
        return values[0] if values else None

    @property
    def loss(self) -> float:
        """The value, turned so that smaller is better; inf where it has none."""
        value = self.value
        return inf if value is None else self._history.problem.objectives[0].sign * value

    @property
    def constraints(self) -> dict[str, float]:
        """The constraints that the trial or its sampler set, by name; they are met at 0 and below."""
        return {name[len(SET) :]: value for name, value in self._record.metrics.items() if name.startswith(SET)}

    @property
    def is_feasible(self) -> bool:
        """Whether it meets the constraints."""
        return self._history.problem.is_feasible(self._record.metrics)

    @property
    def intermediate_values(self) -> dict[int, float]:
        """Reported values of the first objective by step."""
        name = self._history.problem.objectives[0].name
        steps, values = self._history.reports.curve(self.number, name)
        return dict(zip(steps.tolist(), values.tolist()))

    @property
    def reports(self) -> dict[int, dict[str, float]]:
        """All reported metrics by step; those of folds are left out."""
        return {r.step: r.metrics for r in self._history.reports.of(self.number) if r.fold is None}

    @property
    def folds(self) -> dict[int | str, float]:
        """The latest reported value of the first objective by fold, instance or seed."""
        return self._history.reports.folds(self.number, self._history.problem.objectives[0].name)

    @property
    def fold_metrics(self) -> dict[int | str, dict[str, float]]:
        """All reported metrics by fold, instance or seed, the latest of each, without those that are NaN."""
        reports = self._history.reports.of(self.number)
        return {r.fold: {n: v for n, v in r.metrics.items() if v == v} for r in reports if r.fold is not None}

    @property
    def last_step(self) -> int | None:
        """The largest step reported."""
        return max(self.intermediate_values, default=None)

    @property
    def user_attrs(self) -> dict[str, Any]:
        """What the user keeps with it."""
        return {name: value for name, value in self._record.attrs.items() if not name.startswith(SYSTEM)}

    @property
    def system_attrs(self) -> dict[str, Any]:
        """What set_system_attr keeps with it."""
        return {name[len(SYSTEM) :]: v for name, v in self._record.attrs.items() if name.startswith(SYSTEM)}

    @property
    def artifacts(self) -> list[Artifact]:
        """The files that its objective has kept with `trial.log_artifact`; `study.fetch_artifact` has them."""
        return artifacts_noted(self.number, self._record.attrs)

    @property
    def note(self) -> str:
        """What was noted on it; "" for nothing."""
        return str(self._record.attrs.get(NOTE, ""))

    @property
    def invalid(self) -> str | None:
        """Why its result does not count, where a user has said so: it is failed then. None for all others."""
        return self._record.invalid

    @property
    def failure(self) -> Failure | None:
        """Why the last attempt failed."""
        return self._record.failure

    @property
    def parent(self) -> int | None:
        """The trial whose checkpoint it began with, if any."""
        return self._record.parent

    @property
    def budget(self) -> dict[str, float]:
        """How far its latest attempt goes along each fidelity."""
        return dict(self._record.budget or {})

    @property
    def attempt(self) -> int:
        """How often it was started."""
        return self._record.attempt

    @property
    def worker(self) -> str | None:
        """The worker of its latest attempt, which begins with the name that it was given; None while it waits."""
        return self._record.worker

    @property
    def datetime_start(self) -> datetime | None:
        """When its last attempt began."""
        return None if self._record.started is None else datetime.fromtimestamp(self._record.started)

    @property
    def datetime_complete(self) -> datetime | None:
        """When it finished."""
        return None if self._record.ended is None else datetime.fromtimestamp(self._record.ended)

    @property
    def duration(self) -> timedelta | None:
        """How long its last attempt ran."""
        start, end = self.datetime_start, self.datetime_complete
        return end - start if start and end else None

    # -- as an objective asks, so that `objective(study.best_trial)` evaluates a configuration once more -------------

    def suggest(self, name: str, parameter: Parameter) -> Any:
        """The value that it has; raises UnknownName for a parameter that it does not have.

        >>> from kilter import create_study
        >>> study, line = create_study(seed=0), lambda trial: trial.suggest_float("x", 0, 1)
        >>> study.optimize(line, n_trials=5, progress="none")
        >>> line(study.best_trial) == study.best_value
        True
        """
        known = self.plain_params
        if name not in known:
            raise UnknownName.of("parameter", name, known, f"(of trial {self.number})")
        plain = known[name]  # of an object that another process handed in we may know no more
        return parameter.value(plain) if parameter.contains(plain) else self.params[name]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FrozenTrial) and self._record == other._record

    def __hash__(self) -> int:
        return hash(self.number)

    def _repr_html_(self) -> str:
        """What a notebook shows: a table of the metrics, the configuration, and why it failed."""
        from kilter.figures.notebook import trial_html

        return trial_html(self._history, self._record)

    def __repr__(self) -> str:
        shown = self._record.metrics if len(self._record.metrics) > 1 else self.values
        failure = f", failure={self.failure.line!r}" if self.failure is not None else ""
        return (
            f"FrozenTrial(number={self.number}, state={self.state.name}, values={shown!r}, params={self.params!r}"
            f"{failure})"
        )


class BestTrials(list[FrozenTrial]):
    """The Pareto front: a list of trials, which a notebook shows as a picture and a table."""

    def __init__(self, history: History) -> None:
        super().__init__(FrozenTrial(trial, history) for trial in history.front())
        self._history = history

    def _repr_html_(self) -> str:
        from kilter.figures.notebook import front_html

        return front_html(self._history, [trial.number for trial in self])


def create_trial(
    *,
    state: TrialState = TrialState.COMPLETE,
    value: float | None = None,
    values: Sequence[float] | Mapping[str, float] | None = None,
    params: Mapping[str, Any] | None = None,
    distributions: Mapping[str, Parameter] | None = None,
    user_attrs: Mapping[str, Any] | None = None,
    intermediate_values: Mapping[int, float] | None = None,
    system_attrs: Mapping[str, Any] | None = None,
    constraints: Mapping[str, float] | None = None,
) -> NewTrial:
    """A trial made elsewhere, for study.add_trial(); a parameter without a distribution must be in the space."""
    given = values if values is not None else value
    return NewTrial(
        state,
        given,
        dict(params or {}),
        dict(distributions or {}),
        {**(user_attrs or {}), **{f"{SYSTEM}{name}": attr for name, attr in (system_attrs or {}).items()}},
        dict(intermediate_values or {}),
        dict(constraints or {}),
    )


@dataclass(frozen=True)
class NewTrial:
    """What create_trial gathered."""

    state: TrialState
    values: Any
    params: dict[str, Any]
    distributions: dict[str, Parameter]
    user_attrs: dict[str, Any]
    """Those that set_system_attr would keep among them."""
    intermediate_values: dict[int, float]
    constraints: dict[str, float]

    @property
    def value(self) -> Any:
        """Its value, where it has one only."""
        return self.values[0] if isinstance(self.values, (list, tuple)) and len(self.values) == 1 else self.values

    @property
    def loss(self) -> float:
        """The value, which is taken to be minimised."""
        return float(self.value)


BaseTrial = Union[Trial, FrozenTrial, FixedTrial]
"""Optuna's name for what an objective may be called with."""
