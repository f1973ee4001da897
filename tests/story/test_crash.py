"""Workers are killed at any moment; the study goes on, and every result that was told is there."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import kilter

WORKER = """
import os, sys, kilter
def objective(x, trial):
    done = os.path.join(trial.checkpoint_dir, "steps")
    with open(done, "a") as file:
        file.write(str(trial.attempt))
    print("running", trial.number, flush=True)
    if os.environ.get("HANG") == str(trial.number) and trial.attempt == 1:
        sys.stdin.read()
    return x
study = kilter.create_study(space={"x": kilter.Float(0, 1)}, sampler="random", seed=3, storage=sys.argv[1],
                            study_name="s", load_if_exists=True)
study.optimize(objective, n_trials=int(sys.argv[2]), progress="none")
"""


def start(url: str, trials: int, hang: int | None = None) -> subprocess.Popen[str]:
    environment = {**os.environ, **({"HANG": str(hang)} if hang is not None else {})}
    command = [sys.executable, "-c", WORKER, url, str(trials)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


def until(worker: subprocess.Popen[str], number: int) -> None:
    """Wait until the worker says that it runs this trial."""
    assert worker.stdout is not None
    for line in worker.stdout:
        if line.split() == ["running", str(number)]:
            return
    raise AssertionError(f"the worker ended before trial {number}")


def check_whole(url: str, total: int) -> kilter.Study:
    """Every trial of a study that was resumed to the end is complete and has the point that it has without a crash."""
    study = kilter.load_study(storage=url, study_name="s")
    assert [trial.number for trial in study.trials] == list(range(total))
    assert {trial.state for trial in study.trials} == {kilter.TrialState.COMPLETE}
    undisturbed = kilter.create_study(space={"x": kilter.Float(0, 1)}, sampler="random", seed=3)
    undisturbed.optimize(lambda x: x, n_trials=total, progress="none")
    assert [trial.params for trial in study.trials] == [trial.params for trial in undisturbed.trials]
    return study


def test_a_killed_trial_comes_back_with_its_checkpoint(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'k.db'}"
    worker = start(url, 10, hang=4)
    until(worker, 4)
    worker.kill()
    worker.wait()
    second = start(url, 6)
    assert second.wait(timeout=60) == 0
    study = check_whole(url, 10)
    assert study.trials[4].attempt == 2
    (steps,) = (tmp_path / "k.db.trials").glob("*/4/2/steps")
    assert steps.read_text() == "12"


@pytest.mark.parametrize("seed", range(4))
def test_kills_at_random_moments_lose_nothing(tmp_path: Path, seed: int) -> None:
    url = f"sqlite:///{tmp_path / 'k.db'}"
    moments = random.Random(seed)
    started = 0
    for _ in range(3):
        worker = start(url, 10_000)
        for _ in range(moments.randint(1, 60)):
            assert worker.stdout is not None
            started = max(started, int(worker.stdout.readline().split()[1]))
        worker.kill()
        worker.wait()
    study = kilter.load_study(storage=url, study_name="s")
    before = {t.number: t.value for t in study.get_trials(states=[kilter.TrialState.COMPLETE])}
    # A trial that the worker said to run follows the written end of the one before it.
    assert set(range(started)) - set(before) <= {t.number for t in study.trials if not t.state.is_finished()}
    study.optimize(lambda x: x, n_trials=5, progress="none")
    after = {t.number: t.value for t in study.get_trials(states=[kilter.TrialState.COMPLETE])}
    assert before.items() <= after.items()
    check_whole(url, len(study.trials))


def test_sigterm_puts_the_trial_back_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'k.db'}"
    worker = start(url, 10, hang=2)
    until(worker, 2)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=30) != 0
    study = kilter.load_study(storage=url, study_name="s")
    assert study.trials[2].state is kilter.TrialState.WAITING
    study.optimize(lambda x: x, n_trials=1, progress="none")
    assert study.trials[2].state is kilter.TrialState.COMPLETE


def test_ctrl_c_once_finishes_the_running_trial(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'k.db'}"
    worker = start(url, 10, hang=2)
    until(worker, 2)
    worker.send_signal(signal.SIGINT)
    assert worker.stdin is not None
    worker.stdin.close()
    assert worker.wait(timeout=30) == 0
    study = kilter.load_study(storage=url, study_name="s")
    assert [trial.state for trial in study.trials] == [kilter.TrialState.COMPLETE] * 3


def test_ctrl_c_twice_stops_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'k.db'}"
    worker = start(url, 10, hang=2)
    until(worker, 2)
    for _ in range(50):
        worker.send_signal(signal.SIGINT)
        try:
            worker.wait(timeout=0.3)
            break
        except subprocess.TimeoutExpired:
            continue
    assert worker.returncode not in (0, None)
    study = kilter.load_study(storage=url, study_name="s")
    assert study.trials[2].state is kilter.TrialState.WAITING


def test_a_late_result_is_kept_and_not_counted(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'k.db'}"
    slow = kilter.create_study(space={"x": kilter.Float(0, 1)}, storage=url, study_name="s", seed=1)
    trial = slow.ask()
    slow._session.close()  # as if the lease had run out
    other = kilter.load_study(storage=url, study_name="s")
    other.optimize(lambda x: 7.0, n_trials=1, progress="none")
    slow.tell(trial, 1.0)
    assert [t.value for t in kilter.load_study(storage=url, study_name="s").trials] == [7.0]
    kinds = [entry.event for entry in slow.log.read()]
    assert [event.metrics for event in kinds if getattr(event, "late", False)] == [{"value": 1.0}]
