"""Regularised evolution (Real et al. 2019): keep the youngest trials, mutate the best of a small tournament.

The oldest member dies, not the worst, so that one lucky draw cannot rule for ever. Ours differs from the paper in that
numbers move by a normal step in the unit cube, and that several objectives are compared by a random weighting.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import numpy as np

from kilter.core.errors import InvalidInput
from kilter.core.events import TrialState
from kilter.core.history import History, Record
from kilter.core.interfaces import Capabilities
from kilter.core.parameter import Parameter, Plain
from kilter.core.problem import Problem
from kilter.core.seeds import rng
from kilter.core.space import Config, Space
from kilter.core.standing import Standing
from kilter.core.vocabulary import answers_other_settings
from kilter.models.tried import renewed

STEP = 0.15
"""Standard deviation of a mutation, in units of the range."""
TRIES = 20
"""How often a mutation that changes nothing or is forbidden is repeated before a random draw takes its place."""


class Member(NamedTuple):
    """A configuration that completed."""

    config: Config
    standing: Standing


@dataclass
class State:
    """The youngest members, oldest first."""

    seed: int
    members: list[Member] = field(default_factory=list)


@answers_other_settings
@dataclass(frozen=True)
class EvolutionSampler:
    """`population` youngest trials; the best of `tournament` of them is mutated in one parameter, sometimes in more."""

    population: int = 24
    tournament: int = 6
    seed: int | None = None

    capabilities: ClassVar[Capabilities] = Capabilities()

    def __post_init__(self) -> None:
        if not 1 <= self.tournament <= self.population:
            raise InvalidInput(f"{self!r}: needs 1 <= tournament <= population")

    def start(self, problem: Problem, seed: int) -> State:
        """The state before any trial."""
        return State(seed if self.seed is None else self.seed)

    def ask(self, state: State, history: History, number: int) -> Config | None:
        """A mutated parent; random draws until the population is half full."""
        stream = rng(state.seed, "evolution", number)
        space = history.problem.space
        is_early = len(state.members) < max(2, self.population // 2)
        child = space.draw(stream) if is_early else self._child(state, space, stream)
        return renewed(history, child, stream)

    def tell(self, state: State, trial: Record, problem: Problem) -> None:
        """A trial that completed joins the population; beyond its size the oldest leaves."""
        standing = problem.standing(trial.metrics)
        if trial.state is TrialState.COMPLETE and np.isfinite(standing.losses).all():
            state.members.append(Member(trial.params, standing))
            del state.members[: -self.population]

    def _child(self, state: State, space: Space, stream: np.random.Generator) -> Config:
        """A mutated winner of a tournament."""
        parent = self._winner(state, stream)
        for _ in range(TRIES):
            child = mutated(parent, space, stream)
            if child != parent and not space.is_forbidden(child):
                return child
        return space.draw(stream)

    def _winner(self, state: State, stream: np.random.Generator) -> Config:
        size = min(self.tournament, len(state.members))
        drawn = [state.members[i] for i in stream.choice(len(state.members), size=size, replace=False)]
        least = min(member.standing.violation for member in drawn)
        drawn = [member for member in drawn if member.standing.violation == least]
        values = np.array([member.standing.losses for member in drawn])
        if values.shape[1] == 1:
            scores = values[:, 0]
        else:
            spread = np.ptp(values, axis=0)
            unit = (values - values.min(axis=0)) / np.where(spread > 0, spread, 1.0)
            scores = (unit * stream.dirichlet(np.ones(values.shape[1]))).max(axis=1)
        winner: Member = drawn[int(np.argmin(scores))]
        return winner.config


def mutated(parent: Config, space: Space, stream: np.random.Generator) -> Config:
    """The parent with one active parameter changed, each further one with chance 1/d; newly active ones are drawn."""
    known = {name: value for name, value in parent.items() if name in space and space[name].contains(value)}
    names = list(known)
    if not names:
        return space.draw(stream)
    chosen = stream.random(len(names)) < 1.0 / len(names)
    chosen[stream.integers(len(names))] = True
    for name, changes in zip(names, chosen):
        if changes:
            known[name] = _moved(space[name], known[name], stream)
    return space.from_uniforms(stream.random(len(space)), known)


def _moved(parameter: Parameter, plain: Plain, stream: np.random.Generator) -> Plain:
    if parameter.is_ordered:
        u = parameter.unit(plain) + STEP * stream.standard_normal()
        u = abs(u) % 2.0  # reflect at the borders
        moved = parameter.from_unit(2.0 - u if u > 1.0 else u)
        if moved != plain or parameter.size < 2:
            return moved
        u = parameter.unit(plain) + (0.5 - stream.integers(2)) * 2.0 / parameter.size
        return parameter.from_unit(abs(u) if u < 1.0 else 2.0 - u)
    return parameter.from_unit(stream.random())
