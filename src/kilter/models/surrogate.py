"""What a study's trials say about configurations not tried yet: a Gaussian process for each quantity that matters.

    objectives    one belief each; expected improvement, of the hypervolume where there are several
    constraints   one belief each; the probability that the bound is met
    failure       a belief on labels -1 (ran) and +1 (failed); the probability that the label is near that of what ran
    duration      a belief on the logarithm of seconds, where improvement is to be had per second
    prior         the users' beliefs, fading with the number of trials (Hvarfner et al. 2022, πBO)

What beliefs rest on is in models/evidence.py. Everything is a function of the trials that ended, in their order, and of
those that run: what was fitted is remembered, never needed (models/fits.py).
"""

from __future__ import annotations

from copy import copy
from functools import cached_property

import numpy as np

from kilter.core.history import History
from kilter.models.acquisition import exploration_share, log_expected_improvement, log_probability_below
from kilter.models.evidence import Evidence, evidence_of
from kilter.models.fits import Belief

CAREFUL = (2, 24)
"""How often the chance of success multiplies expected improvement: twice for each failure, within this.
Where better values lure beyond a border, one failure more costs little and the next point there promises as much."""
RUNS = -0.9
"""A label below this one is expected to run. At 0, in the middle, every second trial along a border would fail."""
PRIOR_WEIGHT = 10.0
"""The users' beliefs count as β/n, this is β: πBO's tenth of a budget of a hundred trials."""


