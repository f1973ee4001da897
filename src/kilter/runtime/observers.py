"""Observers are told in threads of their own, so that a tracker that is slow, hangs or raises stops no study."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Union

from kilter.core.events import Event
from kilter.core.interfaces import Observer
from kilter.runtime.log import created
from kilter.runtime.session import Session

log = logging.getLogger("kilter")

PATIENCE = 60.0
"""Seconds over a single event, once the observation has ended, after which an observer is taken to hang."""

SILENT = 5.0
"""Seconds of waiting for an observer before that is said."""


class ObserverThread:
    """Hands events to one observer, in their order, until it is drained."""

    def __init__(self, study_name: str, observer: Observer) -> None:
        self._study_name = study_name
        self._observer = observer
        self._is_given_up = False
        self._moved = time.monotonic()
        """When it last took an event in."""
        self._events: queue.SimpleQueue[Union[Event, None]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._tell, name=f"kilter-{self._title}", daemon=True)
        self._thread.start()

    def __call__(self, event: Event) -> None:
        """Have the observer told of the event soon."""
        if self._thread.is_alive():
            self._events.put(event)

    def end(self) -> None:
        """Let it end once the observer has been told everything."""
        self._events.put(None)

    def wait(self, since: float, patience: float) -> None:
        """Return at its end, or when the observer has spent `patience` seconds over one event since that time."""
        self._thread.join(min(SILENT, patience))
        if self._thread.is_alive() and patience > SILENT:
            log.warning("waiting for %s, which has yet to be told %s; Ctrl-C to do without", self._title, self._rest)
        while self._thread.is_alive() and (left := max(since, self._moved) + patience - time.monotonic()) > 0:
            self._thread.join(left)

    def give_up(self) -> None:
        """Where it has not ended, have it end after the event that it is told now."""
        if self._thread.is_alive():
            self._is_given_up = True
            log.warning("%s took too long: %s are not tracked", self._title, self._rest)

    @property
    def _title(self) -> str:
        return getattr(self._observer, "__name__", type(self._observer).__name__)

    @property
    def _rest(self) -> str:
        return f"{max(0, self._events.qsize() - 1):,} events"  # the last one in the queue is its end

    def _tell(self) -> None:
        try:
            while (event := self._events.get()) is not None and not self._is_given_up:
                self._observer(self._study_name, event)
                self._moved = time.monotonic()
        except BaseException as error:  # SystemExit too: a thread would end of it without a word
            log.warning("%s failed and is told no more: %s: %s", self._title, type(error).__name__, error)
        finally:
            self._end()

    def _end(self) -> None:
        try:
            getattr(self._observer, "close", lambda: None)()
        except BaseException as error:
            log.warning("%s failed to close: %s: %s", self._title, type(error).__name__, error)


@contextmanager
def observed(study_name: str, session: Session, observers: Iterable[Observer]) -> Iterator[None]:
    """Within this context the observers are told what is written here, and first how the study came to be."""
    watching = [ObserverThread(study_name, observer) for observer in observers]
    for observer in watching:
        observer(created(session.storage, session.study))
    session.observers += watching
    try:
        yield
    finally:
        for observer in watching:
            session.observers.remove(observer)
        drain(watching)


def drain(watching: Sequence[ObserverThread], patience: float = PATIENCE) -> None:
    """Wait until all have been told everything, side by side: those that hang cost `patience` seconds together.

    A slow one is waited for as long as it goes on; Ctrl-C gives up those that are left, and the program goes on.
    """
    since = time.monotonic()
    for each in watching:
        each.end()
    try:
        for each in watching:
            each.wait(since, patience)
    except KeyboardInterrupt:  # it has been told what that means
        pass
    for each in watching:
        each.give_up()
