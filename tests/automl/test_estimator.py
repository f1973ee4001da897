"""Classifier and Regressor in scikit-learn's words: what they check, tell, keep in a file, and refuse."""

from __future__ import annotations

import inspect
import math
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import psutil
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator

from kilter.automl import Classifier, Regressor, load, saving
from kilter.automl.data import class_weights
from kilter.automl.state import State
from kilter.automl.task import Task
from kilter.core.errors import InvalidInput, NotReady, UnknownArgument, UnknownName

N = 120
CHANCE = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "size": np.where(CHANCE.random(N) < 0.1, np.nan, CHANCE.normal(size=N)),
        "town": CHANCE.choice(["Bern", "Ulm", "Graz"], N),
        "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(CHANCE.integers(0, 400, N), unit="D"),
        "id": [f"a{place}" for place in range(N)],
    }
)
PRICE = FRAME["size"].fillna(0) * 2 + (FRAME["town"] == "Ulm")
SOLD = np.where(PRICE > 0.3, "yes", "no")
QUICK: dict[str, Any] = {"n_models": 2, "members": ["linear", "lightgbm"], "folds": 2}


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier(**QUICK).fit(FRAME, SOLD)


@pytest.fixture(scope="module")
def regressor() -> Regressor:
    return Regressor(**QUICK).fit(FRAME.assign(price=PRICE), "price")


@pytest.fixture(params=["classifier", "regressor"])
def fitted(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def predicted(model: Any, frame: Any = FRAME) -> bytes:
    found = model.predict_proba(frame) if hasattr(model, "predict_proba") else model.predict(frame)
    return np.ascontiguousarray(found).tobytes()


REASONS = {
    "check_sample_weight_equivalence_on_dense_data": "a row of weight 2 is in one fold, two rows are in two",
}
"""Checks of scikit-learn that fail, and why; its own estimators with folds inside fail them too."""


@pytest.mark.parametrize("kind", [Classifier, Regressor])
def test_scikit_learn_finds_nothing_wrong(kind: type) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        checks = check_estimator(
            kind(n_models=1, folds=2, members=["linear"]), on_fail=None, on_skip=None, expected_failed_checks=REASONS
        )
    assert {each["check_name"]: each["exception"] for each in checks if each["status"] == "failed"} == {}


def test_parameters_are_stored_as_they_are_and_shared() -> None:
    names = set(inspect.signature(Classifier).parameters) - set(inspect.signature(Regressor).parameters)
    assert names == {"threshold", "class_weight"}
    assert clone(Classifier(n_models=3, columns={"size": "number"})).get_params()["columns"] == {"size": "number"}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"time_limit": 0}, "time_limit=0: give a number above 0"),
        ({"time_limit": "60s"}, "time_limit='60s'"),
        ({"time_limit": None}, "nothing else ends a fit"),
        ({"time_limit": 5, "n_models": 2}, "not both"),
        ({"n_models": 1.5}, "n_models=1.5: give a whole number"),
        ({"preset": "bestt"}, "did you mean 'best'"),
        ({"members": ["lightgmb"]}, "did you mean 'lightgbm'"),
        ({"metric": "roc_aux"}, "did you mean 'roc_auc'"),
        ({"columns": {"sise": "number"}}, "did you mean 'size'"),
        ({"columns": {"size": "numeric"}}, "number"),
        ({"n_jobs": 0}, "n_jobs=0"),
        ({"memory_limit": -1}, "memory_limit=-1"),
        ({"memory_limit": "2GB"}, "a number of bytes, as 2e9"),
        ({"metric": "AUC"}, "it is called 'roc_auc'"),
        ({"metric": lambda y, predictions: 0.0}, "make_scorer makes a scorer of it"),
        ({"max_predict_ms": 0}, "max_predict_ms=0"),
        ({"threshold": 1.5}, "threshold=1.5"),
    ],
)
def test_a_wrong_value_is_named_with_what_to_do(parameters: dict[str, Any], message: str) -> None:
    limits = {} if {"time_limit", "n_models"} & parameters.keys() else {"n_models": 1}
    with pytest.raises((InvalidInput, UnknownName), match=message):
        Classifier(**parameters, **limits).fit(FRAME, SOLD)


