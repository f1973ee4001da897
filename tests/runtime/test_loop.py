"""When a run ends, and what becomes of what runs then."""

from __future__ import annotations

import copy
import os
import signal
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kilter
from kilter.core.errors import InvalidInput, StorageError
from kilter.core.events import Ended, TrialState
from kilter.core.interfaces import Outcome
from kilter.core.limits import Limits
from kilter.engine.ending import Ending, EndKind
from kilter.executors.command import Command, Program
from kilter.executors.inline import Inline
from kilter.executors.processes import Processes
from kilter.executors.simulated import Simulated, VirtualClock
from kilter.executors.threads import Threads
from kilter.storage.memory import MemoryStorage

SPACE = {"x": kilter.Float(0, 1)}
COMPLETE, WAITING, PRUNED = TrialState.COMPLETE, TrialState.WAITING, TrialState.PRUNED


def made(**settings):
    return kilter.create_study(space=SPACE, seed=1, sampler="random", **settings)


def states(study):
    return [trial.state for trial in study.trials]


# -- in virtual time ----------------------------------------------------------------------------------------------


def simulated(durations, slots):
    """A study in virtual time whose trials last so long in turn, and what runs it."""
    clock = VirtualClock()
    study = made(clock=clock)
    lasting = {}

    def objective(config):
        seconds = lasting.setdefault(config["x"], durations[len(lasting) % len(durations)])
        for step in range(4):
            yield step, config["x"], seconds / 4

    return study, clock, Simulated(slots, clock).start(objective)


@settings(max_examples=30)
@given(
    st.lists(st.floats(0.1, 10), min_size=1, max_size=5),
    st.integers(1, 4),
    st.lists(st.floats(10.5, 40), min_size=1, max_size=4),
)
def test_runs_that_are_cut_do_together_what_one_run_does(durations, slots, seconds):
    study, clock, executor = simulated(durations, slots)
    for limit in seconds:
        began = clock()
        ending = study.run(executor, Limits(trials=12, seconds=limit), progress="none")
        assert clock() - began <= limit + 0.01
        waiting = [trial.number for trial in study.trials if trial.state is WAITING]
        assert set(states(study)) <= {COMPLETE, WAITING}
        assert sorted(ending.cut) == waiting
        assert ending.kind is EndKind.TIME or not waiting
        assert all(str(number) in str(ending) for number in waiting)
    study.run(executor, Limits(trials=12), progress="none")
    assert states(study) == [COMPLETE] * 12


def test_the_reason_names_what_was_cut():
    study, clock, executor = simulated([60.0], 2)
    assert str(study.run(executor, Limits(seconds=100), progress="none")) == (
        "the time is up (100 s); 2 trials were cut and wait to go on: 2, 3"
    )
    assert clock() == 100
    study, _, executor = simulated([60.0], 1)
    ending = study.run(executor, Limits(seconds=100), progress="none")
    assert str(ending) == "the time is up (100 s); trial 1 was cut and waits to go on"
    study, _, executor = simulated([60.0], 12)
    assert str(study.run(executor, Limits(seconds=10), progress="none")) == (
        "the time is up (10 s); 12 trials were cut and wait to go on: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …"
    )


def test_a_run_without_anything_to_cut_says_nothing_of_it():
    study, _, executor = simulated([50.0], 2)
    assert study.run(executor, Limits(seconds=100), progress="none") == Ending(EndKind.TIME, "the time is up (100 s)")
    assert states(study) == [COMPLETE] * 4


def test_a_cut_trial_keeps_its_reports_and_says_why():
    study, _, executor = simulated([80.0], 1)
    study.run(executor, Limits(seconds=50), progress="none")
    (trial,) = study.trials
    assert trial.intermediate_values.keys() == {0, 1}
    assert (trial.failure.kind, trial.failure.message) == ("interrupted", "the time of the run was up (50 s)")


def test_what_drains_is_cut_as_well_once_the_time_is_up():
    study, clock, executor = simulated([60.0, 500.0], 2)
    ending = study.run(executor, Limits(steps=3, seconds=100), progress="none")
    assert ending == Ending(EndKind.LIMIT, "3 steps of trials are spent (limit 3)", cut=(1,))
    assert clock() == 100


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_what_drains_for_the_user_is_still_stopped_by_the_user_once_the_time_is_up():
    study, clock, executor = simulated([500.0], 2)
    interrupt = [lambda: os.kill(os.getpid(), signal.SIGINT)]
    ending = study.run(
        executor,
        Limits(seconds=100),
        progress="none",
        stoppers=[lambda history, now: interrupt.pop()() if interrupt else None],
    )
    assert ending == Ending(EndKind.STOPPED, "stopped by the user", cut=(0,))
    assert clock() == 100


