"""The tree-structured Parzen estimator (Bergstra et al. 2011): propose what is likely among the good and not elsewhere.

The densities are joint, as in BOHB (Falkner et al. 2018), so that they see which values go together; a parameter counts
where it is active. Trials are ordered by their violation of the constraints, then by value or, of several objectives,
by front and crowding. Failed trials count as bad ones, and so do those that still run, which keeps parallel workers
apart. In a finite space nothing is tried twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import ClassVar, cast

import numpy as np

from kilter.core.errors import InvalidInput
from kilter.core.events import TrialState
from kilter.core.history import History
from kilter.core.interfaces import Capabilities
from kilter.core.names import in_optunas_words
from kilter.core.seeds import rng
from kilter.core.space import Config
from kilter.models.encoding import Encoding
from kilter.models.parzen import Parzen
from kilter.models.results import Results
from kilter.models.tried import Tried
from kilter.samplers.opening import opening, when_exhausted
from kilter.samplers.seeded import Seeded, State

GOOD = 0.15
"""The share of trials whose density is drawn from; one more is added."""
MOST_GOOD = 25
MOST_OTHERS = 512
"""Kernels of the other density, drawn from all: more cost time and hardly change it."""
CANDIDATES = 24
"""Draws of which the best is proposed; of more, one at the edge of what is known wins too often."""
INITIAL = 10
"""Quasi-random trials before the first that builds on results, in any dimension; after 6 it settled too early."""
FRESH = CANDIDATES // 4
"""Where fewer draws are new, a finite space is looked through, or what is near them."""


@in_optunas_words(
    {"n_startup_trials": "initial"},
    always=["multivariate", "group", "constant_liar", "warn_independent_sampling"],
    ignored={
        "consider_prior": True,
        "prior_weight": 1.0,
        "consider_magic_clip": True,
        "consider_endpoints": False,
        "n_ei_candidates": 24,
        "gamma": None,
        "weights": None,
    },
    beside=["constraints_func"],
)
@dataclass(frozen=True)
class TPESampler(Seeded):
    """Sobol points until `initial` trials have values, then the best of some draws from the good trials' density."""

    initial: int = INITIAL
    seed: int | None = None

    capabilities: ClassVar[Capabilities] = Capabilities(recalls=True)

    def __post_init__(self) -> None:
        if self.initial < 1:
            raise InvalidInput(
                f"initial={self.initial!r} of TPESampler: at least one trial must be known to learn from"
            )

    def ask(self, state: State, history: History, number: int) -> Config | None:
        """The best new one of CANDIDATES draws; None where all points of a finite space have been tried."""
        results, tried = Results.of(history), Tried.of(history)
        if history.sampled_before(number) == 0 or int(results.usable.sum()) < self.initial:
            return opening(state.seed, history, number) or when_exhausted(state.seed, history, number)
        encoding, good = tried.encoding, _best(results, history)
        stream = rng(state.seed, "parzen", number)
        others = _others(results, history, good, stream)
        matrix = history.matrix[np.concatenate([results.numbers[good], others])]
        points, active = encoding.known(matrix)
        likely = most_likely(encoding, points[: len(good)], active[: len(good)])
        unlikely = Parzen(encoding, points[len(good) :], active[len(good) :])
        candidates = _new(likely, tried, stream)
        if candidates is None:
            return when_exhausted(state.seed, history, number)
        scores = likely.log_density(candidates) - unlikely.log_density(candidates)
        return encoding.config(candidates[np.argmax(scores)])


def good_count(trials: int) -> int:
    """How many of so many trials are good."""
    return min(ceil(GOOD * trials) + 1, MOST_GOOD)


def most_likely(encoding: Encoding, good: np.ndarray, active: np.ndarray | None = None) -> Parzen:
    """The density of good points (k, d), best first."""
    return Parzen(encoding, good, encoding.active(good) if active is None else active, _weights(len(good)))


def _best(results: Results, history: History) -> np.ndarray:
    """Rows of the good trials, best first; those that were pruned stand behind all that completed, (k,)."""
    count = good_count(results.count)
    completed: list[int] = []
    pruned: list[int] = []
    for row in results.best(count).tolist():
        is_complete = history.trials[results.numbers[row]].state is TrialState.COMPLETE
        (completed if is_complete else pruned).append(row)
        if len(completed) == count:
            break
    return np.array((completed + pruned)[:count], dtype=int)


def _weights(count: int) -> np.ndarray:
    """Of good trials, best first: they fall with the logarithm of the rank, as in CMA-ES (Hansen 2016)."""
    weights = np.log(count + 1.0) - np.log(np.arange(1.0, count + 1.0))
    return cast(np.ndarray, weights / weights.mean()) if count else weights


def _others(results: Results, history: History, good: np.ndarray, stream: np.random.Generator) -> np.ndarray:
    """The trials that are not good: all that are open, and others up to MOST_OTHERS by chance; (k,)."""
    pending = [*history.running, *history.waiting][-MOST_OTHERS:]
    rest = np.ones(results.count, dtype=bool)
    rest[good] = False
    for row in np.flatnonzero(rest & ~results.usable & ~results.failed):
        rest[row] = history.trials[results.numbers[row]].state is not TrialState.FAIL  # a machine was lost: no word
    rows = np.flatnonzero(rest)
    room = MOST_OTHERS - len(pending)
    if len(rows) > room:
        rows = np.sort(stream.choice(rows, room, replace=False))
    return np.concatenate([results.numbers[rows], np.array(pending, dtype=int)])


def _new(density: Parzen, tried: Tried, stream: np.random.Generator) -> np.ndarray | None:
    """New points drawn from the density, or near such ones where all were tried; None where none is left."""
    drawn = density.draw(stream, CANDIDATES)
    points = tried.allowed(drawn)
    if len(points) >= FRESH:
        return points
    left = tried.left()
    if left is not None:
        return stream.permutation(left)[:MOST_OTHERS] if len(left) else None
    near = (tried.near(point, stream) for point in drawn[: FRESH - len(points)])
    return np.array([*points, *(point for point in near if point is not None)])