def test_a_word_of_others_is_answered_with_ours() -> None:
    with pytest.raises(UnknownArgument, match=r"no 'timeout': it is called time_limit="):
        Classifier(timeout=5)


def test_what_to_be_wary_of_is_logged_unless_it_is_to_be_silent(caplog: pytest.LogCaptureFixture) -> None:
    frame = FRAME[["size", "town"]].assign(leak=(SOLD == "yes") + 0.0)
    one: dict[str, Any] = {"n_models": 1, "members": ["linear"], "folds": 2}
    Classifier(**one, verbose=False).fit(frame, SOLD)
    assert caplog.messages == []
    model = Classifier(**one, metric="recall", memory_limit=1, threshold=0.001).fit(FRAME[["day"]], SOLD)
    assert caplog.messages == list(model.notices_) and model.threshold_ == 0.001
    told = ("memory_limit is enough for 0 of 120 rows", "of the rows are predicted to be 'yes'")
    assert all(words in notice for words, notice in zip(told, model.notices_, strict=True))


def test_it_is_not_fitted_before_fit() -> None:
    for asked in (lambda m: m.predict(FRAME), lambda m: m.leaderboard(), lambda m: m.save("x"), lambda m: m.columns_):
        with pytest.raises(NotFittedError):
            asked(Regressor())


def test_labels_are_those_that_were_given(classifier: Classifier) -> None:
    assert classifier.classes_.tolist() == ["no", "yes"]
    assert set(classifier.predict(FRAME)) <= {"no", "yes"}
    assert classifier.score(FRAME, SOLD) > 0.8


def test_it_says_what_it_is_worth_and_what_it_tried(fitted: Any) -> None:
    low, high = fitted.score_estimate_.interval
    assert low < fitted.score_estimate_.value < high
    board = fitted.leaderboard()
    assert set(board["member"]) == {"lightgbm", "linear"}
    assert board["weight"].sum() == pytest.approx(1)
    assert board["weight"].is_monotonic_decreasing
    assert (board["predict_ms"] > 0).tolist() == (board["weight"] > 0).tolist()
    assert fitted.n_models_ == 2
    assert len(fitted.study_.trials) == 2
    kinds = fitted.columns_.set_index("name")["kind"].to_dict()
    assert kinds == {"size": "number", "town": "category", "day": "date", "id": "drop"}


def test_the_same_seed_gives_the_same_predictions_to_the_last_bit(fitted: Any) -> None:
    y = SOLD if isinstance(fitted, Classifier) else PRICE
    assert predicted(clone(fitted).fit(FRAME, y)) == predicted(fitted)


