from __future__ import annotations

import os

import pytest
from tests.integrations.boosting import LABELS, ROWS, SPACE, PausesAt, StopsAt, asked, run

import kilter
from kilter.core.errors import InvalidInput

lightgbm = pytest.importorskip("lightgbm", reason="lightgbm is not installed: pip install '.[lightgbm]'")

from kilter.integrations.lightgbm import MODEL, TrialCallback, resumed, save  # noqa: E402

SETTINGS = {"objective": "binary", "metric": ["auc", "binary_logloss"], "verbosity": -1, "num_threads": 1, "seed": 0}


def sets():
    train = lightgbm.Dataset(ROWS[:200], LABELS[:200])
    return train, train.create_valid(ROWS[200:], LABELS[200:])


def trained(trial, *more, rounds=20, init_model=None, metric="binary_logloss", **arguments):
    """A model, and the curves of its scores."""
    train, valid = sets()
    scores = {}
    model = lightgbm.train(
        {**SETTINGS, **trial.params},
        train,
        rounds,
        valid_sets=[train, valid],
        valid_names=["training", "valid"],
        init_model=init_model,
        callbacks=[TrialCallback(trial, metric, **arguments), lightgbm.record_evaluation(scores), *more],
    )
    return model, scores


def test_every_round_is_a_step_with_the_score_that_the_library_shows() -> None:
    curves = []

    def objective(trial):
        _, scores = trained(trial, metric="binary_logloss")
        curves.append(scores["valid"]["binary_logloss"])
        return curves[-1][-1]

    (trial,) = run(objective).trials
    assert trial.intermediate_values == dict(enumerate(curves[0], start=1))


@pytest.mark.parametrize(
    ("arguments", "of", "direction"),
    [
        ({"metric": "auc"}, ("valid", "auc"), "maximize"),
        ({"metric": "auc", "data": "training"}, ("training", "auc"), "maximize"),
        ({"data": "training"}, ("training", "binary_logloss"), "minimize"),
    ],
)
def test_the_metric_of_the_validation_set_counts_unless_another_is_named(arguments, of, direction) -> None:
    curves = []

    def objective(trial):
        curves.append(trained(trial, **arguments)[1][of[0]][of[1]])
        return curves[0][-1]

    (trial,) = run(objective, direction=direction).trials
    assert list(trial.intermediate_values.values()) == curves[0]


def test_one_metric_of_one_validation_set_need_not_be_named() -> None:
    def objective(trial):
        train, valid = sets()
        settings = {**SETTINGS, "metric": "auc", **trial.params}
        model = lightgbm.train(settings, train, 5, [train, valid], callbacks=[TrialCallback(trial)])
        return model.best_score["valid_1"]["auc"]

    (trial,) = run(objective, direction="maximize").trials
    assert trial.value == trial.intermediate_values[5]


def test_a_stop_ends_the_training_gently_and_keeps_the_model() -> None:
    models = []

    def objective(trial):
        model, scores = trained(trial, metric="auc")
        assert len(scores["valid"]["auc"]) == 7  # the last round is recorded too
        models.append(model)
        return 99.0  # does not count: the trial left with what it reported

    (trial,) = run(objective, StopsAt(7), direction="maximize").trials
    (model,) = models
    assert trial.state.name == "PRUNED" and trial.last_step == 7
    assert model.current_iteration() == model.best_iteration == 7
    assert trial.value == trial.intermediate_values[7] != 99.0
    assert (model.predict(ROWS) == model.predict(ROWS, num_iteration=7)).all()


def test_cross_validation_reports_the_mean_and_returns_what_it_has() -> None:
    tables = []

    def objective(trial):
        train = lightgbm.Dataset(ROWS, LABELS)
        settings = {**SETTINGS, **trial.params}
        tables.append(lightgbm.cv(settings, train, 20, nfold=3, callbacks=[TrialCallback(trial, "auc", "valid")]))
        return tables[-1]["valid auc-mean"][-1]

    (trial,) = run(objective, StopsAt(6), direction="maximize").trials
    assert list(trial.intermediate_values.values()) == tables[0]["valid auc-mean"]
    assert len(tables[0]["valid auc-mean"]) == 6 and trial.state.name == "PRUNED"


