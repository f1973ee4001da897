"""What is to be solved, and what an objective may return."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilter.core.errors import InvalidInput
from kilter.core.numbers import Float
from kilter.core.problem import Constraint, Fidelity, Objective, Problem
from kilter.core.space import Space
from kilter.testing.strategies import problems

ONE = Problem()
TWO = Problem.of(Space(), directions=["minimize", "maximize"])
NAMED = Problem.of(Space(), directions={"loss": "minimize"}, subject_to={"latency": "<= 20"})
NUMBERS = st.floats(allow_nan=False)


@given(problems())
def test_json_brings_back_an_equal_problem(problem):
    again = Problem.from_json(json.loads(json.dumps(problem.to_json(), allow_nan=False)))
    assert again == problem
    assert hash(again) == hash(problem)


def test_whether_a_problem_is_open_is_written_and_was_once_told_by_an_empty_space():
    assert Problem.of(Space()).is_open and not Problem.of(Space({"x": Float(0, 1)})).is_open
    grown = Problem(is_open=True).with_space(Space({"x": Float(0, 1)}))
    assert Problem.from_json(grown.to_json()).is_open
    for space in (Space(), Space({"x": Float(0, 1)})):
        data = Problem(space).to_json()
        assert not Problem.from_json(data).is_open
        del data["open"]  # as studies of before have it, which are read from their beginning
        assert Problem.from_json(data).is_open == (len(space) == 0)


@given(problems(), st.data())
def test_metrics_of_metrics_are_themselves(problem, data):
    metrics = {name: data.draw(NUMBERS) for name in problem.metric_names}
    assert problem.metrics(metrics) == problem.metrics(problem.metrics(metrics)) == metrics
    assert problem.is_feasible(metrics) == all(c.is_met(metrics) for c in problem.constraints)


@given(st.floats(allow_nan=False, allow_infinity=False), NUMBERS)
def test_a_constraint_reads_as_it_prints(bound, value):
    for relation, met in (("<=", value <= bound), (">=", value >= bound)):
        constraint = Constraint.parse("m", f" {relation} {bound!r} ")
        assert constraint.is_met({"m": value}) == met
        assert (constraint.beyond({"m": value}) <= 0) == met
    assert not Constraint.parse("m", "<= 1").is_met({})
    assert math.isnan(Constraint.parse("m", "<= 1").beyond({}))
    assert not Constraint.parse("m", ">= 1").is_met({"m": math.nan})


def test_what_an_objective_may_return():
    assert ONE.metrics(1) == ONE.metrics([1.0]) == ONE.metrics({"value": np.float32(1)}) == {"value": 1.0}
    assert TWO.metrics((1, 2)) == {"value_0": 1.0, "value_1": 2.0}
    assert NAMED.metrics({"loss": 1, "latency": 3, "extra": 7}) == {"loss": 1.0, "latency": 3.0, "extra": 7.0}
    assert ONE.metrics(math.inf) == {"value": math.inf}


@pytest.mark.parametrize(
    ("problem", "returned", "value", "remedy"),
    [
        (ONE, None, "None", "return a number"),
        (ONE, "0.5", "'0.5'", "return a number"),
        (ONE, b"1", "b'1'", "return a number"),
        (ONE, 1j, "1j", "return a number"),
        (ONE, 10**400, "1000", "return a number"),
        (ONE, math.nan, "nan", "return a number"),
        (ONE, [math.nan], "nan", "return a number"),
        (ONE, [1, 2, 3], "3 values, [1, 2, 3]", "directions="),
        (ONE, {"loss": 1}, "'loss'", "minimize="),
        (ONE, {}, "no metric", "return it"),
        (TWO, 1, "1", "return one value each"),
        (TWO, [1], "1 values, [1]", "return one for each objective"),
        (TWO, [1, None], "'value_1' is None", "return a number"),
        (NAMED, {"loss": 1}, "'latency'", "return it"),
        (NAMED, 1, "'latency'", "return it"),
        (NAMED, {"loss": "low", "latency": 1}, "'loss' is 'low'", "return a number"),
        (NAMED, {"loss": 1, "latency": math.nan}, "'latency' is nan", "return a number"),
    ],
)
def test_what_an_objective_may_not_return(problem, returned, value, remedy):
    with pytest.raises(InvalidInput) as caught:
        problem.metrics(returned)
    assert value in str(caught.value)
    assert remedy in str(caught.value)


@pytest.mark.parametrize(
    ("make", "value", "remedy"),
    [
        (lambda: Objective("loss", "down"), "'down'", "'minimize' or 'maximize'"),
        (lambda: Problem.of(Space(), direction="minimize", directions=["minimize"]), "direction=", "not both"),
        (lambda: Problem(Space(), ()), "at least one objective", "minimize or maximize"),
        (lambda: Problem(Space(), (Objective("a"), Objective("a"))), "['a', 'a']", "name each once"),
        (lambda: Constraint.parse("m", "< 3"), "'< 3'", "'<= number'"),
        (lambda: Constraint.parse("m", "<= nan"), "'<= nan'", "'<= number'"),
        (lambda: Constraint.parse("m", "<= inf"), "'<= inf'", "finite"),
        (lambda: Fidelity("epochs", 9, 1), "low=9", "low <= high"),
        (lambda: Fidelity("epochs", math.nan, 1), "nan", "low <= high"),
        (lambda: Fidelity("epochs", 1, 9, eta=1), "eta=1", "eta > 1"),
    ],
)
def test_a_problem_that_cannot_be_says_so(make, value, remedy):
    with pytest.raises(InvalidInput) as caught:
        make()
    assert value in str(caught.value)
    assert remedy in str(caught.value)


def test_directions_in_the_words_of_create_study():
    class Way:
        name = "MAXIMIZE"

    assert ONE.objectives == Problem.of(Space(), directions=["minimize"]).objectives == (Objective("value"),)
    assert Problem.of(Space(), direction=Way()).objectives == (Objective("value", "maximize"),)
    assert [o.sign for o in TWO.objectives] == [1.0, -1.0]
    assert NAMED.metric_names == ("loss", "latency")
    assert ONE.with_space(Space({"a": Float(0, 1)})).space.names == ("a",)


# Fidelities.

ENDS = st.tuples(st.floats(1e-3, 1e3), st.floats(1, 1e4), st.floats(1.2, 8)).map(lambda e: (e[0], e[0] * e[1], e[2]))
WHOLE = st.tuples(st.integers(1, 100), st.integers(0, 10_000), st.floats(1.2, 8)).map(
    lambda e: (e[0], sum(e[:2]), e[2])
)


@given(ENDS | WHOLE)
def test_levels_rise_by_eta_to_the_end(ends):
    fidelity = Fidelity("epochs", *ends)
    levels = fidelity.levels()
    assert levels == sorted(set(levels))
    assert levels[-1] == fidelity.high
    assert all(fidelity.low <= level <= fidelity.high for level in levels)
    assert (levels[0] - 0.5 * fidelity.is_whole) / fidelity.eta < fidelity.low  # there is no room for another one
    assert all(isinstance(level, int) for level in levels) or not fidelity.is_whole
    steps = [fidelity.step(level) for level in levels]
    assert steps == sorted(steps)
    assert min(steps) >= 1


@given(st.lists(ENDS | WHOLE, min_size=1, max_size=3), st.floats(1e-6, 1))
def test_a_budget_is_within_all_fidelities(ends, share):
    problem = Problem(fidelities=tuple(Fidelity(f"f{i}", *e) for i, e in enumerate(ends)))
    budget = problem.budget(share)
    for fidelity in problem.fidelities:
        assert fidelity.low <= budget[fidelity.name] <= fidelity.high
        assert budget[fidelity.name] <= problem.full_budget[fidelity.name] == fidelity.high
    assert problem.budget(1.0) == problem.full_budget


@pytest.mark.parametrize(
    ("fidelity", "what"),
    [
        ([Fidelity("x", 1, 9)], "'x' is a parameter"),
        ([Fidelity("e", 1, 9), Fidelity("e", 1, 3)], "'e' is a parameter, or there twice"),
        (["epochs"], "kilter.Fidelity"),
    ],
)
def test_fidelities_that_cannot_be(fidelity, what):
    with pytest.raises(InvalidInput, match=what):
        Problem.of(Space({"x": Float(0, 1)}), fidelity=fidelity)
