"""When a study has had enough: the first limit that is reached is given as the reason."""

from __future__ import annotations

import math

from kilter.core.events import UNUSABLE, TrialState
from kilter.core.history import History, Record
from kilter.core.limits import Limits

SILENT = 10
"""Where so many trials are complete and none has reported a step, a limit on steps ends the study: else nothing might.
"""

CHANCE = 1e-4
"""A row of failures that was to be expected with less than this probability is no chance."""


class Ledger:
    """What the limits are compared with, kept up to date trial by trial so that no question costs a pass."""

    def __init__(self) -> None:
        self.cost = 0.0
        """Seconds of all attempts but the lost ones."""
        self.steps = 0
        """The largest step that each trial reported, summed."""
        self.best = math.inf
        self.best_number: int | None = None
        self.since_best = 0
        self.states: dict[str, int] = {}
        """How many finished trials there are in each state."""
        self.failures: dict[str, list[int]] = {}
        """By kind of failure: how many, and the latest trial."""

    def count(self, history: History, number: int) -> None:
        """Take in a trial that has just finished."""
        trial = history[number]
        self.states[trial.state.name] = self.states.get(trial.state.name, 0) + 1
        if trial.state is TrialState.FAIL:
            _count_failure(self.failures, trial)
        self._rank(history, number)

    def void(self, history: History, number: int, state: TrialState) -> None:
        """Take in that a trial, which had finished in this state, counts as failed now."""
        if state is not TrialState.FAIL:
            self.states[state.name] -= 1
            self.states[TrialState.FAIL.name] = self.states.get(TrialState.FAIL.name, 0) + 1
            _count_failure(self.failures, history[number])
        self.rank_anew(history)

    def rank_anew(self, history: History) -> None:
        """Look again which trial is the best, where others may be than before."""
        self.best, self.best_number, self.since_best = math.inf, None, 0
        for number in history.finished:
            if history[number].invalid is None:
                self._rank(history, number)

    def _rank(self, history: History, number: int) -> None:
        loss = float(history.values[number, 0])
        if loss < self.best and history.is_candidate(number):
            self.best, self.best_number, self.since_best = loss, number, 0
        else:
            self.since_best += 1

    def reached(self, limits: Limits, history: History) -> str | None:
        """Which limit, other than time and the number of trials, is reached; a sentence or None."""
        if limits.cost is not None and self.cost >= limits.cost:
            return f"{self.cost:.4g} s of trials are spent (limit {limits.cost:.4g})"
        if limits.steps is not None and self.steps >= limits.steps:
            return f"{self.steps} steps of trials are spent (limit {limits.steps})"
        if limits.steps is not None and not self.steps and self.states.get("COMPLETE", 0) >= SILENT:
            return f"no trial has reported a step, so the limit of {limits.steps} would never be reached"
        if limits.target is not None:
            objective = history.problem.objectives[0]
            if self.best <= objective.sign * limits.target:
                return f"{objective.name} reached {objective.sign * self.best:.6g} (target {limits.target:.6g})"
        if limits.patience is not None and self.since_best >= limits.patience:
            return f"no improvement in {self.since_best} trials"
        return None


class Tally:
    """What became of the trials of one run: its own, not those of other workers.

    A row of failures of one kind says that the objective is broken, wherever in the study it begins. Where other trials
    of the run succeeded, part of the space may be what fails: then the row has to be longer than chance makes it, at
    the share of trials that had failed so before it. So is a longer row of failures of several kinds, as where each
    of two options is broken in its own way.
    """

    def __init__(self) -> None:
        self.succeeded = 0
        """How many trials ended otherwise than by failing."""
        self.failures: dict[str, list[int]] = {}
        """By kind of failure: how many, and the latest trial."""
        self.row = 0
        """How many of the latest trials failed in the same way, without another end in between."""
        self.unbroken = 0
        """How many of the latest trials failed in whatever way, without another end in between."""
        self.latest: str | None = None
        """The kind of the latest failure."""

    @property
    def failed(self) -> int:
        """How many trials failed."""
        return sum(count for count, _ in self.failures.values())

    @property
    def is_fruitless(self) -> bool:
        """Whether trials have ended, and all of them failed."""
        return bool(self.failures) and not self.succeeded

    def count(self, trial: Record) -> None:
        """Take in a trial whose attempt has just ended; one that was put back in the queue says nothing."""
        if trial.state is TrialState.WAITING:
            return
        if trial.state is not TrialState.FAIL:
            self.succeeded += 1
            self.row = self.unbroken = 0
            return
        kind = _count_failure(self.failures, trial)
        self.row = self.row + 1 if kind == self.latest else 1
        self.unbroken += 1
        self.latest = kind

    def is_hopeless(self, limits: Limits) -> bool:
        """Whether trials have failed so often in the same way that more of them would, too."""
        enough = limits.failures
        if self.is_unusable(limits):
            return True
        if not enough or self.latest is None:
            return False
        if not self.succeeded:
            return self.row >= enough or self.failed >= enough * len(self.failures)
        if self.row >= enough and self._is_no_chance(self.row, self.failures[self.latest][0]):
            return True
        return self.unbroken >= enough * len(self.failures) and self._is_no_chance(self.unbroken, self.failed)

    def _is_no_chance(self, row: int, failed: int) -> bool:
        """Whether a row of failures is longer than is likely where, with it, so many trials have failed like that."""
        share = (failed - row + 1) / (self.succeeded + self.failed - row + 2)
        return share**row < CHANCE

    def is_unusable(self, limits: Limits) -> bool:
        """Whether from the first on the run's trials returned what cannot be used, as where a metric is misspelt."""
        few = limits.unusable
        return few is not None and few <= self.row == self.failed and not self.succeeded and self.latest == UNUSABLE


def _count_failure(failures: dict[str, list[int]], trial: Record) -> str:
    """Count a trial that failed by its kind, which is returned."""
    kind = trial.failure.kind if trial.failure else "unknown"
    failures[kind] = [failures.get(kind, [0])[0] + 1, trial.number]
    return kind
