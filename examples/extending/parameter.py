"""A kind of parameter of your own: an interval within bounds, which two numbers stand for in either order.

Samplers, storages and the log only ever see the two numbers. The line at the end makes the kind known to whoever reads
a log that has it, so a process that opens such a study imports this module first.

    kilter.tune(objective, {"band": Interval(0.0, 10.0)}, n_trials=50)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kilter.core.compound import Compound
from kilter.core.errors import InvalidInput
from kilter.core.kinds import KINDS
from kilter.core.numbers import Float


@dataclass(frozen=True, eq=False, repr=False)
class Interval(Compound):
    """A pair (start, end) with low <= start <= end <= high.

    >>> Interval(0.0, 10.0).assemble({"one": 7.0, "other": 2.0})
    (2.0, 7.0)
    """

    low: float
    high: float

    kind = "interval"
    is_unique = False

    def parts(self) -> Mapping[str, Float]:
        """Two numbers between the bounds; Float says what is wrong with those."""
        return {"one": Float(self.low, self.high), "other": Float(self.low, self.high)}

    def assemble(self, plains: Mapping[str, Any]) -> tuple[float, float]:
        """The interval between the two numbers."""
        return min(plains.values()), max(plains.values())

    def dissolve(self, value: Any) -> dict[str, Any]:
        """Its start and its end."""
        if not isinstance(value, (list, tuple)) or len(value) != 2 or value[0] > value[1]:
            raise InvalidInput(f"{value!r} is not an interval: give (start, end)")
        return {name: part.plain(end) for (name, part), end in zip(self.parts().items(), value)}

    def canonical(self, plains: Mapping[str, Any]) -> dict[str, Any]:
        """The smaller number first."""
        return dict(zip(plains, self.assemble(plains)))


KINDS[Interval.kind] = Interval
