"""Splits of rows: what each evaluation promises of any data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilter.core.errors import InvalidInput
from kilter.evaluation import CrossValidation, Holdout, Repeated
from kilter.evaluation.data import Data

rows = st.integers(12, 60)
seeds = st.integers(0, 99)


def pairs(evaluation, count, y=None, groups=None):
    return list(evaluation.split(np.zeros((count, 1)), y, groups))


def lists(splits):
    return [(train.tolist(), test.tolist()) for train, test in splits]


@settings(max_examples=40)
@given(rows, st.integers(2, 6), seeds, st.integers(1, 3))
def test_each_repetition_tests_each_row_once_and_is_another_one(count, folds, seed, times):
    found = pairs(Repeated(CrossValidation(folds, seed=seed), times), count)
    assert len(found) == folds * times == Repeated(CrossValidation(folds), times).get_n_splits()
    for repeat in range(times):
        tested = np.concatenate([test for _, test in found[repeat * folds : (repeat + 1) * folds]])
        assert sorted(tested.tolist()) == list(range(count))
    assert all(not set(train) & set(test) and len(train) + len(test) == count for train, test in found)
    assert lists(found[:folds]) == lists(pairs(CrossValidation(folds, seed=seed), count))
    assert times == 1 or lists(found[:folds]) != lists(found[folds : 2 * folds])


@settings(max_examples=40)
@given(
    rows,
    seeds,
    st.sampled_from([CrossValidation(3), Holdout(0.3), Repeated(Holdout(0.4), 2), CrossValidation(2, ordered=True)]),
)
def test_a_group_is_never_on_both_sides(count, seed, evaluation):
    groups = np.random.default_rng(seed).integers(8, size=count)
    groups[:8] = range(8)
    if getattr(evaluation, "ordered", False):
        groups.sort()
    for train, test in pairs(evaluation, count, groups=groups):
        assert len(train) and len(test)
        assert not set(groups[train]) & set(groups[test])


@settings(max_examples=40)
@given(rows, st.integers(1, 5), st.integers(0, 1))
def test_no_model_sees_what_comes_after_the_rows_it_is_tested_on(count, folds, gap):
    found = pairs(CrossValidation(folds, ordered=True, gap=gap), count)
    assert all(train.max() == test.min() - gap - 1 for train, test in found)
    tested = np.concatenate([test for _, test in found]).tolist()
    assert tested == list(range(tested[0], count))
    ((train, test),) = pairs(Holdout(0.25, ordered=True, gap=gap), count)
    assert train.max() == test.min() - gap - 1 and test.max() == count - 1


@settings(max_examples=40)
@given(rows, seeds, st.floats(0.1, 0.9))
def test_a_share_of_rows_and_of_each_class_is_held_out(count, seed, share):
    y = np.random.default_rng(seed).integers(2, size=count)
    ((train, test),) = pairs(Holdout(share, seed=seed), count, y)
    assert sorted([*train, *test]) == list(range(count))
    assert abs(len(test) - share * count) <= 0.5
    for label in (0, 1):
        assert abs(np.sum(y[test] == label) - share * np.sum(y == label)) <= 1


def test_classes_are_kept_where_y_has_some():
    y = np.repeat([0, 1], [50, 10])
    for labels in (y, y.astype(str), y.astype(float), y.astype(bool), y.tolist(), y[:, None]):
        assert [np.sum(y[test]) for _, test in pairs(CrossValidation(5), 60, labels)] == [2] * 5
    measured = np.random.default_rng(0).normal(size=60)
    plain = lists(pairs(CrossValidation(5), 60))
    assert lists(pairs(CrossValidation(5), 60, measured)) == plain
    assert lists(pairs(CrossValidation(5, stratify=False), 60, y)) == plain


@settings(max_examples=40)
@given(seeds, st.lists(st.integers(1, 40), min_size=2, max_size=30), st.floats(0.1, 0.9))
def test_a_share_of_whole_groups_is_held_out_as_nearly_as_the_groups_let_it(seed, sizes, share):
    groups = np.repeat(np.arange(len(sizes)), sizes)
    ((_, test),) = pairs(Holdout(share, seed=seed), len(groups), groups=groups)
    tested, left = np.unique(groups[test]), len(groups) - len(test)
    assert len(test) > 0 and left > 0
    off = abs(len(test) - share * len(groups))
    for group in set(range(len(sizes))) - set(tested):
        if left > sizes[group]:
            assert abs(len(test) + sizes[group] - share * len(groups)) >= off - 1e-9, "another group brings it nearer"


def test_a_group_that_overshoots_is_left_to_the_other_side():
    groups = np.repeat(np.arange(21), [130] + [1] * 20)
    for seed in range(30):
        ((_, test),) = pairs(Holdout(0.2, seed=seed), 150, groups=groups)
        assert len(test) == 20
    halves = np.repeat([0, 1], 75)
    for share in (0.2, 0.8):
        assert [len(test) for _, test in pairs(Holdout(share), 150, groups=halves)] == [75]


def test_whole_groups_keep_classes():
    y = np.zeros(150, dtype=int)
    y[:15] = 1
    groups = np.arange(150) // 5
    for seed in range(10):
        ((_, test),) = pairs(Holdout(0.2, stratify=True, seed=seed), 150, y, groups)
        assert y[test].sum() == 5 and 25 <= len(test) <= 35


def test_repetitions_of_repetitions_are_told_apart():
    evaluation = Repeated(Repeated(CrossValidation(3), 2), 2)
    fits = evaluation.fits({None: Data((np.zeros((12, 1)),))})
    assert [fit.repeat for fit in fits] == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3


def test_splitters_are_scikit_learns_too():
    pytest.importorskip("sklearn")
    from sklearn.datasets import load_iris
    from sklearn.dummy import DummyClassifier
    from sklearn.model_selection import cross_val_score

    X, y = load_iris(return_X_y=True)  # noqa: N806
    for evaluation in (CrossValidation(3), Holdout(0.2), Repeated(CrossValidation(3), 2)):
        assert len(cross_val_score(DummyClassifier(), X, y, cv=evaluation)) == evaluation.get_n_splits(X, y)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: CrossValidation(1), "folds=1: give a whole number from 2 on"),
        (lambda: CrossValidation(2.5), "folds=2.5"),
        (lambda: CrossValidation(5, gap=3), "say ordered=True"),
        (lambda: CrossValidation(5, stratify=True, ordered=True), "cannot be stratified"),
        (lambda: Holdout(1.0), "above 0 and below 1"),
        (lambda: Holdout("x"), "above 0 and below 1"),
        (lambda: CrossValidation(5, seed=None), "seed=None: give a whole number from 0 on"),
        (lambda: CrossValidation(5, seed=2.5), "seed=2.5"),
        (lambda: Holdout(seed=-1), "seed=-1"),
        (lambda: Holdout(ordered=True, reshuffled=True), "cannot be reshuffled"),
        (lambda: Repeated(CrossValidation(5, ordered=True), 2), "cannot be repeated"),
        (lambda: Repeated(5, 2), "what is repeated splits rows"),
        (lambda: pairs(CrossValidation(5), 3), "3 rows for 5 folds: take fewer"),
        (lambda: pairs(Holdout(0.001), 9), "nothing on one side"),
        (lambda: pairs(Holdout(0.5), 9, groups=[1] * 9), "nothing on one side"),
        (lambda: pairs(CrossValidation(5, ordered=True), 4), "too few"),
        (lambda: pairs(CrossValidation(5, ordered=True), 60, groups=[0, 1, 2] * 20), "groups= are mixed in time"),
        (lambda: pairs(CrossValidation(5, ordered=True, gap=40), 60, groups=[0, 1, 2] * 20), "too few"),
        (lambda: pairs(CrossValidation(2), 4, groups=[1, 2]), "give one for each of the 4 rows"),
        (lambda: pairs(CrossValidation(2), 4, [1, 2]), "4 and 2 rows"),
        (lambda: pairs(CrossValidation(2), 4, ["a", None] * 2), "y has labels of several kinds, as 'a' and None"),
        (lambda: pairs(CrossValidation(2), 4, groups=["a", None] * 2), "groups has labels of several kinds"),
        (lambda: pairs(Holdout(0.5), 4, groups=["a", None] * 2), "groups has labels of several kinds"),
        (lambda: list(CrossValidation(2).split(3)), "3 has no rows"),
        (lambda: list(CrossValidation(2).split(x for x in "abcd")), "has no rows: give tables"),
        (lambda: pairs(CrossValidation(2, stratify=True), 4), "the class of each row"),
    ],
)
def test_what_cannot_be_is_said(make, words):
    with pytest.raises(InvalidInput, match=words):
        make()
