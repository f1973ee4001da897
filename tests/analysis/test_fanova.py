"""The forest's analysis of variance is exact: what is summed over leaves is what counting over all cells gives."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kilter.analysis.fanova import _marginal_of_two, _marginals, _weights
from kilter.models.trees import grown


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_means_over_leaves_are_means_over_cells(seed):
    stream = np.random.default_rng(seed)
    sizes = stream.integers(2, 5, 3)
    bins = np.stack([stream.integers(0, size, 50) for size in sizes], axis=1)
    bins[: sizes.max()] = np.minimum(np.arange(sizes.max())[:, None], sizes - 1)  # each bin is there
    cells = np.stack(np.meshgrid(*map(np.arange, sizes), indexing="ij"), axis=-1).reshape(-1, 3)
    tree = grown(np.concatenate([bins, cells]), stream.standard_normal(50), sizes, 1, 1.0, stream)
    weights = _weights(bins, sizes)
    at = np.array([weights[j, cells[:, j]] for j in range(3)])
    values, marginals = tree.predicted[50:], _marginals(tree, weights)
    for j in range(3):
        others = at.prod(axis=0) / at[j]
        expected = np.bincount(cells[:, j], values * others)
        np.testing.assert_allclose(marginals[j, : sizes[j]], expected, atol=1e-9)
    both = np.zeros(sizes[:2])
    np.add.at(both, (cells[:, 0], cells[:, 1]), values * at[2])
    np.testing.assert_allclose(_marginal_of_two(tree, weights, 0, 1)[: sizes[0], : sizes[1]], both, atol=1e-9)
