"""Observers are told in threads of their own, so that a tracker that is slow, hangs or raises stops no study."""

from __future__ import annotations

import logging
import queue
import threading
from typing import Union

from kilter.core.events import Event
from kilter.core.interfaces import Observer

log = logging.getLogger("kilter")

PATIENCE = 60.0
"""Seconds in which an observer has to take in what it has not yet seen when the observation ends."""


class Observed:
    """Hands events to one observer, in their order, until close()."""

    def __init__(self, study_name: str, observer: Observer, patience: float = PATIENCE) -> None:
        self._study_name = study_name
        self._observer = observer
        self._patience = patience
        self._is_given_up = False
        self._events: queue.SimpleQueue[Union[Event, None]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._tell, name=f"kilter-{self._title}", daemon=True)
        self._thread.start()

    def __call__(self, event: Event) -> None:
        """Have the observer told of the event soon."""
        if self._thread.is_alive():
            self._events.put(event)

    def close(self) -> None:
        """Wait until the observer has been told everything, but not for ever."""
        self._events.put(None)
        self._thread.join(self._patience)
        if self._thread.is_alive():
            self._is_given_up = True
            log.warning("%s took too long: what it has not been told by now is not tracked", self._title)

    @property
    def _title(self) -> str:
        return getattr(self._observer, "__name__", type(self._observer).__name__)

    def _tell(self) -> None:
        try:
            while (event := self._events.get()) is not None and not self._is_given_up:
                self._observer(self._study_name, event)
        except BaseException as error:  # SystemExit too: a thread would end of it without a word
            log.warning("%s failed and is told no more: %s: %s", self._title, type(error).__name__, error)
        finally:
            self._end()

    def _end(self) -> None:
        try:
            getattr(self._observer, "close", lambda: None)()
        except BaseException as error:
            log.warning("%s failed to close: %s: %s", self._title, type(error).__name__, error)
