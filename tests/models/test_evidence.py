"""Evidence of a kind of its own: the results of an earlier study, which a surrogate takes as it takes today's kinds."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest

from kilter.core.events import TrialState
from kilter.core.history import History, Record
from kilter.core.numbers import Float
from kilter.core.problem import Problem
from kilter.core.space import Space
from kilter.models.evidence import Evidence, SingleFidelity
from kilter.models.fits import Belief, Fits
from kilter.models.gp import Layout, Posterior
from kilter.models.results import Results
from kilter.models.surrogate import Surrogate
from kilter.models.tried import Tried
from kilter.samplers.gp import proposal

SPACE = Space({"x": Float(0, 1), "y": Float(0, 1)})


class OnTop(Posterior):
    """A process on what an earlier one leaves unexplained (Golovin et al. 2017)."""

    def __init__(
        self, earlier: Posterior, layout: Layout, theta: np.ndarray, features: np.ndarray, y: np.ndarray
    ) -> None:
        super().__init__(layout, theta, features, y - earlier.predict(features)[0])
        self.earlier = earlier

    @property
    def fitted(self) -> np.ndarray:
        return super().fitted + self.earlier.predict(self.features)[0]

    def predict(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean, variance = super().predict(features)
        return mean + self.earlier.predict(features)[0], variance

    def predict_with_gradients(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        mean, variance, by_mean, by_variance = super().predict_with_gradients(features)
        before, _, by_before, _ = self.earlier.predict_with_gradients(features)
        return mean + before, variance, by_mean + by_before, by_variance


@dataclass(frozen=True)
class WithEarlier(Evidence):
    """Results on top of an earlier study's, of the same space, with a level, a scale and a noise of their own."""

    results: Results
    pending: np.ndarray
    points: np.ndarray
    values: np.ndarray

    def objectives(self) -> list[Belief]:
        now, every = Fits.of(self.results), np.arange(len(self.values))
        features = self.results.encoding.features(self.points)
        then = replace(now, features=lambda rows: features[rows], key=lambda n: self.values[:n].tobytes())
        earlier = then.belief("objective 0", self.values, every >= 0, every).posterior
        on_top = replace(now, kind=partial(OnTop, earlier))
        return [on_top.belief("objective 0", self.results.values[:, 0], self.results.usable, self.rows)]

    def reached(self, objectives: list[Belief]) -> np.ndarray:
        return np.stack([belief.posterior.fitted for belief in objectives], axis=1)


def valley(points):
    return (points[:, 0] - 0.3) ** 2 + 0.5 * (points[:, 1] - 0.6) ** 2


def study(*points):
    history = History(Problem(SPACE))
    for number, point in enumerate(points):
        trial = Record(number, TrialState.COMPLETE, dict(zip("xy", point)), attempt=1)
        trial.metrics = {"value": float(valley(np.array([point]))[0])}
        history.add(trial)
        history.settle(trial)
    return history


HISTORY = study((0.1, 0.1), (0.9, 0.2), (0.5, 0.9), (0.8, 0.8))
POINTS = np.random.default_rng(1).random((40, 2))
NOTHING = np.empty((0, 2))


def surrogate(pending=NOTHING, level=0.0, scale=1.0):
    noise = 0.01 * np.random.default_rng(2).standard_normal(len(POINTS))
    values = level + scale * (valley(POINTS) + noise)
    return Surrogate(WithEarlier(Results.of(HISTORY), pending, POINTS, values))


GRID = np.random.default_rng(3).random((50, 2))


def expected(surrogate):
    return surrogate.objectives[0].posterior.predict(surrogate.encoding.features(GRID))[0]


def test_an_earlier_study_says_where_good_values_lie():
    alone = Surrogate(SingleFidelity(Results.of(HISTORY), NOTHING, np.random.default_rng(0)))
    truth = valley(GRID)
    with_it, without = (np.corrcoef(expected(each), truth)[0, 1] for each in (surrogate(), alone))
    assert with_it > 0.95 > without


def test_its_level_and_scale_are_its_own():
    assert expected(surrogate(level=1000.0, scale=50.0)) == pytest.approx(expected(surrogate()), abs=1e-3)


def test_the_slope_is_that_of_the_score():
    model = surrogate()
    value, gradient = model.slope(GRID, model.encoding.features(GRID))
    assert value == pytest.approx(model.score(GRID))
    for j in range(2):
        step = 1e-6 * np.eye(2)[j]
        numeric = (model.score(GRID + step) - model.score(GRID - step)) / 2e-6
        assert gradient[:, j] == pytest.approx(numeric, rel=0.01, abs=0.01)


def test_what_runs_is_imagined_and_another_point_proposed():
    first = proposal(surrogate(), Tried.of(HISTORY), np.random.default_rng(0))
    after = surrogate(pending=first[None])
    assert after.score(first[None])[0] < surrogate().score(first[None])[0] - 1.0
    second = proposal(after, Tried.of(HISTORY), np.random.default_rng(0))
    assert np.abs(first - second).max() > 0.01
    assert np.abs(first - [0.3, 0.6]).max() < 0.25
