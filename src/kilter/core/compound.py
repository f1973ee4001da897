"""Parameters whose value is made of several scalar ones: a point of a simplex, a subset, a cell of a network.

    value    what the objective receives under the compound's own name           (0.2, 0.5, 0.3)
    plain    the same as JSON, for files, tables and what a user enqueues         [0.2, 0.5, 0.3]
    parts    plain values of scalar parameters, which are dimensions of the space {"1": 0.2, "2": 0.7}

A space takes a compound `w` apart into parameters `w.1`, `w.2`, …, and these are all that samplers, models, the log and
storages ever see; where values leave the space, `w` is put together again. Several forms of the parts may stand for one
value; `canonical` picks the form by which it is known, so that none is tried twice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import Field, dataclass, fields, replace
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from kilter.core.errors import InvalidInput
from kilter.core.parameter import UNSET, Parameter, Plain

MOST_FORMS = 1 << 16
"""A grid lists at most so many forms of a compound."""


@dataclass(frozen=True, eq=False, repr=False)
class Compound(Parameter):
    """Shared by the kinds that have parts; `examples/extending/parameter.py` is a short one to copy.

    A kind is a frozen dataclass whose own fields are JSON. It says what its `parts` are, which may not have conditions,
    and how to `assemble` and `dissolve` a value; where several forms stand for one value, `is_unique` is False and
    `canonical` picks one. Its line in `core.kinds.KINDS` lets a log, the command line and files know it.
    """

    def __post_init__(self) -> None:
        self._check_default_and_prior()

    is_scalar = False

    def parts(self) -> Mapping[str, Parameter]:
        """The scalar parameters that a value is made of, by what stands after the dot in their names."""
        raise NotImplementedError

    @cached_property
    def _parts(self) -> dict[str, Parameter]:
        return dict(self.parts())

    def assemble(self, plains: Mapping[str, Any]) -> Any:
        """The value that plain values of the parts stand for, in whichever form."""
        raise NotImplementedError

    def dissolve(self, value: Any) -> dict[str, Plain]:
        """The canonical form of a value, or of its plain form; raises InvalidInput where it is not legal."""
        raise NotImplementedError

    def canonical(self, plains: Mapping[str, Any]) -> dict[str, Any]:
        """The form by which the value of these parts is known; its own canonical form is itself."""
        return dict(plains)

    def canonical_units(self, units: np.ndarray) -> np.ndarray:
        """Canonical forms of many values at once: positions of the parts in [0, 1], shape (n, parts), and back."""
        different, which = np.unique(units, axis=0, return_inverse=True)
        for row in different:
            form = self.canonical({name: part.from_unit(float(u)) for (name, part), u in zip(self._parts.items(), row)})
            row[:] = [part.unit(form[name]) for name, part in self._parts.items()]
        return np.asarray(different[which.reshape(-1)])

    def forms(self, n: int | None = None) -> list[dict[str, Any]]:
        """The canonical forms with at most n values a part, all of them without n; InvalidInput where they are many."""
        grids = [part.grid(n or int(part.size)) for part in self._parts.values()]
        if math.prod(map(len, grids)) > MOST_FORMS:
            raise InvalidInput(f"{self!r} has more than {MOST_FORMS} forms, too many for a grid: make it smaller")
        found = (self.canonical(dict(zip(self._parts, values))) for values in product(*grids))
        return list({tuple(form.items()): form for form in found}.values())

    @property
    def size(self) -> float:
        return math.prod(part.size for part in self._parts.values())

    # What every parameter answers.

    def plain(self, value: Any) -> Any:
        return _as_json(self.value(value))

    def value(self, plain: Any) -> Any:
        return self.assemble(self.dissolve(plain))

    def contains(self, plain: Any) -> bool:
        try:
            self.dissolve(plain)
        except InvalidInput:
            return False
        return True

    def _united(self, other: Parameter) -> Parameter:
        if not self.covers(other):
            raise InvalidInput(f"{self!r} and {other!r} differ, and what has parts cannot be widened")
        return self

    def _covers(self, other: Any) -> bool:
        return bool(self._own_json() == other._own_json())

    @classmethod
    def _own(cls) -> list[Field[Any]]:
        """The fields that are not of every parameter."""
        shared = {field.name for field in fields(Parameter)}
        return [field for field in fields(cls) if field.name not in shared]

    def _own_json(self) -> dict[str, Any]:
        return {field.name: _as_json(getattr(self, field.name)) for field in self._own()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Compound:
        return cls(**{field.name: data[field.name] for field in cls._own() if field.name in data})

    def _positional(self) -> tuple[Any, ...]:
        return tuple(getattr(self, field.name) for field in self._own() if not field.kw_only)

    def _optional(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in self._own() if field.kw_only}

    # What a space asks.

    def names(self, name: str) -> list[str]:
        """The names of the parts in a space, in which the compound is called `name`."""
        return [f"{name}.{suffix}" for suffix in self._parts]

    def named(self, name: str, plains: Mapping[str, Any]) -> dict[str, Any]:
        """Values of the parts by their names in a space."""
        return {f"{name}.{suffix}": plains[suffix] for suffix in self._parts}

    def taken(self, name: str, config: Mapping[str, Any]) -> dict[str, Any] | None:
        """The values of the parts in a configuration; None where it does not have all of them, or an illegal one."""
        plains = {suffix: config.get(f"{name}.{suffix}", UNSET) for suffix in self._parts}
        return plains if all(part.contains(plains[suffix]) for suffix, part in self._parts.items()) else None

    def expanded(self, name: str) -> dict[str, Parameter]:
        """The parts as parameters of a space, active where the compound is, with its default and prior as theirs."""
        parts = {suffix: replace(part, conditions=self.conditions) for suffix, part in self._parts.items()}
        if self.has_default:
            plains = self.dissolve(self.default)
            parts = {suffix: replace(part, default=part.value(plains[suffix])) for suffix, part in parts.items()}
        if self.prior is not None:
            likeliest, prior = self.dissolve(self.prior.value), self.prior
            parts = {s: replace(p, prior=replace(prior, value=p.value(likeliest[s]))) for s, p in parts.items()}
        return self.named(name, parts)


def _as_json(value: Any) -> Any:
    return [_as_json(item) for item in value] if isinstance(value, (list, tuple)) else value
