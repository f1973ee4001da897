"""Trees over bins: leaves are boxes that divide the space, each with the mean of what it holds."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kilter.models.trees import grown

SEEDS = st.integers(0, 10_000)


def example(seed):
    stream = np.random.default_rng(seed)
    sizes = stream.integers(1, 6, 3)
    bins = np.stack([stream.integers(0, size, 60) for size in sizes], axis=1)
    return bins, stream.standard_normal(40), sizes, stream


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.integers(1, 5), st.sampled_from([0.5, 1.0]))
def test_leaves_divide_the_space_and_hold_means(seed, leaf, share):
    bins, y, sizes, stream = example(seed)
    tree = grown(bins, y, sizes, leaf, share, stream)
    cells = np.stack(np.meshgrid(*map(np.arange, sizes), indexing="ij"), axis=-1).reshape(-1, 3)
    inside = ((cells[:, None] >= tree.low) & (cells[:, None] < tree.high)).all(axis=2)
    assert (inside.sum(axis=1) == 1).all()
    held = ((bins[:, None] >= tree.low) & (bins[:, None] < tree.high)).all(axis=2)
    assert (held[:40].sum(axis=0) >= leaf).all()
    for number, value in enumerate(tree.value):
        np.testing.assert_allclose(value, y[held[:40, number]].mean())
    np.testing.assert_allclose(tree.predicted, tree.value[held.argmax(axis=1)])


def test_a_step_is_found():
    bins = np.arange(40)[:, None] % 8
    tree = grown(bins, (bins[:, 0] >= 3).astype(float), np.array([8]), 2, 1.0, np.random.default_rng(0))
    assert tree.high[:, 0].tolist() == [3, 8]
    assert tree.value.tolist() == [0.0, 1.0]


def test_equal_values_make_one_leaf():
    bins, y, sizes, stream = example(1)
    assert grown(bins, np.ones_like(y), sizes, 1, 1.0, stream).value.tolist() == [1.0]
