"""Laws of how good a result is: what is better, in whichever unit, and where nothing is known."""

import math
from dataclasses import replace

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from kilter.core.events import TrialState
from kilter.core.history import Record
from kilter.core.problem import Constraint, Objective, Problem
from kilter.core.standing import Standing, spread

NUMBERS = st.floats(-1e6, 1e6, allow_subnormal=False)
VALUES = st.floats() | NUMBERS
BOUNDS = st.one_of(st.just(0.0), st.floats(-1e6, 1e6), st.floats(-1e-9, 1e-9))
CONSTRAINTS = st.lists(
    st.builds(Constraint, st.sampled_from("abc"), st.sampled_from(["<=", ">="]), BOUNDS), max_size=4
).map(tuple)
METRICS = st.dictionaries(st.sampled_from("abcy"), VALUES)
Y = (Objective("y"),)


@given(CONSTRAINTS, METRICS)
@example((Constraint("a", "<=", 1e300),), {"a": math.nextafter(1e300, math.inf)})
@example((Constraint("a", "<=", 0.0),), {"a": 5e-324})
@example((Constraint("a", ">=", 5e-324),), {"a": 0.0})
def test_the_violation_is_zero_where_every_constraint_is_met_and_nowhere_else(constraints, metrics):
    violation = Problem(constraints=constraints).violation(metrics)
    assert violation >= 0
    assert (violation == 0) == all(constraint.is_met(metrics) for constraint in constraints)
    unknown = any(math.isnan(metrics.get(constraint.metric, math.nan)) for constraint in constraints)
    assert not unknown or violation == math.inf


@given(st.sampled_from(["<=", ">="]), BOUNDS, NUMBERS, NUMBERS)
def test_whoever_is_farther_beyond_a_bound_does_not_miss_it_by_less(relation, bound, one, other):
    constraint = Constraint("a", relation, bound)
    nearer, farther = sorted(({"a": one}, {"a": other}), key=constraint.beyond)
    assert constraint.violation(nearer) <= constraint.violation(farther)


@given(CONSTRAINTS, st.fixed_dictionaries(dict.fromkeys("abc", NUMBERS)), st.integers(-40, 40))
def test_the_unit_of_a_metric_changes_nothing(constraints, metrics, power):
    assume(all(constraint.bound and abs(constraint.bound) > 1e-200 for constraint in constraints))
    unit = 2.0**power  # exact in floats
    scaled = tuple(replace(constraint, bound=constraint.bound * unit) for constraint in constraints)
    others = {name: value * unit for name, value in metrics.items()}
    assert Problem(constraints=scaled).violation(others) == Problem(constraints=constraints).violation(metrics)


@given(CONSTRAINTS, METRICS, st.booleans())
def test_the_larger_is_the_better_where_an_objective_is_to_be_maximized(constraints, metrics, so_far):
    down, up = (Problem(objectives=(Objective("y", way),), constraints=constraints) for way in ("minimize", "maximize"))
    assert up.standing(metrics, so_far) == down.standing(
        {name: -value if name == "y" else value for name, value in metrics.items()}, so_far
    )


@given(CONSTRAINTS, METRICS, METRICS)
def test_any_two_standings_can_be_compared_and_one_without_a_value_is_the_worst(constraints, one, other):
    problem = Problem(objectives=Y, constraints=constraints)
    a, b = problem.standing(one), problem.standing(other)
    assert (a < b) + (a == b) + (a > b) == 1
    assert a <= Standing.worst(1)
    assert a == Standing.worst(1) or one["y"] < math.inf
    if "y" in one and "y" in other and one["y"] < other["y"] < math.inf and a.violation == b.violation:
        assert a < b
    if one.get("y", math.nan) < math.inf and other.get("y", math.nan) < math.inf and a.is_feasible > b.is_feasible:
        assert a < b


def test_a_report_is_not_held_to_what_it_does_not_tell():
    problem = Problem(objectives=Y, constraints=(Constraint("a", "<=", 1.0), Constraint("b", "<=", 1.0)))
    assert problem.standing({"y": 1.0, "a": 0.5}, so_far=True).is_feasible
    assert problem.standing({"y": 1.0, "a": 0.5}).violation == math.inf
    assert problem.standing({"y": 1.0, "a": math.nan}, so_far=True).violation == math.inf
    assert not problem.standing({"y": 1.0, "a": 1.5}, so_far=True).is_feasible


def test_constraints_of_any_unit_add_up():
    """1 % over a latency weighs less than an accuracy that is missed wholly, whatever the numbers are."""
    both = (Constraint("ms", "<=", 100.0), Constraint("acc", ">=", 0.9))
    late, useless = {"ms": 101.0, "acc": 0.95}, {"ms": 100.0, "acc": 0.0}
    assert Problem(constraints=both).violation(late) < Problem(constraints=both).violation(useless)


@pytest.mark.parametrize("objectives", [1, 3])
def test_the_worst_standing_is_infinite_in_everything(objectives):
    worst = Standing.worst(objectives)
    assert worst.violation == worst.loss == math.inf and len(worst.losses) == objectives


LIMITED = Problem(
    objectives=(Objective("value", "maximize"),),
    constraints=(Constraint("memory", "<=", 40.0), Constraint("speed", ">=", 0.0)),
)
WORST = Standing.worst(1)


@pytest.mark.parametrize(
    ("state", "metrics", "standing"),
    [
        (TrialState.COMPLETE, {"value": 3.0, "memory": 40.0, "speed": 0.0}, Standing(0.0, (-3.0,))),
        (TrialState.COMPLETE, {"value": 3.0, "memory": 60.0, "speed": -2.0}, Standing(2.5, (-3.0,))),
        (TrialState.COMPLETE, {"value": 3.0, "memory": 1.0}, Standing(math.inf, (-3.0,))),
        (TrialState.COMPLETE, {"value": math.inf, "memory": 1.0, "speed": 0.0}, Standing(0.0, (-math.inf,))),
        (TrialState.PRUNED, {"value": 3.0, "memory": 1.0, "speed": 1.0}, Standing(0.0, (-3.0,))),
        (TrialState.PRUNED, {}, WORST),
        (TrialState.FAIL, {"value": 3.0, "memory": 1.0, "speed": 1.0}, WORST),
        (TrialState.COMPLETE, {"value": math.nan, "memory": 1.0, "speed": 1.0}, WORST),
        (TrialState.COMPLETE, {"value": -math.inf, "memory": 1.0, "speed": 1.0}, WORST),
    ],
)
def test_the_standing_of_a_trial(state, metrics, standing):
    assert Record(0, state, {}, metrics=metrics).standing(LIMITED) == standing


def test_the_spread_is_of_finite_losses():
    standings = [Standing(0.0, (loss,)) for loss in (3.0, math.inf, 1.0, 7.5)]
    assert spread(standings) == 6.5
    assert spread([WORST]) == spread([]) == 0.0
    assert spread([Standing(0.0, (sign * 1e308,)) for sign in (-1, 1)]) < math.inf
