"""A fit from a table to a model."""

from __future__ import annotations

import re
import signal
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import TimeSeriesSplit

from kilter.automl.budget import Budget
from kilter.automl.candidates import in_part
from kilter.automl.fitting import Outcome, fit, refine
from kilter.automl.members.linear import Linear
from kilter.automl.settings import Settings
from kilter.automl.simplify import within
from kilter.core.errors import InvalidInput, MissingLibrary

ROWS = 120


def table(rows: int = ROWS, seed: int = 0) -> pd.DataFrame:
    """Numbers with gaps, and a category; what is to be predicted follows from both, with some noise."""
    stream = np.random.default_rng(seed)
    frame = pd.DataFrame({"size": stream.normal(size=rows), "age": stream.normal(size=rows)})
    frame["town"] = np.array(["Bern", "Ulm", "Graz"])[stream.integers(0, 3, rows)]
    frame.loc[::7, "age"] = np.nan
    frame["price"] = np.exp(frame["size"] + (frame["town"] == "Ulm") + 0.3 * stream.normal(size=rows))
    frame["dear"] = np.where(frame["price"] > 1, "yes", "no")
    return frame


FEATURES = ["size", "age", "town"]


def fitted(y: str = "dear", frame: pd.DataFrame | None = None, **settings: Any) -> Outcome:
    frame = table() if frame is None else frame
    given = {
        "is_classifier": y == "dear",
        "time_limit": None,
        "n_models": 2,
        "folds": 3,
        "members": ["lightgbm", "linear"],
    }
    return fit(frame[FEATURES], frame[y], Settings(**{**given, **settings}))


def predictions(outcome: Outcome) -> np.ndarray:
    return outcome.model.predict(table(seed=1)[FEATURES])


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    return fitted()


@pytest.fixture(scope="module")
def skewed() -> Outcome:
    return fitted("price", n_models=3)


def test_so_many_models_are_made_and_the_model_is_what_has_weight(outcome: Outcome) -> None:
    assert [each.state for each in outcome.candidates] == ["complete"] * 2
    assert outcome.weights.sum() == pytest.approx(1) and len(outcome.model.parts) == np.count_nonzero(outcome.weights)
    assert all(len(each.fitted) == len(each.scores) == 3 for each in outcome.candidates)


def test_the_model_is_better_than_chance_and_says_about_how_much(outcome: Outcome) -> None:
    new = table(seed=1)
    tested = outcome.data.metric.score(np.array(new["dear"] == "yes", int), predictions(outcome))
    low, high = outcome.estimate.interval
    assert tested > 0.75 and low < tested < high


def test_out_of_fold_each_row_is_predicted_by_a_model_that_has_not_seen_it(outcome: Outcome) -> None:
    one = outcome.candidates[0]
    for place, (_, held) in enumerate(outcome.data.folds):
        encoder = outcome.model.encoders[place]
        view = encoder.transform(outcome.data.table.rows(held), "tree")
        known = one.fitted[place].predict(view)  # stopped where all of these rows like it best, and not only the others
        assert np.corrcoef(known[:, 0], one.out_of_fold[held][:, 0])[0, 1] > 0.9


def test_the_same_data_seed_and_number_of_models_predict_the_same_to_the_last_bit(outcome: Outcome) -> None:
    for again in (fitted(), fitted(n_jobs=2)):
        assert (predictions(again) == predictions(outcome)).all()
        assert again.estimate == outcome.estimate


def test_a_skewed_target_is_learned_on_both_scales_first(skewed: Outcome) -> None:
    found = skewed
    assert [each.target.scale for each in found.candidates][:2] == ["identity", "log1p"]
    assert found.candidates[0].params == found.candidates[1].params
    assert (predictions(found) >= found.candidates[0].target.lower).all()


def test_of_numbers_heavy_candidates_are_fitted_again_on_all_rows_beside_their_bag(skewed: Outcome) -> None:
    model = skewed.model
    assert len(model.encoders) == 3 + 1
    for part in model.parts:
        assert len(part.fitted) == (4 if part.weight >= 0.1 else 3)
        assert sum(part.shares) == pytest.approx(1) and part.shares[-1] == (0.5 if part.weight >= 0.1 else 0)


def test_a_time_limit_ends_a_fit_with_a_model() -> None:
    found = fitted(time_limit=0.01, n_models=None)
    assert np.isfinite(predictions(found)).all()


@pytest.mark.parametrize("member", ["linear", "lightgbm", "mlp"])
def test_the_unit_and_the_offset_of_a_target_make_no_difference(member: str) -> None:
    frame = table(80)
    plain, moved = (
        fitted("price", each, members=[member], n_models=1)
        for each in (frame.assign(price=frame["size"]), frame.assign(price=1e9 + 1e-3 * frame["size"]))
    )
    assert moved.estimate.value == pytest.approx(plain.estimate.value, abs=0.01)
    assert np.abs(1e3 * (predictions(moved) - 1e9) - predictions(plain)).mean() < 0.02


