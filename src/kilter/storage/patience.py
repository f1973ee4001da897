"""Trying again, for a while, what failed because the other end could not be reached."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

PATIENCE = 60.0
"""Seconds for which a storage is tried that cannot be reached."""
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 5.0

_chance = random.SystemRandom()
"""Not that of a study: whoever lost the same server is not to come back at the same instant."""


def tries(seconds: float = PATIENCE) -> Iterator[int]:
    """The numbers of the tries, from 1 on: the first at once, each further one after a pause, about twice the last.

    It ends once that many seconds are over; who is still in it then gives up.

    >>> next(tries())
    1
    """
    end, pause, number = time.monotonic() + seconds, FIRST_PAUSE, 1
    yield number
    while time.monotonic() < end:
        time.sleep(pause * _chance.uniform(0.5, 1.0))
        pause, number = min(2 * pause, LONGEST_PAUSE), number + 1
        yield number
