"""What a running study says on stderr: a live block on a terminal, a line now and then elsewhere.

The first failure of each sort is told at once in every mode of display. Else nothing is printed per trial; the cost of
a finished trial is a comparison and a look at the clock.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import Protocol, TextIO

from kilter.core.errors import NAME, InvalidInput
from kilter.core.history import Record
from kilter.core.limits import Limits
from kilter.core.text import one_line, printable
from kilter.runtime import notebook
from kilter.runtime.block import block, fits
from kilter.runtime.session import Session
from kilter.runtime.status import Notices, Status, span
from kilter.runtime.terminal import Terminal

PLAIN_SECONDS = 30.0
LIVE_SECONDS = 0.2
IMPROVEMENT_SECONDS = 1.0
"""Improvements that follow one another faster share a line."""

log = logging.getLogger("kilter")

MODES = ("auto", "live", "plain", "none")


class Display(Protocol):
    """What the loop tells."""

    def start(self) -> None:
        """The run begins."""

    def on_end(self, trial: Record) -> None:
        """A trial ended."""

    def tell(self, line: str) -> None:
        """Something that the user has to know at once."""

    def tick(self) -> None:
        """Time has passed."""

    def finish(self, reason: str) -> None:
        """The run is over."""


def display(kind: str, session: Session, name: str, limits: Limits, calls: int | None) -> Display:
    """The display that the user asked for; 'auto' is live on a terminal and in a notebook, and plain elsewhere."""
    if kind not in MODES:
        raise InvalidInput(f"progress={kind!r}: choose one of {', '.join(MODES)}")
    level = logging.getLogger("kilter.progress").level or log.level
    if kind == "none" or level > logging.INFO:
        return Silent(Notices(one_line(name, NAME), session))
    status = Status(session, name, session.stopwatch, limits, calls)
    if kind != "plain" and notebook.shell() is not None:
        return notebook.Notebook(status)
    if kind == "live" or (kind == "auto" and sys.stderr.isatty()):
        return Live(status)
    return Plain(status, sys.stderr)


class Silent:
    """Says nothing but what has to be told in every mode, which it logs as a warning."""

    def __init__(self, notices: Notices) -> None:
        self._notices = notices

    def start(self) -> None:
        """Nothing."""

    def on_end(self, trial: Record) -> None:
        """Log what has to be told."""
        for line in self._notices.of(trial):
            self.tell(line)

    def tell(self, line: str) -> None:
        """Log it."""
        log.warning("%s", line)

    def tick(self) -> None:
        """Nothing."""

    def finish(self, reason: str) -> None:
        """Nothing."""


class Plain:
    """A line at the start, at improvements, every half minute, and a summary."""

    def __init__(self, status: Status, stream: TextIO) -> None:
        self._status, self._stream = status, stream
        self._said_at = self._improved_at = status.began
        self._said_best: int | None = status.replica.ledger.best_number

    def start(self) -> None:
        """Say what begins."""
        status = self._status
        goal = f", {status.goal} trials" if status.goal is not None else ""
        resumed = f", {status.before} ended before" if status.before else ""
        self._say(f"{status.name}: {status.goals_text}{goal}{resumed}")

    def on_end(self, trial: Record) -> None:
        """Say so where it is the new best, or the first that failed in its way."""
        status = self._status
        for line in status.notices.of(trial):
            self._say(line)
        if status.is_single and status.replica.ledger.best_number != self._said_best:
            now = status.now()
            if now - self._improved_at >= IMPROVEMENT_SECONDS or self._said_best is None:
                self._improved_at, self._said_best = now, status.replica.ledger.best_number
                found = f"best {status.best_text()}  {status.params_text(status.best or trial)}"
                self._say(f"{status.name}: {found.rstrip()}")

    def tell(self, line: str) -> None:
        """Say it."""
        self._say(line)

    def tick(self) -> None:
        """Say how far it is, every half minute."""
        status = self._status
        if status.now() - self._said_at >= PLAIN_SECONDS:
            gain, saved = status.gain_text(), status.saved_text()
            more = (f"; expect {gain}" if gain else "") + (f"; saved {saved}" if saved else "")
            self._say(f"{status.name}: {status.counts_text()}; best {status.best_text()}; {status.rate_text()}{more}")

    def finish(self, reason: str) -> None:
        """Say how it ended."""
        status = self._status
        saved, owed = status.saved_text(), status.owed_text()
        self._say(
            f"{status.name}: {reason}; {status.counts_text()} in {span(status.now() - status.began)}; "
            f"best {status.best_text(over=True)}"
            + (f"; saved {saved}" if saved else "")
            + (f"; {owed}" if owed else "")
        )
        for sentence in status.never_text():
            self._say(f"{status.name}: {sentence}")

    def _say(self, line: str) -> None:
        self._said_at = self._status.now()
        print(printable(line, keep=""), file=self._stream, flush=True)


class Live:
    """A few lines that are redrawn in place; what is printed meanwhile appears above them."""

    def __init__(self, status: Status) -> None:
        from rich.console import Console
        from rich.live import Live as RichLive

        self._status = status
        self._console = Console(stderr=True)
        self._live = RichLive(
            console=self._console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._terminal: Terminal | None = None
        self._drawing = threading.RLock()
        """Held by whoever writes to the terminal: this thread, or the one that shows what is printed."""
        self._drawn_at = 0.0

    def start(self) -> None:
        """Draw for the first time."""
        if Terminal.is_there():
            self._terminal = Terminal(self._print)
            self._console.file = self._terminal.file
        with self._drawing, suppress(OSError):
            self._live.start()
            self._draw()

    def on_end(self, trial: Record) -> None:
        """Say above the block what has to be told, and draw where it is time."""
        for line in self._status.notices.of(trial):
            self._say(line)
        self.tick()

    def tell(self, line: str) -> None:
        """Say it above the block, and draw the block anew."""
        self._say(line)
        self._draw()

    def tick(self) -> None:
        """Draw where it is time."""
        if self._status.now() - self._drawn_at >= LIVE_SECONDS:
            self._draw()

    def finish(self, reason: str) -> None:
        """Leave the last picture standing, with the reason."""
        from rich.text import Text

        with suppress(OSError):  # a terminal that is gone needs no picture
            with self._drawing:  # lines shown while the block is taken away would be taken away with it
                self._live.stop()
            self._give_back()
            self._console.print(block(self._status, self._console.width, reason))
            if not fits(self._status, reason, self._console.width):
                self._console.print(Text(printable(reason, keep="")))
            for sentence in self._status.never_text():
                self._say(f"{self._status.name}: {sentence}")
        self._give_back()

    def _give_back(self) -> None:
        """Let others print on the terminal again, after what they have printed so far."""
        terminal, self._terminal = self._terminal, None
        if terminal is not None:
            terminal.stop()
            self._console.file = sys.stderr

    def _say(self, line: str) -> None:
        from rich.text import Text

        with self._drawing, suppress(OSError):
            self._console.print(Text(printable(line, keep=""), style="red"), soft_wrap=True)

    def _print(self, lines: Iterable[str]) -> None:
        """Show lines that others printed, with their colours."""
        from rich.text import Text

        shown = [Text.from_ansi(line) for line in lines]
        if shown:
            with self._drawing, suppress(OSError):
                self._console.print(Text("\n").join(shown), soft_wrap=True)

    def _draw(self) -> None:
        from rich.console import Group
        from rich.text import Text

        self._drawn_at = self._status.now()
        # The cursor rests below the block: the ^C that a terminal writes there must not wrap one of its lines.
        picture = Group(block(self._status, self._console.width), Text())
        with self._drawing, suppress(OSError):
            if self._terminal is not None and "COLUMNS" not in os.environ:
                self._console.size = self._terminal.size  # it may have changed
            self._live.update(picture, refresh=True)
