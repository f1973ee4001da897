"""What is exported predicts the same to 1e-9, in a process that has no kilter."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest

from kilter.automl import Classifier, Regressor
from kilter.automl.export import columns_of, exported
from kilter.automl.model import Part
from kilter.automl.reading import Reading, read
from kilter.core.errors import InvalidInput

N = 120
CHANCE = np.random.default_rng(0)


def dates(form: str, count: int) -> list[str]:
    return [f"{day:{form}}" for day in pd.Timestamp("2001-02-03") + pd.to_timedelta(CHANCE.integers(0, count, N), "D")]


FRAME = pd.DataFrame(
    {
        "size": np.where(CHANCE.random(N) < 0.1, np.nan, CHANCE.normal(size=N)),
        "whole": CHANCE.integers(0, 2**40, N),
        "is it": CHANCE.random(N) < 0.5,
        "town": CHANCE.choice(["Bern", " Ulm", "Graz", "N/A", None], N),
        "moment": pd.Timestamp("2024-01-01 07:30") + pd.to_timedelta(CHANCE.integers(0, 9000, N), "h"),
        "day__": dates("%d.%m.%Y", 900),
        "text of number": [f"{value:.2f}" for value in CHANCE.normal(size=N)],
        "comma": [f"{value:,.2f}".translate({44: ".", 46: ","}) for value in 3000 * CHANCE.normal(size=N)],
        "money": [f"${value:,.2f}" for value in 5000 * CHANCE.random(N)],
        "street": CHANCE.choice([f"Street {place}" for place in range(45)], N),
        "note": CHANCE.choice(["a quiet old house", "near the loud new road", "old road by the house", None], N),
        "class": CHANCE.choice([1.0, 2.0, 10.0], N),
        "mixed": CHANCE.choice(np.array(["a", 2.0, 3, None], dtype=object), N),
        "zip": CHANCE.choice([f"{place:05d}" for place in range(9)], N),
    }
)
VALUE = FRAME["size"].fillna(0) + 2 * (FRAME["town"] == "Bern") + CHANCE.normal(size=N) / 3
NEW = FRAME.iloc[::-1].reset_index(drop=True)
NEW.loc[:5, "town"] = ["Wien", None, "", "Bern ", "BERN", "Graz"]
NEW.loc[:2, "street"] = ["Street 99", "Street 1", None]
NEW.loc[:2, "size"] = [np.inf, -np.inf, 1e9]
NEW.loc[:1, "moment"] = [pd.Timestamp("1931-12-31 23:59:59"), pd.NaT]
TASKS: dict[str, tuple[type, Any]] = {
    "regression": (Regressor, np.exp(VALUE)),
    "binary": (Classifier, np.where(VALUE > 0.5, "yes", "no")),
    "multiclass": (Classifier, np.digitize(VALUE, [-0.3, 0.5]) + 3),
}


def every(model: Any) -> Any:
    """The model with all that was tried in it, though it may not have earned a weight, and with a calibration."""
    candidates = model.outcome_.candidates
    views = {name: member.view for name, member in model.outcome_.course.members.items()}
    parts = [
        Part(each.member, views[each.member], 1 / len(candidates), each.target, each.fitted, each.params)
        for each in candidates
    ]
    encoders = model.model_.encoders[: len(parts[0].fitted)]
    model.model_ = replace(model.model_, encoders=encoders, parts=parts, temperature=0.8, threshold=0.3)
    return model


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    columns = {"class": "category", "zip": "category"}
    return {task: every(kind(n_models=5, folds=2, columns=columns).fit(FRAME, y)) for task, (kind, y) in TASKS.items()}


@pytest.fixture(params=list(TASKS))
def model(request: pytest.FixtureRequest, models: dict[str, Any]) -> Any:
    return models[request.param]


def shown(model: Any, frame: pd.DataFrame) -> np.ndarray:
    return np.asarray(model.predict_proba(frame) if hasattr(model, "classes_") else model.predict(frame))


def test_it_predicts_the_same_of_old_and_new_rows(model: Any) -> None:
    pipeline = model.export(FRAME)
    assert {part.member for part in model.model_.parts} == {"lightgbm", "mlp", "linear", "lightgbm_pairs"}
    np.testing.assert_allclose(shown(pipeline, NEW), shown(model, NEW), rtol=1e-9, atol=1e-12)
    assert (pipeline.predict(NEW) == model.predict(NEW)).all() or not hasattr(model, "classes_")


ALONE = """
import sys
sys.modules["kilter"] = None  # an import of it fails
import joblib, numpy, warnings
warnings.simplefilter("error")  # as continuous integration may have it
for pipeline, frame, wanted in joblib.load(sys.argv[1]):
    found = pipeline.predict_proba(frame) if hasattr(pipeline, "classes_") else pipeline.predict(frame)
    numpy.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12)
