"""The default: cover the space first, then improve on what was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kilter.core.history import History, Trial
from kilter.core.interfaces import Capabilities
from kilter.core.problem import Problem
from kilter.core.space import Config
from kilter.samplers import evolution
from kilter.samplers.evolution import EvolutionSampler
from kilter.samplers.sobol import QMCSampler

START = 10
"""Quasi-random trials before the first that builds on results."""


@dataclass(frozen=True)
class AutoSampler:
    """Chooses the method by how much is known. `seed` replaces the study's."""

    seed: int | None = None

    capabilities: ClassVar[Capabilities] = Capabilities()

    def start(self, problem: Problem, seed: int) -> evolution.State:
        """The state before any trial."""
        return EvolutionSampler(seed=self.seed).start(problem, seed)

    def ask(self, state: evolution.State, history: History, number: int) -> Config | None:
        """The Sobol sequence for the first trials, then regularised evolution."""
        early = history.rank(number) < START or len(state.members) < START // 2
        if early:
            return QMCSampler(state.seed).ask(QMCSampler().start(history.problem, state.seed), history, number)
        return EvolutionSampler(population=2 * START, tournament=5).ask(state, history, number)

    def tell(self, state: evolution.State, trial: Trial) -> None:
        """Every trial joins the population."""
        EvolutionSampler(population=2 * START, tournament=5).tell(state, trial)
