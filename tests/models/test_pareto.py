"""Fronts, ranks, crowding and niches: laws on small grids of values, where ties are everywhere."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from kilter.core.pareto import BLOCK, non_dominated
from kilter.models.pareto import (
    _scaled,
    crowded_order,
    crowding_distance,
    das_dennis,
    niched_order,
    non_dominated_ranks,
)

LEVELS = st.sampled_from([-np.inf, 0.0, 1.0, 2.0, 3.0, np.inf])
TIED = st.integers(1, 5).flatmap(
    lambda m: arrays.arrays(float, st.tuples(st.integers(0, 30), st.just(m)), elements=LEVELS)
)
FINITE = st.integers(1, 5).flatmap(
    lambda m: arrays.arrays(float, st.tuples(st.integers(1, 30), st.just(m)), elements=st.integers(0, 4).map(float))
)


def brute_force(values):
    beaten = [((values <= row).all(axis=1) & (values < row).any(axis=1)).any() for row in values]
    return ~np.array(beaten, dtype=bool)


@given(TIED)
def test_non_dominated_is_what_brute_force_finds(values):
    assert non_dominated(values).tolist() == brute_force(values).tolist()


@pytest.mark.parametrize("m", [1, 2, 3, 4])
@pytest.mark.parametrize("levels", [3, 10_000])
def test_non_dominated_over_several_blocks(m, levels):
    values = np.random.default_rng(m).integers(0, levels, size=(3 * BLOCK + 5, m)).astype(float)
    if m > 1 and levels > 3:
        values[:, -1] = -values[:, :-1].sum(axis=1)  # a long front
    assert non_dominated(values).tolist() == brute_force(values).tolist()


@given(FINITE, st.randoms(use_true_random=False))
def test_ranks(values, random):
    """The rank 0 is the front; without it the next one is; the order of the rows does not matter."""
    ranks = non_dominated_ranks(values)
    assert ((ranks == 0) == non_dominated(values)).all()
    if (ranks > 0).any():
        assert (non_dominated_ranks(values[ranks > 0]) == ranks[ranks > 0] - 1).all()
    order = random.sample(range(len(values)), len(values))
    assert (non_dominated_ranks(values[order]) == ranks[order]).all()


@given(FINITE, st.data())
def test_constraints_come_first(values, data):
    violation = data.draw(arrays.arrays(float, len(values), elements=st.sampled_from([0.0, 0.0, 1.0, 2.0, np.inf])))
    ranks = non_dominated_ranks(values, violation)
    met = violation == 0
    assert (ranks[met] == non_dominated_ranks(values[met])).all()
    for one, other in zip(*np.nonzero(violation[:, None] < violation[None, :])):
        if violation[other] > 0:
            assert ranks[one] < ranks[other]
    for one, other in zip(*np.nonzero((violation[:, None] == violation[None, :]) & ~met)):
        assert ranks[one] == ranks[other]
    assert set(ranks) == set(range(max(ranks) + 1))


def test_crowding_distance_by_hand():
    values = np.array([[0.0, 4.0], [1.0, 3.0], [2.0, 1.0], [4.0, 0.0]])
    assert crowding_distance(values).tolist() == [np.inf, 2 / 4 + 3 / 4, 3 / 4 + 3 / 4, np.inf]


def test_crowding_ignores_an_objective_that_is_constant():
    values = np.array([[0.0, 7.0], [1.0, 7.0], [3.0, 7.0]])
    assert crowding_distance(values).tolist() == [np.inf, 1.0, np.inf]
    assert crowding_distance(np.ones((3, 2))).tolist() == [0.0, 0.0, 0.0]


@given(FINITE, st.integers(2, 30))
def test_orders_are_permutations_by_rank(values, most):
    violation = np.zeros(len(values))
    ranks = non_dominated_ranks(values)
    for order in (
        crowded_order(values, violation),
        niched_order(values, violation, das_dennis(values.shape[1], most)),
    ):
        assert sorted(order) == list(range(len(values)))
        assert (np.diff(ranks[order]) >= 0).all()


def test_the_crowded_come_last():
    values = np.array([[0.0, 1.0], [0.5, 0.5], [0.51, 0.49], [0.8, 0.2], [1.0, 0.0], [2.0, 2.0]])
    assert set(crowded_order(values, np.zeros(6))[:2]) == {0, 4}
    assert crowded_order(values, np.zeros(6))[-2:].tolist() in ([1, 5], [2, 5])


def test_every_direction_gets_its_nearest_before_any_gets_two():
    """In units of the front's intercepts, and however many lie nearer to one direction than any to the others."""
    directions = das_dennis(3, 6)
    heap = directions[1] + 0.001 * np.array([[1, -1, 0], [0, 1, -1], [-2, 1, 1]])
    apart = np.vstack([directions[[0, 2, 3, 4, 5]] * 0.9 + 0.1 / 3, heap])
    values = np.vstack([np.eye(3), apart]) * [10.0, 1.0, 0.1]
    order = niched_order(values, np.zeros(len(values)), directions)
    first = set(order[:6])
    assert {0, 1, 2} < first
    assert len(first & {8, 9, 10}) == 1


SKEWED = np.array([[2.0, 1.0, 0.0], [0.0, 1.0, 4.0], [1.0, 0.0, 1.0]])
"""The plane through its extreme points meets an axis on the wrong side."""


@pytest.mark.parametrize(
    "front", [np.ones((4, 4)), np.array([[1.0, 2.0, 3.0, 4.0]] * 2), np.eye(4)[:2], np.eye(4), SKEWED]
)
def test_a_degenerate_front_is_scaled_by_its_range(front):
    scaled = _scaled(np.vstack([front, front + 1.0]), front)
    assert (np.ptp(scaled[: len(front)], axis=0) <= 1.0).all()
    assert scaled.min() == 0.0
    assert np.isfinite(scaled).all()


@pytest.mark.parametrize(
    ("objectives", "most", "count"),
    [(1, 9, 1), (2, 9, 9), (3, 50, 45), (4, 50, 35), (5, 50, 35 + 15), (8, 50, 36 + 8), (10, 5, 10)],
)
def test_directions(objectives, most, count):
    directions = das_dennis(objectives, most)
    assert len(directions) == count
    assert len(np.unique(directions.round(9), axis=0)) == count
    assert (directions >= 0).all()
    assert directions.sum(axis=1) == pytest.approx(np.ones(count))
    assert all((directions == row).all(axis=1).any() for row in np.eye(objectives))
