"""Ray Tune with kilter as its search algorithm, and its search spaces as spaces of kilter, both ways.

    from ray import tune
    from kilter.integrations.ray import KilterSearch

    search = KilterSearch(metric="loss", mode="min", seed=0)
    tuner = tune.Tuner(train, param_space={"lr": tune.loguniform(1e-5, 1e-1)},
                       tune_config=tune.TuneConfig(search_alg=search, num_samples=50))
    tuner.fit()

Ray runs the trials, stops them by its own schedulers and keeps their checkpoints; kilter says what to try next. Nested
spaces are flattened with a slash: {"net": {"width": …}} has the parameter "net/width".
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kilter import api
from kilter.core import codec
from kilter.core.errors import InvalidInput, NotReady, needed
from kilter.core.events import Created, TrialState
from kilter.core.interfaces import Storage
from kilter.core.numbers import Float, Int, Number
from kilter.core.options import Boolean, Choice
from kilter.core.parameter import Parameter, Prior
from kilter.core.space import Space
from kilter.integrations.conversion import DEVIATIONS, refuse_compounds
from kilter.objective.trial import Trial
from kilter.plugins import open_storage
from kilter.storage.memory import MemoryStorage

with needed("'ray[tune]'", "KilterSearch"):
    from ray import tune
    from ray.tune.result import DEFAULT_METRIC
    from ray.tune.search import Searcher, sample
    from ray.tune.search.variant_generator import parse_spec_vars

TRAINING_ITERATION = "training_iteration"
"""Ray's name for the number of a result of a trial, from 1."""

DIRECTIONS = {"min": "minimize", "max": "maximize"}


