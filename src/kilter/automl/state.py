"""What a fitted thing is made of, in parts that need no pickle: plain values, arrays of numbers, texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class State:
    """JSON values, arrays without objects, and long texts (such as a booster's own), each by name.

    Whatever is fitted gives its state and is built again from it, with equal predictions to the last bit.

    >>> whole = State.of({"left": State({"depth": 3}), "right": State(texts={"tree": "…"})})
    >>> whole.part("left").values, whole.part("right").texts
    ({'depth': 3}, {'tree': '…'})
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, parts: Mapping[str, State]) -> State:
        """One state of several, each under its name, which has no "/"."""
        return cls(
            {name: dict(part.values) for name, part in parts.items()},
            {f"{name}/{key}": array for name, part in parts.items() for key, array in part.arrays.items()},
            {f"{name}/{key}": text for name, part in parts.items() for key, text in part.texts.items()},
        )

    def part(self, name: str) -> State:
        """The state that went into `of` under this name."""
        return State(self.values[name], _under(name, self.arrays), _under(name, self.texts))


def _under(name: str, things: Mapping[str, Any]) -> dict[str, Any]:
    return {key.removeprefix(f"{name}/"): thing for key, thing in things.items() if key.startswith(f"{name}/")}
