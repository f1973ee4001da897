"""What a trial that was stopped after some of its parts would have come to: folds, seeds or data sets.

A trial that a race has ended is known by the mean over the parts that it met, which are others than those of the next
one, and may be easier than the rest. Beside what complete trials scored on the same parts, it is comparable:

    expected = mean of their values + mean over its parts of (own score - their mean on that part)

Only trials that had ended before it count, so what is expected of a trial never changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import fsum, isfinite
from typing import Union

Scores = Mapping[Union[int, str], float]
"""By part."""


@dataclass
class Parts:
    """What complete trials have scored so far: sums and counts of their values, and of their scores on each part."""

    total: float = 0.0
    count: int = 0
    by_part: dict[int | str, tuple[float, int]] = field(default_factory=dict)

    def add(self, value: float, scores: Scores) -> None:
        """Take in a complete trial; one with a value or a score that is no number is no measure for others."""
        if not scores or not all(map(isfinite, [value, *scores.values()])):
            return
        self.total, self.count = self.total + value, self.count + 1
        for part, score in scores.items():
            total, count = self.by_part.get(part, (0.0, 0))
            self.by_part[part] = total + score, count + 1

    def expected(self, scores: Scores) -> float | None:
        """The value to expect of a trial with these scores; None where no complete one has a part in common with it.

        >>> parts = Parts()
        >>> parts.add(5.0, {"easy": 1.0, "hard": 9.0})
        >>> parts.expected({"easy": 1.5})
        5.5
        """
        apart = []
        for part, score in scores.items():
            if part in self.by_part:
                total, count = self.by_part[part]
                apart.append(score - total / count)
        expected = self.total / self.count + fsum(apart) / len(apart) if apart else None
        return expected if expected is not None and isfinite(expected) else None
