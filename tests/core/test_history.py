"""Columns agree with records after any sequence; the front against brute force; the matrix as the space grows."""

import copy
import math
import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilter.core.events import Failure, Report, TrialState
from kilter.core.history import History, Record, Reports
from kilter.core.numbers import Float, Int
from kilter.core.options import Choice
from kilter.core.problem import Constraint, Objective, Problem
from kilter.core.space import Space

SPACE = Space({"m": Choice(["a", "b"]), "x": Float(0, 1).when(m="a"), "n": Int(1, 5)})
PROBLEM = Problem(SPACE, (Objective("loss"), Objective("acc", "maximize")))
FINISHED = [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL]


def agree(history):
    """The columns against what the records say, one by one."""
    n, space, trials = len(history), history.problem.space, list(history)
    assert history.values.shape == (n, len(history.problem.objectives))
    assert history.states.tolist() == [int(t.state) for t in trials]
    for trial in trials:
        for objective, value in zip(history.problem.objectives, history.values[trial.number]):
            told = trial.metrics.get(objective.name, math.nan) if trial.is_finished else math.nan
            np.testing.assert_equal(value, objective.sign * told)
        violation = history.problem.violation(trial.metrics) if trial.is_finished else math.nan
        np.testing.assert_equal(history.violations[trial.number], violation)
    assert history.matrix.shape == (n, len(space))
    np.testing.assert_array_equal(history.matrix, space.encode([t.params for t in trials]))
    assert [t.sampled_before for t in trials] == [sum(not b.enqueued for b in trials[: t.number]) for t in trials]
    assert history.sampled_before(n) == history.sampled == sum(not t.enqueued for t in trials)
    for state in TrialState:
        assert history.with_state(state) == [t for t in trials if t.state is state]


def drawn(number):
    return SPACE.draw(np.random.default_rng(number))


def move(history, number, state, params=None, metrics=None):
    trial = history[number]
    history.running.pop(number, None)
    history.waiting.pop(number, None)
    history.paused.pop(number, None)
    trial.state = state
    if params is not None:
        trial.params = params
        history.changed(number)
    if state is TrialState.RUNNING:
        history.running[number] = trial
    elif state is TrialState.WAITING:
        history.waiting[number] = trial
    elif state is TrialState.PAUSED:
        history.paused[number] = trial
    else:
        trial.metrics = metrics or {}
        history.settle(trial)


METRICS = st.dictionaries(st.sampled_from(["loss", "acc", "other"]), st.floats())
STEPS = st.lists(st.tuples(st.integers(0, 12), st.sampled_from(list(TrialState)), METRICS, st.booleans()), max_size=50)


@given(STEPS)
def test_columns_agree_with_records(steps):
    """Trials come, run, wait again with another configuration, and end; the columns are read at any time between."""
    history = History(PROBLEM)
    bounded = replace(PROBLEM, constraints=(Constraint("other", "<=", 1.0),))
    for turn, (number, state, metrics, read) in enumerate(steps):
        if number >= len(history):
            number = len(history)
            history.add(Record(number, TrialState.WAITING, drawn(turn), enqueued=turn % 3 == 0))
            move(history, number, TrialState.WAITING)
        elif not history[number].is_finished:
            move(history, number, state, drawn(turn), metrics)
        if read:
            agree(history)
    agree(history)
    agree(history.under(bounded))
    agree(history)


def read(history):
    """All that can be read of a history."""
    reports = history.reports
    numbers = range(len(history))
    return {
        "records": [replace(trial) for trial in history],
        "open": [[*history.running], [*history.waiting], [*history.paused], [*history.finished]],
        "columns": [history.values.copy(), history.violations.copy(), history.states, history.matrix.copy()],
        "reports": [reports.of(number) for number in numbers],
        "curves": [reports.curve(number, "loss") for number in numbers],
        "furthest": dict(reports.furthest),
        "metrics": {name: column.copy() for name, column in reports.metrics.items()},
    }


