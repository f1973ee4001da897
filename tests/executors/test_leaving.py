"""A callback that stops a library: the trial ends as its scheduler wished, whatever the objective returns."""

from __future__ import annotations

from math import nan
from typing import Any

import pytest

import kilter
from kilter import Float, TrialState
from kilter.schedulers import ThresholdScheduler

SPACE = {"x": Float(0, 1)}


def report_badly(trial: kilter.Trial) -> None:
    """What the scheduler of these studies ends a trial for."""
    trial.report(6.0, 2)
    trial.report(5.0, 3)


def study(**settings: Any) -> kilter.Study:
    return kilter.create_study(space=SPACE, scheduler=ThresholdScheduler(upper=0.0), seed=0, **settings)


@pytest.mark.parametrize("result", [nan, 7.0, None, "no number"])
@pytest.mark.parametrize("jobs", [1, 2])
def test_what_is_returned_after_leaving_does_not_count(result: Any, jobs: int) -> None:
    def objective(trial: kilter.Trial) -> Any:
        report_badly(trial)
        assert trial.leaves()
        assert trial.has_left
        return result

    made = study()
    made.optimize(objective, n_trials=2, n_jobs=jobs, progress="none")
    assert [t.state for t in made.trials] == [TrialState.PRUNED] * 2
    assert [t.value for t in made.trials] == [5.0] * 2


def test_who_only_asks_whether_to_prune_has_not_left() -> None:
    def objective(trial: kilter.Trial) -> float:
        report_badly(trial)
        assert trial.should_prune()
        assert not trial.has_left
        return 7.0

    made = study()
    made.optimize(objective, n_trials=1, progress="none")
    assert (made.trials[0].state, made.trials[0].value) == (TrialState.COMPLETE, 7.0)


def test_once_left_is_left_for_good() -> None:
    trial = study().ask()
    report_badly(trial)
    assert trial.leaves()
    trial.report(-5.0, 4)
    assert trial.leaves()


def test_a_trial_that_left_is_told_as_pruned() -> None:
    made = study()
    trial = made.ask()
    report_badly(trial)
    assert trial.leaves()
    told = made.tell(trial, 7.0)
    assert (told.state, told.value) == (TrialState.PRUNED, 5.0)


def test_an_exception_after_leaving_is_a_failure() -> None:
    def objective(trial: kilter.Trial) -> float:
        report_badly(trial)
        trial.leaves()
        raise ValueError("while the model was saved")

    made = study()
    made.optimize(objective, n_trials=1, progress="none")
    assert made.trials[0].state is TrialState.FAIL
