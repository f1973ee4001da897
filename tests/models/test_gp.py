"""The process: gradients by finite differences, conditioning at once and step by step, matrices of any condition."""

# ruff: noqa: N806  (matrices are capitals, as in the equations)

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilter.core.numbers import Float
from kilter.core.options import Boolean, Choice
from kilter.core.space import Space
from kilter.models.encoding import Encoding
from kilter.models.gp import LEAST_VARIANCE, Layout, Posterior, fit, matern, negative_log_posterior

FEW = settings(max_examples=25)
SPACES = {
    "one": Space({"x": Float(0, 1)}),
    "numbers": Space({"x": Float(0, 1), "y": Float(0, 1), "z": Float(0, 1)}),
    "options": Space({"c": Choice(["a", "b", "c"]), "b": Boolean()}),
    "mixed": Space({"x": Float(0, 1), "c": Choice(["a", "b", "c"]), "y": Float(0, 1), "b": Boolean()}),
    "conditional": Space({"c": Choice(["a", "b"]), "x": Float(0, 1).when(c="a"), "d": Boolean().when(c="b")}),
    "nothing": Space(),
}
kinds = st.sampled_from(sorted(SPACES))
seeds = st.integers(0, 2**32)


def drawn(kind, seed, n=9, width=1.0):
    """A layout, features, values and θ inside its bounds, `width` of the way from the prior's mean to them."""
    rng = np.random.default_rng(seed)
    encoding = Encoding(SPACES[kind])
    layout = Layout(encoding.owner, encoding.number_features, encoding.d, encoding.mean_active)
    X = encoding.features(encoding.from_uniforms(rng.random((n, encoding.d))))
    low, high = layout.bounds()
    theta = np.clip(layout.prior()[0] + width * layout.prior()[1] * rng.normal(size=layout.size), low, high)
    return layout, X, rng.normal(size=n), theta


@FEW
@given(kinds, seeds, st.integers(1, 9))
def test_the_gradient_of_the_posterior_of_theta(kind, seed, n):
    layout, X, y, theta = drawn(kind, seed, n)
    theta[layout.d + 1] = max(theta[layout.d + 1], np.log(1e-3))  # beyond, differences cancel
    prior = layout.prior()
    _, gradient = negative_log_posterior(theta, layout, X, y, *prior)
    e = 1e-4
    for i in range(layout.size):
        step = e * np.eye(layout.size)[i]
        up, down = (negative_log_posterior(theta + s * step, layout, X, y, *prior)[0] for s in (1, -1))
        assert gradient[i] == pytest.approx((up - down) / (2 * e), rel=5e-3, abs=5e-3), i


@FEW
@given(kinds, seeds)
def test_the_value_is_the_log_density_of_a_normal(kind, seed):
    layout, X, y, theta = drawn(kind, seed)
    theta[layout.d + 1] = np.log(1e-2)
    posterior = Posterior(layout, theta, X, y)
    K = posterior._cross(posterior.Z, posterior.Z0)[0] + posterior.noise * np.eye(len(y))
    mean, sd = layout.prior()
    expected = (
        0.5 * y @ np.linalg.solve(K, y) + 0.5 * np.linalg.slogdet(K)[1] + 0.5 * (((theta - mean) / sd) ** 2).sum()
    )
    assert negative_log_posterior(theta, layout, X, y, mean, sd)[0] == pytest.approx(expected, rel=1e-6, abs=1e-6)


@FEW
@given(kinds, seeds, st.integers(1, 4))
def test_imagining_is_conditioning_on_what_is_expected(kind, seed, more):
    layout, X, y, theta = drawn(kind, seed)
    theta[layout.d + 1] = max(theta[layout.d + 1], np.log(1e-4))
    before = Posterior(layout, theta, X[:-more], y[:-more])
    expected = before.predict(X[-more:])[0]
    whole = Posterior(layout, theta, X, np.append(y[:-more], expected))
    grown = before.imagining(X[-more:])
    assert grown.fitted[-more:] == pytest.approx(expected)
    others = drawn(kind, seed + 1)[1]
    for a, b in zip(whole.predict(others), grown.predict(others)):
        assert a == pytest.approx(b, rel=1e-4, abs=1e-5)
    assert whole.fitted == pytest.approx(grown.fitted, rel=1e-4, abs=1e-5)


@FEW
@given(kinds, seeds)
def test_gradients_of_predictions(kind, seed):
    layout, X, y, theta = drawn(kind, seed, width=0.4)
    theta[layout.d + 1] = max(theta[layout.d + 1], np.log(1e-3))
    posterior = Posterior(layout, theta, X, y)
    at = drawn(kind, seed + 1, 4)[1]
    at[:, layout.numbers] = 0.05 + 0.9 * at[:, layout.numbers]
    mean, variance, by_mean, by_variance = posterior.predict_with_gradients(at)
    assert (mean, variance) == tuple(map(pytest.approx, posterior.predict(at)))
    e = 1e-6
    for j in layout.numbers:
        step = e * np.eye(at.shape[1])[j]
        up, down = posterior.predict(at + step), posterior.predict(at - step)
        assert by_mean[:, j] == pytest.approx((up[0] - down[0]) / (2 * e), rel=2e-3, abs=2e-3)
        inside = variance > 1e-6  # at the floor it does not move
        assert by_variance[inside, j] == pytest.approx((up[1] - down[1])[inside] / (2 * e), rel=2e-3, abs=2e-3)


