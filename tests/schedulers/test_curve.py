"""Stopping by predicted curves: when it may never stop, what it gets right on real curves, what its state keeps."""

from __future__ import annotations

import copy
import math
import pathlib
from dataclasses import replace

import numpy as np
import pytest

from kilter.analysis.curves import forecast
from kilter.api import create_study
from kilter.core.actions import Stop
from kilter.core.errors import IncapableScheduler, InvalidInput
from kilter.core.events import Report, TrialState
from kilter.core.history import History, Record
from kilter.core.problem import Constraint, Fidelity, Objective, Problem
from kilter.core.states import dumps_state, loads_state
from kilter.models.curves import EARLIER
from kilter.schedulers.curve import CurveScheduler, State
from kilter.storage.memory import MemoryStorage
from kilter.testing.scheduler import SchedulerSuite

RECORDED = np.load(pathlib.Path(__file__).parent.parent / "data" / "curves.npz")
STEPS = np.arange(1, 41)
GOOD = 0.1 + 0.9 / STEPS
BAD = 0.8 + 0.2 / STEPS


class TestSuite(SchedulerSuite):
    def scheduler(self):
        return CurveScheduler()


class Run:
    """A study as the engine folds it: trials one after the other, a report at a time."""

    def __init__(self, scheduler=None, problem=None):
        self.scheduler = scheduler or CurveScheduler(startup=1)
        self.problem = problem or Problem()
        self.history = History(self.problem)
        self.state = self.scheduler.start(self.problem, 0)
        self.name = self.problem.objectives[0].name

    def start(self):
        trial = Record(len(self.history), TrialState.RUNNING, {}, attempt=1)
        self.history.add(trial)
        self.scheduler.started(self.state, trial, self.history)
        return trial

    def report(self, trial, *pairs, fold=None):
        reports = tuple(Report(int(step), {self.name: float(value)}, fold) for step, value in pairs)
        self.history.reports.extend(trial.number, reports)
        self.scheduler.reported(self.state, trial, reports, self.history)
        return self.scheduler.judge(self.state, trial, self.history)

    def end(self, trial, value=None, state=TrialState.COMPLETE, **metrics):
        trial.state, trial.metrics = state, {**({} if value is None else {self.name: float(value)}), **metrics}
        if trial.is_finished:
            self.history.settle(trial)
        self.scheduler.ended(self.state, trial, self.history)

    def trial(self, values, steps=None, end=None, **metrics):
        """One trial until it is stopped or through; the number of reports it made, and the verdict."""
        trial = self.start()
        for count, pair in enumerate(zip(range(1, len(values) + 1) if steps is None else steps, values), 1):
            verdict = self.report(trial, pair)
            if verdict is not None:
                self.end(trial, state=TrialState.PRUNED)
                return count, verdict
        self.end(trial, values[-1] if end is None else end, **metrics)
        return len(values), None


def test_what_is_hopeless_is_stopped_and_says_why():
    run = Run()
    assert run.trial(GOOD) == (40, None)
    count, verdict = run.trial(BAD)
    assert count < 20
    assert isinstance(verdict, Stop)
    assert "0.1225" in verdict.reason
    assert run.trial(GOOD - 0.05) == (40, None)


def test_the_direction_of_the_objective_counts():
    run = Run(problem=Problem(objectives=(Objective("accuracy", "maximize"),)))
    assert run.trial(1 - GOOD) == (40, None)
    assert run.trial(1 - BAD)[0] < 20
    assert run.trial(1.05 - GOOD) == (40, None)


def test_nothing_stops_before_enough_trials_are_complete():
    run = Run(CurveScheduler(startup=2))
    run.trial(GOOD)
    first = run.start()
    for step, value in zip(STEPS, GOOD):
        assert run.report(first, (step, value)) is None
    assert run.trial(BAD) == (40, None)
    assert run.trial(BAD)[0] < 20


@pytest.mark.parametrize("grace", [2, 10])
def test_nothing_stops_within_the_grace_period_or_at_the_first_look(grace):
    run = Run(CurveScheduler(grace=grace, startup=1))
    run.trial(GOOD)
    assert grace < run.trial(np.full(40, 1e6) + np.cos(STEPS))[0] < 30


def test_one_report_stops_nothing():
    run = Run()
    run.trial(GOOD)
    for place in (4, 10, 30):
        for noise in (1e9, math.nan, math.inf):
            values = GOOD - 0.01
            values[place] = noise
            assert run.trial(values, end=values[-1]) == (40, None)


def test_a_training_that_came_to_nan_is_stopped():
    run = Run()
    run.trial(GOOD)
    count, _ = run.trial([*GOOD[:10], *[math.nan] * 30])
    assert 11 < count < 20
    assert run.trial([math.nan] * 40)[0] < 10


def test_late_drops_that_the_study_knows_are_waited_for():
    run = Run(CurveScheduler())
    for height in (0.9, 0.85, 0.8, 0.95):
        run.trial(height - 0.02 * STEPS / 40 - 0.4 * (STEPS > 30))
    assert run.trial(0.83 - 0.02 * STEPS / 40 - 0.5 * (STEPS > 30)) == (40, None)


def test_crossing_curves_go_on():
    run = Run()
    run.trial(0.3 + 0.1 / STEPS)
    assert run.trial(1.0 - 0.9 * STEPS / 40) == (40, None)
    assert run.trial(0.05 + 0.9 * np.exp(-STEPS / 12)) == (40, None)


def test_trials_that_go_beyond_the_horizon_are_left_alone():
    run = Run()
    run.trial(GOOD[:10])
    trial = run.start()
    assert run.report(trial, *((step, 0.1) for step in STEPS[:10])) is None
    assert run.report(trial, *((step, 0.9) for step in STEPS[10:])) is None


