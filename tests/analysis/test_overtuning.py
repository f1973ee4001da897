"""What luck did to the best value is told from what is known of noise, and nothing is told where results are exact."""

from __future__ import annotations

import numpy as np
import pytest
from tests.analysis.histories import FAIL, history_of

from kilter import Float, Limits, create_study
from kilter.analysis.convergence import convergence
from kilter.analysis.diagnostics import diagnose
from kilter.analysis.estimate import estimate
from kilter.analysis.overtuning import overtuning
from kilter.analysis.winner import BEYOND_ON_PARTS, winner
from kilter.core.attributes import CONFIRMS, DEFAULT
from kilter.core.errors import InvalidInput, NotReady
from kilter.core.events import Report
from kilter.core.problem import Objective, Problem
from kilter.core.space import Space

SQUARE = Space({"x": Float(0, 1), "y": Float(0, 1)})
LOSS, SCORE = Problem(SQUARE), Problem(SQUARE, (Objective("score", "maximize"),))
FOLDS = 5


def bowl(point):
    return (point["x"] - 0.4) ** 2 + (point["y"] - 0.6) ** 2


def flat(point):
    return 0.0


def searched(trials, sd, truth=bowl, problem=LOSS, seed=0, default=None):
    """Trials at random on the same folds, which differ in how hard they are; each errs on a fold by its own."""
    stream = np.random.default_rng(seed)
    sign, name = problem.objectives[0].sign, problem.objective_names[0]
    hardness = stream.normal(0, 1, FOLDS)
    rows = []
    for number in range(trials):
        point = {"x": stream.random(), "y": stream.random()}
        is_default = default is not None and number == 0
        losses = (default if is_default else truth(point)) + hardness + stream.normal(0, sd, FOLDS)
        reports = [Report(0, {name: sign * loss}, fold) for fold, loss in enumerate(losses)]
        attrs = {DEFAULT: True} if is_default else {}
        rows.append({"params": point, "value": sign * losses.mean(), "reports": reports, "attrs": attrs})
    return history_of(rows, problem)


def test_what_looks_best_among_equals_is_all_luck():
    seen = [overtuning(searched(60, 1.0, flat, seed=seed)) for seed in range(6)]
    truth = [np.random.default_rng(seed).normal(0, 1, FOLDS).mean() for seed in range(6)]
    assert np.mean([abs(one.expected - mean) for one, mean in zip(seen, truth)]) < 0.15
    assert np.mean([one.optimism for one in seen]) > 0.6
    assert all(one.stopped_paying and one.paid_until < 20 for one in seen)


def test_what_is_expected_is_nearer_to_the_truth_than_what_was_observed():
    told, observed = [], []
    for seed in range(6):
        history = searched(60, 0.3, seed=seed)
        seen, hard = overtuning(history), np.random.default_rng(seed).normal(0, 1, FOLDS).mean()
        truth = np.array([bowl(history[number].params) for number in seen.course.numbers.tolist()]) + hard
        told.append(np.abs(seen.course.expected - truth).mean())
        observed.append(np.abs(seen.course.observed - truth).mean())
    assert np.mean(told) < 0.6 * np.mean(observed)


def test_of_exact_results_nothing_is_luck_and_each_better_one_pays():
    rows = [{"params": {"x": x, "y": 0.5}, "value": x} for x in (0.9, 0.4, 0.7, 0.2, 0.3, 0.8)]
    rows.append({"params": rows[3]["params"], "value": 0.2, "attrs": {CONFIRMS: 3}})
    seen = overtuning(history_of(rows, LOSS))
    assert (seen.best, seen.choice, seen.optimism, seen.noise, seen.paid_until, seen.trials) == (3, 3, 0.0, 0.0, 4, 7)
    assert "exact" in str(seen)


def test_the_course_is_that_of_the_best_value():
    history = searched(40, 0.5, problem=SCORE)
    seen, course = overtuning(history).course, convergence(history)
    assert np.array_equal(seen.trials, course.x) and np.array_equal(seen.numbers, course.numbers)
    assert np.array_equal(seen.observed, course.best)


def test_a_maximum_is_as_lucky_as_a_minimum():
    low, high = overtuning(searched(30, 0.5, default=0.2)), overtuning(searched(30, 0.5, problem=SCORE, default=0.2))
    assert high.optimism == pytest.approx(low.optimism) and high.expected == pytest.approx(-low.expected)
    assert (high.paid_until, high.best, high.worse_than_default) == pytest.approx(
        (low.paid_until, low.best, low.worse_than_default)
    )