def test_a_target_of_which_float64_has_no_squares_is_to_be_given_in_another_unit() -> None:
    for factor in (1e200, 1e-200):
        with pytest.raises(InvalidInput, match="another unit"):
            fitted("price", table(60).assign(price=factor * np.arange(60)))


def test_a_constant_target_is_predicted_as_it_is() -> None:
    frame = table().assign(price=3.5)
    assert predictions(fitted("price", frame)) == pytest.approx(3.5)
    assert str(fitted("price", frame.assign(price=1.1)).estimate).startswith("r2 1.000, 95 % 1.000 … 1.000")
    found = fitted(frame=frame.assign(dear="yes"))
    assert (predictions(found) == 1).all() and "same in all rows" in found.notices[0]


class Failing:
    """A member that fails as others fail."""

    name, view = "failing", "dense"

    def space(self, task: Any) -> dict[str, Any]:
        return {}

    def work(self, params: Any, shape: Any) -> float:
        return 0.0

    def fit(self, *arguments: Any) -> Any:
        raise MemoryError("no room for 3 matrices")

    load = None


def test_a_member_that_fails_is_told_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    found = fitted(members=["lightgbm", Failing()])
    assert [each.state for each in found.candidates] == ["complete", "failed"]
    assert "MemoryError: no room for 3 matrices" in found.candidates[1].reason


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([np.nan, np.nan], "predicts NaN or infinity"),
        ([-3.0, 4.0], "predicts \\[-3.0, 4.0\\] of a row"),
        ([0.7, 0.7], "of sum 1"),
    ],
)
def test_what_predicts_no_probabilities_fails_and_the_fit_goes_on(value: list[float], said: str) -> None:
    class Wrong(DummyClassifier):
        def predict_proba(self, X: Any) -> Any:  # noqa: N803
            return np.tile(value, (len(X), 1))

    found = fitted(members=["linear", ("wrong", Wrong(), {})])
    assert [each.state for each in found.candidates] == ["complete", "failed"]
    assert re.search(said, found.candidates[1].reason) and found.estimate.value > 0.7


def test_a_library_that_is_missing_is_said_and_an_error_where_nothing_else_is_named() -> None:
    absent = ("tabicl", "no file")
    with pytest.raises(MissingLibrary, match="pip install tabicl"):
        fitted(members=[absent], n_models=1)
    assert "no tabicl is among the models: MissingLibrary" in fitted(members=["linear", absent]).notices[-1]


def test_where_everything_fails_the_constant_is_left() -> None:
    found = fitted(members=[Failing()], n_models=1)
    assert [each.member for each in found.candidates] == ["failing", "constant"]
    assert "a constant predicts: MemoryError" in found.notices[-1] and found.estimate.value == pytest.approx(0.5)
    assert predictions(found)[0] == pytest.approx(
        (table()["dear"].value_counts(normalize=True)[["no", "yes"]]), abs=0.02
    )


class Interrupting(Linear):
    """A member in the middle of which the user presses Ctrl-C."""

    def fit_and_hold_out(self, params: Any, train: Any, valid: Any, task: Any, seed: int, left: Any) -> Any:
        if seed == 0:
            signal.raise_signal(signal.SIGINT)
        return super().fit_and_hold_out(params, train, valid, task, seed, left)


def test_on_an_interrupt_what_there_is_is_weighed(capsys: pytest.CaptureFixture[str]) -> None:
    found = fitted(members=["lightgbm", Interrupting(name="interrupting")], n_models=9)
    assert len(found.candidates) <= 2 and np.isfinite(predictions(found)).all()


def test_on_an_interrupt_during_first_looks_these_are_weighed() -> None:
    found = fitted(members=["lightgbm", Interrupting(name="interrupting")], n_models=None, time_limit=60.0)
    assert [(each.state, len(each.fitted)) for each in found.candidates] == [("complete", 1)] * 2
    (_, held), *_ = found.data.folds
    assert len(found.data.folds) == 1 and found.estimate.rows == len(held)
    assert "no candidate has met all 3 folds: 2 are weighed by the first 1" in found.notices[-1]
    tested = found.data.metric.score(np.array(table(seed=1)["dear"] == "yes", int), predictions(found))
    assert tested > 0.75
    smallest = within(found, table()[FEATURES], 0.0)
    assert len(smallest.model.parts) == 1 and np.isfinite(predictions(smallest)).all()


class Slow(Linear):
    """A member that goes on for as long as it may."""

    def fit_and_hold_out(self, params: Any, train: Any, valid: Any, task: Any, seed: int, left: Any) -> Any:
        while left() > 0:
            pass
        return super().fit_and_hold_out(params, train, valid, task, seed, left)


