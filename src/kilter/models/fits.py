"""θ of each quantity of a study at its count of trials: fitted once, remembered, never needed.

θ is fitted from its start at a few counts of trials (COLD apart) and from there anew at the counts between (WARM
apart), so that a resumed study, which remembers nothing, fits twice and gets the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from kilter.core.memo import Memo
from kilter.models.encoding import Encoding
from kilter.models.gp import Layout, Posterior, fit
from kilter.models.results import LEAST, Results
from kilter.models.transforms import Output, bent, standard

COLD = 1.5
"""Fits from the start are made at counts that grow by this factor."""
WARM = 1.05
"""Fits from the last of those, beyond EVERY, at counts that grow by this factor."""
EVERY = 32
COLD_CALLS = 45
WARM_CALLS = 12
COLD_FIT = 128
"""Points that a fit from the start is made to, at most: it only has to find the right hill."""
FIT = 256
"""Points that θ is fitted to, at most: the best third and those nearest to the best one."""
FAILURE_NOISE = 0.01
"""The noise of labels, since a border is a step, which a smooth process takes for noise on both of its sides, ..."""
SCATTERED = 0.7
"""... unless the fit calls more than this share of their variance noise: then failures happen anywhere, by chance."""
STRAIGHT = ("duration", "failure")
"""Never bent by a power: seconds, whose logarithm has a unit, and labels, of which there are two."""


@dataclass
class Belief:
    """One quantity: the process and the transform of its values."""

    posterior: Posterior
    output: Output


@dataclass(frozen=True)
class Fits:
    """θ of each quantity over some rows, fitted where it is not remembered."""

    features: Callable[[np.ndarray], np.ndarray]
    """The features of rows."""
    layout: Layout
    memory: Memo
    key: Callable[[int], Hashable] = lambda n: None
    """What tells the first n rows apart from others in the same memory."""
    kind: Callable[[Layout, np.ndarray, np.ndarray, np.ndarray], Posterior] = Posterior

    @classmethod
    def of(cls, results: Results) -> Fits:
        """Over the trials that ended."""
        return cls(lambda rows: results.features[rows], layout_of(results.encoding), results.fits)

    def belief(self, name: str, y: np.ndarray, known: np.ndarray, rows: np.ndarray) -> Belief:
        """The belief on y (k,), of which some rows are known, resting on those among `rows`."""
        theta, power = self.shape(name, y, known)
        rows = rows[known[rows]]
        output = standard(y[rows]) if power is None else bent(y[rows], power)[0]
        return Belief(self.kind(self.layout, theta, self.features(rows), output(y[rows])), output)

    def shape(self, name: str, y: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, float | None]:
        """θ, and the power that values are bent by, or None: whichever has the higher marginal likelihood.

        Fewer than LEAST known values say nothing of θ, which is as it starts then.
        """
        rows = np.flatnonzero(known)
        n = len(rows)
        if n < LEAST:
            return self.layout.start(), None
        early = step_below(n, COLD)
        late = n if n <= EVERY else max(early, step_below(n, WARM))
        theta, power = self.memory.of(
            (self.key(early), name, "cold", early),
            lambda: fitted(self.layout, *self._sample(rows[:early], y, COLD_FIT), name not in STRAIGHT),
        )
        if late > early:
            start, is_bent = theta, power is not None
            theta, power = self.memory.of(
                (self.key(late), name, "warm", late),
                lambda: self._warm(*self._sample(rows[:late], y, FIT), start, is_bent),
            )
        return self._certain(theta) if name == "failure" else theta, power

    def _certain(self, theta: np.ndarray) -> np.ndarray:
        """θ of labels that are taken at their word, unless failures are scattered all over the space."""
        noise = self.layout.d + 1
        if theta[noise] > np.log(SCATTERED):
            return theta
        theta = theta.copy()
        theta[noise] = np.log(FAILURE_NOISE)
        return theta

    def _sample(self, rows: np.ndarray, y: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
        """Features and values of so many rows at most: the best third, and those of the others nearest to the best."""
        if len(rows) > most:
            order = np.argsort(y[rows], kind="stable")
            best, rest = rows[order[: most // 3]], rows[order[most // 3 :]]
            apart = ((self.features(rest) - self.features(best[:1])) ** 2).sum(axis=1)
            rows = np.concatenate([best, rest[np.argsort(apart, kind="stable")[: most - len(best)]]])
        return self.features(rows), y[rows]

    def _warm(
        self, features: np.ndarray, y: np.ndarray, start: np.ndarray, is_bent: bool
    ) -> tuple[np.ndarray, float | None]:
        output = bent(y)[0] if is_bent else standard(y)
        return fit(self.layout, features, output(y), start, WARM_CALLS)[0], output.power


def fitted(
    layout: Layout, features: np.ndarray, y: np.ndarray, may_bend: bool = True
) -> tuple[np.ndarray, float | None]:
    """θ, climbed to from its start, and the power that values are bent by, or None; see `Fits.shape`."""
    start = layout.start()
    theta, cost = fit(layout, features, standard(y)(y), start, COLD_CALLS)
    if not may_bend:
        return theta, None
    output, jacobian = bent(y)
    theta_bent, cost_bent = fit(layout, features, output(y), start, COLD_CALLS)
    return (theta_bent, output.power) if cost_bent - jacobian < cost else (theta, None)


def layout_of(encoding: Encoding) -> Layout:
    """What a kernel has to know of the features of an encoding."""
    return Layout(encoding.owner, encoding.number_features, encoding.d, encoding.mean_active)


@lru_cache(maxsize=1024)
def step_below(n: int, factor: float) -> int:
    """The last count not above n of those that begin with LEAST and grow by a factor, by one at least."""
    step = LEAST
    while (following := max(step + 1, int(step * factor))) <= n:
        step = following
    return step
