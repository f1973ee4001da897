"""Trials of another study of the same task, as trials of this one."""

from __future__ import annotations

from datetime import timedelta

import pytest

import kilter
from kilter import Choice, Float, Int, TrialPruned, create_study
from kilter.core.attributes import ADOPTED
from kilter.core.errors import InvalidInput, StudyNotFound

OLD = {"lr": Float(1e-4, 1.0, log=True), "depth": Int(1, 8), "old": Float(0, 1)}
NEW = {"lr": Float(1e-3, 10.0, log=True), "depth": Choice([2, 4, 6]), "dropout": Float(0, 1, default=0.0)}


def objective(trial):
    if trial.number % 7 == 5:
        raise ValueError
    trial.report(trial.params["lr"], 1)
    if trial.number % 5 == 4:
        raise TrialPruned
    return trial.params["lr"]


def old(storage=None, **more):
    study = create_study(study_name="v1", storage=storage, space=OLD, sampler="sobol", seed=0, **more)
    study.optimize(objective, n_trials=20, progress="none")
    study.enqueue_trial({"lr": 0.01, "depth": 4, "old": 0.5}, {"mine": 1})
    study.optimize(objective, n_trials=1, progress="none")
    return study


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/studies.db"


def test_what_fits_is_adopted_once_with_reports_times_and_attributes(url):
    there = old(url)
    here = create_study(study_name="v2", storage=url, space={**NEW, "depth": Int(1, 8)}, seed=0)
    numbers = here.adopt("v1")
    assert numbers and here.adopt(there) == []
    for number in numbers:
        trial = here.trials[number]
        name, source = trial.user_attrs[ADOPTED]
        origin = there.trials[source]
        assert name == "v1" and trial.state == origin.state and trial.value == origin.value
        assert trial.params == {"lr": origin.params["lr"], "depth": origin.params["depth"], "dropout": 0.0}
        assert trial.intermediate_values == origin.intermediate_values
        assert abs(trial.duration - origin.duration) < timedelta(milliseconds=1)
    assert {trial.state.name for trial in here.trials} == {"COMPLETE", "PRUNED"}
    assert here.trials[-1].user_attrs["mine"] == 1
    assert min(trial.params["lr"] for trial in here.trials) >= 1e-3
    there.enqueue_trial({"lr": 0.5, "depth": 1, "old": 0.1})
    there.optimize(lambda trial: 0.0, n_trials=1, progress="none")
    assert here.adopt("v1") == [len(numbers)]
    assert here.best_value == 0.0


def test_a_study_goes_on_after_what_it_adopted(url):
    old(url)
    here = create_study(study_name="v2", storage=url, space={**NEW, "depth": Int(1, 8)}, seed=0)
    adopted = here.adopt("v1")
    here.optimize(lambda trial: trial.params["lr"], n_trials=2, progress="none")
    assert here.explain(len(adopted)).arm != "sobol"
    again = kilter.load_study(study_name="v2", storage=url)
    assert again.trials[-1].params == here.trials[-1].params and again.best_value == here.best_value


def test_options_that_are_gone_leave_their_trials_out():
    here = create_study(space={"depth": Choice([2, 4, 6])}, seed=0)
    here.adopt(old())
    assert {trial.params["depth"] for trial in here.trials} <= {2, 4, 6}


def test_where_the_space_grows_as_it_is_met_it_takes_all_of_theirs():
    here, there = create_study(seed=0), old()
    assert len(here.adopt(there)) == sum(trial.state.name != "FAIL" for trial in there.trials)
    assert set(here.space) == set(OLD) and here.best_params == there.best_params
    here.optimize(lambda trial: trial.suggest_float("lr", 1e-4, 1.0, log=True), n_trials=2, progress="none")


def test_what_cannot_be_adopted_says_why(url):
    there = old(url)
    with pytest.raises(InvalidInput, match="cannot adopt itself"):
        there.adopt("v1")
    with pytest.raises(InvalidInput, match="cannot adopt itself"):
        there.adopt(there)
    with pytest.raises(StudyNotFound, match=r"no study 'v2'. Known: v1"):
        there.adopt("v2")
    with pytest.raises(InvalidInput, match=r"adopt\(3\): give a study"):
        there.adopt(3)
    with pytest.raises(
        InvalidInput, match=r"are of minimize value, those of .* of maximize value: only results of the same"
    ):
        create_study(space=OLD, direction="maximize").adopt(there)
    with pytest.raises(InvalidInput, match=r"none of its .* is of this space: lr"):
        create_study(space={"lr": Float(5, 6)}).adopt(there)
    with pytest.raises(InvalidInput, match="have no 'dropout': say what it was, as in kilter"):
        create_study(space={"lr": OLD["lr"], "dropout": Float(0, 1)}).adopt(there)


def test_what_was_called_otherwise_or_never_varied_is_said(url):
    there = old(url)
    here = create_study(storage=url, space={"rate": OLD["lr"], "dropout": Float(0, 1)}, seed=0)
    numbers = here.adopt(kilter.Earlier("v1", renamed={"lr": "rate"}, fixed={"dropout": 0.25}))
    assert [trial.params["rate"] for trial in here.trials] == [
        there.trials[here.trials[number].user_attrs[ADOPTED][1]].params["lr"] for number in numbers
    ]
    assert {trial.params["dropout"] for trial in here.trials} == {0.25}
