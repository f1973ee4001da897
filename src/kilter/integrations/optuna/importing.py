"""Whole studies of Optuna's as studies of ours."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from time import time
from typing import Any

from optuna.distributions import BaseDistribution, distribution_to_json

from kilter.api import DEFAULT_STORAGE, Study, create_study, delete_study
from kilter.core.errors import InvalidInput, StorageError, StudyExists
from kilter.core.events import Event, Failure, Noted, Report, TrialState
from kilter.core.interfaces import Storage
from kilter.core.options import Choice
from kilter.core.parameter import Parameter, Plain
from kilter.core.past import PastTrial
from kilter.core.space import Space
from kilter.integrations.optuna.exporting import EXTRAS, RECORD, distributions_of, frozen, study_system_attrs
from kilter.integrations.optuna.parameters import FIXED, WORKER, constraints_of, growth, metric, seconds, to_kilter
from kilter.integrations.optuna.stores import place_of, study_of
from kilter.plugins import open_storage

BATCH = 5_000
"""Events that are written in one transaction."""


def import_study(source: Any, storage: str | Storage | None = DEFAULT_STORAGE, study_name: str | None = None) -> Study:
    """Copy a study of Optuna's into a storage of ours, under its name; what kilter then knows of it, it goes on with.

    `source` is a study of Optuna's, or its storage, the URL of that, or its SQLite or journal file, where `study_name`
    says which of several. Numbers, states, parameters, values, reports, attributes and times stay what they were; what
    kilter has no place for, such as a range that held for one trial only, is kept in an attribute for `export_study`.
    Constraints become those of the study, met where they are at most 0. A trial that runs in Optuna goes back to the
    queue when the study goes on here.

    Raises InvalidInput for an attribute or a choice that is not JSON, StudyNotFound with the names that there are,
    StorageError where nothing of Optuna's is found, and StudyExists where the name is taken. A study that could not be
    copied to its end is removed.

    >>> import optuna
    >>> theirs = optuna.create_study(study_name="line", direction="maximize")
    >>> theirs.optimize(lambda trial: trial.suggest_int("x", 0, 9), n_trials=3)
    >>> ours = import_study(theirs, None)
    >>> ours.study_name, len(ours.trials), ours.best_value == theirs.best_value
    ('line', 3, True)
    """
    theirs = study_of(source, study_name)
    trials = theirs.get_trials(deepcopy=False)
    names = dict.fromkeys(name for trial in trials for name in constraints_of(trial.system_attrs))
    opened = open_storage(storage)
    try:
        study = create_study(
            storage=opened,
            study_name=theirs.study_name,
            directions=_named_directions(theirs),
            subject_to={metric(name): "<= 0" for name in names},
            transfer=None,
        )
    except StudyExists:
        raise StudyExists(
            f"there is a study {theirs.study_name!r} in {opened.url} already, perhaps from an earlier import: "
            "remove it first, or import into another storage"
        ) from None
    try:
        _write(study, _study_events(theirs, study))
        _write(study, _trial_events(trials, study))
        _write(study, _records(trials, study))
    except BaseException:
        delete_study(study_name=study.study_name, storage=opened)
        raise
    return study


def _named_directions(theirs: Any) -> Any:
    """{metric: direction} where the metrics have names of their own, else the directions."""
    names = theirs.metric_names or ()
    is_named = len(set(names)) == len(theirs.directions)
    return dict(zip(names, theirs.directions)) if is_named else theirs.directions


def _write(study: Study, events: Iterator[Event]) -> None:
    """Append events in few transactions."""
    while batch := list(islice(events, BATCH)):
        if study.log.write(*batch):
            raise StorageError(f"another process wrote to {study.study_name!r} while it was imported: import it again")


def _study_events(theirs: Any, study: Study) -> Iterator[Event]:
    whose = f"the study {study.study_name!r}"
    attrs = _attributes(theirs.user_attrs, whose)
    storage, number = place_of(theirs)
    system_attrs = storage.get_study_system_attrs(number)
    if not _alike(system_attrs, study_system_attrs(study)):
        attrs[RECORD] = _jsonable(system_attrs, whose)
    if attrs:
        yield Noted(None, attrs, time())


def _trial_events(trials: Sequence[Any], study: Study) -> Iterator[Event]:
    """What happened to all trials, in kilter's words."""
    space, now = study.space, time()
    for trial in trials:
        space, past = _past(trial, space, study.problem.objective_names, now)
        yield from past.events(trial.number, WORKER)


