"""CMA-ES for mixed spaces (Hansen 2016; CatCMA with Margin, Hamano et al. 2025), restarted by IPOP.

One Gaussian covers the numbers in the unit cube, one chance per option the categories. A trial is drawn from the
distribution of its day by (seed, number) alone; when it ends, drawing again tells whether that distribution is still
the current one. If so we learn from the very point that was drawn; else, as from any trial of somebody else, from the
configuration, by a step of limited length (Hansen 2011). So workers may be late, and users may enqueue.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple

import numpy as np

from kilter.core.errors import InvalidInput
from kilter.core.events import TrialState
from kilter.core.history import History, Record
from kilter.core.interfaces import Capabilities
from kilter.core.names import in_optunas_words
from kilter.core.problem import Problem
from kilter.core.seeds import rng
from kilter.core.space import Config, Space
from kilter.core.standing import Standing, spread
from kilter.models import cma
from kilter.models.cma import Chances, Gaussian
from kilter.models.tried import renewed

MOST_CELLS = 1000
"""Values of a discrete parameter up to which it has a margin; finer ones are as good as continuous."""
TRIES = 20
"""How often a forbidden individual is drawn again before a random draw takes its place."""
OUTSIDE = 60
"""How many more draws are made, at once, where the first lies outside the cube."""
TOL_X = 1e-10
"""Largest deviation, in units of the range, below which a search has nothing left to find."""
TOL_RESULT = 1e-12
"""Spread of results, in units of the first generation's, below which they count as equal: 1e-9 gives narrow valleys up
too early, 1e-13 leaves less to the searches that follow."""
TOL_CONDITION = 1e14
"""Condition number of the covariance beyond which floats cannot follow it (Hansen 2016)."""


class Result(NamedTuple):
    """What came of a trial, and how it lay to the distribution: numeric steps (d,), options (k,)."""

    standing: Standing
    steps: np.ndarray
    options: np.ndarray


@dataclass
class State:
    """The search that runs now."""

    seed: int
    gaussian: Gaussian
    chances: Chances
    popsize: int = 0
    results: list[Result] = field(default_factory=list)
    """Of this generation."""
    begun: bool = False
    """Whether a trial that this search drew has ended."""
    best: Standing = field(default_factory=lambda: Standing.worst(1))
    """Of the trials that came before the first search began, on the best of which it is centred."""
    losses: list[float] = field(default_factory=list)
    """Best loss of each of the latest generations."""
    spread: float = 0.0
    """Of the losses of the first generation."""
    restarts: int = 0


@in_optunas_words(
    {},
    always=["independent_sampler", "warn_independent_sampling", "with_margin", "consider_pruned_trials"],
    ignored={
        "sigma0": None,
        "n_startup_trials": 1,
        "restart_strategy": "ipop",
        "inc_popsize": 2,
        "use_separable_cma": False,
        "lr_adapt": False,
    },
)
@dataclass(frozen=True)
class CmaEsSampler:
    """`popsize` of the first search, None for 4 + 3 ln d; `sigma` its deviation in units of the range.

    The first search is centred on the configuration `x0`, or on the best of `source_trials` of another study, as far as
    that is in the space; of a parameter that `x0` does not name it takes the default. `seed` replaces the study's.

    >>> CmaEsSampler(x0={"lr": 0.1})
    CmaEsSampler(popsize=None, sigma=0.25, seed=None, x0={'lr': 0.1})
    """

    popsize: int | None = None
    sigma: float = 0.25
    seed: int | None = None
    x0: Mapping[str, Any] | None = field(default=None, hash=False)
    source_trials: InitVar[Sequence[Any] | None] = None

    capabilities: ClassVar[Capabilities] = Capabilities(objectives=1)

    def __post_init__(self, source_trials: Sequence[Any] | None) -> None:
        if source_trials:
            if self.x0 is not None:
                raise InvalidInput("CmaEsSampler: give x0= or source_trials=, not both")
            object.__setattr__(self, "x0", _best_of(source_trials))
        if self.popsize is not None and self.popsize < 2:
            raise InvalidInput(f"{self!r}: popsize must be at least 2, or None")
        if not 0 < self.sigma <= 1:
            raise InvalidInput(f"{self!r}: needs 0 < sigma <= 1, in units of the range")

    def start(self, problem: Problem, seed: int) -> State:
        """The state before any trial."""
        space = problem.space
        layout = _layout(space)
        believed = {name: p.plain(p.prior.value) for name, p in space.parameters.items() if p.prior is not None}
        believed |= _known(space, self.x0 or {})
        row = space.encode([believed])[0]  # defaults where there is no prior
        gaussian, chances = self._round(layout, np.where(np.isnan(row), 0.5, row))
        popsize = self.popsize or 4 + int(3 * math.log(max(1, layout.dimensions)))
        return State(seed if self.seed is None else self.seed, gaussian, chances, popsize)

    def ask(self, state: State, history: History, number: int) -> Config | None:
        """An individual of the current distribution; the first trial takes the defaults where they are given."""
        space = history.problem.space
        layout = _layout(space)
        if not layout.dimensions:
            return space.draw(rng(state.seed, "cma-es", number))
        config, stream = _individual(state, layout, space, number)[2], rng(state.seed, "cma-es again", number)
        if history.sampled_before(number) == 0 and space.defaults:
            config = space.with_defaults(config)
            if space.is_forbidden(config):
                config = space.draw(rng(state.seed, "cma-es default", number))
        return renewed(history, config, stream)

    def tell(self, state: State, trial: Record, problem: Problem) -> None:
        """Take a result into the generation; the last one of a generation updates the distribution."""
        space = problem.space
        layout = _layout(space)
        if not layout.dimensions or not space.fits(trial.params):
            return
        standing = trial.standing(problem)
        steps, options, config = _individual(state, layout, space, trial.number)
        if config == trial.params:
            state.begun = True
        elif state.begun:
            steps, options = _injected(state, layout, space, trial.params, options)
        else:
            self._start_at(state, layout, space.encode([trial.params])[0], standing)
            return
        state.results.append(Result(standing, steps, options))
        if len(state.results) >= state.popsize:
            self._close(state, layout)

    def _round(self, layout: _Layout, row: np.ndarray) -> tuple[Gaussian, Chances]:
        """Where a search begins that is centred on a point of the cube."""
        gaussian = Gaussian.round(row[layout.numeric], self.sigma)
        return _with_margin(gaussian, layout, np.ones(len(layout.discrete), dtype=bool)), Chances.even(layout.sizes)

    def _start_at(self, state: State, layout: _Layout, row: np.ndarray, standing: Standing) -> None:
        """Move a search that has not begun to the best of the trials that others chose."""
        if state.restarts or not math.isfinite(standing.loss) or standing >= state.best:
            return
        state.gaussian, state.chances = self._round(layout, np.where(np.isnan(row), 0.5, row))
        state.best = standing
        q = state.chances.q
        known = ~np.isnan(row[layout.categorical])
        q[known] /= 2
        q[np.flatnonzero(known), _options(layout, row)[known]] += 0.5

    def _close(self, state: State, layout: _Layout) -> None:
        """Update the distribution by a whole generation, and restart where the search is over."""
        results = sorted(state.results, key=lambda result: result.standing)
        standings = [result.standing for result in results]
        ranks = np.cumsum([0] + [a != b for a, b in pairwise(standings)])
        if len(layout.numeric):
            steps = np.array([result.steps for result in results])
            steps, succeeded = cma.centred(state.gaussian, steps, ranks, layout.discrete, layout.centres)
            state.gaussian = _with_margin(cma.updated(state.gaussian, steps, ranks), layout, succeeded)
        if len(layout.categorical):
            options = np.array([result.options for result in results])
            state.chances = cma.updated_chances(state.chances, options, ranks, layout.margin)
        if not state.losses:
            state.spread = spread(standings)
        state.losses.append(standings[0].loss)
        state.results = []
        window = 10 + math.ceil(30 * layout.dimensions / state.popsize)
        del state.losses[:-window]
        if self._is_over(state, window):
            self._restart(state, layout)

    def _is_over(self, state: State, window: int) -> bool:
        """Whether nothing more is to be expected of this search (Hansen 2009, the criteria TolX, TolHistFun, …)."""
        losses = state.losses
        if len(losses) == window:
            low, high = min(losses), max(losses)
            if low == high or high - low <= max(TOL_RESULT * state.spread, 4 * math.ulp(max(abs(low), abs(high)))):
                return True
        gaussian = state.gaussian
        if not len(gaussian.mean):
            return False
        widest = gaussian.sigma * float((gaussian.stretch * gaussian.deviations).max())
        return widest < TOL_X or gaussian.condition > TOL_CONDITION

    def _restart(self, state: State, layout: _Layout) -> None:
        """The next search, from anywhere, with twice the population (IPOP; Auger and Hansen 2005).

        Small populations between the doubled ones (BIPOP) found less within 5,000 trials.
        """
        state.restarts += 1
        centre = rng(state.seed, "cma-es restart", state.restarts).random(layout.width)
        state.gaussian, state.chances = self._round(layout, centre)
        state.popsize, state.losses, state.begun = 2 * state.popsize, [], False


def _known(space: Space, params: Mapping[str, Any]) -> Config:
    """The values, plain, of those parameters that the space has and allows."""
    known: Config = {}
    for name, value in params.items():
        try:
            known[name] = space[name].plain(value)
        except (InvalidInput, KeyError):
            continue
    return known


def _best_of(trials: Sequence[Any]) -> dict[str, Any]:
    """The configuration of the best complete trial, in the direction of the study that it is from."""
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE and trial.value is not None]
    if not complete:
        raise InvalidInput("source_trials of CmaEsSampler: none of them is complete with a value")
    return dict(min(complete, key=lambda trial: trial.loss).params)


class _Layout(NamedTuple):
    """Which columns of the matrix the search moves, and how."""

    width: int
    numeric: np.ndarray
    """Columns that the Gaussian covers."""
    continuous: np.ndarray
    """Of those, which are not discrete, shape (d,)."""
    discrete: np.ndarray
    """Places among the numeric ones of those with a margin, shape (k,)."""
    centres: np.ndarray
    """Centres of the cells of the discrete ones, (k, most cells), padded with inf."""
    categorical: np.ndarray
    """Columns of categories."""
    sizes: tuple[int, ...]

    @property
    def dimensions(self) -> int:
        return len(self.numeric) + len(self.categorical)

    @property
    def margin(self) -> float:
        return cma.margin_of(len(self.discrete) + len(self.categorical))


@lru_cache(maxsize=16)
def _layout(space: Space) -> _Layout:
    numeric: list[int] = []
    continuous: list[bool] = []
    discrete: list[int] = []
    centres: list[np.ndarray] = []
    categorical: list[int] = []
    sizes: list[int] = []
    for column, parameter in enumerate(space.parameters.values()):
        if parameter.size < 2:
            continue
        if not parameter.is_ordered:
            categorical.append(column)
            sizes.append(int(parameter.size))
            continue
        if parameter.size <= MOST_CELLS:
            discrete.append(len(numeric))
            centres.append(parameter.units(parameter.grid(MOST_CELLS)))
        continuous.append(parameter.is_continuous)
        numeric.append(column)
    padded = np.full((len(centres), max(map(len, centres), default=0)), np.inf)
    for row, own in zip(padded, centres):
        row[: len(own)] = own
    columns = [np.array(places, dtype=int) for places in (numeric, discrete, categorical)]
    return _Layout(
        len(space), columns[0], np.array(continuous, dtype=bool), columns[1], padded, columns[2], tuple(sizes)
    )


def _individual(state: State, layout: _Layout, space: Space, number: int) -> tuple[np.ndarray, np.ndarray, Config]:
    """What the current distribution draws for a trial: steps (d,), options (k,) and the configuration."""
    stream = rng(state.seed, "cma-es", number)
    gaussian, chances = state.gaussian, state.chances
    row = np.full(layout.width, 0.5)
    for _ in range(TRIES):
        steps = _steps_within(gaussian, layout, stream)
        options = chances.drawn(stream.random(len(layout.categorical)))
        row[layout.numeric] = gaussian.points(steps)
        if layout.sizes:
            row[layout.categorical] = (options + 0.5) / layout.sizes
        config = space.decode(row)
        if not space.forbidden or not space.is_forbidden(config):
            return steps, options, config
    config = space.draw(stream)
    return *_injected(state, layout, space, config, options), config


def _injected(
    state: State, layout: _Layout, space: Space, config: Config, options: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Steps (d,) and options (k,) of a configuration that the distribution did not draw; `options` where inactive."""
    gaussian = state.gaussian
    row = space.encode([config])[0]
    options = np.where(np.isnan(row[layout.categorical]), options, _options(layout, row))
    point = np.where(np.isnan(row[layout.numeric]), gaussian.mean, row[layout.numeric])
    return cma.clipped(gaussian.steps_to(point), gaussian), options


