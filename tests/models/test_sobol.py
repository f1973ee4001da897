"""The Sobol sequence: the published one without scrambling, and what scrambling must keep."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import qmc

from kilter.core.errors import InvalidInput
from kilter.models.sobol import BITS, DIMENSIONS, _combined, _directions, points

seeds = st.integers(0, 2**63 - 1)
widths = st.integers(0, 20) | st.integers(DIMENSIONS - 1, DIMENSIONS + 3)  # with and without a random tail


def test_unscrambled_it_is_the_published_sequence():
    published = qmc.Sobol(DIMENSIONS, scramble=False, bits=BITS).random_base2(12)
    np.testing.assert_array_equal(_combined(_directions(DIMENSIONS), 0, 2**12) / 2.0**BITS, published)


@given(seeds, st.integers(1, DIMENSIONS), st.integers(0, 8), st.integers(0, 50))
def test_each_block_falls_into_different_intervals_in_every_dimension(seed, dimensions, k, block):
    rows = points(seed, dimensions, block * 2**k, 2**k)
    cells = np.sort((rows * 2**k).astype(int), axis=0)
    assert (cells == np.arange(2**k)[:, None]).all()


@given(seeds, st.integers(0, 5), st.integers(0, 3))
def test_the_first_two_dimensions_are_a_net_of_quality_zero(seed, k, block):
    """Any rectangle of area 2**-k with sides 2**-i and 2**-j holds one of 2**k points."""
    rows = points(seed, 2, block * 2**k, 2**k)
    for i in range(k + 1):
        cells = (rows * [2**i, 2 ** (k - i)]).astype(int)
        assert len(np.unique(cells, axis=0)) == 2**k


@given(seeds, widths, st.integers(0, 2**20), st.integers(0, 20), st.data())
def test_any_part_alone_is_that_part_of_the_whole(seed, dimensions, start, count, data):
    whole = points(seed, dimensions, start, count)
    assert whole.shape == (count, dimensions)
    assert ((whole >= 0) & (whole < 1)).all()
    first = data.draw(st.integers(0, count))
    last = data.draw(st.integers(first, count))
    np.testing.assert_array_equal(points(seed, dimensions, start + first, last - first), whole[first:last])
    fewer = data.draw(st.integers(0, dimensions))
    np.testing.assert_array_equal(points(seed, fewer, start, count), whole[:, :fewer])


def test_each_point_is_uniform_over_seeds():
    rows = np.array([points(seed, 3, 5, 1)[0] for seed in range(1024)])
    counts = np.stack([np.bincount((column * 16).astype(int), minlength=16) for column in rows.T])
    chi_squared = ((counts - 64) ** 2 / 64).sum(axis=1)
    assert (chi_squared < 37.7).all()  # 15 degrees of freedom, alpha 0.001
    assert np.abs(np.corrcoef(rows.T)[np.triu_indices(3, 1)]).max() < 0.12


def test_scrambling_is_more_than_a_shift():
    """Under a shift alone the exclusive or of two points would not depend on the seed."""
    bits = [(points(seed, 4, 1, 2) * 2**BITS).astype(np.uint64) for seed in (1, 2)]
    assert ((bits[0][0] ^ bits[0][1]) != (bits[1][0] ^ bits[1][1])).all()


@pytest.mark.parametrize(("dimensions", "k"), [(2, 5), (5, 7), (10, 9)])
def test_its_discrepancy_is_below_that_of_chance(dimensions, k):
    ours = [qmc.discrepancy(points(seed, dimensions, 0, 2**k), method="L2-star") for seed in range(10)]
    chance = [
        qmc.discrepancy(np.random.default_rng(seed).random((2**k, dimensions)), method="L2-star") for seed in range(10)
    ]
    assert np.mean(ours) < 0.9 * np.mean(chance)


def test_the_same_in_every_release():
    """Stored studies are replayed: these numbers may not change."""
    np.testing.assert_array_equal(
        (points(7, 3, 4, 2) * 2**BITS).astype(int),
        [[1653937176, 2849245369, 439937825], [3586567968, 1609346776, 3900354801]],
    )


def test_places_beyond_the_sequence():
    assert points(1, 2, 2**BITS - 1, 1).shape == (1, 2)
    for start, count in ((-1, 1), (0, -1), (2**BITS, 1)):
        with pytest.raises(InvalidInput, match="points 0 to"):
            points(1, 2, start, count)
