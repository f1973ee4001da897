"""What columns are taken for, whatever order they and their rows come in."""

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilter.automl.reading import Reading, Table, read
from kilter.core.errors import InvalidInput, UnknownName

DAY = pd.Timestamp("2020-02-29")

column = st.one_of(
    st.lists(st.one_of(st.none(), st.floats()), min_size=12, max_size=12),
    st.lists(st.integers(-(10**6), 10**6), min_size=12, max_size=12),
    st.lists(st.one_of(st.none(), st.booleans()), min_size=12, max_size=12),
    st.lists(st.one_of(st.none(), st.text(max_size=8)), min_size=12, max_size=12),
    st.lists(
        st.one_of(st.none(), st.sampled_from(["a b c", "b c d", "1", "2020-01-03", "?"])), min_size=12, max_size=12
    ),
    st.lists(st.one_of(st.none(), st.datetimes(datetime.datetime(1800, 1, 1))), min_size=12, max_size=12),
    st.lists(st.one_of(st.integers(), st.text(max_size=3), st.none(), st.just([1])), min_size=12, max_size=12),
).map(lambda values: pd.Series(values, dtype=object).infer_objects())
frames = st.lists(column, min_size=1, max_size=5).map(
    lambda parts: pd.DataFrame({f"c{place}": part for place, part in enumerate([pd.Series(range(12)) % 5, *parts])})
)


def same(one: Table, two: Table) -> None:
    """Raise where two tables differ."""
    assert one.names == two.names
    np.testing.assert_array_equal(one.numbers, two.numbers)
    for mine, yours in ((one.dates, two.dates), (one.codes, two.codes)):
        assert list(mine) == list(yours)
        for name in mine:
            np.testing.assert_array_equal(mine[name], yours[name])
    assert list(one.words) == list(two.words)
    for name in one.words:
        np.testing.assert_array_equal(one.words[name].toarray(), two.words[name].toarray())


def test_rows_are_put_together_column_by_column():
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": ["x", "y", None], "c": [DAY, None, DAY + pd.Timedelta("1D")]})
    places = {"a": np.array([2, 0]), "b": np.array([1, 2]), "c": np.array([0, 2])}
    wanted = pd.DataFrame({"a": [3.0, 1.0], "b": ["y", None], "c": [DAY, DAY + pd.Timedelta("1D")]})
    reading = read(frame)
    same(reading.table(frame).mixed(places), reading.table(wanted))


@settings(max_examples=60, deadline=None)
@given(frames, st.randoms(use_true_random=False))
def test_any_frame_is_read_the_same_in_any_order_and_after_a_round_trip(frame, random):
    reading = read(frame)
    table = reading.table(frame)
    order = random.sample(range(len(frame)), len(frame))
    mixed = frame.iloc[order, ::-1].assign(more=1)
    same(reading.table(mixed), table.rows(np.array(order)))
    same(Reading.from_state(reading.state()).table(frame), table)
    again = read(frame.iloc[order])
    assert {c.name: (c.kind, c.levels, c.words) for c in again.columns} == {
        c.name: (c.kind, c.levels, c.words) for c in reading.columns
    }
    assert not np.isinf(table.numbers).any()
    same(table.mixed(dict.fromkeys(reading.names, np.array(order))), table.rows(np.array(order)))
    same(table.rows(np.arange(5)).beside(table.rows(np.arange(5, len(table)))), table)


CASES = {
    "integers": ([3, 1, 2, 3], "number"),
    "booleans": ([True, False, True, None], "number"),
    "texts that are numbers": (["1", " 2.5", "1,250", "$3", "-", None], "number"),
    "codes": (["01234", "99999", "01234"], "category"),
    "fractions from zero": (["0.5", "00.5", "0"], "number"),
    "decimal commas": (["3,5", "1.234,50", "-0,25", "7", "-", None], "number"),
    "versions": (["1.250.300", "1.250.301", "1.250.300"], "category"),
    "numbers beyond all": ([10**400, 1, 2, float("inf")], "number"),
    "decimals": ([Decimal("1.5"), Decimal(2), None], "number"),
    "durations": ([pd.Timedelta(hours=12), pd.Timedelta(days=1), pd.NaT], "number"),
    "levels": (["a", "b", None, "a"], "category"),
    "numbers and texts": ([1, "a", 2, "b"], "category"),
    "ISO dates": (["2020-01-31", "2021-02-01", None], "date"),
    "ISO moments": (["2020-01-31T10:00:00Z", "2021-02-01T10:30:00+02:00", "?"], "date"),
    "days first": (["31/01/2020", "01/02/2021", "05/06/2021"], "date"),
    "dates": ([datetime.date(2020, 1, 1), datetime.date(1, 1, 1), None], "date"),
    "moments in zones": ([DAY.tz_localize("Europe/Berlin"), DAY.tz_localize("Asia/Tokyo")], "date"),
    "periods": (pd.period_range("2020-01", periods=3, freq="M"), "date"),
    "categories": (pd.Categorical(["x", "y", None], categories=["x", "y", "z"]), "category"),
    "intervals": (pd.cut(pd.Series([1, 2, 3]), 2), "category"),
    "nullable": (pd.array([1, None, 3], dtype="Int64"), "number"),
    "sparse": (pd.arrays.SparseArray([0.0, 0.0, 1.0]), "number"),
    "texts": ([f"room {n % 7} with a view of {n}" for n in range(60)], "text"),
    "words of one kind": ([f"key-{n:03}" for n in range(60)], "drop"),
    "constant": ([1.0, 1.0, 1.0], "drop"),
    "one value and gaps": ([1.0, None, 1.0], "number"),
    "no category": (pd.Categorical([None, None, None], categories=["x"]), "drop"),
    "nothing": ([None, None, None], "drop"),
    "lists": ([[1], [2], None], "drop"),
    "complex": ([1j, 2j, 3j], "drop"),
}


