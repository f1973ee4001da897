"""First in, first out: every trial runs to its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kilter.core.interfaces import Scheduler
from kilter.core.problem import Problem
from kilter.core.vocabulary import answers_other_settings


@dataclass
class State:
    """Nothing to remember."""


@answers_other_settings
@dataclass(frozen=True)
class FifoScheduler(Scheduler):
    """Never stops a trial."""

    judges: ClassVar[bool] = False

    def start(self, problem: Problem, seed: int) -> State:
        """An empty state."""
        return State()
