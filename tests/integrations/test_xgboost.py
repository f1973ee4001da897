from __future__ import annotations

import os

import numpy as np
import pytest
from tests.integrations.boosting import LABELS, ROWS, PausesAt, StopsAt, asked, run

import kilter
from kilter.core.errors import InvalidInput

xgboost = pytest.importorskip("xgboost", reason="xgboost is not installed: pip install '.[xgboost]'")

from kilter.integrations.xgboost import MAXIMIZED, MINIMIZED, MODEL, TrialCallback, resumed, save  # noqa: E402

SETTINGS = {"objective": "binary:logistic", "eval_metric": ["auc", "logloss"], "nthread": 1, "seed": 0}
TRAIN = xgboost.DMatrix(ROWS[:200], LABELS[:200])
VALID = xgboost.DMatrix(ROWS[200:], LABELS[200:])


def trained(trial, *more, rounds=20, earlier=None, metric="logloss", **arguments):
    """A model, and the curves of its scores."""
    scores = {}
    model = xgboost.train(
        {**SETTINGS, **trial.params},
        TRAIN,
        rounds,
        evals=[(TRAIN, "train"), (VALID, "valid")],
        evals_result=scores,
        xgb_model=earlier,
        verbose_eval=False,
        callbacks=[TrialCallback(trial, metric, **arguments), *more],
    )
    return model, scores


@pytest.mark.parametrize(
    ("arguments", "of", "direction"),
    [
        ({"metric": "auc"}, ("valid", "auc"), "maximize"),
        ({"metric": "logloss"}, ("valid", "logloss"), "minimize"),
        ({"metric": "auc", "data": "train"}, ("train", "auc"), "maximize"),
        ({"metric": "logloss", "data": "train"}, ("train", "logloss"), "minimize"),
    ],
)
def test_every_round_is_a_step_with_the_score_that_the_library_shows(arguments, of, direction) -> None:
    curves = []

    def objective(trial):
        curves.append(trained(trial, **arguments)[1][of[0]][of[1]])
        return curves[0][-1]

    (trial,) = run(objective, direction=direction).trials
    assert trial.intermediate_values == dict(enumerate(curves[0], start=1))


def test_a_stop_ends_the_training_gently_and_keeps_the_model() -> None:
    models = []

    def objective(trial):
        models.append(trained(trial, metric="auc")[0])
        return 99.0  # does not count: the trial left with what it reported

    (trial,) = run(objective, StopsAt(7), direction="maximize").trials
    assert trial.state.name == "PRUNED" and trial.last_step == 7 == models[0].num_boosted_rounds()
    assert trial.value == trial.intermediate_values[7] != 99.0
    assert np.array_equal(models[0].predict(VALID), models[0].predict(VALID, iteration_range=(0, 7)))


@pytest.mark.parametrize("as_pandas", [True, False])
def test_cross_validation_reports_the_mean_and_returns_what_it_has(as_pandas: bool) -> None:
    tables = []

    def objective(trial):
        settings = {**SETTINGS, **trial.params}
        tables.append(
            xgboost.cv(settings, TRAIN, 20, nfold=3, callbacks=[TrialCallback(trial, "auc")], as_pandas=as_pandas)
        )
        return list(tables[-1]["test-auc-mean"])[-1]

    (trial,) = run(objective, StopsAt(6), direction="maximize").trials
    assert list(trial.intermediate_values.values()) == list(tables[0]["test-auc-mean"])
    assert trial.last_step == 6 and trial.state.name == "PRUNED"


def test_it_works_in_the_scikit_learn_classes() -> None:
    models = []

    def objective(trial):
        model = xgboost.XGBClassifier(n_estimators=20, n_jobs=1, callbacks=[TrialCallback(trial)], **trial.params)
        model.fit(ROWS[:200], LABELS[:200], eval_set=[(ROWS[200:], LABELS[200:])], verbose=False)
        models.append(model)
        return model.evals_result()["validation_0"]["logloss"][-1]

    (trial,) = run(objective, StopsAt(4)).trials
    assert trial.last_step == 4 == models[0].get_booster().num_boosted_rounds()


def test_early_stopping_goes_on_working_beside_it() -> None:
    def objective(trial):
        trial.set_user_attr(
            "best", trained(trial, xgboost.callback.EarlyStopping(rounds=2), rounds=300)[0].best_iteration
        )
        return 0.0

    (trial,) = run(objective).trials
    assert trial.user_attrs["best"] < trial.last_step < 300


def test_of_many_rounds_every_third_is_reported() -> None:
    assert list(run(lambda trial: trained(trial, every=3) and 0.0).trials[0].intermediate_values) == [
        3,
        6,
        9,
        12,
        15,
        18,
    ]


