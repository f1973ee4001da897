"""What was computed once and would come out the same again: remembered, never needed."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

MOST = 1_000
"""So many values are remembered, unless said otherwise; beyond, the oldest go."""

Value = TypeVar("Value")


class Memo:
    """At most so many values by key, each computed when it is first asked for. Copies and pickles begin empty.

    >>> squares = Memo()
    >>> squares.of(3, lambda: 3 * 3), squares.of(3, lambda: 1 / 0)
    (9, 9)
    """

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self._values: dict[Hashable, Any] = {}

    def __len__(self) -> int:
        return len(self._values)

    def __reduce__(self) -> tuple[type[Memo], tuple[int]]:
        return Memo, (self.most,)

    def of(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value of a key, made where it is not known."""
        found: tuple[Value] | None = self._values.get(key)
        if found is None:
            found = (make(),)
            while len(self._values) >= self.most:
                self._values.pop(next(iter(self._values)), None)
            self._values[key] = found
        return found[0]
