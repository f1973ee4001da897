"""The directories of checkpoints: one an attempt, begun with a copy of what came before, and given up after a while.

    root/<number>/<attempt>/    what an attempt wrote, state.kilter and files of the user's
    root/<number>.log           what the attempts printed, which is kept of all trials
    ….<token>.tmp               a copy that is not whole yet, or a directory on its way out; nobody reads these

An attempt writes to its own directory only, so all earlier ones are *sealed*: a fork may copy them while their trial
has long gone on. Directories appear and vanish by a rename, so any number of workers can share one root: who copies
sees a whole directory, or misses it and looks for the next one.
"""

from __future__ import annotations

import heapq
import logging
import os
import secrets
import shutil
import threading

import numpy as np

from kilter.core.events import TrialState
from kilter.core.history import History, Record
from kilter.core.pareto import non_dominated
from kilter.objective.checkpoint import UNFINISHED

log = logging.getLogger("kilter")


class Checkpoints:
    """The checkpoints below a folder, as one worker deals with them.

    Which finished trials keep theirs is learned from the history bit by bit, so one object belongs to one study.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self._lock = threading.Lock()
        self._is_swept = False
        self._is_missed = False
        self._has_kept = False
        """Whether a trial has left anything here, whatever has become of it."""
        """Whether it was said that a trial found no checkpoint."""
        self._resumed: list[int] = []
        """Trials of which an attempt after the first began here, so that an older one may be too many."""
        self._forks: dict[int, list[int]] = {}
        """The forks of each parent that may still have to copy from it, among the first `_known` trials."""
        self._known = 0
        self._ended = 0
        """How many finished trials have been looked at."""
        self._best: list[tuple[float, int]] = []
        """(-value, -number) of the finished trials that keep theirs; with one objective a heap, the worst on top."""
        self._leaving: list[int] = []
        """Finished trials to delete in the next round, unless a fork still needs them."""

    # -- beginning an attempt -------------------------------------------------------------------------------------

    def prepare(self, trial: Record, history: History) -> str:
        """The directory of the trial's present attempt, which exists only if there was something to begin with.

        It begins with a copy of the latest earlier attempt of the trial or, where there is none, of its parent; of a
        parent that runs, the attempt that runs is left out. Nothing is moved: other forks may want the same attempt.
        To be told twice changes nothing. Where copying fails, a warning says so and the trial starts from the
        beginning. Large checkpoints take their time, so call it without holding a lock.
        """
        target = self._path(trial.number, trial.attempt)
        if trial.attempt == 1 and trial.parent is None:
            return target
        while not os.path.isdir(target):
            source = self._source(trial, history)
            if source is None:
                if not self._is_missed and self._was_expected(trial, history):
                    self._is_missed = True
                    log.warning(
                        "trial %d goes on without a checkpoint, from the beginning: none was kept, or it is gone "
                        "(trial.save keeps one; this is said once)",
                        trial.number,
                    )
                break
            unfinished = _aside(target)
            try:
                shutil.copytree(source, unfinished, symlinks=True, ignore=shutil.ignore_patterns(UNFINISHED))
                os.rename(unfinished, target)
            except OSError as error:
                shutil.rmtree(unfinished, ignore_errors=True)
                if os.path.isdir(source) and not os.path.isdir(target):
                    log.warning(
                        "trial %d: its checkpoint could not be copied from %s (%s): it starts from the beginning",
                        trial.number,
                        source,
                        str(error)[:200],
                    )
                    break
                # Else another worker deleted the source, and a later one may be there, or made the same copy.
        if trial.attempt > 1:
            self._resumed.append(trial.number)
        return target

    def _was_expected(self, trial: Record, history: History) -> bool:
        """Whether a trial would have a checkpoint to go on from, had all gone as its objective means it to go.

        Folds that were scored are not done again, and an objective that takes its budget as an argument may begin anew
        each time, unless it has kept something before.
        """
        if any(report.fold is not None for report in history.reports.of(trial.number)):
            return False
        return not history.problem.fidelities or self._has_kept or os.path.isdir(self.root)

    def latest(self, trial: Record) -> str | None:
        """What the latest attempt of a trial that kept anything has left; None where there is nothing."""
        attempts = self._attempts(trial.number, trial.attempt)
        return self._path(trial.number, attempts[-1]) if attempts else None

    def _source(self, trial: Record, history: History) -> str | None:
        for attempt in reversed(self._attempts(trial.number)):
            if attempt < trial.attempt:
                return self._path(trial.number, attempt)
        if trial.parent is not None and 0 <= trial.parent < len(history):
            parent = history[trial.parent]
            sealed = parent.attempt - (parent.state is TrialState.RUNNING)
            for attempt in reversed(self._attempts(parent.number)):
                if attempt <= sealed:
                    return self._path(parent.number, attempt)
        return None

    # -- retention ------------------------------------------------------------------------------------------------

    def retain(self, history: History, keep: int) -> list[int]:
        """Delete checkpoints that nobody will ask for; the numbers of the trials that have none any more.

        - A trial that runs, waits or is paused keeps its two latest attempts: the one that it writes or will go on
          from, and the one before it. So a parent that has been resumed always has a sealed attempt to copy.
        - A finished trial keeps its latest attempt while it is among the best `keep` complete, feasible ones with
          finite values: by the objective or, of several, those on the front first and then by the first objective. A
          trial that has lost its place never regains it.
        - Any other finished trial loses its directory in a later round than the one that first saw it end or lose its
          place, and not while an unfinished fork of it has no directory of its own yet.

        A scheduler may thus fork from a paused trial at any time, and from one that just ended: the fork's start is in
        the log before its parent's round comes, and from then on protects the parent. A worker so slow that others
        go two rounds between its decision and its write finds nothing, and the fork starts from the beginning.

        Call it after each trial that ended, while the history does not change. It looks at each trial once, and at the
        disk once for each that ended; with several objectives it also compares the kept ones at each complete trial.
        """
        if not os.path.isdir(self.root):  # most objectives keep nothing
            self._ended = len(history.finished)
            return []
        self._has_kept = True
        with self._lock:
            if not self._is_swept:
                self._sweep(history)
            self._learn_forks(history)
            gone, leaving, self._leaving = [], self._leaving, []
            for number in leaving:
                if self._is_needed(number, history):
                    self._leaving.append(number)
                elif _delete(self._path(number)):
                    gone.append(number)
            while self._resumed:
                self._trim(self._resumed.pop(), 2)
            for number in history.finished[self._ended :]:
                if os.path.isdir(self._path(number)):
                    self._trim(number, 1, history[number].attempt)
                for lost in self._rank(number, history, keep):
                    if os.path.isdir(self._path(lost)):
                        self._leaving.append(lost)
            self._ended = len(history.finished)
        if gone:
            log.info("deleted the checkpoints of %s, not among the best %d", _named(gone), keep)
        return gone

    def _learn_forks(self, history: History) -> None:
        for trial in history.trials[self._known :]:
            if trial.parent is not None:
                self._forks.setdefault(trial.parent, []).append(trial.number)
        self._known = len(history)

    def _is_needed(self, number: int, history: History) -> bool:
        """Whether a fork of the trial goes on without a directory of its own: this attempt or the next may copy."""
        forks = self._forks.pop(number, [])
        waiting = [fork for fork in forks if not history[fork].is_finished and not self._attempts(fork)]
        if waiting:
            self._forks[number] = waiting
        return bool(waiting)

    def _rank(self, number: int, history: History, keep: int) -> list[int]:
        """Give a trial that ended its place among the best, if it has one; those who have none now."""
        trial, values = history[number], history.values
        is_good = trial.state is TrialState.COMPLETE and history.problem.is_feasible(trial.metrics)
        if not is_good or not np.isfinite(values[number]).all():
            return [number]
        heapq.heappush(self._best, (-float(values[number, 0]), -number))
        lost = []
        while len(self._best) > keep:
            if values.shape[1] == 1:
                worst = heapq.heappop(self._best)
            else:
                kept = non_dominated(values[[-entry[1] for entry in self._best]])
                worst = min([entry for entry, stays in zip(self._best, kept) if not stays] or self._best)
                self._best.remove(worst)
            lost.append(-worst[1])
        return lost

    def _trim(self, number: int, count: int, last: int | None = None) -> None:
        """Delete all attempts of a trial but the latest ones, and copies towards them that were never finished.

        Where the result is of an attempt that had been given up, the `last` one, later ones are nobody's.
        """
        attempts = self._attempts(number, last)
        for attempt in attempts[:-count]:
            _delete(self._path(number, attempt))
        for name in _names(self._path(number)):
            towards = name.partition(".")[0]
            if name.endswith(".tmp") and attempts and towards.isdecimal() and int(towards) <= attempts[-1]:
                shutil.rmtree(os.path.join(self._path(number), name), ignore_errors=True)

    def _sweep(self, history: History) -> None:
        """Take over, once, what a worker that was killed had left to delete."""
        self._is_swept = True
        for name in _names(self.root):
            if name.endswith(".tmp"):
                shutil.rmtree(os.path.join(self.root, name), ignore_errors=True)
        self._resumed += [*history.running, *history.waiting, *history.paused]

    def log(self, number: int) -> str:
        """The file for what a trial prints."""
        return f"{self._path(number)}.log"

    # -- paths ----------------------------------------------------------------------------------------------------

    def _path(self, number: int, attempt: int | None = None) -> str:
        trial = f"{self.root}{os.sep}{number}"
        return trial if attempt is None else f"{trial}{os.sep}{attempt}"

    def _attempts(self, number: int, last: int | None = None) -> list[int]:
        """The attempts that have a directory, in order, up to the last."""
        found = sorted(int(name) for name in _names(self._path(number)) if name.isdecimal())
        wanted = found if last is None else [attempt for attempt in found if attempt <= last]
        return [attempt for attempt in wanted if os.path.isdir(self._path(number, attempt))]


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:  # never made, deleted by another worker, or out of reach: nothing to be had there
        return []


def _aside(path: str) -> str:
    """A name next to a path, on the same disk, that nobody else has."""
    return f"{path}.{secrets.token_hex(4)}.tmp"


def _delete(path: str) -> bool:
    """Delete a directory; False where another worker did, or where it cannot be.

    The rename comes first, so that a copy in progress fails as a whole instead of missing a few files.
    """
    aside = _aside(path)
    try:
        os.rename(path, aside)
    except FileNotFoundError:
        return False
    except OSError as error:
        log.warning("the checkpoint %s could not be deleted (%s) and stays", path, error)
        return False
    shutil.rmtree(aside, ignore_errors=True)
    return True


def _named(numbers: list[int]) -> str:
    return ("trial " if len(numbers) == 1 else "trials ") + ", ".join(map(str, sorted(numbers)))
