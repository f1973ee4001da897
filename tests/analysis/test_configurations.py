"""What was measured of a configuration is found together, whoever measured it."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tests.analysis.histories import FAIL, PRUNED, history_of

from kilter.analysis.configurations import configurations, default_of, on_parts, stopped
from kilter.analysis.design import Design, Part, design_of
from kilter.core.attributes import CONFIRMS, DEFAULT, EVALUATION
from kilter.core.events import Report
from kilter.core.numbers import Float
from kilter.core.problem import Objective, Problem
from kilter.core.space import Space

SPACE = Space({"x": Float(0, 1), "y": Float(0, 1)})
ACCURACY = Problem(SPACE, (Objective("accuracy", "maximize"),))


def folds(*scores, metric="accuracy", first=0):
    return [Report(0, {metric: score}, fold=first + k) for k, score in enumerate(scores)]


def test_what_was_stopped_after_some_parts_is_told_apart():
    a, b, c = ({"x": x, "y": 0.2} for x in (0.1, 0.2, 0.3))
    history = history_of(
        [
            {"params": a, "value": 0.5, "reports": folds(0.4, 0.6)},
            {"params": b, "state": PRUNED, "reports": folds(0.1)},
            {"params": a, "state": PRUNED, "reports": folds(0.2)},
            {"params": c, "state": PRUNED},
        ],
        ACCURACY,
    )
    assert [each.number for each in configurations(history)] == [0]
    assert [(each.number, each.parts) for each in stopped(history)] == [(1, {0: -0.1})]


def test_a_repeat_is_of_the_configuration_that_it_repeats():
    a, b = {"x": 0.1, "y": 0.2}, {"x": 0.3, "y": 0.4}
    history = history_of(
        [
            {"params": a, "value": 0.5, "reports": folds(0.4, 0.6)},
            {"params": b, "value": 0.7, "attrs": {DEFAULT: True}},
            {"params": a, "value": 0.6, "attrs": {CONFIRMS: 0}, "reports": folds(0.8, first=2)},
            {"params": b, "value": 0.9, "state": FAIL},
        ],
        ACCURACY,
    )
    first, second = configurations(history)
    assert (first.trials, second.trials) == ((0, 2), (1,))
    assert first.losses.tolist() == [-0.5, -0.6]
    assert first.parts == {0: -0.4, 1: -0.6, 2: -0.8}
    assert (first.is_default, second.is_default) == (False, True)
    assert np.array_equal(on_parts([first, second], [0, 2]), [[-0.4, -0.8], [np.nan, np.nan]], equal_nan=True)


def test_without_a_mark_the_defaults_of_the_space_are_the_default():
    space = Space({"x": Float(0, 1, default=0.25)})
    history = history_of([{"params": {"x": 0.5}, "value": 1.0}, {"params": {"x": 0.25}, "value": 2.0}], Problem(space))
    assert default_of(history).number == 1
    assert default_of(history_of([{"params": {"x": 0.5, "y": 0.5}, "value": 1.0}], Problem(SPACE))) is None


def test_a_design_is_inferred_from_what_is_reported():
    history = history_of([{"params": {"x": 0.1, "y": 0.2}, "value": 0.5, "reports": folds(0.4, 0.6, 0.5)}], ACCURACY)
    assert design_of(history, {}) == Design(tuple(Part(k, train=2, test=1) for k in range(3)))
    assert design_of(history_of([], ACCURACY), {}) is None


rows = st.none() | st.integers(1, 10**6)
names = st.integers(0, 99) | st.text(max_size=5)
parts = st.builds(Part, names, st.none() | st.text(max_size=3), st.integers(0, 9), rows, rows)


@given(
    st.lists(parts, min_size=1).map(tuple),
    st.sampled_from(["mean", "worst"]),
    st.floats(0, 1),
    st.none() | st.integers(1, 9),
)
def test_a_design_is_read_back_as_it_was_noted(parts, summary, level, first):
    design = Design(parts, summary, level, first)
    assert design_of(history_of([]), {EVALUATION: design.to_json()}) == design
    assert design.overlap >= 0