def test_a_file_and_a_pickle_bring_back_the_same_model(fitted: Any, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model.zip")
    for back in (load(tmp_path / "model.zip"), pickle.loads(pickle.dumps(fitted))):
        assert predicted(back) == predicted(fitted)
        assert back.get_params() == fitted.get_params()
        assert str(back.score_estimate_) == str(fitted.score_estimate_)
        pd.testing.assert_frame_equal(back.leaderboard(), fitted.leaderboard())
        pd.testing.assert_frame_equal(back.columns_, fitted.columns_)
        assert back.feature_names_in_.tolist() == fitted.feature_names_in_.tolist()
        with pytest.raises(NotReady, match="needs the table"):
            back.refine(1)


def test_a_file_has_neither_rows_nor_where_the_study_is(tmp_path: Path) -> None:
    place = f"{tmp_path}/secret.db"
    Regressor(**QUICK, storage=place, study_name="mine").fit(FRAME, PRICE).save(tmp_path / "model.zip")
    assert load(tmp_path / "model.zip").storage is None
    values = str(saving.read(tmp_path / "model.zip", "model").values)
    assert "secret" not in values
    assert "a17" not in values  # an identifier of a row


def test_what_kilter_did_not_write_is_refused_even_where_the_sums_fit(classifier: Classifier, tmp_path: Path) -> None:
    saving.write(tmp_path / "other.zip", State({"estimator": {"class": "Classifier", "params": {}}}), "model")
    with pytest.raises(InvalidInput, match="no model that kilter has saved"):
        load(tmp_path / "other.zip")
    classifier.save(tmp_path / "model.zip")
    state = saving.read(tmp_path / "model.zip", "model")
    values = {**state.values, "estimator": {**state.values["estimator"], "class": "os.system"}}
    saving.write(tmp_path / "model.zip", State(values, state.arrays, state.texts), "model")
    with pytest.raises(InvalidInput, match=r"KeyError: 'os\.system'"):
        load(tmp_path / "model.zip")


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("temperature", 0.0, "the temperature is 0.0"),
        ("temperature", math.nan, "the temperature is nan"),
        ("threshold", math.nan, "the threshold nan"),
        ("kind", "regression", "2 classes, and what it predicts is regression"),
        ("classes", ["no", {"a": 1}], "not texts or numbers"),
        ("classes", ["no", "no"], "not texts or numbers"),
        ("classes", ["a", "b", "c"], "3 classes"),
        ("parts", "weight", "weights of l[a-z]+ are none"),
    ],
)
def test_values_that_cannot_be_are_refused(
    classifier: Classifier, tmp_path: Path, name: str, value: Any, why: str
) -> None:
    classifier.save(tmp_path / "model.zip")
    state = saving.read(tmp_path / "model.zip", "model")
    whole = dict(state.part("model").values["model"])
    whole[name] = value if name != "parts" else [{**part, "weight": math.inf} for part in whole["parts"]]
    values = {**state.values, "model": {**state.values["model"], "model": whole}}
    saving.write(tmp_path / "model.zip", State(values, state.arrays, state.texts), "model")
    with pytest.raises(InvalidInput, match=why):
        load(tmp_path / "model.zip")


def test_what_cannot_be_checked_is_read_only_where_the_user_says_so(tmp_path: Path) -> None:
    model = Classifier(**{**QUICK, "n_models": 1, "members": ["xgboost"]}).fit(FRAME, SOLD)
    model.save(tmp_path / "model.zip")
    with pytest.raises(InvalidInput, match=r"holds models of xgboost.*trust=True"):
        load(tmp_path / "model.zip")
    assert predicted(load(tmp_path / "model.zip", trust=True)) == predicted(model)


@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        (Classifier, {"random_state": -1}, "random_state=-1: give a whole number from 0 on"),
        (Classifier, {"random_state": "x"}, "random_state='x'"),
        (Classifier, {"class_weight": {"noo": 3}}, "did you mean 'no'"),
        (Classifier, {"class_weight": {"no": -3}}, "-3 for 'no'"),
        (Classifier, {"class_weight": "foo"}, "class_weight='foo': give None, 'balanced'"),
        (Classifier, {"members": "linear"}, r"a list, as in members=\['linear'\]"),
        (Classifier, {"members": []}, "at least one member"),
        (Regressor, {"metric": "neg_mean_squared_log_error"}, "cannot score this target: Mean Squared Log"),
        (Regressor, {"metric": "neg_mean_poisson_deviance"}, "cannot score this target"),
    ],
)
def test_settings_that_cannot_be_are_named_before_anything_is_fitted(kind, given, said) -> None:
    y = SOLD if kind is Classifier else PRICE - 3
    with pytest.raises((InvalidInput, UnknownName), match=said):
        kind(**{**QUICK, **given}).fit(FRAME, y)


def test_a_metric_that_knows_no_weights_is_refused_with_them_alone() -> None:
    numbered = pd.DataFrame({0: FRAME["size"]})  # names that are numbers become text
    one = Regressor(n_models=1, members=["linear"], folds=2, metric="max_error", columns={0: "number"})
    assert np.isfinite(one.fit(numbered, PRICE).score_estimate_.value)
    with pytest.raises(InvalidInput, match=r"this target with weights: .*sample_weight"):
        one.fit(numbered, PRICE, sample_weight=np.arange(N))


