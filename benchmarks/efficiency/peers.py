"""Other optimisers behind kilter's seam for samplers, so that one race drives them all on the same problems.

They keep their own state and are asked once a trial, in order: `ask` is not pure, which a race does not need. A space
with conditions is handed to Optuna as it is, to the others flat, without the values of inactive parameters.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from kilter.core.history import History, Record
from kilter.core.interfaces import Capabilities
from kilter.core.numbers import Float, Int
from kilter.core.options import Boolean, Choice
from kilter.core.parameter import Parameter
from kilter.core.problem import Constraint, Problem
from kilter.core.seeds import rng
from kilter.core.space import Config, Space

SIGMA = 0.2
"""CMA-ES begins at the centre with this share of the range, and anywhere after a restart, its population doubled."""


def missing(package: str) -> str | None:
    """Why peers of a package sit out; None where it is installed."""
    return None if importlib.util.find_spec(package) else f"{package} is not installed"


def beyond(constraint: Constraint, metrics: Mapping[str, float]) -> float:
    """How far a metric is beyond its bound; at most 0 where it is met."""
    over = metrics[constraint.metric] - constraint.bound
    return over if constraint.relation == "<=" else -over


# -- Optuna -----------------------------------------------------------------------------------------------------------


@dataclass
class OptunaState:
    """A study of Optuna and its trials that run, by kilter's number."""

    study: Any
    problem: Problem
    trials: dict[int, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Optuna:
    """A sampler of Optuna's: "default", "tpe", "tpe-multivariate", "gp" or "nsga2", all else as it comes."""

    kind: str = "default"
    seed: int | None = None

    capabilities: ClassVar[Capabilities] = Capabilities()

    def start(self, problem: Problem, seed: int) -> OptunaState:
        """A new study."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        directions: list[Any] = [objective.direction for objective in problem.objectives]
        study = optuna.create_study(directions=directions, sampler=self._sampler(problem, seed))
        return OptunaState(study, problem)

    def _sampler(self, problem: Problem, seed: int) -> Any:
        from optuna import samplers

        kind = self.kind
        if kind == "default":
            kind = "nsga2" if len(problem.objectives) > 1 else "tpe"
        if kind == "tpe-multivariate":
            return samplers.TPESampler(seed=seed, multivariate=True, group=True)
        if kind == "gp":
            return samplers.GPSampler(seed=seed, warn_independent_sampling=False)
        return {"tpe": samplers.TPESampler, "nsga2": samplers.NSGAIISampler}[kind](seed=seed)

    def ask(self, state: OptunaState, history: History, number: int) -> Config:
        """The parameters that are active, suggested one by one."""
        trial = state.trials[number] = state.study.ask()
        config: Config = {}
        for name, parameter in state.problem.space.parameters.items():
            if state.problem.space.is_active(name, config):
                config[name] = _suggested(trial, name, parameter)
        return config

    def tell(self, state: OptunaState, trial: Record, problem: Problem) -> None:
        """Its metrics; those with a bound as Optuna's constraints."""
        from optuna.trial import TrialState

        told = state.trials.pop(trial.number)
        values = [trial.metrics.get(objective.name, float("nan")) for objective in problem.objectives]
        if not np.isfinite(values).all():
            state.study.tell(told, state=TrialState.FAIL)
            return
        for constraint in problem.constraints:
            told.set_constraint(constraint.metric, beyond(constraint, trial.metrics))
        state.study.tell(told, values)


def _suggested(trial: Any, name: str, parameter: Parameter) -> Any:
    if isinstance(parameter, Float):
        return trial.suggest_float(name, parameter.low, parameter.high, log=parameter.log, step=parameter.step)
    if isinstance(parameter, Int):
        return trial.suggest_int(name, parameter.low, parameter.high, log=parameter.log, step=parameter.step)
    return trial.suggest_categorical(name, parameter.grid(int(parameter.size)))


# -- cmaes and Nevergrad ----------------------------------------------------------------------------------------------


@dataclass
class AskTellState:
    """What a peer keeps, and the proposals that are under way."""

    problem: Problem
    optimizer: Any
    proposals: dict[int, Any] = field(default_factory=dict)
    told: list[tuple[Any, float]] = field(default_factory=list)
    queue: list[Any] = field(default_factory=list)
    stream: np.random.Generator | None = None


@dataclass(frozen=True)
class Cmaes:
    """The package `cmaes`: CMA, or CatCMA with margin where a parameter is discrete; doubled at each restart."""

    seed: int | None = None

    capabilities: ClassVar[Capabilities] = Capabilities(objectives=1, constraints=False, conditions=False)

    def start(self, problem: Problem, seed: int) -> AskTellState:
        """The first population."""
        stream = rng(seed, "cmaes")
        return AskTellState(problem, _cma(problem.space, stream, None), stream=stream)

    def ask(self, state: AskTellState, history: History, number: int) -> Config:
        """The next of a population."""
        proposal = state.proposals[number] = state.optimizer.ask()
        return _from_cma(state.problem.space, proposal)

    def tell(self, state: AskTellState, trial: Record, problem: Problem) -> None:
        """Whole populations are told at once."""
        state.told.append((state.proposals.pop(trial.number), _loss(problem, trial)))
        size = state.optimizer.population_size
        if len(state.told) < size:
            return
        state.optimizer.tell(state.told)
        state.told = []
        if state.optimizer.should_stop():
            assert state.stream is not None
            state.optimizer = _cma(state.problem.space, state.stream, 2 * size)


def _cma(space: Space, stream: np.random.Generator, population: int | None) -> Any:
    import cmaes

    kinds = _kinds(space)
    d, seed = len(kinds["number"]), int(stream.integers(2**31))
    if d == len(space):
        mean = np.full(d, 0.5) if population is None else stream.random(d)
        box = np.tile([0.0, 1.0], (d, 1))
        return cmaes.CMA(mean=mean, sigma=SIGMA, bounds=box, seed=seed, population_size=population)
    return cmaes.CatCMAwM(
        x_space=[[0.0, 1.0]] * d or None,
        z_space=[space[name].units(_grid(space[name])).tolist() for name in kinds["grid"]] or None,
        c_space=[int(space[name].size) for name in kinds["option"]] or None,
        seed=seed,
        population_size=population,
    )


def _from_cma(space: Space, proposal: Any) -> Config:
    kinds = _kinds(space)
    if isinstance(proposal, np.ndarray):
        return {name: space[name].from_unit(float(u)) for name, u in zip(kinds["number"], proposal)}
    config: Config = {}
    for names, units in ((kinds["number"], proposal.x), (kinds["grid"], proposal.z)):
        config.update({name: space[name].from_unit(float(u)) for name, u in zip(names, () if units is None else units)})
    hot = () if proposal.c is None else proposal.c
    config.update({name: _grid(space[name])[int(np.argmax(row))] for name, row in zip(kinds["option"], hot)})
    return {name: config[name] for name in space.names}


@dataclass(frozen=True)
class Nevergrad:
    """Nevergrad's NGOpt, which chooses by the space and by `budget`; its release 1.0 needs NumPy before 2.4."""

    budget: int = 1000
    seed: int | None = None

    capabilities: ClassVar[Capabilities] = Capabilities(objectives=1, constraints=False)

    def start(self, problem: Problem, seed: int) -> AskTellState:
        """NGOpt over the unit cube."""
        import nevergrad

        warnings.filterwarnings("ignore", module="nevergrad")
        warnings.filterwarnings("ignore", module="cma")
        warnings.filterwarnings("ignore", module="scipy")
        space = problem.space
        kinds = _kinds(space)
        if len(kinds["number"]) == len(space):
            box = nevergrad.p.Array(shape=(len(space),), lower=0.0, upper=1.0)
        else:
            box = nevergrad.p.Dict(
                **{name: nevergrad.p.Scalar(lower=0.0, upper=1.0) for name in kinds["number"]},
                **{
                    name: nevergrad.p.Scalar(lower=0, upper=int(space[name].size) - 1).set_integer_casting()
                    for name in kinds["grid"]
                },
                **{name: nevergrad.p.Choice(list(range(int(space[name].size)))) for name in kinds["option"]},
            )
        box.random_state.seed(seed % 2**32)
        return AskTellState(problem, nevergrad.optimizers.NGOpt(box, budget=self.budget))

    def ask(self, state: AskTellState, history: History, number: int) -> Config:
        """Its recommendation to try."""
        proposal = state.proposals[number] = state.optimizer.ask()
        space, value = state.problem.space, proposal.value
        if isinstance(value, np.ndarray):
            return {name: space[name].from_unit(float(u)) for name, u in zip(space.names, value)}
        config: Config = {}
        for name, parameter in space.parameters.items():
            if space.is_active(name, config):
                is_number = isinstance(value[name], float)
                config[name] = parameter.from_unit(value[name]) if is_number else _grid(parameter)[int(value[name])]
        return config

    def tell(self, state: AskTellState, trial: Record, problem: Problem) -> None:
        """The loss."""
        state.optimizer.tell(state.proposals.pop(trial.number), _loss(problem, trial))


def _kinds(space: Space) -> dict[str, list[str]]:
    """Names of continuous parameters, of those with a grid of values, and of those with options."""
    kinds: dict[str, list[str]] = {"number": [], "grid": [], "option": []}
    for name, parameter in space.parameters.items():
        is_option = isinstance(parameter, (Choice, Boolean))
        kinds["option" if is_option else "number" if parameter.size == float("inf") else "grid"].append(name)
    return kinds


def _grid(parameter: Parameter) -> Any:
    return parameter.grid(int(parameter.size))


def _loss(problem: Problem, trial: Record) -> float:
    """Smaller is better; the worst there is where the trial failed."""
    objective = problem.objectives[0]
    loss = objective.loss(trial.metrics)
    return loss if np.isfinite(loss) else 1e300


MAKERS: dict[str, tuple[str, Callable[[int], Any]]] = {
    "optuna": ("optuna", lambda budget: Optuna("default")),
    "optuna-tpe": ("optuna", lambda budget: Optuna("tpe")),
    "optuna-tpe-multivariate": ("optuna", lambda budget: Optuna("tpe-multivariate")),
    "optuna-nsga2": ("optuna", lambda budget: Optuna("nsga2")),
    "optuna-gp": ("torch", lambda budget: Optuna("gp")),
    "cmaes-lib": ("cmaes", lambda budget: Cmaes()),
    "nevergrad": ("nevergrad", Nevergrad),
}
"""By label: the package that it needs, and the sampler for a budget."""
