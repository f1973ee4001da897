"""The scale that a target is learned on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kilter.automl.target import Target, targets
from kilter.automl.task import Task

VALUES = arrays(np.float64, st.integers(2, 40), elements=st.floats(0, 1e6))


@given(VALUES)
def test_what_was_learned_comes_back(y: np.ndarray) -> None:
    for target in targets(Task("regression"), y).values():
        assert target.predicted(target.learned(y)) == pytest.approx(y, rel=1e-9, abs=1e-9)


@given(VALUES, st.floats(-1e6, 1e6), st.floats(1e-3, 1e3))
def test_what_members_see_has_no_unit(y: np.ndarray, offset: float, factor: float) -> None:
    seen = targets(Task("regression"), y)["identity"].learned(y)
    other = y * factor + offset
    assert abs(seen.mean()) < 1e-6 and seen.std() < 1 + 1e-6
    if np.ptp(y) > 1:
        assert seen.std() == pytest.approx(1)
        assert targets(Task("regression"), other)["identity"].learned(other) == pytest.approx(seen, abs=1e-4)


@given(VALUES, arrays(np.float64, 5, elements=st.floats(-1e12, 1e12)))
def test_predictions_stay_near_the_range_that_was_seen(y: np.ndarray, wild: np.ndarray) -> None:
    margin = 0.05 * (y.max() - y.min())
    for target in targets(Task("regression"), y).values():
        predicted = target.predicted(wild)
        assert (y.min() - margin <= predicted).all() and (predicted <= y.max() + margin).all()


@given(VALUES)
def test_a_target_is_made_again_of_its_values(y: np.ndarray) -> None:
    for target in targets(Task("regression"), y).values():
        assert Target(**target.values()) == target


def test_only_what_is_skewed_and_never_negative_is_tried_by_its_logarithm() -> None:
    skewed = np.array([1.0] * 9 + [1000.0])
    assert "log1p" in targets(Task("regression"), skewed)
    assert "log1p" not in targets(Task("regression"), skewed - 2)
    assert "log1p" not in targets(Task("regression"), np.arange(10.0))
    assert "log1p" not in targets(Task("binary", (0, 1)), np.array([0] * 9 + [1]))


def test_probabilities_stay_as_they_are() -> None:
    probabilities = np.array([[0.0, 1.0], [0.25, 0.75]])
    assert Target().predicted(probabilities) is probabilities
