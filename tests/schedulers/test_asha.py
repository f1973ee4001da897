"""Asynchronous successive halving: the contract, and what goes on at a rung."""

import pytest

from kilter.core.actions import Pause, Resume, Start, Stop
from kilter.core.errors import InvalidInput
from kilter.core.events import Report, TrialState
from kilter.core.history import History, Record
from kilter.core.numbers import Float
from kilter.core.problem import Fidelity, Objective, Problem
from kilter.core.space import Space
from kilter.models.controls import CONTROL
from kilter.schedulers.asha import OPENING, ASHAScheduler
from kilter.testing.scheduler import SchedulerSuite


class TestASHA(SchedulerSuite):
    def scheduler(self):
        return ASHAScheduler()


class TestPromotingASHA(SchedulerSuite):
    def scheduler(self):
        return ASHAScheduler(promote=True)


SPACE = Space({"x": Float(0, 1)})


class Study:
    """A history and the scheduler's state, driven by hand."""

    def __init__(self, scheduler, problem=None):
        self.problem = problem or Problem(SPACE)
        self.scheduler, self.history = scheduler, History(self.problem)
        self.state = scheduler.start(self.problem, 1)

    def start(self, x=None, budget=None):
        number = len(self.history)
        trial = Record(number, TrialState.RUNNING, {"x": number / 1000 if x is None else x}, attempt=1)
        trial.budget = budget
        self.history.add(trial)
        self.history.running[number] = trial
        self.scheduler.started(self.state, trial, self.history)
        return trial

    def report(self, trial, step, value):
        reports = (Report(step, {"value": value}),)
        self.history.reports.extend(trial.number, reports)
        self.scheduler.reported(self.state, trial, reports, self.history)
        return self.scheduler.judge(self.state, trial, self.history)

    def end(self, trial, state, **metrics):
        trial.state, trial.metrics = state, metrics
        self.history.running.pop(trial.number, None)
        if state is TrialState.PAUSED:
            self.history.paused[trial.number] = trial
        else:
            self.history.settle(trial)
        self.scheduler.ended(self.state, trial, self.history)

    def opened(self):
        """Beyond the first trials, which report 10, 11, … at step 1 and end at the next."""
        for i in range(OPENING):
            trial = self.start()
            self.report(trial, 1, 10.0 + i)
            self.report(trial, 2, 10.0 + i)
            self.end(trial, TrialState.PRUNED)
        return self

    def ordinary(self, **given):
        """The next trial that is no control."""
        while len(self.history) % CONTROL == CONTROL - 1:
            self.end(self.start(), TrialState.PRUNED)
        return self.start(**given)


def test_best_third_goes_on():
    study = Study(ASHAScheduler()).opened()
    assert study.report(study.ordinary(), 1, 9.0) is None
    assert isinstance(study.report(study.ordinary(), 1, 14.5), Stop)


def test_nobody_is_stopped_before_there_are_eta_to_compare():
    study = Study(ASHAScheduler()).opened()
    first = study.ordinary()
    assert study.report(first, 1, 1.0) is None
    study.report(first, 3, 1.0)
    assert isinstance(study.report(first, 4, 1.0), Pause)


def test_nobody_is_put_aside_or_stopped_at_the_furthest_step_there_is():
    study = Study(ASHAScheduler()).opened()
    for value in (1.0, 2.0, 3.0, 4.0):
        trial = study.ordinary()
        study.report(trial, 1, 0.0)
        assert study.report(trial, 3, value) is None, "this may be its last step"
        study.end(trial, TrialState.COMPLETE, value=value)
    beyond, behind = study.ordinary(), study.ordinary()
    study.report(beyond, 3, 0.0)
    assert study.report(behind, 3, 9.0) is None
    study.report(beyond, 4, 0.0)
    assert isinstance(study.scheduler.judge(study.state, behind, study.history), Stop), "it was not"


def test_what_was_put_aside_is_resumed_once_it_is_among_the_best():
    study = Study(ASHAScheduler()).opened()
    first = study.ordinary()
    study.report(first, 1, 1.0)
    study.report(first, 3, 1.0)
    study.end(first, TrialState.PAUSED)
    assert study.scheduler.plan(study.state, study.history) == Start()
    for value in (2.0, 3.0):
        trial = study.ordinary()
        study.report(trial, 1, 1.0)
        study.report(trial, 3, value)
        study.end(trial, TrialState.PRUNED)
    assert study.scheduler.plan(study.state, study.history) == Resume(first.number)


