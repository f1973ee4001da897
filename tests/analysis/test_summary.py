"""A study at a glance: what was counted, what is best, and what it is not where there is nothing."""

import json
import math

import pytest

from kilter import Choice, Float, Simplex
from kilter.analysis.plain import plain
from kilter.analysis.summary import summary
from kilter.core.events import Failure, Report, TrialState
from kilter.core.history import History, Record
from kilter.core.problem import Constraint, Objective, Problem
from kilter.core.space import Space

COMPLETE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL
RUNNING, WAITING = TrialState.RUNNING, TrialState.WAITING
SPACE = Space({"x": Float(0, 1), "w": Simplex(2), "kind": Choice(["a", "b"])})
LOSS = (Objective("loss"),)
NOTHING = {"x": 0.5, "w.1": 0.25, "kind": "a"}


def history_of(*ends, objectives=LOSS, constraints=()):
    """Trials of ten seconds, one after the other: (state, metrics)."""
    history = History(Problem(SPACE, objectives, constraints))
    for number, (state, metrics) in enumerate(ends):
        began = 1000.0 + 10.0 * number
        history.add(Record(number, state, {**NOTHING, "x": number / 10}, created=began, started=began, worker="host:7"))
        if state.is_finished():
            trial = history[number]
            trial.ended, trial.metrics = began + 10.0, metrics
            trial.failure = Failure("ValueError", "no") if state is FAIL else None
            history.settle(trial)
    return history


def test_what_was_counted_and_what_is_best():
    ends = [
        (FAIL, {}),
        (COMPLETE, {"loss": 5.0}),
        (COMPLETE, {"loss": 2.0}),
        (PRUNED, {"loss": 1.0}),
        (COMPLETE, {"loss": 3.0}),
    ]
    history = history_of(*ends, (RUNNING, {}), (RUNNING, {}))
    history.reports.extend(5, (Report(1, {"loss": 9.0}), Report(2, {"loss": 8.0})))
    history.reports.extend(6, (Report(4, {"other": 1.0}),))
    found = summary(history, now=1065.0)
    assert found.states == {"RUNNING": 2, "COMPLETE": 3, "PRUNED": 1, "FAIL": 1}
    assert (found.trials, found.best, found.value, found.baseline, found.gain) == (7, 2, 2.0, 1, 3.0)
    assert found.params == {"x": 0.2, "w": [0.25, 0.75], "kind": "a"}
    assert (found.since_best, found.seconds, found.rate) == (2, 50.0, 360.0)
    assert [(f.kind, f.count, f.latest) for f in found.failures] == [("ValueError", 1, 0)]
    first, second = found.running
    assert (first.number, first.step, first.value, first.seconds, first.worker) == (5, 2, 8.0, 15.0, "host:7")
    assert (second.step, math.isnan(second.value)) == (4, True)
    assert found.last_activity == 1060.0
    assert found.progress == (5.0, 2.0, 2.0, 2.0)


def test_a_gain_is_one_whichever_the_direction_and_infeasible_trials_are_no_best():
    ends = [(COMPLETE, {"loss": float(value), "ms": ms}) for value, ms in [(1, 5), (4, 5), (9, 50)]]
    problem = {"objectives": (Objective("loss", "maximize"),), "constraints": (Constraint("ms", "<=", 20.0),)}
    found = summary(history_of(*ends, **problem), now=0.0)
    assert (found.best, found.value, found.gain) == (1, 4.0, 3.0)
    assert found.constraints == ("ms <= 20",)


def test_several_objectives_have_a_front():
    ends = [(COMPLETE, {"loss": a, "size": b}) for a, b in [(1.0, 3.0), (3.0, 1.0), (3.0, 3.0)]]
    found = summary(history_of(*ends, objectives=(Objective("loss"), Objective("size"))), now=0.0)
    assert (found.best, found.value, found.gain, found.progress) == (None, None, None, ())
    assert (found.front, found.since_best) == ((0, 1), 1)


ODD = [
    [],
    [(WAITING, {})],
    [(RUNNING, {})],
    [(FAIL, {})] * 3,
    [(PRUNED, {})] * 3,
    [(COMPLETE, {"loss": math.inf})],
    [(COMPLETE, {"loss": math.nan})],
    [(COMPLETE, {"loss": 1.0})],
    [(COMPLETE, {"loss": 1.0})] * 60,
]


@pytest.mark.parametrize("ends", ODD)
def test_whatever_there_is_can_be_summed_up(ends):
    history = history_of(*ends)
    found = summary(history, now=0.0)
    assert found == summary(history, now=0.0) or any(math.isnan(r.value) for r in found.running)
    assert found.trials == sum(found.states.values()) == len(ends)
    assert len(found.progress) <= 40
    assert json.loads(json.dumps(plain(found), allow_nan=False))["trials"] == len(ends)