@pytest.mark.parametrize(("values", "kind"), CASES.values(), ids=CASES)
def test_a_column_is_taken_for(values, kind):
    frame = pd.DataFrame({"c": values})
    frame["other"] = np.arange(len(frame)) % 3
    reading = read(frame)
    assert reading.columns[0].kind == kind, reading.columns[0]
    assert reading.columns[0].reason
    assert len(reading.table(frame)) == len(frame)


def test_whether_days_come_first_is_decided_once():
    frame = pd.DataFrame({"d": ["01/02/2021", "31/01/2020", "03/04/2021"]})
    new = ["02/01/2020", "2020-01-02", datetime.date(2020, 1, 2), pd.Timestamp("2020-01-02"), "02/13/2020"]
    days = read(frame).table(pd.DataFrame({"d": pd.Series(new, dtype=object)})).dates["d"]
    assert (days[:4] == (np.datetime64("2020-01-02") - np.datetime64("1970-01-01")).astype(int)).all()
    assert np.isnan(days[4])


@pytest.mark.parametrize(("text", "day"), [("01/02/2020", "2020-01-02"), ("01.02.2020", "2020-02-01")])
def test_where_days_could_come_first_or_second_the_sign_between_them_says(text, day):
    frame = pd.DataFrame({"d": [text, text.replace("01", "03")]})
    days = read(frame).table(frame).dates["d"]
    assert days[0] == (np.datetime64(day) - np.datetime64("1970-01-01")).astype(int)


def test_what_rises_from_row_to_row_is_kept_and_that_is_nothing_to_tell():
    reading = read(pd.DataFrame({"id": range(100)}))
    assert "identifiers" in reading.columns[0].reason
    assert reading.notices == ()


def test_of_many_words_the_most_frequent_are_known(monkeypatch):
    monkeypatch.setattr("kilter.automl.reading.MOST_WORDS", 2)
    frame = pd.DataFrame({"note": [f"a {'b' if n % 2 else 'c'} {n}" for n in range(60)]})
    assert read(frame, {"note": "text"}).columns[0].words == ("a", "a b")


def test_zones_are_one_clock_and_infinite_is_missing_and_said():
    frame = pd.DataFrame({"t": [DAY.tz_localize("UTC"), (DAY + pd.Timedelta(hours=3)).tz_localize("UTC")]})
    frame["n"] = [np.inf, 1.0]
    reading = read(frame)
    table = reading.table(frame.assign(t=frame["t"].dt.tz_convert("Asia/Tokyo")))
    assert np.diff(table.dates["t"]) == pytest.approx(3 / 24)
    assert np.isnan(table.numbers[0, 0])
    assert "'n'" in reading.notices[0]


def test_unknown_levels_and_words_are_missing_ones():
    notes = [f"a fine house near lake {n % 3}" for n in range(60)]
    frame = pd.DataFrame({"level": ["x", "y"] * 30, "note": [f"{note} {n}" for n, note in enumerate(notes)]})
    table = read(frame).table(pd.DataFrame({"level": ["z", "x", None], "note": ["nothing of it", "a lake", None]}))
    assert table.codes["level"].tolist() == [-1, 0, -1]
    np.testing.assert_allclose((table.words["note"] ** 2).sum(axis=1), [0, 1, 0])
    assert np.diff(table.words["note"].indptr).tolist() == [0, 2, 0]


def test_numbers_as_levels_are_the_same_when_a_gap_makes_them_floats():
    reading = read(pd.DataFrame({"zip": [8001, 3011, 8001], "n": [1, 2, 3]}), {"zip": "category"})
    assert reading.columns[0].levels == ("3011", "8001")
    assert reading.table(pd.DataFrame({"zip": [8001.0, None], "n": [1, 1]})).codes["zip"].tolist() == [1, -1]