def test_every_second_of_the_first_trials_goes_to_the_second_rung():
    study = Study(ASHAScheduler())
    trials = [study.start() for _ in range(OPENING)]
    for i, trial in enumerate(trials):
        study.report(trial, 1, float(i))
    verdicts = [study.report(trial, 2, float(i)) for i, trial in enumerate(trials)]
    assert [verdict is None for verdict in verdicts] == [i % 2 == 1 for i in range(OPENING)]


def test_a_control_goes_as_far_as_any_trial_did():
    study = Study(ASHAScheduler()).opened()
    best = study.ordinary()
    study.report(best, 1, 0.0)
    study.report(best, 27, 0.0)
    while len(study.history) % CONTROL != CONTROL - 1:
        study.end(study.start(), TrialState.PRUNED)
    control = study.start()
    assert study.report(control, 1, 99.0) is None
    assert study.report(control, 9, 99.0) is None
    assert study.report(control, 27, 99.0) is None
    assert study.report(control, 28, 99.0) is not None


def test_what_was_stopped_and_returns_is_not_stopped_there_again():
    study = Study(ASHAScheduler()).opened()
    best = study.ordinary()
    study.report(best, 1, 0.0)
    study.report(best, 9, 0.0)
    bad = study.ordinary(x=0.77)
    assert isinstance(study.report(bad, 1, 99.0), Stop)
    study.end(bad, TrialState.PRUNED)
    again = study.ordinary(x=0.77)
    assert study.report(again, 1, 99.0) is None
    assert study.report(again, 3, 99.0) is None
    assert isinstance(study.report(study.ordinary(x=0.78), 1, 99.0), Stop)


def test_the_first_report_that_reaches_a_rung_counts():
    study = Study(ASHAScheduler()).opened()
    study.report(study.ordinary(), 3, 1.0)
    trial = study.ordinary()
    assert isinstance(study.report(trial, 2, 99.0), Stop)
    assert isinstance(study.report(trial, 2, 0.0), Stop), "a repeated step"
    assert isinstance(study.report(trial, 1, 0.0), Stop), "an earlier step"


def test_nan_is_worst():
    study = Study(ASHAScheduler()).opened()
    assert isinstance(study.report(study.ordinary(), 1, float("nan")), Stop)
    assert study.report(study.ordinary(), 1, 9.0) is None


def test_budgets_grow_by_promotion_and_never_beyond_a_share():
    problem = Problem(SPACE, (Objective("value"),), fidelities=(Fidelity("epochs", 1, 27),))
    study = Study(ASHAScheduler(), problem)
    started = {}
    for _ in range(300):
        plan = study.scheduler.plan(study.state, study.history)
        if isinstance(plan, Resume):
            trial = study.history[plan.number]
            del study.history.paused[plan.number]
            trial.state, trial.attempt, trial.budget = TrialState.RUNNING, trial.attempt + 1, dict(plan.budget)
            study.scheduler.started(study.state, trial, study.history)
        else:
            trial = study.start(x=(len(study.history) * 0.618) % 1, budget=dict(plan.budget))
            started[trial.number] = plan.budget["epochs"]
        whole = trial.budget["epochs"] == 27
        study.end(trial, TrialState.COMPLETE if whole else TrialState.PAUSED, value=trial.params["x"])
    assert [started[n] for n in range(3)] == [1, 3, 1]
    ordinary = [n for n in started if n >= OPENING and n % CONTROL != CONTROL - 1]
    assert {started[n] for n in ordinary} == {1}
    reached = [t.budget["epochs"] for t in study.history if t.number in ordinary]
    assert sum(e >= 3 for e in reached) <= len(started) / 3 + 1
    assert sum(e == 27 for e in reached) > 0


def test_settings_out_of_range():
    with pytest.raises(InvalidInput, match="eta"):
        ASHAScheduler(eta=1)
    with pytest.raises(InvalidInput, match="grace"):
        ASHAScheduler(grace=0)
