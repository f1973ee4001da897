"""What a user enqueued is used, or the user is told why not."""

import math
import warnings

import numpy as np
import pytest

import kilter
from kilter.core.errors import InvalidInput

FLOAT = lambda trial: trial.suggest_float("x", 1, 10)  # noqa: E731
INT = lambda trial: trial.suggest_int("x", 1, 10)  # noqa: E731
OPTION = lambda trial: len(trial.suggest_categorical("x", ["adam", "sgd"]))  # noqa: E731


def run(params, objective, **options):
    """The trial of an enqueued configuration, and the warnings."""
    study = kilter.create_study(seed=0)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        study.enqueue_trial(params)
        study.optimize(objective, n_trials=1, progress="none", **options)
    return study.trials[0], told


@pytest.mark.parametrize(
    ("value", "objective", "reason"),
    [
        (0, FLOAT, r"0 is outside \[1.0, 10.0\]"),
        ("foo", FLOAT, "'foo', a text, is not a number"),
        (math.nan, FLOAT, "is not a number"),
        (None, FLOAT, "None is not a number"),
        (True, FLOAT, "True is not a number"),
        (1.1, INT, "1.1 is not a whole number"),
        (11, INT, r"11 is outside \[1, 10\]"),
        ("rmsprop", OPTION, "'rmsprop' is not one of 'adam', 'sgd'"),
        ([1, 2], OPTION, "is not one of"),
    ],
)
def test_a_value_that_does_not_fit_is_told(value, objective, reason):
    trial, told = run({"x": value}, objective)
    assert trial.state == kilter.TrialState.COMPLETE
    (warning,) = told
    assert warning.filename == __file__
    assert str(warning.message).startswith("trial 0 was enqueued with x=")
    assert str(warning.message).endswith(f"It ran with x={trial.params['x']!r} instead")
    with pytest.raises(InvalidInput, match=reason):
        raise InvalidInput(str(warning.message))


@pytest.mark.parametrize(
    ("value", "objective"),
    [(1, FLOAT), (2.5, FLOAT), (np.float32(2.5), FLOAT), (3, INT), (3.0, INT), (np.int64(3), INT), ("sgd", OPTION)],
)
def test_a_value_that_fits_is_used_in_silence(value, objective):
    trial, told = run({"x": value}, objective)
    assert trial.params["x"] == value
    assert not told


def test_a_name_that_is_never_asked_for_is_told():
    _, told = run({"learning_rat": 0.01}, lambda trial: trial.suggest_float("learning_rate", 0, 1))
    (warning,) = told
    assert str(warning.message) == (
        "trial 0 was enqueued with learning_rat=0.01, but its objective asks for no parameter 'learning_rat': "
        "did you mean 'learning_rate'? Known: learning_rate"
    )


def test_a_failed_trial_may_not_have_come_to_ask():
    def broken(trial):
        raise ValueError

    assert not run({"x": 1}, broken, catch=(ValueError,))[1]


def misfit(trial):
    return trial.suggest_float("x", 1, 10)


@pytest.mark.story
def test_workers_tell_it_too(tmp_path):
    study = kilter.create_study(storage=f"sqlite:///{tmp_path}/k.db", seed=0)
    study.enqueue_trial({"x": 0})
    with pytest.warns(UserWarning, match=r"trial 0 was enqueued with x=0, but 0 is outside \[1.0, 10.0\]"):
        study.optimize(misfit, n_trials=2, n_jobs=2, progress="none")


def test_ask_and_tell_tell_it_too():
    study = kilter.create_study(seed=0)
    study.enqueue_trial({"x": 0, "y": 1})
    trial = study.ask()
    trial.suggest_float("x", 1, 10)
    with pytest.warns(UserWarning, match="was enqueued with") as told:
        study.tell(trial, 1.0)
    assert [str(warning.message).partition(",")[0] for warning in told] == [
        "trial 0 was enqueued with x=0",
        "trial 0 was enqueued with y=1",
    ]


def test_what_the_sampler_chose_may_miss_a_range_that_moves():
    study = kilter.create_study(seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        study.optimize(lambda trial: trial.suggest_int("n", 1 + trial.number % 3, 4), n_trials=20, progress="none")


def test_what_was_enqueued_is_known_after_a_restart(tmp_path):
    """Also from a snapshot."""
    from kilter.engine import snapshot

    url = f"sqlite:///{tmp_path}/k.db"
    kilter.create_study(study_name="s", storage=url, seed=0).enqueue_trial({"x": 0})
    study = kilter.load_study(study_name="s", storage=url)
    engine = study._session.engine
    copy = type(engine)(engine.problem, engine.sampler, engine.scheduler, engine.seed)
    snapshot.loads(copy, snapshot.dumps(engine))
    assert copy.history[0].chosen == ["x"]
    with pytest.warns(UserWarning, match="x=0"):
        study.optimize(misfit, n_trials=1, progress="none")


def test_a_refusal_names_the_parameter():
    study = kilter.create_study(seed=0)
    study.optimize(FLOAT, n_trials=1, progress="none")
    with pytest.raises(InvalidInput, match=r"x: 0 is outside \[1.0, 10.0\]"):
        study.enqueue_trial({"x": 0})


@pytest.mark.parametrize("params", [None, [{"x": 1}], "x=1", 3, {1: 2}])
def test_what_is_no_configuration_is_refused(params):
    with pytest.raises(InvalidInput, match="as a dict of names and values"):
        kilter.create_study(seed=0).enqueue_trial(params)


def test_a_value_of_an_inactive_parameter_is_dropped_aloud():
    space = {"model": kilter.Choice(["svm", "knn"]), "C": kilter.Float(0, 1).when(model="svm")}
    study = kilter.create_study(space=space, seed=0)
    with pytest.warns(UserWarning, match=r"C=0.5 is dropped: C is active only with model in \['svm'\]") as told:
        study.enqueue_trial({"model": "knn", "C": 0.5})
    assert told[0].filename == __file__


@pytest.mark.parametrize("sampler", ["auto", "sobol", "tpe", "gp", "nsga2", "random"])
def test_what_is_enqueued_in_part_is_completed_in_another_way_each_time(sampler):
    space = {"a": kilter.Float(0, 1), "b": kilter.Float(0, 1), "c": kilter.Float(0, 1)}
    alone = kilter.create_study(space=space, seed=0, sampler=sampler)
    study = kilter.create_study(space=space, seed=0, sampler=sampler)
    for a in range(5):
        study.enqueue_trial({"a": a / 5})
    for each in (alone, study):
        each.optimize(lambda a, b, c: a + b + c, 6, progress="none")
    assert [trial.params["a"] for trial in study.trials[:5]] == [0.0, 0.2, 0.4, 0.6, 0.8]
    assert len({trial.params["b"] for trial in study.trials}) == len({trial.params["c"] for trial in study.trials}) == 6
    if sampler != "random":  # the sequence itself is not used up by them
        assert study.trials[5].params == alone.trials[0].params


def test_a_branch_that_a_user_chose_is_not_always_filled_with_its_middle():
    space = {"m": kilter.Choice({"one": {"x": kilter.Float(0, 1)}, "two": {"y": kilter.Float(0, 1)}})}
    study = kilter.create_study(space=space, seed=0)
    for name in ("one", "two") * 4:
        study.enqueue_trial({"m": name})
    study.optimize(lambda m, x=0.0, y=0.0: x + y, 8, progress="none")
    filled = [value for trial in study.trials for key, value in trial.params.items() if key != "m"]
    assert len(set(filled)) == 8 and 0.5 not in filled
