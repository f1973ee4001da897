"""The forest against scikit-learn's own predictions, and its variance against the law that gives it."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilter.core.errors import InvalidInput, MissingLibrary
from kilter.models.forest import INACTIVE, Forest

pytest.importorskip("sklearn")


def data(seed: int, n: int = 40, d: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    stream = np.random.default_rng(seed)
    x, q = stream.random((2, n, d))
    for matrix in (x, q):
        matrix[stream.random(matrix.shape) < 0.2] = np.nan
    return x, np.nan_to_num(x) @ np.arange(1, d + 1) + 0.1 * stream.standard_normal(n), q


@settings(max_examples=15)
@given(st.integers(0, 1000), st.integers(1, 5))
def test_it_predicts_as_scikit_learn_does(seed: int, leaf: int) -> None:
    from sklearn.ensemble import ExtraTreesRegressor

    x, y, q = data(seed)
    theirs = ExtraTreesRegressor(10, min_samples_leaf=leaf, random_state=seed)
    theirs.fit(np.where(np.isnan(x), INACTIVE, x), y)
    filled = np.where(np.isnan(q), INACTIVE, q)
    mean, variance = Forest(10, leaf, seed).fit(x, y).predict(q)
    np.testing.assert_allclose(mean, theirs.predict(filled))
    # total variance: of what the trees' leaves hold, all in one bag of equally likely trees
    second = np.mean(
        [tree.tree_.impurity[tree.apply(filled)] + tree.predict(filled) ** 2 for tree in theirs.estimators_], 0
    )
    np.testing.assert_allclose(variance, second - mean**2, atol=1e-9)
    assert (variance >= 0).all()


def test_the_seed_decides() -> None:
    x, y, q = data(0)
    first, again, other = (Forest(10, seed=s).fit(x, y).predict(q)[0] for s in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_inactive_is_told_from_every_active_value() -> None:
    x = np.array([[np.nan], [0.0], [0.5], [1.0]] * 5)
    y = np.where(np.isnan(x[:, 0]), 5.0, 0.0)
    mean, variance = Forest(20).fit(x, y).predict(np.array([[np.nan], [0.0], [0.7]]))
    assert mean.tolist() == [5.0, 0.0, 0.0]
    assert variance.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("x", "y"),
    [(np.empty((0, 2)), np.empty(0)), (np.zeros((2, 1)), np.zeros(3)), (np.zeros((2, 1)), np.array([0.0, np.nan]))],
)
def test_what_cannot_be_learned_is_refused(x: np.ndarray, y: np.ndarray) -> None:
    with pytest.raises(InvalidInput, match="finite values"):
        Forest().fit(x, y)
    with pytest.raises(InvalidInput, match="at least one tree"):
        Forest(trees=0)


def test_without_scikit_learn_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    with pytest.raises(MissingLibrary, match="pip install scikit-learn"):
        Forest().fit(np.zeros((2, 1)), np.zeros(2))
