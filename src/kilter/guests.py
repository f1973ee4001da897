"""Samplers and pruners that users wrote for Optuna, in our loop: the classes to derive from, and their adaptors.

    class Mine(kilter.samplers.BaseSampler): …         kilter.create_study(sampler=Mine())
    class Mine(kilter.pruners.BasePruner): …           kilter.create_study(pruner=Mine())

They get the study and the trial, as Optuna hands them out; ours get data (docs/decisions/0020). What they remember is
theirs: it is in no log, so a study that goes on elsewhere is given the object again, `load_study(sampler=Mine())`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any, ClassVar

from kilter.core.actions import Judgement, Stop
from kilter.core.errors import InvalidInput
from kilter.core.events import TrialState
from kilter.core.history import History, Record
from kilter.core.interfaces import Capabilities, Draw, Outcome, Scheduler
from kilter.core.kinds import parameter_from_json
from kilter.core.parameter import Parameter, Plain
from kilter.core.problem import Problem
from kilter.core.seeds import rng
from kilter.core.space import Config
from kilter.frozen import FrozenTrial
from kilter.objective.failures import failure_of

__all__ = ["BasePruner", "BaseSampler"]


class BaseSampler(ABC):
    """What a sampler of your own derives from, with the methods that Optuna calls.

    Before each trial `infer_relative_search_space` says which parameters `sample_relative` chooses together; every
    other one comes from `sample_independent` when the objective suggests it. In worker processes a parameter that the
    study meets for the first time is drawn at random instead.

    >>> from kilter import create_study
    >>> class Lowest(BaseSampler):
    ...     def infer_relative_search_space(self, study, trial):
    ...         return {}
    ...     def sample_relative(self, study, trial, search_space):
    ...         return {}
    ...     def sample_independent(self, study, trial, param_name, param_distribution):
    ...         return param_distribution.low
    >>> study = create_study(sampler=Lowest())
    >>> study.optimize(lambda trial: trial.suggest_float("x", 2, 5), n_trials=3, progress="none")
    >>> [trial.params["x"] for trial in study.trials]
    [2.0, 2.0, 2.0]
    """

    @abstractmethod
    def infer_relative_search_space(self, study: Any, trial: FrozenTrial) -> dict[str, Parameter]:
        """The parameters that are to be chosen together for this trial."""

    @abstractmethod
    def sample_relative(self, study: Any, trial: FrozenTrial, search_space: dict[str, Parameter]) -> dict[str, Any]:
        """Values for them, or for some of them."""

    @abstractmethod
    def sample_independent(self, study: Any, trial: FrozenTrial, param_name: str, param_distribution: Parameter) -> Any:
        """A value for any other parameter."""

    def before_trial(self, study: Any, trial: FrozenTrial) -> None:
        """Called before a trial gets its configuration."""
        return

    def after_trial(self, study: Any, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Called where a trial has ended, in the process that runs the study."""
        return

    def reseed_rng(self) -> None:
        """Optuna calls it in each worker; here one object serves all of them."""
        return


class BasePruner(ABC):
    """What a pruner of your own derives from.

    >>> class Third(BasePruner):
    ...     def prune(self, study, trial):
    ...         return trial.last_step == 2
    """

    @abstractmethod
    def prune(self, study: Any, trial: FrozenTrial) -> bool:
        """Whether the running trial, which has just reported, is to end."""


def NSGAIISampler(**settings: Any) -> Any:  # noqa: N802
    """NSGA2Sampler, by crowding; takes Optuna's keywords."""
    from kilter.samplers.nsga2 import NSGA2Sampler

    return NSGA2Sampler(**{"niching": "crowding", **settings})


def NSGAIIISampler(**settings: Any) -> Any:  # noqa: N802
    """NSGA2Sampler, by reference directions, which is NSGA-III; takes Optuna's keywords."""
    from kilter.samplers.nsga2 import NSGA2Sampler

    return NSGA2Sampler(**{"niching": "reference", **settings})


Path = tuple[tuple[str, Plain], ...]
"""What a trial was given, in the order in which it asked."""


