"""What a trial prints: kept in a file of bounded size, and shown in whole lines.

In this process Python's own streams are looked at, and print as ever. A worker prints into a pipe, so that child
processes and code in C are heard as well; marks in the stream say which trial it belongs to.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import sys
import threading
from collections.abc import Iterator
from typing import IO, Any, Protocol

from kilter.executors import records

LIMIT = 256 * 1024
"""Bytes that are kept of a trial's output: where there is more, its beginning and its end."""

LEFT_OUT = b"\n[... left out ...]\n"
"""What stands in the place of the rest."""

CHUNK = 65_536
"""Bytes read at once, and of a line without an end."""

UP = b"\x1b[A"
"""What moves the cursor up: at the end of a line it says that the line will be drawn over, as bars below others are."""

PAUSE = 0.05
"""Seconds between two looks at what a worker has printed, where it is little: trials may come faster."""

FAREWELL = 1.0
"""Seconds to wait for the rest of a pipe that some grandchild may still hold open."""


libc: Any = ctypes.CDLL(None) if os.name == "posix" else None
"""The C library of this process, which has streams of its own."""


def flush() -> None:
    """Hand on what this process has printed, by Python or by C, and still holds back."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    with contextlib.suppress(Exception):  # where there is no such library
        libc.fflush(None)


class Log:
    """A file with what a trial printed, made where there is something to keep."""

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._file: IO[bytes] | None = None
        self._lock = threading.Lock()

    def write(self, data: bytes) -> None:
        """Append; where that cannot be, as on a full disk, a trial is worth more than its output."""
        if self._path is None or not data:
            return
        with self._lock, contextlib.suppress(OSError):
            if self._file is None:
                os.makedirs(os.path.dirname(self._path), exist_ok=True)
                self._file = open(self._path, "a+b", buffering=0)  # noqa: SIM115 - closed by close()
            self._file.write(data)
            if self._file.tell() > LIMIT:
                self._cut(self._file)

    def _cut(self, file: IO[bytes]) -> None:
        file.seek(0)
        data = file.read()
        head, tail = data[: LIMIT // 4], data[-LIMIT // 4 :]
        file.truncate(len(head))
        file.write(LEFT_OUT + tail)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None


class Lines:
    r"""Takes text in pieces and gives whole lines; of one that was drawn over, as bars of progress are, the last state.

    >>> lines = Lines()
    >>> list(lines.feed(b"epoch 1\n 50 %|\r100 %|\nep")), list(lines.rest())
    (['epoch 1', '100 %|'], ['ep'])
    """

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, data: bytes) -> Iterator[str]:
        """The lines that this piece ends."""
        *lines, self._pending = (self._pending + data).split(b"\n")
        yield from (_last_state(line) for line in lines if not line.endswith(UP))
        if len(self._pending) > CHUNK:
            yield from self.rest()

    def rest(self) -> Iterator[str]:
        """What is there of a line that has not ended."""
        pending, self._pending = self._pending, b""
        if pending and not pending.endswith(UP):
            yield _last_state(pending)

    @property
    def is_prompt(self) -> bool:
        """Whether a line was begun that nobody draws over, as one that waits for an answer."""
        return bool(self._pending) and b"\r" not in self._pending


def _last_state(line: bytes) -> str:
    return line.rstrip(b"\r").rpartition(b"\r")[2].decode(errors="replace")


def whole_lines(text: str) -> list[str]:
    """All of a text in lines, as a terminal would show it in the end but for its colours."""
    lines = Lines()
    data = re.sub(r"\x1b\[[0-?]*[ -/]*[@-~]", "", text).encode()
    return [*lines.feed(data), *lines.rest()]


# -- in this process ----------------------------------------------------------------------------------------------

_lock = threading.Lock()
_logs: dict[int, Log] = {}
"""By thread: the log of the trial that runs in it."""


class _Tee:
    """A text stream that keeps what the running trial prints, and is the stream itself in everything else.

    A line goes on as a whole: print() writes it in pieces, between which another thread's would come.
    """

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self._begun = threading.local()
        """What a thread has written of a line."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> Any:
        if not isinstance(text, str):
            return self.stream.write(text)  # which says what it thinks of that
        line = getattr(self._begun, "text", "") + text
        end = max(line.rfind("\n"), line.rfind("\r")) + 1
        self._begun.text = line[end:]
        if end:
            self._pass_on(line[:end])
        return len(text)

    def flush(self) -> None:
        self.let_go()
        self.stream.flush()

    def let_go(self) -> None:
        """Pass on what this thread has begun."""
        begun, self._begun.text = getattr(self._begun, "text", ""), ""
        if begun:
            self._pass_on(begun)

    def _pass_on(self, text: str) -> None:
        log = _logs.get(threading.get_ident())
        if log is None and len(_logs) == 1:  # a thread that the only trial started
            log = next(iter(_logs.values()), None)
        if log is not None:
            log.write(text.encode("utf-8", "replace"))
        self.stream.write(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)


