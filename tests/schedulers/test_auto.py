"""What the default scheduler does by itself, and how rarely it stops what would have been the best."""

from pathlib import Path

import numpy as np
import pytest

from kilter.core.actions import Stop
from kilter.core.events import Report, TrialState
from kilter.core.problem import Objective
from kilter.schedulers.auto import GRACE, STARTUP, AutoScheduler
from kilter.testing.scheduler import SchedulerSuite
from kilter.testing.workers import STEPS, Log, Workers, budgeted, late, stepping

CURVES = Path(__file__).parents[1] / "data" / "curves.npz"


class TestAuto(SchedulerSuite):
    many = 400  # predicting curves costs more than comparing numbers

    def scheduler(self):
        return AutoScheduler()


def falling(end, steps=40):
    return [end + np.exp(-step / 4) for step in range(steps)]


def ran(*curves, problem=None):
    """The log of trials that ran to their ends one after the other."""
    log = Log(AutoScheduler(), problem or stepping())
    for number, curve in enumerate(curves):
        log.begin(number + 1)
        for step, value in enumerate(curve, start=1):
            log.report(number, Report(step, value if isinstance(value, dict) else {"value": value}))
        log.end(number, {"value": curve[-1]})
    return log


def told(log, curve):
    """The step at which another trial is stopped, None where it never is."""
    number = len(log.history)
    log.begin(number + 1)
    for step, value in enumerate(curve, start=1):
        log.report(number, Report(step, value if isinstance(value, dict) else {"value": value}))
        if isinstance(log.judge(number), Stop):
            return step
    return None


def test_what_is_hopeless_is_stopped():
    log = ran(*[falling(0.1)] * STARTUP)
    assert told(log, falling(0.9)) < 20


def test_nobody_is_stopped_before_enough_are_complete():
    assert told(ran(*[falling(0.1)] * (STARTUP - 1)), falling(0.9)) is None


def test_nobody_is_stopped_in_the_grace():
    log = ran(*[falling(0.1, 200)] * STARTUP)
    assert told(log, falling(0.9, 200)) >= GRACE * 200


def test_one_noisy_report_stops_nobody():
    for at in (4, 9, 17, 33):
        curve = falling(0.1)
        curve[at] = 100.0
        assert told(ran(*[falling(0.1)] * STARTUP), curve) is None


def test_several_objectives_must_all_be_far_behind():
    problem = stepping(objectives=(Objective("a"), Objective("b")))
    log = Log(AutoScheduler(), problem)
    for number in range(8):
        log.begin(number + 1)
        log.report(number, *[Report(s, {"a": 0.1, "b": 0.1}) for s in range(1, 20)])
        log.end(number, {"a": 0.1, "b": 0.1})
    assert told(log, [{"a": 0.9, "b": 0.05}] * 20) is None
    assert told(log, [{"a": 0.9, "b": 0.9}] * 20) is not None


def test_with_a_fidelity_trials_pause_and_are_resumed():
    log = Log(AutoScheduler(), budgeted())
    Workers(log, "budget").run(40)
    budgets = {trial.budget["epochs"] for trial in log.history}
    assert budgets == {1, 3, 9, 27}
    assert log.history.paused


def test_folds_are_raced_but_not_on_the_first():
    log = Log(AutoScheduler(), stepping())
    noise = np.random.default_rng(1).normal(0, 0.01, (8, 5))
    for number in range(7):
        log.begin(number + 1)
        log.report(number, *[Report(0, {"value": 0.1 + noise[number, k]}, k) for k in range(5)])
        log.end(number, {"value": 0.1})
    log.begin(8)
    for k in range(5):
        log.report(7, Report(0, {"value": 5.0}, k))
        if isinstance(log.judge(7), Stop):
            break
    assert k == 1


def test_where_all_improve_late_none_is_stopped_before():
    log = Log(AutoScheduler(), stepping())
    Workers(log, "steps", late).run(30)
    assert min(log.history.reports.furthest.values()) > 2 * STEPS // 3


@pytest.mark.parametrize("slots", [1, 4])
def test_recorded_curves_keep_their_best(slots):
    """Of real learning curves the best is hardly ever stopped, and a good part of the training is saved."""
    stopped, spent, total = [], 0, 0
    with np.load(CURVES) as families:
        for name in [name for name in families if name.startswith("heldout")]:
            curves = families[name].astype(float)
            order = np.random.default_rng(len(name)).permutation(len(curves))
            lost, cost = replayed(curves[order], slots)
            stopped.append(lost)
            spent, total = spent + cost, total + curves.size
    assert sum(stopped) <= 1
    assert spent < 0.8 * total


def replayed(curves, slots):
    """Whether the curve with the best end was stopped, and how many reports there were in all."""
    log, running, cost, lost = Log(AutoScheduler(), stepping()), {}, 0, set()
    turns = np.random.default_rng(0)
    while running or len(log.history) < len(curves):
        while len(running) < slots and len(log.history) < len(curves):
            running[log.begin(len(curves)).number] = 0
        number = list(running)[turns.integers(len(running))]
        running[number] += 1
        step, value = running[number], {"value": float(curves[number, running[number] - 1])}
        log.report(number, Report(step, value))
        cost += 1
        if step == curves.shape[1] or log.engine.judge(number) is not None:
            if step < curves.shape[1]:
                lost.add(number)
            log.end(number, value, TrialState.COMPLETE if step == curves.shape[1] else TrialState.PRUNED)
            del running[number]
    return int(np.nanargmin(curves[:, -1])) in lost, cost
