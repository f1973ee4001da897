"""Who works on what, and who has vanished.

A worker holds one lease on a study for all its trials there. One daemon thread renews all leases of this process; it
lives while there are any. Between two trials a lease rests: it is given back when it would be renewed, unless it was
taken up again before. Time is the storage's, so that hosts need not agree on theirs.

A worker is gone at once when its process is no longer on this host. A process that lives here is never gone, whatever
its lease says: it may be in C code that holds the interpreter lock, so that no thread renews, and a clock that jumps
(a suspended laptop, NTP) lets all leases run out at once. Where we cannot look, and where the process was stopped
(SIGSTOP), its lease decides: it has to be found run out twice, a renewal apart. A worker with a name that starts again
does not wait for that. Of its own leases a process knows which it holds: one that it could not give back, since the
storage did not answer, is nobody's. Why so: docs/decisions/0040-workers.md
"""

from __future__ import annotations

import atexit
import logging
import os
import queue
import re
import socket
import sys
import threading
import time
import uuid
import weakref
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from hashlib import blake2b

from kilter.core.errors import InvalidInput, KilterError, StorageError, StorageGone, StudyNotFound
from kilter.core.interfaces import Storage, Worker
from kilter.core.text import shown

log = logging.getLogger("kilter")

LEASE_SECONDS = 60.0
RENEWALS = 4
"""Renewals per lease, so that three may fail before it runs out."""


NAME = re.compile(r"[\w.:@+-]{1,64}")
"""What a worker may be called."""


def this_worker(name: str | None = None) -> Worker:
    """A fresh identity for this process; raises InvalidInput for what is no name."""
    pid, own = os.getpid(), uuid.uuid4().hex
    born, _ = _process(pid)
    known_as = own[:12] if name is None else f"{check_name(name)}.{own[:8]}"
    return Worker(known_as, this_host(), pid, born or 0.0)


def check_name(name: str) -> str:
    """What a worker is called; raises InvalidInput for what is no name."""
    if not NAME.fullmatch(name):
        raise InvalidInput(f"the worker's name {shown(name)}: give 1 to 64 letters, digits and any of . : @ + - _")
    return name


def this_host() -> str:
    """Where ids of processes mean what they mean here.

    Containers and machines may share a name: their processes are not to be taken for one another's.
    """
    return f"{socket.gethostname()}/{_mark(os.getpid())}"


@lru_cache(maxsize=1)
def _mark(pid: int) -> str:
    """Which start of which machine this is, and which of the namespaces of processes that it has."""
    kernel, space = str(uuid.getnode()), ""
    with suppress(OSError), open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        kernel = file.read()
    with suppress(OSError, AttributeError):
        space = os.readlink("/proc/self/ns/pid")
    return f"{_digest(kernel, 4)}-{_digest(space, 2)}"


def _digest(text: str, size: int) -> str:
    return blake2b(text.encode(), digest_size=size).hexdigest()


def _process(pid: int) -> tuple[float | None, bool]:
    """When a process of this host was born, None where it is dead, and whether it was stopped.

    On Linux in seconds since the machine started, as the kernel has it: no clock that is set moves that.
    """
    if sys.platform != "linux":
        return _process_elsewhere(pid)
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            state, *fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None, False
    return None if state in b"ZX" else int(fields[STARTED]) / os.sysconf("SC_CLK_TCK"), state == b"T"


STARTED = 18
"""Where a process's start stands in its stat, after the state."""


def _process_elsewhere(pid: int) -> tuple[float | None, bool]:
    import psutil

    try:
        process = psutil.Process(pid)
        status = process.status()
        is_dead = status == psutil.STATUS_ZOMBIE
        return None if is_dead else process.create_time(), status == psutil.STATUS_STOPPED
    except psutil.Error:
        return None, False


class Watch:
    """Tells the dead workers from the living, from one look to the next."""

    def __init__(self, seconds: float = LEASE_SECONDS) -> None:
        self._apart = seconds / RENEWALS
        self._overdue: dict[str, float] = {}
        """When each lease that has run out was first found so."""
        self.doubted: set[str] = set()
        """The ids of those who may be dead, which a later look will tell."""

    def gone(self, leases: list[tuple[Worker, float]], now: float) -> set[str]:
        """The ids of the dead ones among the holders of leases; `now` is a clock that never jumps."""
        overdue = {worker.id: self._overdue.get(worker.id, now) for worker, left in leases if left < 0}
        self._overdue = overdue
        given_up = {worker for worker, since in overdue.items() if now - since >= self._apart}
        gone = {worker.id for worker, _ in leases if _is_gone(worker, worker.id in given_up)}
        early = [worker for worker, _ in leases if worker.id in overdue.keys() - given_up - gone]
        self.doubted = {worker.id for worker in early if _is_gone(worker, True)}
        return gone


def _is_gone(worker: Worker, given_up: bool) -> bool:
    if worker.host != this_host():
        return given_up
    born, stopped = _process(worker.pid)
    if born is None or abs(born - worker.born) > 1.0:
        return True
    if worker.pid == os.getpid():
        return not _RENEWALS.holds(worker)
    return stopped and given_up


