"""Optuna, both ways: kilter's samplers inside `optuna.create_study`, and whole studies from one store to the other.

    sampler = KilterSampler(seed=1)
    optuna.create_study(sampler=sampler).optimize(objective, n_trials=50)

    study = import_study("sqlite:///optuna.db", "sqlite:///kilter.db", study_name="resnet")
    export_study(study, "sqlite:///optuna-again.db")

Words differ in one place: what Optuna calls a distribution is a parameter here; `to_kilter` and `from_kilter` convert.
"""

from __future__ import annotations

import json
import math
import os
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from kilter import plugins
from kilter.api import DEFAULT_STORAGE, Study, create_study, load_study
from kilter.core.errors import InvalidInput, StorageError, StudyExists, StudyNotFound, needed
from kilter.core.events import (
    Ended,
    Enqueued,
    Entry,
    Event,
    Failure,
    Noted,
    Report,
    Reported,
    SpaceExtended,
    Started,
    TrialState,
)
from kilter.core.interfaces import Storage
from kilter.core.numbers import Float, Int
from kilter.core.options import Boolean, Choice
from kilter.core.parameter import Parameter, Plain, same
from kilter.core.problem import SET, Constraint, Objective, Problem
from kilter.core.seeds import rng
from kilter.core.space import Config, Space
from kilter.engine.engine import Engine, check_capable
from kilter.frozen import FrozenTrial
from kilter.runtime.blas import single_threaded
from kilter.schedulers.fifo import FifoScheduler
from kilter.storage.sqlite import APPLICATION
from kilter.storage.urls import open_storage

with needed("optuna", "kilter.integrations.optuna"):
    import optuna
    from optuna.distributions import (
        BaseDistribution,
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
        distribution_to_json,
        json_to_distribution,
    )
    from optuna.samplers import BaseSampler
    from optuna.storages.journal import JournalFileBackend

__all__ = ["KilterSampler", "export_study", "from_kilter", "import_study", "study_names", "to_kilter"]

CONSTRAINTS = "constraints"
"""Optuna's attribute for constraints: a list of numbers, or one number under `constraints:name`; met where <= 0."""
FIXED = "fixed_params"
"""Optuna's attribute for what a user enqueued."""
METRIC_NAMES = "study:metric_names"
"""Optuna's attribute for the names of the objectives."""
EXTRAS = "kilter"
"""The attribute of an exported trial that holds what Optuna has no place for."""
RECORD = "optuna:record"
"""The attribute of an imported trial or study that holds what kilter has no place for."""
FINEST_STEP = 1e-7
"""Of the larger bound; finer ones are lost where Optuna looks whether a value is on the grid."""
LARGEST_INT = 2**53
WORKER = "optuna"
BATCH = 5_000
"""Events that are written in one transaction."""


# -- parameters ---------------------------------------------------------------------------------------------------


def to_kilter(distribution: BaseDistribution) -> Parameter:
    """The parameter that holds the values of a distribution.

    Choices of False and True, in this order, are a Boolean. Raises InvalidInput for choices of which two read alike,
    and for ranges that kilter's parameters do not have.

    >>> to_kilter(FloatDistribution(1e-5, 1e-1, log=True))
    Float(1e-05, 0.1, log=True)
    """
    if isinstance(distribution, FloatDistribution):
        return Float(distribution.low, distribution.high, log=distribution.log, step=distribution.step)
    if isinstance(distribution, IntDistribution):
        return Int(distribution.low, distribution.high, log=distribution.log, step=distribution.step)
    if isinstance(distribution, CategoricalDistribution):
        choices = distribution.choices
        is_boolean = len(choices) == 2 and same(choices[0], False) and same(choices[1], True)
        return Boolean() if is_boolean else Choice(list(choices))
    raise InvalidInput(f"{distribution!r} is not a Float-, Int- or CategoricalDistribution of Optuna")


