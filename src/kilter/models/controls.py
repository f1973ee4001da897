"""Which trials are controls: chosen, and trained, without a look at what was measured at low fidelity.

A model over fidelity only sees what low fidelities have let pass. Where they mislead, only trials that they did not
choose can show it.

That takes a scheduler that lets controls go on, as `schedulers.asha` does. Under one that stops them like any other
trial they never tell what whole trainings are like, and who does not look at why they were stopped proposes the same
corner again and again.
"""

from __future__ import annotations

from kilter.core.events import TrialState
from kilter.core.history import History

CONTROL = 5
"""Every so many-th trial is a control. Fewer are too few where low fidelities mislead; more cost much early, with less
in return (docs/decisions/0010)."""
CONTROLLED = 4
"""Trials at the largest step that a model of these alone needs; before that controls are spread evenly."""


def is_control(number: int) -> bool:
    """Whether a trial is one."""
    return number % CONTROL == CONTROL - 1


class Controls:
    """How far the controls of one history came, of those that have ended; `Controls.of` has them."""

    def __init__(self) -> None:
        self.ended = 0
        self.short = 0
        """How many were stopped before a step that a trial before them had reached."""
        self._count = 0
        self._furthest = 0

    @classmethod
    def of(cls, history: History) -> Controls:
        """Those of this history as it is now; amortised over calls, each trial is read once."""
        controls = history.memo(cls, lambda _: cls())
        controls.read(history)
        return controls

    @property
    def are_spared(self) -> bool:
        """Whether the scheduler lets most of them go as far as any trial."""
        return 2 * self.short <= self.ended

    def read(self, history: History) -> None:
        """Take in what ended since."""
        for number in history.finished[self._count :]:
            state, reached = history[number].state, history.reports.furthest.get(number, 0)
            if is_control(number) and state in (TrialState.COMPLETE, TrialState.PRUNED):
                self.ended += 1
                self.short += state is TrialState.PRUNED and reached < self._furthest
            self._furthest = max(self._furthest, reached)
        self._count = len(history.finished)