def test_the_horizon_of_a_fidelity_and_of_the_settings():
    fidelity = Problem(fidelities=(Fidelity("epochs", 1, 81),))
    assert CurveScheduler().start(fidelity, 0).horizon == 81
    assert CurveScheduler(horizon=7).start(fidelity, 0).horizon == 7
    assert CurveScheduler().start(Problem(), 0).horizon is None


def test_folds_are_not_steps_of_a_curve():
    run = Run()
    run.trial(GOOD)
    trial = run.start()
    for step in STEPS:
        assert run.report(trial, (step, 99.0), fold=int(step)) is None
    assert not run.state.looks


def test_infeasible_trials_set_no_mark():
    run = Run(problem=Problem(constraints=(Constraint("size", "<=", 1.0),)))
    run.trial(GOOD, size=2.0)
    assert run.trial(BAD, size=0.5) == (40, None)
    assert run.state.best == BAD[-1]


def test_steps_again_after_a_restart_are_no_new_look():
    run = Run()
    run.trial(GOOD)
    trial = run.start()
    for step in STEPS[:6]:
        run.report(trial, (step, BAD[step - 1]))
    before = copy.deepcopy(run.state.looks)
    run.end(trial, state=TrialState.WAITING)
    trial.state = TrialState.RUNNING
    for step in STEPS[:6]:
        run.report(trial, (step, BAD[step - 1]))
    (look,), (known,) = run.state.looks.values(), before.values()
    assert look == replace(known, points=2 * known.points)


@pytest.mark.parametrize("scale", [1, 10**13])
def test_reports_in_any_order_and_huge_steps(scale):
    run = Run()
    run.trial(GOOD, STEPS * scale)
    trial = run.start()
    order = [3, 1, 2, 3, 3, 7, 5, 6, 4, 9, 8, 12, 10, 11, 15, 20, 18]
    verdicts = [run.report(trial, (step * scale, BAD[step - 1])) for step in order]
    assert isinstance(verdicts[-1], Stop)


def test_judging_is_pure_and_a_state_survives_the_codec():
    run = Run()
    run.trial(GOOD)
    run.trial(GOOD + 0.01)
    trial = run.start()
    for step in STEPS[:8]:
        stored = dumps_state(run.state)
        run.scheduler.judge(run.state, trial, run.history)
        assert dumps_state(run.state) == stored
        run.state = loads_state(State, stored)
        assert dumps_state(run.state) == stored
        run.report(trial, (step, BAD[step - 1]))
    whole = Run()
    whole.trial(GOOD)
    whole.trial(GOOD + 0.01)
    again = whole.start()
    for step in STEPS[:8]:
        whole.report(again, (step, BAD[step - 1]))
    assert dumps_state(run.state) == dumps_state(whole.state)


def test_the_state_is_bounded():
    run = Run(CurveScheduler(probability=1e-9, spacing=1.0))
    steps = np.arange(1, 201)
    for shift in range(EARLIER + 5):
        run.trial(0.2 + shift / 100 + 1 / steps)
    assert len(run.state.earlier) == EARLIER
    assert not run.state.looks


def test_several_objectives_are_refused_before_there_is_a_study():
    storage = MemoryStorage()
    with pytest.raises(IncapableScheduler, match="one objective; this problem has 2"):
        create_study(directions={"a": "minimize", "b": "minimize"}, scheduler=CurveScheduler(), storage=storage)
    assert storage.studies() == []


@pytest.mark.parametrize("wrong", [{"probability": 0}, {"grace": 0}, {"startup": 0}, {"spacing": 0}, {"horizon": 0}])
def test_settings_are_checked(wrong):
    with pytest.raises(InvalidInput):
        CurveScheduler(**wrong)


# Real curves, none of which fixed a constant.


def test_on_real_curves_it_saves_much_and_seldom_loses_the_best():
    saved, regret, lost, best = [], [], 0, 0
    for name in (name for name in RECORDED if name.startswith("heldout/")):
        values = RECORDED[name].astype(float)[np.random.default_rng(3).permutation(len(RECORDED[name]))]
        run = Run(CurveScheduler())
        counts = np.array([run.trial(row)[0] for row in values])
        whole, ends = counts == values.shape[1], values[:, -1]
        top = ends <= np.sort(ends)[2]
        saved.append(1 - counts.sum() / values.size)
        regret.append((ends[whole].min() - ends.min()) / (np.median(ends) - ends.min()))
        lost, best = lost + np.sum(top & ~whole), best + np.sum(top)
    assert np.mean(saved) > 0.3
    assert np.mean(regret) < 0.05
    assert lost / best < 0.25


# The forecast that people see.


def test_a_forecast_is_in_the_unit_of_the_objective():
    run = Run(problem=Problem(objectives=(Objective("accuracy", "maximize"),)))
    for shift in (0.0, 0.02, 0.04):
        run.trial(1 - GOOD - shift)
    trial = run.start()
    run.report(trial, *zip(STEPS[:15], 1.02 - GOOD))
    ahead = forecast(run.history, trial.number)
    assert ahead.horizon == 40
    assert ahead.low < ahead.mean < ahead.high
    assert ahead.low < 1.02 - GOOD[-1] < ahead.high
    assert ahead.probability > 0.5


def test_there_is_no_forecast_without_reports_or_horizon_or_for_what_is_complete():
    run = Run()
    trial = run.start()
    assert forecast(run.history, trial.number) is None
    run.report(trial, (1, 0.5), (2, 0.4))
    assert forecast(run.history, trial.number) is None
    assert forecast(run.history, trial.number, horizon=10).probability is None
    run.end(trial, 0.3)
    assert forecast(run.history, trial.number, horizon=10) is None
