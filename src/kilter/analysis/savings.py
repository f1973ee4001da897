"""What early stopping has saved: steps that pruned trials had left, at the length of complete trials."""

from __future__ import annotations

import math

from kilter.core.events import TrialState
from kilter.core.history import History


class Savings:
    """Counts each trial of a history once; `Savings.of` brings it up to date."""

    def __init__(self) -> None:
        self._read = 0
        """How many finished trials have been counted."""
        self._lengths: dict[TrialState, tuple[int, int]] = {}
        """Of the complete and of the pruned trials that reported: how many, and their steps, summed."""
        self._timed_steps = 0
        self._seconds = 0.0

    @classmethod
    def of(cls, history: History) -> Savings:
        """What was saved in this history as it is now; amortised over calls, each trial is read once."""
        savings = history.memo(cls, lambda _: cls())
        savings.follow(history)
        return savings

    def follow(self, history: History) -> None:
        """Take in the trials that finished since."""
        for number in history.finished[self._read :]:
            trial, steps = history[number], history.reports.furthest.get(number, 0)
            if steps:
                count, total = self._lengths.get(trial.state, (0, 0))
                self._lengths[trial.state] = count + 1, total + steps
                if math.isfinite(trial.seconds):
                    self._timed_steps += steps
                    self._seconds += trial.seconds
        self._read = len(history.finished)

    @property
    def steps(self) -> float:
        """How many steps were saved."""
        complete, steps = self._lengths.get(TrialState.COMPLETE, (0, 0))
        pruned, pruned_steps = self._lengths.get(TrialState.PRUNED, (0, 0))
        return max(pruned * steps / complete - pruned_steps, 0.0) if complete else 0.0

    @property
    def share(self) -> float:
        """The steps that were saved, of those that there would have been."""
        spent = sum(steps for _, steps in self._lengths.values())
        return self.steps / (self.steps + spent) if spent else 0.0

    @property
    def seconds(self) -> float:
        """The time of trials that was saved, at the seconds that a step takes on average."""
        return self.steps * self._seconds / self._timed_steps if self._timed_steps else 0.0
