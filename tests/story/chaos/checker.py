"""What has to be true of a study in whose midst everything was broken that can be: told from its log and the diary."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import psutil
from tests.story.chaos.worker import NAME, STEPS

import kilter
from kilter import plugins, replay
from kilter.core.events import LOST, Created, Ended, Event, Reported, Started, TrialState
from kilter.engine import snapshot
from kilter.engine.lifecycle import ATTEMPTS
from kilter.objective import checkpoint
from kilter.runtime.leases import this_host

LINE = tuple[str, int, int, str]


class Diary:
    """The lines that workers have written by now: a word, a trial, an attempt, and what it is about."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[LINE] = []
        self._read = 0

    def look(self) -> int:
        """Read on; how many lines there are."""
        if self.path.exists():
            with open(self.path) as file:
                file.seek(self._read)
                text = file.read()
            self._read += len(text)
            for line in text.splitlines():
                word, trial, attempt, about = line.split(" ", 3)
                self.lines.append((word, int(trial), int(attempt), about))
        return len(self.lines)

    def of(self, word: str) -> list[LINE]:
        """The lines that begin with a word."""
        return [line for line in self.lines if line[0] == word]


def check_log(url: str, diary: Diary) -> list[Event]:
    """The log is whole, has each end that a worker was told of, once, and gives one state, however it is read."""
    storage = plugins.open_storage(url)
    try:
        (row,) = storage.studies()
        diary.look()  # first: what was told by now is in the log that is read then
        told = diary.of("told")
        entries = storage.read(row.id)
        assert [position for position, _ in entries] == list(range(1, len(entries) + 1))
        events = [event for _, event in entries]
        identities = Counter(event.identity for event in events if event.identity is not None)
        assert not [identity for identity, times in identities.items() if times > 1]
        ends = {(e.number, e.attempt, repr(e.metrics["value"])) for e in events if _is_result(e)}
        missing = [line for line in told if tuple(line[1:]) not in ends]
        assert not missing, f"told, and not in the log: {missing}"
        assert not diary.of("wrong"), diary.of("wrong")
        _check_attempts(events)
        _check_replay(url, row.id, events)
    finally:
        storage.close()
    return events


def _is_result(event: Event) -> bool:
    return isinstance(event, Ended) and event.state is TrialState.COMPLETE


def _check_attempts(events: Iterable[Event]) -> None:
    """Attempts at a trial are numbered without gaps, and nothing is of an attempt that never began."""
    begun: dict[int, int] = {}
    for event in events:
        if isinstance(event, Started):
            assert event.attempt == begun.get(event.number, 0) + 1, event
            begun[event.number] = event.attempt
        elif isinstance(event, (Reported, Ended)):
            assert 1 <= event.attempt <= begun.get(event.number, 0), event


def _check_replay(url: str, study: int, events: list[Event]) -> None:
    """A study that is opened with its snapshot is the fold of its log from the first event on."""
    created = events[0]
    assert isinstance(created, Created)
    storage = plugins.open_storage(url)
    session = replay.opened(NAME, storage, clock=time.time)
    whole = replay.fresh(created, None, None)
    whole.handle(storage.read(study, 0, session.engine.position))
    assert snapshot.dumps(session.engine) == snapshot.dumps(whole)
    storage.close()


def check_end(url: str, trials: int, diary: Diary, checkpoints: str, is_exact: bool) -> kilter.Study:
    """The total is exact, every trial has ended, and what is left of it is right; nobody holds a lease.

    That of a worker which died on another host, once the study was done, has run out, and nobody had a reason to look.
    """
    events = check_log(url, diary)
    study = kilter.load_study(storage=url, study_name=NAME, checkpoints=checkpoints)
    assert [trial.number for trial in study.trials] == list(range(trials))
    losses = Counter(e.number for e in events if isinstance(e, Ended) and e.failure and e.failure.kind == LOST)
    late = {e.number for e in events if isinstance(e, Ended) and e.late}
    for trial in study.trials:
        if trial.state is TrialState.FAIL:
            assert losses[trial.number] >= ATTEMPTS, trial
            continue
        assert trial.state is TrialState.COMPLETE, trial
        x = trial.params["x"]
        assert trial.value == x
        reports = {step: x * step for step in range(1, STEPS + 1)}
        assert trial.intermediate_values.items() <= reports.items()
        assert trial.intermediate_values == reports or trial.number in late, trial
        _check_checkpoint(study, trial)
    _check_resumptions(diary, is_exact)
    leases = study._session.storage.leases(study._session.study)
    assert [worker for worker, left in leases if left > 0 or worker.host == this_host()] == []
    undisturbed = kilter.create_study(space=study.space, sampler="random", seed=3)
    undisturbed.optimize(lambda x: x, n_trials=trials, progress="none")
    assert [trial.params for trial in study.trials] == [trial.params for trial in undisturbed.trials]
    study.close()
    return study


def _check_checkpoint(study: kilter.Study, trial: kilter.FrozenTrial) -> None:
    """What is kept of a trial is its own, whole, and of all of its steps."""
    directory = study.checkpoint_dir(trial.number)
    if directory is not None and (state := checkpoint.load(str(directory))) is not None:
        assert state["x"] == trial.params["x"]
        assert len(state["steps"]) == STEPS
        assert state["steps"] == sorted(state["steps"])


def _check_resumptions(diary: Diary, is_exact: bool) -> None:
    """An attempt goes on where those before it had saved, or a step later where the diary did not get to say so.

    Where workers sleep, one may wake up and save more while another goes on from what it had saved before; a process of
    a driver that was killed may save once more; and at a URL what was saved last may not have been sent. Then it may go
    on from less.
    """
    saved: dict[int, int] = {}
    begun: set[tuple[int, int]] = set()
    for word, trial, attempt, about in diary.lines:
        if word == "saved":
            saved[trial] = max(saved.get(trial, 0), int(about))
        elif word == "ran" and (trial, attempt) not in begun:
            begun.add((trial, attempt))
            step, before = int(about), saved.get(trial, 0)
            where = f"trial {trial}, attempt {attempt} began at step {step} after {before} were saved"
            assert step <= before + 2, where
            assert not is_exact or attempt == 1 or step > before, where


# Processes.


def processes(token: str) -> list[psutil.Process]:
    """Those of this round, whoever has started them."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("CHAOS") != token or process.status() == psutil.STATUS_ZOMBIE:
                continue
            if not any("resource_tracker" in word for word in process.cmdline()):  # Python's own, of a library's
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def is_ours(process: psutil.Process) -> bool:
    """Whether it is of kilter, and not of the cluster that it uses."""
    try:
        return any("kilter.executors" in word or word.endswith("worker.py") for word in process.cmdline()[1:3])
    except psutil.Error:
        return False


def check_no_orphans(token: str, stays: Iterable[int], patience: float = 30.0) -> None:
    """Whatever a worker had started goes with it, within a while, wherever it was; only these stay."""
    end = time.monotonic() + patience
    while left := [process for process in processes(token) if process.pid not in stays]:
        assert time.monotonic() < end, f"orphans: {[(each.pid, each.cmdline()) for each in left]}"
        time.sleep(0.05)


def check_not_locked(url: str) -> None:
    """The file of an SQLite storage can be written at once."""
    if url.startswith("sqlite:///"):
        import sqlite3

        connection = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=0, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
        connection.close()