class Surrogate:
    """The beliefs that evidence supports, with trials that run imagined at their mean.

    `score` and `slope` are the acquisition of models/maximize.py, over points of models/encoding.py.
    """

    def __init__(self, evidence: Evidence, per_second: bool = False) -> None:
        self.results, self.encoding = evidence.results, evidence.results.encoding
        self.best_points, self.returning = evidence.best_points, evidence.returning
        self.objectives = evidence.objectives()
        self.constraints, self.failure = evidence.constraints(), evidence.failure()
        self.duration = evidence.duration() if per_second else None
        self.has_feasible = bool(self.results.feasible.any())
        self.seen = np.concatenate([evidence.evaluated, evidence.pending])
        """All points that were or will be evaluated, (k, d)."""
        imagined = self._imagine(evidence.pending)
        reached = np.concatenate([evidence.reached(self.objectives), imagined])
        self.best = reached.min(axis=0)
        """The least posterior mean of each objective at a feasible point, those that run included."""
        self._prior_weight = PRIOR_WEIGHT / self.results.count if self.encoding.has_priors else 0.0
        self._aim(reached)

    @classmethod
    def of(cls, history: History, seed: int, number: int, per_second: bool = False) -> Surrogate:
        """What a trial of a history rests on, whose results have to suffice."""
        return cls(evidence_of(history, seed, number), per_second)

    def against(self, point: np.ndarray) -> Surrogate:
        """The same, where improvement (on one objective) is on what is expected at a point (d,), not on the best."""
        other = copy(self)
        features = self.encoding.features(point[None])
        other.best = np.concatenate([belief.posterior.predict(features)[0] for belief in self.objectives])
        return other

    @property
    def beliefs(self) -> list[Belief]:
        """All of them."""
        return [*self.objectives, *self.constraints, *filter(None, [self.failure, self.duration])]

    def _aim(self, means: np.ndarray) -> None:
        """With several objectives, the boxes between what has been reached and what is worse than all of it."""
        if len(self.objectives) > 1:
            from kilter.models.hypervolume import boxes

            spread = np.ptp(means, axis=0)
            self._boxes = boxes(means, means.max(axis=0) + 0.1 * np.where(spread > 0, spread, 1.0))

    def _imagine(self, pending: np.ndarray) -> np.ndarray:
        """Take each running trial for done with the value that is expected (the Kriging believer).

        Returns the objectives of those that are expected to be feasible, (q, m): less than they reach is no gain.
        """
        if not len(pending):
            return np.empty((0, len(self.objectives)))
        features, q = self.encoding.features(pending), len(pending)
        for belief in self.beliefs:
            belief.posterior = belief.posterior.imagining(features)
        feasible = np.ones(q, dtype=bool)
        for _, bound, belief in self._bounds:
            feasible &= belief.posterior.fitted[-q:] <= bound
        return np.stack([belief.posterior.fitted[-q:] for belief in self.objectives], axis=1)[feasible]

    def outlook(self, point: np.ndarray) -> tuple[float, float, float]:
        """Of the first objective at a point (d,): what is expected of it, and how sure that is.

        Mean and standard deviation in the unit of Results.values, and the part of the expected improvement that is
        owed to uncertainty.
        """
        belief = self.objectives[0]
        mean, variance = belief.posterior.predict(self.encoding.features(point[None]))
        sd = np.sqrt(variance)
        # Bent values lie far apart where they are bad: how far it is to the better side is what matters.
        middle, better = belief.output.inverse(np.concatenate([mean, mean - sd])).tolist()
        return middle, middle - better, float(exploration_share(float(self.best[0]), mean, variance)[0])

    # -- the acquisition ------------------------------------------------------------------------------------------

    def score(self, points: np.ndarray) -> np.ndarray:
        """The logarithm of the expected improvement, of probabilities and of beliefs, summed; (q,)."""
        features = self.encoding.features(points)
        value = self._improvement([belief.posterior.predict(features) for belief in self.objectives])[0]
        for weight, bound, belief in self._bounds:
            value = value + weight * log_probability_below(bound, *belief.posterior.predict(features))[0]
        if self.duration is not None:
            value = value - self.duration.output.scale * self.duration.posterior.predict(features)[0]
        if self._prior_weight:
            value = value + self._prior_weight * self.encoding.log_prior(points)[0]
        return value

    def slope(self, points: np.ndarray, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The score (q,) at points with these features, and its gradient by the numbers (q, k)."""
        value, gradient = self._improvement(
            [belief.posterior.predict_with_gradients(features) for belief in self.objectives]
        )
        assert gradient is not None
        for weight, bound, belief in self._bounds:
            more, its_gradient = log_probability_below(bound, *belief.posterior.predict_with_gradients(features))
            assert its_gradient is not None
            value, gradient = value + weight * more, gradient + weight * its_gradient
        if self.duration is not None:
            mean, _, by_mean, _ = self.duration.posterior.predict_with_gradients(features)
            scale = self.duration.output.scale
            value, gradient = value - scale * mean, gradient - scale * by_mean
        gradient = gradient[:, self.encoding.number_features]
        if self._prior_weight:
            more, by_point = self.encoding.log_prior(points)
            value = value + self._prior_weight * more
            gradient = gradient + self._prior_weight * by_point[:, self.encoding.numbers]
        return value, gradient

    def _improvement(self, beliefs: list[tuple[np.ndarray, ...]]) -> tuple[np.ndarray, np.ndarray | None]:
        if self.constraints and not self.has_feasible:  # first of all something feasible
            shape = beliefs[0][2].shape if len(beliefs[0]) > 2 else (0, 0)
            return np.zeros(len(beliefs[0][0])), np.zeros(shape)
        if len(beliefs) == 1:
            return log_expected_improvement(float(self.best[0]), *beliefs[0])
        from kilter.models.hypervolume import log_expected_hypervolume_improvement

        stacked = [np.stack(arrays, axis=1) for arrays in zip(*beliefs)]
        return log_expected_hypervolume_improvement(*self._boxes, *stacked)

    @cached_property
    def _bounds(self) -> list[tuple[float, float, Belief]]:
        """(weight, bound, belief) of each quantity that should stay below a bound."""
        bounds = [(1.0, float(belief.output(np.zeros(1))[0]), belief) for belief in self.constraints]
        if self.failure is not None:
            weight = float(np.clip(2 * self.results.failed.sum(), *CAREFUL))
            bounds.append((weight, float(self.failure.output(np.full(1, RUNS))[0]), self.failure))
        return bounds