@pytest.mark.parametrize("kind", ["number", "category", "text", "date", "drop"])
def test_what_is_said_of_a_column_is_so_where_it_can_be(kind):
    frame = pd.DataFrame({"c": ["12 a", "13 a", "2020-01-01", "a"] * 3, "n": range(12)})
    found = read(frame, {"c": kind}).columns[0]
    assert found.kind in {kind, "drop"}
    assert kind == "number" or found.kind == kind


def test_missing_columns_and_unknown_names_are_named():
    frame = pd.DataFrame({"age": [1, 2], "constant": [1, 1]})
    reading = read(frame)
    assert len(reading.table(frame[["age"]])) == 2
    with pytest.raises(InvalidInput, match="no column 'age'"):
        reading.table(frame[["constant"]])
    with pytest.raises(UnknownName, match="did you mean 'age'"):
        read(frame, {"aged": "number"})
    with pytest.raises(UnknownName, match="did you mean 'category'"):
        read(frame, {"age": "categorical"})
    with pytest.raises(InvalidInput, match=r"no column is left to learn from: .* in all rows"):
        read(frame[["constant"]])


def test_what_is_dropped_is_told_unless_it_says_nothing():
    frame = pd.DataFrame({"list": [[1], [2]] * 30, "key": [f"k{n}" for n in range(60)], "one": 1, "n": range(60)})
    notices = read(frame, {"n": "number"}).notices
    assert ["list" in notices[0], "is an identifier" in notices[1], len(notices)] == [True, True, 2]
    many = read(frame[["n"]].join(pd.DataFrame({f"k{n}": frame["key"] for n in range(12)})))
    assert len(many.notices) == 11 and many.notices[-1].startswith("2 more columns were dropped")
    assert read(frame[["key", "n"]], {"key": "drop"}).notices == ()


def test_decimal_commas_are_read_alike_later_and_after_a_round_trip():
    reading = read(pd.DataFrame({"n": ["3,5", "1.234,50", "7,25"]}))
    new = pd.DataFrame({"n": ["1.000,5", "2,125", "3.5", 4.5, "x", True]})
    for each in (reading, Reading.from_state(reading.state())):
        np.testing.assert_array_equal(each.table(new).numbers[:, 0], [1000.5, 2.125, 3.5, 4.5, np.nan, 1])
    said = read(pd.DataFrame({"n": ["3,5 m", "1,5", "4,5"]}), {"n": "number"})
    assert said.table(pd.DataFrame({"n": ["2,5"]})).numbers[0, 0] == 2.5


TRAINED = pd.DataFrame(
    {
        "number": np.arange(60) % 7 / 2,
        "truth": np.arange(60) % 3 == 0,
        "date": pd.date_range("2020-01-01", periods=60).strftime("%d/%m/%Y"),
        "level": ["Yes", "No"] * 30,
        "text": [f"a house with {n % 5} rooms, {n}" for n in range(60)],
    }
)
OTHERWISE = {
    "number": ("3,14", "abc", pd.Timestamp("2020-01-01")),
    "truth": ("yes",),
    "date": ("01/2020", 20_000_000_000),
    "level": ("yes", 5),
    "text": (5, "nothing"),
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in OTHERWISE.items() for value in values])
def test_a_column_of_which_nothing_can_be_read_is_named_with_a_value(name, value):
    reading = read(TRAINED)
    with pytest.warns(UserWarning, match=f"'{name}' can be read as the .* in training, as '{value}") as told:
        reading.table(TRAINED.assign(**{name: value}))
    assert len(told) == 1


@pytest.mark.filterwarnings("error")
def test_what_is_missing_or_known_or_new_in_a_few_rows_is_no_news():
    reading = read(TRAINED)
    few = TRAINED.iloc[:3].astype({"truth": str})
    assert reading.table(few.assign(level="new", text="new")).numbers[:, 1].tolist() == [1, 0, 0]
    for nothing in (None, np.nan, "?", "unknown", np.inf):
        reading.table(TRAINED.assign(number=nothing, date=nothing))


def test_columns_of_which_a_file_is_not_to_be_parsed():
    frame = pd.DataFrame(
        {"zip": ["01000", "2000"] * 30, "floor": [1.0, 2.5] * 30, "note": TRAINED["text"], "n": range(60)}
    )
    frame["grade"] = ["1.0", "A"] * 30
    reading = read(frame, {"floor": "category"})
    assert reading.kind("category")[1].levels == ("1", "2.5")
    assert reading.texts == ("zip", "note", "grade")


def test_whole_numbers_that_may_be_those_of_rows_are_told_of_and_kept():
    chance = np.random.default_rng(0)
    frame = pd.DataFrame({"PassengerId": chance.permutation(250)[:100], "age": chance.integers(0, 90, 100)})
    reading = read(frame)
    assert [column.kind for column in reading.columns] == ["number", "number"]
    assert "another one in each row" in reading.columns[0].reason and reading.columns[1].reason == "numbers"
    assert len(reading.notices) == 1 and "'PassengerId'" in reading.notices[0]
    assert read(frame, {"PassengerId": "number"}).notices == ()