def _steps_within(gaussian: Gaussian, layout: _Layout, stream: np.random.Generator) -> np.ndarray:
    """Steps to a point of the cube, shape (d,): the first of a few draws that lies in it, else the last one mirrored.

    Learning from draws thrown back into the cube, or from where they would have been outside, was worse on average.
    Discrete coordinates need no repair: positions outside decode to the first or last value.
    """
    for draws in (1, OUTSIDE):
        steps = gaussian.steps(stream.standard_normal((draws, len(layout.numeric))))
        points = gaussian.points(steps)
        inside = (((points >= 0) & (points <= 1)) | ~layout.continuous).all(axis=1)
        if inside.any():
            return np.asarray(steps[int(np.argmax(inside))])
    point = points[-1]
    return gaussian.steps_to(np.where(layout.continuous, _mirrored(point), point))


def _mirrored(point: np.ndarray) -> np.ndarray:
    """The point of the cube that a point of its mirror images stands for."""
    return np.asarray(1 - np.abs(np.mod(point, 2.0) - 1))


def _options(layout: _Layout, row: np.ndarray) -> np.ndarray:
    """The options at a row of the matrix, shape (k,); 0 where inactive."""
    sizes = np.array(layout.sizes, dtype=int)
    return np.asarray(np.minimum((np.nan_to_num(row[layout.categorical]) * sizes).astype(int), sizes - 1))


def _with_margin(gaussian: Gaussian, layout: _Layout, succeeded: np.ndarray) -> Gaussian:
    if not len(layout.discrete):
        return gaussian
    return cma.with_margin(gaussian, layout.discrete, layout.centres, layout.margin, succeeded)