@given(STEPS)
def test_what_is_at_rest_stays_as_it_was(steps):
    history, kept = History(PROBLEM), []
    for turn, (number, state, metrics, looks) in enumerate(steps):
        if looks:
            rested = history.at_rest()
            kept.append((rested, rested.matrix, read(history)))
        if number >= len(history):
            history.add(Record(len(history), TrialState.WAITING, drawn(turn)))
        elif not history[number].is_finished:
            history.move(history[number], state)
            history[number].params = drawn(turn)
            history.changed(number)
            history.reports.extend(number, (Report(turn, metrics, turn % 3 or None),) * 100)
            if state.is_finished():
                history[number].metrics = metrics
                history.settle(history[number])
            history.matrix  # which is written in place
    for rested, matrix, was in kept:
        np.testing.assert_equal(matrix, was["columns"][-1])
        np.testing.assert_equal(read(rested), was)


@given(st.lists(st.sampled_from(FINISHED), max_size=8), st.data())
def test_until_a_count_it_is_what_it_was_when_no_more_had_finished(states, data):
    history, kept = History(PROBLEM), []
    for number in range(len(states)):
        history.add(Record(number, TrialState.WAITING, drawn(number)))
        history.move(history[number], TrialState.RUNNING)
    for number, state in zip(data.draw(st.permutations(range(len(states)))), states):
        kept.append(history.at_rest())
        history.move(history[number], state)
        history[number].metrics = {"loss": 1.0 * number, "acc": 0.5}
        history.settle(history[number])
    before = read(history)
    for count, was in enumerate(kept):
        then = history.until(count)
        np.testing.assert_equal(then.values, was.values)
        np.testing.assert_equal(then.violations, was.violations)
        assert (then.finished, sorted(then.running)) == (was.finished, sorted(was.running))
        assert [each.state for each in then] == [each.state for each in was]
    np.testing.assert_equal(read(history), before)


def test_columns_grow():
    history = History(PROBLEM)
    for number in range(300):
        history.add(Record(number, TrialState.WAITING, drawn(number)))
        move(history, number, FINISHED[number % 3], metrics={"loss": float(number), "acc": 1.0})
        if number in (0, 63, 64, 65, 128):
            agree(history)
    agree(history)


def test_numbers_come_in_order():
    with pytest.raises(ValueError, match="gap"):
        History(PROBLEM).add(Record(1, TrialState.WAITING, {}))


# The matrix when the space grows.


@pytest.mark.parametrize(
    "grown",
    [
        {"new": Float(0, 1, default=0.25)},
        {"n": Int(1, 50)},
        {"m": Choice(["a", "b", "c"])},
        {"x": Float(-3, 1).when(m="a"), "new": Choice([1, 2])},
    ],
)
def test_the_matrix_after_the_space_grew(grown):
    """Rows that were read before are read again: a wider range moves them, even where no column comes."""
    history = History(PROBLEM)
    for number in range(5):
        history.add(Record(number, TrialState.WAITING, drawn(number)))
        move(history, number, TrialState.COMPLETE, metrics={"loss": 1.0, "acc": 1.0})
    agree(history)
    history.problem = PROBLEM.with_space(SPACE.extended(grown))
    agree(history)
    history.add(Record(5, TrialState.WAITING, history.problem.space.draw(np.random.default_rng(5))))
    move(history, 5, TrialState.RUNNING)
    agree(history)


# The front.

VALUES = st.sampled_from([0.0, 1.0, 2.0, 3.0, math.inf, -math.inf, math.nan])


@given(st.lists(st.tuples(VALUES, VALUES, VALUES, st.sampled_from(FINISHED), st.booleans()), max_size=25))
def test_the_front_is_what_brute_force_finds(rows):
    ways = ("minimize", "maximize", "minimize")
    problem = Problem(SPACE, tuple(map(Objective, "abc", ways)), (Constraint("m", "<=", 0.0),))
    history = History(problem)
    for number, (*values, state, feasible) in enumerate(rows):
        history.add(Record(number, TrialState.RUNNING, {}))
        move(history, number, state, metrics={**dict(zip("abc", values)), "m": 0.0 if feasible else 1.0})
    good = {
        number: (a, -b, c)
        for number, (a, b, c, state, feasible) in enumerate(rows)
        if state is TrialState.COMPLETE and feasible and all(map(math.isfinite, (a, b, c)))
    }

    def beats(one, other):
        return one != other and all(x <= y for x, y in zip(one, other))

    expected = [n for n, row in good.items() if not any(beats(other, row) for other in good.values())]
    assert [trial.number for trial in history.front()] == expected


