"""NSGA-II (Deb, Pratap, Agarwal & Meyarivan 2002): parents from the best fronts, the least crowded first.

With four or more objectives nearly everything is on the front and crowding says little; there the niches of NSGA-III
(Deb & Jain 2014) decide. Ours differs from the papers in that there are no generations to wait for: each child comes
from the best of all members known by then (the (μ + 1) scheme), so that any number of trials can run side by side.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from kilter.core.errors import InvalidInput
from kilter.core.events import TrialState
from kilter.core.history import History, Record
from kilter.core.interfaces import Capabilities
from kilter.core.names import in_optunas_words
from kilter.core.parameter import Parameter, Plain
from kilter.core.problem import Problem
from kilter.core.seeds import rng
from kilter.core.space import Config, Space
from kilter.models.pareto import crowded_order, das_dennis, niched_order
from kilter.models.tried import Tried, renewed
from kilter.samplers.evolution import Member
from kilter.samplers.sobol import covering

NICHINGS = ("auto", "crowding", "reference")
CROSSOVER = 0.9
"""How often a child has two parents."""
ETA_CROSSOVER = 10.0
"""Distribution index of the crossover: the larger, the nearer are children to their parents."""
ETA_MUTATION = 10.0
"""Distribution index of the mutation: a step has about 1 / this of the range."""
TINIEST = 1e-300
"""Stands for 0 where a negative power is taken; the child is then at the border."""
TRIES = 20
"""How often a child that is forbidden or known already is mutated again, and then how often it is drawn anew."""


@dataclass
class State:
    """Members, newest last."""

    seed: int
    members: list[Member] = field(default_factory=list)


@in_optunas_words(
    {"population_size": "population"},
    ignored={
        "mutation": None,
        "mutation_prob": None,
        "crossover": None,
        "crossover_prob": 0.9,
        "swapping_prob": 0.5,
        "reference_points": None,
        "dividing_parameter": 3,
        "elite_population_selection_strategy": None,
        "child_generation_strategy": None,
        "after_trial_strategy": None,
    },
    beside=["constraints_func"],
)
@dataclass(frozen=True)
class NSGA2Sampler:
    """Children of the `population` best; `niching` by "crowding" or "reference" directions, "auto" by the objectives.

    "auto" is crowding for up to three objectives and reference directions for more. As many quasi-random trials as the
    population has members come first, so a small one suits budgets of some hundred trials. `seed` replaces the study's.
    """

    population: int = 20
    niching: str = "auto"
    seed: int | None = None

    capabilities: ClassVar[Capabilities] = Capabilities()

    def __post_init__(self) -> None:
        if self.population < 2:
            raise InvalidInput(f"population={self.population!r}: needs at least 2, for a child to have two parents")
        if self.niching not in NICHINGS:
            raise InvalidInput(f"niching={self.niching!r}: choose one of {', '.join(map(repr, NICHINGS))}")

    def start(self, problem: Problem, seed: int) -> State:
        """The state before any trial."""
        return State(seed if self.seed is None else self.seed)

    def ask(self, state: State, history: History, number: int) -> Config | None:
        """A child that is not known yet; quasi-random points until there are members enough."""
        stream = rng(state.seed, "nsga2", number)
        space = history.problem.space
        if len(state.members) < self.population:
            child = covering(state.seed, history, number)
            return renewed(history, space.draw(stream) if space.is_forbidden(child) else child, stream)
        parents = [state.members[i].config for i in self._order(state)[: self.population]]
        child = crossed(_winner(parents, stream), _winner(parents, stream), space, stream)
        tried = Tried.of(history)
        for attempt in range(2 * TRIES):  # what was mutated in vain is mutated again, and so gets farther away
            child = mutated(child, space, stream) if attempt < TRIES else space.draw(stream)
            if not space.is_forbidden(child) and not tried.has(child):
                return child
        return renewed(history, space.draw(stream), stream)

    def tell(self, state: State, trial: Record, problem: Problem) -> None:
        """A trial that completed becomes a member; of twice the population the worse half leaves."""
        standing = problem.standing(trial.metrics)
        if trial.state is not TrialState.COMPLETE or not np.isfinite(standing.losses).all():
            return
        state.members.append(Member(trial.params, standing))
        if len(state.members) >= 2 * self.population:
            kept = np.sort(self._order(state)[: self.population])
            state.members = [state.members[i] for i in kept]

    def _order(self, state: State) -> np.ndarray:
        """Places of the members from best to worst."""
        values = np.array([member.standing.losses for member in state.members])
        violation = np.array([member.standing.violation for member in state.members])
        objectives = values.shape[1]
        if self.niching == "reference" or (self.niching == "auto" and objectives > 3):
            return niched_order(values, violation, das_dennis(objectives, self.population))
        return crowded_order(values, violation)


def crossed(one: Config, other: Config, space: Space, stream: np.random.Generator) -> Config:
    """A child of two parents: numbers by simulated binary crossover, the rest from either; what neither has is drawn.

    Numbers cross with chance 1/2 each; where the parents do not cross, the child is the first of them.
    """
    crosses = stream.random() < CROSSOVER
    known: Config = {}
    for name, (chance, side, u) in zip(space, stream.random((len(space), 3)).tolist()):
        parameter = space[name]
        held = [parent[name] for parent in (one, other) if name in parent and parameter.contains(parent[name])]
        if len(held) == 2 and crosses:
            known[name] = held[int(side < 0.5)]
            if chance < 0.5 and parameter.is_ordered:
                a, b = sorted(map(parameter.unit, held))
                x = _crossover(a, b, u) if side < 0.5 else 1.0 - _crossover(1.0 - b, 1.0 - a, u)
                known[name] = parameter.from_unit(x)
        elif held:
            known[name] = held[0]
    return space.from_uniforms(stream.random(len(space)), known)


def mutated(parent: Config, space: Space, stream: np.random.Generator) -> Config:
    """The parent with each active parameter changed with chance 1/d: numbers by a polynomial step, the rest redrawn."""
    known = dict(parent)
    for name, (chance, u) in zip(parent, stream.random((len(parent), 2)).tolist()):
        if chance < 1.0 / len(parent):
            known[name] = _moved(space[name], parent[name], u)
    return space.from_uniforms(stream.random(len(space)), known)


def _moved(parameter: Parameter, plain: Plain, u: float) -> Plain:
    if not parameter.is_ordered:
        return parameter.from_unit(u)
    x = parameter.unit(plain)
    moved = parameter.from_unit(_mutation(x, u))
    if moved != plain or parameter.size < 2:
        return moved
    cell = (1.0 if u >= 0.5 else -1.0) / parameter.size  # a step within a value's cell goes on to the next value
    return parameter.from_unit(x + cell if 0.0 <= x + cell <= 1.0 else x - cell)


def _crossover(a: float, b: float, u: float) -> float:
    """The child on the side of a of two parents 0 <= a <= b <= 1, at quantile u of its distribution.

    (a + b)/2 - β (b - a)/2, where the density of β falls with ETA_CROSSOVER away from 1 and is cut off where the child
    would leave the range (Deb & Agrawal 1995, Deb & Jain 2014).
    """
    if b - a < 1e-12:
        return a
    power = ETA_CROSSOVER + 1.0
    alpha = 2.0 - (1.0 + 2.0 * a / (b - a)) ** -power
    rest = max(2.0 - u * alpha, TINIEST)
    beta: float = (u * alpha) ** (1.0 / power) if u * alpha <= 1.0 else rest ** (-1.0 / power)
    return max(0.0, 0.5 * (a + b - beta * (b - a)))


def _mutation(x: float, u: float) -> float:
    """The point at quantile u of the polynomial distribution around x, cut off at 0 and 1 (Deb & Goyal 1996)."""
    power = ETA_MUTATION + 1.0
    if u < 0.5:
        left: float = (2.0 * u + (1.0 - 2.0 * u) * (1.0 - x) ** power) ** (1.0 / power)
        return x - 1.0 + left
    right: float = (2.0 * (1.0 - u) + (2.0 * u - 1.0) * x**power) ** (1.0 / power)
    return x + 1.0 - right


def _winner(parents: list[Config], stream: np.random.Generator) -> Config:
    """The better of two parents, which stand in order."""
    return parents[int(stream.integers(len(parents), size=2).min())]
