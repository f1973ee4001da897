"""The terminal while a block is redrawn at its bottom: what anybody prints meanwhile goes above the block.

Whatever is written to stdout and stderr, by Python, by code in C or by child processes, would land in the midst of the
block, be drawn over, and leave copies of the block behind. So it goes to a file that has no name, and a thread shows,
line by line, what has come there. A file, since whoever writes to it never has to wait: a pipe is full after a while,
and code in C that holds the interpreter's lock would wait for ever for the thread that needs that lock to read it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TextIO

from kilter.executors.output import CHUNK, Lines, flush

LOOK = 0.1
"""Seconds between two looks for what was printed."""

PROMPT = 20
"""Looks after which a line without an end is shown, as it may be a question."""

LARGE = 16 * 2**20
"""Bytes after which a new file takes over."""


LAST_WORDS = """
import os, sys
said = b""
while new := os.read(0, 4096):
    said = (said + new)[-16:]
at, taken, terminal = int(said), int(sys.argv[1]), int(sys.argv[2])
if at >= 0:
    os.write(terminal, b"\\n\\x1b[?25h")
    while data := os.pread(taken, 65536, at):
        at += os.write(terminal, data)
"""
"""What a process beside this one does: once this one has ended without a farewell, as where code in C calls abort, it
shows what nobody has shown yet, and the cursor."""


class Terminal:
    """Takes stdout and stderr, where they are this terminal, between start and stop; `show` is given whole lines.

    `file` writes to the terminal itself.
    """

    def __init__(self, show: Callable[[Iterable[str]], None]) -> None:
        self._show = show
        self._at = 0
        self._lines = Lines()
        self._idle = 0
        self._is_over = threading.Event()
        flush()
        self._saved = {number: os.dup(number) for number in (1, 2) if os.isatty(number)}
        """Where stdout and stderr led."""
        self.file: TextIO = open(os.dup(2), "w", encoding="utf-8", errors="replace")  # noqa: SIM115 - closed by stop()
        self._discards = self._discard(False)
        """Whether it discarded, before, what it had not shown yet when Ctrl-C was pressed: part of a picture, then."""
        self._taken = self._take()
        self._heir = self._named_heir()
        self._thread = threading.Thread(target=self._watch, name="kilter-terminal", daemon=True)
        self._thread.start()

    @staticmethod
    def is_there() -> bool:
        """Whether stderr is a terminal that can be taken."""
        with suppress(AttributeError, OSError, ValueError):
            return os.name == "posix" and sys.stderr.fileno() == 2 and os.isatty(2)
        return False

    @property
    def size(self) -> os.terminal_size:
        """Its columns and lines, as they are now; 80 and 24 where it does not say."""
        columns, lines = os.get_terminal_size(self.file.fileno())
        return os.terminal_size((columns or 80, lines or 24))

    def stop(self) -> None:
        """Give stdout and stderr back, and show the rest."""
        self._is_over.set()
        self._thread.join()
        flush()
        for number, saved in self._saved.items():
            os.dup2(saved, number)
            os.close(saved)
        self._look()
        self._show(self._lines.rest())
        os.close(self._taken)
        _dismiss(self._heir)
        if self._discards:
            self._discard(True)
        with suppress(OSError):  # a terminal that is gone takes nothing more
            self.file.close()

    def _discard(self, wanted: bool) -> bool:
        """Have the terminal discard its output on Ctrl-C, or not; whether it did before."""
        import termios

        number = self.file.fileno()
        with suppress(OSError, termios.error):  # it is gone, or no terminal that this process may ask
            modes = termios.tcgetattr(number)
            did = not modes[3] & termios.NOFLSH
            if did != wanted and os.tcgetpgrp(number) == os.getpgrp():  # a change from the background stops a process
                modes[3] ^= termios.NOFLSH
                termios.tcsetattr(number, termios.TCSANOW, modes)
            return did
        return False

    def _take(self) -> int:
        """Have stdout and stderr lead to a new file."""
        number, path = tempfile.mkstemp(prefix="kilter-")
        os.close(number)
        taken = os.open(path, os.O_RDWR | os.O_APPEND)
        os.unlink(path)
        for number in self._saved:
            os.dup2(taken, number)
        self._at = 0
        return taken

    def _named_heir(self) -> subprocess.Popen[bytes]:
        """A process that says the last words of this one, should it come to that."""
        terminal = self._saved[2]
        heir = subprocess.Popen(
            [sys.executable, "-S", "-E", "-c", LAST_WORDS, str(self._taken), str(terminal)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(self._taken, terminal),
            start_new_session=True,
        )
        _tell(heir, 0)
        return heir

    def _watch(self) -> None:
        while not self._is_over.wait(LOOK):
            self._look()
            if self._at > LARGE:
                full, at, heir = self._taken, self._at, self._heir
                self._taken = self._take()
                self._heir = self._named_heir()
                self._drain(full, at)
                os.close(full)
                _dismiss(heir)

    def _look(self) -> None:
        before = self._at
        self._at = self._drain(self._taken, self._at)
        self._idle = self._idle + 1 if self._at == before else 0
        if self._at != before:
            _tell(self._heir, self._at)
        if self._idle >= PROMPT and self._lines.is_prompt:
            self._show(self._lines.rest())

    def _drain(self, taken: int, at: int) -> int:
        while data := os.pread(taken, CHUNK, at):
            at += len(data)
            self._show(self._lines.feed(data))
        return at


def _tell(heir: subprocess.Popen[bytes], at: int) -> None:
    """Say up to where all is shown; below zero, that all is well."""
    assert heir.stdin is not None  # it is a pipe
    with suppress(OSError):  # somebody has killed it: then nobody says our last words
        heir.stdin.write(f"{at:16d}".encode())
        heir.stdin.flush()


def _dismiss(heir: subprocess.Popen[bytes]) -> None:
    _tell(heir, -1)
    heir.communicate()