def test_a_limit_on_steps_ends_the_study():
    study, _, executor = simulated([60.0], 1)
    assert str(study.run(executor, Limits(steps=9), progress="none")) == "9 steps of trials are spent (limit 9)"
    assert len(study.trials) == 3


# -- stoppers -----------------------------------------------------------------------------------------------------


def test_a_stopper_gives_the_reason():
    study, _, executor = simulated([60.0], 1)
    asked = []

    def enough(history, now):
        asked.append((len(history.finished), now))
        return "five are enough" if len(history.finished) >= 5 else None

    ending = study.run(executor, Limits(trials=50), progress="none", stoppers=[lambda history, now: None, enough])
    assert ending == Ending(EndKind.LIMIT, "five are enough")
    assert asked == [(n, 60.0 * n) for n in range(6)]


def test_stoppers_of_tune_and_optimize():
    def enough(history, now):
        return "enough" if len(history.finished) >= 3 else None

    study = kilter.tune(lambda x: x, SPACE, stoppers=[enough], storage=None, progress="none")
    assert len(study.trials) == 3
    study.optimize(lambda x: x, n_trials=5, stoppers=[enough], progress="none")
    assert len(study.trials) == 3


def test_tune_names_all_that_ends_a_study():
    with pytest.raises(InvalidInput, match=r"steps=.*gain=.*stoppers="):
        kilter.tune(lambda x: x, SPACE, storage=None, progress="none")


# -- where objectives really run, by a clock that they move, however long they take to begin --------------------------

LIMIT, LATER = 0.02, 1.0
"""Seconds of that clock: the limit is also how long a run waits until it looks at the clock again."""


class Until:
    """A clock that stands still until something is so; the time is up then."""

    def __init__(self):
        self.is_so = lambda: False

    def __call__(self):
        return LATER if self.is_so() else 0.0


def wait_forever():
    while True:
        threading.Event().wait(0.01)


def test_the_time_breaks_into_an_objective_of_this_thread():
    cleaned = []
    clock = VirtualClock()

    def objective(x, trial):
        if trial.number < 2:
            return x
        clock.advance(LATER)
        while True:
            try:
                wait_forever()
            except Exception:
                pytest.fail("no Exception is to be swallowed")
            finally:
                cleaned.append(trial.number)

    study = made(clock=clock)
    study.optimize(objective, timeout=LIMIT, progress="none")
    assert states(study) == [COMPLETE, COMPLETE, WAITING]
    assert cleaned == [2]
    study.optimize(lambda x: x, n_trials=1, progress="none")
    assert states(study) == [COMPLETE] * 3
    assert study.trials[2].attempt == 2


def test_a_trial_that_was_cut_is_missed_no_checkpoint_where_none_was_ever_kept(caplog):
    clock = VirtualClock()

    def objective(x, trial):
        trial.report(x, 1)
        if trial.attempt == 1:
            clock.advance(LATER)
            wait_forever()
        return x

    study = made(clock=clock)
    study.optimize(objective, timeout=LIMIT, progress="none")
    study.optimize(objective, n_trials=1, progress="none")
    assert [trial.attempt for trial in study.trials] == [2]
    assert "without a checkpoint" not in caplog.text


def test_a_trial_of_this_thread_goes_on_with_its_checkpoint(tmp_path):
    began = []
    clock = VirtualClock()

    def objective(x, trial):
        state = trial.load() or {"epoch": 0}
        began.append(state["epoch"])
        for epoch in range(state["epoch"], 5):
            trial.save({"epoch": epoch + 1})
            if epoch == 2 and trial.attempt == 1:
                clock.advance(LATER)
                wait_forever()
        return x

    study = made(storage=f"sqlite:///{tmp_path / 'k.db'}", clock=clock)
    study.optimize(objective, timeout=LIMIT, progress="none")
    assert states(study) == [WAITING]
    study.optimize(objective, n_trials=1, progress="none")
    assert began == [0, 3]
    assert states(study) == [COMPLETE]


def in_another_thread(function):
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


def test_outside_the_main_thread_reports_notice_the_time(monkeypatch):
    monkeypatch.setattr("kilter.objective.attempt.FLUSH_SECONDS", 0.0)
    clock = VirtualClock()

    def objective(x, trial):
        for step in range(10**9):
            trial.report(x, step)
            if step == 2:
                clock.advance(LATER)

    study = made(clock=clock)
    in_another_thread(lambda: study.optimize(objective, timeout=LIMIT, progress="none"))
    assert states(study) == [WAITING]
    assert study.trials[0].last_step >= 2


