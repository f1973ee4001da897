"""Columns that know the target, and copies of rows on both sides of a fold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from kilter.automl.leaks import copies, suspects
from kilter.automl.task import Task
from kilter.evaluation.folds import frozen_splits

BINARY, THREE, VALUES = Task("binary", (0, 1)), Task("multiclass", (0, 1, 2)), Task("regression")
ROWS = 200
RNG = np.random.default_rng(0)
CLASS = RNG.integers(3, size=ROWS)


def honest():
    """Columns that tell something, but not all: with levels, with ties, all different, with missing values."""
    noisy = CLASS + RNG.normal(size=ROWS)
    return {
        "noisy": noisy,
        "rounded": np.round(noisy),
        "level": np.array([None if value < -1 else str(int(value)) for value in noisy], object),
        "name": np.array([f"n{i}" for i in range(ROWS)], object),
        "nearly": np.where(np.arange(ROWS) % 25 == 0, 7 - CLASS, CLASS) * 1.0,
        "day": np.datetime64("2026-01-01") + np.arange(ROWS),
        "empty": np.full(ROWS, np.nan),
    }


@pytest.mark.parametrize("task", [BINARY, THREE, VALUES], ids=lambda task: task.kind)
def test_a_column_that_knows_the_target_is_found_and_others_are_not(task):
    y = {"binary": CLASS % 2, "multiclass": CLASS, "regression": np.exp(RNG.normal(size=ROWS)).round(2)}[task.kind]
    code = {0: "b", 1: None, 2: "a"}
    leak = {
        "number": 5.0 - 3.0 * y,
        "string": np.array([f"v{v}" for v in y] if task.is_regression else [code[v] for v in y], object),
        "shifted": np.where(y == 0, np.nan, y + RNG.uniform(0, 1e-6, ROWS)),
    }
    leak = {name: values for name, values in leak.items() if not task.is_regression or name == "number"}
    assert {each.column for each in suspects(honest() | leak, y, task)} == set(leak)


def test_few_rows_prove_nothing():
    y = np.arange(10) % 2
    assert suspects({"same": y.astype(float)}, y, BINARY) == []


@given(some.integers(0, 1000), some.booleans())
def test_the_order_of_rows_does_not_matter(seed, is_tied):
    values = np.round(honest()["noisy"], 0 if is_tied else 9)
    order = np.random.default_rng(seed).permutation(ROWS)
    columns, leak = {"noisy": values}, {"same": CLASS * 2.0}
    assert suspects(columns | leak, CLASS, THREE) == suspects(
        {name: each[order] for name, each in (columns | leak).items()}, CLASS[order], THREE
    )


def test_copies_count_where_all_columns_and_the_target_are_equal():
    columns = {name: np.concatenate([values, values[:30]]) for name, values in honest().items()}
    y = np.concatenate([CLASS, CLASS[:29], 2 - CLASS[29:30] + 5])
    folds = [(np.arange(ROWS), np.arange(ROWS, ROWS + 30))]
    assert copies(columns, y, folds) == 29
    assert copies(honest(), CLASS, frozen_splits(ROWS, 4)) == 0
