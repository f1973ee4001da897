"""Grid search: every combination of n values a parameter, conditional ones only where they are active, then the end."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

from kilter.core.errors import InvalidInput
from kilter.core.history import History, Trial
from kilter.core.interfaces import Capabilities
from kilter.core.parameter import Choice
from kilter.core.problem import Problem
from kilter.core.seeds import rng
from kilter.core.space import Config, Grid, Space


@dataclass
class State:
    """The order in which the grid is visited comes from the seed; how far it is, from the log."""

    seed: int


@dataclass(frozen=True)
class GridSampler:
    """Visits each point of the grid once, in an order shuffled by the seed, and then has nothing left to propose.

    `search_space` maps names to the values to try; without it the study's space is cut to `n` values a parameter.
    """

    search_space: Mapping[str, Sequence[Any]] | None = None
    n: int = 10
    seed: int | None = None

    capabilities: ClassVar[Capabilities] = Capabilities()

    def __post_init__(self) -> None:
        if self.n < 1:
            raise InvalidInput(f"n={self.n!r} of GridSampler: at least one value a parameter")

    def start(self, problem: Problem, seed: int) -> State:
        """The state before any trial."""
        return State(seed if self.seed is None else self.seed)

    def ask(self, state: State, history: History, number: int) -> Config | None:
        """The next point of the grid, or None after the last."""
        grid = self._grid(history.problem.space)
        if grid.size > 2**62:
            raise InvalidInput(f"the grid has {grid.size:.3g} points: choose fewer values a parameter, GridSampler(n=…)")
        place = history.rank(number)
        return grid[_shuffled(place, len(grid), state.seed)] if place < len(grid) else None

    def tell(self, state: State, trial: Trial) -> None:
        """Nothing is learnt."""

    def _grid(self, space: Space) -> Grid:
        if self.search_space is None:
            return _cut(space, self.n)
        return _listed(tuple((name, tuple(values)) for name, values in self.search_space.items()))


@lru_cache(maxsize=8)
def _cut(space: Space, n: int) -> Grid:
    return space.grid(n)


@lru_cache(maxsize=8)
def _listed(search_space: tuple[tuple[str, tuple[Any, ...]], ...]) -> Grid:
    return Space({name: Choice(list(values)) for name, values in search_space}).grid(2**31)


@lru_cache(maxsize=8)
def _step(size: int, seed: int) -> tuple[int, int]:
    """A stride coprime to the size, and a start, which together visit every place once."""
    stream = rng(seed, "grid")
    stride = int(stream.integers(1, size)) if size > 1 else 1
    while math.gcd(stride, size) > 1:
        stride += 1
    return stride, int(stream.integers(size))


def _shuffled(place: int, size: int, seed: int) -> int:
    stride, start = _step(size, seed)
    return (start + place * stride) % size
