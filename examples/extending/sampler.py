"""A sampler of your own: the best configuration so far, with some of its values drawn anew.

Settings never change, the state holds what was learnt as data, and chance comes from (seed, purpose, number): so the
same log leads to the same suggestion, also after a crash, and in every process that reads it.

    study = kilter.create_study(sampler=NearBestSampler(renewed=0.3))
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kilter.core.errors import InvalidInput
from kilter.core.history import History, Record
from kilter.core.interfaces import Capabilities
from kilter.core.problem import Problem
from kilter.core.seeds import rng
from kilter.core.space import Config
from kilter.core.standing import Standing
from kilter.models.tried import renewed


@dataclass
class State:
    """The best configuration so far, empty before the first, and how good it was."""

    seed: int
    best: Config
    standing: Standing


@dataclass(frozen=True)
class NearBestSampler:
    """Draws each value of the best configuration anew with probability `renewed`, in (0, 1]."""

    renewed: float = 0.3

    capabilities: ClassVar[Capabilities] = Capabilities(objectives=1)

    def __post_init__(self) -> None:
        if not 0 < self.renewed <= 1:
            raise InvalidInput(f"renewed={self.renewed!r}: give a share above 0, at most 1")

    def start(self, problem: Problem, seed: int) -> State:
        """The state before any trial."""
        return State(seed, {}, Standing.worst(len(problem.objectives)))

    def ask(self, state: State, history: History, number: int) -> Config | None:
        """What is kept of the best one, completed by chance; None where every configuration was tried."""
        stream = rng(state.seed, "near best", number)
        kept = {name: value for name, value in state.best.items() if stream.random() >= self.renewed}
        return renewed(history, history.problem.space.draw(stream, kept), stream)

    def tell(self, state: State, trial: Record, problem: Problem) -> None:
        """Remember a trial that is better than all before."""
        standing = trial.standing(problem)  # constraints first, then losses; a failure is the worst there is
        if standing < state.standing:
            state.best, state.standing = trial.params, standing
