from __future__ import annotations

import traceback

import numpy as np
import pytest
from tests.integrations.boosting import LABELS, ROWS, PausesAt, StopsAt, asked, run

import kilter
from kilter.core.errors import InvalidInput

catboost = pytest.importorskip("catboost", reason="catboost is not installed: pip install '.[catboost]'")

from kilter.integrations.catboost import TrialCallback, snapshot  # noqa: E402

VALID = (ROWS[200:], LABELS[200:])


class Counts:
    """Notes the rounds that CatBoost really trains."""

    def __init__(self) -> None:
        self.rounds = 0

    def after_iteration(self, info) -> bool:
        self.rounds += 1
        return True


def trained(trial, rounds=20, eval_set=VALID, settings=None, going_on=False, metric="Logloss", **arguments):
    """A model that keeps all its rounds."""
    where = {"train_dir": trial.checkpoint_dir} if going_on else {"allow_writing_files": False}
    model = catboost.CatBoostClassifier(
        iterations=rounds,
        thread_count=1,
        random_seed=0,
        verbose=0,
        use_best_model=False,
        **{**trial.params, **where, **(settings or {"custom_metric": ["AUC"]})},
    )
    keeping = snapshot(trial) if going_on else {}
    callbacks = [counts := Counts(), TrialCallback(trial, metric, **arguments)]
    model.fit(ROWS[:200], LABELS[:200], eval_set=eval_set, callbacks=callbacks, **keeping)
    trial.set_user_attr("trained", [*trial.user_attrs.get("trained", []), counts.rounds])
    return model


@pytest.mark.parametrize(
    ("arguments", "of", "direction"),
    [
        ({}, ("validation", "Logloss"), "minimize"),
        ({"metric": "AUC"}, ("validation", "AUC"), "maximize"),
        ({"data": "learn"}, ("learn", "Logloss"), "minimize"),
    ],
)
def test_every_round_is_a_step_with_the_score_that_the_library_shows(arguments, of, direction) -> None:
    curves = []

    def objective(trial):
        curves.append(trained(trial, **arguments).get_evals_result()[of[0]][of[1]])
        return curves[0][-1]

    (trial,) = run(objective, direction=direction).trials
    assert trial.intermediate_values == dict(enumerate(curves[0], start=1))


def told(call) -> str:
    """The error that a call ends in: some versions wrap ours in CatBoostError, others in SystemError."""
    with pytest.raises(Exception) as caught:
        call()
    text = "".join(traceback.format_exception(caught.value))
    assert "InvalidInput" in text
    return text


def test_of_several_validation_sets_one_is_named() -> None:
    two = [(ROWS[200:250], LABELS[200:250]), (ROWS[250:], LABELS[250:])]
    assert "'validation_0', 'validation_1': name the one" in told(lambda: trained(asked(), eval_set=two))
    curves = []

    def objective(trial):
        curves.append(trained(trial, eval_set=two, data="validation_1").get_evals_result()["validation_1"]["Logloss"])
        return 0.0

    (trial,) = run(objective).trials
    assert list(trial.intermediate_values.values()) == curves[0]


@pytest.mark.parametrize("eval_metric", ["PRAUC", "Recall"])  # scored after and before the loss
def test_beside_an_eval_metric_one_is_named(eval_metric: str) -> None:
    text = told(lambda: trained(asked(), settings={"eval_metric": eval_metric}, metric=None))
    assert f"'{eval_metric}'" in text and "'Logloss'" in text and "name the one" in text


@pytest.mark.parametrize(("metric", "direction"), [("AUC", "minimize"), ("Logloss", "maximize")])
def test_a_study_that_looks_for_the_wrong_end_of_a_metric_is_told(metric, direction) -> None:
    text = told(lambda: trained(asked(direction=direction), metric=metric))
    assert f"values of {metric!r} are better, but the study {direction}s 'value'" in text