def test_it_works_in_the_scikit_learn_classes() -> None:
    models = []

    def objective(trial):
        model = lightgbm.LGBMClassifier(n_estimators=20, n_jobs=1, verbose=-1, **trial.params)
        model.fit(ROWS[:200], LABELS[:200], eval_set=[(ROWS[200:], LABELS[200:])], callbacks=[TrialCallback(trial)])
        models.append(model)
        return model.best_score_["valid_0"]["binary_logloss"]

    (trial,) = run(objective, StopsAt(4)).trials
    assert trial.last_step == 4 and models[0].booster_.num_trees() == 4


def test_early_stopping_goes_on_working_beside_it() -> None:
    def objective(trial):
        model, scores = trained(trial, lightgbm.early_stopping(2, verbose=False), rounds=300)
        trial.set_user_attr("trained", len(scores["valid"]["auc"]))
        return model.best_iteration

    (trial,) = run(objective).trials
    assert trial.value < trial.last_step == trial.user_attrs["trained"] < 300


def test_several_metrics_are_reported_by_their_names() -> None:
    curves = []

    def objective(trial):
        scores = trained(trial, metric=("binary_logloss", "auc"))[1]["valid"]
        curves.append(scores)
        return {name: values[-1] for name, values in scores.items()}

    directions = {"auc": "maximize", "binary_logloss": "minimize"}
    study = kilter.create_study(space=SPACE, directions=directions, seed=0)
    observed = []
    with study.observed(lambda name, event: observed.append(event)):
        study.optimize(objective, n_trials=1, progress="none")
    reports = [report for event in observed for report in getattr(event, "reports", ())]
    assert [report.metrics["auc"] for report in reports] == curves[0]["auc"]
    assert [report.metrics["binary_logloss"] for report in reports] == curves[0]["binary_logloss"]


def test_of_many_rounds_every_third_is_reported() -> None:
    assert list(run(lambda trial: trained(trial, every=3) and 0.0).trials[0].intermediate_values) == [
        3,
        6,
        9,
        12,
        15,
        18,
    ]


