"""Some parameters at given values, the others as another sampler chooses them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kilter.core.errors import InvalidInput
from kilter.core.history import History, Record
from kilter.core.interfaces import Capabilities, Sampler
from kilter.core.problem import Problem
from kilter.core.seeds import rng
from kilter.core.space import Config
from kilter.core.vocabulary import answers_other_settings
from kilter.samplers.refold import refolded


@dataclass
class State:
    """The seed, for what the other sampler does not choose."""

    seed: int


@answers_other_settings
@dataclass(frozen=True)
class FixedSampler:
    """Has `base` choose, and puts `params` in place of what it chose.

    The other sampler learns from the trials as they are. A value that the parameter
    does not have raises InvalidInput. `Study.enqueue_trial` fixes the values of a single trial.
    """

    params: Mapping[str, Any]
    base: Sampler

    @property
    def capabilities(self) -> Capabilities:
        """Those of the other sampler."""
        return self.base.capabilities

    def start(self, problem: Problem, seed: int) -> State:
        """The state before any trial."""
        return State(seed)

    def ask(self, state: State, history: History, number: int) -> Config | None:
        """What the other sampler chose, but for the fixed values; what becomes active by those is drawn."""
        chosen = self.base.ask(refolded(self.base, state.seed, history), history, number)
        if chosen is None:
            return None
        space = history.problem.space
        try:
            fixed = space.plain_of({name: value for name, value in self.params.items() if name in space})
        except InvalidInput as error:
            raise InvalidInput(f"fixed_params: {error}") from None
        known = {**chosen, **{name: value for name, value in self.params.items() if name not in space}, **fixed}
        config = space.draw(rng(state.seed, "fixed", number), {n: v for n, v in known.items() if n in space})
        return {**config, **{name: value for name, value in known.items() if name not in space}}

    def tell(self, state: State, trial: Record, problem: Problem) -> None:
        """Nothing is learnt here."""
