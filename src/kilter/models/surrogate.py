"""What a study's trials say about configurations not tried yet: a Gaussian process for each quantity that matters.

    objectives    one belief each; expected improvement, of the hypervolume where there are several
    constraints   one belief each; the probability that the bound is met
    failure       a belief on labels -1 (ran) and +1 (failed); the probability that the label is near that of what ran
    duration      a belief on the logarithm of seconds, where improvement is to be had per second
    prior         the users' beliefs, fading with the number of trials (Hvarfner et al. 2022, πBO)

Where trials report, the objectives' processes have one input more, the resource, and learn from all that was measured
at any of it (as in MOBSTER, Klein et al. 2020); they are asked at the whole resource, and only what got there counts
as reached.

Everything is a function of the trials that ended, in their order, and of those that run; models/fits.py.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import cached_property

import numpy as np

from kilter.core.history import History
from kilter.core.memo import Memo
from kilter.core.seeds import rng
from kilter.models.acquisition import exploration_share, log_expected_improvement, log_probability_below
from kilter.models.controls import is_control
from kilter.models.encoding import Encoding
from kilter.models.fits import Belief, Fits
from kilter.models.gp import Layout, WholePosterior
from kilter.models.readings import Readings
from kilter.models.results import LEAST, Results

CAP = 320
"""Points that a prediction rests on, at most: it keeps the cost of a suggestion flat."""
MEASURED_CAP = 192
"""The same where trials report, with some three rows each."""
CAREFUL = (2, 24)
"""How often the chance of success multiplies expected improvement: twice for each failure, within this.
Where better values lure beyond a border, one failure more costs little and the next point there promises as much."""
RUNS = -0.9
"""A label below this one is expected to run. At 0, in the middle, every second trial along a border would fail."""
SHORTEST = 1e-3
"""Seconds; below that the duration of a trial says more about the machine than about the configuration."""
ALIKE = 0.1
"""Durations whose logarithms vary less than this are all the same."""
PRIOR_WEIGHT = 10.0
"""The users' beliefs count as β/n, this is β: πBO's tenth of a budget of a hundred trials."""


class Surrogate:
    """The beliefs after the trials of a history that ended, with those that run imagined at their mean.

    `score` and `slope` are the acquisition of models/maximize.py, over points of models/encoding.py. Needs `is_ready`.
    """

    def __init__(self, history: History, seed: int, number: int, per_second: bool = False) -> None:
        self.results = results = Results.of(history)
        self.encoding = encoding = results.encoding
        self.sign = history.problem.objectives[0].sign
        usable, failed = results.usable, results.failed
        feasible = usable & (results.violation == 0.0)
        fitted = Fits.of_trials(results)
        readings = Readings.of(history)
        stream = rng(seed, "active set", number)
        if readings is None:
            self.best_points = results.points[results.best(CAP)[:CAP]]
            """The best observed points, best first: feasible ones, then by violation."""
            self.returning = np.empty((0, encoding.d))
            """Points that were stopped and may be proposed again, once, (q, d)."""
            scale = np.exp(-fitted.shape("objective 0", results.values[:, 0], usable)[0][: encoding.d])
            rows = _active(results, usable | failed, scale, stream)
            self.objectives = [fitted.belief(f"objective {i}", y, usable, rows) for i, y in enumerate(results.values.T)]
        else:
            rows = np.flatnonzero(usable | failed)[-CAP:]
            self.best_points = readings.points(readings.best[:CAP])
            self.returning = readings.returning
            self.objectives = _over_resource(readings, encoding, results.fits, is_control(number))
        self.constraints = [
            fitted.belief(f"constraint {i}", y, np.isfinite(y), rows)
            for i, y in enumerate(results.constraints.T)
            if np.isfinite(y[rows]).any()
        ]
        labels = np.where(failed, 1.0, -1.0)
        self.failure = fitted.belief("failure", labels, usable | failed, rows) if failed.any() else None
        seconds = np.log(np.maximum(results.seconds, SHORTEST))
        timed = np.isfinite(seconds)
        varies = per_second and timed[rows].any() and np.std(seconds[timed]) > ALIKE
        self.duration = fitted.belief("duration", seconds, timed, rows) if varies else None
        self.has_feasible = bool(feasible.any())
        if readings is None:
            self.rows = rows[usable[rows]]
            """The rows of `results` that the objectives rest on, or that got to the whole resource, (n,)."""
            self.means = np.stack([belief.posterior.fitted for belief in self.objectives], axis=1)
            """The posterior means of the (transformed) objectives there, (n, m)."""
            reached = self.means[feasible[self.rows]] if self.has_feasible else self.means
            evaluated = results.points
        else:
            whole = np.flatnonzero(readings.is_whole)[-CAP:]
            places = readings.points(whole)
            features = encoding.features(places)
            means = np.stack([belief.posterior.predict(features)[0] for belief in self.objectives], axis=1)
            ended = readings.ended[whole]
            self.rows, self.means = ended[ended >= 0], means[ended >= 0]
            counts = feasible[ended] if self.has_feasible else np.ones(len(whole), dtype=bool)
            reached = means[counts] if counts.any() else means
            evaluated = np.concatenate(
                [
                    places,
                    results.points[failed | (results.reach == np.inf)],
                    _points(history, encoding, list(history.paused)),
                ]
            )
        self._prior_weight = PRIOR_WEIGHT / results.count if encoding.has_priors else 0.0
        pending = _pending(history, encoding)
        self.seen = np.concatenate([evaluated, pending])
        """All points that were or will be evaluated, (k, d); not those that were stopped on the way."""
        reached = np.concatenate([reached, self._imagine(pending)])
        self.best = reached.min(axis=0)
        """The least posterior mean of each objective at a feasible point, those that run included."""
        self._aim(reached)

    @staticmethod
    def is_ready(history: History) -> bool:
        """Whether enough trials have values."""
        return Results.of(history).suffices

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
        features = self.encoding.features(pending)
        means = {id(belief): belief.posterior.predict(features)[0] for belief in self.beliefs}
        feasible = np.ones(len(pending), dtype=bool)
        for _, bound, belief in self._bounds:
            feasible &= means[id(belief)] <= bound
        for belief in self.beliefs:
            belief.posterior = belief.posterior.joined(features, means[id(belief)])
        return np.stack([means[id(belief)] for belief in self.objectives], axis=1)[feasible]

    def outlook(self, point: np.ndarray) -> tuple[float, float, float]:
        """Of the first objective at a point (d,): what is expected of it, and how sure that is.

        Mean and standard deviation in the unit of Results.values, and the part of the expected improvement that is
        owed to uncertainty.
        """
        belief = self.objectives[0]
        mean, variance = belief.posterior.predict(self.encoding.features(point[None]))
        sd = np.sqrt(variance)
        middle, low, high = belief.output.inverse(np.concatenate([mean, mean - sd, mean + sd])).tolist()
        return middle, (high - low) / 2.0, float(exploration_share(float(self.best[0]), mean, variance)[0])

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


def _over_resource(readings: Readings, encoding: Encoding, memory: Memo, is_blind: bool) -> list[Belief]:
    """The beliefs on the objectives from what was measured at any resource, or at the whole one alone."""
    rows = np.flatnonzero(readings.is_whole) if is_blind else np.arange(len(readings.numbers))
    if len(rows) < LEAST:
        rows = np.arange(len(readings.numbers))
    values, resource, numbers = readings.values[rows], readings.resource[rows], readings.numbers[rows]

    def key(n: int) -> Hashable:
        return tuple(hash(column[:n].tobytes()) for column in (numbers, resource, values))

    layout = Layout(
        np.append(encoding.owner, encoding.d),
        np.append(encoding.number_features, encoding.width),
        encoding.d + 1,
        encoding.mean_active + 1.0,
    )
    fitted = Fits(lambda some: readings.features(rows[some]), layout, key, memory, WholePosterior)
    known, active = np.ones(len(rows), dtype=bool), np.arange(len(rows))
    if len(rows) > MEASURED_CAP:  # half of them the furthest and best, half the latest
        order = np.lexsort([values[:, 0], -resource])
        half = MEASURED_CAP // 2
        active = np.sort(np.concatenate([order[:half], np.sort(order[half:])[half - MEASURED_CAP :]]))
    return [fitted.belief(f"objective {i}", y, known, active) for i, y in enumerate(values.T)]


def _pending(history: History, encoding: Encoding) -> np.ndarray:
    """The points of trials that run or wait and whose configuration is whole, (k, d)."""
    return _points(history, encoding, [*history.running, *history.waiting])


def _points(history: History, encoding: Encoding, numbers: list[int]) -> np.ndarray:
    """The points of those trials whose configuration is whole, (k, d)."""
    matrix = history.matrix[numbers]
    points = encoding.points(matrix)
    whole: np.ndarray = points[~(encoding.active(points) & np.isnan(matrix)).any(axis=1)]
    return whole


def _active(results: Results, known: np.ndarray, scale: np.ndarray, stream: np.random.Generator) -> np.ndarray:
    """The rows that predictions rest on: all that are known, or the best quarter of CAP and those near one of them."""
    rows = np.flatnonzero(known)
    if len(rows) <= CAP:
        return rows
    best = results.best(CAP // 4)[: CAP // 4]
    centre = results.features[best[min(int(stream.exponential(1.5)), len(best) - 1)]]
    features, weights = results.features, scale[results.encoding.owner] ** 2
    distance = np.einsum("ij,ij,j->i", features, features, weights) - 2.0 * (features @ (weights * centre))
    distance[best] = -np.inf
    distance = distance[rows]
    return np.sort(rows[np.argpartition(distance, CAP)[:CAP]])