class BruteForceSampler(BaseSampler):
    """Every combination of values that an objective can ask for, in an order shuffled by `seed`; then the study stops.

    For objectives whose later ranges depend on earlier values: it goes by what was asked, in which order. The points of
    a declared space are what GridSampler visits. Raises InvalidInput for a parameter without a step.

    >>> from kilter import create_study
    >>> def objective(trial):
    ...     a = trial.suggest_int("a", 1, 3)
    ...     return trial.suggest_int("b", a, 3)
    >>> study = create_study(sampler=BruteForceSampler(seed=0))
    >>> study.optimize(objective, progress="none")
    >>> sorted(tuple(trial.params.values()) for trial in study.trials)
    [(1, 1), (1, 2), (1, 3), (2, 2), (2, 3), (3, 3)]
    """

    def __init__(self, seed: int | None = None, avoid_premature_stop: bool = False) -> None:
        self._seed = seed
        self._asked: dict[Path, tuple[str, tuple[Plain, ...]]] = {}
        """What was asked next, after each path that was met: the parameter and its values."""
        self._paths: dict[int, Path] = {}
        """Of the trials that were begun here, as far as they have come."""

    def infer_relative_search_space(self, study: Any, trial: FrozenTrial) -> dict[str, Parameter]:
        """Nothing: one value after the other is chosen."""
        return {}

    def sample_relative(self, study: Any, trial: FrozenTrial, search_space: dict[str, Parameter]) -> dict[str, Any]:
        """Nothing."""
        return {}

    def sample_independent(self, study: Any, trial: FrozenTrial, param_name: str, param_distribution: Parameter) -> Any:
        """A value after which not everything has been tried; any, where all has."""
        if not param_distribution.size < inf:
            raise InvalidInput(f"{param_name}={param_distribution!r}: BruteForceSampler needs a step")
        values = tuple(param_distribution.grid(int(param_distribution.size)))
        tried = self._tried(study, trial.number)
        path = tuple((name, plain) for name, plain in trial.record.params.items() if name != param_name)
        self._asked[path] = param_name, values
        left = [plain for plain in values if not self._is_exhausted((*path, (param_name, plain)), tried)] or values
        seed = study.seed if self._seed is None else self._seed
        chosen = left[int(rng(seed, f"brute force {param_name}", trial.number).integers(len(left)))]
        self._paths[trial.number] = (*path, (param_name, chosen))
        return param_distribution.value(chosen)

    def after_trial(self, study: Any, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Remember the combination."""
        self._paths[trial.number] = tuple(trial.record.params.items())

    def has_tried_all(self, study: Any) -> bool:
        """Whether every combination that was met has been tried."""
        return self._is_exhausted((), self._tried(study, -1))

    def _tried(self, study: Any, but: int) -> set[Path]:
        """The paths of all other trials, those that run as far as they have come."""
        tried = {path for number, path in self._paths.items() if number != but}
        for other in study.trials:
            if other.number != but and other.state.is_finished() and other.number not in self._paths:
                path = tuple(other.record.params.items())
                tried.add(path)
                for i, (name, _) in enumerate(path):  # of another process: all that is known is the space
                    parameter = study.space[name]
                    self._asked.setdefault(path[:i], (name, tuple(parameter.grid(int(parameter.size)))))
        return tried

    def _is_exhausted(self, path: Path, tried: set[Path]) -> bool:
        """Whether every combination that begins like this was tried."""
        if path in tried:
            return True
        name, values = self._asked.get(path, ("", ()))
        return bool(values) and all(self._is_exhausted((*path, (name, plain)), tried) for plain in values)


def PartialFixedSampler(fixed_params: Mapping[str, Any], base_sampler: Any) -> Any:  # noqa: N802
    """FixedSampler: some parameters at given values, the others as another sampler chooses them."""
    from kilter.samplers.fixed import FixedSampler

    return FixedSampler(dict(fixed_params), adapted(base_sampler))


class StudyInSight:
    """The study as a sampler of Optuna's sees it: with the trial that it is asked about as the last one."""

    def __init__(self, study: Any, history: History, trial: FrozenTrial) -> None:
        self._study = study
        self._history = history
        self._trial = trial

    @property
    def trials(self) -> list[FrozenTrial]:
        """All trials up to the one that is asked about."""
        return self.get_trials()

    def get_trials(self, deepcopy: bool = True, states: Container[TrialState] | None = None) -> list[FrozenTrial]:
        """The trials in any of the states, as Study.get_trials."""
        number = self._trial.number
        trials = [self._trial if t.number == number else FrozenTrial(t, self._history) for t in self._history]
        if number >= len(trials):
            trials.append(self._trial)
        return [trial for trial in trials if states is None or trial.state in states]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)


@dataclass
class State:
    """Nothing: what the object remembers, it keeps to itself."""


class GuestSampler:
    """A BaseSampler as one of our samplers; `study` is whose, once there is one."""

    capabilities: ClassVar[Capabilities] = Capabilities()

    def __init__(self, own: BaseSampler) -> None:
        self.own = own
        self.study: Any = None

    def __repr__(self) -> str:
        return f"GuestSampler({type(self.own).__module__}.{type(self.own).__qualname__})"

    def start(self, problem: Problem, seed: int) -> State:
        """Nothing to remember."""
        return State()

    def ask(self, state: State, history: History, number: int) -> Config | None:
        """What sample_relative chose, and sample_independent the rest at once where the space is declared.

        None where a search by brute force is through.
        """
        study, trial = self._shown(history, number, {})
        if isinstance(self.own, BruteForceSampler) and self.own.has_tried_all(study):
            return None
        self.own.before_trial(study, trial)
        wanted = self.own.infer_relative_search_space(study, trial)
        space = history.problem.space
        config: Config = {}
        for name, value in self.own.sample_relative(study, trial, wanted).items():
            config[name] = wanted[name].plain(value) if name in wanted else space[name].plain(value)
        if not history.problem.is_open or trial.params:  # else the objective asks for the rest, one by one
            chosen = {**config, **(history[number].params if number < len(history) else {})}
            config = {}
            for name, parameter in space.parameters.items():
                if space.is_active(name, config):
                    config[name] = chosen[name] if name in chosen else self.draw(number, name, parameter, config)
        return space.canonical(config)

    def tell(self, state: State, trial: Record, problem: Problem) -> None:
        """Nothing: it looks at the study."""

    def draw(self, number: int, name: str, parameter: Parameter, config: Config) -> Plain:
        """What sample_independent says of a parameter, after the others of `config`."""
        study, trial = self._shown(self.study.history, number, config)
        return parameter.plain(self.own.sample_independent(study, trial, name, parameter))

    def ended(self, outcome: Outcome, history: History) -> None:
        """Let it know how a trial ended, before that is written."""
        values: Any = [outcome.metrics.get(objective.name) for objective in history.problem.objectives]
        known = None if outcome.state is TrialState.FAIL or None in values else values
        trial = as_it_ends(outcome, history)
        self.own.after_trial(StudyInSight(self.study, history, trial), trial, outcome.state, known)

    def _shown(self, history: History, number: int, config: Config) -> tuple[StudyInSight, FrozenTrial]:
        """The study and the trial as it is handed them."""
        known = history[number] if number < len(history) else Record(number, TrialState.RUNNING, {})
        record = replace(known, state=TrialState.RUNNING, params={**known.params, **config})
        trial = FrozenTrial(record, history)
        return StudyInSight(self.study, history, trial), trial


