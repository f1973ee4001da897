"""Whole studies of ours as studies of Optuna's."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    json_to_distribution,
)

from kilter.api import StudyView, read_study
from kilter.core.errors import InvalidInput, StorageError, StudyExists
from kilter.core.events import TrialState
from kilter.core.interfaces import Storage
from kilter.core.numbers import Float, Int
from kilter.core.parameter import Parameter
from kilter.core.problem import Problem
from kilter.core.space import Space
from kilter.core.text import masked
from kilter.frozen import FrozenTrial
from kilter.integrations.optuna.parameters import CONSTRAINTS, FIXED, from_kilter, is_scalar, metric
from kilter.integrations.optuna.stores import database, place_of, sqlite_path
from kilter.storage.sqlite import APPLICATION

METRIC_NAMES = "study:metric_names"
"""Optuna's attribute for the names of the objectives."""
EXTRAS = "kilter"
"""The attribute of an exported trial that holds what Optuna has no place for."""
RECORD = "optuna:record"
"""The attribute of an imported trial or study that holds what kilter has no place for."""


def export_study(source: StudyView | str | Storage, storage: Any, study_name: str | None = None) -> Any:
    """Copy a study of ours into a storage of Optuna's, under its name; the study there.

    `source` is a study, or its storage or the URL of that, where `study_name` says which of several. `storage` is a
    storage of Optuna's, its URL, or None for memory. What came by `import_study` goes back as it was. Of other trials
    Optuna gets what it can hold: a paused trial counts as pruned, constraints become Optuna's, options that are objects
    go by their names, and metrics beyond the objectives and why a trial failed stay in the system attribute "kilter",
    which `import_study` reads again. Left out are steps where `from_kilter` would raise, reports of folds, budgets and
    parents.

    Raises StudyExists where the name is taken, and StorageError for a file that holds studies of kilter's. A study that
    could not be copied to its end is removed.

    >>> from kilter import create_study
    >>> ours = create_study(study_name="parabola", seed=0)
    >>> ours.optimize(lambda trial: trial.suggest_float("x", -1, 1) ** 2, n_trials=3, progress="none")
    >>> export_study(ours, None).best_value == ours.best_value
    True
    """
    ours = source if isinstance(source, StudyView) else read_study(study_name=study_name, storage=source)
    distributions = distributions_of(ours)
    trials = [_restored(trial, frozen(trial, ours, distributions)) for trial in ours.trials]
    directions: Any = ours.directions
    target = _target(storage)
    try:
        theirs = optuna.create_study(storage=target, study_name=ours.study_name, directions=directions)
    except optuna.exceptions.DuplicatedStudyError:
        raise StudyExists(
            f"there is a study {ours.study_name!r} in {masked(str(storage))} already: delete it there"
        ) from None
    kept_in, number = place_of(theirs)
    try:
        attrs = ours.user_attrs
        for key, value in attrs.pop(RECORD, study_system_attrs(ours)).items():
            kept_in.set_study_system_attr(number, key, value)
        for key, value in attrs.items():
            theirs.set_user_attr(key, value)
        theirs.add_trials(trials)
    except BaseException:
        optuna.delete_study(study_name=theirs.study_name, storage=kept_in)
        raise
    return theirs


def _target(storage: Any) -> Any:
    """A storage of Optuna's to write to. Optuna would put its tables among those of kilter, and lines into ours."""
    if not isinstance(storage, str):
        return storage
    path = sqlite_path(storage)
    if storage.startswith("sqlite:///") and path.is_file():
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            [application] = connection.execute("PRAGMA application_id").fetchone()
        if application == APPLICATION:
            raise StorageError(
                f"{masked(storage)} holds studies of kilter's: choose another file for those of Optuna's"
            )
    return database(storage)


def distributions_of(study: StudyView) -> dict[str, BaseDistribution]:
    """The distributions of a study's parameters."""
    return {name: _exported(parameter) for name, parameter in study.space.parameters.items()}


def _exported(parameter: Parameter) -> BaseDistribution:
    """The distribution of a parameter, of options that are objects by their names; without steps where that must be."""
    if not all(map(is_scalar, parameter.values)):
        return CategoricalDistribution(parameter.labels)
    try:
        return from_kilter(parameter)
    except InvalidInput:
        match parameter:
            case Int(low=low, high=high, log=log):
                return IntDistribution(low, high, log=log)
            case Float(low=low, high=high, log=log):
                return FloatDistribution(low, high, log=log)
        raise


