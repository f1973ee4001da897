"""Grid search: every combination of n values a parameter, conditional ones only where they are active, then the end.

The grid is that of the space as it is now. Its points are visited in an order shuffled by the seed, without those that
any trial has had: a grid is whole after enqueued trials, in a space that has grown, and with any number of workers.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from kilter.core.declared import expanded
from kilter.core.errors import InvalidInput
from kilter.core.history import History, Record
from kilter.core.options import Choice
from kilter.core.parameter import Parameter, same
from kilter.core.seeds import rng
from kilter.core.space import Config, Grid, Space
from kilter.core.vocabulary import answers_other_settings
from kilter.samplers.seeded import Seeded, State

if TYPE_CHECKING:
    import numpy as np


@answers_other_settings
@dataclass(frozen=True)
class GridSampler(Seeded):
    """Visits each point of the grid once, in an order shuffled by the seed, and then has nothing left to propose.

    `search_space` maps names to the values to try, and parameters that it does not name are drawn at random; without it
    the study's space is cut to `n` values a parameter.
    """

    search_space: Mapping[str, Sequence[Any]] | None = None
    n: int = 10
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.n < 1:
            raise InvalidInput(f"n={self.n!r} of GridSampler: at least one value a parameter")

    def ask(self, state: State, history: History, number: int) -> Config | None:
        """The next point of the grid that no trial has had, or None after the last."""
        space = history.problem.space
        grid = self._grid(space)
        if grid.size > 2**62:
            raise InvalidInput(
                f"the grid has {grid.size:.3g} points: choose fewer values a parameter, GridSampler(n=…)"
            )
        if not len(grid.space):  # what the objective asks for will be known when the first trial has run
            return None if history.finished else {}
        chosen = history[number].params if number < len(history) else {}  # in part, by a user
        known = {name: value for name, value in chosen.items() if name in grid.space}
        point = _Visited.of(history, grid, state.seed).following(known)
        if point is None or self.search_space is None:
            return point
        return _completed(point, space, rng(state.seed, "grid rest", number))

    def _grid(self, space: Space) -> Grid:
        if self.search_space is None:
            return _cut(space, self.n)
        return _listed(space, _Listing(repr(self.search_space), self.search_space))


class _Visited:
    """The points of a grid that the trials of one history have had, those that wait, run or pause included."""

    def __init__(self, grid: Grid, seed: int) -> None:
        self.grid, self.seed = grid, seed
        self._keys: set[Hashable] = set()
        self._ended = 0
        self._place = 0
        """All before this place of the order are visited."""

    @classmethod
    def of(cls, history: History, grid: Grid, seed: int) -> _Visited:
        """What has been visited by now; amortised over calls, each trial that ended is read once."""
        visited = history.memo((cls, seed), lambda _: cls(grid, seed), given=grid)
        visited.read(history)
        return visited

    def read(self, history: History) -> None:
        """Take in what ended since, and all that is open."""
        ended = history.finished[self._ended :]
        self._ended += len(ended)
        for number in [*ended, *history.paused, *history.running, *history.waiting]:
            self._keys.add(_key(self.grid.space, _with_defaults(history.problem.space, history[number])))

    def following(self, known: Config) -> Config | None:
        """The first point in the order of the seed that has not been visited, with the known values if there is one.

        None after the last.
        """
        first = None
        for place in range(self._place, len(self.grid)):
            point = self.grid[_shuffled(place, len(self.grid), self.seed)]
            if _key(self.grid.space, point) in self._keys:
                self._place += place == self._place
                continue
            if all(same(point.get(name), value) for name, value in known.items()):
                return point
            first = first or point
        return first


def _key(names: Iterable[str], config: Config) -> Hashable:
    return tuple((name, type(config[name]), config[name]) for name in names if name in config)


def _with_defaults(space: Space, trial: Record) -> Config:
    """The configuration that a trial had, with the defaults of parameters that came after it began."""
    config = dict(trial.params)
    for name, parameter in space.parameters.items() if trial.attempt else ():
        if name not in config and parameter.has_default and space.is_active(name, config):
            config[name] = parameter.plain(parameter.default)
    return config


@lru_cache(maxsize=8)
def _cut(space: Space, n: int) -> Grid:
    return space.grid(n)


@dataclass(frozen=True)
class _Listing:
    """Values to try, told from others by their text, which tells 1 from True."""

    text: str
    values: Mapping[str, Sequence[Any]] = field(compare=False)


@lru_cache(maxsize=8)
def _listed(space: Space, listing: _Listing) -> Grid:
    """The grid of the listed values, with the conditions and clauses of the space that speak of listed names alone."""
    names = listing.values
    parameters: dict[str, Parameter] = {}
    for name, values in names.items():
        parameter = space[name] if name in space else Choice(list(values))
        parameters[name] = parameter
    known = expanded(parameters)
    for name, parameter in parameters.items():
        kept = tuple(condition for condition in parameter.conditions if condition.parent in known)
        parameters[name] = replace(parameter, conditions=kept)
    clauses = [
        {name: list(map(space[name].value, plains)) for name, plains in clause.items()}
        for clause in space.forbidden
        if clause.keys() <= known.keys()
    ]
    return _ListedGrid(Space(parameters, clauses), None, names)


@dataclass(frozen=True)
class _ListedGrid(Grid):
    listed: Mapping[str, Sequence[Any]]

    @cached_property
    def _blocks(self) -> list[list[tuple[Config, float]]]:
        return [[(config, 1) for config in self._configs(name, self.listed[name])] for name in self.space.declared]

    def _configs(self, name: str, values: Sequence[Any]) -> list[Config]:
        """The listed values of one parameter, each once."""
        try:
            configs = [self.space.plain_of({name: value}) for value in values]
        except InvalidInput as error:
            raise InvalidInput(f"search_space of GridSampler: {error}") from None
        return list({_key(self.space, config): config for config in configs}.values())


def _completed(point: Config, space: Space, stream: np.random.Generator) -> Config:
    """The point as a configuration of the space; names that the space lacks, of which a trial will tell, are kept."""
    config = space.draw(stream, {name: value for name, value in point.items() if name in space})
    return {**config, **{name: value for name, value in point.items() if name not in space}}


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