class GuestScheduler(Scheduler):
    """A BasePruner as one of our schedulers."""

    def __init__(self, own: BasePruner) -> None:
        self.own = own
        self.study: Any = None

    def __repr__(self) -> str:
        return f"GuestScheduler({type(self.own).__module__}.{type(self.own).__qualname__})"

    def start(self, problem: Problem, seed: int) -> State:
        """Nothing to remember."""
        return State()

    def judge(self, state: State, trial: Record, history: History) -> Judgement:
        """Stop where prune says True."""
        shown = FrozenTrial(trial, history)
        ends = self.own.prune(StudyInSight(self.study, history, shown), shown)
        return Stop(f"{type(self.own).__name__} said so") if ends else None


def as_it_ends(outcome: Outcome, history: History) -> FrozenTrial:
    """The trial of an outcome that is not written yet."""
    record = history[outcome.number]
    problem = history.problem
    met = problem.space.extended({n: parameter_from_json(data) for n, data in outcome.extensions.items()})
    ended = replace(
        record,
        state=outcome.state,
        metrics=dict(outcome.metrics),
        params=dict(record.params if outcome.params is None else outcome.params),
        attrs={**record.attrs, **outcome.attrs},
    )
    return FrozenTrial(ended, history.under(problem.with_space(met)))


def finishing(sampler: Any, study: Any) -> Callable[[Outcome], Outcome]:
    """What the sampler of a study wants done with each trial that has ended, if anything.

    A `constraints_func` says what constraints it has, and where that raises the trial has failed; a guest is told.
    """
    constraints_func = getattr(sampler, "constraints_func", None)
    if constraints_func is None and not isinstance(sampler, GuestSampler):
        return lambda outcome: outcome

    def finish(outcome: Outcome) -> Outcome:
        history = study.history
        if isinstance(sampler, GuestSampler):
            sampler.ended(outcome, history)
        if constraints_func is None or outcome.state is TrialState.FAIL:
            return outcome
        try:
            found = [float(value) for value in constraints_func(as_it_ends(outcome, history))]
        except Exception as error:  # noqa: BLE001  # the user's own, as the objective is
            return replace(outcome, state=TrialState.FAIL, metrics={}, failure=failure_of(error), error=error)
        return replace(outcome, constraints={**outcome.constraints, **{str(i): v for i, v in enumerate(found)}})

    return finish


def adapted(plugin: Any) -> Any:
    """The plug-in as our loop takes it: a sampler or pruner that was written for Optuna in its adaptor.

    Raises InvalidInput for one of ours with Optuna's methods in it, which nobody would call.
    """
    if isinstance(plugin, BaseSampler):
        return GuestSampler(plugin)
    if isinstance(plugin, BasePruner):
        return GuestScheduler(plugin)
    theirs = [name for name in ("sample_relative", "infer_relative_search_space", "prune") if hasattr(plugin, name)]
    if theirs and not isinstance(plugin, type):
        raise InvalidInput(
            f"{type(plugin).__name__} has Optuna's {theirs[0]}(), which is called on what derives from "
            "kilter.samplers.BaseSampler or kilter.pruners.BasePruner alone: derive from that"
        )
    return plugin


def joined(plugin: Any, study: Any) -> None:
    """Tell a guest which study it serves."""
    if isinstance(plugin, (GuestSampler, GuestScheduler)):
        plugin.study = study
    base = getattr(plugin, "base", None)
    if base is not None:
        joined(base, study)


def draw_of(sampler: Any) -> Draw | None:
    """What chooses the values that an objective suggests for the first time, where that is a guest's business."""
    return sampler.draw if isinstance(sampler, GuestSampler) else None


def own(plugin: Any) -> Any:
    """The object that a user gave."""
    return plugin.own if isinstance(plugin, (GuestSampler, GuestScheduler)) else plugin
