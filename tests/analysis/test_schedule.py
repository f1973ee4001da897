import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kilter
from kilter.analysis.schedule import Schedule, Segment, best_schedule, schedule_of
from kilter.core.errors import InvalidInput, NotReady
from kilter.core.events import Report, TrialState
from kilter.core.history import History, Record
from kilter.core.numbers import Float, Int
from kilter.core.options import Choice
from kilter.core.problem import Constraint, Objective, Problem
from kilter.schedulers.pbt import PBTScheduler

COMPLETE, PAUSED, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PAUSED, TrialState.PRUNED, TrialState.FAIL


def history_of(*trials, problem=None):
    """A history of (parent, state, {step: value}), each with its number as parameter."""
    history = History(problem or Problem(objectives=(Objective("loss"),)))
    for number, (parent, state, reports) in enumerate(trials):
        trial = Record(number, state, {"n": number}, parent=parent)
        history.add(trial)
        if reports:
            history.reports.extend(number, tuple(Report(s, {"loss": v}) for s, v in reports.items()))
        if state.is_finished():
            trial.metrics = {"loss": list(reports.values())[-1]} if reports else {}
            history.settle(trial)
    return history


def borders(schedule):
    return [(s.trial, s.start, s.end) for s in schedule.segments]


def test_a_lineage_is_read_backwards():
    history = history_of(
        (None, COMPLETE, {5: 3.0, 10: 2.5, 15: 2.0}),
        (None, PRUNED, {5: 9.0}),
        (0, COMPLETE, {10: 2.0, 15: 1.0}),
        (2, PRUNED, {15: 4.0}),
    )
    assert borders(best_schedule(history)) == [(0, 0, 5), (2, 5, 15)]
    assert borders(schedule_of(history, 3)) == [(0, 0, 5), (2, 5, 10), (3, 10, 15)]


def test_a_copy_that_found_no_checkpoint_begins_its_own_schedule():
    history = history_of((None, PAUSED, {5: 3.0}), (0, COMPLETE, {5: 2.0, 10: 1.0}))
    assert borders(best_schedule(history)) == [(1, 0, 10)]


def test_a_copy_that_had_nothing_left_to_train_is_no_segment():
    history = history_of((None, PRUNED, {5: 3.0, 10: 1.0}), (0, COMPLETE, {}))
    history[1].metrics = {"loss": 1.0}
    history.settle(history[1])
    assert borders(schedule_of(history, 1)) == [(0, 0, 10)]


def test_while_nothing_is_complete_the_best_last_report_counts():
    history = history_of((None, FAIL, {5: -9.0}), (None, PAUSED, {5: 3.0}), (None, PAUSED, {5: 2.0}))
    assert borders(best_schedule(history)) == [(2, 0, 5)]


def test_nan_is_worst():
    history = history_of((None, PAUSED, {5: float("nan")}), (None, PAUSED, {5: 2.0}))
    assert borders(best_schedule(history)) == [(1, 0, 5)]


def test_infeasible_trials_are_no_best():
    problem = Problem(objectives=(Objective("loss"),), constraints=(Constraint("loss", ">=", 0.0),))
    history = history_of((None, COMPLETE, {5: -1.0}), (None, COMPLETE, {5: 2.0}), problem=problem)
    assert best_schedule(history).segments[0].trial == 1


def test_the_direction_counts():
    problem = Problem(objectives=(Objective("loss", "maximize"),))
    for state in (COMPLETE, PAUSED):
        history = history_of((None, state, {5: 1.0}), (None, state, {5: 2.0}), problem=problem)
        assert best_schedule(history).segments[0].trial == 1


def test_without_reports_there_is_no_schedule():
    with pytest.raises(NotReady):
        best_schedule(history_of((None, PAUSED, {})))


def test_an_empty_schedule_is_refused():
    with pytest.raises(InvalidInput):
        Schedule(())


PLAIN = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text(max_size=3)


@given(
    ends=st.lists(st.integers(1, 99), min_size=1, max_size=5, unique=True).map(sorted),
    values=st.lists(PLAIN, min_size=5, max_size=5),
)
def test_schedules_survive_json_and_know_each_step(ends, values):
    starts = [0, *ends[:-1]]
    segments = tuple(Segment(a, b, {"x": values[i]}, i) for i, (a, b) in enumerate(zip(starts, ends)))
    schedule = Schedule(segments)
    assert Schedule.from_json(json.loads(json.dumps(schedule.to_json()))) == schedule
    assert schedule.steps == ends[-1]
    for step in range(1, ends[-1] + 1):
        (inside,) = [s for s in segments if s.start < step <= s.end]
        assert schedule.params_at(step) == inside.params
    assert schedule.params_at(ends[-1] + 1) == segments[-1].params


def test_the_schedule_of_a_study_trains_the_same_from_scratch():
    """Population-based training on a problem with momentum; replayed to the last bit."""

    def step_of(state, lr, kind, decay=0.0):
        x, v = state
        v = 0.9 * v - lr * (x + (0.1 if kind == "l2" else 0.0) * decay * x)
        return (x + v, v)

    def objective(trial):
        saved = trial.load() or {"step": 0, "state": (1.0, 0.0)}
        state = saved["state"]
        for step in range(saved["step"] + 1, 31):
            state = step_of(state, **trial.params)
            trial.save({"step": step, "state": state})
            trial.report(abs(state[0]), step)
            if trial.should_prune():
                raise kilter.TrialPruned
        return abs(state[0])

    space = {"lr": Float(1e-3, 1, log=True), "kind": Choice({"none": {}, "l2": {"decay": Int(1, 5)}})}
    scheduler = PBTScheduler(population=6, interval=3, last_step=30, resample=0.4)
    study = kilter.create_study(space=space, sampler="random", seed=2, scheduler=scheduler)
    study.optimize(objective, progress="none")
    schedule = best_schedule(study.history)
    assert len(schedule.segments) > 2
    assert schedule.steps == 30
    state = (1.0, 0.0)
    for step in range(1, schedule.steps + 1):
        state = step_of(state, **schedule.params_at(step))
    assert abs(state[0]) == study.best_value