def is_stopped(worker: Worker) -> bool:
    """Whether a worker's process is one of this host that was stopped (SIGSTOP)."""
    return worker.host == this_host() and _process(worker.pid)[1]


def forerunners(worker: Worker, others: Iterable[Worker]) -> set[str]:
    """The ids of those whose place a worker takes: they have its name and its machine's, and ran before a restart.

    A container that is started again is such a machine: nobody can look for the process that it had.
    """
    return {
        other.id
        for other in others
        if worker.name and (other.name, other.machine) == (worker.name, worker.machine) and other.host != worker.host
    }


class Lease:
    """A worker's lease on a study, renewed until it is released or `holder` is garbage."""

    def __init__(
        self, holder: object, storage: Storage, study: int, worker: Worker, seconds: float = LEASE_SECONDS
    ) -> None:
        self._storage, self._study, self.worker, self._seconds = storage, study, worker, seconds
        self._lock = threading.Lock()
        self._is_held = True
        self.is_resting = False
        self.gone: KilterError | None = None
        """Why the study cannot be written any more, once that was noticed."""
        self.due = self._next_due()
        _RENEWALS.add(self)  # first: whoever looks in the meantime must not find it to be nobody's
        try:
            storage.renew(study, worker, seconds)
        except BaseException:
            _RENEWALS.remove(self)
            raise
        self._watched = weakref.finalize(holder, _RENEWALS.dropped.put, self)
        self._watched.atexit = False

    def _next_due(self) -> float:
        return time.monotonic() + self._seconds / RENEWALS

    def rest(self) -> None:
        """Hold it no longer than to its next renewal, unless it is taken up before."""
        self.is_resting = True

    def take_up(self) -> bool:
        """Hold on to it; False where it has been given back."""
        with self._lock:
            self.is_resting = False
            return self._is_held

    def renew(self) -> None:
        """Hold it for as long again, or give it back where it rests; where that fails, the next time may go better."""
        self.due = self._next_due()
        try:
            with self._lock:  # else a renewal could come after the release
                if self.is_resting:
                    self._give_back()
                elif self._is_held:
                    self._storage.renew(self._study, self.worker, self._seconds)
            if not self._is_held:
                self._is_over()
        except (StorageGone, StudyNotFound) as error:
            self.gone = error
            _RENEWALS.remove(self)
        except StorageError as error:
            log.warning("the lease could not be renewed, trying again: %s", error)

    def release(self) -> None:
        """Give the lease back; the copy that a fork has is not the fork's to give."""
        self._is_over()
        with self._lock:
            self._give_back()

    def _is_over(self) -> None:
        self._watched.detach()
        _RENEWALS.remove(self)

    def _give_back(self) -> None:
        was_held, self._is_held = self._is_held, False
        if was_held and self.worker.pid == os.getpid():
            with suppress(StorageError):  # then it runs out
                self._storage.release(self._study, self.worker.id)


class _Renewals:
    """The leases of this process, and the thread that renews them."""

    def __init__(self) -> None:
        self.dropped: queue.SimpleQueue[Lease | None] = queue.SimpleQueue()
        """Leases whose holder is garbage. Not released there and then: a collector runs in the midst of anything."""
        self._lock = threading.Lock()
        self._leases: set[Lease] = set()
        self._thread: threading.Thread | None = None

    def add(self, lease: Lease) -> None:
        with self._lock:
            self._leases.add(lease)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="kilter-leases", daemon=True)
                self._thread.start()
        self.dropped.put(None)  # this one may be due before all others

    def remove(self, lease: Lease) -> None:
        """Renew a lease no more, and see the thread off where it was the last."""
        with self._lock:
            self._leases.discard(lease)
            thread = None if self._leases else self._thread
        self.dropped.put(None)
        if thread is not None and thread is not threading.current_thread():
            thread.join(1.0)

    def holds(self, worker: Worker) -> bool:
        """Whether this process holds the worker's lease."""
        with self._lock:
            return any(lease.worker == worker for lease in self._leases)

    def _work(self) -> None:
        while self._is_needed():
            try:
                lease = self.dropped.get(timeout=self._patience())
            except queue.Empty:
                lease = None
            if lease is not None:
                _give_back(lease)
            for due in self._due():
                due.renew()

    def _is_needed(self) -> bool:
        with self._lock:
            if not self._leases:
                self._thread = None
            return self._thread is not None

    def _patience(self) -> float:
        with self._lock:
            due = min((lease.due for lease in self._leases), default=0.0)
        return max(0.0, due - time.monotonic())

    def _due(self) -> list[Lease]:
        with self._lock:
            return [lease for lease in self._leases if lease.due <= time.monotonic()]

    def resting(self) -> list[Lease]:
        with self._lock:
            return [lease for lease in self._leases if lease.is_resting]


def _give_back(lease: Lease) -> None:
    try:
        lease.release()
    except KilterError as error:
        log.warning("the lease of a study that is gone could not be given back: %s", error)


_RENEWALS = _Renewals()


def _forked() -> None:
    """A fork has neither the thread nor a right to the leases of its parent."""
    global _RENEWALS
    _RENEWALS = _Renewals()


@atexit.register
def _left() -> None:
    """Give back what rests: nobody would take it up, and it says that somebody is at work."""
    for lease in _RENEWALS.resting():
        _give_back(lease)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
