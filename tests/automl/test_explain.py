"""Importance and parts: they add up, say nothing of what is ignored, and are functions of data and seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilter.automl import explain
from kilter.automl.explain import Unseen, importances, parts
from kilter.core.errors import InvalidInput

NAMES = ("a", "b", "c", "<ignored>")
ROWS = 120
DATA = {name: np.random.default_rng(i).normal(size=ROWS) for i, name in enumerate(NAMES)}


def curved(places):
    """A model with an interaction, of places of rows by column; it ignores the last column."""
    a, b, c = (DATA[name][places[name]] for name in NAMES[:3])
    return a * b + np.sin(c)


def linear(places):
    return 3 * DATA["a"][places["a"]] + DATA["b"][places["b"]]


def error(y, predictions):
    return -float(np.abs(y - predictions).mean())


def folds(count=4, predict=linear, noise=0.5):
    y = predict(dict.fromkeys(NAMES, np.arange(ROWS))) + noise * np.random.default_rng(9).normal(size=ROWS)
    return [Unseen(rows, y[rows], predict) for rows in np.array_split(np.arange(ROWS), count)]


@given(row=st.integers(0, ROWS - 1), seed=st.integers(0, 2**31), others=st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_parts_add_up_to_the_prediction_and_what_is_ignored_has_none(row, seed, others):
    values = {name: DATA[name][row] for name in NAMES}
    found = parts(values, row, np.arange(others), curved, "y", seed)
    assert found.prediction == pytest.approx(curved({name: np.array([row]) for name in NAMES})[0])
    assert found.base + sum(one.part for one in found) == pytest.approx(found.prediction)
    of = {one.column: one for one in found}
    assert of["<ignored>"].part == 0 and of["<ignored>"].error == 0
    assert [abs(one.part) for one in found] == sorted((abs(one.part) for one in found), reverse=True)
    assert found == parts(values, row, np.arange(others), curved, "y", seed)


def test_parts_of_a_sum_are_its_terms():
    others = np.arange(32)  # as many as orders, so that each is met equally often
    found = {one.column: one.part for one in parts(dict.fromkeys(NAMES), 50, others, linear, "y")}
    assert found["a"] == pytest.approx(3 * (DATA["a"][50] - DATA["a"][others].mean()))
    assert found["b"] == pytest.approx(DATA["b"][50] - DATA["b"][others].mean())


def test_columns_are_ordered_by_what_the_score_loses_without_them():
    found = importances(NAMES, folds(), error, "mean absolute error")
    assert [one.column for one in found[:2]] == ["a", "b"] and found[0].is_sure and found[1].is_sure
    assert {(one.drop, one.low, one.high) for one in found[2:]} == {(0.0, 0.0, 0.0)}
    assert found.rows == ROWS and found == importances(NAMES, folds(), error, "mean absolute error")
    assert str(found).splitlines()[1].split()[0] == "a" and "&lt;ignored&gt;" in found._repr_html_()


def test_a_column_of_noise_that_a_model_has_learned_is_not_sure_to_matter():
    """A model that rests on a column which has nothing to do with y: the intervals hold 0 as often as they say."""
    sure = 0
    for seed in range(40):
        y = np.random.default_rng(100 + seed).normal(size=ROWS)
        unseen = [Unseen(rows, y[rows], linear) for rows in np.array_split(np.arange(ROWS), 5)]
        (found,) = importances(["a"], [Unseen(u.rows, u.y, _only_a) for u in unseen], error, "", seed)
        sure += found.is_sure
    assert sure <= 4


def _only_a(places):
    return 0.5 * DATA["a"][places["a"]]


def test_how_many_copies_are_predicted_at_once_changes_nothing(monkeypatch):
    together = importances(NAMES, folds(predict=curved), error, "")
    monkeypatch.setattr(explain, "CELLS", 1)
    assert importances(NAMES, folds(predict=curved), error, "") == together


def test_few_rows_and_a_single_fold_have_intervals_too():
    found = importances(NAMES, folds(1), error, "", most=50)
    assert found.rows == 50 and np.isfinite(found[0].low) and found[0].low < found[0].drop < found[0].high


def test_folds_without_a_score_are_left_out_and_none_at_all_is_said():
    def of_two_halves(y, predictions):
        return error(y, predictions) if y[0] != folds()[0].y[0] else float("nan")

    found = importances(NAMES, folds(), of_two_halves, "")
    assert np.isfinite(found.score) and np.isfinite(found[0].low)
    with pytest.raises(InvalidInput, match="no fold has a roc_auc"):
        importances(NAMES, folds(), lambda y, p: float("nan"), "roc_auc")
