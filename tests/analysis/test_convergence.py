"""The best value so far, as a staircase, against three axes, and its band over several runs."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilter.analysis.convergence import Convergence, band, convergence
from kilter.core.errors import InvalidInput, UnknownName
from kilter.core.events import TrialState
from kilter.core.history import History, Record
from kilter.core.problem import Constraint, Objective, Problem
from kilter.core.space import Space

COMPLETE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL
MINIMIZE = Objective("loss")


def history_of(*ends, objective=MINIMIZE, constraints=()):
    """Trials that ended as (state, value), each of ten seconds, two at a time."""
    history = History(Problem(Space(), (objective,), constraints))
    for number, (state, value) in enumerate(ends):
        began = 100.0 + 10.0 * (number // 2)
        history.add(Record(number, state, {}, started=began, ended=began + 10.0))
        history[number].metrics = {objective.name: value, "ms": 10.0 * number}
        history.settle(history[number])
    return history


ENDS = [(COMPLETE, 5.0), (COMPLETE, 7.0), (FAIL, 0.0), (COMPLETE, 3.0), (PRUNED, 1.0), (COMPLETE, -math.inf)]


@pytest.mark.parametrize(("against", "x"), [("trials", [1, 4, 6]), ("time", [10, 20, 30]), ("cost", [10, 40, 60])])
def test_the_best_of_what_counts_against_each_axis(against, x):
    found = convergence(history_of(*ENDS), against=against)
    assert found.x.tolist() == x
    assert found.best.tolist() == [5, 3, 3]
    assert found.numbers.tolist() == [0, 3, 3]


def test_a_maximum_climbs_and_what_misses_a_constraint_does_not_count():
    objective = Objective("loss", "maximize")
    assert convergence(history_of(*ENDS, objective=objective)).best.tolist() == [5, 7, 7]
    bound = (Constraint("ms", "<=", 20.0),)
    assert convergence(history_of(*ENDS, objective=objective, constraints=bound)).numbers.tolist() == [0, 1, 1]


@pytest.mark.parametrize("ends", [[], [(FAIL, 1.0)], [(COMPLETE, math.nan)], [(PRUNED, 1.0), (COMPLETE, math.inf)]])
@pytest.mark.parametrize("against", ["trials", "time", "cost"])
def test_where_nothing_counts_there_is_nothing(ends, against):
    found = convergence(history_of(*ends), against=against)
    assert len(found.x) == len(found.best) == len(found.numbers) == 0
    assert band([found]).median.tolist() == []


def test_a_name_that_is_none_is_refused():
    with pytest.raises(UnknownName, match="did you mean 'loss'"):
        convergence(history_of(), "los")
    with pytest.raises(UnknownName, match="objective 1"):
        convergence(history_of(), 1)
    with pytest.raises(UnknownName, match="trials"):
        convergence(history_of(), against="trial")


VALUES = st.lists(st.floats(-10, 10), min_size=1, max_size=30)


@given(VALUES)
def test_it_is_the_running_minimum(values):
    found = convergence(history_of(*[(COMPLETE, value) for value in values]))
    places = np.searchsorted(found.x, np.arange(1, len(values) + 1), side="right") - 1
    assert found.best[places].tolist() == np.minimum.accumulate(values).tolist()
    assert (np.diff(found.x) > 0).all()
    assert found.x[-1] == len(values)


@given(st.lists(VALUES, min_size=1, max_size=8))
def test_a_band_never_rises_and_holds_its_median(members):
    runs = [convergence(history_of(*[(COMPLETE, value) for value in values])) for values in members]
    found = band(runs)
    assert (np.diff(found.median) <= 1e-12).all()
    assert ((found.low <= found.median) & (found.median <= found.high)).all()
    assert found.median[-1] == pytest.approx(np.median([min(values) for values in members]))
    assert found.members[0] == len(members)
    assert found.members[-1] == sum(len(values) == max(map(len, members)) for values in members)


def test_a_band_is_of_runs_that_can_be_compared():
    run = convergence(history_of(*ENDS))
    with pytest.raises(InvalidInput, match="one axis"):
        band([run, convergence(history_of(*ENDS), against="cost")])
    with pytest.raises(InvalidInput):
        band([])
    never = Convergence("loss", "minimize", "trials", np.array([]), np.array([]), np.array([]))
    assert band([run, never]).median.tolist() == run.best.tolist()