@pytest.mark.parametrize(("default", "low", "high"), [(1.0, 0.0, 0.25), (0.0, 0.25, 0.6)])
def test_it_may_be_worse_than_the_default_where_that_is_good(default, low, high):
    chances = [overtuning(searched(40, 0.3, seed=seed, default=default)).worse_than_default for seed in range(5)]
    assert low <= np.median(chances) <= high + 1e-9


@pytest.mark.parametrize("default", [-1.0, 0.0, 0.05, 0.3, 2.0])
def test_winner_estimate_overtuning_and_diagnose_say_the_same_of_the_default(default):
    history = searched(80, 0.5, default=default)
    choice, told, seen = winner(history), estimate(history), overtuning(history)
    assert choice.number == told.number == seen.choice
    assert choice.is_default == (not told.gain)
    assert ("keep the default" in str(choice)) == choice.is_default
    assert ("keep the default" in str(seen)) == (choice.is_default and seen.best != 0)
    assert ("default" in kinds(history)) == (choice.is_default and seen.best != 0)
    if not choice.is_default:
        assert told.better == choice.better >= BEYOND_ON_PARTS


def test_of_a_single_part_nobody_says_how_much_is_luck():
    stream = np.random.default_rng(0)
    rows = []
    for value in stream.normal(0, 1, 40).tolist():
        point = {"x": stream.random(), "y": stream.random()}
        rows.append({"params": point, "value": value, "reports": [Report(0, {"value": value}, 0)]})
    rows[0]["attrs"] = {DEFAULT: True}
    history = history_of(rows, LOSS)
    seen = overtuning(history)
    assert seen.worse_than_default is None and not seen.stopped_paying
    for said in (seen, winner(history), estimate(history)):
        assert "nobody can say" in str(said) and "%" not in str(said)
    assert not kinds(history) & {"optimism", "unpaid", "default"}


def test_the_best_is_not_worse_than_itself():
    seen = overtuning(searched(40, 0.3, default=-1.0))
    assert (seen.best, seen.default, seen.worse_than_default, seen.paid_until) == (0, 0, 0.0, 1)


def test_without_a_default_nothing_is_said_of_it():
    seen = overtuning(searched(20, 0.5))
    assert seen.default is seen.worse_than_default is None and "default" not in str(seen)


def test_there_is_no_telling_of_several_objectives_or_without_results():
    two = Problem(SQUARE, (Objective("a"), Objective("b")))
    assert overtuning(history_of([{"params": {"x": 0.1, "y": 0.2}, "values": (1.0, 2.0)}] * 3, two)) is None
    assert overtuning(history_of([{"params": {"x": 0.1, "y": 0.2}, "state": FAIL}], LOSS)) is None
    with pytest.raises(NotReady):
        create_study(space=SQUARE).overtuning()
    with pytest.raises(InvalidInput, match="several objectives"):
        create_study(space=SQUARE, directions=["minimize", "minimize"]).overtuning()


# -- findings -----------------------------------------------------------------------------------------------------


def kinds(history):
    return {finding.kind for finding in diagnose(history, 1e6)}


def test_luck_and_trials_that_did_not_pay_are_found_where_there_are_some():
    assert kinds(searched(80, 1.0, flat)) >= {"optimism", "unpaid"}
    assert not kinds(searched(80, 1e-6)) & {"optimism", "unpaid", "default"}


def test_a_best_trial_that_may_be_worse_than_the_default_is_found():
    assert "default" in kinds(searched(80, 1.0, flat, seed=3, default=0.0))
    assert "default" not in kinds(searched(80, 0.1, default=2.0))


# -- the end of a study -------------------------------------------------------------------------------------------


def test_a_study_whose_gains_are_lost_in_noise_is_ended():
    study = create_study(space=SQUARE, sampler="random", seed=0)

    def objective(trial):
        stream = np.random.default_rng(trial.number)
        losses = stream.normal(0, 1, FOLDS) + bowl(trial.params) / 10
        for fold, loss in enumerate(losses):
            trial.report(loss, fold=fold)
        return losses.mean()

    study.optimize(objective, n_trials=60, limits=Limits(gain=0.0), progress="none")
    assert len(study.trials) == 42


def test_trials_that_were_run_once_give_no_certainty():
    points = [{"x": x, "y": y} for x in (0.1, 0.3, 0.5, 0.7, 0.9) for y in (0.1, 0.4, 0.7, 0.9)]
    rows = [
        {"params": point, "value": bowl(point), "attrs": {DEFAULT: True} if i == 0 else {}}
        for i, point in enumerate(points)
    ]
    told = overtuning(history_of(rows, LOSS))
    assert told.noise == 0 and not told.is_measured
    assert "%" not in str(told) and "as far as these trials show" in str(told)
