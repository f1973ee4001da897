"""How a run ended, as a value: callers ask for its kind, people read its text."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

LISTED = 10
"""Trials that were cut, which the text names; of more it says how many there are."""


class EndKind(Enum):
    """Why a run started no more trials."""

    LIMIT = "a limit is reached, or a stopper says that it is enough"
    STOPPED = "the user stopped it"
    TIME = "its time was up"
    EXHAUSTED = "nothing is left to try"
    FAILED = "a trial failed that ends the run"


@dataclass(frozen=True)
class Ending:
    """How a run ended. Its text is the reason and what was cut.

    >>> str(Ending(EndKind.TIME, "the time is up (60 s)", (3,)))
    'the time is up (60 s); trial 3 was cut and waits to go on'
    """

    kind: EndKind
    reason: str
    cut: tuple[int, ...] = ()
    """The trials that were cut by the end of the time, or by a stop; they wait for the next run to go on."""

    def __str__(self) -> str:
        if not self.cut:
            return self.reason
        if len(self.cut) == 1:
            return f"{self.reason}; trial {self.cut[0]} was cut and waits to go on"
        listed = ", ".join(map(str, sorted(self.cut)[:LISTED])) + (", …" if len(self.cut) > LISTED else "")
        return f"{self.reason}; {len(self.cut)} trials were cut and wait to go on: {listed}"
