"""A process that is told to end, and what becomes of its trials."""

import os
import signal
import time

import pytest

import kilter
from kilter.core.errors import InvalidInput
from kilter.core.events import INTERRUPTED, TrialState
from kilter.core.interfaces import Resources
from kilter.executors import Inline, Processes, Threads

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals as POSIX has them")

LONG = 60.0
"""More seconds than any test takes."""


def steps(trial, ends_at, by, asks=True, saves=True):
    """Train for six steps, from where it was; in the first attempt this process is told to end on the way."""
    for step in range(trial.load() or 0, 6):
        trial.report(step, step)
        if saves:
            trial.save(step + 1)
        if (trial.number, trial.attempt, step) == (0, 1, ends_at):
            os.kill(by(), signal.SIGTERM)
        if asks and trial.should_prune():
            raise kilter.TrialPruned
        if trial.attempt == 1 and step > ends_at:
            time.sleep(0.05)
    return trial.suggest_float("x", 0, 1)


def in_a_process(trial):
    return steps(trial, 2, os.getppid)


def here(trial):
    return steps(trial, 2, os.getpid)


@pytest.mark.parametrize("scheduler", ["fifo", "median"])
@pytest.mark.parametrize(
    ("executor", "objective"), [(Inline(), here), (Threads(2), here), (Processes(2), in_a_process)]
)
def test_trials_save_and_leave_and_go_on_elsewhere(executor, objective, scheduler):
    study = kilter.create_study(seed=0, notice=LONG, scheduler=scheduler)
    with pytest.raises(SystemExit) as ended:
        study.optimize(objective, n_trials=2, executor=executor, progress="none")
    assert ended.value.code == 128 + signal.SIGTERM
    first = study.trials[0]
    assert first.state is TrialState.WAITING and first.failure.kind == INTERRUPTED
    assert 2 <= first.last_step < 5 and not study.history.running
    study.optimize(objective, n_trials=len(study.history.waiting), executor=executor, progress="none")
    again = study.trials[0]
    assert again.state is TrialState.COMPLETE and again.attempt == 2
    assert list(again.reports) == list(range(6)), "no step twice, and none left out"


def test_a_trial_that_does_not_ask_is_stopped_once_its_time_is_over():
    def objective(trial):
        trial.save(trial.attempt)
        if trial.attempt == 1:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(LONG)
        return trial.suggest_float("x", 0, 1)

    study = kilter.create_study(seed=0, notice=0.2)
    with pytest.raises(SystemExit):
        study.optimize(objective, n_trials=1, progress="none")
    assert study.trials[0].state is TrialState.WAITING
    study.optimize(objective, n_trials=1, progress="none")
    assert study.trials[0].attempt == 2


@pytest.mark.parametrize("notice", [0.0, LONG])
def test_without_notice_or_told_twice_trials_are_stopped_at_once(notice):
    def objective(trial):
        for _ in range(2 if notice else 1):
            os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(LONG)

    study = kilter.create_study(seed=0, notice=notice)
    with pytest.raises(SystemExit):
        study.optimize(objective, n_trials=1, progress="none")
    assert study.trials[0].state is TrialState.WAITING


def test_a_result_that_comes_in_time_counts():
    def objective(trial):
        os.kill(os.getpid(), signal.SIGTERM)
        return trial.suggest_float("x", 0, 1)

    study = kilter.create_study(seed=0, notice=LONG)
    with pytest.raises(SystemExit):
        study.optimize(objective, n_trials=3, progress="none")
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE]


def test_what_the_scheduler_says_comes_first():
    """A trial that is to be pruned is pruned, whether its machine goes away or not."""

    def objective(trial):
        trial.suggest_float("x", 0, 1)
        for step in range(20):
            trial.report(float(trial.number), step)
            if trial.number == 9 and step == 0:
                os.kill(os.getpid(), signal.SIGTERM)
            if trial.should_prune():
                raise kilter.TrialPruned
        return float(trial.number)

    study = kilter.create_study(seed=0, notice=LONG, scheduler=kilter.schedulers.MedianScheduler(grace=0, startup=2))
    with pytest.raises(SystemExit):
        study.optimize(objective, n_trials=10, progress="none")
    assert study.trials[9].state is TrialState.PRUNED


def test_a_worker_process_that_is_killed_by_the_same_signal_loses_no_attempt():
    def objective(trial):
        trial.save(trial.attempt)
        if trial.attempt < 5:
            os.kill(os.getppid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(LONG)
        return trial.suggest_float("x", 0, 1)

    study = kilter.create_study(seed=0, notice=LONG)
    for _ in range(4):  # more often than a trial may be lost
        with pytest.raises(SystemExit):
            study.optimize(objective, n_trials=1, executor=Processes(1, Resources()), progress="none")
        assert study.trials[0].state is TrialState.WAITING
    study.optimize(objective, n_trials=1, executor=Processes(1, Resources()), progress="none")
    assert study.trials[0].attempt == 5


@pytest.mark.parametrize("notice", [-1.0, float("inf"), float("nan"), "soon", None, True])
def test_a_notice_that_is_none_is_refused(notice):
    with pytest.raises(InvalidInput, match="notice="):
        kilter.create_study(notice=notice)
