"""A model is a function of its parts: it mixes them as they weigh, whatever the order and number of rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from kilter.automl import model as model_module
from kilter.automl import saving
from kilter.automl.encoding import fit_encoder
from kilter.automl.members import MEMBERS
from kilter.automl.members.member import Rows
from kilter.automl.model import Model, Part
from kilter.automl.reading import read
from kilter.automl.target import Target, targets
from kilter.automl.task import Task
from kilter.core.errors import InvalidInput

N = 90
CHANCE = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "size": np.where(CHANCE.random(N) < 0.1, np.nan, CHANCE.normal(size=N)),
        "town": CHANCE.choice(["Bern", "Ulm", "Graz", None], N),
        "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(CHANCE.integers(0, 400, N), unit="D"),
        "note": CHANCE.choice(["a quiet old house", "near the loud new road", "old road by the house"], N),
    }
)
TASKS = {
    "regression": (Task("regression"), np.exp(CHANCE.normal(size=N)) + FRAME["size"].fillna(0).to_numpy() ** 2),
    "binary": (Task("binary", ("no", "yes")), (FRAME["size"].fillna(0) > 0).to_numpy().astype(np.int64)),
    "multiclass": (Task("multiclass", (1, 2, 3)), CHANCE.integers(0, 3, N)),
}


@pytest.fixture(scope="module", params=list(TASKS))
def model(request: pytest.FixtureRequest) -> Model:
    """Two folds of all three members."""
    task, y = TASKS[request.param]
    reading = read(FRAME)
    table, places = reading.table(FRAME), np.arange(N)
    scale = list(targets(task, y).values())[-1]
    encoders, fitted = [], {name: [] for name in MEMBERS}
    for fold in range(2):
        train, valid = places[places % 2 != fold], places[places % 2 == fold]
        encoder, matrices = fit_encoder(table.rows(train), y[train], task, fold, ("tree", "dense", "pairs"))
        encoders.append(encoder)
        for name, member in MEMBERS.items():
            target = scale if name == "linear" else Target()
            held = encoder.transform(table.rows(valid), member.view)
            rows = Rows(matrices[member.view], target.learned(y[train])), Rows(held, target.learned(y[valid]))
            params = {"epochs": 5} if name == "mlp" else {}
            fitted[name].append(member.fit(params, *rows, task, 0, lambda: 9.0))
    weights = dict(zip(MEMBERS, [0.5, 0.2, 0.3], strict=False))
    parts = [
        Part(name, MEMBERS[name].view, weights[name], scale if name == "linear" else Target(), fitted[name])
        for name in weights
    ]
    return Model(task, reading, encoders, parts)


def test_it_comes_back_from_a_file_to_the_last_bit(model: Model, tmp_path: object) -> None:
    other = replace(model, temperature=0.8, threshold=0.4)
    saving.write(f"{tmp_path}/model.zip", other.state(), "model")
    back = Model.from_state(saving.read(f"{tmp_path}/model.zip", "model"), MEMBERS)
    assert back.predict(FRAME).tobytes() == other.predict(FRAME).tobytes()
    assert (back.task, back.temperature, back.threshold) == (other.task, 0.8, 0.4)
    assert back.state().values == other.state().values


def test_rows_are_predicted_one_by_one_and_in_any_order(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = model.predict(FRAME)
    order = np.random.default_rng(1).permutation(N)
    near = {"rtol": 1e-5, "atol": 1e-6}  # a network's sums depend on how many rows stand side by side
    np.testing.assert_allclose(model.predict(FRAME.iloc[order]), whole[order], **near)
    np.testing.assert_allclose(model.predict(FRAME.iloc[7:8]), whole[7:8], **near)
    monkeypatch.setattr(model_module, "BLOCK", 40)
    np.testing.assert_allclose(model.predict(FRAME), whole, **near)


def test_columns_are_found_by_name_and_those_that_are_missing_are_named(model: Model) -> None:
    shuffled = FRAME[["note", "day", "size", "town"]].assign(more=1)
    np.testing.assert_array_equal(model.predict(shuffled), model.predict(FRAME))
    with pytest.raises(InvalidInput, match="'day'"):
        model.predict(FRAME.drop(columns="day"))


def test_the_whole_is_the_mean_of_its_folds(model: Model) -> None:
    table = model.reading.table(FRAME)
    folds = [model.predict_fold(table, place) for place in range(2)]
    np.testing.assert_allclose(np.mean(folds, axis=0), model.predict(FRAME), rtol=1e-12)


def test_shares_say_what_models_of_a_part_count(model: Model) -> None:
    table = model.reading.table(FRAME)
    parts = [replace(part, shares=(0.25, 0.75)) for part in model.parts]
    first, second = (model.predict_fold(table, place) for place in range(2))
    mixed = replace(model, parts=parts).predict(FRAME)
    np.testing.assert_allclose(mixed, 0.25 * first + 0.75 * second, rtol=1e-12)


def test_probabilities_sum_to_one_and_values_stay_in_range(model: Model) -> None:
    predictions = model.predict(FRAME)
    if model.task.is_regression:
        target = model.parts[-1].target
        only = replace(model, parts=[replace(model.parts[-1], weight=1.0)]).predict(FRAME)
        assert predictions.shape == (N,)
        assert (only >= target.lower).all()
        assert (only <= target.upper).all()
    else:
        assert predictions.shape == (N, model.task.width)
        np.testing.assert_allclose(replace(model, temperature=0.5).predict(FRAME).sum(axis=1), 1.0)


def test_a_threshold_moves_decisions(model: Model) -> None:
    if model.task.kind != "binary":
        pytest.skip("thresholds are of two classes")
    predictions = model.predict(FRAME)
    for threshold in (0.2, 0.5, 0.9):
        decided = replace(model, threshold=threshold).places(predictions)
        np.testing.assert_array_equal(decided, predictions[:, 1] > threshold)
