"""The checkpoints of a study: what an attempt begins with, and which ones stay."""

from __future__ import annotations

import heapq
import logging
import threading
from collections.abc import Iterator

from kilter.core.errors import NotReady, StorageError
from kilter.core.events import TrialState
from kilter.core.history import History, Record
from kilter.core.interfaces import CheckpointStore, Seal, Source
from kilter.core.pareto import non_dominated
from kilter.objective.contents import is_sound, seal_of_file
from kilter.objective.place import Artifact, seal_noted
from kilter.runtime.folders import OfThisMachine

log = logging.getLogger("kilter")


class Checkpoints:
    """The checkpoints of one study, as one worker deals with them.

    Which finished trials keep theirs is learned from the history bit by bit.
    """

    def __init__(self, store: CheckpointStore) -> None:
        self.store = store
        self._lock = threading.Lock()
        self._has_kept = False
        """Whether a trial has left anything here, whatever has become of it."""
        self._is_missed = False
        """Whether it was said that a trial found no checkpoint."""
        self._is_apart = isinstance(store, OfThisMachine)
        """Whether it is still to be said that other machines do not see what is kept."""
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

    def prepare(self, trial: Record, history: History) -> tuple[Source, ...]:
        """What the trial's present attempt may begin with a copy of, the best first: it takes what is still there.

        These are its earlier attempts, the latest first, and then those of its parent; of a parent that runs, the
        attempt that runs is left out. Nothing is copied yet, and nothing ever moved: other forks may want the same.
        """
        sources = tuple(self._sources(trial, history))
        if not sources and not self._is_missed and self._was_expected(trial, history):
            self._is_missed = True
            log.warning(
                "trial %d goes on without a checkpoint, from the beginning: none was kept in %s, or it is gone "
                "(trial.save keeps one; this is said once)",
                *(trial.number, self.store),
            )
        if trial.attempt > 1:
            self._resumed.append(trial.number)
        return sources

    def _was_expected(self, trial: Record, history: History) -> bool:
        """Whether a trial would have a checkpoint to go on from, had all gone as its objective means it to go.

        Folds that were scored are not done again. Unless something was kept before, an objective that takes its budget
        as an argument may begin anew each time, as does a trial that was cut or lost, whose reports are dropped.
        """
        if trial.attempt == 1 and trial.parent is None:
            return False
        reports = history.reports.of(trial.number)
        if any(report.fold is not None for report in reports):
            return False
        if self._has_kept or not self.store.is_empty():
            return True
        return not history.problem.fidelities and (trial.parent is not None or bool(reports))

    def say_where(self) -> None:
        """Say once, as soon as something is kept, that other machines do not see it, where that is so."""
        if self._is_apart and not self.store.is_empty():
            self._is_apart = False
            log.warning(
                "what trials save is kept on this machine alone, in %s, where workers on other machines do not see it: "
                "give checkpoints= (--checkpoints) a folder that all of them share, or a URL (this is said once)",
                self.store,
            )

    def latest(self, trial: Record) -> str | None:
        """What the latest attempt of a trial that kept anything has left; None where there is nothing."""
        attempts = self._attempts(trial.number, trial.attempt)
        return self.store.directory(trial.number, attempts[-1]) if attempts else None

    def artifact(self, artifact: Artifact) -> str:
        """Where a file that a trial has added can be read here; raises NotReady or StorageError where it cannot."""
        seal, what = Seal(artifact.size, artifact.sha256), f"the artifact {artifact.name!r} of trial {artifact.trial}"
        if not is_sound(artifact.name):
            raise StorageError(f"{what} has no name that a file can have: its log is damaged")
        try:
            path = self.store.artifact(artifact.trial, artifact.name, seal)
            found = seal_of_file(path)
        except FileNotFoundError:
            raise NotReady(
                f"{what} is not in {self.store}: only the best trials keep theirs (keep_checkpoints=), where the "
                "study was told to (checkpoints=, or --checkpoints)"
            ) from None
        except OSError as error:
            raise StorageError(f"{what} cannot be read: {error}") from error
        if found != seal:
            raise StorageError(f"{what} is damaged: {path} does not have the SHA-256 that the log has")
        return path

    def _sources(self, trial: Record, history: History) -> Iterator[Source]:
        yield from self._left(trial, trial.attempt - 1)
        if trial.parent is not None and 0 <= trial.parent < len(history):
            parent = history[trial.parent]
            yield from self._left(parent, parent.attempt - (parent.state is TrialState.RUNNING))

    def _left(self, trial: Record, last: int) -> Iterator[Source]:
        """What the attempts of a trial up to the last have left, the latest first."""
        attempts = self._attempts(trial.number, last) if last > 0 else []
        for attempt in reversed(attempts):
            yield Source(trial.number, attempt, seal_noted(trial.attrs, attempt))

    def _attempts(self, number: int, last: int) -> list[int]:
        return [attempt for attempt in self.store.attempts(number) if attempt <= last]

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
        if self.store.is_empty():  # most objectives keep nothing
            self._ended = len(history.finished)
            return []
        self.say_where()
        with self._lock:
            if not self._has_kept:
                self._has_kept = True
                self._take_over(history)
            self._learn_forks(history)
            gone, leaving, self._leaving = [], self._leaving, []
            for number in leaving:
                if self._is_needed(number, history):
                    self._leaving.append(number)
                elif self.store.drop(number):
                    gone.append(number)
            while self._resumed:
                number = self._resumed.pop()
                self._trim(number, 2, history[number].attempt)
            self._leaving += self._invalidated(history)
            for number in history.finished[self._ended :]:
                self._trim(number, 1, history[number].attempt)
                self._leaving += self._rank(number, history, keep)
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
        waiting = [fork for fork in forks if not history[fork].is_finished and not self.store.attempts(fork)]
        if waiting:
            self._forks[number] = waiting
        return bool(waiting)

    def _invalidated(self, history: History) -> list[int]:
        """Those that were among the best and whose results count no more."""
        void = [entry for entry in self._best if history[-entry[1]].invalid is not None]
        if void:
            self._best = [entry for entry in self._best if entry not in void]
            heapq.heapify(self._best)
        return [-number for _, number in void]

    def _rank(self, number: int, history: History, keep: int) -> list[int]:
        """Give a trial that ended its place among the best, if it has one; those who have none now."""
        values = history.values
        if not history.is_candidate(number):
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

    def _trim(self, number: int, count: int, last: int) -> None:
        """Delete all attempts of a trial but the latest ones up to the last; later ones had been given up."""
        for attempt in self._attempts(number, last)[:-count]:
            self.store.drop(number, attempt)

    def _take_over(self, history: History) -> None:
        """Have deleted, once, what a worker that was killed had left to delete."""
        self.store.sweep()
        self._resumed += [*history.running, *history.waiting, *history.paused]


def _named(numbers: list[int]) -> str:
    return ("trial " if len(numbers) == 1 else "trials ") + ", ".join(map(str, sorted(numbers)))
