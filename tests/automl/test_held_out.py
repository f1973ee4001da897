"""No row of a fold has a say in what it is predicted as."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilter.automl.members import member
from kilter.automl.members.held_out import PARTS, HeldOut
from kilter.automl.members.member import HoldsOut, Matrix, Rows
from kilter.automl.task import Task

CLASSES = Task("binary", ("a", "b"))
NUMBERS = Task("regression")


def rows(y: np.ndarray, columns: int = 3, weight: np.ndarray | None = None) -> Rows:
    values = np.random.default_rng(1).normal(size=(len(y), columns))
    return Rows(Matrix(values, [f"c{i}" for i in range(columns)]), y, weight)


@given(st.integers(2, 9), st.integers(1, 6), st.integers(0, 99), st.booleans())
def test_each_part_is_predicted_as_of_the_step_that_the_others_like_best(
    n: int, steps: int, seed: int, w: bool
) -> None:
    rng = np.random.default_rng(seed)
    y, course, weight = rng.normal(size=n), rng.normal(size=(steps, n)), rng.uniform(1, 2, n) if w else None
    held = HeldOut(rows(y, weight=weight), NUMBERS)
    losses = (course - y) ** 2
    assert [held.saw(found) for found in course] == pytest.approx(np.average(losses, axis=1, weights=weight))
    for k in range(min(PARTS, n)):
        own = np.arange(n) % PARTS == k
        others = np.average(losses[:, ~own], axis=1, weights=None if weight is None else weight[~own])
        assert (held.predictions[own] == course[others.argmin()][own]).all()


def test_a_single_row_has_no_others() -> None:
    held = HeldOut(rows(np.ones(1)), NUMBERS)
    assert [held.saw(np.array([found])) for found in (3.0, 1.0, 2.0)] == [4.0, 0.0, 1.0] and held.predictions == [1.0]


@pytest.mark.parametrize("name", ["lightgbm", "mlp", "linear", "xgboost"])
def test_of_coin_flips_a_fit_learns_nothing_that_it_would_tell(name: str) -> None:
    """Scored at the step that the rows themselves like best, their loss is less than it is held out."""
    pytest.importorskip(name if name in ("lightgbm", "xgboost") else "numpy")
    found, flattered = [], []
    for seed in range(6):
        y = np.random.default_rng(seed).integers(0, 2, 60)
        given = ({}, rows(y[:40]), rows(y[40:]), CLASSES, seed, lambda: np.inf)
        one = member(name)
        assert isinstance(one, HoldsOut)
        fitted, held_out = one.fit_and_hold_out(*given)
        assert (fitted.predict(given[2].matrix) == one.fit(*given).predict(given[2].matrix)).all()
        for kept, predicted in ((found, held_out), (flattered, fitted.predict(given[2].matrix))):
            kept.append(-np.log(predicted[np.arange(20), y[40:]]).mean())
    assert np.mean(found) > np.mean(flattered)