_tees: dict[str, _Tee] = {}
"""What stands, or last stood, in the place of each stream."""


class kept:  # noqa: N801 - read as a verb: with kept(path)
    """While this lasts, what this thread prints on Python's streams is also kept in a file; None is no file."""

    def __init__(self, path: str | None) -> None:
        self._log = None if path is None else Log(path)
        self._outer: Log | None = None

    def __enter__(self) -> None:
        if self._log is None:
            return
        thread = threading.get_ident()
        with _lock:
            if not _logs:
                _listen()
            self._outer = _logs.get(thread)
            _logs[thread] = self._log

    def __exit__(self, *_: object) -> None:
        if self._log is None:
            return
        for tee in _tees.values():
            tee.let_go()
        thread = threading.get_ident()
        with _lock:
            if self._outer is None:
                del _logs[thread]
            else:
                _logs[thread] = self._outer
            if not _logs:
                _listen_no_more()
        self._log.close()


def _listen() -> None:
    for name in ("stdout", "stderr"):
        stream, tee = getattr(sys, name), _tees.get(name)
        if stream is not None and not isinstance(stream, _Tee):  # which an objective may have put back
            if tee is None or tee.stream is not stream:
                tee = _tees[name] = _Tee(stream)
            setattr(sys, name, tee)
            for handler in records.handlers():  # made when the stream stood there
                if handler.stream is stream:
                    handler.setStream(tee)


def _listen_no_more() -> None:
    for name, tee in _tees.items():
        for handler in records.handlers():
            if handler.stream is tee:
                handler.setStream(tee.stream)
        if getattr(sys, name) is tee:  # else somebody has put a stream of his own there since
            setattr(sys, name, tee.stream)


# -- from a worker ------------------------------------------------------------------------------------------------


def mark(token: str, number: int) -> bytes:
    """What a worker writes where the output of a trial begins."""
    return f"\0{token}:{number}\0".encode()


class Printing(Protocol):
    """Takes what a worker prints, trial by trial."""

    def expect(self, number: int, path: str | None) -> None:
        """The worker is given a trial, whose output is to be kept in this file."""

    def turn(self, number: int | None) -> None:
        """What follows belongs to another trial, or to none."""

    def take(self, data: bytes) -> None:
        """A piece of it."""


class Printer:
    """Keeps what a worker prints, each trial's in its log, and shows it in lines on our stderr."""

    def __init__(self) -> None:
        self._paths: dict[int, str | None] = {}
        self._number: int | None = None
        self._log = Log(None)
        self._lines = Lines()

    def expect(self, number: int, path: str | None) -> None:
        """The worker is given a trial, whose output is to be kept in this file."""
        self._paths[number] = path

    def turn(self, number: int | None) -> None:
        """What follows belongs to another trial, or to none."""
        self._show(self._lines.rest())
        self._log.close()
        self._number, self._log = number, Log(None if number is None else self._paths.pop(number, None))

    def take(self, data: bytes) -> None:
        """A piece of what is printed."""
        self._log.write(data)
        self._show(self._lines.feed(data))

    def _show(self, lines: Iterator[str]) -> None:
        prefix = "" if self._number is None else f"#{self._number} "
        text = "".join(f"{prefix}{line}\n" for line in lines)
        if text and sys.stderr is not None:
            with contextlib.suppress(OSError, ValueError):  # closed, or its terminal is gone
                sys.stderr.write(text)
                sys.stderr.flush()


class Heard:
    """A thread that reads what a worker prints, and tells it apart by the marks in it."""

    def __init__(self, stream: IO[bytes], token: str, printing: Printing) -> None:
        self._stream = stream
        self._mark = re.compile(re.escape(f"\0{token}:".encode()) + rb"(\d+)\0")
        self._printing = printing
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._read, name="kilter-output", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Wait for the last of it, once the worker has ended."""
        self._ends.set()
        self._thread.join(FAREWELL)

    def _read(self) -> None:
        held = b""
        with self._stream:
            while data := os.read(self._stream.fileno(), CHUNK):
                *parts, held = self._mark.split(held + data)
                for text, number in zip(parts[::2], parts[1::2]):
                    self._printing.take(text)
                    self._printing.turn(int(number))
                cut = held.rfind(b"\0", -64)  # maybe the beginning of a mark
                whole, held = (held, b"") if cut < 0 else (held[:cut], held[cut:])
                self._printing.take(whole)
                if len(data) < CHUNK:
                    self._ends.wait(PAUSE)
        self._printing.take(held)
        self._printing.turn(None)