def from_kilter(parameter: Parameter) -> BaseDistribution:
    """The distribution that holds the values of a parameter.

    Of an Ordinal the order is lost; conditions, defaults and priors have no place in Optuna, where the objective says
    what is active. The upper end of a range with a step comes down to the last value. Raises InvalidInput for what
    Optuna cannot hold: a step on a logarithmic scale, without an end such as 1/3, or below 1e-7 of the larger bound,
    whole numbers above 2**53, and options other than None, bool, int, float and str.

    >>> from_kilter(Int(1, 10, step=4))
    IntDistribution(high=9, log=False, low=1, step=4)
    """
    match parameter:
        case Float(log=True, step=float()):
            raise _coarse(parameter)
        case Float():
            return _of_float(parameter)
        case Int(low=low, high=high, step=step):
            if parameter.log and step != 1:
                raise _coarse(parameter)
            if max(abs(low), abs(high)) > LARGEST_INT:
                raise InvalidInput(f"{parameter!r}: Optuna keeps whole numbers as floats, up to 2**53: narrow it")
            return IntDistribution(low, high - (high - low) % step, log=parameter.log, step=step)
        case Parameter(labels=(_, *_)):
            strange = [value for value in parameter.values if not _is_scalar(value)]
            if strange:
                raise InvalidInput(
                    f"the option {strange[0]!r}: Optuna keeps None, bool, int, float and str only: use its name instead"
                )
            return CategoricalDistribution(parameter.values)
    raise InvalidInput(f"{parameter!r} is not a parameter: give a Float, Int, Ordinal, Choice or Boolean")


def _coarse(parameter: Parameter) -> InvalidInput:
    return InvalidInput(f"{parameter!r}: Optuna has no steps on a logarithmic scale: drop step or log")


def _of_float(parameter: Float) -> FloatDistribution:
    low, end, step = parameter.low, parameter.high, parameter.step
    if step is not None:
        end = parameter.from_unit(1.0)
        ends = (Decimal(str(end)) - Decimal(str(low))) % Decimal(str(step)) == 0
        if not ends or step < FINEST_STEP * max(abs(low), abs(end)):
            raise InvalidInput(
                f"{parameter!r}: Optuna counts steps in decimals, to 8 digits, and would not take {end}: "
                "give a coarser step, or one with few decimals"
            )
    return FloatDistribution(low, end, log=parameter.log, step=step)


def _is_scalar(value: Any) -> bool:
    return value is None or type(value) in (bool, int, float, str)


def _growth(space: Space, met: Mapping[str, Parameter], config: Config) -> tuple[Space, dict[str, Parameter]]:
    """The space, grown by what a define-by-run trial met in this order, and by what it grew.

    A parameter belongs to the branch that it was met in (docs/decisions/0007). One that contradicts the space changes
    nothing.
    """
    grown: dict[str, Parameter] = {}
    seen: Config = {}
    for name, parameter in met.items():
        known = space.parameters.get(name)
        if known is None or not known.covers(parameter) or not space.is_active(name, seen):
            placed = space.met(name, parameter, seen)
            try:
                space = space.extended({name: placed})
                grown[name] = placed
            except InvalidInput:
                pass
        seen[name] = config[name]
    return space, grown


def _constraints(system_attrs: Mapping[str, Any]) -> dict[str, float]:
    """Optuna's constraints by name; those of a list are named by their place."""
    found = {str(i): float(value) for i, value in enumerate(system_attrs.get(CONSTRAINTS) or ())}
    for key, value in system_attrs.items():
        if key.startswith(f"{CONSTRAINTS}:"):
            found[key[len(CONSTRAINTS) + 1 :]] = float(value)
    return found


def _metric(constraint: str) -> str:
    return f"{SET}{constraint}"


# -- the sampler --------------------------------------------------------------------------------------------------


