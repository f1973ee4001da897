"""The maximiser never loses what it was given, stays legal, and finds maxima that no candidate is at."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilter.core.numbers import Float, Int
from kilter.core.options import Boolean, Choice
from kilter.core.space import Space
from kilter.models.encoding import Encoding
from kilter.models.maximize import STARTS, maximized
from kilter.testing import strategies
from kilter.testing.sampler import rich_space


class Hill:
    """A paraboloid over the features; `steep` as only a logarithm of a probability can be."""

    def __init__(self, encoding, seed, steep=1.0):
        self.encoding, self.steep = encoding, steep
        self.top = np.random.default_rng(seed).random(encoding.width)

    def score(self, points):
        return -self.steep * ((self.encoding.features(points) - self.top) ** 2).sum(axis=1)

    def slope(self, points, features):
        gradient = -2 * self.steep * (self.encoding.features(points) - self.top)
        return self.score(points), gradient[:, self.encoding.number_features]


def searched(space, seed, count=12, steep=1.0):
    encoding = Encoding(space)
    acquisition = Hill(encoding, seed, steep)
    candidates = encoding.from_uniforms(np.random.default_rng([seed, 2]).random((count, encoding.d)))
    points = maximized(acquisition, encoding, candidates, candidates[:3], np.random.default_rng([seed, 1]))
    return encoding, acquisition, candidates, points


@settings(max_examples=20)
@given(strategies.spaces(), st.integers(0, 999), st.sampled_from([1e-9, 1.0, 1e9]))
def test_laws(space, seed, steep):
    encoding, acquisition, candidates, points = searched(space, seed, steep=steep)
    # Never worse than the best candidate, and in order.
    scores = acquisition.score(points)
    assert scores[0] >= acquisition.score(candidates).max()
    assert len(candidates) < len(points) <= len(candidates) + STARTS + 1
    # Legal: within the cube, on the grids, inactive ones in their place.
    assert ((points[:, encoding.numbers] >= 0) & (points[:, encoding.numbers] <= 1)).all()
    assert np.array_equal(encoding.canonical(points), points)
    active = encoding.active(points)
    assert np.array_equal(encoding.snapped(points)[active], points[active])
    allowed = points[~encoding.is_forbidden(points)]
    assert all(space.is_legal(encoding.config(point)) for point in allowed)
    # All candidates are still there.
    assert {tuple(row) for row in candidates} <= {tuple(row) for row in points}
    # The same stream gives the same points; the candidates stay as they were.
    again = searched(space, seed, steep=steep)
    assert np.array_equal(again[3], points)
    assert np.array_equal(again[2], candidates)


@pytest.mark.parametrize("space", [rich_space(), Space({"x": Float(0, 1), "n": Int(0, 9), "c": Choice(list("abcd"))})])
def test_what_climbed_is_in_the_order_of_its_own_score(space):
    for seed in range(5):
        _, acquisition, _, points = searched(space, seed)
        assert (np.diff(acquisition.score(points)) <= 1e-9).all()


def test_the_top_of_a_hill_is_found():
    space = Space({f"x{i}": Float(0, 1) for i in range(6)})
    for seed in range(5):
        _, acquisition, candidates, points = searched(space, seed)
        assert acquisition.score(candidates).max() < -0.05
        assert acquisition.score(points)[0] > -1e-4


def test_mixed_tops_are_found_too():
    """Numbers climb, integers and options are swept."""
    space = Space(
        {"x": Float(0, 1), "n": Int(0, 9), "c": Choice(list(range(4))), "d": Choice(list(range(4))), "b": Boolean()}
    )
    for seed in range(5):
        encoding, acquisition, _, points = searched(space, seed)
        everything = encoding.from_uniforms(np.random.default_rng(9).random((20_000, encoding.d)))
        everything[:, 0] = acquisition.top[0]
        assert acquisition.score(points)[0] >= acquisition.score(everything).max() - 1e-3


def test_sweeps_do_not_end_in_a_forbidden_corner():
    space = Space({"a": Choice(list(range(4))), "b": Choice(list(range(4)))}, forbidden=[{"a": 2, "b": 1}])
    encoding = Encoding(space)
    acquisition = Hill(encoding, 0)
    acquisition.top = encoding.features(np.array([[2.0, 1.0]]))[0]
    candidates = np.array([[0.0, 0.0], [3.0, 3.0]])
    points = maximized(acquisition, encoding, candidates, candidates, np.random.default_rng(0))
    assert not encoding.is_forbidden(points).any()
    assert acquisition.score(points)[0] == pytest.approx(-1.0)


def test_what_is_hopelessly_behind_does_not_climb():
    """Only its slope would be felt, by all that climb along."""
    climbing = []

    class Cliff(Hill):
        def score(self, points):
            return super().score(points) - 1e6 * (points[:, 0] > 0.9)

        def slope(self, points, features):
            climbing.append(len(points))
            return super().slope(points, features)

    encoding = Encoding(Space({f"x{i}": Float(0, 1) for i in range(6)}))
    candidates = np.random.default_rng(0).random((6, 6))
    for good in (1, 2, 6):
        candidates[:, 0] = [0.2] * good + [1.0] * (6 - good)
        maximized(Cliff(encoding, 3), encoding, candidates, candidates[:3], np.random.default_rng(0))
        assert set(climbing) == {min(good, STARTS)}
        climbing.clear()


def test_numbers_that_a_clause_asks_about_end_on_their_values():
    """Also those of too many values for a grid: else a forbidden one is not recognised."""
    space = Space({"n": Int(0, 10**6), "x": Float(0, 1)}, forbidden=[{"n": 5}])
    encoding, _, _, points = searched(space, 0)
    assert np.array_equal(encoding.snapped(points), points)


def test_no_score_to_choose_by():
    encoding = Encoding(Space({"x": Float(0, 1)}))

    class Flat(Hill):
        def score(self, points):
            return np.zeros(len(points))

        def slope(self, points, features):
            return np.zeros(len(points)), np.zeros((len(points), 1))

    candidates = np.linspace(0, 1, 5)[:, None]
    points = maximized(Flat(encoding, 0), encoding, candidates, candidates, np.random.default_rng(0))
    assert np.isfinite(points).all()
