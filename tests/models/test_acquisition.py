"""The acquisition against integrals, asymptotics and finite differences."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilter.models.acquisition import (
    DOUBT,
    exploration_share,
    log_expected_improvement,
    log_h,
    log_probability_below,
)

MANY = settings(max_examples=100)
Z = st.floats(-1e200, 1e10) | st.floats(-50, 50) | st.floats(-2, 0)


def h_by_integral(z):
    """log of the integral of (z - t) φ(t) over t < z, with the scale taken out so that it does not underflow."""
    from scipy.integrate import quad

    top = min(z, 0.0)
    value, _ = quad(lambda s: (z - top + s) * np.exp(-0.5 * (s * s - 2 * top * s)), 0, 60, points=[1.0], limit=400)
    return np.log(value) - 0.5 * top * top - 0.5 * np.log(2 * np.pi)


@pytest.mark.parametrize("z", [-40.0, -12.3, -5.0, -1.7, -1.0001, -1.0, -0.9999, -0.3, 0.0])
def test_log_h_is_the_integral(z):
    assert log_h(np.array([z]))[0] == pytest.approx(h_by_integral(z), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("z", [-1e2, -1e3, -1e4, -9.9e4, -1.1e5, -1e7, -1e60])
def test_log_h_far_below_is_its_asymptotic_series(z):
    """h(z) = φ(z) / z² · (1 - 3/z² + 15/z⁴ - …)."""
    rest = log_h(np.array([z]))[0] + 0.5 * z * z
    expected = -0.5 * np.log(2 * np.pi) - 2 * np.log(-z) + np.log1p(-3 / z**2 + 15 / z**4)
    assert rest == pytest.approx(expected, abs=max(1e-6, 1e-15 * z * z))


def test_log_h_above_is_z():
    z = np.array([8.0, 1e3, 1e10])
    assert log_h(z) == pytest.approx(np.log(z))


@MANY
@given(st.lists(Z, min_size=2, max_size=8))
def test_log_h_is_finite_and_never_falls(z):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = log_h(np.sort(z))
    assert np.isfinite(values).all()
    assert (np.diff(values) >= -1e-12 * np.abs(values[1:])).all()


MEAN = st.floats(-1e15, 1e15) | st.floats(-5, 5)
VARIANCE = st.floats(1e-12, 1e6) | st.sampled_from([1e-12, 1.0])
BEST = st.floats(-1e15, 1e15) | st.floats(-5, 5)


@MANY
@given(BEST, MEAN, VARIANCE)
def test_nothing_is_ever_nan(best, mean, variance):
    mean, variance = np.array([mean]), np.array([variance])
    slopes = np.array([[1.0, -2.0]]), np.array([[0.5, 0.0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for acquisition in (log_expected_improvement, log_probability_below):
            value, gradient = acquisition(best, mean, variance, *slopes)
            assert np.isfinite(value).all()
            assert np.isfinite(gradient).all()
            assert acquisition(best, mean, variance) == (value, None)
        assert 0 <= exploration_share(best, mean, variance)[0] <= 1


@MANY
@given(st.floats(-30, 8), st.floats(-3, 3), st.floats(0.05, 3), st.integers(0, 99))
def test_gradients(z, mean, sd, seed):
    """Along any direction in which both mean and variance change."""
    best, rng = mean + z * sd, np.random.default_rng(seed)
    by_mean, by_variance = rng.normal(size=(2, 1, 3))
    e = 1e-5 * min(sd, 1.0) ** 2
    for acquisition in (log_expected_improvement, log_probability_below):
        gradient = acquisition(best, np.array([mean]), np.array([sd**2]), by_mean, by_variance)[1]
        for j in range(3):
            up, down = (
                acquisition(best, mean + s * e * by_mean[:, j], sd**2 + s * e * by_variance[:, j])[0] for s in (1, -1)
            )
            assert gradient[0, j] == pytest.approx((up[0] - down[0]) / (2 * e), rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("z", [-1e4, -1e6, -1e8, -1e12])
def test_gradients_far_below(z):
    """d log h / dz is -z there, to first order, although differences of logarithms have cancelled.

    The logarithm of a probability falls by 1 / 2 DOUBT with each unit.
    """
    mean, sd, one, zero = np.array([-z]), np.ones(1), np.ones((1, 1)), np.zeros((1, 1))
    assert log_expected_improvement(0.0, mean, sd, one, zero)[1][0, 0] == pytest.approx(z, rel=1e-3)
    assert log_probability_below(0.0, mean, sd, one, zero)[1][0, 0] == pytest.approx(-1 / (2 * DOUBT), rel=1e-2)


@MANY
@given(st.floats(0.1, 1e9), st.floats(1.2, 10), st.floats(1e-12, 1e-5), st.floats(1e-12, 1e-5))
def test_what_is_surely_infeasible_is_ordered_by_distance(distance, farther, variance, other):
    """Whatever rounding has left of the variances."""
    near, far = (
        log_probability_below(0.0, np.array([mean]), np.array([v]))[0][0]
        for mean, v in ((distance, variance), (distance * farther, other))
    )
    assert near > far


@MANY
@given(st.floats(-5, 5), st.floats(-5, 5), st.floats(0.01, 5), st.floats(0.001, 2))
def test_more_is_expected_of_lower_means_and_larger_variances(best, mean, sd, more):
    def value(mean, sd):
        return log_expected_improvement(best, np.array([mean]), np.array([sd**2]))[0][0]

    assert value(mean - more, sd) > value(mean, sd)
    assert value(mean, sd + more) >= value(mean, sd) - 1e-12


def test_values_are_those_of_the_definitions():
    rng = np.random.default_rng(5)
    draws = 1.0 + 2.0 * rng.standard_normal(400_000)
    ei, p = (f(0.5, np.array([1.0]), np.array([4.0]))[0][0] for f in (log_expected_improvement, log_probability_below))
    assert np.exp(ei) == pytest.approx(np.maximum(0.5 - draws, 0.0).mean(), rel=0.01)
    assert np.exp(p) == pytest.approx((draws <= 0.5).mean(), rel=0.01)


def test_the_share_of_exploration():
    share = exploration_share(0.0, np.array([-5.0, 0.0, 5.0]), np.ones(3))
    assert share[1:].tolist() == [1.0, 1.0]
    assert share[0] < 1e-5