def frozen(ours: FrozenTrial, study: StudyView, distributions: Mapping[str, BaseDistribution]) -> Any:
    """One of our trials as one of Optuna's, as far as that says the same."""
    state = TrialState.PRUNED if ours.state is TrialState.PAUSED else ours.state
    params, ranges = {}, {}
    for name, value in _parts(study.space, ours.params).items():
        parameter = study.space.parameters.get(name)
        params[name] = value if parameter is None or is_scalar(value) else parameter.plain(value)
        ranges[name] = _holding(distributions.get(name), params[name])
    system_attrs = _constraint_attrs(ours.metrics, study.problem)
    if state is TrialState.WAITING and params:
        system_attrs[FIXED], params, ranges = params, {}, {}
    extras = _beyond_optuna(ours, study.problem)
    if extras:
        system_attrs[EXTRAS] = {"by": "export_study", **extras}
    return optuna.trial.FrozenTrial(
        number=ours.number,
        trial_id=-1,
        state=optuna.trial.TrialState[state.name],
        value=None,
        values=ours.values,
        datetime_start=None if state is TrialState.WAITING else ours.datetime_start,
        datetime_complete=ours.datetime_complete if state.is_finished() else None,
        params=params,
        distributions=ranges,
        user_attrs={key: value for key, value in ours.user_attrs.items() if key != RECORD},
        system_attrs=system_attrs,
        intermediate_values=ours.intermediate_values,
    )


def _parts(space: Space, params: Mapping[str, Any]) -> dict[str, Any]:
    """Values by dimension: those of compounds as values of their parts."""
    parts: dict[str, Any] = {}
    for name, value in params.items():
        is_whole = name in space.declared and name not in space.parameters
        parts |= space.plain_of({name: value}) if is_whole else {name: value}
    return parts


def _holding(distribution: BaseDistribution | None, value: Any) -> BaseDistribution:
    """The distribution where it holds the value, else one that holds this value alone."""
    try:
        if distribution is not None and distribution._contains(distribution.to_internal_repr(value)):
            return distribution
    except ValueError:
        pass
    return CategoricalDistribution([value])


def _constraint_attrs(metrics: Mapping[str, float], problem: Problem) -> dict[str, Any]:
    """How far each constrained metric is beyond its bound, as Optuna keeps it: what has no name there is in a list."""
    attrs: dict[str, Any] = {}
    listed = []
    for constraint in problem.constraints:
        beyond, name = constraint.beyond(metrics), constraint.metric.removeprefix(metric(""))
        if name == constraint.metric or name.isdigit():
            listed.append(beyond)
        elif not math.isnan(beyond):
            attrs[f"{CONSTRAINTS}:{name}"] = beyond
    if listed and not np.isnan(listed).any():
        attrs[CONSTRAINTS] = listed
    return attrs


def _beyond_optuna(ours: FrozenTrial, problem: Problem) -> dict[str, Any]:
    """What Optuna has no words for in a trial of ours."""
    extras: dict[str, Any] = {}
    if ours.state is TrialState.PAUSED:
        extras["state"] = ours.state.name
    if ours.failure is not None and ours.failure.kind != "told" and ours.state is TrialState.FAIL:
        extras["failure"] = [ours.failure.kind, ours.failure.message, ours.failure.traceback]
    said = set() if ours.values is None else {objective.name for objective in problem.objectives}
    said |= {c.metric for c in problem.constraints if c.metric.startswith(metric(""))}
    metrics = {name: value for name, value in ours.metrics.items() if name not in said}
    if metrics:
        extras["metrics"] = metrics
    return extras


def _restored(ours: FrozenTrial, theirs: Any) -> Any:
    """The trial as it came from Optuna, unless it went on since."""
    record = ours.user_attrs.get(RECORD)
    if record is None or record["as"] != [ours.state.name, ours.attempt]:
        return theirs
    if "params" in record:
        ranges = {name: (json_to_distribution(text), value) for name, (text, value) in record["params"].items()}
        theirs.params = {name: distribution.to_external_repr(value) for name, (distribution, value) in ranges.items()}
        theirs.distributions = {name: distribution for name, (distribution, _) in ranges.items()}
    if "values" in record:
        theirs.values = record["values"]
    if "system_attrs" in record:
        theirs.system_attrs = record["system_attrs"]
    if "intermediate_values" in record:
        theirs.intermediate_values = dict(record["intermediate_values"])
    for name in ("datetime_start", "datetime_complete"):
        if name in record:
            setattr(theirs, name, record[name] and datetime.fromisoformat(record[name]))
    return theirs


def study_system_attrs(study: StudyView) -> dict[str, Any]:
    """Those that a study of ours has in Optuna."""
    names = study.metric_names
    unnamed = ["value"] if len(names) == 1 else [f"value_{i}" for i in range(len(names))]
    return {} if names == unnamed else {METRIC_NAMES: names}
