"""What a free worker writes next, for each thing that a scheduler can plan."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from kilter.core.actions import Fork, Plan, Repeat, Resume, Start, Stop, Wait
from kilter.core.attributes import CONFIRMS, KNOWN
from kilter.core.events import (
    INTERRUPTED,
    LOST,
    Dropped,
    Ended,
    Enqueued,
    Entry,
    Failure,
    Report,
    Started,
    TrialState,
)
from kilter.core.interfaces import Scheduler
from kilter.core.problem import Fidelity, Problem
from kilter.engine.engine import Engine
from kilter.engine.next import ends_of_lost, is_drawn, next_event, under_next_number
from kilter.samplers.random import RandomSampler
from kilter.testing.sampler import flat_space

FULL = {"epochs": 9, "size": 100}
PROBLEM = Problem(flat_space(), fidelities=(Fidelity("epochs", 1, 9), Fidelity("size", 10, 100)))
HERE, THERE = {"x": 0.5, "y": 1.0}, {"x": -0.5, "y": 1.0}


@dataclass(frozen=True)
class Plans(Scheduler):
    """Plans always the same."""

    action: Plan

    def plan(self, state, history):
        return self.action


def engine(action, *events):
    made = Engine(PROBLEM, RandomSampler(), Plans(action), 3)
    made.handle([Entry(position, event) for position, event in enumerate(events, 1)])
    return made


def start(number, params=HERE, worker="a", **more):
    return Started(number, 1, params, worker, 0, 1.0, **more)


def end(number, state=TrialState.PAUSED, **more):
    return Ended(number, 1, state, {"value": 0.5}, 2.0, **more)


RUNNING, PAUSED, QUEUED = start(0), (start(0), end(0)), Enqueued(0, {"x": 0.25}, 1.0)


def asked(made, **more):
    """The answer, which is the same when it is asked for again."""
    event = next_event(made, "w", 5.0, **more)
    assert next_event(made, "w", 5.0, **more) == event
    return event


def test_a_start_is_a_new_trial_of_the_samplers_choice_that_goes_as_far_as_planned():
    made = engine(Start({"epochs": 3}), *PAUSED)
    event = asked(made)
    assert (event.number, event.attempt, event.fresh, event.parent) == (1, 1, True, None)
    assert (event.worker, event.seen, event.time) == ("w", 2, 5.0)
    assert event.budget == {**FULL, "epochs": 3}
    assert event.params == made.propose(1)
    assert is_drawn(event, made.history)
    assert asked(engine(Start())).budget == FULL


def test_a_start_takes_what_is_queued_first():
    made = engine(Start(), QUEUED)
    event = asked(made)
    assert (event.number, event.attempt, event.fresh) == (0, 1, False)
    assert event.params["x"] == 0.25
    assert is_drawn(event, made.history)  # y is the sampler's


def test_a_paused_trial_goes_on_as_it_is_as_far_as_planned():
    made = engine(Resume(0, {"epochs": 6}), *PAUSED)
    event = asked(made, limit=1)
    assert (event.number, event.attempt, event.fresh, event.params) == (0, 2, False, HERE)
    assert event.budget == {**FULL, "epochs": 6}
    assert not is_drawn(event, made.history)


def test_a_fork_is_a_new_trial_with_a_parent_also_where_others_are_queued():
    made = engine(Fork(0, THERE, {"epochs": 6}), *PAUSED, replace(QUEUED, number=1))
    event = asked(made)
    assert (event.number, event.fresh, event.parent, event.params) == (2, True, 0, THERE)
    assert event.budget == {**FULL, "epochs": 6}
    assert not is_drawn(event, made.history)


def test_a_repeat_is_a_new_trial_of_the_same_configuration_to_its_end_that_nobody_stops_and_no_sampler_chose():
    scored = (Report(0, {"value": 0.25}, 0), Report(0, {"value": 0.75}, "b"))
    made = engine(Repeat(0), start(0), end(0, TrialState.COMPLETE, reports=scored))
    event = asked(made, limit=2)
    assert (event.number, event.fresh, event.parent, event.confirms, event.params) == (1, True, None, 0, HERE)
    assert event.budget == FULL
    assert not is_drawn(event, made.history)
    assert under_next_number(event, made) is None
    sampled = made.history.sampled
    made.handle([Entry(3, event)])
    trial = made.history[1]
    assert (trial.judged, trial.enqueued, made.history.sampled) == (False, False, sampled)
    assert trial.attrs == {CONFIRMS: 0, KNOWN: [[0, 0.25], ["b", 0.75]]}


def test_a_stop_drops_a_paused_trial():
    assert asked(engine(Stop("behind", 0), *PAUSED)) == Dropped(0, 1, "behind", 5.0)


def test_to_wait_is_nothing_where_nothing_runs():
    assert asked(engine(Wait(), RUNNING)) == Wait()
    assert asked(engine(Wait(), *PAUSED)) is None


@pytest.mark.parametrize("action", [Start(), Fork(0, THERE), Repeat(0)])
def test_no_trial_is_begun_beyond_the_limit_or_where_none_is_wanted(action):
    made = engine(action, *PAUSED)
    assert asked(made, limit=2) is not None
    assert asked(made, limit=1) is None
    assert asked(made, is_new=False) is None


@pytest.mark.parametrize("kind", [LOST, INTERRUPTED])
def test_a_trial_that_was_broken_off_goes_on_before_anybody_asks_the_scheduler(kind):
    broken = end(0, TrialState.FAIL, failure=Failure(kind))
    event = asked(engine(Wait(), start(0, budget={**FULL, "epochs": 3}), broken), limit=0, is_new=False)
    assert (event.number, event.attempt, event.params, event.budget) == (0, 2, HERE, {**FULL, "epochs": 3})
    assert asked(engine(Wait(), RUNNING, broken), busy={0: 1}) is None


def test_what_was_refused_takes_the_next_number_unless_somebody_began_it_or_it_is_not_wanted_any_more():
    refused = replace(asked(engine(Start())), params=THERE)
    assert under_next_number(refused, engine(Start(), start(0))) == replace(refused, number=1)
    assert under_next_number(refused, engine(Start(), start(0, THERE))) is None
    assert under_next_number(refused, engine(Start(), start(0)), limit=1) is None
    assert under_next_number(refused, engine(Start({"epochs": 1}), start(0))) is None
    assert under_next_number(refused, engine(Wait(), start(0))) is None
    assert under_next_number(replace(refused, parent=0), engine(Start(), start(0))) is None
    assert under_next_number(replace(refused, fresh=False), engine(Start(), start(0))) is None
    queued = engine(Start(), QUEUED)
    assert under_next_number(refused, queued) is None
    assert under_next_number(refused, queued, busy={0: 1}) == replace(refused, number=1)


def test_attempts_of_workers_that_are_gone_are_lost():
    made = engine(Start(), start(0), start(1, worker="b"), start(2, worker="c"), end(2))
    (event,) = ends_of_lost(made.history, {"a"}, 5.0)
    assert (event.number, event.attempt, event.failure.kind) == (1, 1, LOST)
    assert "worker b vanished while it ran attempt 1" in event.failure.message
