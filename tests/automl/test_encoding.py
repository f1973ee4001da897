"""Matrices are learned on training rows alone, and a row's own target is not in its features."""

import numpy as np
import pandas as pd
import pytest

from kilter.automl.blocks import promises
from kilter.automl.encoding import Encoder, fit_encoder
from kilter.automl.pairs import Pairs
from kilter.automl.reading import read
from kilter.automl.scaling import FAR
from kilter.automl.task import Task
from kilter.core.errors import InvalidInput

ROWS = 240
VIEWS = "tree", "dense"
REGRESSION, BINARY, THREE = Task("regression"), Task("binary", (0, 1)), Task("multiclass", (0, 1, 2))


def table(seed=0):
    """Columns of all kinds, with gaps."""
    rng = np.random.default_rng(seed)
    town, word = rng.integers(60, size=ROWS), rng.choice(["old", "new", "large", "small"], (ROWS, 3))
    frame = pd.DataFrame(
        {
            "area": rng.gamma(2, 40, ROWS),
            "rooms": rng.integers(1, 7, ROWS),
            "sold": pd.Timestamp("2020-01-01"),
            "kind": rng.choice(["flat", "house", "farm"], ROWS),
            "town": [f"t{n}" for n in town],
            "note": [f"{' '.join(words)} {n}" for n, words in enumerate(word)],
            "garden": rng.choice(["yes", "no"], ROWS),
        }
    )
    frame["sold"] += pd.to_timedelta(rng.integers(0, 2000, ROWS) * 7, unit="h")
    return frame.mask(pd.DataFrame(rng.random(frame.shape) < 0.1, columns=frame.columns))


@pytest.fixture(scope="module")
def read_table():
    frame = table()
    return read(frame).table(frame)


def targets(task, seed=1):
    rng = np.random.default_rng(seed)
    return rng.normal(size=ROWS) if task.is_regression else rng.integers(len(task.classes), size=ROWS)


@pytest.mark.parametrize("task", [REGRESSION, BINARY, THREE], ids=lambda task: task.kind)
def test_pairs_stand_beside_the_view_of_trees(read_table, task):
    y = read_table.numbers[:, 0] / read_table.numbers[:, 1] > 20
    y = (y + 0.01 * targets(REGRESSION)) if task.is_regression else y + (task.width - 2) * (targets(BINARY) > 0)
    encoder, matrices = fit_encoder(read_table, y, task, 0, ["pairs"])
    assert list(matrices) == ["pairs"]
    tree, pairs = (encoder.transform(read_table, view) for view in ("tree", "pairs"))
    assert pairs.names[: len(tree.names)] == tree.names
    ratio = pairs.values[:, pairs.names.index("area / rooms")]
    area, rooms = read_table.numbers.T
    np.testing.assert_array_equal(ratio, area / rooms)
    again = Encoder.from_state(encoder.state())
    np.testing.assert_array_equal(again.transform(read_table, "pairs").values, pairs.values)
    np.testing.assert_array_equal(encoder.with_pairs(tree, y, task, 0)[1].values[:, : len(tree.names)], tree.values)
    with pytest.raises(InvalidInput, match="no pairs"):
        fit_encoder(read_table, y, task, 0, ["tree"])[0].transform(read_table, "pairs")


def test_without_numbers_there_are_no_pairs():
    frame = pd.DataFrame({"c": ["a", "b", "c"] * 20})
    rows = read(frame).table(frame)
    encoder, matrices = fit_encoder(rows, np.arange(60) % 3.0, REGRESSION, 0, ["pairs", "tree"])
    np.testing.assert_array_equal(matrices["pairs"].values, matrices["tree"].values)
    assert Encoder.from_state(encoder.state()).transform(rows, "pairs").names == ("c",)


@pytest.mark.parametrize("task", [REGRESSION, BINARY, THREE], ids=lambda task: task.kind)
def test_views_are_whole_and_come_back_equal(read_table, task):
    y = targets(task)
    encoder, matrices = fit_encoder(read_table, y, task, 0)
    again = Encoder.from_state(encoder.state())
    for view in VIEWS:
        matrix = encoder.transform(read_table, view)
        assert matrix.values.shape == matrices[view].values.shape == (ROWS, len(matrix.names))
        assert matrix.names == matrices[view].names
        assert len(set(matrix.names)) == len(matrix.names)
        np.testing.assert_array_equal(again.transform(read_table, view).values, matrix.values)
    np.testing.assert_array_equal(
        fit_encoder(read_table, y, task, 0, ["tree"])[1]["tree"].values, matrices["tree"].values
    )
    assert np.isfinite(matrices["dense"].values).all()
    assert (np.abs(matrices["dense"].values) <= FAR).all()
    assert [matrices["tree"].names[place] for place in matrices["tree"].categorical] == ["kind"]


def test_each_row_is_encoded_alone(read_table):
    encoder, _ = fit_encoder(read_table, targets(BINARY), BINARY, 0)
    some = np.array([17, 3, 200])
    for view in VIEWS:
        whole = encoder.transform(read_table, view).values
        np.testing.assert_allclose(encoder.transform(read_table.rows(some), view).values, whole[some], rtol=1e-12)


