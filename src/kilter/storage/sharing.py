"""Whether a folder lets processes lock and share files as SQLite needs it. Of a network folder that is tried for real.

SQLite locks parts of its file, and the processes that have it open share memory through another one. Network folders
may refuse the first, or grant it and not mean it, and lack the second; then a file is garbled sooner or later. What is
tried holds for the processes of this machine: with those of another no file can be shared.
"""

from __future__ import annotations

import mmap
import os
import re
import subprocess
import sys
import tempfile
import threading

from kilter.core.errors import StorageUnsafe

MOUNTS = "/proc/self/mounts"

NETWORK = re.compile(
    r"nfs\d?|lustre|gpfs|cifs|smb\w*|beegfs|ceph|glusterfs|afs|pvfs2|orangefs|panfs|9p|virtiofs|fuse(\..+)?"
)
"""The kinds of file systems that are tried: others are disks and memory of this machine."""

PATIENCE = 30.0
"""Seconds that the other process of a trial has."""

OTHER = """
import fcntl, mmap, sys
with open(sys.argv[1], "r+b") as file, mmap.mmap(file.fileno(), 4096) as shared:
    def lock():
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1)
            return "granted"
        except BlockingIOError:
            return "refused"
    print(lock(), shared[0], flush=True)
    sys.stdin.readline()
    shared[1] = 2
    print(lock(), flush=True)
    sys.stdin.readline()
"""


def check_folder(path: str) -> None:
    """Raise StorageUnsafe where a file at this path is in a network folder whose locks do not hold."""
    kind = file_system(path)
    reason = broken(os.path.dirname(path)) if is_network(kind) else None
    if reason is not None:
        raise StorageUnsafe(
            f"the folder of {path} cannot lock and share files as SQLite needs it: {reason}. It is on a network "
            f"({kind}): put the file on a local disk or, for several machines, use PostgreSQL or kilter serve"
        )


def is_network(kind: str | None) -> bool:
    """Whether a file system of this kind may be on another machine."""
    return kind is not None and NETWORK.fullmatch(kind) is not None


def file_system(path: str, mounts: str = MOUNTS) -> str | None:
    """The kind of file system that a path lies in, where that is known."""
    try:
        with open(mounts, encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.split() for line in file]
    except OSError:
        return None
    whole = os.path.realpath(path)
    found = {_plain(line[1]): line[2] for line in lines if len(line) > 2}
    around = [place for place in found if os.path.commonpath([place, whole]) == place]
    return found[max(around, key=len)] if around else None


def _plain(place: str) -> str:
    """A folder as its line has it, where spaces and such are numbers."""
    return re.sub(r"\\([0-7]{3})", lambda number: chr(int(number[1], 8)), place)


def broken(folder: str) -> str | None:
    """Why two processes of this machine cannot share a file in a folder; None where they can. It is tried with one."""
    try:
        import fcntl
    except ImportError:  # where there are no such locks
        return None
    try:
        file = tempfile.NamedTemporaryFile(dir=folder, prefix=".kilter-probe-")  # noqa: SIM115
    except OSError:  # who cannot write there is told so by SQLite
        return None
    with file:
        file.write(bytes(mmap.PAGESIZE))
        file.flush()
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1)
            with mmap.mmap(file.fileno(), mmap.PAGESIZE) as shared:
                shared[0] = 1  # before there is anybody who may look
                with _Other(file.name) as other:
                    return _disagreement(file.fileno(), shared, other)
        except OSError as error:
            return f"to lock or to share a part of a file failed, {error.strerror}"


def _disagreement(file: int, shared: mmap.mmap, other: _Other) -> str | None:
    """What goes wrong while this process holds a lock that the other one wants, and then the other way round."""
    import fcntl

    if other.says() != "refused 1":
        return f"while a part of a file was locked, another process found it {other.said}"
    fcntl.lockf(file, fcntl.LOCK_UN, 1)
    if other.says() != "granted" or shared[1] != 2:
        return f"when a lock was given back, another process found it {other.said}, and wrote {shared[1]} for 2"
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1)
    except BlockingIOError:
        return None
    return "a lock was granted that another process holds"


class _Other:
    """A second process, which wants what the first one has."""

    def __init__(self, path: str) -> None:
        command = [sys.executable, "-I", "-S", "-c", OTHER, path]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._limit = threading.Timer(PATIENCE, self._process.kill)
        self._limit.daemon = True
        self.said = ""
        self._has_spoken = False

    def __enter__(self) -> _Other:
        self._limit.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._limit.cancel()
        self._process.kill()
        self._process.communicate()

    def says(self) -> str:
        """What it finds now: whether it got the lock, and what the first one wrote."""
        assert self._process.stdin is not None and self._process.stdout is not None
        if self._has_spoken:
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        self._has_spoken = True
        self.said = self._process.stdout.readline().strip() or "impossible to tell"
        return self.said
