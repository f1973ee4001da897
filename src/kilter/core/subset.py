"""Which of a list of things: the features of a model, the members of an ensemble."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING, Any

from kilter.core.compound import MOST_FORMS, Compound
from kilter.core.errors import InvalidInput
from kilter.core.options import Boolean, Ordinal, options_of
from kilter.core.parameter import Parameter
from kilter.core.seeds import rng

if TYPE_CHECKING:
    import numpy as np
    from typing_extensions import Self


@dataclass(frozen=True, eq=False, repr=False)
class Subset(Compound):
    """Some of the items, as a tuple in the order of the list; `count` says how many: a number, or (fewest, most).

    There is a part for each item, named by it: whether it is in. Without a prior each item is in half of the subsets.
    A combination that `count` rules out stands for the subset that a few items more, or fewer, make of it, always the
    same ones, as if by chance; so none is tried twice, whichever combinations stood for it.

    >>> Subset(["age", "income", "height"], count=2).assemble({"age": True, "income": False, "height": True})
    ('age', 'height')
    """

    items: Any
    count: Any = field(default=None, kw_only=True)

    kind = "subset"

    def __post_init__(self) -> None:
        object.__setattr__(self, "items", options_of(self.items, "Subset"))
        texts = [str(label) for label in self._options.labels]
        if len(set(texts)) < len(texts):
            raise InvalidInput(f"{self!r}: two items read alike as text: give them other names")
        fewest, most = self._range
        if not (type(fewest) is type(most) is int and 0 <= fewest <= most <= len(texts)):
            raise InvalidInput(
                f"count={self.count!r} of a Subset of {len(texts)} items: give a number of items, or (fewest, most)"
            )
        super().__post_init__()

    @cached_property
    def _options(self) -> Ordinal:
        return Ordinal(self.items)

    @property
    def _range(self) -> tuple[Any, Any]:
        """The fewest and the most items."""
        if self.count is None:
            return 0, len(self.items)
        is_pair = isinstance(self.count, (tuple, list)) and len(self.count) == 2
        fewest, most = self.count if is_pair else (self.count, self.count)
        return fewest, most

    @property
    def values(self) -> tuple[Any, ...]:
        return tuple(self.items)

    @property
    def is_unique(self) -> bool:  # type: ignore[override]
        return self._range == (0, len(self.items))

    def parts(self) -> Mapping[str, Boolean]:
        return {str(label): Boolean() for label in self._options.labels}

    def assemble(self, plains: Mapping[str, Any]) -> tuple[Any, ...]:
        form = self.canonical(plains)
        return tuple(self._options.value(label) for label in self._options.labels if form[str(label)])

    def dissolve(self, value: Any) -> dict[str, Any]:
        if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
            raise InvalidInput(f"{value!r} is not a list of items of {self!r}")
        labels = [self._options.plain(item) for item in value]
        chosen, (fewest, most) = {str(label) for label in labels}, self._range
        if len(chosen) < len(labels) or not fewest <= len(chosen) <= most:
            how_many = fewest if fewest == most else f"{fewest} to {most}"
            raise InvalidInput(f"{value!r} is not a choice of {how_many} different items of {self!r}")
        return {name: name in chosen for name in self._parts}

    def plain(self, value: Any) -> Any:
        form = self.dissolve(value)
        return [label for label in self._options.labels if form[str(label)]]

    def canonical(self, plains: Mapping[str, Any]) -> dict[str, Any]:
        chosen, (fewest, most) = [bool(is_in) for is_in in plains.values()], self._range
        missing = min(max(sum(chosen), fewest), most) - sum(chosen)
        if missing:
            bits = int("".join("01"[is_in] for is_in in chosen), 2)
            order = rng(0, "subset", bits).permutation(len(chosen))
            for place in [place for place in order if chosen[place] == (missing < 0)][: abs(missing)]:
                chosen[place] = missing > 0
        return dict(zip(plains, chosen))

    def canonical_units(self, units: np.ndarray) -> np.ndarray:
        (fewest, most), counts = self._range, (units >= 0.5).sum(axis=1)
        strange = (counts < fewest) | (counts > most)
        units = units.copy()
        units[strange] = super().canonical_units(units[strange])
        return units

    def forms(self, n: int | None = None) -> list[dict[str, Any]]:
        if n == 1 or self.size > MOST_FORMS:
            return super().forms(n)
        names, (fewest, most) = list(self._parts), self._range
        chosen = (some for count in range(fewest, most + 1) for some in combinations(names, count))
        return [{name: name in some for name in names} for some in chosen]

    @property
    def size(self) -> float:
        fewest, most = self._range
        return sum(math.comb(len(self.items), count) for count in range(fewest, most + 1))

    def _united(self, other: Parameter) -> Parameter:
        super()._united(other)
        return replace(self, items=self._options.merged(Ordinal(other.values)).values)

    def _own_json(self) -> dict[str, Any]:
        return {"items": self._options.to_json()["values"], "count": list(self._range)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Subset:
        return cls(Ordinal.from_json({"values": data["items"]}).values, count=tuple(data["count"]))

    @classmethod
    def written(cls, words: list[Any], **settings: Any) -> Self:
        return cls(words, **settings)

    def _positional(self) -> tuple[Any, ...]:
        return (list(self.items),)

    def _optional(self) -> dict[str, Any]:
        fewest, most = self._range
        return {"count": None if self.is_unique else fewest if fewest == most else (fewest, most)}
