"""Being at work on a study: this worker's lease, and the trials of those who are not there any more."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable
from typing import Any

from kilter.core.errors import NAME, StorageUnsafe
from kilter.core.interfaces import OnDisk, Storage, Worker
from kilter.core.text import one_line
from kilter.engine.next import ends_of_lost
from kilter.runtime.leases import LEASE_SECONDS, Lease, Watch, forerunners, this_worker
from kilter.runtime.log import Log

log = logging.getLogger("kilter")

RECOVERY_SECONDS = 5.0
"""Seconds between looks for vanished workers."""


def at_work(log: Log[Any]) -> list[Worker]:
    """Who holds a lease on a study that has not run out; nobody where it lives in one process alone."""
    if not log.storage.is_durable:
        return []
    return [worker for worker, left in log.storage.leases(log.study) if left > 0]


class Presence:
    """A worker on a study. It holds a lease while it has trials there, where the study outlives the process.

    With `seconds` None it holds none. One with a `name` takes the place of whoever had it here before a restart.
    """

    def __init__(
        self, storage: Storage, study: int, seconds: float | None = LEASE_SECONDS, name: str | None = None
    ) -> None:
        self._storage, self._study, self.seconds, self.name = storage, study, seconds, name
        self.worker = this_worker(name)
        self._lease: Lease | None = None
        self._watch = Watch(LEASE_SECONDS if seconds is None else seconds)
        self._looked = float("-inf")

    @property
    def is_of_a_parent(self) -> bool:
        """Whether this process is a fork of the worker's."""
        return self.worker.pid != os.getpid()

    def hold(self) -> None:
        """Have a lease."""
        is_held = self._lease is not None and self._lease.take_up()
        if not is_held and self.seconds is not None and self._storage.is_durable:
            self._lease = Lease(self, self._storage, self._study, self.worker, self.seconds)

    def rest(self) -> None:
        """Let the lease go in a while, unless it is needed before: that is cheaper than one for each trial."""
        if self._lease is not None:
            self._lease.rest()

    def leave(self) -> None:
        """Give the lease back."""
        if self._lease is not None:
            self._lease.release()
            self._lease = None

    @property
    def doubted(self) -> set[str]:
        """The workers that may have vanished, as of the latest look: a later one will tell."""
        return self._watch.doubted

    def recover(self, log: Log[Any], clock: Callable[[], float], at_once: bool = False) -> list[int]:
        """End the attempts of workers that vanished; the numbers of their trials.

        Looks at most every few seconds, since nothing is lost by finding out a little later, unless `at_once`. Raises
        StorageGone where the lease could not be renewed, since there is nothing left to write to.
        """
        if self._lease is not None and self._lease.gone is not None:
            raise self._lease.gone
        now = time.monotonic()
        if not self._storage.is_durable or (now - self._looked < RECOVERY_SECONDS and not at_once):
            return []
        with log.lock:
            log.sync()  # first: whoever has begun a trial held a lease before
            alive = self._alive(now, is_first=self._looked == float("-inf"))
            self._looked = now
            ends = ends_of_lost(log.replica.history, alive | {self.worker.id}, clock())
            if ends:
                log.write(*ends)
            return [end.number for end in ends]

    def _alive(self, now: float, is_first: bool) -> set[str]:
        """The workers that are not dead; leases that the dead have left are given back for them."""
        leases = self._storage.leases(self._study)
        gone = self._watch.gone(leases, now)
        if is_first:
            _check_shared(self._storage, [worker for worker, left in leases if left > 0])
            others = [worker for worker, _ in leases if worker.id not in gone | {self.worker.id}]
            gone |= forerunners(self.worker, others)
            _tell_of_namesakes(self.worker, [worker for worker in others if worker.id not in gone])
        for worker in gone:
            self._storage.release(self._study, worker)
        return {worker.id for worker, _ in leases} - gone


def _check_shared(storage: Storage, others: Iterable[Worker]) -> None:
    """Raise StorageUnsafe where workers of another machine have a file open that only those of one can share."""
    if not isinstance(storage, OnDisk):
        return
    own = this_worker().kernel
    for other in others:
        if other.kernel not in ("", own):
            raise StorageUnsafe(
                f"{storage.path} is in use on {one_line(other.machine, NAME)}, which is another machine: the locks and "
                "the shared memory that SQLite works with are of one machine, so one would undo what the other writes. "
                "Use a PostgreSQL database, or kilter serve where the file is"
            )


def _tell_of_namesakes(worker: Worker, others: Iterable[Worker]) -> None:
    """Say that the worker's name is another's too, where that one may live."""
    for other in others:
        if worker.name and other.name == worker.name:
            log.warning(
                "a worker of the name %s is at work already: process %d on %s; this one works beside it",
                *(worker.name, other.pid, other.machine),
            )
