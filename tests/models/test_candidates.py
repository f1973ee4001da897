"""Neighbours are legal, near, and complete in what a changed parent switches on."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kilter.core.numbers import Float, Int
from kilter.core.options import Boolean, Choice
from kilter.core.space import Space
from kilter.models.candidates import DUPLICATE, filled, first_new, mutants
from kilter.models.encoding import NEUTRAL, Encoding
from kilter.testing import strategies

FEW = settings(max_examples=25)


def best_points(encoding, seed, count=4):
    return encoding.from_uniforms(np.random.default_rng(seed).random((count, encoding.d)))


@FEW
@given(strategies.spaces(), st.integers(0, 99), st.integers(1, 7))
def test_mutants_are_points_of_the_space(space, seed, parents):
    encoding = Encoding(space)
    points = mutants(encoding, best_points(encoding, seed, parents), 30, np.random.default_rng(seed))
    assert points.shape == (30, len(space))
    assert ((points[:, encoding.numbers] >= 0) & (points[:, encoding.numbers] <= 1)).all()
    options = points[:, encoding.choices]
    assert ((options >= 0) & (options < encoding.options[encoding.choices]) & (options % 1 == 0)).all()
    assert np.array_equal(encoding.canonical(points), points)
    active = encoding.active(points)
    assert np.array_equal(encoding.snapped(points)[active], points[active])
    again = mutants(encoding, best_points(encoding, seed, parents), 30, np.random.default_rng(seed))
    assert np.array_equal(points, again)


def test_mutants_stay_near_and_most_move_little():
    encoding = Encoding(Space({f"x{i}": Float(0, 1) for i in range(8)}))
    best = np.full((1, 8), 0.5)
    points = mutants(encoding, best, 2000, np.random.default_rng(0))
    apart = np.abs(points - best)
    assert np.median(apart.max(axis=1)) < 0.1
    assert (apart > 0).any(axis=1).mean() > 0.9  # a mate may be the parent itself
    moved = (apart > 0).sum(axis=1)
    assert np.quantile(moved, 0.25) <= 2
    assert moved.max() == 8


def test_discrete_numbers_move_by_one_value_at_least():
    encoding = Encoding(Space({"n": Int(0, 9)}))
    best = encoding.from_uniforms(np.array([[0.55]]))
    points = mutants(encoding, best, 200, np.random.default_rng(0))
    assert (points != best).mean() > 0.8  # some are crossed with their own parent


def test_the_best_has_most_children():
    encoding = Encoding(Space({"x": Float(0, 1)}))
    best = np.array([[0.1], [0.5], [0.9]])
    points = mutants(encoding, best, 3000, np.random.default_rng(0))
    nearest = np.abs(points - best.T).argmin(axis=1)
    counts = np.bincount(nearest, minlength=3)
    assert counts[0] > counts[1] > counts[2] > 0


CONDITIONAL = Space(
    {
        "n": Int(0, 3),
        "x": Float(0, 1).when(n=[2, 3]),
        "b": Boolean().when(n=[2, 3]),
        "m": Int(0, 200).when(n=[2, 3]),
        "y": Float(0, 1).when(m=list(range(100, 201))),
    }
)


def test_what_a_changed_parent_switches_on_is_filled_in():
    """Also two levels deep, and where the parents are numbers."""
    encoding = Encoding(CONDITIONAL)
    best = encoding.points(CONDITIONAL.encode([{"n": 0}, {"n": 1}]))
    points = mutants(encoding, best, 2000, np.random.default_rng(0))
    active = encoding.active(points)
    for name in ("x", "y"):
        j = CONDITIONAL.names.index(name)
        on = points[active[:, j], j]
        assert len(on) > 50
        assert (on != NEUTRAL).all()
        assert np.ptp(on) > 0.8
    assert len(np.unique(points[active[:, 2], 2])) == 2


def test_half_of_what_is_new_lies_near_a_good_point_that_had_it():
    space = Space({"on": Boolean(), "x": Float(0, 1).when(on=True)})
    encoding = Encoding(space)
    best = encoding.points(space.encode([{"on": False}, {"on": True, "x": 0.2}]))
    points = np.repeat([[1.0, NEUTRAL]], 1000, axis=0)
    was_active = np.repeat([[True, False]], 1000, axis=0)
    x = filled(encoding, points, was_active, best, np.random.default_rng(0))[:, 1]
    assert 0.5 < (np.abs(x - 0.2) < 0.25).mean() < 0.95
    kept = filled(encoding, points, np.ones_like(was_active), best, np.random.default_rng(0))
    assert np.array_equal(kept, points)


@FEW
@given(strategies.spaces(), st.integers(0, 99))
def test_first_new_is_the_first_that_is_allowed_and_not_seen(space, seed):
    encoding = Encoding(space)
    points, seen = best_points(encoding, seed, 8), best_points(encoding, seed, 3)
    found = first_new(encoding, points, seen)
    for point in points:
        near = (np.abs(seen - point).max(axis=1, initial=0.0) <= DUPLICATE).any()
        if not near and not space.is_forbidden(encoding.config(point)):
            assert np.array_equal(found, point)
            return
    assert found is None


def test_nothing_seen_and_nothing_new():
    encoding = Encoding(Space({"c": Choice(["a", "b"])}))
    points = np.array([[1.0], [0.0]])
    assert first_new(encoding, points, np.empty((0, 1))).tolist() == [1.0]
    assert first_new(encoding, points, points) is None
    assert first_new(encoding, points[:0], points) is None
