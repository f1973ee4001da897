"""Where the curves of a study lie: quantiles by step, and the curves of the best."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.analysis.histories import FAIL, PRUNED, RUNNING, histories, history_of

from kilter.analysis.curves import QUANTILES, STEPS, bands
from kilter.core.errors import UnknownName
from kilter.core.events import Report
from kilter.core.problem import Constraint, Objective, Problem

VALUES = st.lists(st.lists(st.floats(-100, 100), min_size=1, max_size=6), min_size=1, max_size=8)


@given(VALUES)
def test_quantiles_at_a_step_are_those_of_what_was_reported_there(curves):
    found = bands(history_of([{"state": RUNNING, "reports": list(enumerate(values))} for values in curves]))
    assert found.steps.tolist() == list(range(max(map(len, curves))))
    for i, step in enumerate(found.steps):
        there = [values[step] for values in curves if step < len(values)]
        assert found.count[i] == len(there)
        assert found.quantiles[:, i] == pytest.approx(np.quantile(there, QUANTILES))


@given(histories())
def test_quantiles_are_in_order(history):
    found = bands(history, top=3)
    assert (found.quantiles[:-1] <= found.quantiles[1:]).all()
    assert (np.diff(found.steps) > 0).all()
    assert (found.count >= 1).all() and (found.count <= len(history)).all()
    assert all(np.array_equal(curve.steps, np.sort(curve.steps)) for curve in found.top)


def test_folds_and_what_is_not_finite_are_left_out_and_the_latest_of_several_counts():
    reports = [(1, 5.0), Report(1, {"value": 9.0}, 0), (2, np.nan), (3, np.inf), (1, 7.0), Report(1, {"value": 9.0}, 1)]
    found = bands(history_of([{"state": RUNNING, "reports": reports}, {"state": RUNNING, "reports": [(1, 1.0)]}]))
    assert (found.steps.tolist(), found.count.tolist(), found.quantiles[2].tolist()) == ([1], [2], [4.0])


def test_many_steps_are_taken_together():
    n = 2 * STEPS + 1
    found = bands(history_of([{"state": RUNNING, "reports": [(10 * i, float(i)) for i in range(n)]}]))
    assert len(found.steps) == STEPS
    assert found.steps[-1] == 10 * (n - 1)
    assert (found.quantiles[2] * 10 == found.steps).all(), "a trial counts with its latest value, at its step"


def test_the_best_are_complete_feasible_ones_in_the_direction_of_the_study():
    problem = Problem(objectives=(Objective("acc", "maximize"),), constraints=(Constraint("ms", "<=", 1.0),))
    trials = [
        {"value": 0.5, "metrics": {"ms": 1.0}, "reports": [(1, 0.1)]},
        {"value": 0.9, "metrics": {"ms": 2.0}, "reports": [(1, 0.1)]},
        {"value": 0.8, "metrics": {"ms": 1.0}, "reports": [(2, 0.3), (1, 0.2)]},
        {"value": 0.99, "metrics": {"ms": 1.0}},
        {"value": 0.95, "metrics": {"ms": 1.0}, "state": PRUNED, "reports": [(1, 0.9)]},
    ]
    found = bands(history_of(trials, problem), top=9, numbers=[4])
    assert [curve.number for curve in found.top] == [2, 0]
    assert (found.top[0].steps.tolist(), found.top[0].values.tolist()) == ([1, 2], [0.2, 0.3])
    assert [curve.number for curve in found.chosen] == [4]
    assert found.direction == "maximize"


def test_before_any_is_complete_the_best_are_those_that_report_best():
    trials = [
        {"state": state, "reports": [(1, 9.0), (2, last)]} for state, last in zip([RUNNING, PRUNED, FAIL], [3, 1, 2])
    ]
    assert [curve.number for curve in bands(history_of(trials), top=2).top] == [1, 2]


def test_other_metrics_have_no_direction_and_an_unknown_one_is_refused():
    history = history_of([{"reports": [Report(1, {"value": 1.0, "loss": 2.0})]}])
    found = bands(history, "loss")
    assert (found.direction, found.quantiles.tolist()) == (None, [[2.0]] * 5)
    assert set(found.metrics) == {"loss", "value"}
    with pytest.raises(UnknownName, match="did you mean 'loss'"):
        bands(history, "los")
