"""A top that rises only while rankings change, and the leader that goes on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilter.api import create_study
from kilter.core.actions import Pause, Resume
from kilter.core.errors import IncapableScheduler, InvalidInput
from kilter.core.events import Report, TrialState
from kilter.schedulers.hyperband import HyperbandScheduler
from kilter.schedulers.pasha import PASHAScheduler, is_stable, noise
from kilter.schedulers.rungs import level_of
from kilter.storage.memory import MemoryStorage
from kilter.testing.scheduler import SchedulerSuite
from kilter.testing.workers import Log, Workers, budgeted, steady, stepping, worth


class TestPASHA(SchedulerSuite):
    def scheduler(self):
        return PASHAScheduler()


ROWS = st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=1, max_size=12).map(np.array)


@given(ROWS)
def test_values_within_epsilon_rank_alike(rows):
    below, above = rows.T
    assert is_stable(below, above, float(np.ptp(below)))
    assert is_stable(below, below, 0.0)


@given(ROWS, st.floats(0, 5))
def test_more_noise_never_makes_a_ranking_change(rows, epsilon):
    below, above = rows.T
    assert is_stable(below, above, epsilon + 1.0) or not is_stable(below, above, epsilon)


def test_values_that_are_not_finite_are_left_out():
    assert is_stable(np.array([np.inf, 0.1, 0.2]), np.array([0.0, 0.1, 0.2]), 0.0)


def curves(*rows):
    return [(np.arange(len(row)), np.array(row)) for row in rows]


def test_noise_is_the_distance_of_curves_that_crossed_twice():
    level = [1.0, 1.0, 1.0, 1.0]
    assert noise(curves(level, [0.9, 1.1, 0.9, 0.95])) == pytest.approx(0.05)
    assert noise(curves(level, [0.9, 1.1, 1.1, 1.1])) == 0.0
    assert noise(curves(level)) == 0.0
    assert noise([*curves(level), (np.array([9]), np.array([1.0]))]) == 0.0


@pytest.mark.parametrize("form", ["steps", "budget"])
def test_the_top_stays_where_rankings_are_stable(form):
    logs = []
    for scheduler in (PASHAScheduler(), HyperbandScheduler(brackets=1)):
        logs.append(Log(scheduler, budgeted() if form == "budget" else stepping()))
        Workers(logs[-1], form, steady).run(80)
    assert logs[0].engine.scheduler_state.top == 1
    ours, asha = (sum(log.history.reports.furthest.values()) for log in logs)
    assert ours < asha
    assert logs[0].history.with_state(TrialState.COMPLETE), "the leaders go on to the end"


def turning(config, step):
    """The other way round at each level."""
    return worth(config) * (-1) ** level_of(step, 1, 3)


@pytest.mark.parametrize("form", ["steps", "budget"])
def test_the_top_rises_where_curves_cross(form):
    log = Log(PASHAScheduler(), budgeted() if form == "budget" else stepping())
    Workers(log, form, turning).run(80)
    assert log.engine.scheduler_state.top > 1


def test_the_top_stops_at_the_last_level():
    log = Log(PASHAScheduler(), budgeted())
    Workers(log, "budget", turning).run(150)
    assert log.engine.scheduler_state.top == 3
    assert log.history.with_state(TrialState.COMPLETE)


def test_a_trial_at_the_top_pauses_and_the_best_there_goes_on():
    log = Log(PASHAScheduler(), stepping())
    for number, value in enumerate([0.2, 0.3, 0.1]):
        log.begin(number + 1)
        log.report(number, Report(3, {"value": value}))
        assert (log.judge(number) is None) == (number == 0), "nobody had gone beyond the first"
        log.report(number, Report(4, {"value": value}))
        assert isinstance(log.judge(number), Pause)
        log.end(number, {"value": value}, TrialState.PAUSED)
    assert log.engine.plan() == Resume(2)
    log.begin(3)
    log.report(2, *[Report(step, {"value": 0.5}) for step in range(5, 30)])
    assert log.judge(2) is None, "the leader is held no more"


def test_several_objectives_are_refused_before_there_is_a_study():
    storage = MemoryStorage()
    with pytest.raises(IncapableScheduler, match="one objective; this problem has 2"):
        create_study(directions={"a": "minimize", "b": "minimize"}, scheduler=PASHAScheduler(), storage=storage)
    assert storage.studies() == []


@pytest.mark.parametrize("settings", [{"grace": 0}, {"eta": 1.0}])
def test_settings_out_of_range(settings):
    with pytest.raises(InvalidInput, match="needs grace >= 1"):
        PASHAScheduler(**settings)
