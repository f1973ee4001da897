"""Laws of the ascent: it stays inside, never loses, treats each search as its own, and finds what is there."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilter.models.ascent import ascended

FEW = settings(max_examples=40)


def hills(seed, q, k):
    """A smooth slope with a hill of its own for each row, and starting points."""
    rng = np.random.default_rng(seed)
    centres, widths = rng.uniform(-0.2, 1.2, (q, k)), rng.uniform(0.05, 2.0, (q, k))
    rotation = np.linalg.qr(rng.normal(size=(k, k)))[0]

    def slope_of(rows):
        def slope(x):
            turned = (x - centres[rows]) @ rotation / widths[rows]
            square = (turned**2).sum(axis=1)
            gradient = -((turned / widths[rows]) @ rotation.T) / (1.0 + square)[:, None]
            return -0.5 * np.log1p(square), gradient

        return slope

    return slope_of, rng.random((q, k))


@FEW
@given(st.integers(0, 999), st.integers(1, 4), st.integers(1, 6), st.integers(1, 30))
def test_inside_and_never_worse(seed, q, k, calls):
    slope_of, start = hills(seed, q, k)
    rows, count = np.arange(q), []

    def slope(x):
        count.append(len(x))
        assert ((x >= 0) & (x <= 1)).all()
        return slope_of(rows)(x)

    x, value = ascended(slope, start, calls, 0.0)
    assert len(count) <= calls
    assert (value >= slope_of(rows)(start)[0]).all()
    assert value == pytest.approx(slope_of(rows)(x)[0])


@FEW
@given(st.integers(0, 999), st.integers(2, 4), st.integers(1, 5))
def test_each_search_is_its_own(seed, q, k):
    slope_of, start = hills(seed, q, k)
    together = ascended(slope_of(np.arange(q)), start, 25, 1e-9)
    for i in range(q):
        alone = ascended(slope_of([i]), start[[i]], 25, 1e-9)
        assert alone[0][0] == pytest.approx(together[0][i], abs=1e-6)
        assert alone[1][0] == pytest.approx(together[1][i], abs=1e-6)


@pytest.mark.parametrize("k", [1, 3, 10])
def test_a_bowl_is_climbed_to_its_top_or_to_the_border(k):
    top, scales = np.linspace(-0.3, 1.1, k), np.logspace(0, 2, k)
    x, _ = ascended(
        lambda x: (-(scales * (x - top) ** 2).sum(axis=1), -2 * scales * (x - top)), np.full((1, k), 0.4), 60, 0.0
    )
    assert x[0] == pytest.approx(np.clip(top, 0, 1), abs=1e-3)


def test_what_has_no_gradient_stays():
    x, value = ascended(lambda x: (np.zeros(len(x)), np.zeros(x.shape)), np.array([[0.2, 0.7]]), 10, 0.0)
    assert x.tolist() == [[0.2, 0.7]]
    assert value.tolist() == [0.0]
    moving = np.array([1.0, 0.0])
    x, _ = ascended(lambda x: (-((x - 0.5) ** 2) @ moving, -2 * (x - 0.5) * moving), np.array([[0.2, 0.7]]), 20, 0.0)
    assert x[0] == pytest.approx([0.5, 0.7], abs=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_values_that_are_no_use_are_not_taken(bad):
    def slope(x):
        value = np.where(x[:, 0] > 0.6, -bad, -((x[:, 0] - 0.55) ** 2))
        return value, np.full(x.shape, 1.0)

    with np.errstate(all="raise"):
        x, value = ascended(slope, np.array([[0.5]]), 20, 0.0)
    assert x[0, 0] <= 0.6
    assert np.isfinite(value).all()


def test_less_than_enough_ends_a_search():
    calls = []

    def slope(x):
        calls.append(1)
        return -((x[:, 0] - 0.9) ** 2), -2 * (x - 0.9)

    ascended(slope, np.array([[0.1]]), 50, 1.0)
    assert len(calls) == 2
