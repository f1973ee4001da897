"""Pauses, resumptions, forks and drops, as the fold of a log sees them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilter.core.events import (
    INTERRUPTED,
    LOST,
    Dropped,
    Ended,
    Entry,
    Failure,
    Report,
    Reported,
    Started,
    TrialState,
)
from kilter.core.interfaces import Scheduler
from kilter.core.numbers import Float
from kilter.core.problem import Problem
from kilter.core.space import Space
from kilter.engine import snapshot
from kilter.engine.engine import Engine
from kilter.samplers.random import RandomSampler

PROBLEM = Problem(Space({"x": Float(0, 1)}))
PAUSED, RUNNING, WAITING, PRUNED = (TrialState[name] for name in ("PAUSED", "RUNNING", "WAITING", "PRUNED"))


@dataclass
class Diary:
    """What a scheduler was told."""

    lines: list = field(default_factory=list)


@dataclass(frozen=True)
class Listening(Scheduler):
    """Notes what it is told."""

    def start(self, problem, seed):
        return Diary()

    def started(self, state, trial, history):
        state.lines.append(["started", trial.number, trial.attempt])

    def reported(self, state, trial, reports, history):
        assert history.reports.of(trial.number)[-len(reports) :] == list(reports)
        state.lines.append(["reported", trial.number, [report.step for report in reports]])

    def ended(self, state, trial, history):
        state.lines.append(["ended", trial.number, trial.state.name])


class Log:
    """An engine with its log."""

    def __init__(self):
        self.engine = Engine(PROBLEM, RandomSampler(), Listening(), 3)
        self.entries = []

    def add(self, *events):
        for event in events:
            self.entries.append(Entry(len(self.entries) + 1, event))
            self.engine.handle(self.entries[-1:])

    def trial(self, number=0):
        return self.engine.history[number]


def start(number=0, attempt=1, time=0.0, **more):
    return Started(number, attempt, {"x": 0.5}, "w", 0, time, attempt == 1, **more)


def end(state, number=0, attempt=1, time=1.0, failure=None, **metrics):
    return Ended(number, attempt, state, metrics, time, failure=failure)


def test_a_trial_pauses_and_goes_on():
    log = Log()
    log.add(start(time=0, budget={"epochs": 3}), end(PAUSED, time=10, value=1.0))
    trial, history = log.trial(), log.engine.history
    assert (trial.state, list(history.paused), list(history.running)) == (PAUSED, [0], [])
    assert (trial.metrics, trial.budget, trial.seconds) == ({"value": 1.0}, {"epochs": 3}, 10)
    assert math.isnan(history.values[0, 0])
    assert history.finished == []
    log.add(start(attempt=2, time=100, budget={"epochs": 9}))
    assert (trial.state, list(history.paused), list(history.running)) == (RUNNING, [], [0])
    assert trial.budget == {"epochs": 9}
    log.add(end(TrialState.COMPLETE, attempt=2, time=130, value=0.5))
    assert (trial.state, trial.seconds, history.finished) == (TrialState.COMPLETE, 40, [0])
    assert log.engine.ledger.cost == 40
    assert log.engine.scheduler_state.lines == [
        ["started", 0, 1],
        ["ended", 0, "PAUSED"],
        ["started", 0, 2],
        ["ended", 0, "COMPLETE"],
    ]


def test_a_paused_trial_is_dropped():
    log = Log()
    log.add(start(), end(PAUSED, value=1.0), Dropped(0, 1, "behind", 2.0))
    history = log.engine.history
    assert (log.trial().state, list(history.paused), history.finished) == (PRUNED, [], [0])
    assert history.values[0, 0] == 1.0
    assert log.engine.ledger.states == {"PRUNED": 1}


@pytest.mark.parametrize(
    "late",
    [
        Dropped(0, 1, "behind", 2.0),  # it goes on already
        Reported(0, 1, (Report(9, {"value": 1.0}),), 2.0),
        end(TrialState.COMPLETE, value=9.0),
        start(attempt=2),
        start(attempt=4),
    ],
)
def test_what_comes_too_late_changes_nothing(late):
    log = Log()
    log.add(start(), end(PAUSED, value=1.0), start(attempt=2))
    before = snapshot.dumps(log.engine)
    log.engine.position -= 1
    log.engine.handle([Entry(3, late)])
    assert snapshot.dumps(log.engine) == before


def test_pauses_are_no_losses():
    """A trial may be paused as often as the scheduler likes, and lost twice; the third time it has failed."""
    log = Log()
    for attempt in range(1, 6):
        log.add(start(attempt=attempt), end(PAUSED, attempt=attempt, value=1.0))
    for attempt, state in ((6, WAITING), (7, WAITING), (8, TrialState.FAIL)):
        log.add(start(attempt=attempt), end(TrialState.FAIL, attempt=attempt, failure=Failure(LOST)))
        assert log.trial().state is state
    assert log.trial().losses == 3


def test_an_interrupted_trial_keeps_its_budget():
    log = Log()
    log.add(start(budget={"epochs": 3}), end(TrialState.FAIL, failure=Failure(INTERRUPTED)))
    assert log.engine.claimable().budget == {"epochs": 3}


def test_a_fork_is_not_the_samplers():
    log = Log()
    log.add(start(0), end(PAUSED, value=1.0), start(1, parent=0), start(2))
    history = log.engine.history
    assert history[1].parent == 0
    assert [trial.sampled_before for trial in history] == [0, 1, 1]
    assert history.sampled == 2


def test_steps_are_counted_once():
    """The largest step of each trial counts, however often it is reported and by which attempt."""
    log = Log()
    log.add(start(0), start(1))
    for steps in ((1, 2, 5), (4,), (5, 7)):
        log.add(Reported(0, 1, tuple(Report(step, {"value": 1.0}) for step in steps), 1.0))
    log.add(Ended(1, 1, TrialState.COMPLETE, {"value": 1.0}, 2.0, (Report(3, {"value": 1.0}, 2),)))
    assert log.engine.ledger.steps == 10
    assert log.engine.scheduler_state.lines[-2:] == [["reported", 1, [3]], ["ended", 1, "COMPLETE"]]


MOVES = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(["start", "pause", "drop", "complete", "lose", "report", "fork"])),
    max_size=60,
)


@given(MOVES)
def test_sets_agree_with_states_and_snapshots_with_replay(moves):
    log = Log()
    for turn, (number, move) in enumerate(moves):
        history = log.engine.history
        if move == "fork" and len(history):
            log.add(start(len(history), time=turn, parent=number))
        elif number >= len(history):
            log.add(start(len(history), time=turn, budget={"epochs": turn + 1}))
        else:
            attempt = history[number].attempt
            report = Report(turn, {"value": float(turn)}, ("a", 7, None)[turn % 3])
            log.add(
                {
                    "start": start(number, attempt + 1, turn),
                    "fork": start(number, attempt + 1, turn),
                    "pause": end(PAUSED, number, attempt, turn, value=1.0),
                    "drop": Dropped(number, attempt, "behind", turn),
                    "complete": end(TrialState.COMPLETE, number, attempt, turn, value=2.0),
                    "lose": end(TrialState.FAIL, number, attempt, turn, Failure(LOST)),
                    "report": Reported(number, attempt, (report,), turn),
                }[move]
            )
    history = log.engine.history
    for state, trials in ((RUNNING, history.running), (WAITING, history.waiting), (PAUSED, history.paused)):
        assert set(trials) == {trial.number for trial in history if trial.state is state}
    assert set(history.finished) == {trial.number for trial in history if trial.is_finished}
    back = Engine(PROBLEM, RandomSampler(), Listening(), 3)
    snapshot.loads(back, snapshot.dumps(log.engine))
    again = Engine(PROBLEM, RandomSampler(), Listening(), 3)
    again.handle(log.entries)
    for other in (back, again):
        assert other.history.trials == history.trials
        assert list(other.history.paused) == list(history.paused)
        assert vars(other.ledger) == vars(log.engine.ledger)
        assert other.scheduler_state == log.engine.scheduler_state
        assert [other.history.reports.of(n) for n in range(len(history))] == [
            history.reports.of(n) for n in range(len(history))
        ]
        assert other.history.reports.furthest == history.reports.furthest
