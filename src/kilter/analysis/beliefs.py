"""The surrogate that analyses ask: what the trials that came to their end say of an objective, over the whole space.

It is the Gaussian process of the default sampler. Where that rests on the best of many trials and those near them, this
one rests on a sample of all, since it is asked about what lies far from the best, too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kilter.analysis.objectives import place
from kilter.core.errors import NotReady
from kilter.core.events import TrialState
from kilter.core.history import History
from kilter.core.memo import Memo
from kilter.core.problem import Objective
from kilter.core.seeds import rng
from kilter.models.encoding import Encoding
from kilter.models.evidence import CAP
from kilter.models.fits import Belief, Fits
from kilter.models.results import LEAST, Results


@dataclass(frozen=True, eq=False)
class Believed:
    """A belief on an objective, and what it rests on."""

    objective: Objective
    belief: Belief
    encoding: Encoding
    trials: int
    """How many trials there are to learn from."""
    numbers: np.ndarray
    """The trials that it rests on, (n,)."""
    values: np.ndarray
    """Their values times the objective's sign, (n,)."""
    points: np.ndarray
    """Their configurations, (n, d), NaN where a parameter has no value."""

    def own(self, latent: np.ndarray) -> np.ndarray:
        """What the process says, in the objective's own unit and direction."""
        return np.asarray(self.objective.sign * self.belief.output.inverse(latent))

    def straight(self, latent: np.ndarray) -> np.ndarray:
        """The same in a linear scale of the losses, far worse ones drawn in; within the range of what was observed."""
        y = self.belief.posterior.y
        return np.asarray(self.belief.output.straight(np.clip(latent, y.min(), y.max())))

    def interval(self, mean: np.ndarray, reach: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The ends of mean ± reach in the objective's own unit, the lower one first."""
        ends = self.own(mean - reach), self.own(mean + reach)
        return np.minimum(*ends), np.maximum(*ends)


def believed(history: History, objective: int | str = 0, seed: int = 0) -> Believed:
    """The belief on an objective; raises NotReady before three trials are complete with finite values."""
    results, column = Results.of(history), place(history.problem, objective)
    complete = results.usable & (history.states[results.numbers] == TrialState.COMPLETE)
    # Without stopped trials this is what the sampler has fitted: the same name finds it again.
    name = f"objective {column}" if complete.sum() == results.usable.sum() else f"complete objective {column}"
    wanted, fits = history.problem.objectives[column], Fits.of(results)
    return _believed(history, wanted, fits, name, np.where(complete, results.values[:, column], np.nan), seed)


def believed_of(history: History, numbers: np.ndarray, values: np.ndarray, seed: int = 0) -> Believed:
    """The belief on other values of some trials that have ended, smaller ones being better; NotReady as above."""
    results = Results.of(history)
    of_all = np.full(len(history), np.nan)
    of_all[numbers] = values
    fits = replace(Fits.of(results), memory=Memo())
    return _believed(history, Objective("target"), fits, "target", of_all[results.numbers], seed)


def _believed(history: History, objective: Objective, fits: Fits, name: str, y: np.ndarray, seed: int) -> Believed:
    """The belief on those of the values y (k,) of trials that ended that are finite."""
    results, known = Results.of(history), np.isfinite(y)
    rows = np.flatnonzero(known)
    if len(rows) < LEAST:
        raise NotReady(f"{len(rows)} trials are complete with finite values: a model takes {LEAST} at least")
    if len(rows) > CAP:
        rows = np.sort(rng(seed, "surrogate's sample").choice(rows, CAP, replace=False))
    belief = fits.belief(name, y, known, rows)
    numbers, encoding = results.numbers[rows], results.encoding
    has_value = encoding.known(history.matrix[numbers])[1]
    points = np.where(has_value, results.points[rows], np.nan)
    return Believed(objective, belief, encoding, int(known.sum()), numbers, y[rows], points)
