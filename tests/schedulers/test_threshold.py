"""A fixed bound: two reports in a row, NaN included."""

import math

import pytest

from kilter.core.actions import Stop
from kilter.core.errors import InvalidInput
from kilter.core.events import LOST, Failure, Report, TrialState
from kilter.schedulers.threshold import ThresholdScheduler
from kilter.testing.scheduler import SchedulerSuite
from kilter.testing.workers import Log, stepping


class TestThreshold(SchedulerSuite):
    order_free = True

    def scheduler(self):
        return ThresholdScheduler()


class TestBounds(SchedulerSuite):
    order_free = True
    mirrors = False

    def scheduler(self):
        return ThresholdScheduler(upper=1.2)


def judged(scheduler, *values, metric="value"):
    log = Log(scheduler, stepping())
    log.begin(1)
    log.report(0, *[Report(step, {metric: value}) for step, value in enumerate(values)])
    return log.judge(0)


@pytest.mark.parametrize("outside", [math.nan, 3.0, -1.0, math.inf])
def test_two_reports_in_a_row_end_a_trial(outside):
    scheduler = ThresholdScheduler(lower=0.0, upper=2.0)
    assert judged(scheduler, 1.0, outside) is None
    assert judged(scheduler, outside, 1.0, outside) is None
    assert isinstance(judged(scheduler, 1.0, outside, outside), Stop)
    assert isinstance(judged(scheduler, outside, outside, 1.0), Stop)


def test_bounds_are_within():
    assert judged(ThresholdScheduler(lower=0.0, upper=2.0), 0.0, 2.0, 0.0) is None


def test_without_bounds_only_nan_counts():
    assert judged(ThresholdScheduler(), math.inf, -math.inf, math.inf) is None
    assert (
        judged(ThresholdScheduler(), math.nan, math.nan).reason == "'value' is out of [-inf, inf] at 2 reports in a row"
    )


def test_another_metric():
    scheduler = ThresholdScheduler(upper=10.0, metric="loss")
    assert judged(scheduler, 99.0, 99.0) is None
    assert isinstance(judged(scheduler, 99.0, 99.0, metric="loss"), Stop)


def test_the_grace_is_passed_over():
    assert judged(ThresholdScheduler(upper=1.0, grace=3), 5.0, 5.0, 5.0, 5.0) is None
    assert isinstance(judged(ThresholdScheduler(upper=1.0, grace=3), 5.0, 5.0, 5.0, 5.0, 5.0), Stop)


def test_another_attempt_is_counted_anew():
    log = Log(ThresholdScheduler(upper=1.0), stepping())
    log.begin(1)
    log.report(0, Report(0, {"value": 5.0}))
    log.end(0, {}, TrialState.FAIL, failure=Failure(LOST))
    log.begin(1)
    log.report(0, Report(0, {"value": 5.0}))
    assert log.judge(0) is None


@pytest.mark.parametrize("settings", [{"lower": 2.0, "upper": 1.0}, {"upper": math.nan}, {"grace": -1}])
def test_settings_out_of_range(settings):
    with pytest.raises(InvalidInput, match="needs lower <= upper"):
        ThresholdScheduler(**settings)
