"""What a user hands over becomes a frame and a target, or an error that says what to do."""

import numpy as np
import pandas as pd
import pytest

from kilter.automl.inputs import as_frame, split, target, weights
from kilter.core.errors import InvalidInput, UnknownName


def test_tables_of_all_kinds_become_the_same_frame():
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", None]})
    polars, arrow = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    others = frame.to_dict("records"), polars.from_pandas(frame), arrow.Table.from_pandas(frame)
    for other in others:
        pd.testing.assert_frame_equal(as_frame(other), frame, check_dtype=False)
    assert as_frame(frame) is frame
    assert as_frame(np.eye(2)).columns.tolist() == ["x0", "x1"]
    assert as_frame(np.eye(2), ["a", "b"]).columns.tolist() == ["a", "b"]
    assert as_frame(frame.set_axis([0, ("b", 1)], axis=1)).columns.tolist() == ["0", "b.1"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([1, 2, 3], "Reshape your data"),
        (np.zeros((0, 2)), "no rows"),
        (np.zeros((2, 0)), "no columns"),
        (np.ones((2, 2)) * 1j, "Complex data not supported"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "several columns named 'a'"),
    ],
)
def test_what_is_no_table_is_refused(data, message):
    with pytest.raises(InvalidInput, match=message):
        as_frame(data)


def test_sparse_matrices_are_refused():
    from scipy.sparse import eye

    with pytest.raises(InvalidInput, match="toarray"):
        as_frame(eye(3))


def test_the_target_may_be_a_column():
    frame = pd.DataFrame({"a": [1, 2], "y": [0, 1]})
    rest, y = split(frame, "y")
    assert list(rest) == ["a"]
    assert y.tolist() == [0, 1]
    with pytest.raises(UnknownName, match="did you mean 'y'"):
        split(frame, "yy")


def test_weights_and_groups_may_be_columns_and_leave_the_rows():
    frame = pd.DataFrame({"a": [1, 2], "often": [3, 4], "y": [0, 1]})
    rest, y, weight, groups = split(frame, "y", "often", [7, 8])
    assert (list(rest), y.tolist(), weight.tolist(), groups) == (["a"], [0, 1], [3, 4], [7, 8])
    with pytest.raises(UnknownName, match="did you mean 'often'"):
        split(frame, "y", "oftn")


@pytest.mark.parametrize(
    ("y", "classes", "places"),
    [
        (["b", "a", None, "b"], ("a", "b"), [1, 0, 1]),
        ([True, False, True], (False, True), [1, 0, 1]),
        (np.array([3, 1, 2]), (1, 2, 3), [2, 0, 1]),
        (pd.Categorical(["u", "v", "u"], categories=["v", "u", "w"]), ("u", "v"), [0, 1, 0]),
        (pd.array([1, None, 0], dtype="Int64"), (0, 1), [1, 0]),
        (np.array([[1], [1]]), (1,), [0, 0]),
    ],
)
@pytest.mark.filterwarnings("ignore:A column-vector")
def test_labels_are_places_among_sorted_classes(y, classes, places):
    found = target(y, regression=False)
    assert found.task.classes == classes
    assert found.y.tolist() == places
    assert len(found.rows) == len(found.y) == len(np.ravel(y)) - len(found.notices)


def test_values_without_a_number_are_left_out_and_counted():
    found = target(pd.Series([1.0, None, np.inf, 2.0]), regression=True, rows=4)
    assert found.rows.tolist() == [0, 3]
    assert found.y.tolist() == [1.0, 2.0]
    assert "2 of 4 rows" in found.notices[0]


@pytest.mark.parametrize(
    ("y", "regression", "message"),
    [
        ([0.5, 1.2, 0.5], False, "Unknown label type.*use Regressor"),
        (["a", "b"], True, "'a'.*Classifier"),
        (["1", "2"], True, "Classifier"),
        (pd.to_datetime(["2020-01-01"]), True, "datetime64"),
        ([None, None], False, "no row has a value"),
        ([np.inf, np.inf], True, "Input y contains infinity"),
        (None, True, "requires y"),
        ([[1, 2], [3, 4]], True, "1d array"),
        ([1, "a"], False, "mixes int and str"),
        ([1, 2, 3], True, "inconsistent"),
    ],
)
def test_a_target_of_another_kind_is_refused(y, regression, message):
    with pytest.raises(InvalidInput, match=message):
        target(y, regression, rows=4 if message == "inconsistent" else None)


def test_weights_are_one_number_from_zero_on_for_each_row():
    assert weights(None, 3) is None
    assert weights([0, 1, 2], 3).tolist() == [0.0, 1.0, 2.0]
    wrong = [([1, 2], "expected"), ([-1, 1, 1], "-1"), ([np.nan, 1, 1], "nan"), ([0, 0, 0], "zero"), (["a"] * 3, "a")]
    for bad, message in wrong:
        with pytest.raises(InvalidInput, match=message):
            weights(bad, 3)
