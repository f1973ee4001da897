"""When a study has had enough."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilter.core.errors import InvalidInput
from kilter.core.events import Ended, Failure, Report, Started, TrialState
from kilter.core.history import History, Record
from kilter.core.problem import Constraint, Objective, Problem
from kilter.engine.limits import Ledger, Limits, Tally
from kilter.samplers import RandomSampler
from kilter.testing.sampler import Log

DONE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL


def counted(*ends, problem=None):
    """History and ledger after trials that ended as (state, value or kind of failure), one second each."""
    history, ledger = History(problem or Problem()), Ledger()
    for number, (state, what) in enumerate(ends):
        metrics = what if isinstance(what, dict) else {"value": what} if isinstance(what, float) else {}
        trial = Record(number, state, {}, metrics=metrics, started=0.0, ended=1.0)
        trial.failure = Failure(what) if isinstance(what, str) else None
        history.add(trial)
        history.settle(trial)
        ledger.count(history, number)
    return history, ledger


def reached(limits, *ends, **kwargs):
    history, ledger = counted(*ends, **kwargs)
    return ledger.reached(limits, history)


@pytest.mark.parametrize("name", ["trials", "steps", "patience", "failures"])
@pytest.mark.parametrize("value", [-1, 1.5, True, False])
def test_counts_are_whole(name, value):
    with pytest.raises(InvalidInput, match={"seconds": "timeout"}.get(name, name)):
        Limits(**{name: value})


@pytest.mark.parametrize("name", ["seconds", "cost", "gain"])
@pytest.mark.parametrize("value", [-0.1, math.nan])
def test_amounts_are_not_negative(name, value):
    with pytest.raises(InvalidInput, match={"seconds": "timeout"}.get(name, name)):
        Limits(**{name: value})


@pytest.mark.parametrize("name", ["trials", "steps", "patience", "failures"])
@pytest.mark.parametrize("value", [math.inf, math.nan, "many"])
def test_counts_that_are_no_numbers(name, value):
    with pytest.raises(InvalidInput, match={"seconds": "timeout"}.get(name, name)):
        Limits(**{name: value})


@pytest.mark.parametrize("name", ["seconds", "cost", "gain", "target"])
def test_amounts_that_are_no_numbers(name):
    with pytest.raises(InvalidInput, match={"seconds": "timeout"}.get(name, name)):
        Limits(**{name: "much"})


def test_target_is_a_number():
    with pytest.raises(InvalidInput, match="target"):
        Limits(target=math.nan)


def test_no_limit_is_never_reached():
    assert reached(Limits(), *[(DONE, 1.0)] * 50) is None


@pytest.mark.parametrize("name", ["trials", "seconds", "cost", "steps", "target", "patience", "gain"])
def test_a_limit_of_nought_is_given(name):
    assert Limits(**{name: 0}).are_given


def test_a_row_of_failures_is_no_limit_that_is_given():
    assert not Limits(failures=3).are_given


def attempted(*attempts):
    """The engine after attempts at trials, one second each; (state, reports) or (kind of failure, reports)."""
    log = Log(RandomSampler(), Problem())
    waiting = None
    for end, reports in attempts:
        fresh = waiting is None
        number = len(log.engine.history) if fresh else waiting
        attempt = 1 if fresh else log.engine.history[number].attempt + 1
        log.write(Started(number, attempt, {}, "w", log.engine.position, 0.0, fresh=fresh))
        failure = Failure(end) if isinstance(end, str) else None
        state = FAIL if failure else end
        metrics = {"value": 1.0} if state is DONE else {}
        log.write(Ended(number, attempt, state, metrics, 1.0, tuple(Report(s, {}) for s in reports), failure=failure))
        waiting = None if log.engine.history[number].is_finished else number
    return log.engine


def test_cost_counts_every_attempt_but_lost_ones():
    engine = attempted((DONE, ()), ("E", ()), (PRUNED, ()), (TrialState.PAUSED, ()), ("lost", ()), (DONE, ()))
    assert engine.ledger.reached(Limits(cost=5.5), engine.history) is None
    assert engine.ledger.reached(Limits(cost=5.0), engine.history) == "5 s of trials are spent (limit 5)"


@given(st.lists(st.lists(st.integers(0, 50), max_size=5), max_size=8))
def test_steps_are_the_last_of_each_trial(trials):
    engine = attempted(*[(DONE, dict.fromkeys(steps)) for steps in trials])
    spent = sum(max(steps, default=0) for steps in trials)
    assert engine.ledger.steps == spent
    assert engine.ledger.reached(Limits(steps=spent), engine.history)
    assert engine.ledger.reached(Limits(steps=spent + 1), engine.history) is None


def test_steps_of_a_paused_trial_are_spent_once():
    engine = attempted((TrialState.PAUSED, (1, 2, 3)), (DONE, (4, 5)), (PRUNED, (1,)))
    assert engine.ledger.reached(Limits(steps=6), engine.history) == "6 steps of trials are spent (limit 6)"
    assert engine.ledger.reached(Limits(steps=7), engine.history) is None


def test_a_limit_on_steps_that_nobody_reports_ends_the_study():
    assert reached(Limits(steps=100), *[(DONE, 1.0)] * 9) is None
    assert "no trial has reported a step" in reached(Limits(steps=100), *[(DONE, 1.0)] * 10)


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


def tallied(*ends):
    tally = Tally()
    for number, (state, kind) in enumerate(ends):
        tally.count(Record(number, state, {}, failure=Failure(kind) if kind else None))
    return tally


E, F, OK, PAUSED = (FAIL, "E"), (FAIL, "F"), (DONE, None), (TrialState.PAUSED, None)


@pytest.mark.parametrize(
    ("ends", "hopeless"),
    [
        ([E] * 10, True),
        ([E] * 9, False),
        ([E] * 12, True),
        ([F] * 5 + [E] * 10, True),
        ([E] * 9 + [F], False),
        ([E, F] * 9, False),
        ([E, F] * 10, True),  # nothing succeeded, whatever the reasons
        ([OK] + [E] * 10, True),  # what worked at first does no more
        ([OK] + [E] * 9, False),
        ([PAUSED] + [E] * 10, True),
        ([(PRUNED, None)] + [E] * 10, True),
        ([OK] + [E, F] * 30, True),  # each half of the space is broken in its own way
        ([OK] + [E, F] * 9, False),
        ([E, F, E, OK] * 5 + [E, F] * 10, False),  # where three of four fail anyhow, twenty in a row are no wonder
        ([E, F, E, OK] * 5 + [E, F] * 40, True),
        ([E] * 9 + [OK] + [E] * 9, False),
        ([E, E, E, OK] * 5 + [E] * 12, False),  # where three of four fail, twelve in a row are no wonder
        ([E, E, E, OK] * 5 + [E] * 40, True),
        ([E, E, E, OK] * 5 + [F] * 10, True),
        ([E] * 5 + [(TrialState.WAITING, "lost")] + [E] * 5, True),  # a lost machine says nothing
        ([], False),
    ],
)
def test_a_row_of_failures_that_is_no_chance_is_hopeless(ends, hopeless):
    assert tallied(*ends).is_hopeless(Limits()) is hopeless
    assert tallied(*ends).is_hopeless(Limits(failures=None)) is False
    assert tallied(*ends).is_hopeless(Limits(failures=0)) is False


U = (FAIL, "return")


@pytest.mark.parametrize(
    ("ends", "unusable"), [([U], False), ([U, U], True), ([U, E], False), ([E, U, U], False), ([OK, U, U], False)]
)
def test_the_first_results_show_that_none_can_be_used(ends, unusable):
    assert tallied(*ends).is_hopeless(Limits(unusable=2)) is unusable
    assert tallied(*ends).is_hopeless(Limits()) is False


@given(st.lists(st.sampled_from([E, F, OK, PAUSED])))
def test_a_tally_counts_each_trial_once(ends):
    tally = tallied(*ends)
    assert tally.failed == sum(state is FAIL for state, _ in ends)
    assert tally.succeeded == len(ends) - tally.failed
    assert tally.is_fruitless == (bool(ends) and tally.succeeded == 0)
    breaks = (i for i, end in enumerate(reversed(ends)) if end != ends[-1] or end in (OK, PAUSED))
    assert tally.row == next(breaks, len(ends))
