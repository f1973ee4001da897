"""What samplers share that keep nothing but their seed: what else they know, they read off the history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kilter.core.history import Record
from kilter.core.interfaces import Capabilities
from kilter.core.problem import Problem


@dataclass
class State:
    """All that is not in the history."""

    seed: int


class Seeded:
    """A sampler that handles every problem and learns nothing from being told; its own `seed` replaces the study's."""

    seed: int | None
    capabilities: ClassVar[Capabilities] = Capabilities()

    def start(self, problem: Problem, seed: int) -> State:
        """The state before any trial, and after each."""
        return State(seed if self.seed is None else self.seed)

    def tell(self, state: State, trial: Record, problem: Problem) -> None:
        """Nothing is kept: the history has it."""
