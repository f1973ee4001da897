"""Whatever happens in an objective is the end of that trial, and of nothing else."""

from __future__ import annotations

import gc
import os
import signal
import time
from contextlib import suppress

import pytest

import kilter
from kilter.core.events import TrialState
from kilter.core.limits import Limits
from kilter.executors.command import Command
from kilter.executors.processes import Processes
from kilter.executors.simulated import VirtualClock
from kilter.runtime import signals

SPACE = {"x": kilter.Float(0, 1)}
COMPLETE, FAIL, WAITING = TrialState.COMPLETE, TrialState.FAIL, TrialState.WAITING


def made(**settings):
    return kilter.create_study(space=SPACE, seed=1, sampler="random", **settings)


def states(study):
    return [trial.state for trial in study.trials]


class Panic(BaseException):
    """As code in other languages raises it."""


def panics(trial):
    if trial.number < 3:
        raise [Panic("the foreign code"), SystemExit(1), RecursionError][trial.number]
    return 1.0


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_the_study_goes_on_whatever_is_raised(n_jobs):
    study = made()
    study.optimize(panics, n_trials=5, n_jobs=n_jobs, progress="none")
    assert states(study) == [FAIL] * 3 + [COMPLETE] * 2
    assert [trial.failure.kind for trial in study.trials[:3]] == ["Panic", "SystemExit", "RecursionError"]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_what_is_not_to_be_caught_is_raised_with_its_traceback_once_it_is_stored(n_jobs):
    study = made()
    with pytest.raises((Panic, SystemExit)) as raised:
        study.optimize(panics, n_trials=5, n_jobs=n_jobs, catch=(), progress="none")
    assert raised.type.__name__ in [trial.failure.kind for trial in study.trials if trial.failure]
    assert raised.traceback[-1].name == "panics"


def test_an_objective_that_breaks_off_its_run_is_given_up_after_three_attempts(tmp_path):
    def interrupts(x):
        raise KeyboardInterrupt

    ends = []
    for _ in range(3):
        study = made(storage=f"sqlite:///{tmp_path}/s.db", study_name="s", load_if_exists=True)
        with pytest.raises(KeyboardInterrupt):
            study.optimize(interrupts, n_trials=1, progress="none")
        ends += states(study)
    assert ends == [WAITING, WAITING, FAIL]
    assert "KeyboardInterrupt" in study.trials[0].failure.message


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_what_the_user_or_a_signal_breaks_off_waits_as_often_as_it_takes():
    def terminated(x):
        signal.raise_signal(signal.SIGTERM)

    study = made()
    for _ in range(4):
        with pytest.raises(SystemExit) as raised:
            study.optimize(terminated, n_trials=1, progress="none")
        assert raised.value.code == 128 + signal.SIGTERM
        assert states(study) == [WAITING]


# -- killed -------------------------------------------------------------------------------------------------------


def killed_once(trial):
    """Killed in its first attempt, as for want of memory."""
    if trial.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return 1.0


def killed_always(trial):
    os.kill(os.getpid(), signal.SIGKILL)


KILLED_ONCE = ["sh", "-c", "[ $KILTER_ATTEMPT = 1 ] && kill -9 $$; echo 1"]


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("executor", [lambda: Processes().start(killed_once), lambda: Command().start(KILLED_ONCE)])
def test_a_trial_whose_process_is_killed_is_tried_again(executor):
    study = made()
    study.run(executor(), Limits(trials=2), progress="none")
    assert states(study) == [COMPLETE] * 2
    assert [trial.number for trial in study.trials] == [0, 1]


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize(
    "executor", [lambda: Processes().start(killed_always), lambda: Command().start(["sh", "-c", "kill -9 $$"])]
)
def test_but_not_for_ever(executor):
    study = made()
    study.run(executor(), Limits(trials=1), progress="none")
    assert states(study) == [FAIL]
    assert "SIGKILL" in study.trials[0].failure.message


# -- the time is up -----------------------------------------------------------------------------------------------


def as_a_library_does(trial):
    """Turns what it finds in the middle of its work into a KeyboardInterrupt."""
    try:
        while True:
            time.sleep(0.01)
    except BaseException:
        raise KeyboardInterrupt from None


def swallowing(trial):
    try:
        while True:
            time.sleep(0.01)
    except BaseException:
        return 0.0


def going_on(trial):
    began = time.monotonic()
    for _ in range(2):
        try:
            while time.monotonic() < began + 60:
                time.sleep(0.01)
        except BaseException:
            pass
    return 0.0


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="interval timers")
@pytest.mark.parametrize("objective", [as_a_library_does, swallowing, going_on])
def test_what_the_alarm_broke_off_waits_however_the_objective_took_it(objective, monkeypatch):
    monkeypatch.setattr(signals, "AGAIN", 0.05)
    clock = VirtualClock()  # which stands still until the objective runs, however long that takes

    def running(trial):
        clock.advance(1.0)
        return objective(trial)

    study = made(clock=clock)
    study.optimize(running, n_trials=3, timeout=0.01, progress="none")
    assert states(study) == [WAITING]
    assert "the time of the run was up" in study.trials[0].failure.message


# -- memory -------------------------------------------------------------------------------------------------------


class Model:
    """Stands for what fills a device."""

    alive = 0

    def __init__(self):
        type(self).alive += 1

    def __del__(self):
        type(self).alive -= 1


def counting(trial):
    """Reports how many models of earlier trials live, then fails in ways that leave cycles behind."""
    trial.report(float(Model.alive), 0)
    model = Model()
    try:
        raise MemoryError(model is None)
    except MemoryError as error:
        kept = error
        raise [kept, ValueError("of it"), kilter.TrialPruned()][trial.number % 3] from kept


@pytest.fixture
def _no_garbage_collection():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_no_garbage_collection")
@pytest.mark.parametrize("run", [{"n_jobs": 1}, {"n_jobs": 2}, {"executor": Processes()}])
def test_what_a_failed_trial_held_is_released_before_the_next_one(run):
    study = made()
    study.optimize(counting, n_trials=7, progress="none", **run)
    alive = [trial.reports[0]["value"] for trial in study.trials]
    assert max(alive) < run.get("n_jobs", 1)
    assert Model.alive == 0


@pytest.mark.usefixtures("_no_garbage_collection")
def test_who_catches_the_exception_can_try_again():
    def fails(trial):
        model = Model()
        raise MemoryError(model is None)

    for _ in range(2):
        with suppress(MemoryError):
            made().optimize(fails, n_trials=1, catch=(), progress="none")
        assert Model.alive == 0


@pytest.mark.usefixtures("_no_garbage_collection")
def test_garbage_is_collected_after_each_trial_where_that_is_asked_for():
    def leaving_a_cycle(trial):
        alive, model = Model.alive, Model()
        model.itself = model
        return float(alive)

    for asked, expected in ((True, [0, 0, 0]), (False, [0, 1, 2])):
        study = made()
        study.optimize(leaving_a_cycle, n_trials=3, gc_after_trial=asked, progress="none")
        assert [trial.value for trial in study.trials] == expected
    gc.collect()
