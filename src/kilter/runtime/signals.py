"""Ctrl-C once: finish what runs. Twice, or SIGTERM: stop it at once. The state is saved either way."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType
from typing import Any


class Terminated(SystemExit):
    """SIGTERM arrived: the process ends with the status that shells expect of that, once the state is saved."""

    def __init__(self) -> None:
        super().__init__(128 + signal.SIGTERM)


class Interrupts:
    """Handlers for the time of a run; `draining` and `stopping` say what the user wants."""

    def __init__(self, interruptible: bool) -> None:
        self.draining = False
        self.stopping = False
        self.terminated = False
        self._interruptible = interruptible
        """Whether to break into the running objective: where it runs in this thread nobody else can stop it."""
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number, handler in ((signal.SIGINT, self._on_interrupt), (signal.SIGTERM, self._on_terminate)):
                self._previous[number] = signal.signal(number, handler)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        if self.draining:
            self.stopping = True
            if self._interruptible:
                raise KeyboardInterrupt
            return
        self.draining = True
        print("\nfinishing the running trials; Ctrl-C again stops them", file=sys.stderr)

    def _on_terminate(self, number: int, frame: FrameType | None) -> None:
        self.draining = self.stopping = self.terminated = True
        if self._interruptible:
            raise Terminated
