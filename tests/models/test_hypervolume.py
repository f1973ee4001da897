"""Volumes by laws and by chance; boxes by volume and by membership; the expected gain against integration."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from kilter.core.pareto import non_dominated
from kilter.models.hypervolume import MOST_POINTS, boxes, hypervolume, log_expected_hypervolume_improvement

FRONTS = st.integers(1, 5).flatmap(
    lambda m: arrays.arrays(float, st.tuples(st.integers(0, 7), st.just(m)), elements=st.integers(-1, 5).map(float))
)
"""Points on a small grid, some of them beyond the reference of 4, so that ties and duplicates are common."""


def corner(front):
    return np.full(front.shape[1], 4.0)


def counted(front, reference, low):
    """The number of unit cells between `low` and the reference that some point dominates."""
    m = len(reference)
    cells = np.stack(np.meshgrid(*[np.arange(low, top) for top in reference], indexing="ij"), axis=-1).reshape(-1, m)
    return int((front[None] <= cells[:, None]).all(axis=2).any(axis=1).sum())


@given(FRONTS)
def test_the_volume_is_the_number_of_cells(front):
    assert hypervolume(front, corner(front)) == pytest.approx(counted(front, corner(front), -1), abs=1e-9)


@given(FRONTS, st.randoms(use_true_random=False), st.data())
def test_laws_of_the_volume(front, random, data):
    """Any order of points and of objectives gives the same; one more point never less, a dominated one nothing."""
    reference, m = corner(front), front.shape[1]
    volume = hypervolume(front, reference)
    rows, columns = random.sample(range(len(front)), len(front)), random.sample(range(m), m)
    assert hypervolume(front[rows][:, columns], reference) == pytest.approx(volume)
    point = data.draw(arrays.arrays(float, (1, m), elements=st.floats(-1, 5)))
    more = hypervolume(np.vstack([front, point]), reference)
    assert more >= volume - 1e-9
    if (front <= point).all(axis=1).any():
        assert more == pytest.approx(volume)
    assert hypervolume(front * 2.0 + 1.0, reference * 2.0 + 1.0) == pytest.approx(volume * 2.0**m)


@pytest.mark.parametrize("m", [2, 3, 4, 5])
def test_the_volume_against_chance(m):
    rng = np.random.default_rng(m)
    front = rng.random((25, m))
    points = rng.random((40_000, m))
    share = (front[None] <= points[:, None]).all(axis=2).any(axis=1).mean()
    assert hypervolume(front, np.ones(m)) == pytest.approx(share, abs=0.012)  # 4 standard errors


@pytest.mark.parametrize("levels", [3, 1000])
def test_three_objectives_are_layers_of_two(levels):
    """The volume is the integral over the third objective of the area of what is there or before it."""
    front = np.random.default_rng(levels).integers(0, levels, (60, 3)) / levels
    heights = np.unique(np.append(front[:, 2], 1.0))
    areas = [hypervolume(front[front[:, 2] <= height, :2], np.ones(2)) for height in heights[:-1]]
    assert hypervolume(front, np.ones(3)) == pytest.approx(np.diff(heights) @ areas)


def test_nothing_dominates_nothing():
    assert hypervolume(np.empty((0, 3)), np.ones(3)) == 0.0
    assert hypervolume(np.ones((2, 3)), np.ones(3)) == 0.0


@given(FRONTS)
def test_boxes_fill_what_is_not_dominated(front):
    """Disjoint, dominated nowhere, and of the volume that is left."""
    reference, m = corner(front), front.shape[1]
    lower, upper = boxes(front, reference, limit=100)
    assert (lower < upper).all()
    assert (upper <= reference).all()
    lowest = np.maximum(lower, -2.0)
    meet = np.minimum(upper[:, None], upper[None]) > np.maximum(lower[:, None], lower[None])
    assert (meet.all(axis=2).sum(axis=1) == 1).all()
    inside = 0.5 * (lowest + upper)
    assert not (front[None] <= inside[:, None]).all(axis=2).any()
    assert (upper - lowest).prod(axis=1).sum() + hypervolume(front, reference) == pytest.approx(6.0**m)


@pytest.mark.parametrize(("m", "most"), [(2, 31), (3, 61)])
def test_boxes_are_few(m, most):
    front = np.random.default_rng(0).random((500, m))
    front = front[non_dominated(front)]
    sphere = np.abs(np.random.default_rng(1).standard_normal((30, m)))
    sphere = 1.0 - sphere / np.linalg.norm(sphere, axis=1, keepdims=True)
    assert len(boxes(sphere, np.full(m, 1.1))[0]) == most
    assert len(boxes(front, np.full(m, 1.1))[0]) <= m * len(front)


@pytest.mark.parametrize("m", [1, 2, 3, 4, 5, 6, 7])
def test_a_long_front_is_thinned(m):
    """The extremes stay, no more points than the limit are used, and boxes stay few."""
    sphere = np.abs(np.random.default_rng(1).standard_normal((200, m)))
    sphere = 1.0 - sphere / np.linalg.norm(sphere, axis=1, keepdims=True)
    lower, upper = boxes(sphere, np.full(m, 1.1))
    assert len(lower) <= 600
    if m in MOST_POINTS:
        assert upper.min(axis=0).tolist() == sphere.min(axis=0).tolist()


def test_a_limit_of_one_point():
    assert len(boxes(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([2.0, 2.0]), limit=1)[0]) == 2


# The expected gain.


def beliefs(q, m, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-0.5, 1.5, (q, m)), rng.uniform(0.01, 0.5, (q, m))


@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_the_expected_gain_against_chance(m):
    """The mean, over draws from the belief, of how much the hypervolume grows."""
    rng = np.random.default_rng(m)
    front, reference = rng.random((5, m)), np.ones(m)
    mean, variance = beliefs(3, m, seed=m)
    value, gradient = log_expected_hypervolume_improvement(*boxes(front, reference), mean, variance)
    assert gradient is None
    before = hypervolume(front, reference)
    for i in range(3):
        draws = mean[i] + np.sqrt(variance[i]) * rng.standard_normal((400, m))
        gains = np.array([hypervolume(np.vstack([front, draw]), reference) - before for draw in draws])
        assert np.exp(value[i]) == pytest.approx(gains.mean(), abs=4 * gains.std() / 20)


@pytest.mark.parametrize("m", [1, 2, 3, 4])
@pytest.mark.parametrize("offset", [-30.0, 0.0, 3.0, 30.0])
def test_the_gradient_against_differences(m, offset):
    front, reference = np.random.default_rng(m).random((6, m)), np.ones(m)
    lower, upper = boxes(front, reference)
    mean, variance = beliefs(4, m)
    mean += offset
    by = np.random.default_rng(1).standard_normal((2, 4, m, 3))
    step = 1e-5

    def at(t):
        return log_expected_hypervolume_improvement(lower, upper, mean + by[0] @ t, variance + 0.01 * by[1] @ t)[0]

    _, gradient = log_expected_hypervolume_improvement(lower, upper, mean, variance, by[0], 0.01 * by[1])
    differences = [(at(step * e) - at(-step * e)) / (2 * step) for e in np.eye(3)]
    assert gradient == pytest.approx(np.stack(differences, axis=1), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("deviations", [-1e6, -1e3, 1e3, 1e6])
@pytest.mark.parametrize("m", [2, 3])
def test_far_from_the_front(deviations, m):
    """Finite, and the gradient still points towards the front, however far away."""
    front, reference = np.random.default_rng(m).random((20, m)), np.ones(m)
    mean, variance = np.full((2, m), 0.01 * deviations), np.full((2, m), 1e-4)
    ones = np.ones((2, m, 1))
    value, gradient = log_expected_hypervolume_improvement(*boxes(front, reference), mean, variance, ones, 0 * ones)
    assert np.isfinite(value).all()
    assert (gradient < 0).all()
    if deviations < 0:  # all that is not dominated is won
        gain = (reference - mean).prod(axis=1) - hypervolume(front, reference)
        assert value == pytest.approx(np.log(gain), abs=1e-6)


@pytest.mark.parametrize("width", [1e-16, 1e-13, 1e-9])
def test_thin_boxes(width):
    """Two points that nearly meet count as one, and leave no rounding in value or gradient."""
    reference = np.ones(2)
    mean, variance = beliefs(50, 2)
    by = np.ones((50, 2, 1))
    pair = [np.array([[0.5, 0.5]]), np.array([[0.5, 0.5], [0.5 - width, 0.5 + width]])]
    with np.errstate(divide="raise", invalid="raise"):
        (one, slope_one), (two, slope_two) = (
            log_expected_hypervolume_improvement(*boxes(front, reference), mean, variance, by, by) for front in pair
        )
    assert two == pytest.approx(one, abs=1e-8)
    assert slope_two == pytest.approx(slope_one, abs=1e-6)


def test_the_thin_and_the_thick_formula_agree(monkeypatch):
    lower, upper = np.array([[-np.inf, 0.0]]), np.array([[0.3, 3e-6]])
    mean, variance = beliefs(50, 2)
    by = np.ones((50, 2, 1))
    results = []
    for thin in (0.0, 1.0):
        monkeypatch.setattr("kilter.models.hypervolume.THIN", thin)
        results.append(log_expected_hypervolume_improvement(lower, upper, mean, variance, by, by))
    assert results[0][0] == pytest.approx(results[1][0], abs=1e-7)
    assert results[0][1] == pytest.approx(results[1][1], rel=1e-5)
