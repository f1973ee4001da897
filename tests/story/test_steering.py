"""What one process says of a study, the workers of others obey within a second or two."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import kilter
from kilter.core.events import TrialState

SOON = 20.0
"""Seconds that a busy machine gets for what takes one or two."""

WORKER = """
import sys, time, kilter
url, how, executor = sys.argv[1:4]
study = kilter.create_study(
    space={"x": kilter.Float(0, 1)}, sampler="random", scheduler="fifo", seed=0, storage=url, study_name="shared",
    load_if_exists=True,
)
def objective(trial):
    for step in range(STEPS):
        trial.report(trial.params["x"], step)
        trial.flush()
        time.sleep(0.02)
    return trial.params["x"]
bounds = {"limits": kilter.Limits(trials=int(how[1:]))} if how[0] == "=" else {"n_trials": int(how)}
study.optimize(objective, **bounds, executor=executor, progress="plain")
"""


@contextmanager
def workers(url: str, *kinds: tuple[str, str], steps: int = 5) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes at work, each for so many trials of its own, or after "=" in all, on an executor."""
    body = WORKER.replace("STEPS", str(steps))
    started = [
        subprocess.Popen([sys.executable, "-c", body, url, *kind], stderr=subprocess.PIPE, text=True) for kind in kinds
    ]
    try:
        yield started
    finally:
        for worker in started:
            worker.kill()
            worker.communicate()


def until(happened: Any) -> None:
    deadline = time.monotonic() + SOON
    while not happened():
        assert time.monotonic() < deadline, "nothing of the kind has happened"
        time.sleep(0.02)


def opened(url: str) -> kilter.Study:
    """The study, once its workers have made it and each runs a trial."""
    until(lambda: kilter.get_all_study_names(url))
    return kilter.load_study(storage=url)


def running(study: kilter.Study) -> set[str | None]:
    return {trial.record.worker for trial in study.get_trials(states=[TrialState.RUNNING])}


def said(worker: subprocess.Popen[str]) -> str:
    _, errors = worker.communicate(timeout=SOON)
    assert worker.returncode == 0, errors
    return errors


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'k.db'}"


def test_workers_wait_while_the_study_is_paused_and_go_on(url: str) -> None:
    with workers(url, ("=400", "threads"), ("9999", "threads"), steps=2) as started:
        study = opened(url)
        until(lambda: len(running(study)) == 2)
        study.pause()
        until(lambda: not running(study))
        count = len(study.trials)
        until(lambda: time.time() - study.log.read()[-1].event.time > 1.0)
        assert len(study.trials) == count
        study.unpause()
        until(lambda: len(study.trials) > count + 4)
        study.stop_workers(now=True)
        for worker in started:
            errors = said(worker)
            assert "shared is paused, so no trial begins" in errors and "kilter unpause shared" in errors
            assert "shared goes on" in errors and "the study was stopped" in errors


def test_all_workers_end_at_a_stop_and_what_they_ran_comes_to_its_end(url: str) -> None:
    with workers(url, ("9999", "threads"), ("9999", "processes")) as started:
        study = opened(url)
        until(lambda: len(running(study)) == 2)
        study.stop_workers()
        for worker in started:
            assert "the study was stopped" in said(worker)
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}
    assert study.control == "stopped"


@pytest.mark.parametrize("executor", ["threads", "processes", "inline"])
def test_a_stop_that_cuts_does_not_wait_for_a_long_trial(url: str, executor: str) -> None:
    with workers(url, ("9999", executor), steps=100_000) as [worker]:
        study = opened(url)
        until(lambda: running(study))
        study.stop_workers(now=True)
        assert "the study was stopped; trial 0 was cut and waits to go on" in said(worker)
    assert [trial.state for trial in study.trials] == [TrialState.WAITING]
    kilter.load_study(storage=url).optimize(lambda x: x, n_trials=1, progress="none")
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE]


@pytest.mark.parametrize("how", ["=12", "4"], ids=["to a total", "each its own"])
def test_several_workers_together_run_just_the_trials_that_were_added(url: str, how: str) -> None:
    with workers(url, *[(how, "threads")] * 3, steps=20) as started:
        study = opened(url)
        until(lambda: len(running(study)) == 3)
        study.add_budget(n_trials=7)
        for worker in started:
            said(worker)
    assert len(study.trials) == 12 + 7
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}


def test_a_shell_steers_a_study_by_name(url: str) -> None:
    kilter_of = [sys.executable, "-m", "kilter.cli"]
    with workers(url, ("9999", "threads")) as [worker]:
        study = opened(url)
        until(lambda: any(trial.state is TrialState.COMPLETE for trial in study.trials))
        for words in (["invalidate", "shared", "0", "-m", "wrong"], ["stop", "shared", "--now"]):
            subprocess.run([*kilter_of, *words, "--storage", url], check=True, capture_output=True)
        said(worker)
    assert study.trials[0].failure is not None and study.trials[0].failure.line == "invalidated: wrong"