@FEW
@given(st.sampled_from(["one", "numbers"]), seeds)
def test_without_noise_it_interpolates(kind, seed):
    layout, X, y, theta = drawn(kind, seed, 6, width=0.3)
    theta[layout.d + 1] = np.log(1e-6)
    theta[: layout.d] = np.log(0.2)
    X[:, 0] = np.linspace(0.05, 0.95, 6)
    posterior = Posterior(layout, theta, X, y)
    mean, variance = posterior.predict(X)
    assert mean == pytest.approx(y, abs=1e-3)
    assert mean == pytest.approx(posterior.fitted, abs=1e-6)
    assert (variance < 1e-4).all()
    assert (posterior.predict(X + 0.05)[1] > variance).all()


@FEW
@given(kinds, seeds)
def test_variance_shrinks_with_points_and_is_never_above_the_priors(kind, seed):
    layout, X, y, theta = drawn(kind, seed)
    theta[layout.d + 1] = max(theta[layout.d + 1], np.log(1e-3))
    others = drawn(kind, seed + 1)[1]
    few, many = Posterior(layout, theta, X[:3], y[:3]), Posterior(layout, theta, X, y)
    w = (layout.warped(others, theta)[0] - 0.5) * few.inverse_length
    assert (many.predict(others)[1] <= few.predict(others)[1] + 1e-6).all()
    assert (few.predict(others)[1] <= few._prior_variance(w) + 1e-9).all()


@FEW
@given(kinds, seeds, st.sampled_from(["equal", "twice", "near"]), st.sampled_from(["low", "high", "drawn"]))
def test_kernels_of_any_condition(kind, seed, how, corner):
    """Points that coincide, θ at the corners of its bounds with the least noise: numbers, not errors."""
    layout, X, y, theta = drawn(kind, seed, 20)
    X = {"equal": np.repeat(X[:1], 20, axis=0), "twice": np.repeat(X[:10], 2, axis=0), "near": X}[how]
    if how == "near" and len(layout.numbers):
        X[:, layout.numbers] = 0.5 + 1e-9 * X[:, layout.numbers]
    if corner != "drawn":
        theta = layout.bounds()[corner == "high"].copy()
    theta[layout.d + 1] = np.log(1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value, gradient = negative_log_posterior(theta, layout, X, y, *layout.prior())
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()
        posterior = Posterior(layout, theta, X, y).imagining(np.concatenate([X[:1], X[:1]]))
        for array in (*posterior.predict_with_gradients(X), posterior.fitted):
            assert np.isfinite(array).all()
        assert (posterior.predict(X)[1] >= LEAST_VARIANCE).all()
        found, cost = fit(layout, X, y, layout.start(), 10)
        assert np.isfinite(found).all()
        assert np.isfinite(cost)


@pytest.mark.parametrize("kind", sorted(SPACES))
def test_a_fit_is_better_than_its_start_and_within_bounds(kind):
    layout, X, y, _ = drawn(kind, 3, 20)
    low, high = layout.bounds()
    start = layout.start()
    theta, cost = fit(layout, X, y, start, 40)
    assert cost <= negative_log_posterior(np.clip(start, low, high), layout, X, y, *layout.prior())[0]
    assert ((low <= theta) & (theta <= high)).all()


def test_theta_is_recovered():
    """Of a function of one parameter out of three the other two have long length-scales; noise is found."""
    rng = np.random.default_rng(0)
    X = rng.random((80, 3))
    layout = Layout(np.arange(3), np.arange(3), 3, 3.0)
    y = np.sin(9 * X[:, 0])
    for sd in (0.0, 0.5):
        z = y + sd * rng.normal(size=80)
        theta, _ = fit(layout, X, (z - z.mean()) / z.std(), layout.start(), 60)
        assert theta[0] < theta[1:3].min() - 1.0
        noise = np.exp(0.5 * theta[4]) * z.std()
        assert noise == pytest.approx(sd, abs=0.12)


def test_matern_at_no_distance_and_its_slope():
    squares = np.array([0.0, 1e-12, 0.5, 4.0])
    value, slope = matern(squares)
    assert value[0] == 1.0
    e = 1e-7
    up, down = matern(squares[2:] + e)[0], matern(squares[2:] - e)[0]
    assert slope[2:] == pytest.approx(-2 * (up - down) / (2 * e), rel=1e-5)


def test_averages_are_beliefs_on_means_of_the_function():
    stream = np.random.default_rng(0)
    layout = Layout(np.arange(2), np.arange(2), 2, 2.0)
    posterior = Posterior(layout, layout.start(), stream.random((12, 2)), stream.standard_normal(12))
    points = stream.random((2, 2))
    mean, variance = posterior.predict(points)
    means, covariance = posterior.averages(points[:, None])
    np.testing.assert_allclose(means, mean)
    np.testing.assert_allclose(np.diagonal(covariance), variance)
    (average,), ((of_average,),) = posterior.averages(points[None])
    np.testing.assert_allclose(average, mean.mean())
    np.testing.assert_allclose(of_average, covariance.mean())
    assert covariance[0, 1] != 0
