"""What to train with next, while what is good drifts: the time-varying bandit of PB2 (Parker-Holder et al. 2020).

    stretch    training from one milestone to the next with one configuration
    points     (n, d)   configurations of the stretches, models/encoding.py
    start      (n,)     the milestone at which each began: 0, 1, 2, …
    before     (n,)     the loss there, +inf where it is not known
    gain       (n,)     by how much the loss fell; only differences between stretches of one start count
    context    (n, 2)   what a gain depends on besides the configuration: start and before, each in [0, 1]

The paper multiplies a kernel of configurations by (1 - ε)^(|t - t'| / 2). Here time and the loss before are two more
inputs of the process in models/gp.py, so that how fast what is known gets old is fitted, for each of them, like any
other length-scale.
"""

from __future__ import annotations

import numpy as np

from kilter.models.candidates import mutants
from kilter.models.encoding import Encoding
from kilter.models.gp import Layout, Posterior, fit
from kilter.models.maximize import maximized
from kilter.models.transforms import standard

HORIZON = 10
"""Early stretches are this many to the unit of time at least: of two neighbours one knows much about the other."""
RECENT = 200
"""Stretches that the model rests on, at most, the latest ones."""
CALLS = 45
"""Evaluations of a fit, as many as one from the start has in models/surrogate.py."""
CANDIDATES = 96
"""Uniform points, and as many near the parent and the recent best, that are scored before the ascent."""
BEST = 9
"""Recent best configurations whose neighbours are looked at, besides the parent."""
EXPLORE = (0.2, 0.4)
"""c₁ and c₂ of β = c₁ + log(c₂ n), the weight of the variance, as in the authors' experiments."""


class Bandit:
    """The belief about the gain of the next stretch, as an acquisition (models/maximize.py): its upper bound.

    `parent` (d,) is the configuration that is to be changed, and `fixed` (d,) tells which parameters must not be.
    `now` and `loss` are where the next stretch begins. Needs two stretches of one start at least.
    """

    def __init__(
        self,
        encoding: Encoding,
        points: np.ndarray,
        start: np.ndarray,
        before: np.ndarray,
        gain: np.ndarray,
        parent: np.ndarray,
        now: int,
        loss: float,
        fixed: np.ndarray,
    ) -> None:
        points, start, before, gain = points[-RECENT:], start[-RECENT:], before[-RECENT:], gain[-RECENT:]
        self.encoding, self.parent, self.fixed = encoding, parent, fixed
        self._is_on = encoding.active(parent[None])[0]
        self._ordered = np.sort(np.append(before, loss))
        self._unit = max(now, HORIZON)
        self._here = self._context(np.array([now]), np.array([loss]))[0]
        shortfall = -within(gain, start)
        width, d = encoding.width, encoding.d
        layout = Layout(
            np.concatenate([encoding.owner, [d, d + 1]]),
            np.concatenate([encoding.number_features, [width, width + 1]]),
            d + 2,
            encoding.mean_active + 2,
        )
        features = self._features(points, self._context(start, before))
        output = standard(shortfall)
        theta, _ = fit(layout, features, output(shortfall), layout.start(), CALLS)
        self.posterior = Posterior(layout, theta, features, output(shortfall))
        self._weight = np.sqrt(EXPLORE[0] + max(0.0, np.log(EXPLORE[1] * len(gain))))
        latest = np.lexsort([shortfall, -start])[:BEST]
        self.best = np.concatenate([parent[None], points[latest]])
        """Where mutants come from: the parent and the best of the latest stretches, (k, d)."""

    def imagine(self, points: np.ndarray, loss: np.ndarray) -> None:
        """Take stretches that begin now from losses (q,) for done, with the gain that is expected of them.

        So those chosen side by side differ: what one will tell is not worth a second one.
        """
        if len(points):
            features = self._features(points, self._context(np.full(len(points), self._now), loss))
            self.posterior = self.posterior.imagining(features)

    def chosen(self, stream: np.random.Generator) -> np.ndarray | None:
        """The allowed point (d,) with the highest upper bound that could be found; None where none was allowed."""
        encoding = self.encoding
        candidates = np.concatenate(
            [
                self.parent[None],
                encoding.from_uniforms(stream.random((CANDIDATES, encoding.d))),
                mutants(encoding, self.best, CANDIDATES, stream),
            ]
        )
        candidates = encoding.canonical(np.where(self.fixed & self._is_on, self.parent, candidates))
        points = maximized(self, encoding, candidates, self.best, stream)
        point: np.ndarray
        for point in points[self._keeps_fixed(points) & ~encoding.is_forbidden(points)]:
            return point
        return None

    # -- the acquisition ------------------------------------------------------------------------------------------

    def score(self, points: np.ndarray) -> np.ndarray:
        """The upper bound of the gain, (q,); -inf where a fixed parameter is another one."""
        mean, variance = self.posterior.predict(self._features(points, np.tile(self._here, (len(points), 1))))
        return np.where(self._keeps_fixed(points), self._weight * np.sqrt(variance) - mean, -np.inf)

    def slope(self, points: np.ndarray, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The upper bound (q,) at points with these features, and its gradient by the numbers (q, k)."""
        context = np.tile(self._here, (len(points), 1))
        mean, variance, by_mean, by_variance = self.posterior.predict_with_gradients(np.hstack([features, context]))
        sd = np.sqrt(variance)
        gradient = (0.5 * self._weight / sd)[:, None] * by_variance - by_mean
        may_move = ~(self.fixed & self._is_on)[self.encoding.numbers]
        return self._weight * sd - mean, gradient[:, self.encoding.number_features] * may_move

    def _keeps_fixed(self, points: np.ndarray) -> np.ndarray:
        """Which points have the parent's values of the fixed parameters that are active in both, (q,)."""
        bound = self.fixed & self._is_on & self.encoding.active(points)
        kept: np.ndarray = (~bound | np.isclose(points, self.parent, rtol=0.0, atol=1e-9)).all(axis=1)
        return kept

    def _context(self, start: np.ndarray, before: np.ndarray) -> np.ndarray:
        """Time, and the place of the loss among those known: losses may fall over many orders of magnitude."""
        place = (
            np.searchsorted(self._ordered, before, side="left") + np.searchsorted(self._ordered, before, "right") - 1
        )
        return np.stack([start / self._unit, 0.5 * place / max(len(self._ordered) - 1, 1)], axis=1)

    def _features(self, points: np.ndarray, context: np.ndarray) -> np.ndarray:
        return np.hstack([self.encoding.features(points), context])

    @property
    def _now(self) -> float:
        return float(self._here[0] * self._unit)


def within(gain: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Gains (n,) in units of their spread among the stretches of the same start, the mean of which is 0.

    All early gains are larger than all late ones, which says nothing about configurations. An infinite one counts as
    the least of its kind.
    """
    scaled = np.zeros(len(gain))
    for time in np.unique(start):
        rows = np.flatnonzero(start == time)
        known = gain[rows][np.isfinite(gain[rows])]
        if len(known):
            values = np.where(np.isfinite(gain[rows]), gain[rows], known.min())
            scaled[rows] = -standard(-values)(-values)  # a collapse is drawn in towards the others
    return scaled
