"""How much time a fit still has, by one clock, and what may still begin."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

RESERVED = 0.06
"""The share of the time that is kept for weights and the estimate."""

CARE = 1.15
"""Expected seconds are taken so many times: what is begun and does not end was for nothing."""


def clock() -> float:
    """Seconds that only go forward."""
    return time.monotonic()


@dataclass(frozen=True)
class Budget:
    """`seconds` from now on, infinite where nothing limits them, of which a share is `reserved`; the clock is given.

    >>> now = iter([0.0, 4.0, 4.0])
    >>> budget = Budget(10.0, lambda: next(now))
    >>> round(budget.left(), 1), budget.allows(5.0)
    (5.4, False)
    """

    seconds: float = math.inf
    clock: Callable[[], float] = clock
    reserved: float = RESERVED
    began: float = math.nan
    """When, by the clock; by default now."""

    def __post_init__(self) -> None:
        if math.isnan(self.began):
            object.__setattr__(self, "began", self.clock())

    def reserving(self, share: float) -> Budget:
        """The same seconds, of which another share is kept for the end."""
        return replace(self, reserved=share)

    def spent(self) -> float:
        """Seconds since it began."""
        return self.clock() - self.began

    def left(self) -> float:
        """Seconds that members may still take."""
        return self.seconds * (1 - self.reserved) - self.spent()

    def allows(self, expected: float) -> bool:
        """Whether what is expected to take so many seconds may begin."""
        return expected * CARE < self.left()

    def share(self, fraction: float) -> Callable[[], float]:
        """The seconds that are left of a fraction of what is left now: an allowance for one fit."""
        left = self.left()
        ends = math.inf if left == math.inf else self.clock() + fraction * left
        return lambda: ends - self.clock()