def test_a_rows_own_target_is_not_in_its_features(read_table):
    y = targets(REGRESSION)
    other = y.copy()
    other[5] += 100
    for view in VIEWS:
        one, two = (fit_encoder(read_table, values, REGRESSION, 0)[1][view] for values in (y, other))
        columns = [place for place, name in enumerate(one.names) if name in {"town promise", "note score"}]
        assert len(columns) == 2
        if view == "tree":  # in the dense view all rows change a little, by the scale
            np.testing.assert_allclose(one.values[5, columns], two.values[5, columns], rtol=1e-9)
            assert np.abs(one.values[:, columns] - two.values[:, columns]).max() > 0.1


def test_noise_of_many_levels_says_nothing_of_its_own_rows():
    rng = np.random.default_rng(0)
    places, y = rng.integers(100, size=400), rng.normal(size=(400, 1))
    _, own = promises(places, 100, y, np.ones(400), rng.permutation(400) % 5)
    assert abs(np.corrcoef(own.ravel(), y.ravel())[0, 1]) < 0.15


def test_promises_are_means_of_weighted_rows():
    places, weight = np.array([0, 0, 1, 1] * 50), np.array([1.0, 3.0, 1.0, 0.0] * 50)
    y = np.array([0.0, 4.0, 10.0, 99.0] * 50)[:, None]
    means, _ = promises(places, 2, y, weight, np.arange(200) % 5)
    np.testing.assert_allclose(means.ravel(), [3, 10], rtol=0.02)


def test_weights_are_as_good_as_repeated_rows(read_table):
    y, weight = targets(REGRESSION), np.ones(ROWS)
    weight[:40] = 0
    heavy, _ = fit_encoder(read_table, y, REGRESSION, 0, weight=weight)
    few, _ = fit_encoder(read_table.rows(np.arange(40, ROWS)), y[40:], REGRESSION, 0)
    many = {encoder.blocks[3].promise["town"].tobytes() for encoder in (heavy, few)}
    towns = [encoder.blocks[3].promise["town"] for encoder in (heavy, few)]
    assert len(many) <= 2
    np.testing.assert_allclose(*(part[: min(map(len, towns))] for part in towns), atol=0.25)


@pytest.mark.parametrize("lost", [1, "last"])
def test_what_the_fold_does_not_have_is_missing_there(read_table, lost):
    codes = read_table.codes["kind"]
    kept = codes != (codes.max() if lost == "last" else lost)
    encoder, _ = fit_encoder(read_table.rows(kept), targets(BINARY)[kept], BINARY, 0)
    matrix = encoder.transform(read_table, "tree")
    column = matrix.values[:, matrix.names.index("kind")]
    assert np.isnan(column[~kept]).all() and np.isnan(column[codes < 0]).all()
    assert set(column[kept & (codes >= 0)]) == {0.0, 1.0}


@pytest.mark.parametrize("lost", [7, "last"])
def test_of_many_levels_what_the_fold_does_not_have_promises_what_gaps_do(read_table, lost):
    codes = read_table.codes["town"]
    kept = codes != (codes.max() if lost == "last" else lost)
    encoder, _ = fit_encoder(read_table.rows(kept), targets(REGRESSION)[kept], REGRESSION, 0)
    matrix = encoder.transform(read_table, "tree")
    promise, count = (matrix.values[:, matrix.names.index(f"town {what}")] for what in ("promise", "count"))
    assert set(promise[~kept]) == set(promise[codes < 0])
    assert set(count[~kept]) == {0.0}


def test_of_very_many_numbers_those_that_tell_something_stay():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(60, 2500))
    frame = pd.DataFrame(values, columns=[f"c{n}" for n in range(2500)])
    rows = read(frame).table(frame)
    _, matrices = fit_encoder(rows, 2 * values[:, 7], REGRESSION, 0)
    assert matrices["tree"].values.shape == (60, 2000)
    assert "c7" in matrices["tree"].names


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_a_row_or_two_are_encoded_too(read_table, rows):
    encoder, matrices = fit_encoder(read_table.rows(np.arange(rows)), np.arange(rows) * 1.0, REGRESSION, 0)
    assert len(matrices["tree"]) == len(matrices["dense"]) == rows
    assert np.isfinite(encoder.transform(read_table, "dense").values).all()


def test_extreme_numbers_stay_within_bounds():
    frame = pd.DataFrame(
        {"c": [1e300, -1e300, 1e-300, 0.0, np.nan, 5.0], "d": [1e16, 1e16 + 2, 1e16, 1e16, 1e16, 1e16]}
    )
    rows = read(frame).table(frame)
    _, matrices = fit_encoder(rows, np.arange(6.0), REGRESSION, 0, narrow=True)
    assert matrices["dense"].values.dtype == np.float32
    assert np.isfinite(matrices["dense"].values).all()
    assert np.isfinite(matrices["tree"].values[[0, 1, 2, 3, 5]]).all()


def test_a_ratio_by_zero_and_a_product_out_of_range_are_missing():
    pairs = Pairs(np.array([0, 0]), np.array([1, 1]), np.array([3, 2]))
    np.testing.assert_array_equal(pairs(np.array([[1.0, 0.0], [1e200, 1e200]])), [[np.nan, 0.0], [1.0, np.nan]])
