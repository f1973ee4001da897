"""Bayesian optimisation with Gaussian processes: log expected improvement, over mixed and conditional spaces.

The recipe, with what each part is worth, is in docs/decisions; the mathematics are in kilter/models, a file each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from kilter.core.errors import InvalidInput
from kilter.core.history import History
from kilter.core.interfaces import Capabilities, Explanation
from kilter.core.names import in_optunas_words
from kilter.core.problem import Problem
from kilter.core.seeds import rng
from kilter.core.space import Config
from kilter.models.candidates import first_new, mutants
from kilter.models.maximize import maximized
from kilter.models.surrogate import Surrogate
from kilter.models.tried import Tried
from kilter.samplers.opening import INITIAL, explained, is_early, opening, when_exhausted
from kilter.samplers.seeded import Seeded, State
from kilter.samplers.tpe import good_count, most_likely

CANDIDATES = 96
"""Uniform points, and as many neighbours of the best ones, that are scored before the ascent."""
PARZEN = 64
"""Candidates from the density of the good trials, which knows which values and branches go together."""
RETURNING = np.log(0.8)
"""A stopped configuration comes again, knowing what it reported, where at least this much of the best improvement is
expected of it: nearly the same one, which the ascent would find, would be stopped as it was."""
LISTED = 1024
"""Of a finite space with no more points left than this, every one is scored."""


@in_optunas_words(
    {"n_startup_trials": "initial"},
    always=["independent_sampler", "warn_independent_sampling", "deterministic_objective"],
    beside=["constraints_func"],
)
@dataclass(frozen=True)
class GPSampler(Seeded):
    """`initial` quasi-random trials, then the maximum of an acquisition. `seed` replaces the study's.

    With `per_second` it looks for improvement per second of a trial's duration: for studies that end by the clock.
    """

    initial: int = INITIAL
    per_second: bool = False
    seed: int | None = None

    capabilities: ClassVar[Capabilities] = Capabilities(recalls=True)

    def __post_init__(self) -> None:
        if self.initial < 1:
            raise InvalidInput(f"initial={self.initial!r} of GPSampler: at least one trial must come first")

    def ask(self, state: State, history: History, number: int) -> Config | None:
        """Where most is expected to be gained; None where every point of a finite space has been tried."""
        if is_early(history, number, self.initial):
            config = opening(state.seed, history, number)
        else:
            surrogate = Surrogate.of(history, state.seed, number, self.per_second)
            point = proposal(surrogate, Tried.of(history), rng(state.seed, "gp", number))
            config = None if point is None else surrogate.encoding.config(point)
        return when_exhausted(state.seed, history, number) if config is None else config

    def explain(self, state: State, history: History, number: int, config: Config) -> Explanation:
        """What the model expected of the configuration."""
        if is_early(history, number, self.initial):
            return explained(history, number)
        surrogate = Surrogate.of(history, state.seed, number, self.per_second)
        reason = "the largest expected improvement over the best so far"
        return explained_by(surrogate, history.problem, config, "gp", reason)


def explained_by(surrogate: Surrogate, problem: Problem, config: Config, arm: str, reason: str) -> Explanation:
    """Why an arm chose a configuration, and what the model expected of it."""
    mean, sd, exploration = surrogate.outlook(surrogate.encoding.point(config))
    return Explanation(arm, reason, problem.objectives[0].sign * mean, sd, exploration)


def proposal(surrogate: Surrogate, tried: Tried, stream: np.random.Generator) -> np.ndarray | None:
    """The new point (d,) with the best score that could be found; None where none is left."""
    encoding, best = surrogate.encoding, surrogate.best_points
    left = tried.left() if encoding.size <= LISTED + len(tried) else None
    if left is not None:
        return left[np.argmax(surrogate.score(left))] if len(left) else None
    candidates = np.concatenate(
        [
            encoding.from_uniforms(stream.random((CANDIDATES, encoding.d))),
            mutants(encoding, best, CANDIDATES, stream),
            most_likely(encoding, best[: good_count(surrogate.results.count)]).draw(stream, PARZEN),
        ]
    )
    points = maximized(surrogate, encoding, candidates, best, stream)
    if len(surrogate.returning):
        scores = surrogate.score(surrogate.returning)
        if scores.max() >= surrogate.score(points[:1])[0] + RETURNING:
            returning: np.ndarray = surrogate.returning[np.argmax(scores)]
            return returning
    point = first_new(encoding, points, surrogate.seen)
    return tried.near(points[0], stream) if point is None else point
