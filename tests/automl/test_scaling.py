"""Numbers of any size are brought to one scale, by distance and by rank."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from kilter.automl.scaling import FAR, Ranks, Scaling

numbers = arrays.arrays(float, (30, 3), elements=st.floats(allow_infinity=False))


@settings(max_examples=60, deadline=None)
@given(numbers, numbers)
def test_whatever_comes_is_within_bounds(seen, others):
    scaled, ranked = Scaling.of(seen)(others), Ranks.of(seen)(others)
    assert scaled.shape[1] <= 3 and ranked.shape[1] <= 3
    assert (np.abs(scaled) <= FAR).all()
    assert (np.abs(ranked) < FAR).all()


def test_what_is_normal_stays_as_it_is():
    values = np.random.default_rng(0).normal(5, 2, (500, 1))
    assert np.abs(Scaling.of(values)(values) - (values - 5) / 2).mean() < 0.2
    assert np.abs(Ranks.of(values)(values) - (values - 5) / 2).mean() < 0.1


def test_ranks_do_not_change_with_the_scale_of_a_column_and_rise_with_it():
    values = np.random.default_rng(0).normal(size=(300, 1))
    ranks = Ranks.of(values)(values)
    np.testing.assert_allclose(Ranks.of(np.exp(3 * values))(np.exp(3 * values)), ranks, atol=0.15)
    assert (np.diff(ranks[np.argsort(values[:, 0]), 0]) >= 0).all()


def test_equal_values_have_the_middle_of_their_ranks_and_gaps_that_of_all():
    values = np.r_[np.zeros(100), np.arange(100.0), np.nan][:, None]
    ranks = Ranks.of(values)(values)[:, 0]
    assert ranks[0] == pytest.approx(-0.66, abs=0.03)
    assert ranks[-1] == 0


def test_few_values_and_constants_have_no_rank():
    values = np.column_stack([np.arange(60) % 5, np.ones(60), np.full(60, np.nan), np.arange(60)])
    assert Ranks.of(values.astype(float)).ranked.tolist() == [3]
    assert Scaling.of(values.astype(float)).kept.tolist() == [True, False, False, True]
    assert Ranks.of(np.empty((5, 0)))(np.empty((2, 0))).shape == (2, 0)
