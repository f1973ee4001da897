"""Repeats in a race: where they go, what they cost where there is no noise, and that they change no other decision."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kilter
from kilter.analysis.repeats import to_repeat
from kilter.core.attributes import CONFIRMS, DEFAULT
from kilter.core.errors import InvalidInput
from kilter.core.events import Ended, Failure, Started, TrialState
from kilter.core.numbers import Float
from kilter.core.problem import Problem
from kilter.core.seeds import rng
from kilter.core.space import Space
from kilter.evaluation import Seeds
from kilter.samplers import RandomSampler
from kilter.schedulers.race import RaceScheduler
from kilter.testing.sampler import Log

SPACE = {"x": Float(0.0, 1.0), "y": Float(0.0, 1.0)}


def bowl(params):
    return (params["x"] - 0.3) ** 2 + (params["y"] - 0.6) ** 2


def noisy(trial):
    """Noise as large as all that there is to find."""
    return bowl(trial.params) + 0.5 * rng(5, "noise", trial.number).standard_normal()


def run(objective, trials=50, sampler="random", storage=None, **more):
    study = kilter.create_study(
        space=SPACE, sampler=sampler, scheduler=RaceScheduler(**more), seed=3, storage=storage, study_name="s"
    )
    study.optimize(objective, n_trials=trials, progress="none")
    return study


def repeats(study):
    return [trial for trial in study.trials if CONFIRMS in trial.user_attrs]


def test_repeats_that_fail_are_given_up():
    def objective(trial):
        if CONFIRMS in trial.user_attrs:
            raise ValueError("no other part to meet")
        return noisy(trial)

    assert [trial.state for trial in repeats(run(objective))] == [TrialState.FAIL] * 2


@pytest.mark.parametrize("share", [0.0, 0.1, 0.2, 0.5])
def test_at_most_the_share_of_the_trials_measures_complete_ones_again(share):
    study = run(noisy, repeats=share)
    again = repeats(study)
    assert len(again) <= share * 50
    assert len(again) >= share * 50 / 2 - 1, "noise drowns everything here"
    for trial in again:
        of = study.trials[trial.user_attrs[CONFIRMS]]
        assert of.number < trial.number
        assert CONFIRMS not in of.user_attrs
        assert of.params == trial.params


@pytest.mark.parametrize("sampler", ["random", "auto"])
def test_repeats_do_not_lead_a_sampler_to_try_something_twice(sampler):
    study = run(noisy, sampler=sampler)
    searched = [tuple(t.params.values()) for t in study.trials if CONFIRMS not in t.user_attrs]
    assert len(set(searched)) == len(searched) < 50


def test_an_objective_without_noise_loses_one_trial():
    assert len(repeats(run(lambda trial: bowl(trial.params), 80))) == 1


def test_values_of_few_digits_are_not_taken_for_exact_ones_at_once():
    assert len(repeats(run(lambda trial: 0.5, 80))) == 3


def test_noise_that_is_small_beside_what_configurations_differ_is_left_to_their_neighbours():
    def nearly(trial):
        return bowl(trial.params) + 1e-3 * rng(5, "noise", trial.number).standard_normal()

    assert len(repeats(run(nearly, 80))) == 1


def test_a_repeat_meets_the_parts_that_are_left_and_no_configuration_is_repeated_more_often():
    calls = []

    def train(*, x, y, seed):
        calls.append((x, y, seed))
        return bowl({"x": x, "y": y}) + 0.1 * math.sin(1e4 * x + seed)

    study = run(Seeds(4).objective(train, first=1), 60)
    assert len(set(calls)) == len(calls), "a part is computed again"
    again = repeats(study)
    assert len(again) == len({trial.user_attrs[CONFIRMS] for trial in again}) == 10
    assert all(list(trial.folds) == [0, 1, 2, 3] and trial.state is TrialState.COMPLETE for trial in again)
    best = sorted((t for t in study.trials if CONFIRMS not in t.user_attrs), key=lambda trial: trial.value)[:20]
    assert len({trial.user_attrs[CONFIRMS] for trial in again} & {trial.number for trial in best}) >= 7


def test_several_scores_of_a_part_are_known_of_a_repeat():
    calls = []

    def train(*, x, y, seed):
        calls.append((x, y, seed))
        return {"loss": x + 0.1 * seed, "size": y}

    study = kilter.create_study(space=SPACE, directions={"loss": "minimize"}, scheduler="race", seed=0)
    study.optimize(Seeds(3).objective(train, first=1), n_trials=20, progress="none")
    assert len(set(calls)) == len(calls)
    assert {tuple(trial.folds) for trial in repeats(study)} == {(0, 1, 2)}
    assert all(trial.metrics["size"] == trial.params["y"] for trial in study.trials)


def test_what_users_have_enqueued_goes_first():
    study = run(noisy, 13)
    study.enqueue_trial({"x": 0.25, "y": 0.5})
    study.optimize(noisy, n_trials=1, progress="none")
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 14


def test_a_study_that_was_broken_off_repeats_what_one_that_was_not_does(tmp_path):
    whole = run(noisy, 60)
    parts = run(noisy, 23, storage=tmp_path / "s.db")
    kilter.load_study(study_name="s", storage=tmp_path / "s.db").optimize(noisy, n_trials=37, progress="none")
    assert [(t.params, t.user_attrs, t.value) for t in parts.trials] == [
        (t.params, t.user_attrs, t.value) for t in whole.trials
    ]


def test_workers_side_by_side_repeat_within_the_share_and_not_the_same_at_once():
    study = kilter.create_study(space=SPACE, sampler="random", scheduler="race", seed=1)
    asked = []
    for turn in range(60):
        asked.append(study.ask())
        open_now = [t.user_attrs[CONFIRMS] for t in asked if CONFIRMS in t.user_attrs]
        assert len(set(open_now)) == len(open_now)
        if len(asked) == 4:
            done = asked.pop(turn % 4)
            study.tell(done, noisy(done))
    assert 3 <= len(repeats(study)) <= 12


# -- the rule ---------------------------------------------------------------------------------------------------------


class Told(Log):
    """A log of a study with one parameter, trial by trial."""

    def __init__(self):
        super().__init__(RandomSampler(), Problem(Space({"x": Float(0.0, 1.0)})), 0)

    def tell(self, x, value, confirms=None, state=TrialState.COMPLETE):
        number = len(self.engine.history)
        self.write(Started(number, 1, {"x": x}, "w", self.engine.position, 0.0, confirms=confirms))
        metrics = {} if state is TrialState.FAIL else {"value": float(value)}
        failure = Failure("ValueError") if state is TrialState.FAIL else None
        self.write(Ended(number, 1, state, metrics, 1.0, failure=failure))
        return self

    @property
    def answer(self):
        return to_repeat(self.engine.history)


def test_the_first_repeat_is_of_the_leading_configuration_and_one_that_failed_is_not_asked_for_again():
    log = Told()
    assert log.answer is None
    for x in np.linspace(0.0, 1.0, 12):
        log.tell(x, (x - 0.5) ** 2 + 0.01 * math.sin(40 * x))
    first = log.answer
    assert first in (5, 6)
    log.tell(first / 11, 0.0, first, TrialState.FAIL)
    assert log.answer not in (first, None)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(-1e3, 1e3)), min_size=1, max_size=8), st.booleans())
def test_whatever_was_measured_the_answer_is_a_complete_trial_of_the_search(told, is_noisy):
    log = Told()
    for x, value in told:
        log.tell(x, value)
    log.tell(told[0][0], told[0][1] + is_noisy, 0)
    answer = log.answer
    if answer is not None:
        trial = log.engine.history[answer]
        assert trial.state is TrialState.COMPLETE
        assert CONFIRMS not in trial.attrs


def test_a_share_that_is_none_is_refused():
    for share in (-0.1, 0.6, math.nan):
        with pytest.raises(InvalidInput, match="repeats is a share"):
            RaceScheduler(repeats=share)


def test_the_default_may_be_repeated_and_is_no_repeat():
    study = kilter.create_study(space=SPACE, sampler="random", scheduler="race", seed=1)
    study.enqueue_trial({"x": 0.3, "y": 0.6}, {DEFAULT: True}, judged=False)
    study.optimize(noisy, n_trials=40, progress="none")
    assert len(repeats(study)) <= 8