def _past(trial: Any, space: Space, objectives: Sequence[str], now: float) -> tuple[Space, PastTrial]:
    """A trial in kilter's words, and the space as it was by then."""
    extras, own = _extras(trial.system_attrs), trial.user_attrs
    state = TrialState[extras.get("state", trial.state.name)]
    is_waiting, has_ended = state is TrialState.WAITING, state.is_finished() or state is TrialState.PAUSED
    met = {name: p for name, d in trial.distributions.items() if (p := _parameter(d)) is not None}
    space, grown = growth(space, met, {name: _label(parameter, trial.params[name]) for name, parameter in met.items()})
    values = {**trial.system_attrs.get(FIXED, {}), **trial.params} if is_waiting else trial.params
    failure = Failure(*extras.get("failure", ("told", "failed in Optuna")))
    constraints = {metric(name): value for name, value in constraints_of(trial.system_attrs).items()}
    reported = sorted(trial.intermediate_values.items())
    past = PastTrial(
        state,
        {name: _label(space.parameters.get(name), value) for name, value in values.items()},
        now if is_waiting or trial.datetime_start is None else seconds(trial.datetime_start),
        now if trial.datetime_complete is None else seconds(trial.datetime_complete),
        {**dict(zip(objectives, trial.values or ())), **constraints, **extras.get("metrics", {})} if has_ended else {},
        tuple(Report(step, {objectives[0]: value}) for step, value in reported if step >= 0),
        failure if state is TrialState.FAIL else None,
        _attributes(own, f"trial {trial.number}") if own else {},
        grown,
    )
    return space, past


def _extras(system_attrs: Mapping[str, Any]) -> Mapping[str, Any]:
    """What `export_study` kept of a trial; nothing where the attribute is somebody else's."""
    extras = system_attrs.get(EXTRAS)
    return extras if isinstance(extras, dict) and extras.get("by") == "export_study" else {}


def _attributes(attrs: Mapping[str, Any], whose: str) -> dict[str, Any]:
    if RECORD in attrs:
        raise InvalidInput(f"{whose} has an attribute {RECORD!r}, a name that kilter needs for itself: rename it")
    return _jsonable(attrs, whose)


def _jsonable(attrs: Mapping[str, Any], whose: str) -> dict[str, Any]:
    """The same as JSON has it, which is how Optuna's own files keep attributes."""
    try:
        plain: dict[str, Any] = json.loads(json.dumps(attrs))
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"an attribute of {whose} cannot be kept: {error}; remove it first") from None
    return plain


def _parameter(distribution: BaseDistribution) -> Parameter | None:
    """The parameter of a distribution; None where kilter has none such, and its values are kept as they are."""
    try:
        return to_kilter(distribution)
    except InvalidInput:
        return None


def _label(parameter: Parameter | None, value: Any) -> Plain:
    """A value as the log holds it, also where the parameter does not have it: its range may have changed."""
    try:
        return (parameter or Choice([value])).plain(value)
    except InvalidInput:
        return Choice([value]).plain(value)


def _records(trials: Sequence[Any], study: Study) -> Iterator[Event]:
    """Notes on the trials of which kilter's words do not say everything."""
    distributions = distributions_of(study)
    for theirs, ours in zip(trials, study.trials):
        record = _difference(theirs, frozen(ours, study, distributions))
        if record:
            record["as"] = ours.state.name, ours.attempt
            yield Noted(ours.number, {RECORD: _jsonable(record, f"trial {ours.number}")}, time())


def _difference(theirs: Any, said: Any) -> dict[str, Any]:
    """Where the first of two trials of Optuna's is not like the second, as JSON."""
    record: dict[str, Any] = {}
    for name in ("values", "system_attrs"):
        if not _alike(getattr(theirs, name), getattr(said, name)):
            record[name] = getattr(theirs, name)
    for name in ("datetime_start", "datetime_complete"):
        time = getattr(theirs, name)
        if time != getattr(said, name):
            record[name] = time and time.isoformat()
    reported = sorted(theirs.intermediate_values.items())
    if not _alike(reported, sorted(said.intermediate_values.items())):
        record["intermediate_values"] = reported
    ranges = {name: _range(theirs, name) for name in theirs.params}
    if not _alike(ranges, {name: _range(said, name) for name in said.params}):
        record["params"] = ranges
    return record


def _alike(a: Any, b: Any) -> bool:
    """Equality as JSON, which finds NaN equal to itself."""
    try:
        return json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)
    except TypeError:
        return False  # whoever keeps it says what cannot be kept


def _range(trial: Any, name: str) -> list[Any]:
    """A parameter of a trial as Optuna keeps it: the distribution, and the value as a number."""
    distribution = trial.distributions[name]
    try:
        return [distribution_to_json(distribution), float(distribution.to_internal_repr(trial.params[name]))]
    except TypeError as error:
        raise InvalidInput(f"{name!r} of trial {trial.number} cannot be kept: {error}; use text for choices") from None
