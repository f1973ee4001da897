"""Ctrl-C once: finish what runs. Twice, SIGTERM, or a terminal that closes: stop it at once. All is saved either way.

Where a run gives notice, SIGTERM first has trials save and leave, for so many seconds; a second one stops them at once.

And an alarm, which breaks into an objective that runs in this thread when its time is up.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from kilter.objective.failures import Interruption
from kilter.storage.patience import hurry

SOON = 0.01
"""Seconds that a timer is set to at least: where it goes off a little before its time, it is set again."""

LONG = 86_400.0
"""Seconds that it is set to at most: more than a timer can hold are asked for in parts."""

AGAIN = 5.0
"""Seconds between two rings of an alarm: some code swallows what the first raised, other code needs time to save."""


class Terminated(Interruption, SystemExit):
    """SIGTERM or SIGHUP arrived: the process ends with the status that shells expect of that, once all is saved."""

    def __init__(self, number: int = signal.SIGTERM) -> None:
        super().__init__(128 + number)


class Interrupts:
    """Handlers for the time of a run; `draining` and `stopping` say what the user wants."""

    def __init__(self, interruptible: bool, notice: float = 0.0) -> None:
        self.draining = False
        self._stopping = False
        self.terminated: Terminated | None = None
        """What to raise in the end, where a signal said so."""
        self._notice = notice
        self._ends = math.inf
        """When trials have had the time that they get to leave, by time.monotonic."""
        self.on_notice: Callable[[], None] = lambda: None
        """Told as soon as that time begins."""
        self._interruptible = interruptible
        """Whether to break into the running objective: where it runs in this thread nobody else can stop it."""
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        hurry(False)
        if threading.current_thread() is threading.main_thread():
            handlers = {signal.SIGINT: self._on_interrupt, signal.SIGTERM: self._on_terminate}
            if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as nohup has it
                handlers[signal.SIGHUP] = self._on_terminate
            for number, handler in handlers.items():
                self._previous[number] = signal.signal(number, handler)
            _ACTIVE.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        if self in _ACTIVE:
            _ACTIVE.remove(self)
        self.restore()

    def restore(self) -> None:
        """Have the handlers of before again."""
        for number, handler in self._previous.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    @property
    def stopping(self) -> bool:
        """Whether what runs is to be stopped at once."""
        return self._stopping or self.left <= 0

    @property
    def left(self) -> float:
        """The seconds that trials still get to leave; infinite where they need not."""
        return self._ends - time.monotonic()

    @property
    def hands_back(self) -> bool:
        """Whether trials are to leave."""
        return self._ends < math.inf

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        if self.draining:
            self._stop()
            if self._interruptible:
                raise KeyboardInterrupt
            return
        self.draining = True
        print("\nfinishing the running trials; Ctrl-C again stops them", file=sys.stderr)

    def _on_terminate(self, number: int, frame: FrameType | None) -> None:
        is_first, self.draining, self.terminated = self.terminated is None, True, Terminated(number)
        if is_first and self._notice > 0:
            self._ends = time.monotonic() + self._notice
            self.on_notice()
            return
        self._stop()
        if self._interruptible:
            raise self.terminated

    def _stop(self) -> None:
        self._stopping = True
        hurry()  # also where the storage is away: its leases tell the others


_ACTIVE: list[Interrupts] = []
"""Those whose handlers are set."""

_MASKS = threading.local()
"""The signals that a thread blocked before it forked."""

OURS = {number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None}


def _hold_signals() -> None:
    """What comes while a process is forked waits: Python forgets what its handlers took in, in the new process."""
    if _ACTIVE:
        _MASKS.before = signal.pthread_sigmask(signal.SIG_BLOCK, OURS)


def _let_signals_through() -> None:
    before = getattr(_MASKS, "before", None)
    if before is not None:
        _MASKS.before = None
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _leave_fork_alone() -> None:
    """A process that the objective forks is ended by a signal as if we were not there, wherever it waits."""
    while _ACTIVE:
        _ACTIVE.pop().restore()
    _let_signals_through()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_hold_signals, after_in_parent=_let_signals_through, after_in_child=_leave_fork_alone)


class Alarm:
    """Calls `ring` in this thread, while the `with` block runs, as soon as `left()` seconds are none, and again later.

    What `ring` raises comes out of whatever is being executed, or is swallowed by that. `left` is asked again whenever
    the timer goes off, since a study's clock need not be the machine's. A timer and a handler of the user's go on: the
    handler is called when its time comes, and is back afterwards. Does nothing outside the main thread, and where there
    are no interval timers.
    """

    def __init__(self, left: Callable[[], float], ring: Callable[[], None]) -> None:
        self._left, self._ring = left, ring
        self._again = -math.inf
        """When it may ring next, by time.monotonic."""
        self._is_set = False
        self._previous: Any = None
        self._previous_due: float | None = None
        """When the user's timer goes off, by time.monotonic, ..."""
        self._previous_interval = 0.0
        """... and after how many seconds again; 0 for never."""

    def __enter__(self) -> Alarm:
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and hasattr(signal, "setitimer") and signal.getsignal(signal.SIGALRM) is not None:
            self._is_set = True
            remaining, self._previous_interval = signal.getitimer(signal.ITIMER_REAL)
            self._previous_due = time.monotonic() + remaining if remaining else None
            self._previous = signal.signal(signal.SIGALRM, self._on_alarm)
            self.wind()
        return self

    def __exit__(self, *_: object) -> None:
        if not self._is_set or signal.getsignal(signal.SIGALRM) != self._on_alarm:
            return  # what the objective has set since, it means to keep
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._previous)
        if self._previous_due is not None:
            left = max(self._previous_due - time.monotonic(), SOON)
            signal.setitimer(signal.ITIMER_REAL, left, self._previous_interval)

    def wind(self) -> None:
        """Set the timer to our time or the user's, whichever is first."""
        now = time.monotonic()
        ours = self._again - now if self._again > now else self._left()
        theirs = math.inf if self._previous_due is None else self._previous_due - now
        signal.setitimer(signal.ITIMER_REAL, min(max(min(ours, theirs), SOON), LONG))

    def _on_alarm(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        rings = self._left() <= 0 and now >= self._again
        self._again = now + AGAIN if rings else self._again
        is_theirs = self._previous_due is not None and now >= self._previous_due
        if is_theirs:
            self._previous_due = now + self._previous_interval if self._previous_interval else None
        self.wind()
        if is_theirs and callable(self._previous):
            self._previous(number, frame)
        elif is_theirs and self._previous == signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)  # which ends the process, as the user wanted of that timer
        if rings:
            self._ring()
