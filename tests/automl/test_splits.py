"""The folds of a fit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilter.automl.splits import HELD_OUT, asked, folds_for, splits_of
from kilter.automl.task import Task
from kilter.core.errors import InvalidInput

CLASSES = Task("multiclass", ("a", "b", "c"))


@given(st.integers(20, 90), st.integers(0, 5), st.integers(2, 6))
def test_each_row_is_predicted_once_by_a_model_that_did_not_see_it(rows: int, seed: int, folds: int) -> None:
    y = np.arange(rows) % 3
    found = splits_of(folds, y, CLASSES, seed=seed)
    assert sorted(np.concatenate([test for _, test in found])) == list(range(rows))
    assert all(not set(train) & set(test) and len(train) + len(test) == rows for train, test in found)
    assert all(set(y[train]) == {0, 1, 2} for train, _ in found)


@given(st.integers(0, 9))
def test_the_same_arguments_split_alike(seed: int) -> None:
    y = np.linspace(0, 1, 40)
    first, second = (splits_of("auto", y, Task("regression"), seed=seed) for _ in range(2))
    assert [[side.tolist() for side in fold] for fold in first] == [[side.tolist() for side in fold] for fold in second]


def test_smaller_tables_have_more_folds() -> None:
    assert [folds_for(rows) for rows in (999, 20_000, 50_000, 50_001)] == [8, 5, 3, 1]


def test_one_fold_is_a_hold_out_with_its_share_of_each_class() -> None:
    y = np.repeat([0, 1], [80, 20])
    ((train, test),) = splits_of(1, y, Task("binary", ("no", "yes")))
    assert len(test) == HELD_OUT * len(y) and y[test].sum() == 4 and len(train) == 80


def test_a_class_of_one_row_is_always_trained_on() -> None:
    y = np.array([0, 1] * 20 + [2])
    found = splits_of(4, y, CLASSES)
    assert all(40 in train and 40 not in test for train, test in found)


def test_groups_are_never_on_both_sides() -> None:
    groups = np.repeat(np.arange(12), 5)
    for folds in (1, 4):
        for train, test in splits_of(folds, np.arange(60.0), Task("regression"), groups):
            assert not set(groups[train]) & set(groups[test])


def test_the_rarer_of_two_classes_bounds_the_folds() -> None:
    y = np.array([0] * 30 + [1] * 3)
    binary = Task("binary", ("no", "yes"))
    assert len(splits_of("auto", y, binary)) == 3
    with pytest.raises(InvalidInput, match="3 rows of the class 'yes': 5 folds need at least 5"):
        splits_of(5, y, binary)
    with pytest.raises(InvalidInput, match="2 folds need at least 2"):
        splits_of("auto", np.array([0, 0, 0, 1]), binary)


def test_few_groups_bound_the_folds() -> None:
    y, groups = np.arange(60.0), np.arange(60) % 3
    assert len(splits_of("auto", y, Task("regression"), groups)) == 3
    with pytest.raises(InvalidInput, match="there are 3 groups: 5 folds need at least 5"):
        splits_of(5, y, Task("regression"), groups)


def test_classes_of_a_single_row_each_leave_nothing_to_split() -> None:
    with pytest.raises(InvalidInput, match="0 rows whose class has another one among 3"):
        splits_of("auto", np.arange(3), CLASSES)


@pytest.mark.parametrize("folds", [0, True, 2.5, "five", None])
def test_what_is_no_number_of_folds_is_refused(folds: object) -> None:
    with pytest.raises(InvalidInput, match="give 'auto', a number"):
        splits_of(folds, np.arange(9.0), Task("regression"))


def test_a_splitter_keeps_the_order_of_time() -> None:
    from sklearn.model_selection import TimeSeriesSplit

    found = asked(TimeSeriesSplit(3), np.zeros((20, 1)), np.arange(20.0), None, np.arange(20))
    assert len(found) == 3 and all(train.max() < test.min() for train, test in found)


def test_a_splitter_that_cannot_split_is_told_with_what_it_says() -> None:
    from sklearn.model_selection import GroupKFold

    with pytest.raises(InvalidInput, match=r"cannot split these 20 rows: .*groups"):
        asked(GroupKFold(3), np.zeros((20, 1)), np.arange(20.0), None, np.arange(20))


def test_what_cannot_be_split_is_said_without_row_numbers():
    pairs = [(np.arange(60), np.arange(600, 700))]
    with pytest.raises(InvalidInput, match="folds, a list of 1, cannot split these 120 rows: index 600"):
        asked(pairs, np.zeros((120, 1)), np.zeros(120), None, np.arange(120))