def test_a_model_whose_fit_the_time_has_ended_is_named() -> None:
    found = fitted(members=[Slow(name="slow")], n_models=None, time_limit=0.5)
    assert "time was up before slow (number 0) had learned all they could" in found.notices[-1]
    assert not any("time was up" in notice for notice in fitted(members=["linear"], n_models=1).notices)


def test_what_pairs_cost_is_guessed_before_they_are_learned(outcome: Outcome) -> None:
    encoded = outcome.course.encoded
    tree, pairs = encoded.shape(0, "tree"), encoded.shape(0, "pairs")
    assert pairs.columns == tree.columns + 20 and pairs.rows == tree.rows
    assert encoded.encoder(0, ["tree"]).pairs is None and encoded.to_come == 0 < encoded.seconds


def test_many_classes_keep_more_of_the_time_for_weights_and_estimate() -> None:
    frame = table(200)
    frame["dear"] = [f"class {row % 100}" for row in range(200)]
    course = fitted(frame=frame, members=["linear"], n_models=1).course
    assert course._kept(Budget(60.0)) == Budget(60.0).reserved
    assert course._kept(Budget(0.05)) == pytest.approx(4e-7 * 200 * 100 / 0.05) and course._kept(Budget(1e-3)) == 0.5


def test_of_candidates_that_met_some_folds_as_many_are_weighed_as_all_of_them_met(outcome: Outcome) -> None:
    one, folds = outcome.candidates[0], outcome.data.folds
    stopped = [replace(one.first(met, folds), state="stopped") for met in (2, 1)]
    failed = replace(one, state="failed", fitted=())
    more, less, none = in_part([*stopped, failed], folds)
    assert len(more.fitted) == len(less.fitted) == 1 and none is failed
    assert more.scores == less.scores == one.scores[:1]
    assert (np.isfinite(more.out_of_fold[:, 0]).nonzero()[0] == folds[0][1]).all()


def test_no_more_rows_are_learned_from_than_memory_allows() -> None:
    found = fitted(frame=table(600), memory_limit=1)
    assert len(found.data.rows) == 500 and "500 of 600 rows are learned from: memory_limit" in found.notices[-1]


def test_it_goes_on_where_it_stopped() -> None:
    first = fitted(time_limit=0.01, n_models=None)
    more = refine(first, 2.0)
    assert len(more.candidates) > len(first.candidates) and more.study is first.study
    counted = fitted(members=["linear", "lightgbm"], n_models=1)  # what ends a fit does not end its refinement
    assert len(refine(counted, 1.0).candidates) > 1


@pytest.mark.parametrize(("most", "told"), [(30, 1), (None, 0)])
def test_where_models_of_old_rows_alone_predict_it_is_said(most: int | None, told: int) -> None:
    folds = TimeSeriesSplit(2, max_train_size=most)
    notices = fitted(members=["linear"], n_models=1, folds=folds).notices
    assert sum("worse than the estimate" in notice for notice in notices) == told


def test_rows_without_a_weight_or_target_are_not_learned_from(outcome: Outcome) -> None:
    frame = table()
    more = pd.concat([frame, frame.head(9).assign(dear=None), frame.tail(9).assign(dear="maybe")])
    weight = np.repeat([1.0, 1.0, 0.0], [ROWS, 9, 9])
    settings = Settings(True, None, 2, folds=3, members=["lightgbm", "linear"])
    found = fit(more[FEATURES], more["dear"], settings, weight)
    assert found.data.rows.tolist() == list(range(ROWS)) and found.data.task == outcome.data.task