@pytest.mark.filterwarnings("ignore:Failed to import numba")
def test_metrics_with_parameters_and_those_of_the_user_have_a_direction_or_none() -> None:
    class Mine:
        """Named as no metric of CatBoost is."""

        def is_max_optimal(self):
            return True

        def evaluate(self, approxes, target, weight):
            return float(np.mean((np.asarray(approxes[0]) > 0) == np.asarray(target))), 1.0

        def get_final_error(self, error, weight):
            return error

    for direction in ("minimize", "maximize"):
        trial = asked(direction=direction)
        trained(trial, settings={"eval_metric": Mine()}, rounds=3, metric="Mine")
        assert trial.last_report.step == 3
    settings = {"custom_metric": ["F:beta=2"]}
    assert "larger values of 'F:beta=2'" in told(lambda: trained(asked(), settings=settings, metric="F:beta=2"))


def test_a_stop_ends_the_training_gently_and_keeps_the_model() -> None:
    models = []

    def objective(trial):
        models.append(trained(trial))
        return 99.0  # does not count: the trial left with what it reported

    (trial,) = run(objective, StopsAt(7)).trials
    assert trial.state.name == "PRUNED" and trial.last_step == 7 == models[0].tree_count_
    assert trial.value == trial.intermediate_values[7] != 99.0


def test_of_many_rounds_every_third_is_reported() -> None:
    assert list(run(lambda trial: trained(trial, every=3) and 0.0).trials[0].intermediate_values) == [
        3,
        6,
        9,
        12,
        15,
        18,
    ]


def test_only_rounds_that_are_scored_are_reported() -> None:
    (trial,) = run(lambda trial: trained(trial, settings={"metric_period": 4}) and 0.0).trials
    assert list(trial.intermediate_values) == [1, 5, 9, 13, 17, 20]


def test_a_trial_that_has_left_ends_its_other_trainings_too() -> None:
    lengths = []

    def objective(trial):
        lengths.extend(trained(trial).tree_count_ for _ in range(3))
        return 0.0

    run(objective, StopsAt(5))
    assert lengths == [5, 1, 1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"metric": "AUX"}, "did you mean 'AUC'"),
        ({"data": "vaildation"}, "did you mean 'validation'"),
        ({"metric": "RMSE", "data": "learn"}, "Logloss"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(arguments, words) -> None:
    assert words in told(lambda: trained(asked(), **arguments))


def test_the_rounds_between_reports_are_checked_at_once() -> None:
    with pytest.raises(InvalidInput, match="whole number above 0"):
        TrialCallback(asked(), every=True)


@pytest.mark.parametrize("settings", [{}, {"boosting_type": "Ordered", "rsm": 0.5}])
def test_a_paused_training_goes_on_to_the_very_model_of_one_without_a_pause(settings) -> None:
    predictions = []

    def objective(trial):
        model = trained(trial, going_on=True, settings=settings)
        predictions.append(model.predict_proba(ROWS))
        assert model.tree_count_ == (8 if trial.has_left else 20)
        return model.get_evals_result()["validation"]["Logloss"][-1]

    (paused,) = run(objective, PausesAt(8)).trials
    (whole,) = run(objective).trials
    assert paused.user_attrs["trained"] == [8, 12] and whole.user_attrs["trained"] == [20]
    assert np.array_equal(predictions[1], predictions[2])
    assert paused.intermediate_values == whole.intermediate_values


def test_rounds_can_be_a_fidelity() -> None:
    def objective(rounds, trial):
        model = trained(trial, rounds=rounds, going_on=True)
        assert model.tree_count_ == rounds
        return model.get_evals_result()["validation"]["Logloss"][-1]

    study = run(objective, "asha", 9, fidelity=kilter.Fidelity("rounds", 3, 27))
    furthest = max(study.trials, key=lambda trial: trial.last_step)
    assert furthest.last_step == 27 == sum(furthest.user_attrs["trained"]) and furthest.attempt > 1
    assert list(furthest.intermediate_values) == list(range(1, 28))
