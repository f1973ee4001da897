"""Bounds on a study, and what each is called where a person gives it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields, replace
from numbers import Real
from typing import Any

from kilter.core.errors import InvalidInput
from kilter.core.vocabulary import answers_other_settings

MISTAKEN = 2
"""Where so many of the first trials returned what cannot be used, a name is misspelt, or a return is missing; one could
be a configuration for which the objective has no value.
"""


@answers_other_settings
@dataclass(frozen=True)
class Limits:
    """Bounds on a study; None is no bound. Raises InvalidInput for what is no number that can be one.

    trials     how many trials the study gets in total, over all workers and restarts
    seconds    how long this run may last; what runs then is cut, and goes on next time
    cost       how long all trials together may run
    steps      how many steps (epochs, say) trials may report in total: the last one of each, summed
    target     stop once the first objective is at least this good
    patience   stop after so many finished trials without a better one
    gain       stop once the next hour is expected to improve the only objective by less than this, or noise hides it; 0
               ends no study whose results are exact
    failures   give up when so many trials of a run, one after the other, failed in the same way; see Tally
    unusable   give up when so many of a run's first trials returned what cannot be used, NaN aside

    `seconds` and `cost` are in seconds. Only `seconds` end what runs; the others keep new trials from being started.

    >>> Limits(target=0.01, patience=50).are_given
    True
    """

    trials: int | None = None
    seconds: float | None = None
    cost: float | None = None
    steps: int | None = None
    target: float | None = None
    patience: int | None = None
    gain: float | None = None
    failures: int | None = 10
    unusable: int | None = None

    def __post_init__(self) -> None:
        for name in COUNTS:
            value = getattr(self, name)
            if value is not None and (not _is_number(value) or value % 1 != 0 or value < 0):
                raise InvalidInput(f"{spoken(name)}={value!r}: give a whole number from 0 on, or None for no limit")
        for name in (*DURATIONS, "gain"):
            value = getattr(self, name)
            if value is not None and not (_is_number(value) and value >= 0):
                raise InvalidInput(f"{spoken(name)}={value!r}: give a number from 0 on, or None for no limit")
        if self.target is not None and (not _is_number(self.target) or math.isnan(self.target)):
            raise InvalidInput(f"target={self.target!r} is never reached: give a number, or None for no limit")

    @property
    def are_given(self) -> bool:
        """Whether anything but failures ends the study."""
        return any(getattr(self, name) is not None for name in BOUNDS)

    def with_(self, **given: float | None) -> Limits:
        """These limits with those of the given ones that are not None; raises InvalidInput for one that is there."""
        added = {name: value for name, value in given.items() if value is not None}
        for name in added:
            if getattr(self, name) is not None:
                raise InvalidInput(f"{spoken(name)}= and Limits({name}=…) mean the same: give one of them")
        return replace(self, **added)  # type: ignore[arg-type]  # __post_init__ sees what they are


BOUNDS = tuple(each.name for each in fields(Limits) if each.name not in ("failures", "unusable"))
"""The limits that end a study in which nothing is wrong."""
COUNTS = ("trials", "steps", "patience", "failures", "unusable")
"""Limits that are whole numbers."""
DURATIONS = ("seconds", "cost")
"""Limits in seconds."""
SAYS = dict(re.findall(r"^ +(\w+) {2,}(\S.*)$", Limits.__doc__ or "", re.MULTILINE))
"""What each limit is, in a line."""


def spoken(name: str) -> str:
    """What arguments, options and keys of files call a limit.

    >>> spoken("seconds")
    'timeout'
    """
    return {"trials": "n_trials", "seconds": "timeout"}.get(name, name)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