class Judging(kilter.schedulers.FifoScheduler):
    """Asks, and never stops anything."""

    judges = True


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_a_trial_that_prunes_itself_for_want_of_time_is_interrupted(n_jobs):
    left = []
    clock = VirtualClock()
    all_run = threading.Barrier(n_jobs, lambda: clock.advance(LATER))

    def objective(x, trial):
        all_run.wait(60)
        for step in range(10**9):
            trial.report(x, step)
            if trial.should_prune():
                left.append(trial.number)
                raise kilter.TrialPruned

    study = made(clock=clock)
    study._session.engine.scheduler = Judging()
    in_another_thread(lambda: study.optimize(objective, timeout=LIMIT, n_jobs=n_jobs, progress="none"))
    assert states(study) == [WAITING] * n_jobs
    assert sorted(left) == list(range(n_jobs))


def test_threads_end_at_their_next_report(monkeypatch):
    monkeypatch.setattr("kilter.objective.attempt.FLUSH_SECONDS", 0.0)
    clock = VirtualClock()
    both_run = threading.Barrier(2, lambda: clock.advance(LATER))

    def objective(x, trial):
        both_run.wait(60)
        for step in range(10**9):
            trial.report(x, step)
            threading.Event().wait(0.001)

    study = made(clock=clock)
    study.optimize(objective, timeout=LIMIT, n_jobs=2, progress="none")
    assert states(study) == [WAITING] * 2


def test_a_thread_that_never_asks_has_its_result():
    clock, is_stopped = VirtualClock(), threading.Event()
    both_run = threading.Barrier(2, lambda: clock.advance(LATER))

    def objective(x):
        both_run.wait(60)
        assert is_stopped.wait(60)
        return x

    study = made(clock=clock)
    executor = Threads(2).start(objective, study.space)
    stop = executor.stop
    executor.stop = lambda number: (stop(number), is_stopped.set())
    ending = study.run(executor, Limits(seconds=LIMIT), progress="none")
    assert ending.kind is EndKind.TIME
    assert states(study) == [COMPLETE] * 2


def test_processes_are_killed():
    def objective(x, trial):
        trial.report(x, 1)
        trial.should_prune()  # so that the report is sent
        threading.Event().wait()

    clock = Until()
    study = made(clock=clock)
    clock.is_so = lambda: study.history.reports.count == 2
    executor = Processes(2).start(objective, study.space)
    ending = study.run(executor, Limits(seconds=LIMIT), progress="none")
    assert states(study) == [WAITING] * 2
    assert str(ending) == f"the time is up ({LIMIT} s); 2 trials were cut and wait to go on: 0, 1"


def test_commands_are_terminated_and_keep_what_they_printed():
    clock = Until()
    study = made(clock=clock)
    clock.is_so = lambda: study.history.reports.count == 1
    program = 'echo \'{"step": 1, "value": 0.5}\'; sleep 60'
    executor = Command().start(Program(["sh", "-c", program.replace("{", "{{").replace("}", "}}")], metrics=["value"]))
    ending = study.run(executor, Limits(seconds=LIMIT), progress="none")
    assert str(ending) == f"the time is up ({LIMIT} s); trial 0 was cut and waits to go on"
    assert study.trials[0].intermediate_values == {1: 0.5}


class Failing(MemoryStorage):
    """Fails once, with a write of the kind that is named."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def append(self, study, events, *more, **named):
        if any(type(event) is self.kind for event in events):
            self.kind = None
            raise StorageError("the disk is full")
        return super().append(study, events, *more, **named)


@pytest.mark.parametrize("executor", ["inline", "threads"])
def test_a_trial_whose_end_could_not_be_written_waits_and_the_next_run_has_exactly_n(executor):
    study = kilter.create_study(storage=Failing(Ended), space={"x": kilter.Float(0, 1)}, seed=0)
    with pytest.raises(StorageError, match="the disk is full"):
        study.optimize(lambda x: x, n_trials=3, executor=executor, progress="none")
    study.optimize(lambda x: x, limits=Limits(trials=5), executor=executor, progress="none")
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 5


def test_what_an_executor_says_of_a_trial_that_nobody_began_ends_the_run_and_not_the_study():
    class Confused(Inline):
        def start(self, objective, space=None, draw=None):
            running = super().start(objective, space, draw)
            running._perform = lambda task: Outcome(99, 1, TrialState.COMPLETE, {"value": 0.5})
            return running

    study = kilter.create_study(space={"x": kilter.Float(0, 1)}, seed=0)
    with pytest.raises(InvalidInput, match=r"number=99.*the study has 1 trials"):
        study.optimize(lambda x: x, n_trials=2, executor=Confused(), progress="none")
    study.optimize(lambda x: x, n_trials=2, progress="none")
    assert [trial.state.name for trial in copy.copy(study).trials] == ["COMPLETE"] * 2
