"""kilter's samplers inside Optuna's studies."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.samplers import BaseSampler

from kilter import plugins
from kilter.core.errors import InvalidInput
from kilter.core.events import (
    Ended,
    Enqueued,
    Entry,
    Event,
    Failure,
    Report,
    Reported,
    SpaceExtended,
    Started,
    TrialState,
)
from kilter.core.options import Choice
from kilter.core.parameter import Parameter, Plain
from kilter.core.problem import Constraint, Objective, Problem
from kilter.core.seeds import rng
from kilter.core.space import Config, Space
from kilter.engine.engine import Engine, check_capable
from kilter.integrations.optuna.parameters import (
    CONSTRAINTS,
    FIXED,
    WORKER,
    constraints_of,
    growth,
    metric,
    seconds,
    to_kilter,
)
from kilter.integrations.optuna.stores import place_of
from kilter.runtime.blas import single_threaded
from kilter.schedulers.fifo import FifoScheduler


class KilterSampler(BaseSampler):
    """kilter's samplers as one of Optuna's, for any of its studies and storages.

    `sampler` is a name, as in kilter.tune, or a sampler with settings. Each suggestion is a function of `seed`, of the
    trials that Optuna's storage holds, and of the number of the trial; without a seed one is drawn. It learns from
    complete, pruned and failed trials, reckons with running and enqueued ones, and takes parameters that are met under
    one option only as belonging to it. Constraints are met where they are at most 0: `constraints_func` computes them
    from a trial that ended, or the objective sets them with `trial.set_constraint`.

    Raises UnknownName for an unknown sampler, InvalidInput for a seed that is no whole number from 0 on, and
    IncapableSampler, a ValueError, at the first suggestion of a study that the sampler cannot handle.

    >>> import optuna
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
            config = self._replica(study).propose(trial.number, seconds(trial.datetime_start))
        values = {}
        for name, distribution in search_space.items():
            plain = config.get(name)
            if name not in config or not _indexed(distribution).contains(plain):
                plain = self._drawn(name, distribution, trial.number)
            values[name] = _external(distribution, plain)
        return values

    def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: BaseDistribution) -> Any:
        """A value by chance, for a parameter that is new or whose range has changed."""
        check_capable(_problem(study.directions, ()), sampler=self._sampler)
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
        place_of(study)[0].set_trial_system_attr(trial._trial_id, CONSTRAINTS, constraints)

    def _replica(self, study: Any) -> _Replica:
        """What we know of a study, brought up to date."""
        # Not study.get_trials(): under a Hyperband pruner that has the trials of one bracket only.
        storage, number = place_of(study)
        trials = storage.get_all_trials(number, deepcopy=False)
        known = self._replicas.setdefault(storage, {})
        key = number, study.study_name
        replica = known.get(key)
        if replica is None or len(trials) < len(replica.engine.history):
            replica = known[key] = _Replica(self._sampler, self._seed, study.directions, ())
        new = [name for t in replica.unread(trials) for name in constraints_of(t.system_attrs)]
        if not replica.constraints.issuperset(new):  # a problem is frozen: with another constraint it is another one
            names = sorted({*replica.constraints, *new})
            replica = known[key] = _Replica(self._sampler, self._seed, study.directions, names)
        replica.read(trials)
        return replica


def _problem(directions: Sequence[Any], constraints: Iterable[str]) -> Problem:
    objectives = tuple(Objective(f"value {i}", direction) for i, direction in enumerate(directions))
    return Problem(Space(), objectives, tuple(Constraint(metric(name), "<=", 0.0) for name in constraints))


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
        start = seconds(theirs.datetime_start)
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
            state, end = TrialState[theirs.state.name], seconds(theirs.datetime_complete)
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
        _, grown = growth(self.engine.problem.space, met, config)
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
        return {**metrics, **{metric(name): value for name, value in constraints_of(trial.system_attrs).items()}}

    def _handle(self, event: Event) -> None:
        self.engine.handle([Entry(self.engine.position + 1, event)])


def _plain(distribution: BaseDistribution, value: Any) -> Plain:
    internal = distribution.to_internal_repr(value)
    return float(internal) if isinstance(distribution, FloatDistribution) else int(internal)