def test_a_metric_of_two_classes_says_which_one_is_of_more() -> None:
    with pytest.raises(InvalidInput, match="take one of roc_auc_ovo, roc_auc_ovo_weighted, roc_auc_ovr"):
        Classifier(**QUICK, metric="roc_auc").fit(FRAME, FRAME["town"])


def test_classes_weigh_as_they_are_said_to() -> None:
    y = np.repeat([0, 1], [90, 30])
    assert class_weights("balanced", Task("binary", (0, 1)), y).tolist() == [120 / 180, 2.0]
    assert class_weights({1: 3}, Task("binary", (0, 1)), y).tolist() == [1.0, 3.0]


def test_a_target_whose_variance_is_one_row_is_told_of() -> None:
    price = PRICE.where(np.arange(N) != 7, 1e15)
    model = Regressor(n_models=1, members=["linear"], folds=2).fit(FRAME[["size"]], price)
    assert "a single row, where the target is 1e+15" in " ".join(model.notices_)


def test_what_is_free_does_not_decide_a_result_that_is_to_be_the_same() -> None:
    bytes_ = psutil.virtual_memory().total // 2
    assert Classifier(n_models=1)._settings().memory_limit == bytes_
    assert Classifier()._settings().memory_limit < bytes_


@pytest.mark.parametrize("way", ["polars", "dicts", "shuffled"])
def test_tables_of_all_sorts_are_the_same_table(way: str, regressor: Regressor) -> None:
    ways = {
        "polars": lambda: pl.from_pandas(FRAME),
        "dicts": lambda: FRAME.to_dict("records"),
        "shuffled": lambda: FRAME[FRAME.columns[::-1]].assign(more=1),
    }
    assert predicted(regressor, ways[way]()) == predicted(regressor)


def test_an_array_has_no_names_and_is_taken_by_place() -> None:
    values = np.column_stack([FRAME["size"], PRICE])
    model = Regressor(n_models=1, members=["linear"], folds=2).fit(values, PRICE)
    assert not hasattr(model, "feature_names_in_")
    assert model.n_features_in_ == 2
    with pytest.raises(InvalidInput, match="3 features"):
        model.predict(np.column_stack([values, PRICE]))


def test_it_works_in_a_pipeline_and_under_cross_validation() -> None:
    pipeline = make_pipeline(FunctionTransformer(), Classifier(**QUICK))
    scores = cross_val_score(pipeline, FRAME, SOLD, cv=2, scoring="roc_auc")
    assert (scores > 0.8).all()


def test_a_smaller_ensemble_loses_no_more_than_it_may(fitted: Any) -> None:
    before = predicted(fitted)
    same, smallest = fitted.simplify(0.0), fitted.simplify(9.0)
    assert same.score_estimate_.value >= fitted.score_estimate_.value
    assert len(smallest.model_.parts) == 1
    assert smallest.leaderboard()["weight"].tolist()[:2] == [1, 0]
    assert smallest.score_estimate_.looked_at == fitted.score_estimate_.looked_at
    assert smallest.get_params() == fitted.get_params()
    assert predicted(fitted) == before


def test_members_are_left_out_until_predictions_are_fast_enough(regressor: Regressor) -> None:
    frame = FRAME.assign(price=PRICE)
    easy = Regressor(**QUICK, max_predict_ms=60_000).fit(frame, "price")
    assert predicted(easy) == predicted(regressor)
    hard = Regressor(**QUICK, max_predict_ms=1e-6).fit(frame, "price")
    assert len(hard.model_.parts) == 1
    assert "no model predicts 1,000 rows in 1e-06 ms" in hard.notices_[-1]


def test_groups_are_never_on_both_sides_of_a_fold() -> None:
    groups = np.arange(N) // 10
    model = Regressor(**{**QUICK, "folds": GroupKFold(3)}).fit(FRAME, PRICE, groups=groups)
    for train, valid in model.outcome_.data.folds:
        assert not set(groups[train]) & set(groups[valid])


def test_a_random_state_may_be_a_generator() -> None:
    first, second = (
        Regressor(**QUICK, random_state=np.random.RandomState(3)).fit(FRAME, PRICE).predict(FRAME) for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)
