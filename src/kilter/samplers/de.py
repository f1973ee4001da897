"""Differential evolution that tunes itself: SHADE (Tanabe and Fukunaga 2013), one trial at a time.

Trial `number` challenges the member in slot `number` mod N and takes its place unless it is worse, so that results may
come in any order and from any number of workers. Factor F and crossover rate CR follow from (seed, number) and from a
memory of what has succeeded; the member is moved towards one of the best and along a difference (current-to-pbest/1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar

import numpy as np

from kilter.core.errors import InvalidInput
from kilter.core.history import History, Record
from kilter.core.interfaces import Capabilities
from kilter.core.problem import Problem
from kilter.core.seeds import rng
from kilter.core.space import Config, Space
from kilter.core.standing import Standing, spread
from kilter.core.vocabulary import answers_other_settings
from kilter.models.tried import renewed

MEMORY = 5
"""Places in the memory of successful F and CR (SHADE's H)."""
BEST = 0.15
"""Share of the population that counts as the best."""
TRIES = 20
"""How often a challenger that changes nothing or is forbidden is repeated before a random draw takes its place."""
FRESH = 0.1
"""Chance that a category which crosses over is drawn anew, so that a lost option can come back."""
CONVERGED = 1e-12
"""Spread of losses, in units of the first population's, below which all but the best start anew."""
LARGEST = 200
"""Members to which restarts may double the population."""


@dataclass
class State:
    """The population in the unit cube, rows (n, d), and the memory of SHADE."""

    seed: int
    size: int
    """Members of a full population."""
    rows: np.ndarray
    standings: list[Standing] = field(default_factory=list)
    """What each member is compared by."""
    archive: list[list[float]] = field(default_factory=list)
    """Rows that were replaced, at most `size`, from which differences are taken too."""
    factors: list[float] = field(default_factory=lambda: [0.5] * MEMORY)
    rates: list[float] = field(default_factory=lambda: [0.5] * MEMORY)
    place: int = 0
    """The entry of the memory that is written next."""
    successes: list[list[float]] = field(default_factory=list)
    """[F, CR, gain] of the challengers that won since."""
    told: int = 0
    """Challengers since the memory was written."""
    spread: float = 0.0
    """Of the losses of the first population."""


@answers_other_settings
@dataclass(frozen=True)
class DESampler:
    """`population` members, None for 7 + d / 3; restarts double them. `seed` replaces the study's."""

    population: int | None = None
    seed: int | None = None

    capabilities: ClassVar[Capabilities] = Capabilities(objectives=1)

    def __post_init__(self) -> None:
        if self.population is not None and self.population < 4:
            raise InvalidInput(f"{self!r}: population must be at least 4, or None")

    def start(self, problem: Problem, seed: int) -> State:
        """The state before any trial."""
        return State(
            seed if self.seed is None else self.seed,
            self.population or (7 + len(problem.space) // 3),
            np.empty((0, len(problem.space))),
        )

    def ask(self, state: State, history: History, number: int) -> Config | None:
        """A challenger; an even spread of draws, the defaults first, until the population is full."""
        space = history.problem.space
        stream = rng(state.seed, "de", number)
        if len(state.standings) < state.size:
            config = _spread_draw(state, space, number, history.sampled_before(number) == 0, stream)
        else:
            config = self._challenger(state, space, number, stream)
        return renewed(history, config, stream)

    def _challenger(self, state: State, space: Space, number: int, stream: np.random.Generator) -> Config:
        """What challenges the member in the slot of this number."""
        factor, rate = _factor_and_rate(state, stream)
        target = number % state.size
        present = space.decode(state.rows[target])
        leaders = sorted(range(state.size), key=state.standings.__getitem__)[: max(2, round(BEST * state.size))]
        for _ in range(TRIES):
            config = space.decode(_challenger(state, space, target, leaders, factor, rate, stream))
            if config != present and not (space.forbidden and space.is_forbidden(config)):
                return config
        return space.draw(stream)

    def tell(self, state: State, trial: Record, problem: Problem) -> None:
        """The challenger takes its member's place unless it is worse."""
        space = problem.space
        if not space.fits(trial.params):
            return
        standing = trial.standing(problem)
        row = space.encode([trial.params])[0]
        if len(state.standings) < state.size:
            state.rows = np.vstack([state.rows, np.where(np.isnan(row), 0.5, row)])
            state.standings.append(standing)
            if len(state.standings) == state.size and not state.spread:
                state.spread = spread(state.standings)
            return
        target = trial.number % state.size
        old, member = state.standings[target], state.rows[target]
        if standing <= old:
            if standing < old:
                state.archive.append(member.tolist())
                gain = old.loss - standing.loss
                gain = gain if old.violation == standing.violation and math.isfinite(gain) else 0.0
                if not trial.enqueued:
                    factor, rate = _factor_and_rate(state, rng(state.seed, "de", trial.number))
                    state.successes.append([factor, rate, gain])
            state.rows[target] = np.where(np.isnan(row), member, row)
            state.standings[target] = standing
        if len(state.archive) > state.size:
            # Any may go; the number decides, so that every replica drops the same.
            del state.archive[trial.number % len(state.archive)]
        state.told += 1
        if state.told >= state.size:
            _remember(state)
            if spread(state.standings) <= CONVERGED * state.spread:
                _start_anew(state)


def _spread_draw(state: State, space: Space, number: int, first: bool, stream: np.random.Generator) -> Config:
    """One of `size` draws from the priors that share no cell of any parameter (latin hypercube)."""
    turns, place = divmod(number, state.size)
    cells = rng(state.seed, "de cells", turns).permuted(np.tile(np.arange(state.size), (len(space), 1)), axis=1)
    config = space.from_uniforms((cells[:, place] + stream.random(len(space))) / state.size)
    if first:
        config = space.with_defaults(config)
    return space.draw(stream) if space.is_forbidden(config) else config


def _factor_and_rate(state: State, stream: np.random.Generator) -> tuple[float, float]:
    """F from a Cauchy, CR from a normal distribution round an entry of the memory (SHADE, equations 1 and 2)."""
    place = int(stream.integers(MEMORY))
    draws = state.factors[place] + 0.1 * stream.standard_cauchy(8)
    factor = next((float(draw) for draw in draws if draw > 0), state.factors[place])
    rate = state.rates[place] + 0.1 * stream.standard_normal()
    return min(factor, 1.0), float(min(max(rate, 0.0), 1.0))


def _challenger(
    state: State, space: Space, target: int, leaders: list[int], factor: float, rate: float, stream: np.random.Generator
) -> np.ndarray:
    """The row that challenges a member: current-to-pbest/1, then binomial crossover; shape (d,)."""
    rows, d = state.rows, state.rows.shape[1]
    best = rows[leaders[int(stream.integers(len(leaders)))]]
    first = int(stream.integers(state.size - 1))
    first += first >= target
    second = int(stream.integers(state.size + len(state.archive)))
    other = rows[second] if second < state.size else np.array(state.archive[second - state.size])
    member = rows[target]
    moved = member + factor * (best - member) + factor * (rows[first] - other)
    # Half way to the border that it would have crossed (JADE).
    moved = np.where(moved < 0, member / 2, np.where(moved > 1, (1 + member) / 2, moved))
    categorical = _categorical(space)
    luck = stream.random((2, d))
    copied = np.where(luck[0] < FRESH, luck[1], np.where(luck[0] < (1 + FRESH) / 2, best, rows[first]))
    # One column at least crosses over.
    crossed = (stream.random(d) < rate) | (np.arange(d) == stream.integers(max(1, d)))
    return np.asarray(np.where(crossed, np.where(categorical, copied, moved), member))


def _remember(state: State) -> None:
    """Write what succeeded into the memory, weighted by the gain (SHADE, equations 7 to 9)."""
    if state.successes:
        factors, rates, gains = np.array(state.successes).T
        shares = gains / gains.max() if gains.max() > 0 else np.ones(len(gains))
        weights = shares / shares.sum()
        state.factors[state.place] = float(weights @ factors**2 / (weights @ factors))
        state.rates[state.place] = float(weights @ rates)
        state.place = (state.place + 1) % MEMORY
    state.successes, state.told = [], 0


def _start_anew(state: State) -> None:
    """Keep the best member alone; twice as many are drawn beside it, from everywhere."""
    best = min(range(len(state.standings)), key=state.standings.__getitem__)
    state.rows, state.standings, state.archive = state.rows[[best]], [state.standings[best]], []
    state.factors, state.rates = [0.5] * MEMORY, [0.5] * MEMORY
    state.size = max(state.size, min(LARGEST, 2 * state.size))


@lru_cache(maxsize=16)
def _categorical(space: Space) -> np.ndarray:
    """Which columns are categories, shape (d,)."""
    return np.array([not p.is_ordered for p in space.parameters.values()], dtype=bool)