class KilterSearch(Searcher):
    """A search algorithm for `ray.tune.Tuner` that asks kilter what to try next.

    `space` is a space of kilter, with conditions and clauses if you like, or the domains of one of Ray; without it the
    `param_space` of the Tuner is taken, where constants belong too. `metric` and `mode` ("min" or "max") may be lists,
    for several objectives, or left to TuneConfig. `points_to_evaluate` are (partial) configurations to begin with.
    `sampler`, `seed`, `storage` and `study_name` are those of `kilter.create_study`; with a file as storage
    `kilter status` looks on, and another run goes on with what is known. Results of an iteration are reported at the
    step `training_iteration`.

    A trial that raised counts as failed, as does one whose last result lacks the metric or has NaN. One that was
    stopped at an earlier iteration than others have reached, with none of the Tuner's `stop` criteria met, counts as
    pruned: its results say how it stood there, and not what it would have come to.

    >>> search = KilterSearch({"x": Float(0, 1)}, metric="loss", mode="min", sampler="random", seed=0)
    >>> config = search.suggest("a")
    >>> search.on_trial_complete("a", {"loss": 0.5, "training_iteration": 1})
    >>> search.study.best_params == config
    True
    """

    def __init__(
        self,
        space: Space | Mapping[str, Any] | None = None,
        metric: str | list[str] | None = None,
        mode: str | list[str] | None = None,
        *,
        points_to_evaluate: Sequence[Mapping[str, Any]] | None = None,
        sampler: Any = None,
        seed: int | None = None,
        storage: str | os.PathLike[str] | Storage | None = None,
        study_name: str = "ray",
    ) -> None:
        super().__init__(metric=metric, mode=mode)  # type: ignore[arg-type]  # lists are fine, it says
        self._space = None if space is None else _as_space(space)
        self._points = [dict(point) for point in points_to_evaluate or ()]
        self._constants: dict[str, Any] = {}
        """What the param_space of the Tuner fixes, by the names of kilter."""
        self._sampler = sampler
        self._seed = seed
        self._store = open_storage(storage)
        self._study_name = study_name
        self._study: api.Study | None = None
        self._numbers: dict[str, int] = {}
        """Of the trials that run, by Ray's name for them."""
        self._trials: dict[str, Trial] = {}
        """Those of them that were handed out since the search was last restored."""
        self._stop: dict[str, float] = {}
        """The Tuner's criteria: a trial is complete where a metric has reached its bound."""
        self._furthest = 0
        """The last iteration that any trial has reached."""
        if self._space is not None and metric is not None and mode is not None:
            self._study = self._created(self._space)

    @property
    def study(self) -> api.Study:
        """The study behind the search; raises NotReady before it knows the space and the metric."""
        if self._study is None:
            raise NotReady("the search has no space or metric yet: give space=, metric= and mode=, or run the Tuner")
        return self._study

    # -- called by Ray ------------------------------------------------------------------------------------------------

    def set_search_properties(self, metric: Any, mode: Any, config: dict[str, Any], **spec: Any) -> bool:
        """Take metric, mode and param_space of the Tuner; False where the search has a space already."""
        self._stop = dict(spec.get("stop") or {})
        declared = to_kilter(config or {})
        if self._study is not None or (self._space is not None and len(declared)):
            return self._study is not None and declared == self._study.space  # a search that was restored knows it
        self._metric, self._mode = metric or self._metric, mode or self._mode
        if self._space is None:
            self._space = declared
            self._constants = {n: v for n, v in _flat(config or {}, declared).items() if n not in declared}
        self._study = self._created(self._space)
        return True

    def suggest(self, trial_id: str) -> Any:
        """The configuration of a new trial, nested as in the space; FINISHED where there is nothing left to try."""
        study = self.study
        try:
            trial = study.ask()
            while (owner := self._owner(trial.number)) is not None:
                # A trial of the run that was restored: Ray goes on with it under its own name for it.
                self._trials[owner] = trial
                trial = study.ask()
        except NotReady:
            return Searcher.FINISHED
        self._numbers[trial_id], self._trials[trial_id] = trial.number, trial
        return _nested(trial.params)

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Report an iteration; one without the metric, or reported before, is passed over."""
        trial, metrics = self._trials.get(trial_id), self._metrics(result)
        step = result.get(TRAINING_ITERATION)
        if trial is None or metrics is None or not isinstance(step, int):
            return
        if trial.last_report is None or step > trial.last_report.step:
            trial.report(metrics, step)
            self._furthest = max(self._furthest, step)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tell how a trial ended; see the class."""
        if trial_id not in self._numbers:
            return
        is_cut = self._is_cut(self._trials.get(trial_id), result or {})
        if result:
            self.on_trial_result(trial_id, result)
        told: Any = self._trials.pop(trial_id, None) or self._numbers[trial_id]
        del self._numbers[trial_id]
        metrics = self._metrics(result or {})
        if not result and not error:  # broken off before it could report
            self.study.tell(told, state=TrialState.PRUNED, skip_if_finished=True)
        elif error or metrics is None:
            self.study.tell(told, state=TrialState.FAIL, skip_if_finished=True)
        elif is_cut:
            self.study.tell(told, state=TrialState.PRUNED, skip_if_finished=True)
        else:
            self.study.tell(told, metrics, skip_if_finished=True)

    def _is_cut(self, trial: Trial | None, result: Mapping[str, Any]) -> bool:
        """Whether a trial was stopped before its time.

        Ray does not say so. But it tells of each result from which a trial goes on, and of the one at which it is
        stopped only with its end; that may be where a criterion is met, too, or at the last step of a scheduler.
        """
        step = result.get(TRAINING_ITERATION)
        if trial is None or not isinstance(step, int) or (trial.last_report and step <= trial.last_report.step):
            return False
        is_met = any(name in result and result[name] >= bound for name, bound in self._stop.items())
        return step < self._furthest and not is_met

    def save(self, checkpoint_path: str) -> None:
        """Write the state of the search to a file, as JSON: its log where the study is in memory, else its name."""
        Path(checkpoint_path).write_text(json.dumps(self._state()), encoding="utf-8")

    def restore(self, checkpoint_path: str) -> None:
        """Go on from a state that `save` wrote; trials that ran then count with their last result."""
        self._resume(json.loads(Path(checkpoint_path).read_text(encoding="utf-8")))

    # -- its state ----------------------------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        """What Ray pickles: settings and the state of the search, without locks and files."""
        return {**vars(self), "_study": None, "_trials": {}, "_store": self._store.url, "saved": self._state()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        saved = state.pop("saved")
        vars(self).update(state)
        self._store = open_storage(state["_store"])
        self._resume(saved)

    def _state(self) -> dict[str, Any]:
        if self._study is None:
            return {}
        for trial in self._trials.values():
            trial.flush()
        state = {
            "study": self.study.study_name,
            "trials": self._numbers,
            "metric": self._metric,
            "mode": self._mode,
            "furthest": self._furthest,
        }
        if self._store.is_durable:
            return state
        row = next(row for row in self._store.studies() if row.name == self.study.study_name)
        return {**state, "log": [codec.row(entry.event) for entry in self._store.read(row.id)]}

    def _resume(self, state: dict[str, Any]) -> None:
        if not state:
            return
        self._metric, self._mode = state["metric"], state["mode"]
        self._numbers, self._trials, self._furthest = dict(state["trials"]), {}, state["furthest"]
        if "log" in state:
            self._store = MemoryStorage()
            first, *others = (codec.decode(*row) for row in state["log"])
            assert isinstance(first, Created)  # it is the first of every log
            self._store.append(self._store.create(state["study"], first), others)
        self._study = api.load_study(
            study_name=state["study"], storage=self._store, sampler=self._sampler, space=self._space
        )

    # -- in between ---------------------------------------------------------------------------------------------------

    def _created(self, space: Space) -> api.Study:
        if self._mode is None:
            raise InvalidInput("KilterSearch needs to know what to optimise: give metric= and mode='min' or 'max'")
        if not len(space):
            raise InvalidInput("there is nothing to search: param_space has no domain such as tune.uniform(0, 1)")
        names: Any = self._metric or DEFAULT_METRIC
        modes: Any = self._mode
        if isinstance(names, list) != isinstance(modes, list) or (isinstance(modes, list) and len(names) != len(modes)):
            raise InvalidInput(
                f"metric={names!r} and mode={modes!r} of KilterSearch: give lists of one length, or texts"
            )
        if isinstance(modes, str):
            names, modes = [names], [modes]
        study = api.create_study(
            storage=self._store,
            sampler=self._sampler,
            scheduler="fifo",
            study_name=self._study_name,
            load_if_exists=True,
            directions={name: DIRECTIONS.get(way, way) for name, way in zip(names, modes)},
            space=space,
            transfer=None,
            seed=self._seed,
        )
        for point in self._points:
            study.enqueue_trial(self._without_constants(_flat(point, space)), skip_if_exists=True)
        return study

    def _without_constants(self, point: dict[str, Any]) -> dict[str, Any]:
        """A point without what the space fixes, as a whole configuration of an earlier run has it."""
        for name in point.keys() & self._constants.keys():
            if point[name] != self._constants[name]:
                raise InvalidInput(
                    f"points_to_evaluate: {name}={point[name]!r}, which the param_space fixes at "
                    f"{self._constants[name]!r}: leave it out, or give it a domain there"
                )
        return {name: value for name, value in point.items() if name not in self._constants}

    def _owner(self, number: int) -> str | None:
        return next((name for name, known in self._numbers.items() if known == number), None)

    def _metrics(self, result: Mapping[str, Any]) -> dict[str, float] | None:
        """The objectives that a result holds, or None where one is missing or no number."""
        try:
            return {name: float(result[name]) for name in self.study.problem.objective_names}
        except (KeyError, TypeError, ValueError):
            return None


def to_kilter(param_space: Mapping[str, Any]) -> Space:
    """The kilter space of the domains in a search space of Ray Tune; constants are left out.

    Raises InvalidInput, with the place and what to do, for grid_search and sample_from, for domains inside lists and
    options, and for keys with a slash. A normal distribution becomes a range of 4 standard deviations to either side,
    all but 0.006 % of the draws, with a Prior that draws the same bell. What Ray draws below an upper bound lies here
    up to it.

    >>> to_kilter({"lr": tune.loguniform(1e-5, 1e-1), "net": {"width": tune.qrandint(32, 256, 32)}, "epochs": 10})
    Space({'lr': Float(1e-05, 0.1, log=True), 'net/width': Int(32, 256, step=32)})
    """
    _, domains, grids = parse_spec_vars(dict(param_space))
    for path, _ in grids:
        raise InvalidInput(
            f"{_shown(path)} is a grid_search, which Ray runs through by itself: write tune.choice([…]), "
            "and sampler='grid' to try all of them"
        )
    parameters = {}
    for path, domain in domains:
        if not all(isinstance(part, str) and "/" not in part for part in path):
            raise InvalidInput(
                f"the domain at {_shown(path)}: kilter finds domains in dicts alone, by keys without a slash"
            )
        try:
            parameters["/".join(path)] = _parameter(domain)
        except InvalidInput as error:
            raise InvalidInput(f"the domain at {_shown(path)}: {error}") from None
    return Space(parameters)


def from_kilter(space: Space | Mapping[str, Parameter]) -> dict[str, Any]:
    """The search space of Ray Tune for a kilter space, nested where names have slashes; defaults are left out.

    For Ray's own search algorithms: KilterSearch takes spaces of kilter as they are. Raises InvalidInput, with the
    parameter and what to do, for conditions, forbidden clauses, priors, and grids that are no multiples of their step.

    >>> sorted(from_kilter({"net/width": Int(32, 256, step=32), "net/act": Choice(["relu", "gelu"])})["net"])
    ['act', 'width']
    """
    space = space if isinstance(space, Space) else Space(space)
    refuse_compounds(space, "Ray")
    if space.forbidden:
        raise InvalidInput(
            f"the clause {space.forbidden[0]!r}: spaces of Ray forbid nothing; KilterSearch(space) takes it as it is"
        )
    return _nested({name: _domain(name, parameter) for name, parameter in space.parameters.items()})


# -- to kilter --------------------------------------------------------------------------------------------------------


def _as_space(given: Space | Mapping[str, Any]) -> Space:
    if isinstance(given, Space):
        return given
    is_ours = isinstance(given, Mapping) and any(isinstance(value, Parameter) for value in given.values())
    return api.as_space(given) if is_ours or not isinstance(given, Mapping) else to_kilter(given)


def _parameter(domain: Any) -> Parameter:
    sampler = domain.get_sampler()
    q = getattr(sampler, "q", None)
    if isinstance(sampler, sample.Quantized):
        sampler = sampler.sampler
    is_log = isinstance(sampler, sample.LogUniform)
    if isinstance(domain, sample.Categorical):
        if any(parse_spec_vars({"option": option})[1] for option in domain.categories):
            raise InvalidInput(
                "an option of tune.choice holds a domain, which Ray hands over undrawn: declare a kilter.Space, where "
                "Choice({'svm': {'C': Float(0.1, 10)}, 'forest': {}}) says what belongs to an option"
            )
        are_booleans = len(domain.categories) == 2 and all(isinstance(c, bool) for c in domain.categories)
        return Boolean() if are_booleans and len({*domain.categories}) == 2 else Choice(domain.categories)
    if isinstance(domain, sample.Float) and isinstance(sampler, sample.Normal):
        low, high = (sampler.mean + side * DEVIATIONS * sampler.sd for side in (-1, 1))
        if q is None:
            return Float(low, high, prior=Prior(sampler.mean, "high"))
        return Float(round(low / q) * q, round(high / q) * q, step=q, prior=Prior(round(sampler.mean / q) * q, "high"))
    if isinstance(domain, sample.Float):
        return Float(domain.lower, domain.upper, log=is_log, step=q)
    if isinstance(domain, sample.Integer) and (q or 1) == 1:
        return Int(domain.lower, domain.upper - 1, log=is_log)
    if isinstance(domain, sample.Integer):
        assert q is not None
        return Int(math.ceil(domain.lower / q) * q, math.floor(domain.upper / q) * q, log=is_log, step=q)
    raise InvalidInput(
        f"{type(domain).__name__} (tune.sample_from) draws what no space describes: give its values a domain, "
        "or a condition in a kilter.Space"
    )


def _shown(path: Sequence[Any]) -> str:
    return repr("/".join(map(str, path)))


# -- from kilter ------------------------------------------------------------------------------------------------------


def _domain(name: str, parameter: Parameter) -> Any:
    for has, what in ((parameter.conditions, "conditions"), (parameter.prior, "priors")):
        if has:
            raise InvalidInput(
                f"{name}={parameter!r}: spaces of Ray have no {what}; drop them, or use KilterSearch(space), which "
                "takes them as they are"
            )
    if parameter.labels:
        values = list(parameter.values)
        try:
            Choice(values)
        except InvalidInput as error:
            raise InvalidInput(f"{name}={parameter!r}: Ray knows options by their values alone: {error}") from None
        return tune.choice(values)
    last: Any = parameter.grid(2)[-1]
    match parameter:
        case Float(low=low, size=1):  # Ray's logarithms and grids do not all bring a single number back
            return tune.uniform(low, low)
        case Int(low=low, size=1):
            return tune.randint(low, low + 1)
        case Int(low=low, step=1):  # Ray stops short of the upper bound
            return (tune.lograndint if parameter.log else tune.randint)(low, last + 1)
        case Float(low=low, step=None):
            return (tune.loguniform if parameter.log else tune.uniform)(low, last)
        case Number():
            return _on_grid(name, parameter, last)
    raise InvalidInput(f"{name}={parameter!r}: Ray has no such kind of parameter")


def _on_grid(name: str, parameter: Number, last: Any) -> Any:
    """The domain of a range with a step."""
    low, step = parameter.low, parameter.step
    if not math.isclose(low / step, round(low / step)):
        raise InvalidInput(
            f"{name}={parameter!r}: the grids of Ray are multiples of their step; "
            f"begin at a multiple of {step}, or list the values in an Ordinal"
        )
    if parameter.kind == "float":
        made = (tune.qloguniform if parameter.log else tune.quniform)(low, last, step)
        if _parameter(made).size != parameter.size:
            raise InvalidInput(f"{name}={parameter!r}: the step is lost in the rounding of floats; make it coarser")
        return made
    return (tune.qlograndint if parameter.log else tune.qrandint)(low, last, step)


# -- nested and flat --------------------------------------------------------------------------------------------------


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        *parents, last = name.split("/")
        inner = nested
        for parent in parents:
            inner = inner.setdefault(parent, {})
            if not isinstance(inner, dict):
                raise InvalidInput(f"{parent!r} of {name!r} is a parameter itself: rename one of the two")
        if last in inner:
            raise InvalidInput(f"{name!r} is the beginning of another name: rename one of the two")
        inner[last] = value
    return nested


def _flat(point: Mapping[str, Any], space: Space, prefix: str = "") -> dict[str, Any]:
    """A configuration of Ray by kilter's names; a dict that is an option itself stays whole."""
    flat: dict[str, Any] = {}
    for key, value in point.items():
        name = f"{prefix}{key}"
        flat |= _flat(value, space, f"{name}/") if isinstance(value, Mapping) and name not in space else {name: value}
    return flat
