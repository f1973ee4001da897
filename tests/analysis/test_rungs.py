"""Rungs: who came, who went on, who was stopped, with which values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.analysis.histories import COMPLETE, FAIL, PAUSED, PRUNED, RUNNING, WAITING, histories, history_of

from kilter import Fidelity, Float, TrialPruned, create_study
from kilter.analysis.rungs import ladder, values_at
from kilter.core.errors import InvalidInput
from kilter.schedulers import ASHAScheduler

LINE = {"x": Float(0, 1)}


def climbed(last, state=PRUNED, first=1.0):
    return {"state": state, "reports": [(step, first / step) for step in range(1, last + 1)]}


def test_the_steps_at_which_trials_were_stopped_are_the_rungs():
    others = [climbed(9, COMPLETE, 0.5), climbed(3, FAIL), climbed(4, RUNNING), {"attempt": 0, "state": WAITING}]
    trials = [*[climbed(1)] * 6, *[climbed(3, first=0.8)] * 2, *others]
    found = ladder(history_of(trials))
    counts = [(r.step, r.came, r.went_on, r.stopped, r.waiting, r.failed, r.running) for r in found.rungs]
    assert counts == [(1, 11, 5, 6, 0, 0, 0), (3, 5, 1, 2, 0, 1, 1), (9, 1, 1, 0, 0, 0, 0)]
    assert found.trials == 11 and found.unit == "step"
    assert found.rungs[0].cut == 1.0 and found.rungs[1].cut == pytest.approx(0.5 / 3)
    assert [r.numbers[r.is_beyond].tolist() for r in found.rungs] == [[6, 7, 8, 9, 10], [8], [8]]


@given(histories(), st.lists(st.integers(0, 9), unique=True).map(sorted))
def test_those_who_came_went_on_or_are_told_of(history, steps):
    found = ladder(history, steps)
    assert [rung.step for rung in found.rungs] == steps
    for rung, following in zip(found.rungs, [*found.rungs[1:], None]):
        assert rung.came == rung.went_on + rung.stopped + rung.waiting + rung.failed + rung.running
        assert len(rung.numbers) <= rung.came and np.isfinite(rung.values).all()
        if following is not None:
            assert following.came <= rung.went_on <= rung.came
    assert all(rung.came >= 1 for rung in ladder(history).rungs[:1])


def test_without_early_stopping_there_is_no_ladder():
    assert ladder(history_of([climbed(3, COMPLETE)] * 3)).rungs == ()
    with pytest.raises(InvalidInput, match="ascending"):
        ladder(history_of([]), [3, 1])


def test_stops_at_any_step_make_a_geometric_ladder():
    found = ladder(history_of([climbed(last) for last in range(1, 200)]))
    steps = [rung.step for rung in found.rungs]
    assert 8 <= len(steps) <= 13 and steps[0] == 1 and steps[-1] == 199


def test_trials_that_stop_a_little_after_their_rung_came_to_it():
    found = ladder(history_of([*[climbed(3)] * 5, *[climbed(4)] * 2, *[climbed(9)] * 3, climbed(10), climbed(27)]))
    assert [(rung.step, rung.stopped) for rung in found.rungs] == [(3, 7), (9, 4), (27, 1)]
    assert [rung.step for rung in ladder(history_of([climbed(1)] * 3)).rungs] == [1]


def test_values_are_the_first_ones_at_a_step_or_beyond():
    history = history_of([{"state": PAUSED, "reports": [(1, 5.0), (4, 3.0), (4, 2.0), (6, 1.0)]}, climbed(1)])
    assert values_at(history, "value", 2).tolist()[0] == 3.0
    assert np.isnan(values_at(history, "value", 2)[1])


def test_levels_of_a_fidelity_are_rungs_with_their_budgets():
    study = create_study(space=LINE, fidelity=Fidelity("epochs", 1, 9), scheduler="asha", seed=0)
    study.optimize(lambda x, epochs: x / epochs, n_trials=20, progress="none")
    found = ladder(study.history)
    assert [(rung.step, rung.budget) for rung in found.rungs] == [(1, 1.0), (3, 3.0), (9, 9.0)]
    assert found.unit == "epochs"
    assert found.rungs[0].came == found.trials
    assert found.rungs[0].waiting + found.rungs[0].stopped > 0


def test_rungs_are_those_of_the_scheduler_that_stopped_there():
    scheduler = ASHAScheduler(eta=3, promote=False, waits=False)
    study = create_study(space=LINE, direction="maximize", scheduler=scheduler, seed=1)

    def objective(x, trial):
        for step in range(1, 10):
            trial.report(x * step, step)
            if trial.should_prune():
                raise TrialPruned
        return x * 9

    study.optimize(objective, n_trials=40, progress="none")
    found = ladder(study.history)
    first = found.rungs[0]
    assert (found.direction, first.step) == ("maximize", 1)
    assert first.stopped > 5
    assert first.values[first.is_beyond].min() == first.cut
    assert {rung.step for rung in found.rungs} <= {1, 2, 3, 4, 9}
