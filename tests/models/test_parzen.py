"""A Parzen density: it integrates to one, its draws are points of it, and only what is active on both sides counts."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kilter.core.numbers import Float, Int
from kilter.core.options import Boolean, Choice, Ordinal
from kilter.core.parameter import Prior
from kilter.core.space import Space
from kilter.models.encoding import Encoding
from kilter.models.parzen import Parzen, _normal_share, log_prior
from kilter.models.tried import listed
from kilter.testing.sampler import rich_space
from kilter.testing.strategies import spaces

MIXED = Space({"x": Float(0, 1), "n": Int(1, 5), "c": Choice(["a", "b", "c"]), "wide": Int(0, 10**6)})
DISCRETE = Space({"m": Choice(["a", "b"]), "n": Int(1, 9, log=True).when(m="a"), "t": Boolean().when(m="b")})


def density_round(space, count, seed=0, weights=None, known=1.0):
    """Kernels round uniform points, of which a share of the active values is known."""
    encoding, stream = Encoding(space), np.random.default_rng(seed)
    points = encoding.from_uniforms(stream.random((count, encoding.d)))
    active = encoding.active(points) & (stream.random(points.shape) < known)
    return Parzen(encoding, points, active, weights)


def uniform(encoding, count, seed=1):
    """Uniform draws, whatever the priors are."""
    bare = Encoding(Space({name: _without_prior(p) for name, p in encoding.space.parameters.items()}))
    return bare.from_uniforms(np.random.default_rng(seed).random((count, encoding.d)))


def _without_prior(parameter):
    return replace(parameter, prior=None)


def share(encoding, points):
    """How often a uniform draw is each of these points of a discrete space."""
    shares = np.ones(len(points))
    active = encoding.active(points)
    for j in range(encoding.d):
        if encoding.is_option[j]:
            shares *= np.where(active[:, j], 1.0 / encoding.options[j], 1.0)
            continue
        grid = encoding.grids[j]
        middles = (grid[1:] + grid[:-1]) / 2
        cells = np.diff(np.concatenate([[0.0], middles, [1.0]]))
        shares *= np.where(active[:, j], cells[np.searchsorted(middles, points[:, j])], 1.0)
    return shares


# Laws.


@settings(max_examples=30)
@given(spaces(max_parameters=4), st.integers(0, 40), st.integers(0, 99), st.sampled_from([0.0, 0.6, 1.0]))
def test_draws_are_legal_points(space, count, seed, known):
    density = density_round(space, count, seed, known=known)
    encoding = density.encoding
    points = density.draw(np.random.default_rng(seed), 20)
    assert points.shape == (20, encoding.d)
    assert np.isfinite(density.log_density(points)).all()
    np.testing.assert_array_equal(encoding.canonical(encoding.snapped(points)), points)
    for point, forbidden in zip(points, encoding.is_forbidden(points)):
        assert space.is_legal(encoding.config(point)) != forbidden


@settings(max_examples=30)
@given(spaces(max_parameters=3), st.integers(0, 30), st.integers(0, 99), st.sampled_from([0.5, 1.0]))
def test_it_adds_up_to_one_where_all_can_be_listed(space, count, seed, known):
    bare = Space({name: _without_prior(p) for name, p in space.parameters.items()})  # and without clauses
    assume(bare.size <= 2000)
    points = listed(bare)
    assume(points is not None and all(p.size <= 32 or isinstance(p, Choice) for p in bare.parameters.values()))
    density = density_round(bare, count, seed, np.linspace(3, 0.5, count), known)
    assert math.isclose(share(density.encoding, points) @ np.exp(density.log_density(points)), 1.0, rel_tol=1e-9)


@pytest.mark.parametrize("space", [MIXED, Space(rich_space().parameters)], ids=["mixed", "conditional, with a prior"])
@pytest.mark.parametrize("count", [0, 3, 40])
def test_it_integrates_to_one(space, count):
    density = density_round(space, count)
    mean = np.exp(density.log_density(uniform(density.encoding, 40_000))).mean()
    assert abs(mean - 1.0) < 0.05


@pytest.mark.parametrize("space", [MIXED, DISCRETE])
def test_draws_follow_the_density(space):
    """Where no parent changes, whose new children are drawn in a way of their own: the mean of anything agrees."""
    density = density_round(space, 6, weights=np.array([4.0, 1, 1, 1, 1, 0.1]))
    encoding = density.encoding
    drawn, even = density.draw(np.random.default_rng(3), 20_000), uniform(encoding, 40_000)
    weights = np.exp(density.log_density(even))
    columns = range(encoding.d) if encoding.is_flat else [0]
    for j in columns:
        for bound in np.quantile(even[:, j], [0.2, 0.5, 0.8]):
            assert abs((drawn[:, j] <= bound).mean() - weights @ (even[:, j] <= bound) / len(even)) < 0.02


# Cases.


def test_it_is_high_where_the_points_are():
    encoding = Encoding(MIXED)
    points = np.tile(encoding.points(MIXED.encode([{"x": 0.3, "n": 2, "c": "b", "wide": 10}])), (10, 1))
    density = Parzen(encoding, points, encoding.active(points))
    others = np.repeat(points[:1], 5, axis=0)
    others[[1, 2, 3, 4], [0, 1, 2, 3]] = [0.6, 0.9, 0.0, 0.9]
    here, *elsewhere = density.log_density(others)
    assert here > 2.0
    assert all(other < here - 1.0 for other in elsewhere)


def test_what_is_not_known_says_nothing():
    encoding = Encoding(MIXED)
    points = np.tile([0.5, 0.5, 0.0, 0.5], (10, 1))  # where they stand without a value
    density = Parzen(encoding, points, np.zeros(points.shape, dtype=bool))
    np.testing.assert_allclose(density.log_density(uniform(encoding, 50, seed=2)), 0.0, atol=1e-12)
    spread = density.draw(np.random.default_rng(0), 2000)
    assert abs((spread[:, 0] < 0.25).mean() - 0.25) < 0.05


def test_an_inactive_side_says_nothing():
    """A kernel in another branch counts for what is common to both alone."""
    space = Space({"m": Choice(["a", "b"]), "x": Float(0, 1).when(m="a")})
    encoding = Encoding(space)
    centre = encoding.points(space.encode([{"m": "b"}]))
    density = Parzen(encoding, centre, encoding.active(centre))
    points = encoding.points(space.encode([{"m": "a", "x": x} for x in (0.0, 0.5, 1.0)]))
    assert np.ptp(density.log_density(points)) == 0.0


def test_new_children_are_near_those_of_good_points_or_anywhere():
    space = Space({"m": Choice(["a", "b"]), "x": Float(0, 1).when(m="a")})
    encoding = Encoding(space)
    points = encoding.points(space.encode([{"m": "b"}] * 9 + [{"m": "a", "x": 0.9}]))
    density = Parzen(encoding, points, encoding.active(points), np.array([1000.0] * 9 + [1.0]))
    drawn = density.draw(np.random.default_rng(0), 4000)
    children = drawn[drawn[:, 0] == 0, 1]
    assert 0.3 < (abs(children - 0.9) < 0.1).mean() < 0.7
    assert (children < 0.5).mean() > 0.1


def test_bandwidths_follow_the_spread():
    close, far = (
        Parzen(Encoding(Space({"x": Float(0, 1)})), column[:, None], np.ones((50, 1), dtype=bool)).bandwidths[0]
        for column in (np.linspace(0.4, 0.42, 50), np.linspace(0, 1, 50))
    )
    assert 0.015 < close < 0.05 < 0.1 < far


@pytest.mark.parametrize("parameter", [Int(1, 2), Ordinal([1, 2, 3]), Float(0, 1, step=0.25), Int(1, 30, log=True)])
def test_discrete_numbers_reach_their_neighbours(parameter):
    encoding = Encoding(Space({"p": parameter}))
    grid = encoding.grids[0]
    for at in grid:
        density = Parzen(encoding, np.full((60, 1), at), np.ones((60, 1), dtype=bool))
        drawn = density.draw(np.random.default_rng(0), 300)[:, 0]
        assert 0.05 < (drawn == at).mean() < 0.95


def test_without_points_it_is_the_prior():
    space = Space({"x": Float(0, 1, prior=Prior(0.9, "high")), "c": Choice([1, 2, 3, 4], prior=Prior(2, "medium"))})
    density = Parzen(Encoding(space), np.empty((0, 2)), np.empty((0, 2), dtype=bool))
    drawn = density.draw(np.random.default_rng(0), 4000)
    assert abs((drawn[:, 1] == 1).mean() - 0.75) < 0.03
    assert abs(np.median(drawn[:, 0]) - 0.85) < 0.05
    here = np.array([[0.9, 1.0], [0.9, 0.0]])
    np.testing.assert_allclose(np.diff(density.log_density(here)), np.log((0.25 / 3) / 0.75))
    np.testing.assert_allclose(density.log_density(here), log_prior(density.encoding, here))


def test_weights():
    encoding = Encoding(Space({"x": Float(0, 1)}))
    points, active = np.array([[0.1], [0.9]]), np.ones((2, 1), dtype=bool)
    low, high = Parzen(encoding, points, active, np.array([9.0, 1.0])).log_density(points)
    assert low > high


def test_the_normal_distribution_function():
    from scipy.special import ndtr

    z = np.linspace(-9, 9, 1001)
    np.testing.assert_allclose(_normal_share(z), ndtr(z), atol=1e-7)


def test_an_empty_space():
    density = density_round(Space(), 3)
    assert density.draw(np.random.default_rng(0), 2).shape == (2, 0)
    assert density.log_density(np.empty((2, 0))).tolist() == [0.0, 0.0]
