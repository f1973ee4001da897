"""Trying again, for a while, what failed because the other end could not be reached."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator

PATIENCE = 60.0
"""Seconds for which a storage is tried that cannot be reached."""
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 5.0
LAST = 3.0
"""Seconds that are left, for all that is still to be written, once the user wants to be gone; ..."""
LEAST = 0.2
"""... but so many for each, since a connection that has been idle too long is there again at once."""
GLANCE = 0.1
"""Seconds of a pause in which that is not noticed."""

_chance = random.SystemRandom()
"""Not that of a study: whoever lost the same server is not to come back at the same instant."""


def tries(seconds: float = PATIENCE) -> Iterator[int]:
    """The numbers of the tries, from 1 on: the first at once, each further one after a pause, about twice the last.

    It ends once that many seconds are over; who is still in it then gives up.

    >>> next(tries())
    1
    """
    began, pause, number = time.monotonic(), FIRST_PAUSE, 1
    yield number
    while time.monotonic() < _end(began, seconds):
        until = time.monotonic() + pause * _chance.uniform(0.5, 1.0)
        while (left := min(until, _end(began, seconds)) - time.monotonic()) > 0:
            time.sleep(min(left, GLANCE))
        pause, number = min(2 * pause, LONGEST_PAUSE), number + 1
        yield number


def hurry(on: bool = True) -> None:
    """The user wants to be gone, or does not any more: what is tried then gives up soon. For handlers of signals."""
    global _hurried
    _hurried = time.monotonic() if on else math.inf


_hurried = math.inf
"""Since when there is hurry, by time.monotonic. A plain variable, since a handler may wait for no lock."""


def _end(began: float, seconds: float) -> float:
    return min(began + seconds, max(began + LEAST, _hurried + LAST))
