"""Early stopping of a trial by itself, alone or where another scheduler agrees."""

import math

import pytest

from kilter.core.actions import Stop
from kilter.core.errors import InvalidInput, UnknownName
from kilter.core.events import Report
from kilter.core.problem import Objective
from kilter.schedulers.patient import PatientScheduler
from kilter.testing.scheduler import SchedulerSuite
from kilter.testing.workers import Log, stepping


class TestPatient(SchedulerSuite):
    order_free = True
    completes = False

    def scheduler(self):
        return PatientScheduler()


class TestPatientWithMedian(SchedulerSuite):
    order_free = True

    def scheduler(self):
        return PatientScheduler(patience=3, inner="median")


def judged(scheduler, *values, problem=None):
    log = Log(scheduler, problem or stepping())
    log.begin(1)
    names = [o.name for o in log.problem.objectives]
    for step, value in enumerate(values):
        row = value if isinstance(value, tuple) else (value,)
        log.report(0, Report(step, dict(zip(names, row))))
    return log.judge(0)


def test_it_ends_after_so_many_reports_without_improvement():
    assert judged(PatientScheduler(3), 1.0, 0.9, 0.9, 0.9) is None
    assert judged(PatientScheduler(3), 1.0, 0.9, 0.9, 0.9, 0.9).reason == "no improvement in 3 reports up to step 4"
    assert judged(PatientScheduler(3), 1.0, 0.9, 0.9, 0.9, 0.8) is None


def test_the_tolerance_must_be_exceeded():
    falling = [1.0 - 0.01 * step for step in range(12)]
    assert judged(PatientScheduler(3), *falling) is None
    assert judged(PatientScheduler(3, tolerance=0.02), *falling) is None, "slow, but more than the tolerance in time"
    assert isinstance(judged(PatientScheduler(3, tolerance=0.05), *falling[:5]), Stop)


def test_nan_never_improves():
    assert isinstance(judged(PatientScheduler(3), *[math.nan] * 4), Stop)
    assert judged(PatientScheduler(3), math.nan, math.nan, math.nan, 1.0) is None


def test_an_improvement_in_one_objective_is_enough():
    problem = stepping(objectives=(Objective("a"), Objective("b", "maximize")))
    assert judged(PatientScheduler(2), (1.0, 1.0), (1.0, 2.0), (1.0, 3.0), (1.0, 4.0), problem=problem) is None
    assert isinstance(judged(PatientScheduler(2), (1.0, 1.0), (1.0, 1.0), (2.0, 0.0), problem=problem), Stop)


def test_the_inner_scheduler_must_agree():
    for value, ends in ((0.1, False), (0.9, True)):
        log = Log(PatientScheduler(3, inner="median"), stepping())
        for number in range(6):
            log.begin(number + 1)
            for step in range(1, 6):
                log.report(number, Report(step, {"value": 0.5 if number < 5 else value}))
            told = log.judge(number)
        assert isinstance(told, Stop) == ends


@pytest.mark.parametrize("settings", [{"patience": 0}, {"tolerance": -0.1}, {"tolerance": math.nan}])
def test_settings_out_of_range(settings):
    with pytest.raises(InvalidInput, match="needs patience >= 1"):
        PatientScheduler(**settings)


def test_an_unknown_inner_scheduler():
    with pytest.raises(UnknownName, match="did you mean 'median'"):
        PatientScheduler(inner="medain")