def test_a_stored_study_goes_on_and_comes_to_the_same(
    outcome: Outcome, tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    stored = {"storage": f"sqlite:///{tmp_path}/fit.db", "study_name": "towns"}
    assert len(fitted(n_models=1, **stored).candidates) == 1
    found = fitted(**stored)
    assert (predictions(found) == predictions(outcome)).all() and len(found.candidates) == 2
    assert not caplog.records
    with pytest.raises(InvalidInput, match="is of other data"):
        fitted(frame=table(seed=5), **stored)


def test_a_stored_study_is_of_its_texts_and_its_chance(tmp_path: Any) -> None:
    from sklearn.model_selection import KFold

    words = [f"a {('red', 'blue')[row % 2]} house with the number {row} on its door" for row in range(ROWS)]
    frame = table().assign(town=words)
    stored: dict[str, Any] = {"storage": f"sqlite:///{tmp_path}/fit.db", "study_name": "texts"}
    stored |= {"members": ["linear"], "n_models": 1, "folds": KFold(3)}
    assert fitted(frame=frame, **stored).data.table.words
    with pytest.raises(InvalidInput, match="is of other data"):
        fitted(frame=frame.assign(town=words[::-1]), **stored)
    with pytest.raises(InvalidInput, match="is of random_state=0, not 7"):
        fitted(frame=frame, random_state=7, **stored)


def test_a_threshold_of_the_user_is_that_of_the_estimate() -> None:
    given = {"members": ["linear"], "n_models": 1, "metric": "f1"}
    low, high = (fitted(threshold=each, **given) for each in (0.02, 0.5))
    assert low.estimate.value < high.estimate.value - 0.05


def test_rows_that_no_fold_predicts_count_in_no_score() -> None:
    for folds in (TimeSeriesSplit(3), 1):
        found = fitted(members=["linear"], n_models=1, folds=folds)
        held = np.concatenate([test for _, test in found.data.folds])
        out_of_fold = found.candidates[0].out_of_fold
        assert np.isfinite(out_of_fold[held]).all() and np.isnan(np.delete(out_of_fold, held, axis=0)).all()
        assert found.estimate.rows == len(held) < ROWS and np.isfinite(predictions(found)).all()


def test_groups_stay_together_and_are_named_in_what_is_learned_from() -> None:
    frame = table()
    groups = np.repeat(np.arange(ROWS // 4), 4)
    found = fit(frame[FEATURES], frame["dear"], Settings(True, None, 1, members=["linear"]), groups=groups)
    assert all(not set(groups[train]) & set(groups[test]) for train, test in found.data.folds)


def test_classes_weigh_where_models_learn_but_not_in_the_score() -> None:
    frame = table().query("dear == 'yes' or index % 4 == 0").reset_index(drop=True)
    plain, even = (
        fitted(frame=frame, members=["linear"], n_models=1, class_weight=each) for each in (None, "balanced")
    )
    assert even.data.weight is None
    assert predictions(even)[:, 0].mean() > predictions(plain)[:, 0].mean() + 0.05


def test_where_a_fold_has_a_single_class_candidates_are_compared_by_what_can_score_it() -> None:
    from sklearn.model_selection import KFold

    frame = table().sort_values("dear").reset_index(drop=True)
    found = fitted(frame=frame, members=["linear"], n_models=1, folds=KFold(6))
    assert found.candidates[0].state == "complete"
    assert found.data.fold_metric.name == "log_loss" and "folds hold a single value" in found.notices[0]


def test_a_splitter_speaks_of_the_rows_of_the_whole_table() -> None:
    from sklearn.model_selection import PredefinedSplit

    frame = table()
    frame.loc[::5, "dear"] = None
    of_row = np.arange(ROWS) % 4
    pairs = [(np.flatnonzero(of_row != fold), np.flatnonzero(of_row == fold)) for fold in range(4)]
    for folds in (PredefinedSplit(of_row), pairs):
        found = fitted(frame=frame, members=["linear"], n_models=1, folds=folds)
        for fold, (train, test) in enumerate(found.data.folds):
            assert set(of_row[found.data.rows[test]]) == {fold} and fold not in of_row[found.data.rows[train]]
    with pytest.raises(InvalidInput, match="cannot split these 120 rows"):
        fitted(folds=PredefinedSplit(np.tile(of_row, 2)))


@pytest.mark.parametrize("size", [1e-300, 1e300])
def test_weights_say_how_much_more_one_row_counts_whatever_their_size(size: float) -> None:
    frame, settings = table(), Settings(True, time_limit=None, n_models=1, folds=2, members=["linear"])
    weight = np.where(np.arange(ROWS) % 2, 0.0, 1.0 + np.arange(ROWS) % 3)
    one, other = (fit(frame[FEATURES], frame["dear"], settings, each) for each in (weight, weight * size))
    np.testing.assert_allclose(predictions(other), predictions(one), rtol=1e-9)
    assert one.data.weight is not None and one.data.weight.mean() == pytest.approx(1)
    plain = fit(frame[FEATURES], frame["dear"], settings, np.full(ROWS, size))
    np.testing.assert_array_equal(predictions(plain), predictions(fit(frame[FEATURES], frame["dear"], settings)))


def test_where_folds_grow_the_last_rows_are_known_and_a_trend_is_no_skill() -> None:
    """Early models know the oldest rows alone, and between folds a trend alone makes an R² of nearly 1."""
    from sklearn.model_selection import TimeSeriesSplit

    stream = np.random.default_rng(0)
    frame = pd.DataFrame({"size": stream.normal(size=200), "age": np.arange(200.0), "town": "Bern"})
    frame["price"] = np.arange(200.0) * 10 + stream.normal(size=200)
    found = fitted("price", frame, members=["lightgbm"], n_models=1, folds=TimeSeriesSplit(4))
    assert found.estimate.value < 0 and found.estimate.value == pytest.approx(np.mean(found.candidates[0].scores))
    assert found.model.parts[0].shares == (0, 0, 0, 0, 1)