@pytest.mark.filterwarnings("error:trial")  # of a step that is reported twice
def test_a_trial_that_has_left_ends_its_other_trainings_too() -> None:
    lengths = []

    def objective(trial):
        lengths.extend(trained(trial)[0].current_iteration() for _ in range(3))
        return 0.0

    run(objective, StopsAt(5))
    assert lengths == [5, 1, 1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"metric": "acu"}, "did you mean 'auc'"),
        ({"data": "vaild"}, "did you mean 'valid'"),
        ({"metric": "rmse", "data": "training"}, "auc, binary_logloss"),
        ({"metric": None}, "'auc', 'binary_logloss': name the one"),
        ({"every": 0}, "whole number above 0"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(arguments, words) -> None:
    with pytest.raises(InvalidInput, match=words):
        trained(asked(), **arguments)


@pytest.mark.parametrize(("metric", "direction"), [("auc", "minimize"), ("binary_logloss", "maximize")])
def test_a_study_that_looks_for_the_wrong_end_of_a_metric_is_told(metric, direction) -> None:
    with pytest.raises(InvalidInput, match=f"are better, but the study {direction}s 'value'"):
        trained(asked(direction=direction), metric=metric)
    with pytest.raises(InvalidInput, match=f"values of {metric!r}"):
        lightgbm.cv(
            {**SETTINGS, "metric": metric},
            sets()[0],
            2,
            nfold=2,
            callbacks=[TrialCallback(asked(direction=direction))],
        )


def test_the_direction_of_a_metric_of_the_user_is_what_the_user_says() -> None:
    def share(predictions, rows):
        return "share", float(((predictions > 0.5) == rows.get_label()).mean()), True

    def objective(trial):
        train, valid = sets()
        settings = {**SETTINGS, "metric": "None", **trial.params}
        callbacks = [TrialCallback(trial)]
        return lightgbm.train(settings, train, 3, [valid], feval=share, callbacks=callbacks).best_score["valid_0"][
            "share"
        ]

    (trial,) = run(objective, direction="maximize").trials
    assert trial.last_step == 3
    with pytest.raises(InvalidInput, match="larger values of 'share'"):
        objective(asked(direction="minimize"))


@pytest.mark.filterwarnings("error:trial")  # of a step that is reported twice
def test_of_folds_one_by_one_the_first_reports() -> None:
    curves = []

    def objective(trial):
        curves.extend(trained(trial, rounds=rounds)[1]["valid"]["binary_logloss"] for rounds in (5, 8, 3))
        return 0.0

    (trial,) = run(objective).trials
    assert [len(curve) for curve in curves] == [5, 8, 3]
    assert list(trial.intermediate_values.values()) == curves[0]


def test_without_a_validation_set_it_says_so() -> None:
    with pytest.raises(InvalidInput, match="validation set"):
        lightgbm.train(SETTINGS, sets()[0], 5, callbacks=[TrialCallback(asked())])


def goes_on(trial, rounds=20):
    """Trains so many rounds in all; the model is kept for another attempt."""
    earlier = resumed(trial)
    done = earlier.current_iteration() if earlier else 0
    trial.set_user_attr("began", [*trial.user_attrs.get("began", []), done])
    model, scores = trained(trial, metric="binary_logloss", rounds=rounds - done, init_model=earlier)
    save(trial, model)
    return model, scores["valid"]["binary_logloss"][-1]


def test_a_paused_training_goes_on_to_the_very_model_of_one_without_a_pause() -> None:
    predictions = []

    def objective(trial):
        model, value = goes_on(trial)
        predictions.append(model.predict(ROWS))
        return value

    (paused,) = run(objective, PausesAt(8)).trials
    (whole,) = run(objective).trials
    assert paused.user_attrs["began"] == [0, 8] and whole.user_attrs["began"] == [0]
    assert predictions[1] == pytest.approx(predictions[2], abs=1e-12)
    assert paused.intermediate_values == pytest.approx(whole.intermediate_values, abs=1e-12)


def test_rounds_can_be_a_fidelity() -> None:
    def objective(rounds, trial):
        model, value = goes_on(trial, rounds)
        assert model.current_iteration() == rounds
        return value

    rounds = kilter.Fidelity("rounds", 3, 27)
    study = run(objective, "asha", 9, fidelity=rounds)
    furthest = max(study.trials, key=lambda trial: trial.last_step)
    began = furthest.user_attrs["began"]
    assert furthest.last_step == 27 and began[0] == 0 and began[-1] in (3, 9)  # never from the start again
    assert list(furthest.intermediate_values) == list(range(1, 28))


def test_half_a_model_is_never_left(monkeypatch: pytest.MonkeyPatch) -> None:
    def objective(trial):
        train, _ = sets()
        model = lightgbm.train(SETTINGS, train, 3)
        save(trial, model)
        assert os.listdir(trial.checkpoint_dir) == [MODEL]
        monkeypatch.setattr(os, "replace", lambda *paths: None)  # as if killed before the file has its name
        save(trial, lightgbm.train(SETTINGS, train, 5))
        return resumed(trial).current_iteration()

    assert run(objective).trials[0].value == 3


def test_a_model_of_the_scikit_learn_classes_goes_on_too() -> None:
    def objective(trial):
        save(trial, lightgbm.LGBMClassifier(n_estimators=3, n_jobs=1, verbose=-1).fit(ROWS, LABELS))
        more = lightgbm.LGBMClassifier(n_estimators=2, n_jobs=1, verbose=-1).fit(
            ROWS, LABELS, init_model=resumed(trial)
        )
        return more.booster_.current_iteration()

    assert run(objective).trials[0].value == 5