class KilterSampler(BaseSampler):
    """kilter's samplers as one of Optuna's, for any of its studies and storages.

    `sampler` is a name, as in kilter.tune, or a sampler with settings. Each suggestion is a function of `seed`, of the
    trials that Optuna's storage holds, and of the number of the trial; without a seed one is drawn. It learns from
    complete, pruned and failed trials, reckons with running and enqueued ones, and takes parameters that are met under
    one option only as belonging to it. Constraints are met where they are at most 0: `constraints_func` computes them
    from a trial that ended, or the objective sets them with `trial.set_constraint`.

    Raises UnknownName for an unknown sampler, InvalidInput for a seed that is no whole number from 0 on, and
    IncapableSampler, a ValueError, at the first suggestion of a study that the sampler cannot handle.

    >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
    >>> study = optuna.create_study(sampler=KilterSampler(seed=1))
    >>> study.optimize(lambda trial: (trial.suggest_float("x", -10, 10) - 2) ** 2, n_trials=15)
    >>> study.best_value < 0.01
    True
    """

    def __init__(
        self,
        sampler: Any = "auto",
        seed: int | None = None,
        constraints_func: Callable[[Any], Sequence[float]] | None = None,
    ) -> None:
        self._sampler = plugins.find("sampler", sampler)
        if seed is not None and (not hasattr(seed, "__index__") or seed < 0):
            raise InvalidInput(f"seed={seed!r} of KilterSampler: it must be a whole number from 0 on, or None")
        self._seed = secrets.randbits(32) if seed is None else int(seed)
        self._constraints_func = constraints_func
        self._forget()

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._replicas: WeakKeyDictionary[Any, dict[tuple[int, str], _Replica]] = WeakKeyDictionary()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_lock", "_replicas")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._forget()

    def __repr__(self) -> str:
        return f"KilterSampler({self._sampler!r}, seed={self._seed})"

    def reseed_rng(self) -> None:
        """Nothing to do: chance comes from the seed and the number of the trial, so no two trials share it."""

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, BaseDistribution]:
        """All parameters that were met so far, each with the range that it was last met with."""
        with self._lock:
            replica = self._replica(study)
            return {name: replica.latest[name] for name in replica.engine.problem.space.names}

    def sample_relative(self, study: Any, trial: Any, search_space: Mapping[str, BaseDistribution]) -> dict[str, Any]:
        """Values for all of these parameters: from the model, or by chance where it has the parameter inactive."""
        if not search_space:
            return {}
        with self._lock:
            config = self._replica(study).propose(trial.number, _seconds(trial.datetime_start))
        values = {}
        for name, distribution in search_space.items():
            plain = config.get(name)
            if name not in config or not _indexed(distribution).contains(plain):
                plain = self._drawn(name, distribution, trial.number)
            values[name] = _external(distribution, plain)
        return values

    def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: BaseDistribution) -> Any:
        """A value by chance, for a parameter that is new or whose range has changed."""
        check_capable(self._sampler, _problem(study.directions, ()))
        return _external(param_distribution, self._drawn(param_name, param_distribution, trial.number))

    def _drawn(self, name: str, distribution: BaseDistribution, number: int) -> Plain:
        return _indexed(distribution).from_uniform(rng(self._seed, f"suggest {name}", number).random())

    def after_trial(self, study: Any, trial: Any, state: Any, values: Sequence[float] | None) -> None:
        """Compute the constraints of a trial that is complete or pruned, and keep them with it."""
        if self._constraints_func is None or state.name not in ("COMPLETE", "PRUNED"):
            return
        constraints = [float(value) for value in self._constraints_func(trial)]
        if np.isnan(constraints).any():
            raise InvalidInput(f"constraints_func returned {constraints!r} for trial {trial.number}: give numbers")
        study._storage.set_trial_system_attr(trial._trial_id, CONSTRAINTS, constraints)

    def _replica(self, study: Any) -> _Replica:
        """What we know of a study, brought up to date."""
        # Not study.get_trials(): under a Hyperband pruner that has the trials of one bracket only.
        trials = study._storage.get_all_trials(study._study_id, deepcopy=False)
        known = self._replicas.setdefault(study._storage, {})
        key = study._study_id, study.study_name
        replica = known.get(key)
        if replica is None or len(trials) < len(replica.engine.history):
            replica = known[key] = _Replica(self._sampler, self._seed, study.directions, ())
        new = [name for t in replica.unread(trials) for name in _constraints(t.system_attrs)]
        if not replica.constraints.issuperset(new):  # a problem is frozen: with another constraint it is another one
            names = sorted({*replica.constraints, *new})
            replica = known[key] = _Replica(self._sampler, self._seed, study.directions, names)
        replica.read(trials)
        return replica


