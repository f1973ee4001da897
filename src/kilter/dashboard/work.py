"""What a server knows of its workers' work: their studies, each with its engine, and what has been done of late."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from kilter import replay
from kilter.core.errors import InvalidInput, StorageError, StudyNotFound
from kilter.core.interfaces import Storage, Worker
from kilter.dashboard.once import Once
from kilter.dashboard.reading import Reading, apart
from kilter.dashboard.together import Together
from kilter.runtime.folders import temporary
from kilter.runtime.leases import LEASE_SECONDS, RENEWALS, check_name
from kilter.runtime.log import name_of
from kilter.runtime.session import Session

HOST = "http"
"""Where workers are who are known by their names alone: no process is looked for there, their lease decides."""
LONGEST_LEASE = 30 * 86_400.0
MOST_LEASES = 10_000
"""Leases of which is known when they are due."""


@dataclass
class Held:
    """The lease of a worker on a study, renewed by its requests."""

    session: Session
    worker: Worker
    seconds: float
    due: float = 0.0

    def renew(self, now: float) -> None:
        """Hold it for as long again, where a part of it has passed."""
        if now >= self.due:
            self.session.storage.renew(self.session.study, self.worker, self.seconds)
            self.due = now + self.seconds / RENEWALS

    def release(self) -> None:
        """Give it back."""
        self.session.storage.release(self.session.study, self.worker.id)
        self.due = 0.0


class Work:
    """The studies that workers ask for trials of."""

    def __init__(self, reading: Reading) -> None:
        self.once, self.together = Once(), Together()
        self._reading = reading
        self._lock = threading.Lock()
        self._sessions: dict[int, tuple[Storage, Session]] = {}
        """Each with the storage that it was opened from."""
        self._leases: dict[tuple[int, str], Held] = {}

    def close(self) -> None:
        """Let go of the studies."""
        with self._lock:
            for storage, session in self._sessions.values():
                session.close()
                if session.storage is not storage:
                    session.storage.close()
            self._sessions = {}

    @contextmanager
    def at(self, study: int) -> Iterator[Session]:
        """Has a study to itself, read up to now; raises StudyNotFound."""
        session = self._session(study)
        with session.lock:
            try:
                session.sync()
                yield session
            except (StorageError, StudyNotFound):
                with self._lock:  # it is opened anew, from whatever is there then
                    self._sessions.pop(study, None)
                raise

    def _session(self, study: int) -> Session:
        storage = self._reading.storage
        with self._lock:
            known = self._sessions.get(study)
            if known is not None and known[0] is storage:
                return known[1]
            name = name_of(storage, study)
            session = replay.opened(name, apart(storage), lease=None, clock=time.time, checkpoints=temporary())
            self._sessions[study] = storage, session
            return session

    def lease(self, session: Session, name: str, seconds: float | None) -> Held:
        """The lease of the worker of this name, which is renewed."""
        worker = Worker(f"{check_name(name)}.{HOST}", HOST, 0, 0.0)
        if seconds is not None and not 1 <= seconds <= LONGEST_LEASE:
            raise InvalidInput(f"lease={seconds!r}: give from 1 to {LONGEST_LEASE:.0f} seconds")
        held = self._held(session, worker)
        if seconds is not None and seconds != held.seconds:
            held.seconds, held.due = seconds, 0.0
        held.renew(time.monotonic())
        return held

    def leave(self, session: Session, worker: str) -> None:
        """Give the lease of a worker of ours back, which is not heard of again."""
        self._held(session, Worker(worker, HOST, 0, 0.0)).release()
        del self._leases[session.study, worker]

    def renew(self, session: Session, worker: str) -> None:
        """Renew the lease of a worker, where it is one of ours."""
        if worker.endswith(f".{HOST}"):
            self._held(session, Worker(worker, HOST, 0, 0.0)).renew(time.monotonic())

    def _held(self, session: Session, worker: Worker) -> Held:
        known = self._leases.get((session.study, worker.id))
        if len(self._leases) >= MOST_LEASES:
            self._leases.clear()  # what is still needed is found in the storage
        if known is None or known.session is not session:  # a server before this one may have given a longer one
            left = dict(session.storage.leases(session.study)).get(worker, 0.0)
            known = self._leases[session.study, worker.id] = Held(session, worker, max(LEASE_SECONDS, left))
        return known