def test_a_trial_that_has_left_ends_its_other_trainings_too() -> None:
    lengths = []

    def objective(trial):
        lengths.extend(trained(trial)[0].num_boosted_rounds() for _ in range(3))
        return 0.0

    run(objective, StopsAt(5))
    assert lengths == [5, 1, 1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"metric": "acu"}, "did you mean 'auc'"),
        ({"data": "vaild"}, "did you mean 'valid'"),
        ({"metric": "rmse", "data": "train"}, "auc, logloss"),
        ({"metric": None}, "'auc', 'logloss': name the one"),
        ({"every": 1.5}, "whole number above 0"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(arguments, words) -> None:
    with pytest.raises(InvalidInput, match=words):
        trained(asked(), **arguments)


@pytest.mark.parametrize(("metric", "direction"), [("auc", "minimize"), ("logloss", "maximize")])
def test_a_study_that_looks_for_the_wrong_end_of_a_metric_is_told(metric, direction) -> None:
    with pytest.raises(InvalidInput, match=f"are better, but the study {direction}s 'value'"):
        trained(asked(direction=direction), metric=metric)


def test_xgboost_stops_early_at_the_same_end_of_each_metric() -> None:
    """Its own names and their directions are written down here; it tells the second where it stops early."""
    judged = {}
    for name in MAXIMIZED | MINIMIZED:
        early = xgboost.callback.EarlyStopping(rounds=1)
        booster = xgboost.Booster(SETTINGS, [TRAIN])
        for value in (0.0, 1.0):
            early.starting_round = 0
            early.after_iteration(booster, int(value), {"valid": {name: [value]}})
        judged[name] = booster.attr("best_iteration") == "1"
    assert judged == {name: name in MAXIMIZED for name in judged}


def test_of_the_sets_of_the_scikit_learn_classes_one_is_named() -> None:
    two = [(ROWS[:200], LABELS[:200]), (ROWS[200:], LABELS[200:])]  # the first is the training's own, unnamed

    def fit(trial, **arguments):
        model = xgboost.XGBClassifier(n_estimators=3, n_jobs=1, callbacks=[TrialCallback(trial, **arguments)])
        return model.fit(ROWS[:200], LABELS[:200], eval_set=two, verbose=False).evals_result()

    with pytest.raises(InvalidInput, match="'validation_0', 'validation_1': name the one"):
        fit(asked())
    trial = asked()
    assert fit(trial, data="validation_1")["validation_1"]["logloss"][-1] == trial.last_report.metrics["value"]


def test_a_cloned_estimator_still_speaks_for_the_trial() -> None:
    base = pytest.importorskip("sklearn.base")
    models = []

    def objective(trial):
        first = xgboost.XGBClassifier(n_estimators=20, n_jobs=1, callbacks=[TrialCallback(trial)])
        for model in (base.clone(first), base.clone(first)):
            model.fit(ROWS[:200], LABELS[:200], eval_set=[(ROWS[200:], LABELS[200:])], verbose=False)
            models.append(model.get_booster().num_boosted_rounds())
        return 0.0

    assert run(objective, StopsAt(4)).trials[0].state.name == "PRUNED"
    assert models == [4, 1]


def test_without_a_validation_set_it_says_so() -> None:
    with pytest.raises(InvalidInput, match="validation set"):
        xgboost.train(SETTINGS, TRAIN, 5, callbacks=[TrialCallback(asked())])


def goes_on(trial, rounds=20):
    """Trains so many rounds in all; the model is kept for another attempt."""
    earlier = resumed(trial)
    done = earlier.num_boosted_rounds() if earlier else 0
    trial.set_user_attr("began", [*trial.user_attrs.get("began", []), done])
    model, scores = trained(trial, metric="logloss", rounds=rounds - done, earlier=earlier)
    save(trial, model)
    return model, scores["valid"]["logloss"][-1]


def test_a_paused_training_goes_on_to_the_very_model_of_one_without_a_pause() -> None:
    predictions = []

    def objective(trial):
        model, value = goes_on(trial)
        predictions.append(model.predict(VALID))
        return value

    (paused,) = run(objective, PausesAt(8)).trials
    (whole,) = run(objective).trials
    assert paused.user_attrs["began"] == [0, 8] and whole.user_attrs["began"] == [0]
    assert predictions[1] == pytest.approx(predictions[2], abs=1e-6)
    assert paused.intermediate_values == pytest.approx(whole.intermediate_values, abs=1e-6)


def test_rounds_can_be_a_fidelity() -> None:
    def objective(rounds, trial):
        model, value = goes_on(trial, rounds)
        assert model.num_boosted_rounds() == rounds
        return value

    study = run(objective, "asha", 9, fidelity=kilter.Fidelity("rounds", 3, 27))
    furthest = max(study.trials, key=lambda trial: trial.last_step)
    began = furthest.user_attrs["began"]
    assert furthest.last_step == 27 and began[0] == 0 and began[-1] in (3, 9)  # never from the start again
    assert list(furthest.intermediate_values) == list(range(1, 28))


def test_half_a_model_is_never_left(monkeypatch: pytest.MonkeyPatch) -> None:
    def objective(trial):
        save(trial, xgboost.train(SETTINGS, TRAIN, 3))
        assert os.listdir(trial.checkpoint_dir) == [MODEL]
        monkeypatch.setattr(os, "replace", lambda *paths: None)  # as if killed before the file has its name
        save(trial, xgboost.train(SETTINGS, TRAIN, 5))
        return resumed(trial).num_boosted_rounds()

    assert run(objective).trials[0].value == 3


def test_a_model_of_the_scikit_learn_classes_goes_on_too() -> None:
    def objective(trial):
        save(trial, xgboost.XGBClassifier(n_estimators=3, n_jobs=1).fit(ROWS, LABELS))
        more = xgboost.XGBClassifier(n_estimators=2, n_jobs=1).fit(ROWS, LABELS, xgb_model=resumed(trial))
        return more.get_booster().num_boosted_rounds()

    assert run(objective).trials[0].value == 5
