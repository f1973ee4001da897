"""What a look at a study found, in words, and what all looks are taken at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from kilter.analysis.convergence import candidates
from kilter.analysis.design import Design
from kilter.core.history import History, Record
from kilter.core.pareto import non_dominated

ACT, LOOK, NOTE = SEVERITIES = ("act", "look", "note")
"""Something is wrong and can be mended; something may be; something is good to know."""

NAME = 40
"""Characters of a name that a sentence shows."""


@dataclass(frozen=True)
class Finding:
    """One thing that there is to say of a study."""

    kind: str
    """Which check found it, such as "bound" or "plateau"."""
    severity: str
    """"act", "look" or "note"."""
    sentence: str
    """What was found, one line in plain English that a terminal may be shown."""
    action: str
    """What to do about it; one line."""
    numbers: Mapping[str, Any] = field(default_factory=dict)
    """The numbers that it rests on, by name."""
    parameters: tuple[str, ...] = ()
    """The parameters that it is about."""
    trials: tuple[int, ...] = ()
    """Trials that show it, at most a few."""


@dataclass(frozen=True, eq=False)
class Subject:
    """What checks look at: a history, what time it is, and how many trials the study gets in all, if that is known."""

    history: History
    now: float
    budget: int | None = None
    seed: int = 0
    design: Design | None = None
    """What an evaluation is made of; None for what is inferred from the reports."""

    @property
    def is_single(self) -> bool:
        """Whether there is one objective."""
        return len(self.history.problem.objectives) == 1

    @cached_property
    def ended(self) -> list[Record]:
        """Trials that finished and count, in the order in which they ended."""
        return [trial for number in self.history.finished if not (trial := self.history[number]).forgiven]

    @cached_property
    def best(self) -> np.ndarray:
        """Complete, feasible, finite trials, the best first; of several objectives front after front."""
        known = np.flatnonzero(candidates(self.history))
        losses = self.history.values[known]
        if self.is_single:
            return known[np.argsort(losses[:, 0], kind="stable")]
        found: list[np.ndarray] = []
        while len(known) and len(found) < 10:
            kept = non_dominated(losses)
            found.append(known[kept])
            known, losses = known[~kept], losses[~kept]
        return np.concatenate([*found, known]) if found else known

    @cached_property
    def since_best(self) -> int:
        """How many trials have ended since the best one did."""
        numbers = self.history.finished
        return len(numbers) - 1 - numbers.index(int(self.best[0])) if len(self.best) else len(numbers)


def share(part: float) -> str:
    """A share in percent.

    >>> share(0.314), share(0.004), share(0.999)
    ('31 %', '0.4 %', '99.9 %')
    """
    return f"{100 * part:.1f} %" if 0 < part < 0.01 or 0.99 < part < 1 else f"{100 * part:.0f} %"


def chance(probability: float) -> str:
    """A probability in percent, no surer than anybody is.

    >>> chance(0.82), chance(0.9997), chance(0.0)
    ('82 %', 'more than 99 %', 'less than 1 %')
    """
    if probability > 0.99:
        return "more than 99 %"
    return "less than 1 %" if probability < 0.01 else share(probability)


def duration(seconds: float) -> str:
    """A length of time in a fitting unit.

    >>> duration(0.25), duration(90), duration(5400), duration(200_000)
    ('0.25 s', '90 s', '90 min', '56 h')
    """
    if seconds >= 2 * 3600:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.2g} s"


def times(count: int, what: str) -> str:
    """A count with its noun.

    >>> times(1, "trial"), times(3, "trial")
    ('1 trial', '3 trials')
    """
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
