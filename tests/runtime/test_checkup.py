"""What is wrong around a study, seen by who only looks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import kilter
from kilter import plugins, replay
from kilter.analysis.finding import ACT, LOOK, NOTE, Finding
from kilter.core.errors import StorageUnsafe
from kilter.core.events import Started
from kilter.core.interfaces import Worker
from kilter.core.limits import Limits
from kilter.runtime.checkup import CHECKS, SILENT, Scene
from kilter.runtime.leases import _process, this_host
from kilter.runtime.surroundings import FULL, NEARLY, keeping, of_disk
from kilter.storage.sqlite import SQLiteStorage

MACHINE, _, MARK = this_host().partition("/")


class Place:
    """A study in a file, and workers who hold leases on it as the test says."""

    def __init__(self, path: Path) -> None:
        self.storage = SQLiteStorage(path)
        self.study = kilter.create_study(
            storage=self.storage, study_name="digits", space={"x": kilter.Float(0, 1)}, sampler="random", seed=0
        )
        self.study.optimize(lambda x: x, limits=Limits(trials=6), progress="none")

    def works(self, worker: Worker, *numbers: int, lease: float = 60.0) -> None:
        """Have a worker hold a lease, and run trials."""
        self.storage.renew(1, worker, lease)
        for number in numbers:
            self.storage.append(1, [Started(number, 1, {"x": 0.5}, worker.id, 1, 1000.0)])

    def found(self, now: float = 1001.0) -> list[Finding]:
        scene = Scene.of(replay.read("digits", self.storage), now)
        return [finding for check in CHECKS for finding in check(scene)]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "k.db")


@pytest.fixture
def other() -> Iterator[Worker]:
    """A worker that is another process of this machine."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield Worker("w.1", this_host(), process.pid, _process(process.pid)[0] or 0.0)
    process.kill()
    process.wait()


def test_all_is_well_where_nobody_works_and_where_all_do(place: Place, other: Worker) -> None:
    assert place.found() == []
    place.works(other, 6)
    place.works(replace(other, id="v"), 7)
    assert place.found() == []


def test_a_trial_runs_nowhere_whose_worker_died_or_left(place: Place, other: Worker) -> None:
    place.works(replace(other, born=1.0, id="gpu-3.1"), 6)
    (found,) = place.found()
    assert (found.severity, found.trials) == (ACT, (6,))
    assert (
        found.sentence == f"Trial 6 of digits runs nowhere: the worker gpu-3, process {other.pid} on {MACHINE} is gone."
    )
    assert "kilter worker digits" in found.action
    place.works(other)
    assert [(f.severity, f.action) for f in place.found()] == [(NOTE, "Its worker sees to that within a minute or so.")]


def test_a_worker_elsewhere_goes_by_its_lease(place: Place) -> None:
    far = Worker("w", "node7/0-0", 12, 0.0)
    place.storage = SQLiteStorage(place.storage.path)
    place.works(far, 6)
    assert [f.kind for f in place.found()] == []
    place.works(far, 7, lease=-180.0)
    (found,) = place.found()
    assert found.trials == (6, 7)
    assert found.sentence.endswith("process 12 on node7 gave no sign of life for 3:00 after its lease had run out.")
    place.works(Worker("v", "node7/0-0", 12, 0.0))
    place.storage.release(1, "w")
    assert place.found()[0].sentence == "Trials 6, 7 of digits run nowhere: nobody holds a lease."


def test_a_process_that_was_stopped(place: Place, other: Worker) -> None:
    place.works(other, 6)
    os.kill(other.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, other.pid, os.WSTOPPED | os.WNOWAIT)
    (found,) = place.found()
    assert (found.kind, found.severity, found.trials) == ("suspended", LOOK, (6,))
    assert f"kill -CONT {other.pid}" in found.action


def test_a_trial_that_says_nothing_for_long(place: Place, other: Worker) -> None:
    place.works(other, 6)
    longest = max(trial.duration.total_seconds() for trial in place.study.trials[:6])
    assert SILENT * longest < 600
    assert place.found(now=1599.0) == []
    (found,) = place.found(now=1601.0)
    assert (found.kind, found.trials) == ("silent", (6,)) and "kilter trial digits 6 --log" in found.action


def test_trials_that_killed_every_worker(place: Place, other: Worker) -> None:
    dead = replace(other, born=1.0)
    for attempt in (1, 2, 3):
        place.storage.renew(1, dead, 60.0)
        place.storage.append(1, [Started(6, attempt, {"x": 0.5}, dead.id, 1, 0.0, fresh=attempt == 1)])
        place.study.recover()
    (found,) = place.found()
    assert (found.kind, found.trials) == ("given up", (6,)) and "memory" in found.action


def test_what_waits_for_a_worker_and_workers_that_wait(place: Place, other: Worker) -> None:
    place.study.enqueue_trial({"x": 0.5})
    assert place.found() == []  # the study has what it was asked for
    place.study.add_budget(2)
    assert [(f.kind, f.severity) for f in place.found()] == [("waiting", NOTE)]
    place.works(other)
    assert place.found() == []
    place.study.pause()
    assert [f.sentence for f in place.found()] == ["digits is paused, and a worker waits."]


def test_machines_that_share_a_file_are_found_and_refused(place: Place, other: Worker) -> None:
    place.works(Worker("pod", f"pod-1/{MARK.partition('-')[0]}-77", 12, 0.0))  # a container of this machine
    place.works(other)
    assert place.found() == []
    place.works(Worker("w", "node7/12345678-0", 12, 0.0))
    (found,) = place.found()
    assert found.severity == ACT and "node7" in found.sentence
    with pytest.raises(StorageUnsafe, match="in use on node7, which is another machine"):
        kilter.load_study(storage=place.storage).ask()
    place.storage.release(1, "w")
    kilter.load_study(storage=place.storage).ask()


def test_a_disk_that_is_full_or_soon_will_be(place: Place) -> None:
    assert [f.severity for free in (FULL - 1, NEARLY - 1, NEARLY) for f in of_disk(free, "/data")] == [ACT, LOOK]
    facts, _ = keeping(place.storage)
    assert facts["write_seconds"] > 0 and facts["free_bytes"] > 0 and facts["bytes"] > 0
    assert place.storage.leases(1) == []


class Elsewhere(SQLiteStorage):
    """One that has a clock of its own, an hour ahead."""

    def describe(self) -> dict[str, str | float]:
        return {"server": "Elsewhere 1.0", "clock": time.time() + 3600.0}


def test_a_storage_whose_clock_is_another(tmp_path: Path) -> None:
    facts, found = keeping(Elsewhere(tmp_path / "k.db"))
    assert facts["clock_ahead"] == pytest.approx(3600, abs=60) and "clock" not in facts
    assert [f.sentence for f in found] == ["This machine's clock is 1:00:00 behind that of the storage."]


def test_a_server_says_what_it_is_and_what_time_it_has(postgresql_url: str) -> None:
    storage = plugins.open_storage(postgresql_url)
    facts, found = keeping(storage)
    assert str(facts["server"]).startswith("PostgreSQL ") and abs(facts["clock_ahead"]) < 60
    assert found == [] and facts["write_seconds"] is None
    storage.close()