assert not [name for name in sys.modules if name.startswith("kilter.")]
print("equal")
"""


def test_it_does_so_without_a_warning_in_a_process_without_kilter(models: dict[str, Any], tmp_path: Path) -> None:
    joblib.dump([(model.export(), NEW, shown(model, NEW)) for model in models.values()], tmp_path / "all.joblib")
    command = [sys.executable, "-c", ALONE, str(tmp_path / "all.joblib")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.stdout.strip() == "equal", done.stderr


def test_an_array_is_taken_by_place() -> None:
    values = np.column_stack([FRAME["size"], VALUE, FRAME["class"]])
    model = Regressor(n_models=3, folds=2).fit(values, VALUE)
    assert len(model.model_.encoders) == 3  # with a refit, which is behind an encoder of all rows
    np.testing.assert_allclose(model.export().predict(values), model.predict(values), rtol=1e-9)


ROUNDING = {
    "texts of three kinds": [f"the {['red', 'blue', 'green'][place % 3]} house {place}" for place in range(N)],
    "six and eighteen": pd.Timestamp("2024-01-01 06:00") + pd.to_timedelta(np.arange(N) % 9 * 12, "h"),
}


@pytest.mark.parametrize("name", ROUNDING)
def test_what_differs_by_rounding_alone_is_one_value(name: str) -> None:
    frame = pd.DataFrame({"size": VALUE + CHANCE.normal(size=N), "other": ROUNDING[name]})
    model = Classifier(n_models=1, folds=2, members=["linear"]).fit(frame, VALUE > 0)
    encoder = model.model_.encoders[0]
    assert encoder.scaling.scale[encoder.scaling.kept].min() > 1e-6
    np.testing.assert_allclose(shown(model.export(), frame), shown(model, frame), rtol=1e-9, atol=1e-12)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_narrow_encoders_and_pairs_are_exported_too() -> None:
    some = FRAME[["size", "class", "town"]]
    model = every(Regressor(n_models=1, folds=2, members=["lightgbm"]).fit(some, VALUE))
    table, encoders = model.outcome_.data.table, []
    for encoder in model.model_.encoders:
        narrow = replace(encoder, narrow=True)
        encoders.append(narrow.with_pairs(narrow.transform(table, "tree"), VALUE.to_numpy(), model.model_.task, 0)[0])
    tree, pairs = (encoders[0].transform(table, view).values for view in ("tree", "pairs"))
    assert tree.dtype == np.float32
    assert pairs.shape[1] > tree.shape[1]
    from kilter.automl.export import encoding

    made, places = columns_of(model.model_.reading, is_array=False)
    for view in ("tree", "pairs", "dense"):
        found = encoding(encoders[0], view, model.model_.reading, places).transform(made.transform(some))
        np.testing.assert_array_equal(found, encoders[0].transform(table, view).values)


def test_it_says_where_a_pipeline_would_read_otherwise(model: Any) -> None:
    other = NEW.assign(**{"class": "2.0"})  # a text that is another level than the number 2
    with pytest.raises(InvalidInput, match="predicts otherwise, most of all row"):
        model.export(other)


def test_what_has_no_estimator_is_refused(model: Any) -> None:
    class Strange:
        def estimator(self) -> Any:
            raise InvalidInput("there is none")

    part = replace(model.model_.parts[0], fitted=[Strange(), Strange()])
    with pytest.raises(InvalidInput, match="there is none"):
        exported(replace(model.model_, parts=[part]), is_array=False)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_numbers_of_any_size_are_learned_from_without_a_warning() -> None:
    frame = pd.DataFrame({"size": VALUE, "far": np.where(np.arange(N) % 2, 1e308, -1e308)})
    model = Classifier(n_models=2, folds=2, members=["linear", "lightgbm"]).fit(frame, VALUE > 0)
    np.testing.assert_allclose(shown(model.export(), frame), shown(model, frame), rtol=1e-9, atol=1e-12)


STRANGE_VALUES: dict[str, Any] = {
    "periods": pd.period_range("2020-01", periods=60, freq="M"),
    "durations": pd.to_timedelta(np.arange(60), "h"),
    "durations, as objects": pd.Series(list(pd.to_timedelta(np.arange(60), "h")), dtype=object),
    "durations, of Arrow": pd.Series(pd.to_timedelta(np.arange(60), "s")).astype("duration[s][pyarrow]"),
    "far dates": [f"{year:04d}-01-01" for year in range(1850, 1910)],
    "bytes": pd.Series([b"a", b"b"] * 30, dtype=object),
    "bytes, of Arrow": pd.Series([b"a", b"b"] * 30).astype("binary[pyarrow]"),
    "broken letters": pd.Series(["a\ud800", "b"] * 30, dtype=object),
    "numbers beyond all": pd.Series([10**400, *range(59)], dtype=object),
}


@pytest.mark.parametrize("what", STRANGE_VALUES)
def test_what_only_kilter_reads_is_refused_by_name(what: str) -> None:
    frame = pd.DataFrame({"size": np.arange(60) / 3, "other": STRANGE_VALUES[what]})
    with pytest.raises(InvalidInput, match=rf"'other' \({what.split(', ', maxsplit=1)[0]}: "):
        columns_of(read(frame), is_array=False)
    with pytest.raises(InvalidInput, match="'other'"):
        columns_of(Reading.from_state(read(frame).state()), is_array=False)
    columns_of(read(frame, {"other": "drop"}), is_array=False)
