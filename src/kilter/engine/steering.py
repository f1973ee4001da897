"""What the users of a study want of those who work on it, as their events in the log say."""

from __future__ import annotations

from dataclasses import dataclass

from kilter.core.events import Controlled, Granted


@dataclass
class Steering:
    """Whether trials may begin, which runs are to end, and what was added to their budgets.

    A run compares places in the log with the one that it began at: what was said before is not meant for it.
    """

    control: str = "running"
    """One of core.events.CONTROLS."""
    stopped: int = 0
    """Where in the log it was last stopped; 0 for never."""
    cut: int = 0
    """Where it was last stopped so that what runs is broken off; 0 for never."""
    granted: int = 0
    """Where trials were last added; 0 for never."""
    trials: int = 0
    """How many trials were added in all, ..."""
    begun: int = 0
    """... and how many of them have begun."""
    seconds: float = 0.0
    """How much longer than asked for runs may last."""

    @property
    def is_paused(self) -> bool:
        """Whether no trial may begin for now."""
        return self.control == "paused"

    @property
    def left(self) -> int:
        """How many of the trials that were added have not begun."""
        return self.trials - self.begun

    def steer(self, event: Controlled, position: int) -> None:
        """Take in what somebody wants, who said so at this place in the log."""
        if event.control == "stopped":
            self.stopped = position
            self.cut = position if event.cuts else self.cut
            if self.is_paused:  # which holds for the runs that come
                return
        self.control = event.control

    def grant(self, event: Granted, position: int) -> None:
        """Take in what was added to the budget at this place in the log."""
        self.trials += event.trials
        self.seconds += event.seconds
        self.granted = position if event.trials else self.granted
