"""How long a sampler thinks and trials last: it says whether slots wait for suggestions, and are to have them ahead."""

from __future__ import annotations

from dataclasses import dataclass

LATEST = 32
"""A mean follows about so many of the latest durations."""
FEW = 4
"""With fewer slots a suggestion that knows one result less costs more than the wait for it."""
OFTEN = 0.5
"""A sampler that thinks for a larger share of the time than this is asked ahead. From here on s slots would stand idle
for three quarters of 1/s of the time and soon for all of it, and a suggestion made ahead costs a search as much as one
slot more, of which each follows from fewer results: at most 1/s of its way."""


@dataclass
class Lasting:
    """The mean of durations, in seconds: of all at first, later of about the LATEST."""

    mean: float = 0.0
    count: int = 0

    def take(self, seconds: float) -> None:
        """One more duration.

        >>> thinking = Lasting()
        >>> thinking.take(1.0), thinking.take(2.0), thinking.mean
        (None, None, 1.5)
        """
        self.count = min(self.count + 1, LATEST)
        self.mean += (seconds - self.mean) / self.count


def slots_would_wait(slots: int, thinking: Lasting, trials: Lasting) -> bool:
    """Whether a sampler that thinks for so long keeps so many slots waiting, where trials last so long."""
    return slots >= FEW and trials.count > 0 and slots * thinking.mean > OFTEN * trials.mean