def _problem(directions: Sequence[Any], constraints: Iterable[str]) -> Problem:
    objectives = tuple(Objective(f"value {i}", direction) for i, direction in enumerate(directions))
    return Problem(Space(), objectives, tuple(Constraint(_metric(name), "<=", 0.0) for name in constraints))


def _indexed(distribution: BaseDistribution) -> Parameter:
    """The parameter of a distribution; options go by their place, so that any objects will do, and twice the same."""
    if isinstance(distribution, CategoricalDistribution):
        return Choice(range(len(distribution.choices)))
    return to_kilter(distribution)


def _external(distribution: BaseDistribution, plain: Any) -> Any:
    return distribution.choices[plain] if isinstance(distribution, CategoricalDistribution) else plain


class _Replica:
    """A study of Optuna's as our engine sees it; every trial is read until it has ended, and then no more."""

    def __init__(self, sampler: Any, seed: int, directions: Sequence[Any], constraints: Sequence[str]) -> None:
        self.engine = Engine(_problem(directions, constraints), sampler, FifoScheduler(), seed)
        self.constraints = set(constraints)
        self.latest: dict[str, BaseDistribution] = {}
        """The distribution that each parameter was last met with."""
        self._open: dict[int, None] = {}
        self._reported: dict[int, set[int]] = {}

    def unread(self, trials: Sequence[Any]) -> list[Any]:
        """The trials that have not ended yet, as far as we know."""
        return [*(trials[number] for number in self._open), *trials[len(self.engine.history) :]]

    def read(self, trials: Sequence[Any]) -> None:
        """Take in what has happened since."""
        for trial in self.unread(trials):
            self._read(trial)

    def propose(self, number: int, start: float) -> Config:
        """A configuration for a trial that runs, which the next suggestions reckon with; empty where there is none."""
        with single_threaded():
            config = self.engine.propose(number) or {}
        if self.engine.history[number].state is TrialState.WAITING:
            self._handle(Started(number, 1, config, WORKER, self.engine.position, start, fresh=False))
        return config

    def _read(self, theirs: Any) -> None:
        number, history = theirs.number, self.engine.history
        start = _seconds(theirs.datetime_start)
        config = self._met(theirs)
        if number == len(history):
            fixed = self._fixed(theirs)
            self._handle(Enqueued(number, {**fixed, **config}, start, None if fixed else WORKER))
            self._open[number] = None
        ours = history[number]
        if not config.items() <= ours.params.items():
            ours.params = {**ours.params, **config}
            history.changed(number)
        is_finished = theirs.state.is_finished()
        reports = self._new_reports(theirs)
        if ours.state is TrialState.WAITING and (config or reports or is_finished):
            self._handle(Started(number, 1, ours.params, WORKER, self.engine.position, start, fresh=False))
        if reports:
            self._handle(Reported(number, 1, reports, start))
        if is_finished:
            del self._open[number]
            self._reported.pop(number, None)
            state, end = TrialState[theirs.state.name], _seconds(theirs.datetime_complete)
            failure = Failure("told") if state is TrialState.FAIL else None
            self._handle(Ended(number, 1, state, self._metrics(theirs), end, params=config, failure=failure))

    def _met(self, trial: Any) -> Config:
        """The configuration of a trial, after the space has grown by what is new in it."""
        met, config = {}, {}
        for name, distribution in trial.distributions.items():
            if not distribution.single():
                met[name] = _indexed(distribution)
                config[name] = _plain(distribution, trial.params[name])
                self.latest[name] = distribution
        _, grown = _growth(self.engine.problem.space, met, config)
        if grown:
            self._handle(SpaceExtended({name: parameter.to_json() for name, parameter in grown.items()}, 0.0))
        return config

    def _fixed(self, trial: Any) -> Config:
        """What a user enqueued, as far as it fits what is known."""
        fixed = {}
        for name, value in trial.system_attrs.get(FIXED, {}).items():
            if name in self.latest:
                try:
                    plain = _plain(self.latest[name], value)
                except ValueError:
                    continue
                if self.engine.problem.space[name].contains(plain):
                    fixed[name] = plain
        return fixed

    def _new_reports(self, trial: Any) -> tuple[Report, ...]:
        if not trial.intermediate_values:
            return ()
        known = self._reported.setdefault(trial.number, set())
        new = [step for step in sorted(trial.intermediate_values) if step >= 0 and step not in known]
        known.update(new)
        name = self.engine.problem.objectives[0].name
        return tuple(Report(step, {name: trial.intermediate_values[step]}) for step in new)

    def _metrics(self, trial: Any) -> dict[str, float]:
        objectives = self.engine.problem.objectives
        metrics = {objective.name: value for objective, value in zip(objectives, trial.values or ())}
        return {**metrics, **{_metric(name): value for name, value in _constraints(trial.system_attrs).items()}}

    def _handle(self, event: Event) -> None:
        self.engine.handle([Entry(self.engine.position + 1, event)])


