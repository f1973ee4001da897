"""What is let go of before this process is forked, and taken up again after it."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol


class Held(Protocol):
    """Something that must not be open while a process is forked."""

    def let_go(self) -> bool:
        """Close it and keep others from opening it; False where somebody is at work on it for longer than a moment."""

    def take_up(self) -> None:
        """Let others at it again; whoever needs it opens it."""

    def forsake(self) -> None:
        """Leave alone, in the new process, what could not be let go."""


_ALL: weakref.WeakSet[Held] = weakref.WeakSet()

_HERE = threading.local()
"""What a thread has let go of to fork."""


def watch(held: Held) -> None:
    """Have it let go from now on."""
    _ALL.add(held)


def _let_go() -> None:
    _HERE.resting = [held for held in tuple(_ALL) if held.let_go()]


def _take_up() -> None:
    for held in _HERE.resting:
        held.take_up()
    _HERE.resting = []


def _take_up_in_child() -> None:
    for held in set(_ALL).difference(_HERE.resting):
        held.forsake()
    _take_up()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_let_go, after_in_parent=_take_up, after_in_child=_take_up_in_child)
