"""Local Bayesian optimisation for many dimensions: TuRBO with one trust region (Eriksson et al. 2019).

    side s        of the box round the best point, in units of the range, before the length-scales stretch it
    successes     trials in a row that improved on the best one; after SUCCESSES of them the box doubles
    failures      trials in a row that did not; after max(4, d) of them it halves
    since         trials that had ended when the region began; the best point is looked for among later ones

Far from the data a process knows nothing, and in many dimensions nearly everything is far: an acquisition that may look
everywhere ends up in the corners. A box keeps to where the model can be right, and says by its size how right it was.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from kilter.core.history import History, Record
from kilter.core.interfaces import Capabilities
from kilter.core.problem import Problem
from kilter.core.seeds import rng
from kilter.core.space import Config
from kilter.core.standing import Standing
from kilter.core.vocabulary import answers_other_settings
from kilter.models.candidates import filled, first_new
from kilter.models.surrogate import Surrogate
from kilter.models.tried import Tried
from kilter.samplers.opening import INITIAL, is_early, opening, when_exhausted

FIRST, SHORTEST, LONGEST = 0.8, 0.5**7, 1.6
"""Sides: at the start, below which a region is given up, and at most."""
SUCCESSES = 3
LEAST_FAILURES = 4
GAIN = 1e-3
"""An improvement counts where it is more than this share of the best loss."""
CANDIDATES = 1000
MOVED = 20
"""So many dimensions of a candidate differ from the best point, on average."""
REDRAWN = 0.5
"""How often an option that may change does."""


@dataclass
class State:
    """The trust region."""

    seed: int
    side: float = FIRST
    successes: int = 0
    failures: int = 0
    best: Standing = field(default_factory=lambda: Standing.worst(1))
    since: int = 0
    told: int = 0


@answers_other_settings
@dataclass(frozen=True)
class TurboSampler:
    """Sobol points at the start of each region, then the best of many candidates in its box.

    `seed` replaces the study's.
    """

    seed: int | None = None

    capabilities: ClassVar[Capabilities] = Capabilities(objectives=1, recalls=True)

    def start(self, problem: Problem, seed: int) -> State:
        """The state before any trial."""
        return State(seed if self.seed is None else self.seed)

    def ask(self, state: State, history: History, number: int) -> Config | None:
        """The candidate in the box from which most is expected; None where a finite space has been tried out."""
        config = None
        if state.told - state.since < INITIAL or is_early(history, number):
            config = opening(state.seed, history, number)
        else:
            stream, tried = rng(state.seed, "turbo", number), Tried.of(history)
            surrogate = Surrogate.of(history, state.seed, number)
            point = self._proposal(surrogate, state, tried, stream)
            if point is not None:
                config = tried.encoding.config(point)
        return when_exhausted(state.seed, history, number) if config is None else config

    def tell(self, state: State, trial: Record, problem: Problem) -> None:
        """A trial better than all of its region is a success; the box grows and shrinks, and a tiny one is given up."""
        standing, best = trial.standing(problem), state.best
        state.told += 1
        if state.told - state.since <= INITIAL:
            state.best = min(best, standing)
            return
        gain = GAIN * abs(best.loss) if math.isfinite(best.loss) else 0.0
        is_better = standing < Standing(best.violation, (best.loss - gain,))
        state.successes, state.failures = (state.successes + 1, 0) if is_better else (0, state.failures + 1)
        state.best = min(best, standing)
        if state.successes >= SUCCESSES:
            state.side, state.successes = min(2.0 * state.side, LONGEST), 0
        elif state.failures >= max(LEAST_FAILURES, len(problem.space)):
            state.side, state.failures = state.side / 2.0, 0
        if state.side < SHORTEST:
            state.side, state.best, state.since = FIRST, Standing.worst(1), state.told

    def _proposal(
        self, surrogate: Surrogate, state: State, tried: Tried, stream: np.random.Generator
    ) -> np.ndarray | None:
        """The best new candidate in the box round the best point of the region, (d,); near it where all were tried."""
        encoding, results = surrogate.encoding, surrogate.results
        order = results.best(results.count)
        order = order[order >= state.since]
        if not len(order) or not encoding.d:
            return tried.by_chance(stream)
        best = results.points[order[:1]]
        points = np.repeat(best, CANDIDATES, axis=0)
        was_active = encoding.active(points)
        draws = np.where(was_active, stream.random(points.shape), 2.0)
        moved = draws < min(1.0, MOVED / encoding.mean_active)
        moved[np.arange(CANDIDATES), draws.argmin(axis=1)] = True
        numbers = encoding.numbers
        length = np.exp(surrogate.objectives[0].posterior.theta[: encoding.d])[numbers]
        half = 0.5 * state.side * length / np.exp(np.log(length).mean()) if len(numbers) else length
        low, high = np.clip(best[:, numbers] - half, 0.0, 1.0), np.clip(best[:, numbers] + half, 0.0, 1.0)
        drawn = low + (high - low) * stream.random((CANDIDATES, len(numbers)))
        points[:, numbers] = np.where(moved[:, numbers], drawn, points[:, numbers])
        for j in encoding.choices:
            change = np.flatnonzero(moved[:, j] & (stream.random(CANDIDATES) < REDRAWN))
            points[change, j] = stream.integers(encoding.options[j], size=len(change))
        points = encoding.canonical(encoding.snapped(filled(encoding, points, was_active, best, stream)))
        # What counts is to improve on this region, not on one that was given up.
        points = points[np.argsort(-surrogate.against(best[0]).score(points), kind="stable")]
        point = first_new(encoding, points, surrogate.seen)
        return tried.near(points[0], stream) if point is None else point
