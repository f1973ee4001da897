"""The median rule: best against mean, at milestones, with a grace and a start-up."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilter.core.actions import Stop
from kilter.core.errors import InvalidInput
from kilter.core.events import Report, TrialState
from kilter.core.problem import Objective
from kilter.schedulers.median import MedianScheduler, PercentileScheduler, milestone
from kilter.testing.scheduler import SchedulerSuite
from kilter.testing.workers import Log, stepping


class TestMedian(SchedulerSuite):
    order_free = True

    def scheduler(self):
        return MedianScheduler()


class TestPercentile(SchedulerSuite):
    order_free = True

    def scheduler(self):
        return PercentileScheduler()


def judged(scheduler, *curves, problem=None):
    """What the last trial is told when all before it have reported and ended; a curve is {step: value}."""
    log = Log(scheduler, problem or stepping())
    for number, curve in enumerate(curves):
        log.begin(number + 1)
        for step, value in curve.items():
            log.report(number, Report(step, value if isinstance(value, dict) else {"value": value}))
        if number < len(curves) - 1:
            log.end(number, {"value": 0.0})
    return log.judge(len(curves) - 1)


def flat(value, steps=range(1, 10)):
    return dict.fromkeys(steps, value)


FIVE = [flat(value) for value in (0.1, 0.2, 0.3, 0.4, 0.5)]


@given(st.integers(0, 2**63 - 1))
def test_a_milestone_is_near_below(step):
    assert milestone(step) <= step <= milestone(step) * 1.25 + 0.25
    assert milestone(milestone(step)) == milestone(step)


@given(st.lists(st.floats(-5, 5), min_size=6, max_size=12))
def test_with_flat_curves_it_is_the_median(values):
    *others, own = values
    told = judged(MedianScheduler(grace=1), *[flat(value, [1, 2]) for value in values])
    assert isinstance(told, Stop) == (own > sorted(others)[math.ceil((len(others) - 1) / 2)])


def test_the_percentile_decides():
    assert judged(MedianScheduler(), *FIVE, flat(0.25)) is None
    assert isinstance(judged(MedianScheduler(), *FIVE, flat(0.35)), Stop)
    assert isinstance(judged(PercentileScheduler(), *FIVE, flat(0.25)), Stop)
    assert judged(MedianScheduler(percentile=100), *FIVE, flat(0.45)) is None


def test_the_reason_says_how_it_stands():
    told = judged(MedianScheduler(), *FIVE, flat(0.35))
    assert told.reason == "at step 9 its best is worse than the median of 5 others"


def test_one_bad_report_ends_nobody():
    noisy = {**flat(0.25), 9: 100.0}
    assert judged(MedianScheduler(), *FIVE, noisy) is None


def test_one_lucky_report_of_another_raises_no_bar():
    lucky = {**flat(0.9), 1: -5.0}
    others = [lucky, *[flat(0.9)] * 5]
    assert judged(MedianScheduler(), *others, flat(0.9, range(1, 12))) is None


def test_nobody_is_ended_in_the_grace():
    assert judged(MedianScheduler(grace=10), *FIVE, flat(0.9)) is None
    assert isinstance(judged(MedianScheduler(grace=9), *FIVE, flat(0.9)), Stop)


def test_nobody_is_ended_before_enough_others_came_as_far():
    assert judged(MedianScheduler(), *FIVE[:4], flat(0.9)) is None
    assert judged(MedianScheduler(), *FIVE[:4], flat(0.1, [1, 2]), flat(0.9)) is None
    assert isinstance(judged(MedianScheduler(), *FIVE[:4], flat(0.1), flat(0.9)), Stop)


def test_trials_that_report_at_other_steps_are_compared():
    others = [flat(value, range(0, 1000, 90)) for value in (0.1, 0.2, 0.3, 0.4, 0.5)]
    assert isinstance(judged(MedianScheduler(), *others, flat(0.9, range(0, 1000, 100))), Stop)


def test_nan_is_worst_and_folds_are_not_looked_at():
    assert isinstance(judged(MedianScheduler(), *FIVE, flat(math.nan)), Stop)
    assert judged(MedianScheduler(), *[flat(math.nan)] * 5, flat(math.nan)) is None
    log = Log(MedianScheduler(grace=1, startup=1), stepping())
    for number in range(2):
        log.begin(number + 1)
        log.report(number, Report(3, {"value": float(number)}, fold=0))
    assert log.judge(1) is None


def test_several_objectives_must_all_be_behind():
    problem = stepping(objectives=(Objective("a"), Objective("b", "maximize")))
    others = [flat({"a": value, "b": -value}) for value in (0.1, 0.2, 0.3, 0.4, 0.5)]
    assert isinstance(judged(MedianScheduler(), *others, flat({"a": 0.9, "b": -0.9}), problem=problem), Stop)
    assert judged(MedianScheduler(), *others, flat({"a": 0.9, "b": 0.0}), problem=problem) is None


def test_a_trial_that_finished_leaves_only_its_means():
    log = Log(MedianScheduler(), stepping())
    log.begin(1)
    log.report(0, Report(3, {"value": 1.0}), Report(4, {"value": 3.0}))
    log.end(0, {"value": 1.0}, TrialState.PRUNED)
    assert log.engine.scheduler_state.running == {}
    assert log.engine.scheduler_state.means == {3: [[1.0]], 4: [[2.0]]}


@pytest.mark.parametrize("settings", [{"grace": -1}, {"startup": 0}, {"percentile": 101}])
def test_settings_out_of_range(settings):
    with pytest.raises(InvalidInput, match="needs grace >= 0"):
        MedianScheduler(**settings)