def _plain(distribution: BaseDistribution, value: Any) -> Plain:
    internal = distribution.to_internal_repr(value)
    return float(internal) if isinstance(distribution, FloatDistribution) else int(internal)


def _seconds(time: datetime | None) -> float:
    return time.timestamp() if time is not None else 0.0


# -- whole studies ------------------------------------------------------------------------------------------------


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

    >>> theirs = optuna.create_study(study_name="line", direction="maximize")
    >>> theirs.optimize(lambda trial: trial.suggest_int("x", 0, 9), n_trials=3)
    >>> ours = import_study(theirs, None)
    >>> ours.study_name, len(ours.trials), ours.best_value == theirs.best_value
    ('line', 3, True)
    """
    theirs = _theirs(source, study_name)
    trials = theirs.get_trials(deepcopy=False)
    names = dict.fromkeys(name for trial in trials for name in _constraints(trial.system_attrs))
    store = open_storage(storage)
    try:
        study = create_study(
            storage=store,
            study_name=theirs.study_name,
            directions=_named_directions(theirs),
            subject_to={_metric(name): "<= 0" for name in names},
        )
    except StudyExists:
        raise StudyExists(
            f"there is a study {theirs.study_name!r} in {store.url} already, perhaps from an earlier import: "
            "remove it first, or import into another storage"
        ) from None
    try:
        _write(study, _study_events(theirs, study))
        _write(study, _trial_events(trials, study))
        _write(study, _records(trials, study))
    except BaseException:
        store.delete(study._session.study)
        raise
    return study


def study_names(source: Any) -> list[str]:
    """The names of the studies in a storage of Optuna's, which is given as for `import_study`."""
    return optuna.get_all_study_names(_opened(source))


def _theirs(source: Any, study_name: str | None) -> Any:
    if isinstance(source, optuna.Study):
        return source
    storage = _opened(source)
    names = optuna.get_all_study_names(storage)
    if study_name is None and not names:
        raise StudyNotFound(f"{source} has no studies")
    if study_name is None and len(names) > 1:
        raise StudyNotFound(f"{source} has {len(names)} studies: name one of {', '.join(names)}")
    if study_name is not None and study_name not in names:
        raise StudyNotFound.of("study", study_name, names, f"(in {source})")
    return optuna.load_study(study_name=study_name or names[0], storage=storage)


def _opened(source: Any) -> Any:
    """A storage of Optuna's that exists. Optuna itself would make the file, or its tables in one of another program."""
    if isinstance(source, optuna.storages.BaseStorage):
        return source
    if not isinstance(source, (str, os.PathLike)):
        raise InvalidInput(
            f"source={source!r}: give a study of Optuna's, its storage, a URL such as 'sqlite:///o.db', or a file"
        )
    url = os.fspath(source)
    path = _sqlite_path(url)
    if "://" not in url or url.startswith("sqlite:///"):
        if not path.is_file():
            raise StorageError(f"there is no file {path}, from which to take studies of Optuna: check the path")
        with path.open("rb") as file:
            is_journal = file.read(1) == b"{"
        if is_journal:
            return optuna.storages.JournalStorage(JournalFileBackend(str(path)))
        url = url if "://" in url else f"sqlite:///{url}"
    return _database(url, skip_table_creation=True)


