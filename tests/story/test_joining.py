"""kilter worker in many processes: they come, are killed, come back by their names, and share one total."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import kilter
from kilter.core.events import Ended, Started, TrialState

pytestmark = pytest.mark.story

TRAIN = """
import os, pathlib, time

def loss(x, trial):
    pathlib.Path(f"{trial.number}-{trial.attempt}").touch()
    while os.path.exists("held") and trial.number in (3, 4) and trial.attempt == 1:
        time.sleep(0.01)
    time.sleep(0.01)
    return x
"""


def until(happened: Callable[[], bool]) -> None:
    for _ in range(3000):
        if happened():
            return
        time.sleep(0.02)
    raise AssertionError("a minute has passed")


class Pool:
    """Workers on one study, which ends with the test."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.url = folder, f"sqlite:///{folder / 'k.db'}"
        (folder / "train.py").write_text(TRAIN)
        self._begun: list[subprocess.Popen[str]] = []
        self.study = kilter.create_study(
            storage=self.url, study_name="s", space={"x": kilter.Float(0, 1)}, sampler="random", seed=0
        )

    def worker(self, *words: str, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        command = [*before, sys.executable, "-m", "kilter.cli", "worker", "s", "--storage", self.url, "--debug"]
        command += ["--objective", "train.py:loss", "--progress", "none", *words]
        made = subprocess.Popen(command, cwd=self.folder, stderr=subprocess.PIPE, text=True)
        self._begun.append(made)
        return made

    def has_begun(self, number: int, attempt: int = 1) -> bool:
        return (self.folder / f"{number}-{attempt}").exists()

    def end(self) -> None:
        for each in self._begun:
            each.kill()
            each.wait()


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    made = Pool(tmp_path)
    yield made
    made.end()


def test_workers_come_and_go_and_the_total_is_exact(pool: Pool) -> None:
    (pool.folder / "held").touch()
    first = [pool.worker("-n", "40") for _ in range(4)]
    until(lambda: pool.has_begun(3) and pool.has_begun(4))
    holders = {
        entry.event.number: entry.event.worker for entry in pool.study.log.read() if isinstance(entry.event, Started)
    }
    pids = {worker.id: worker.pid for worker, _ in pool.study._session.storage.leases(1)}
    os.kill(pids[holders[3]], signal.SIGKILL)
    os.kill(pids[holders[4]], signal.SIGTERM)
    late = pool.worker("-n", "40")
    (pool.folder / "held").unlink()
    codes = {each.pid: (each.communicate(timeout=120)[1], each.returncode) for each in [*first, late]}
    assert sorted(code for _, code in codes.values()) == [-signal.SIGKILL, 0, 0, 0, 143], codes
    trials = pool.study.trials
    assert [trial.number for trial in trials] == list(range(40))
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
    assert len({trial.params["x"] for trial in trials}) == 40
    ends = [entry.event for entry in pool.study.log.read() if isinstance(entry.event, Ended)]
    assert sorted(end.failure.kind for end in ends if end.failure) == ["interrupted", "lost"]
    assert (trials[3].attempt, trials[4].attempt) == (2, 2)
    assert pool.study._session.storage.leases(1) == []


CONTAINER = ("unshare", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c")
"""A machine of its own name, with processes that nobody else can look up: what a container is to kilter."""


def has_containers() -> bool:
    try:
        return subprocess.run([*CONTAINER, "hostname pod-0"], check=False, capture_output=True).returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(not has_containers(), reason="needs root, and unshare of util-linux")
def test_a_container_that_is_started_again_goes_on_with_its_trial_at_once(pool: Pool) -> None:
    def started(name: str) -> subprocess.Popen[str]:
        return pool.worker("--name", name, "-n", "5", before=(*CONTAINER, f'hostname {name} && exec "$@"', "sh"))

    (pool.folder / "held").touch()
    killed = started("pod-0")
    until(lambda: pool.has_begun(3))
    killed.kill()
    killed.communicate()
    other = started("pod-1")  # cannot tell whether the worker of pod-0 lives
    until(lambda: pool.has_begun(4))
    assert pool.study.trials[3].attempt == 1
    again = started("pod-0")
    until(lambda: pool.has_begun(3, attempt=2))
    (pool.folder / "held").unlink()
    for worker in (other, again):
        assert worker.communicate(timeout=60) and worker.returncode == 0
    assert [trial.state for trial in pool.study.trials] == [TrialState.COMPLETE] * 5
    assert [trial.attempt for trial in pool.study.trials] == [1, 1, 1, 2, 1]
