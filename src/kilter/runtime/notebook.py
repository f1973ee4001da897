"""What a running study shows in a notebook: one block below the cell that is redrawn in place."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from kilter.core import html
from kilter.core.history import Record
from kilter.core.text import printable

SECONDS = 0.5
"""Between two pictures pass at least so many seconds ..."""
SHARE = 0.05
"""... and so many that drawing takes at most this share of the time."""
TOLD = 10
"""Lines about failures and the like that stay below the block, the latest."""


def shell() -> Any:
    """The shell of the notebook that this runs in; None elsewhere. What was not loaded by others is not loaded here."""
    ipython = sys.modules.get("IPython")
    found = ipython.get_ipython() if ipython is not None else None
    return found if getattr(found, "kernel", None) is not None else None


class Notebook:
    """A heading, the values so far as a picture, and lines on what goes on; its text form says the same in words.

    `status` is that of runtime.status.
    """

    def __init__(self, status: Any) -> None:
        self._status = status
        self._told: list[str] = []
        self._due = 0.0
        self._update: Callable[[dict[str, str]], None] | None = None

    def start(self) -> None:
        """Show the block."""
        self._show(None)

    def on_end(self, trial: Record) -> None:
        """Note what has to be told, and draw where it is time."""
        self._told += self._status.notices.of(trial)
        self.tick()

    def tell(self, line: str) -> None:
        """Keep it below the block, and draw that anew."""
        self._told.append(line)
        self._show(None)

    def tick(self) -> None:
        """Draw where it is time."""
        if time.monotonic() >= self._due:
            self._show(None)

    def finish(self, reason: str) -> None:
        """Leave the last picture, with the reason."""
        self._told += [f"{self._status.name}: {sentence}" for sentence in self._status.never_text()]
        self._show(reason)

    def _show(self, reason: str | None) -> None:
        from kilter.figures.notebook import picture  # loads NumPy and the figures

        began = time.monotonic()
        lines = self._lines(reason)
        history = self._status.history
        block = [f"<b>{html.text(lines[0])}</b>", picture(history), *map(html.text, lines[1:])]
        shown = {
            "text/plain": "\n".join(printable(line, keep="") for line in lines),
            "text/html": "".join(f"<div>{part}</div>" for part in block if part),
        }
        if self._update is None:
            self._update = published(shown)
        else:
            self._update(shown)
        now = time.monotonic()
        self._due = now + max(SECONDS, (now - began) / SHARE)

    def _lines(self, reason: str | None) -> list[str]:
        status = self._status
        is_over = reason is not None
        lines = [f"{status.name}: {status.goals_text}: {reason or 'running'}"]
        best = f"best {status.best_text(over=is_over)}"
        lines.append(f"{best}  {status.params_text(status.best)}" if status.best is not None else best)
        lines.append(f"{status.counts_text()}; {status.rate_text(over=is_over)}")
        saved, gain = status.saved_text(), None if is_over else status.gain_text()
        lines += [f"expect {gain}"] if gain else []
        lines += [f"saved {saved}"] if saved else []
        return lines + self._told[-TOLD:]


def published(bundle: dict[str, str]) -> Callable[[dict[str, str]], None]:
    """Show a block below the cell that runs, by its own display; returns how to show another in its place."""
    display = sys.modules["IPython"].display
    handle = display.display(bundle, raw=True, display_id=True)
    return lambda other: handle.update(other, raw=True)
