"""Random search (Bergstra & Bengio 2012): every configuration drawn from the priors, uniform where there are none.

Without replacement where values can come again, as scikit-learn's randomised search does with lists: a second run of
one configuration says less than the first of another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kilter.core.history import History
from kilter.core.parameter import Parameter
from kilter.core.seeds import rng
from kilter.core.space import Config
from kilter.core.vocabulary import answers_other_settings
from kilter.models.encoding import encoding_of
from kilter.models.tried import Tried
from kilter.samplers.seeded import Seeded, State


@answers_other_settings
@dataclass(frozen=True)
class RandomSampler(Seeded):
    """Independent draws, and new ones for those that some trial had. `seed` replaces the study's."""

    seed: int | None = None

    def ask(self, state: State, history: History, number: int) -> Config | None:
        """A fresh draw from the stream of this number; any one again where a finite space is tried out."""
        stream, space = rng(state.seed, "random", number), history.problem.space
        config = space.draw(stream)
        if encoding_of(space).is_endless or not (tried := Tried.of(history)).has(config):
            return config
        point = tried.by_chance(stream)
        return config if point is None else tried.encoding.config(point)

    def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Parameter) -> Any:
        """A draw of one parameter, for samplers that were written for Optuna: see kilter.samplers.BaseSampler."""
        seed = study.seed if self.seed is None else self.seed
        plain = param_distribution.from_uniform(rng(seed, f"suggest {param_name}", trial.number).random())
        return param_distribution.value(plain)
