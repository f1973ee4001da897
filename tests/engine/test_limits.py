"""When a study has had enough."""

import math

import pytest

from kilter.core.errors import InvalidInput
from kilter.core.events import Failure, TrialState
from kilter.core.history import History, Trial
from kilter.core.problem import Constraint, Objective, Problem
from kilter.engine.limits import Ledger, Limits

DONE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL


def counted(*ends, problem=None):
    """History and ledger after trials that ended as (state, value or kind of failure), one second each."""
    history, ledger = History(problem or Problem()), Ledger()
    for number, (state, what) in enumerate(ends):
        metrics = what if isinstance(what, dict) else {"value": what} if isinstance(what, float) else {}
        trial = Trial(number, state, {}, metrics=metrics, started=0.0, ended=1.0)
        trial.failure = Failure(what) if isinstance(what, str) else None
        history.add(trial)
        history.settle(trial)
        ledger.count(history, number)
    return history, ledger


def reached(limits, *ends, **kwargs):
    history, ledger = counted(*ends, **kwargs)
    return ledger.reached(limits, history)


@pytest.mark.parametrize("name", ["trials", "patience", "failures"])
@pytest.mark.parametrize("value", [-1, 1.5, True, False])
def test_counts_are_whole(name, value):
    with pytest.raises(InvalidInput, match=name):
        Limits(**{name: value})


@pytest.mark.parametrize("name", ["seconds", "cost"])
@pytest.mark.parametrize("value", [-0.1, math.nan])
def test_amounts_are_not_negative(name, value):
    with pytest.raises(InvalidInput, match=name):
        Limits(**{name: value})


@pytest.mark.parametrize("name", ["trials", "patience", "failures"])
@pytest.mark.parametrize("value", [math.inf, math.nan, "many"])
def test_counts_that_are_no_numbers(name, value):
    with pytest.raises(InvalidInput, match=name):
        Limits(**{name: value})


@pytest.mark.parametrize("name", ["seconds", "cost", "target"])
def test_amounts_that_are_no_numbers(name):
    with pytest.raises(InvalidInput, match=name):
        Limits(**{name: "much"})


def test_target_is_a_number():
    with pytest.raises(InvalidInput, match="target"):
        Limits(target=math.nan)


def test_no_limit_is_never_reached():
    assert reached(Limits(), *[(DONE, 1.0)] * 50) is None


def test_cost_counts_every_finished_trial():
    ends = [(DONE, 1.0), (FAIL, "E"), (PRUNED, 2.0)]
    assert reached(Limits(cost=3.5), *ends) is None
    assert reached(Limits(cost=3.0), *ends)


@pytest.mark.parametrize(("way", "good", "bad"), [("minimize", 0.5, 2.0), ("maximize", 2.0, 0.5)])
def test_target(way, good, bad):
    problem = Problem(objectives=(Objective("value", way),))
    assert reached(Limits(target=1.0), (DONE, bad), problem=problem) is None
    assert reached(Limits(target=1.0), (DONE, bad), (DONE, good), problem=problem) == (
        f"value reached {good:g} (target 1)"
    )
    assert reached(Limits(target=1.0), (DONE, 1.0), problem=problem)


@pytest.mark.parametrize("end", [(FAIL, "E"), (PRUNED, 0.0), (DONE, math.nan), (DONE, {})])
def test_only_results_reach_a_target(end):
    assert reached(Limits(target=1.0), end) is None


def test_infeasible_results_reach_no_target():
    problem = Problem(constraints=(Constraint("m", "<=", 1.0),))
    assert reached(Limits(target=1.0), (DONE, {"value": 0.0, "m": 2.0}), problem=problem) is None
    assert reached(Limits(target=1.0), (DONE, {"value": 0.0, "m": 1.0}), problem=problem)


def test_patience_counts_trials_without_a_better_one():
    ends = [(DONE, 3.0), (DONE, 2.0), (DONE, 2.0), (FAIL, "E"), (PRUNED, 0.0)]
    assert reached(Limits(patience=4), *ends) is None
    assert reached(Limits(patience=3), *ends) == "no improvement in 3 trials"
    assert reached(Limits(patience=3), *ends, (DONE, 1.0)) is None


@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_infinity_is_never_best(value):
    _, ledger = counted((DONE, value), (DONE, 3.0), (DONE, value))
    assert (ledger.best_number, ledger.since_best) == (1, 1)


@pytest.mark.parametrize(
    ("ends", "hopeless"),
    [
        ([(FAIL, "E")] * 3, True),
        ([(FAIL, "E")] * 2, False),
        ([(FAIL, "E")] * 5, True),
        ([(FAIL, "E")] * 2 + [(FAIL, "F")], False),
        ([(DONE, 1.0)] + [(FAIL, "E")] * 9, False),
        ([(FAIL, "E")] * 3 + [(DONE, 1.0)], False),
        ([], False),
    ],
)
def test_hopeless(ends, hopeless):
    history, ledger = counted(*ends)
    assert ledger.hopeless(Limits(failures=3), history) is hopeless
    assert ledger.hopeless(Limits(failures=None), history) is False
    assert ledger.hopeless(Limits(failures=0), history) is False