def test_the_front_of_one_objective_is_the_best_and_its_equals():
    history = History(Problem(SPACE))
    for number, value in enumerate([3.0, 1.0, 2.0, 1.0]):
        history.add(Record(number, TrialState.RUNNING, {}))
        move(history, number, TrialState.COMPLETE, metrics={"value": value})
    assert [t.number for t in history.front()] == [1, 3]


# Reports.


FOLDS = st.sampled_from([None, None, 0, 1, "tsp"])
BATCHES = st.lists(st.tuples(METRICS, FOLDS), min_size=1, max_size=120)


@given(st.lists(st.tuples(st.integers(0, 3), BATCHES), max_size=8), st.booleans())
@settings(max_examples=40)
def test_reports_are_kept_by_trial(batches, restored):
    reports, told = Reports(), {}
    for number, rows in batches:
        start = len(told.setdefault(number, []))
        batch = tuple(Report(start + i, row, fold) for i, (row, fold) in enumerate(rows))
        told[number] += batch
        reports.extend(number, batch)
        if restored:
            arrays, labels, reports = reports.arrays(), reports.labels, Reports()
            reports.restore(arrays, labels)
    assert reports.count == sum(map(len, told.values()))
    for number in range(4):
        rows = told.get(number, [])
        assert [(r.step, r.fold) for r in reports.of(number)] == [(r.step, r.fold) for r in rows]
        assert reports.furthest.get(number, 0) == max((r.step for r in rows), default=0)
        for name in ("loss", "acc", "never"):
            steps, values = reports.curve(number, name)
            whole = [r for r in rows if r.fold is None]
            assert steps.tolist() == [r.step for r in whole]
            np.testing.assert_array_equal(values, [r.metrics.get(name, math.nan) for r in whole])
            latest = {r.fold: r.metrics.get(name, math.nan) for r in rows if r.fold is not None}
            known = reports.folds(number, name)
            if name in reports.metrics:
                assert list(known) == list(dict.fromkeys(r.fold for r in rows if r.fold is not None))
                np.testing.assert_array_equal(list(known.values()), [latest[fold] for fold in known])
            else:
                assert known == {}


def test_seconds():
    assert math.isnan(Record(0, TrialState.RUNNING, {}, started=1.0).seconds)
    trial = Record(0, TrialState.FAIL, {}, started=1.0, ended=3.5, failure=Failure("E"))
    assert trial.seconds == 2.5


# What is remembered beside it.


def test_what_was_computed_is_made_once():
    history = History(PROBLEM)
    made = history.memo("list", lambda h: [h])
    assert made[0] is history
    assert history.memo("list", lambda _: 1 / 0) is made
    assert history.memo("nothing", lambda _: None) is history.memo("nothing", lambda _: 1 / 0)


def test_what_was_made_of_another_object_is_made_anew():
    history, other = History(PROBLEM), Space(dict(SPACE.parameters))
    made = history.memo("list", lambda _: [], given=SPACE)
    assert history.memo("list", lambda _: [1], given=SPACE) is made
    assert history.memo("list", lambda _: [1], given=other) == [1], "equal, but not the same"
    assert history.memo("list", lambda _: [2], given=SPACE) == [2], "only the latest is kept"


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda h: pickle.loads(pickle.dumps(h)), lambda h: h.under(PROBLEM)]
)
def test_copies_know_nothing_of_what_was_computed_and_share_none(copied):
    history = History(PROBLEM)
    made = history.memo("key", lambda _: ["of the original"])
    other = copied(history)
    assert other.memo("key", lambda _: ["of the copy"]) == ["of the copy"]
    assert history.memo("key", lambda _: 1 / 0) is made


def test_what_cannot_be_pickled_may_be_remembered():
    history = History(PROBLEM)
    history.memo("key", lambda _: lambda: None)
    assert len(pickle.loads(pickle.dumps(history))) == 0
