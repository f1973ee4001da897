"""Random search (Bergstra & Bengio 2012): every configuration drawn from the priors, uniform where there are none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from kilter.core.history import History, Trial
from kilter.core.interfaces import Capabilities
from kilter.core.parameter import Parameter
from kilter.core.problem import Problem
from kilter.core.seeds import rng
from kilter.core.space import Config


@dataclass
class State:
    """The seed alone: a draw depends on nothing else but the trial's number."""

    seed: int


@dataclass(frozen=True)
class RandomSampler:
    """Independent draws. `seed` replaces the study's."""

    seed: int | None = None

    capabilities: ClassVar[Capabilities] = Capabilities()

    def start(self, problem: Problem, seed: int) -> State:
        """The state before any trial."""
        return State(seed if self.seed is None else self.seed)

    def ask(self, state: State, history: History, number: int) -> Config | None:
        """A fresh draw from the stream of this number."""
        return history.problem.space.draw(rng(state.seed, "random", number))

    def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Parameter) -> Any:
        """A draw of one parameter, for samplers that were written for Optuna: see kilter.samplers.BaseSampler."""
        seed = study._session.engine.seed if self.seed is None else self.seed
        plain = param_distribution.from_uniform(rng(seed, f"suggest {param_name}", trial.number).random())
        return param_distribution.value(plain)

    def tell(self, state: State, trial: Trial) -> None:
        """Nothing is learnt."""
