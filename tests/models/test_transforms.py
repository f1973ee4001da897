"""Laws of the output transforms and of the input warp."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from kilter.models.transforms import EDGE, POWERS, Output, bent, kumaraswamy, standard, yeo_johnson

MANY = settings(max_examples=60)
ANY = st.floats(allow_nan=False, allow_infinity=False)
USUAL = st.floats(-10, 10)
SPECIAL = st.sampled_from([0.0, 1.0, 1.0 + 1e-15, 1e9, -1e9, 1e300, -1e300, 1.7e308, 1e-300, 2e-300, 5e-324, -5e-324])
VALUES = arrays.arrays(float, st.integers(1, 12), elements=USUAL | SPECIAL | ANY)


def transforms(y):
    return [standard(y), bent(y)[0]]


@MANY
@given(VALUES)
def test_the_order_stays_and_all_is_finite(y):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for output in transforms(y):
            z = output(y)
            assert np.isfinite(z).all()
            assert (np.diff(z[np.argsort(y, kind="stable")]) >= 0).all()
            assert np.isfinite(bent(y)[1])


@MANY
@given(VALUES, st.lists(SPECIAL | ANY, min_size=1, max_size=4))
def test_bounds_elsewhere_go_through_as_well(y, bounds):
    """A bound may lie anywhere; it is transformed with what the values taught."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for output in transforms(y):
            both = np.sort(np.concatenate([y, bounds]))
            z = output(both)
            assert np.isfinite(z).all()
            assert (np.diff(z) >= 0).all()


@MANY
@given(VALUES)
def test_values_of_one_spread(y):
    z = standard(y)(y)
    assert np.abs(z).max() <= 2.0 * np.sqrt(len(y)) + 1.0
    if len(np.unique(y)) == 1:
        assert not z.any()


@MANY
@given(arrays.arrays(float, st.integers(2, 12), elements=USUAL, unique=True))
def test_mean_and_standard_deviation(y):
    y = y.round(3)
    if len(np.unique(y)) < 2:
        return
    for output in transforms(y):
        z = output(y)
        assert z.mean() == pytest.approx(0.0, abs=1e-6)
        assert z.std() == pytest.approx(1.0, abs=1e-6)


@MANY
@given(arrays.arrays(float, st.integers(3, 12), elements=st.floats(0, 1), unique=True), st.floats(0.1, 100), USUAL)
def test_scale_and_place_do_not_matter(y, scale, shift):
    y = y.round(3)
    z, moved = standard(y)(y), standard(scale * y + shift)(scale * y + shift)
    assert moved == pytest.approx(z, abs=1e-6)


@MANY
@given(st.integers(0, 10_000), st.integers(5, 30), st.sampled_from([0.3, 1.0, 2.0]))
def test_the_jacobian_against_finite_differences(seed, n, skew):
    """In units of `standard`, whose own is 0: each dz/dy times the scale that standardised, logs summed."""
    y = np.exp(skew * np.random.default_rng(seed).normal(size=n))
    plain, (output, jacobian) = standard(y), bent(y)
    assert output.power is not None
    step = 1e-6 * plain.scale
    slopes = (output(y + step) - output(y - step)) / (plain(y + step) - plain(y - step))
    assert np.log(slopes).sum() == pytest.approx(jacobian, rel=1e-3, abs=1e-3)


def test_a_power_is_found_that_makes_values_normal():
    rng = np.random.default_rng(1)
    skewed = np.expm1(rng.gamma(2.0, 1.0, 400))
    z, w = standard(skewed)(skewed), bent(skewed)[0](skewed)
    skewness = [float((v**3).mean()) for v in (z, w)]
    assert abs(skewness[1]) < 0.5 < abs(skewness[0])
    normal = bent(rng.normal(size=2000))[0].power
    assert normal == pytest.approx(1.0, abs=0.15)


def test_what_is_far_worse_is_drawn_in_and_what_is_better_is_not():
    y = np.concatenate([np.linspace(0, 1, 20), [1e9]])
    z = standard(y)(y)
    assert np.ptp(z[:20]) > 0.4  # 1e9 itself would leave 1e-9
    assert z[20] > z[19]
    best = np.concatenate([np.linspace(0, 1, 20), [-5.0]])
    assert standard(best)(best).argmin() == 20
    assert standard(best).limit == pytest.approx(standard(y).limit, rel=0.2)


@given(st.floats(*POWERS) | st.sampled_from([0.0, 1.0, 2.0]), arrays.arrays(float, 8, elements=st.floats(-20, 20)))
@MANY
def test_yeo_johnson_increases_and_is_the_identity_at_one(power, z):
    w = yeo_johnson(np.sort(z), power)
    assert np.isfinite(w).all()
    assert (np.diff(w) >= 0).all()
    assert yeo_johnson(z, 1.0) == pytest.approx(z, abs=1e-12)
    assert yeo_johnson(np.zeros(1), power) == 0.0


def test_yeo_johnson_is_the_one_of_scipy():
    from scipy.stats import yeojohnson

    z = np.linspace(-3, 3, 25)
    for power in (-2.0, 0.0, 0.5, 1.0, 2.0, 3.7):
        assert yeo_johnson(z, power) == pytest.approx(yeojohnson(z, power))


SHAPES = st.floats(np.exp(-1.5), np.exp(1.5))


@MANY
@given(arrays.arrays(float, (5, 2), elements=st.floats(0.01, 0.99)), st.tuples(SHAPES, SHAPES, SHAPES, SHAPES))
def test_derivatives_of_the_warp(x, shapes):
    a, b = np.array(shapes[:2]), np.array(shapes[2:])
    w, by_log_a, by_log_b, by_x = kumaraswamy(x, a, b)
    assert w == pytest.approx(1.0 - (1.0 - x**a) ** b, abs=1e-12)
    e = 1e-6

    def slope(up, down):
        return (kumaraswamy(*up)[0] - kumaraswamy(*down)[0]) / (2 * e)

    assert by_log_a == pytest.approx(slope((x, a * np.exp(e), b), (x, a * np.exp(-e), b)), abs=1e-6)
    assert by_log_b == pytest.approx(slope((x, a, b * np.exp(e)), (x, a, b * np.exp(-e))), abs=1e-6)
    assert by_x == pytest.approx(slope((x + e, a, b), (x - e, a, b)), rel=1e-3, abs=1e-5)


@given(arrays.arrays(float, (6, 1), elements=st.floats(0, 1)), SHAPES, SHAPES)
@MANY
def test_the_warp_increases_within_the_interval_and_has_bounded_derivatives(x, a, b):
    w, *derivatives = kumaraswamy(np.sort(x, axis=0), np.array([a]), np.array([b]))
    assert ((w >= 0) & (w <= 1)).all()
    assert (np.diff(w[:, 0]) >= 0).all()
    assert all(np.isfinite(each).all() for each in derivatives)
    assert kumaraswamy(np.array([[0.0]]), np.array([1.0]), np.array([1.0]))[0] == pytest.approx(EDGE)


def test_the_plain_transform_has_no_power():
    assert standard(np.array([1.0, 2.0])).power is None
    assert isinstance(bent(np.ones(4))[0], Output)
    assert bent(np.ones(4)) == (standard(np.ones(4)), 0.0)