def _database(url: str, **settings: Any) -> Any:
    try:
        return optuna.storages.get_storage(optuna.storages.RDBStorage(url, **settings))
    except Exception as error:  # SQLAlchemy has many kinds, and each database more
        why = str(error.__cause__ or error).partition("\n")[0]
        raise StorageError(f"{url} cannot be used as a storage of Optuna's: {why}") from error


def _sqlite_path(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///").partition("?")[0])


def _named_directions(theirs: Any) -> Any:
    """{metric: direction} where the metrics have names of their own, else the directions."""
    names = theirs.metric_names or ()
    is_named = len(set(names)) == len(theirs.directions)
    return dict(zip(names, theirs.directions)) if is_named else theirs.directions


def _write(study: Study, events: Iterator[Event]) -> None:
    """Append events in few transactions."""
    while batch := list(islice(events, BATCH)):
        if study._session.write(*batch):
            raise StorageError(f"another process wrote to {study.study_name!r} while it was imported: import it again")


def _study_events(theirs: Any, study: Study) -> Iterator[Event]:
    whose = f"the study {study.study_name!r}"
    attrs = _attributes(theirs.user_attrs, whose)
    system_attrs = theirs._storage.get_study_system_attrs(theirs._study_id)
    if not _alike(system_attrs, _study_system_attrs(study)):
        attrs[RECORD] = _jsonable(system_attrs, whose)
    if attrs:
        yield Noted(None, attrs, study._session.clock())


def _study_system_attrs(study: Study) -> dict[str, Any]:
    """Those that a study of ours has in Optuna."""
    names = study.metric_names
    unnamed = ["value"] if len(names) == 1 else [f"value_{i}" for i in range(len(names))]
    return {} if names == unnamed else {METRIC_NAMES: names}


def _trial_events(trials: Sequence[Any], study: Study) -> Iterator[Event]:
    """What happened to all trials, in kilter's words."""
    space, now, objectives = study.space, study._session.clock(), study.problem.objective_names
    for trial in trials:
        number, system_attrs = trial.number, trial.system_attrs
        extras = _extras(system_attrs)
        state = TrialState[extras.get("state", trial.state.name)]
        start = now if trial.datetime_start is None else _seconds(trial.datetime_start)
        end = now if trial.datetime_complete is None else _seconds(trial.datetime_complete)
        met = {name: p for name, d in trial.distributions.items() if (p := _parameter(d)) is not None}
        labels = {name: _label(parameter, trial.params[name]) for name, parameter in met.items()}
        space, grown = _growth(space, met, labels)
        if grown:
            yield SpaceExtended({name: parameter.to_json() for name, parameter in grown.items()}, start)
        values = {**system_attrs.get(FIXED, {}), **trial.params} if state is TrialState.WAITING else trial.params
        config = {name: _label(space.parameters.get(name), value) for name, value in values.items()}
        if state is TrialState.WAITING:
            yield Enqueued(number, config, now)
        else:
            yield Started(number, 1, config, WORKER, 1, start)
        reported = sorted(trial.intermediate_values.items())
        reports = tuple(Report(step, {objectives[0]: value}) for step, value in reported if step >= 0)
        if state is TrialState.RUNNING and reports:
            yield Reported(number, 1, reports, start)
        elif state.is_finished() or state is TrialState.PAUSED:
            metrics = dict(zip(objectives, trial.values or ()))
            metrics.update((_metric(name), value) for name, value in _constraints(system_attrs).items())
            failure = Failure(*extras.get("failure", ("told", "failed in Optuna")))
            told = failure if state is TrialState.FAIL else None
            yield Ended(number, 1, state, {**metrics, **extras.get("metrics", {})}, end, reports, failure=told)
        if trial.user_attrs:
            yield Noted(number, _attributes(trial.user_attrs, f"trial {number}"), end)


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
    distributions = _distributions(study)
    for theirs, ours in zip(trials, study.trials):
        record = _difference(theirs, _frozen(ours, study, distributions))
        if record:
            record["as"] = ours.state.name, ours.attempt
            yield Noted(ours.number, {RECORD: _jsonable(record, f"trial {ours.number}")}, study._session.clock())


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


def export_study(source: Study | str | Storage, storage: Any, study_name: str | None = None) -> Any:
    """Copy a study of ours into a storage of Optuna's, under its name; the study there.

    `source` is a study, or its storage or the URL of that, where `study_name` says which of several. `storage` is a
    storage of Optuna's, its URL, or None for memory. What came by `import_study` goes back as it was. Of other trials
    Optuna gets what it can hold: a paused trial counts as pruned, constraints become Optuna's, options that are objects
    go by their names, and metrics beyond the objectives and why a trial failed stay in the system attribute "kilter",
    which `import_study` reads again. Left out are steps where `from_kilter` would raise, reports of folds, budgets and
    parents.

    Raises StudyExists where the name is taken, and StorageError for a file that holds studies of kilter's. A study that
    could not be copied to its end is removed.

    >>> ours = create_study(study_name="parabola", seed=0)
    >>> ours.optimize(lambda trial: trial.suggest_float("x", -1, 1) ** 2, n_trials=3, progress="none")
    >>> export_study(ours, None).best_value == ours.best_value
    True
    """
    ours = source if isinstance(source, Study) else load_study(study_name=study_name, storage=source)
    distributions = _distributions(ours)
    trials = [_restored(trial, _frozen(trial, ours, distributions)) for trial in ours.trials]
    directions: Any = ours.directions
    target = _target(storage)
    try:
        theirs = optuna.create_study(storage=target, study_name=ours.study_name, directions=directions)
    except optuna.exceptions.DuplicatedStudyError:
        raise StudyExists(f"there is a study {ours.study_name!r} in {storage} already: delete it there") from None
    try:
        attrs = ours.user_attrs
        for key, value in attrs.pop(RECORD, _study_system_attrs(ours)).items():
            theirs._storage.set_study_system_attr(theirs._study_id, key, value)
        for key, value in attrs.items():
            theirs.set_user_attr(key, value)
        theirs.add_trials(trials)
    except BaseException:
        optuna.delete_study(study_name=theirs.study_name, storage=theirs._storage)
        raise
    return theirs


def _target(storage: Any) -> Any:
    """A storage of Optuna's to write to. Optuna would put its tables among those of kilter, and lines into ours."""
    if not isinstance(storage, str):
        return storage
    path = _sqlite_path(storage)
    if storage.startswith("sqlite:///") and path.is_file():
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            [application] = connection.execute("PRAGMA application_id").fetchone()
        if application == APPLICATION:
            raise StorageError(f"{storage} holds studies of kilter's: choose another file for those of Optuna's")
    return _database(storage)


def _distributions(study: Study) -> dict[str, BaseDistribution]:
    """The distributions of a study's parameters."""
    return {name: _exported(parameter) for name, parameter in study.space.parameters.items()}


def _exported(parameter: Parameter) -> BaseDistribution:
    """The distribution of a parameter, of options that are objects by their names; without steps where that must be."""
    if not all(map(_is_scalar, parameter.values)):
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


def _frozen(ours: FrozenTrial, study: Study, distributions: Mapping[str, BaseDistribution]) -> Any:
    """One of our trials as one of Optuna's, as far as that says the same."""
    state = TrialState.PRUNED if ours.state is TrialState.PAUSED else ours.state
    params, ranges = {}, {}
    for name, value in ours.params.items():
        parameter = study.space.parameters.get(name)
        params[name] = value if parameter is None or _is_scalar(value) else parameter.plain(value)
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
        beyond, name = constraint.beyond(metrics), constraint.metric.removeprefix(_metric(""))
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
    said |= {c.metric for c in problem.constraints if c.metric.startswith(_metric(""))}
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
