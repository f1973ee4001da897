"""The studies of a storage at a glance, each as the block that its own run shows; with keys where it is a terminal."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from kilter import replay
from kilter.analysis.pace import pace
from kilter.analysis.plain import plain
from kilter.analysis.summary import summary
from kilter.core.errors import KilterError
from kilter.core.interfaces import Storage
from kilter.core.text import one_line
from kilter.engine.asked import goal, standing
from kilter.engine.replica import Replica
from kilter.runtime import steering
from kilter.runtime.log import Log
from kilter.runtime.presence import at_work
from kilter.runtime.status import Status, rate, span

LOOK = 1.0
"""Seconds between two looks at the logs."""
KEY = 0.1
"""Seconds between two looks at the keys."""
SURE = 5.0
"""Seconds within which a stop has to be asked for again."""
ESCAPE = "\x1b"
ARROWS = {"\x1b[A": "k", "\x1b[B": "j", "\x1bOA": "k", "\x1bOB": "j"}

RECENT = 60.0
"""Seconds for which a study whose last trial has ended is still shown."""


class Watched(Status):
    """The figures of a study that runs elsewhere: its pace is that of its latest trials."""

    def __init__(self, log: Log[Replica]) -> None:
        super().__init__(log, log.name, time.monotonic)
        self.workers = 0
        self.insight(len(self.history.finished), at_once=True)

    def look(self) -> None:
        """Read what others wrote, and who is at work."""
        self.log.sync()
        self.workers = len(at_work(self.log))

    @property
    def goal(self) -> int | None:
        """How many trials the study is to have, as its latest run said."""
        return goal(self.replica)

    @property
    def standing(self) -> str:
        """How it stands, in a word."""
        return standing(self.replica, self.workers)

    @property
    def moves(self) -> bool:
        """Whether anybody is at work, or was a moment ago."""
        last = max((trial.ended or trial.started or 0.0 for trial in self.history.trials[-64:]), default=0.0)
        return bool(self.history.running) or self.workers > 0 or time.time() - last < RECENT

    def state_text(self) -> str:
        """How the study stands, and how many are at work."""
        word = self.standing if self.standing in ("paused", "stopped", "done") else ""
        at_work = f"{self.workers} worker{'s' if self.workers != 1 else ''}" if self.workers else ""
        return ", ".join(filter(None, [word, at_work])) or "nobody is at work"

    def rate_text(self, over: bool = False) -> str:
        """Trials a minute lately, and how long what is left takes at that rate."""
        a_second = pace(self.history, self.history.finished) if self.history.finished else 0.0
        if a_second <= 0 or not math.isfinite(a_second):
            return ""
        left = max((self.goal or 0) - self.counted, 0)
        remaining = f"~{span(left / a_second)} left   " if left else ""
        return f"{remaining}{rate(60 * a_second)}/min"

    def document(self) -> dict[str, Any]:
        """What a program is told of it."""
        found = summary(self.history, time.time(), ledger=self.replica.ledger)
        return {
            "study": self.log.name,
            "control": self.replica.control,
            "standing": self.standing,
            "workers": self.workers,
            "goal": self.goal,
            "summary": plain(found),
        }


@dataclass
class Watch:
    """All studies of a storage; those that move come first."""

    storage: Storage
    known: dict[int, Watched] = field(default_factory=dict)
    damaged: dict[int, str] = field(default_factory=dict)
    """Studies that cannot be read, and why."""
    chosen: int | None = None
    """The study that keys are about."""
    said: str = ""
    """What the last key came to."""
    _sure_until: float = 0.0

    def look(self) -> None:
        """Read what is new in all of them."""
        rows = {row.id: row.name for row in self.storage.studies()}
        for study in [study for study in self.known if study not in rows]:
            del self.known[study]
        for study, name in rows.items():
            if study in self.damaged:
                continue
            try:
                if study not in self.known:
                    self.known[study] = Watched(replay.read(name, self.storage))
                self.known[study].look()
            except KilterError as error:  # a study that cannot be read must not hide the others
                self.known.pop(study, None)
                self.damaged[study] = f"{one_line(name, 40)}: {error}"

    @property
    def moving(self) -> list[Watched]:
        """Those that somebody is at work on."""
        return [status for status in self.known.values() if status.moves]

    @property
    def place(self) -> int:
        """Which of those the keys are about."""
        return next((i for i, status in enumerate(self.moving) if status.log.study == self.chosen), 0)

    def pressed(self, key: str) -> bool:
        """Do what a key says; False where that is to leave."""
        shown = self.moving
        if key in ("q", ESCAPE):
            return False
        if not shown:
            return True
        at = self.place
        if key in ("j", "k", "\t"):
            at, self.said = (at + (-1 if key == "k" else 1)) % len(shown), ""
        self.chosen = shown[at].log.study
        if key in ("p", "s"):
            self.said = self._paused(shown[at]) if key == "p" else self._stopped(shown[at])
        return True

    def _paused(self, status: Watched) -> str:
        if steering.pause(status.log, time.time()):
            return f"{status.name} is paused; p lets it go on"
        steering.unpause(status.log, time.time())
        return f"{status.name} goes on"

    def _stopped(self, status: Watched) -> str:
        if time.monotonic() > self._sure_until:
            self._sure_until = time.monotonic() + SURE
            return f"s again ends all runs of {status.name}"
        steering.stop(status.log, time.time())
        self._sure_until = 0.0
        return f"{status.name} is stopped: its trials end first"


def follow(watch: Watch) -> None:
    """Show the studies on this terminal, until a key says that it is enough."""
    from rich.console import Console
    from rich.live import Live

    console = Console()
    with suppress(KeyboardInterrupt), keys() as pressed, Live(console=console, screen=True, auto_refresh=False) as live:
        due = 0.0
        while True:
            if time.monotonic() >= due:
                watch.look()
                due = time.monotonic() + LOOK
            live.update(picture(watch, *console.size), refresh=True)
            key = pressed(KEY)
            if key and not watch.pressed(key):
                return


def picture(watch: Watch, width: int, height: int | None = None) -> Any:
    """The blocks of the studies that move; where there is not room for all, as many from the chosen one on."""
    from rich.console import Console, Group
    from rich.text import Text

    from kilter.runtime.block import block

    moving = watch.moving
    blocks = [Group(block(status, width), Text()) for status in moving]
    if height is not None:
        lines = Console(width=width)
        sizes = [len(lines.render_lines(each)) for each in blocks]
        first, end = _shown(sizes, watch.place, height - 2 - len(watch.damaged))
        blocks = blocks[first:end]
    rest: list[Any] = [] if blocks else [Text("nobody is at work here", style="dim")]
    more, idle = len(moving) - len(blocks), len(watch.known) - len(moving)
    other = [f"{more} more at work: j and k show them"] * bool(more) + [f"{idle} at rest: kilter ls"] * bool(idle)
    rest += [Text("; ".join(other), style="dim")] if other else []
    rest += [Text(one_line(why, width), style="red") for why in watch.damaged.values()]
    if height is not None:
        chosen = f"{moving[watch.place].name}: " if moving else ""
        rest.append(Text(watch.said or f"{chosen}p pause or go on · s stop   j k another one · q leave", style="dim"))
    return Group(*blocks, *rest)


def _shown(sizes: list[int], place: int, room: int) -> tuple[int, int]:
    """The first and the end of the blocks of these sizes that there is room for: all, or some from a place on.

    >>> _shown([5, 5, 5], 1, 20), _shown([5, 5, 5], 1, 12), _shown([50, 5], 0, 12)
    ((0, 3), (1, 3), (0, 1))
    """
    first = 0 if sum(sizes) <= room else place
    end, left = first, room
    while end < len(sizes) and (sizes[end] <= left or end == first):
        left -= sizes[end]
        end += 1
    return first, end


@contextmanager
def keys() -> Iterator[Callable[[float], str]]:
    """Gives a function that waits so many seconds for a key, "" for none; keys are not echoed meanwhile."""
    import select
    import termios
    import tty

    stdin = sys.stdin.fileno()
    before = termios.tcgetattr(stdin)

    def pressed(seconds: float) -> str:
        ready, _, _ = select.select([stdin], [], [], seconds)
        typed = os.read(stdin, 32).decode(errors="replace") if ready else ""
        return ARROWS.get(typed, typed[-1:] if typed[:1] != ESCAPE else typed)

    try:
        tty.setcbreak(stdin)
        yield pressed
    finally:
        termios.tcsetattr(stdin, termios.TCSADRAIN, before)
