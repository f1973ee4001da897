"""What users want of a study is in its log: nobody begins while it is paused, and what is void is nowhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilter import plugins
from kilter.core.actions import Wait
from kilter.core.events import (
    INVALIDATED,
    Constrained,
    Controlled,
    Dropped,
    Ended,
    Enqueued,
    Granted,
    Invalidated,
    Report,
    Started,
    TrialState,
)
from kilter.core.numbers import Float
from kilter.core.problem import Constraint, Problem
from kilter.core.space import Space
from kilter.core.states import dumps_state
from kilter.engine.next import PAUSED, next_event, under_next_number
from kilter.models.readings import Readings
from kilter.models.results import Results
from kilter.samplers import CmaEsSampler, DESampler, EvolutionSampler, NSGA2Sampler, RandomSampler, TurboSampler
from kilter.samplers.refold import refolded
from kilter.schedulers import ASHAScheduler, FifoScheduler
from kilter.testing.sampler import Log, size_of
from kilter.testing.workers import Log as WorkersLog
from kilter.testing.workers import stepping

SPACE = Space({"x": Float(0, 1)})


def a_log(sampler=None):
    return Log(sampler or RandomSampler(), Problem(SPACE))


def asked(log, **bounds):
    return next_event(log.engine, "w", 0.0, **bounds)


# Pausing.


def test_nothing_begins_in_a_study_that_is_paused_and_it_says_so():
    log = a_log()
    log.write(Enqueued(0, {}, 0.0))
    log.write(Controlled("paused", 0.0))
    assert asked(log) == Wait(PAUSED)
    log.write(Controlled("running", 0.0))
    assert isinstance(asked(log), Started)


def test_nor_does_an_attempt_at_a_trial_that_waits_or_is_paused():
    log = WorkersLog(ASHAScheduler(promote=True), stepping())
    trial = log.begin(1)
    log.report(trial.number, Report(1, {"value": 1.0}))
    log.end(trial.number, {"value": 1.0}, TrialState.PAUSED)
    log.write(Controlled("paused", 0.0))
    assert next_event(log.engine, "w", 0.0, limit=1) == Wait(PAUSED)


def test_who_has_all_that_it_was_to_have_need_not_wait():
    log = a_log()
    log.run(3, lambda config: {"value": 1.0})
    log.write(Controlled("paused", 0.0))
    assert asked(log, limit=3) is None
    assert asked(log, is_new=False) is None
    log.write(Granted(1, 0.0, 0.0))
    assert asked(log, limit=3, may_add=True) == Wait(PAUSED)


def test_a_start_that_was_refused_is_none_under_another_number_while_the_study_is_paused():
    log = a_log()
    start = asked(log)
    log.write(replace(start, worker="other", params={"x": 0.5}))
    assert under_next_number(start, log.engine) is not None
    log.write(Controlled("paused", 0.0))
    assert under_next_number(start, log.engine) is None


# Adding to the budget.


@given(st.lists(st.sampled_from(["granted", "by total", "by calls"]), max_size=30))
def test_trials_that_were_added_begin_once_whoever_takes_them(steps):
    """Beside those that each run was asked for: here three in all, and none by the run that counts its own."""
    log = a_log()
    for step in [*steps, *["by total"] * (3 + 2 * len(steps))]:
        if step == "granted":
            log.write(Granted(2, 0.0, 0.0))
            continue
        event = asked(log, may_add=True, **{"limit": 3} if step == "by total" else {"is_new": False})
        if event is not None:
            log.write(event)
            log.end(event.number, {"value": 1.0})
    granted = 2 * steps.count("granted")
    assert (len(log.engine.history), log.engine.steering.begun) == (3 + granted, granted)


def test_one_that_was_enqueued_may_be_one_of_those_that_were_added():
    log = a_log()
    log.write(Granted(1, 0.0, 0.0))
    for _ in range(2):
        log.write(Enqueued(len(log.engine.history), {"x": 0.5}, 0.0))
    log.write(asked(log, is_new=False, may_add=True))
    assert (log.engine.history[0].state, log.engine.steering.left) == (TrialState.RUNNING, 0)
    assert asked(log, is_new=False, may_add=True) is None


def test_who_may_not_add_does_not():
    log = a_log()
    log.write(Granted(5, 0.0, 0.0))
    assert asked(log, is_new=False) is None
    assert asked(log, is_new=False, may_add=True).granted


# Invalidating.


def results_of(history):
    results = Results.of(history)
    return results.numbers[results.usable].tolist(), results.failed[~results.usable].tolist()


def test_an_invalid_trial_is_neither_best_nor_learned_from_and_its_record_says_why():
    log = a_log()
    log.run(8, lambda config: {"value": size_of(config)})
    best = log.engine.ledger.best_number
    before = dict(log.engine.history[best].metrics)
    log.write(Invalidated(best, "unplugged", 9.0))
    engine, trial = log.engine, log.engine.history[best]
    assert (trial.state, trial.failure.kind, trial.failure.message) == (TrialState.FAIL, INVALIDATED, "unplugged")
    assert (trial.metrics, trial.forgiven) == (before, True)
    assert engine.ledger.best_number != best
    assert best not in [front.number for front in engine.history.front()]
    assert np.isnan(engine.history.values[best]).all()
    usable, failed = results_of(engine.history)
    assert best not in usable and failed == [False]


def test_a_constraint_that_comes_later_does_not_bring_it_back():
    log = a_log()
    log.run(4, lambda config: {"value": 1.0, "ms": 5.0})
    log.write(Invalidated(2, "why", 9.0))
    log.write(Constrained((("ms", "<=", 10.0),), 9.0))
    assert log.engine.history.violations[[1, 2]].tolist() == [0.0, np.inf]
    assert log.engine.ledger.best_number == 0


def test_nor_does_it_meet_a_constraint_that_there_is():
    log = Log(RandomSampler(), Problem(SPACE, constraints=(Constraint("ms", "<=", 10.0),)))
    log.run(2, lambda config: {"value": 1.0, "ms": 5.0})
    log.write(Invalidated(0, "why", 9.0))
    assert log.engine.history.violations.tolist() == [np.inf, 0.0]


def test_its_reports_are_no_evidence():
    log = WorkersLog(FifoScheduler(), stepping())
    for _ in range(4):
        trial = log.begin(9)
        log.report(trial.number, Report(1, {"value": 1.0}), Report(3, {"value": 0.5}))
        log.end(trial.number, {"value": 0.5})
    assert set(Readings.of(log.history).numbers.tolist()) == {0, 1, 2, 3}
    log.write(Invalidated(1, "why", 9.0))
    assert set(Readings.of(log.history).numbers.tolist()) == {0, 2, 3}


SAMPLERS = [
    CmaEsSampler(popsize=4),
    DESampler(population=4),
    EvolutionSampler(population=6, tournament=2),
    NSGA2Sampler(population=4),
    TurboSampler(),
]


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: type(sampler).__name__)
def test_a_sampler_is_as_if_it_had_never_been_told(sampler):
    log = a_log(sampler)
    log.run(11, lambda config: {"value": size_of(config)})
    for number in (0, 7, 10):
        log.write(Invalidated(number, "why", 9.0))
    log.run(3, lambda config: {"value": size_of(config)})
    engine = log.engine
    state = sampler.start(engine.problem, log.seed)
    for number in engine.history.finished:
        if number not in (0, 7, 10):
            sampler.tell(state, engine.history[number], engine.problem)
    assert dumps_state(engine.sampler_state) == dumps_state(state)


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: type(sampler).__name__)
def test_one_that_is_asked_now_and_then_folds_without_it(sampler):
    log = a_log()
    log.run(11, lambda config: {"value": size_of(config)})
    refolded(sampler, 7, log.engine.history)
    log.write(Invalidated(3, "why", 9.0))
    state = sampler.start(log.engine.problem, 7)
    for number in log.engine.history.finished:
        if number != 3:
            sampler.tell(state, log.engine.history[number], log.engine.problem)
    assert dumps_state(refolded(sampler, 7, log.engine.history)) == dumps_state(state)


@pytest.mark.parametrize("name", ["fifo", "asha", "median", "percentile", "race", "auto"])
@given(losses=st.lists(st.floats(0.0, 1.0), min_size=4, max_size=9), state=st.sampled_from(["COMPLETE", "PRUNED"]))
def test_a_scheduler_is_as_if_it_had_never_met_the_trial(name, losses, state):
    """What a trial that began last has left in the state is gone, once the trial is void."""
    log = WorkersLog(plugins.find("scheduler", name), stepping())
    for number, loss in enumerate(losses):
        if number == len(losses) - 1:
            before = dumps_state(log.engine.scheduler_state)
        log.begin(99)
        folds = [Report(0, {"value": loss + fold / 10}, fold) for fold in range(3)]
        log.report(number, *folds, *(Report(step, {"value": loss / step}) for step in (1, 2, 3, 9)))
        log.end(number, {"value": loss}, TrialState[state] if number == len(losses) - 1 else TrialState.COMPLETE)
    log.write(Invalidated(number, "why", 9.0))
    assert dumps_state(log.engine.scheduler_state) == before


@pytest.mark.parametrize("name", ["hyperband", "pasha", "curve", "pbt", "patient", "threshold", "pb2"])
def test_a_scheduler_goes_on_without_it(name):
    log = WorkersLog(plugins.find("scheduler", name), stepping())
    for number in range(8):
        trial = log.begin(99)
        if trial is None:
            break
        log.report(trial.number, *(Report(step, {"value": number / step}) for step in (1, 2, 3, 9)))
        log.end(trial.number, {"value": float(number)})
        log.write(Invalidated(trial.number, "why", 9.0))
    state = log.engine.scheduler_state
    assert not any(rung.all for rungs in getattr(state, "rungs", {}).values() for rung in _rungs_of(rungs))
    assert (getattr(state, "complete", 0), getattr(state, "best", None)) == (0, None)


def _rungs_of(rungs):
    return rungs.values() if isinstance(rungs, dict) else [rungs]


def test_only_what_has_finished_can_be_void():
    log = a_log()
    number, _ = log.start()
    log.write(Invalidated(number, "why", 1.0))
    assert log.engine.history[number].state is TrialState.RUNNING
    log.write(Ended(number, 1, TrialState.PAUSED, {}, 2.0))
    log.write(Invalidated(number, "why", 1.0))
    assert log.engine.history[number].state is TrialState.PAUSED
    log.write(Dropped(number, 1, "over", 3.0))
    log.write(Invalidated(number, "why", 1.0))
    assert log.engine.history[number].invalid == "why"
