"""What a study's trials say about configurations not tried yet: a Gaussian process for each quantity that matters.

    objectives    one belief each; expected improvement, of the hypervolume where there are several
    constraints   one belief each; the probability that the bound is met
    failure       a belief on labels -1 (ran) and +1 (failed); the probability that the label is near that of what ran
    duration      a belief on the logarithm of seconds, where improvement is to be had per second
    prior         the users' beliefs, fading with the number of trials (Hvarfner et al. 2022, πBO)

Where trials report, the objectives' processes have one input more, the resource, and learn from all that was measured
at any of it (as in MOBSTER, Klein et al. 2020); they are asked at the whole resource, and only what got there counts
as reached.

Everything is a function of the trials that ended, in their order, and of those that run: what has been fitted is
remembered, never needed. θ is fitted from its start at a few counts of trials (COLD apart) and from there anew at the
counts between (WARM apart), so that a resumed study, which remembers nothing, fits twice and gets the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from kilter.core.history import History
from kilter.core.seeds import rng
from kilter.models.acquisition import exploration_share, log_expected_improvement, log_probability_below
from kilter.models.encoding import Encoding
from kilter.models.gp import Layout, Posterior, WholePosterior, fit
from kilter.models.observed import LEAST, Measured, Observed, is_control
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
CAP = 320
"""Points that a prediction rests on, at most: it keeps the cost of a suggestion flat."""
MEASURED_CAP = 192
"""The same where trials report, with some three rows each."""
CAREFUL = (2, 24)
"""How often the chance of success multiplies expected improvement: twice for each failure, within this.
Where better values lure beyond a border, one failure more costs little and the next point there promises as much."""
RUNS = -0.9
"""A label below this one is expected to run. At 0, in the middle, every second trial along a border would fail."""
FAILURE_NOISE = 0.01
"""The noise of labels, since a border is a step, which a smooth process takes for noise on both of its sides, ..."""
SCATTERED = 0.7
"""... unless the fit calls more than this share of their variance noise: then failures happen anywhere, by chance."""
SHORTEST = 1e-3
"""Seconds; below that the duration of a trial says more about the machine than about the configuration."""
ALIKE = 0.1
"""Durations whose logarithms vary less than this are all the same."""
STRAIGHT = ("duration", "failure")
"""Never bent by a power: seconds, whose logarithm has a unit, and labels, of which there are two."""
PRIOR_WEIGHT = 10.0
"""The users' beliefs count as β/n, this is β: πBO's tenth of a budget of a hundred trials."""


@dataclass
class Belief:
    """One quantity: the process and the transform of its values."""

    posterior: Posterior
    output: Output


class Surrogate:
    """The beliefs after the trials of a history that ended, with those that run imagined at their mean.

    `score` and `slope` are the acquisition of models/maximize.py, over points of models/encoding.py. Needs `is_ready`.
    """

    def __init__(self, history: History, seed: int, number: int, per_second: bool = False) -> None:
        self.observed = observed = Observed.of(history)
        self.encoding = encoding = observed.encoding
        self.sign = history.problem.objectives[0].sign
        usable, failed = observed.usable, observed.failed
        feasible = usable & (observed.violation == 0.0)
        memory = _REMEMBERED.setdefault(history, {})
        fitted = _Fits.of_trials(observed, memory)
        measured = Measured.of(history)
        stream = rng(seed, "active set", number)
        if measured is None:
            self.best_points = observed.points[observed.best(CAP)[:CAP]]
            """The best observed points, best first: feasible ones, then by violation."""
            self.returning = np.empty((0, encoding.d))
            """Points that were stopped and may be proposed again, once, (q, d)."""
            scale = np.exp(-fitted.shape("objective 0", observed.values[:, 0], usable)[0][: encoding.d])
            rows = _active(observed, usable | failed, scale, stream)
            self.objectives = [
                fitted.belief(f"objective {i}", y, usable, rows) for i, y in enumerate(observed.values.T)
            ]
        else:
            rows = np.flatnonzero(usable | failed)[-CAP:]
            self.best_points = measured.points(measured.best[:CAP])
            self.returning = measured.returning
            self.objectives = _over_resource(measured, encoding, memory, is_control(number))
        self.constraints = [
            fitted.belief(f"constraint {i}", y, np.isfinite(y), rows)
            for i, y in enumerate(observed.constraints.T)
            if np.isfinite(y[rows]).any()
        ]
        labels = np.where(failed, 1.0, -1.0)
        self.failure = fitted.belief("failure", labels, usable | failed, rows) if failed.any() else None
        seconds = np.log(np.maximum(observed.seconds, SHORTEST))
        timed = np.isfinite(seconds)
        varies = per_second and timed[rows].any() and np.std(seconds[timed]) > ALIKE
        self.duration = fitted.belief("duration", seconds, timed, rows) if varies else None
        self.has_feasible = bool(feasible.any())
        if measured is None:
            self.rows = rows[usable[rows]]
            """The rows of `observed` that the objectives rest on, or that got to the whole resource, (n,)."""
            self.means = np.stack([belief.posterior.fitted for belief in self.objectives], axis=1)
            """The posterior means of the (transformed) objectives there, (n, m)."""
            reached = self.means[feasible[self.rows]] if self.has_feasible else self.means
            evaluated = observed.points
        else:
            whole = np.flatnonzero(measured.is_whole)[-CAP:]
            places = measured.points(whole)
            features = encoding.features(places)
            means = np.stack([belief.posterior.predict(features)[0] for belief in self.objectives], axis=1)
            ended = measured.ended[whole]
            self.rows, self.means = ended[ended >= 0], means[ended >= 0]
            counts = feasible[ended] if self.has_feasible else np.ones(len(whole), dtype=bool)
            reached = means[counts] if counts.any() else means
            evaluated = np.concatenate(
                [
                    places,
                    observed.points[failed | (observed.reach == np.inf)],
                    _points(history, encoding, list(history.paused)),
                ]
            )
        self._prior_weight = PRIOR_WEIGHT / observed.count if encoding.has_priors else 0.0
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
        return Observed.of(history).suffices

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

        Mean and standard deviation in the unit of Observed.values, and the part of the expected improvement that is
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
            weight = float(np.clip(2 * self.observed.failed.sum(), *CAREFUL))
            bounds.append((weight, float(self.failure.output(np.full(1, RUNS))[0]), self.failure))
        return bounds


_REMEMBERED: WeakKeyDictionary[History, dict[Hashable, Any]] = WeakKeyDictionary()


def share_fits(known: History, other: History) -> None:
    """Spare another history the fits of this one, whose trials ended alike up to some count."""
    _REMEMBERED[other] = dict(_REMEMBERED.get(known, {}))


@dataclass(frozen=True)
class _Fits:
    """θ of each quantity over some rows, fitted where it is not remembered."""

    features: Callable[[np.ndarray], np.ndarray]
    """The features of rows."""
    layout: Layout
    key: Callable[[int], Hashable]
    """What tells the first n rows apart from others."""
    memory: dict[Hashable, Any]
    kind: type[Posterior] = Posterior

    @classmethod
    def of_trials(cls, observed: Observed, memory: dict[Hashable, Any]) -> _Fits:
        """Over the trials that ended."""
        encoding = observed.encoding
        layout = Layout(encoding.owner, encoding.number_features, encoding.d, encoding.mean_active)
        return cls(lambda rows: observed.features[rows], layout, lambda n: encoding.space, memory)

    def belief(self, name: str, y: np.ndarray, known: np.ndarray, rows: np.ndarray) -> Belief:
        """The belief on y (k,), of which some rows are known, resting on those among `rows`."""
        theta, power = self.shape(name, y, known)
        rows = rows[known[rows]]
        output = standard(y[rows]) if power is None else bent(y[rows], power)[0]
        return Belief(self.kind(self.layout, theta, self.features(rows), output(y[rows])), output)

    def shape(self, name: str, y: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, float | None]:
        """θ, and the power that values are bent by, or None: whichever has the higher marginal likelihood."""
        rows = np.flatnonzero(known)
        n = len(rows)
        early = step_below(n, COLD)
        late = n if n <= EVERY else max(early, step_below(n, WARM))
        theta, power = self._remembered(
            name, "cold", early, lambda: self._cold(*self._sample(rows[:early], y, COLD_FIT), name not in STRAIGHT)
        )
        if late > early:
            start, is_bent = theta, power is not None
            theta, power = self._remembered(
                name, "warm", late, lambda: self._warm(*self._sample(rows[:late], y, FIT), start, is_bent)
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

    def _remembered(self, name: str, kind: str, n: int, make: Callable[[], Any]) -> Any:
        key = self.key(n), (name, kind, n)
        if key not in self.memory:
            self.memory[key] = make()
        return self.memory[key]

    def _sample(self, rows: np.ndarray, y: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
        """Features and values of so many rows at most: the best third, and those of the others nearest to the best."""
        if len(rows) > most:
            order = np.argsort(y[rows], kind="stable")
            best, rest = rows[order[: most // 3]], rows[order[most // 3 :]]
            apart = ((self.features(rest) - self.features(best[:1])) ** 2).sum(axis=1)
            rows = np.concatenate([best, rest[np.argsort(apart, kind="stable")[: most - len(best)]]])
        return self.features(rows), y[rows]

    def _cold(self, features: np.ndarray, y: np.ndarray, may_bend: bool) -> tuple[np.ndarray, float | None]:
        start = self.layout.start()
        theta, cost = fit(self.layout, features, standard(y)(y), start, COLD_CALLS)
        if not may_bend:
            return theta, None
        output, jacobian = bent(y)
        theta_bent, cost_bent = fit(self.layout, features, output(y), start, COLD_CALLS)
        return (theta_bent, output.power) if cost_bent - jacobian < cost else (theta, None)

    def _warm(
        self, features: np.ndarray, y: np.ndarray, start: np.ndarray, is_bent: bool
    ) -> tuple[np.ndarray, float | None]:
        output = bent(y)[0] if is_bent else standard(y)
        return fit(self.layout, features, output(y), start, WARM_CALLS)[0], output.power


def _over_resource(measured: Measured, encoding: Encoding, memory: dict[Hashable, Any], is_blind: bool) -> list[Belief]:
    """The beliefs on the objectives from what was measured at any resource, or at the whole one alone."""
    rows = np.flatnonzero(measured.is_whole) if is_blind else np.arange(len(measured.numbers))
    if len(rows) < LEAST:
        rows = np.arange(len(measured.numbers))
    values, resource, numbers = measured.values[rows], measured.resource[rows], measured.numbers[rows]

    def key(n: int) -> Hashable:
        return encoding.space, *(hash(column[:n].tobytes()) for column in (numbers, resource, values))

    layout = Layout(
        np.append(encoding.owner, encoding.d),
        np.append(encoding.number_features, encoding.width),
        encoding.d + 1,
        encoding.mean_active + 1.0,
    )
    fitted = _Fits(lambda some: measured.features(rows[some]), layout, key, memory, WholePosterior)
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


@lru_cache(maxsize=1024)
def step_below(n: int, factor: float) -> int:
    """The last count not above n of those that begin with LEAST and grow by a factor, by one at least."""
    step = LEAST
    while (following := max(step + 1, int(step * factor))) <= n:
        step = following
    return step


def _active(observed: Observed, known: np.ndarray, scale: np.ndarray, stream: np.random.Generator) -> np.ndarray:
    """The rows that predictions rest on: all that are known, or the best quarter of CAP and those near one of them."""
    rows = np.flatnonzero(known)
    if len(rows) <= CAP:
        return rows
    best = observed.best(CAP // 4)[: CAP // 4]
    centre = observed.features[best[min(int(stream.exponential(1.5)), len(best) - 1)]]
    features, weights = observed.features, scale[observed.encoding.owner] ** 2
    distance = np.einsum("ij,ij,j->i", features, features, weights) - 2.0 * (features @ (weights * centre))
    distance[best] = -np.inf
    distance = distance[rows]
    return np.sort(rows[np.argpartition(distance, CAP)[:CAP]])
