"""Which trial to take: the one that the model believes best, not the one that was luckiest.

Of many noisy values the best is mostly a lucky draw. The posterior mean at the trials that were run weighs each value
by what its neighbours say; trials within one standard error of the best are equal as far as anybody can know, and of
those the much cheaper one is taken, then the one nearest to the defaults.
"""

from __future__ import annotations

import numpy as np

from kilter.core.events import TrialState
from kilter.core.history import History, Trial
from kilter.models.encoding import Encoding
from kilter.models.surrogate import Surrogate

NOISELESS = 0.01
"""Where noise has less than this share of the signal's variance, the best observed value is taken at its word."""
CHEAPER = 0.5
"""A trial within a standard error of the best is preferred where it took at most this share of the best one's time."""
KNOWN = 1.5
"""What has a standard error beyond so many times that of the best is no tie but a guess."""


def recommended(history: History, seed: int) -> Trial | None:
    """The trial of a study with one objective that the model believes best; None where none is complete and feasible.

    What a trial that was pruned reported informs the model, but is no result to take.
    """
    if not Surrogate.is_ready(history):
        complete = [trial for trial in history.front() if np.isfinite(history.values[trial.number, 0])]
        return complete[0] if complete else None
    surrogate = Surrogate(history, seed, len(history))
    observed, posterior = surrogate.observed, surrogate.objectives[0].posterior
    rows = surrogate.rows
    states = history.states[observed.numbers[rows]]
    eligible = (states == TrialState.COMPLETE) & (observed.violation[rows] == 0.0)
    if not eligible.any():
        return None
    rows, means = rows[eligible], surrogate.means[eligible, 0]
    if posterior.noise <= NOISELESS * posterior.signal:
        return history[int(observed.numbers[rows[np.argmin(observed.values[rows, 0])]])]
    best = int(np.argmin(means))
    errors = np.sqrt(posterior.predict(observed.features[rows])[1])
    level = np.flatnonzero((means <= means[best] + errors[best]) & (errors <= KNOWN * errors[best]))
    seconds = observed.seconds[rows[level]]
    cheap = level[seconds <= CHEAPER * observed.seconds[rows[best]]]
    if len(cheap):
        best = int(cheap[np.argmin(means[cheap])])
    elif observed.encoding.space.defaults:
        best = int(level[np.argmin(_from_defaults(observed.encoding, observed.points[rows[level]]))])
    return history[int(observed.numbers[rows[best]])]


def _from_defaults(encoding: Encoding, points: np.ndarray) -> np.ndarray:
    """How far points are from the defaults that were given, summed over those parameters, (q,)."""
    space = encoding.space
    given = {name: space[name].plain(value) for name, value in space.defaults.items()}
    columns = [space.names.index(name) for name in given]
    default = encoding.points(np.array([[space[n].unit(given[n]) if n in given else np.nan for n in space.names]]))[0]
    apart = np.abs(points - default)
    total: np.ndarray = np.where(encoding.is_option, apart > 0, apart)[:, columns].sum(axis=1)
    return total
