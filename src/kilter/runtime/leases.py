"""Who works on what, and who has vanished.

A worker holds one lease for all its trials and renews it from a daemon thread. It is dead when its lease has run out,
or at once when its process is gone from this host. Time is the storage's, so that hosts need not agree on theirs.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import uuid
from contextlib import suppress

from kilter.core.errors import StorageError, StorageGone
from kilter.core.interfaces import Storage, Worker

log = logging.getLogger("kilter")

LEASE_SECONDS = 60.0
RENEWALS = 4
"""Renewals per lease, so that three may fail before it runs out."""


def this_worker() -> Worker:
    """A fresh identity for this process."""
    pid = os.getpid()
    return Worker(uuid.uuid4().hex[:12], socket.gethostname(), pid, _born(pid) or 0.0)


def is_gone(worker: Worker, remaining: float) -> bool:
    """Whether a worker is dead, given the seconds that its lease still has."""
    if remaining < 0:
        return True
    if worker.host != socket.gethostname() or worker.pid == os.getpid():
        return False
    born = _born(worker.pid)
    return born is None or abs(born - worker.born) > 1.0


def _born(pid: int) -> float | None:
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.Error:
        return None


class Lease:
    """Keeps one worker's lease on a study renewed until it is released."""

    def __init__(self, storage: Storage, study: int, worker: Worker, seconds: float = LEASE_SECONDS) -> None:
        self._storage, self._study, self._worker, self._seconds = storage, study, worker, seconds
        self._released = threading.Event()
        self.gone: StorageGone | None = None
        """Why the storage cannot be written any more, once that was noticed."""
        storage.renew(study, worker, seconds)
        threading.Thread(target=self._renew, name="kilter-lease", daemon=True).start()

    def _renew(self) -> None:
        while not self._released.wait(self._seconds / RENEWALS):
            try:
                self._storage.renew(self._study, self._worker, self._seconds)
            except StorageGone as error:
                self.gone = error
                return
            except StorageError as error:
                log.warning("the lease could not be renewed, trying again: %s", error)

    def release(self) -> None:
        """Give the lease back."""
        if not self._released.is_set():
            self._released.set()
            with suppress(StorageError):  # then it runs out
                self._storage.release(self._study, self._worker.id)
