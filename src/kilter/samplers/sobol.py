"""Quasi-random search: a scrambled Sobol sequence (Sobol 1967; Matousek 1998) covers the space evenly, priors included.

The first trial takes the defaults where they are given. It is never the centre of the box: that costs on real problems.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kilter.core.history import History
from kilter.core.names import in_optunas_words
from kilter.core.seeds import rng
from kilter.core.space import Config
from kilter.models.sobol import points
from kilter.models.tried import renewed
from kilter.samplers.seeded import Seeded, State

if TYPE_CHECKING:
    import numpy as np


@in_optunas_words(
    {},
    always=["scramble", "independent_sampler", "warn_asynchronous_seeding", "warn_independent_sampling"],
    ignored={"qmc_type": "sobol"},
)
@dataclass(frozen=True)
class QMCSampler(Seeded):
    """The points of one scrambled Sobol sequence in order. `seed` replaces the study's."""

    seed: int | None = None

    def ask(self, state: State, history: History, number: int) -> Config | None:
        """The next point of the sequence; random draws for forbidden ones, near ones for those that were tried."""
        space = history.problem.space
        config = covering(state.seed, history, number)
        stream = rng(state.seed, "sobol", number)
        return renewed(history, space.draw(stream) if space.is_forbidden(config) else config, stream)


def covering(seed: int, history: History, number: int) -> Config:
    """The defaults, then point by point of the sequence; may be forbidden, or known already.

    What completes a configuration that a user chose in part is of another sequence, and uses up none of this one.
    """
    space, place = history.problem.space, history.sampled_before(number)
    if number < len(history) and history[number].enqueued:
        row = point(int(rng(seed, "sobol enqueued", 0).integers(1 << 31)), len(space), number - place)
    else:
        row = point(seed, len(space), place)
    return space.from_uniforms(row, space.plain_defaults if place == 0 else None)


def point(seed: int, dimensions: int, place: int) -> np.ndarray:
    """Point number `place` of the sequence, shape (dimensions,)."""
    row: np.ndarray = points(seed, dimensions, place, 1)[0]
    return row
