"""Child processes: in groups of their own, weighed and ended with all their descendants, also when we are gone."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import select
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import psutil

MARK = "KILTER_WATCHED"

ROUNDS = 5

LOOK = 1.0
"""Seconds between two looks at who a watcher's parent is; a closed pipe is noticed at once."""

BOOTSTRAP = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from kilter.executors.children import watch
watch()
"""


def own_group() -> dict[str, Any]:
    """Arguments of Popen that keep the terminal's Ctrl-C from a child: whether it ends is the parent's decision."""
    if os.name == "nt":
        return {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
    return {"start_new_session": True}


def kill_tree(pid: int) -> None:
    """Kill a process that leads a group of its own, with its group and all its descendants."""
    try:
        family = psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        family = []
    signal_group(pid, getattr(signal, "SIGKILL", signal.SIGTERM))
    for process in [*family, *_process(pid)]:
        with contextlib.suppress(psutil.Error):
            process.kill()


def signal_group(pid: int, number: int) -> None:
    """Send a signal to the group that a process leads; nothing where it is gone, or on Windows."""
    if os.name == "posix":
        try:
            os.killpg(pid, number)
        except (ProcessLookupError, PermissionError):
            pass  # macOS refuses, instead of not finding, a group of zombies


def tree_memory(pid: int) -> int:
    """Bytes of resident memory of a process and its descendants; pages that they share count once each."""
    total = 0
    for process in _process(pid, with_children=True):
        try:
            total += process.memory_info().rss
        except psutil.Error:
            pass  # gone since
    return total


def was_killed(code: int | None) -> bool:
    """Whether an exit code says SIGKILL, in a shell's words too: no fault of the trial's, memory ran out or so."""
    return os.name == "posix" and code in (-signal.SIGKILL, 128 + signal.SIGKILL)


class Watcher:
    """A process beside this one that ends the programs which bear its mark as soon as this one is gone.

    Programs do not look after us as our own workers do, and SIGKILL gives us no time to see to them. The mark is a
    variable of their environment, which their children inherit. Windows has no watcher.
    """

    def __init__(self) -> None:
        self._mark = secrets.token_hex(8)
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def mark(self) -> dict[str, str]:
        """What to add to the environment of a program that is to end with us; it is watched from its first moment."""
        with self._lock:
            if self._process is None and os.name == "posix":
                self._process = subprocess.Popen(
                    [sys.executable, "-c", BOOTSTRAP, json.dumps(sys.path), str(os.getpid()), self._mark],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    **own_group(),
                )
        return {MARK: self._mark}

    def close(self) -> None:
        """Let the watcher go, once all programs have ended."""
        with self._lock:
            if self._process is not None:
                self._process.kill()
                self._process.communicate()
                self._process = None


def watch() -> None:
    """The main function of a watcher: wait until the parent hangs up or is gone, and end what bears the mark."""
    parent, mark = int(sys.argv[2]), sys.argv[3]
    while os.getppid() == parent and not select.select([0], [], [], LOOK)[0]:
        pass  # whoever forked from the parent may still hold the pipe open
    for _ in range(ROUNDS):  # a child may be born while its parent is being killed
        for process in [process for process in psutil.process_iter() if _bears(process, mark)]:
            kill_tree(process.pid)
        time.sleep(LOOK / ROUNDS)


def _bears(process: psutil.Process, mark: str) -> bool:
    try:
        return bool(process.environ().get(MARK) == mark)
    except (psutil.Error, OSError):
        return False  # it has just ended, or is another user's


def _process(pid: int, with_children: bool = False) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *(process.children(recursive=True) if with_children else [])]
    except psutil.Error:
        return []
