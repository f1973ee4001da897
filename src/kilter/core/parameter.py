"""One dimension of a search space and its map to the unit interval.

Three representations of a value meet here:

    value   what the objective receives: any Python object                       (64, 32)   nn.ReLU   0.01
    plain   what the log, the history and the samplers hold: a JSON scalar       "(64, 32)" "ReLU"    0.01
    unit    what models compute with: a float in [0, 1]                          0.25       0.75      0.5

`plain(value)` and `value(plain)` are inverse; `unit(plain)` and `from_unit(u)` are inverse on what `from_unit` yields:
it rounds to about 12 digits of the range, so that going to the cube and back is exact although logarithms are not.
Categories lie at the centres of equal cells, integers too (in log scale: cells of the logs of their borders).
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Union

import numpy as np

from kilter.core.errors import InvalidInput
from kilter.core.names import in_optunas_words

if TYPE_CHECKING:
    from typing_extensions import Self

Plain = Union[None, bool, int, float, str]
"""A value as the log holds it."""

CONFIDENCES = {"low": 0.5, "medium": 0.25, "high": 0.125}
"""Standard deviation, in units of the range, of what a user believes of the optimum."""


@dataclass(frozen=True)
class Prior:
    """A belief about where good values lie: the likeliest value, and how sure you are.

    For a Choice, `confidence` is the share of draws that take the believed option: low 1/2, medium 3/4, high 7/8.

    >>> Prior(1e-3, "high")
    Prior(value=0.001, confidence='high')
    """

    value: Any
    confidence: str = "medium"

    def __post_init__(self) -> None:
        if self.confidence not in CONFIDENCES:
            raise InvalidInput(f"confidence={self.confidence!r} of a prior: choose one of {', '.join(CONFIDENCES)}")


@dataclass(frozen=True)
class Condition:
    """The parameter is active only where `parent` is active and its value is one of `values`.

    As the user writes them the values may be any objects; inside a Space they are plain.
    """

    parent: str
    values: tuple[Any, ...]

    def holds(self, config: Mapping[str, Plain]) -> bool:
        """Whether a plain configuration that has the parents already satisfies this condition."""
        return self.parent in config and any(same(config[self.parent], value) for value in self.values)


class _Unset:
    """The default of a parameter that has none; None cannot say it, since None may be an option."""

    def __repr__(self) -> str:
        return "no default"

    def __reduce__(self) -> str:
        return "UNSET"


UNSET = _Unset()


MOST_VALUES = 2**50
"""Cells of the unit interval that survive the way there and back."""

FINEST_STEP = 1e-13
"""Of the larger bound: finer steps would be lost in the rounding of floats."""

TINIEST = math.ulp(0.0)


def same(a: Any, b: Any) -> bool:
    """Equality that keeps 1, 1.0 and True apart, and finds NaN equal to itself."""
    return type(a) is type(b) and (a == b or (a != a and b != b))


@dataclass(frozen=True, eq=False)
class Parameter:
    """What all parameters share: conditions, a default and a prior. Use Float, Int, Ordinal, Choice or Boolean."""

    conditions: tuple[Condition, ...] = field(default=(), kw_only=True)
    default: Any = field(default=UNSET, kw_only=True)
    prior: Prior | None = field(default=None, kw_only=True)

    kind = "parameter"

    def when(self, conditions: Mapping[str, Any] | None = None, /, **more: Any) -> Self:
        """The same parameter, active only where each named parent has the given value, or one of the given list.

        >>> Float(0, 0.99).when(optimizer="sgd").conditions
        (Condition(parent='optimizer', values=('sgd',)),)
        """
        given = {**(conditions or {}), **more}
        if not given:
            raise InvalidInput("when() needs at least one parent: .when(optimizer='sgd')")
        new = tuple(Condition(name, _listed(values, name)) for name, values in given.items())
        return replace(self, conditions=self.conditions + new)

    # Each kind says how to go between the three representations; all are pure.

    def plain(self, value: Any) -> Plain:
        """The plain form of a value; raises InvalidInput where the value is not legal."""
        raise NotImplementedError

    def value(self, plain: Plain) -> Any:
        """The Python object that a plain value stands for."""
        return plain

    def contains(self, plain: Plain) -> bool:
        """Whether this plain value is legal."""
        raise NotImplementedError

    def unit(self, plain: Any) -> float:
        """The position of a plain value in [0, 1]."""
        raise NotImplementedError

    def units(self, plains: Sequence[Any]) -> np.ndarray:
        """The positions of many plain values, shape (n,)."""
        return np.array([self.unit(plain) for plain in plains], dtype=float)

    def from_unit(self, u: float) -> Plain:
        """The plain value at position u; positions outside [0, 1] are clipped."""
        raise NotImplementedError

    @property
    def size(self) -> float:
        """How many different values there are; math.inf for a continuous one."""
        raise NotImplementedError

    def single(self) -> bool:
        """Whether there is only one value; Optuna's word."""
        return self.size == 1

    def grid(self, n: int) -> list[Plain]:
        """All values where there are at most n, else n of them evenly spread in the parameter's own scale."""
        if self.size <= n:
            return [self._nth(i) for i in range(int(self.size))]
        points = [0.5] if n == 1 else [i / (n - 1) for i in range(n)]
        return list({_typed(value): value for value in map(self.from_unit, points)}.values())

    def _nth(self, i: int) -> Plain:
        """The i-th value of a parameter of finite size."""
        raise NotImplementedError

    def places(self, units: np.ndarray) -> np.ndarray:
        """Which of its values, counted from 0, positions in [0, 1] stand for, as floats; of a discrete kind."""
        return np.clip(np.floor(units * self.size), 0, self.size - 1)

    def units_at(self, places: np.ndarray) -> np.ndarray:
        """The positions of values given by their places; of a discrete kind."""
        return (places + 0.5) / self.size

    def from_uniform(self, u: float) -> Plain:
        """The value at quantile u of the prior; without a prior, of the uniform distribution."""
        if self.prior is None:
            return self.from_unit(u)
        return self.from_unit(_normal_quantile(u, self.unit(self.plain(self.prior.value)), self.prior.confidence))

    def merged(self, other: Parameter) -> Parameter:
        """The smallest parameter that holds the values of both and is active where either is.

        A default or prior of `other` replaces ours. Raises InvalidInput where the two cannot be joined.
        """
        joined = replace(self, default=UNSET, prior=None)._united(other)
        conditions = _united_conditions(self.conditions, other.conditions)
        default, prior = UNSET, None
        for told in (self, other):  # in their plain forms, since one of the two may know an option by its name alone
            if told.has_default:
                default = joined.value(told.plain(told.default))
            if told.prior is not None:
                prior = replace(told.prior, value=joined.value(told.plain(told.prior.value)))
        return replace(joined, conditions=conditions, default=default, prior=prior)

    def _united(self, other: Parameter) -> Parameter:
        """The parameter of our kind that holds the values of both."""
        raise NotImplementedError

    def covers(self, other: Parameter) -> bool:
        """Whether every value of `other` is one of ours, and in the same scale."""
        try:
            return type(self) is type(other) and self._covers(other)
        except (InvalidInput, ValueError):
            return False

    def _covers(self, other: Any) -> bool:
        raise NotImplementedError

    def under(self, branch: tuple[Condition, ...]) -> Parameter:
        """The same parameter with these (plain) conditions in place of its own."""
        return replace(self, conditions=branch)

    def to_json(self) -> dict[str, Any]:
        """This parameter as JSON-serialisable data."""
        data: dict[str, Any] = {"kind": self.kind, **self._own_json()}
        if self.conditions:
            data["when"] = [[condition.parent, list(condition.values)] for condition in self.conditions]
        if self.has_default:
            data["default"] = self.plain(self.default)
        if self.prior is not None:
            data["prior"] = [self.plain(self.prior.value), self.prior.confidence]
        return data

    @property
    def has_default(self) -> bool:
        """Whether the user gave a default."""
        return self.default is not UNSET

    def _own_json(self) -> dict[str, Any]:
        raise NotImplementedError

    def _check_default_and_prior(self) -> None:
        if self.has_default:
            self._named("default", self.default)
        if self.prior is not None:
            if not isinstance(self.prior, Prior):
                object.__setattr__(self, "prior", Prior(self.prior))
            self._named("prior", self.prior.value)

    def _named(self, role: str, value: Any) -> None:
        try:
            self.plain(value)
        except InvalidInput as error:
            raise InvalidInput(
                f"the {role} of {self!r} is not one of its values: {error}; give another {role}, or widen the parameter"
            ) from None

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    @cached_property
    def _text(self) -> str:
        return json.dumps(self.to_json(), default=repr)  # conditions may hold any objects until a Space takes them

    def __repr__(self) -> str:
        shown = [repr(value) for value in self._positional()]
        shown += [f"{name}={value!r}" for name, value in self._optional().items() if value]
        if self.has_default:
            shown.append(f"default={self.default!r}")
        if self.prior is not None:
            shown.append(f"prior={self.prior!r}")
        text = f"{type(self).__name__}({', '.join(shown)})"
        if self.conditions:
            text += f".when({ {c.parent: list(c.values) for c in self.conditions}!r})"
        return text

    def _positional(self) -> tuple[Any, ...]:
        return ()

    def _optional(self) -> dict[str, Any]:
        return {}


@dataclass(frozen=True, eq=False, repr=False)
class Float(Parameter):
    """A real number in [low, high]; `log` searches its logarithm; with `step`, only low + k·step.

    >>> Float(1e-5, 1e-1, log=True).from_unit(0.5)
    0.001
    """

    low: float
    high: float
    log: bool = field(default=False, kw_only=True)
    step: float | None = field(default=None, kw_only=True)

    kind = "float"

    def __post_init__(self) -> None:
        _check_log(self)
        _check_bounds(self, float)
        object.__setattr__(self, "low", float(self.low) + 0.0)  # + 0.0 makes -0.0 plain 0.0
        object.__setattr__(self, "high", float(self.high) + 0.0)
        if self.step is not None:
            if not (_is_finite(self.step) and self.step > 0):
                raise InvalidInput(f"step={self.step!r} of Float({self.low}, {self.high}): it must be above 0")
            object.__setattr__(self, "step", float(self.step))
            if self.step < FINEST_STEP * max(abs(self.low), abs(self.high)):
                raise InvalidInput(
                    f"step={self.step!r} of Float({self.low}, {self.high}) is too fine to tell values apart: drop step"
                )
        self._check_default_and_prior()

    @cached_property
    def _ends(self) -> tuple[float, float]:
        return (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)

    @cached_property
    def _scale(self) -> _Cells:
        return _Cells(self._grid, self.log)

    @cached_property
    def _grid(self) -> _Steps:
        assert self.step is not None
        return _Steps.between(self.low, self.high, self.step)

    @cached_property
    def _digits(self) -> int:
        """How many decimals (linear) or significant digits (log) survive the way to the cube and back."""
        low, high = self._ends
        largest = max(abs(low), abs(high), 1.0 if self.log else 0.0)
        resolution = max((high - low) * 1e-12, 64 * math.ulp(largest))
        return min(-math.ceil(math.log10(resolution)), 15 if self.log else 322)

    @cached_property
    def _near(self) -> float:
        return 0.5 * 10.0**-self._digits * (self.low if self.log else 1.0)

    @cached_property
    def _near_high(self) -> float:
        return 0.5 * 10.0**-self._digits * (self.high if self.log else 1.0)

    def plain(self, value: Any) -> float:
        if not _is_number(value):
            raise InvalidInput(f"{_shown(value)} is not a number, as Float({self.low}, {self.high}) needs")
        value = _unboxed(value)
        if not self.low <= value <= self.high:
            raise InvalidInput(f"{value!r} is outside [{self.low}, {self.high}]")
        number = float(value)
        if self.step is not None:
            near = self._grid.value(self._grid.index(number))
            if not self._is_near(near, number):
                raise InvalidInput(f"{value!r} is off the grid {self.low} + k·{self.step}: the nearest is {near}")
            return float(near)
        return number

    def _is_near(self, near: float, number: float) -> bool:
        assert self.step is not None
        return abs(near - number) <= 1e-9 * max(self.step, abs(number))

    def contains(self, plain: Plain) -> bool:
        if not isinstance(plain, float) or not self.low <= plain <= self.high:
            return False
        return self.step is None or self._is_near(self._grid.value(self._grid.index(plain)), plain)

    def unit(self, plain: Any) -> float:
        if self.step is not None:
            return self._scale.unit(self._grid.index(plain))
        low, high = self._ends
        if low == high:
            return 0.5
        u = ((math.log(plain) if self.log else plain) - low) / (high - low)
        return min(max(u, 0.0), 1.0)

    def units(self, plains: Sequence[Any]) -> np.ndarray:
        if self.step is not None:
            return super().units(plains)
        low, high = self._ends
        values = np.asarray(plains, dtype=float)
        if low == high:
            return np.full(len(values), 0.5)
        return np.clip(((np.log(values) if self.log else values) - low) / (high - low), 0.0, 1.0)

    def from_unit(self, u: float) -> float:
        if self.step is not None:
            return float(self._grid.value(self._scale.index(u)))
        if u <= 0.0:
            return self.low
        if u >= 1.0:
            return self.high
        low, high = self._ends
        value = low + u * (high - low)
        value = float(f"{math.exp(value):.{self._digits}g}") if self.log else round(value, self._digits) + 0.0
        # A rounded value next to a bound would become the bound on the way back; so it is the bound at once.
        if value - self.low <= self._near:
            return self.low
        return self.high if self.high - value <= self._near_high else value

    def places(self, units: np.ndarray) -> np.ndarray:
        return self._scale.indices(units)

    def units_at(self, places: np.ndarray) -> np.ndarray:
        return self._scale.units(places)

    @property
    def size(self) -> float:
        if self.step is not None:
            return self._grid.size
        return 1 if self.low == self.high else math.inf

    def _nth(self, i: int) -> Plain:
        return self.low if self.step is None else self._grid.value(i)

    def _united(self, other: Parameter) -> Parameter:
        if not isinstance(other, Float) or (self.log, self.step) != (other.log, other.step):
            raise InvalidInput(f"{self!r} and {other!r} differ in more than their bounds")
        if self.step is not None and not self._grid.aligned(other.low):
            raise InvalidInput(f"the grids of {self!r} and {other!r} do not meet")
        return replace(self, low=min(self.low, other.low), high=max(self.high, other.high))

    def _covers(self, other: Any) -> bool:
        scale = (self.log, self.step) == (other.log, other.step)
        aligned = self.step is None or self._grid.aligned(other.low)
        return scale and aligned and self.low <= other.low and other.high <= self.high

    def _own_json(self) -> dict[str, Any]:
        return {"low": self.low, "high": self.high, **_present(log=self.log, step=self.step)}

    def _positional(self) -> tuple[Any, ...]:
        return (self.low, self.high)

    def _optional(self) -> dict[str, Any]:
        return {"log": self.log, "step": self.step}


@dataclass(frozen=True, eq=False, repr=False)
class Int(Parameter):
    """A whole number from low to high, both included; `log` and `step` as for Float.

    >>> [Int(1, 9, step=4).from_unit(u) for u in (0.1, 0.5, 0.9)]
    [1, 5, 9]
    """

    low: int
    high: int
    log: bool = field(default=False, kw_only=True)
    step: int = field(default=1, kw_only=True)

    kind = "int"

    def __post_init__(self) -> None:
        _check_log(self)
        _check_bounds(self, int)
        object.__setattr__(self, "low", int(self.low))
        object.__setattr__(self, "high", int(self.high))
        if not _is_whole(self.step) or self.step < 1:
            raise InvalidInput(f"step={self.step!r} of Int({self.low}, {self.high}): it must be a whole number above 0")
        object.__setattr__(self, "step", int(self.step))
        if self._grid.size > MOST_VALUES:
            raise InvalidInput(
                f"Int({self.low}, {self.high}) holds more than {MOST_VALUES} values, which [0, 1] cannot tell "
                "apart: narrow it, or give a step"
            )
        self._check_default_and_prior()

    @cached_property
    def _grid(self) -> _Steps:
        return _Steps(self.low, self.high, self.step, (self.high - self.low) // self.step + 1)

    @cached_property
    def _scale(self) -> _Cells:
        return _Cells(self._grid, self.log)

    def plain(self, value: Any) -> int:
        if not _is_whole(value):
            raise InvalidInput(f"{_shown(value)} is not a whole number, as Int({self.low}, {self.high}) needs")
        number = int(value)
        if not self.low <= number <= self.high:
            raise InvalidInput(f"{value!r} is outside [{self.low}, {self.high}]")
        if (number - self.low) % self.step:
            raise InvalidInput(f"{value!r} is off the grid {self.low} + k·{self.step}")
        return number

    def contains(self, plain: Plain) -> bool:
        return type(plain) is int and self.low <= plain <= self.high and not (plain - self.low) % self.step

    def unit(self, plain: Any) -> float:
        return self._scale.unit((plain - self.low) // self.step)

    def from_unit(self, u: float) -> int:
        return int(self._grid.value(self._scale.index(u)))

    def places(self, units: np.ndarray) -> np.ndarray:
        return self._scale.indices(units)

    def units_at(self, places: np.ndarray) -> np.ndarray:
        return self._scale.units(places)

    @property
    def size(self) -> float:
        return self._grid.size

    def _nth(self, i: int) -> Plain:
        return int(self._grid.value(i))

    def _united(self, other: Parameter) -> Parameter:
        if not isinstance(other, Int) or (self.log, self.step) != (other.log, other.step):
            raise InvalidInput(f"{self!r} and {other!r} differ in more than their bounds")
        if (self.low - other.low) % self.step:
            raise InvalidInput(f"the grids of {self!r} and {other!r} do not meet")
        return replace(self, low=min(self.low, other.low), high=max(self.high, other.high))

    def _covers(self, other: Any) -> bool:
        scale = (self.log, self.step) == (other.log, other.step)
        aligned = (other.low - self.low) % self.step == 0
        return scale and aligned and self.low <= other.low and other.high <= self.high

    def _own_json(self) -> dict[str, Any]:
        return {"low": self.low, "high": self.high, **_present(log=self.log), "step": self.step}

    def _positional(self) -> tuple[Any, ...]:
        return (self.low, self.high)

    def _optional(self) -> dict[str, Any]:
        return {"log": self.log, "step": self.step if self.step != 1 else None}


@dataclass(frozen=True, eq=False, repr=False)
class _Listed(Parameter):
    """Shared by the kinds that list their values: the i-th of k lies at (i + 1/2) / k."""

    @property
    def values(self) -> tuple[Any, ...]:
        """The Python objects, in order."""
        raise NotImplementedError

    @property
    def choices(self) -> tuple[Any, ...]:
        """The values; Optuna's word."""
        return self.values

    @property
    def labels(self) -> tuple[Plain, ...]:
        """Their plain forms, in the same order."""
        raise NotImplementedError

    @cached_property
    def _place(self) -> dict[tuple[type, Plain], int]:
        return {(type(label), label): i for i, label in enumerate(self.labels)}

    def plain(self, value: Any) -> Plain:
        for label, known in zip(self.labels, self.values):
            if value is known:
                return label
        value = _unboxed(value)
        for equal in (_exactly, same, _alike, _congruent):
            for label, known in zip(self.labels, self.values):
                if _holds(equal, value, _unboxed(known)):
                    return label
        if isinstance(value, str) and (str, value) in self._place:
            return value
        shown = ", ".join(repr(v) for v in self.values[:10]) + (", …" if len(self.values) > 10 else "")
        raise InvalidInput(f"{value!r} is not one of {shown}")

    def value(self, plain: Plain) -> Any:
        return copied(self.values[self._place[type(plain), plain]])

    def contains(self, plain: Plain) -> bool:
        return (type(plain), plain) in self._place

    def unit(self, plain: Any) -> float:
        return (self._place[type(plain), plain] + 0.5) / len(self.labels)

    def from_unit(self, u: float) -> Plain:
        k = len(self.labels)
        return self.labels[min(max(int(u * k), 0), k - 1)]

    def _covers(self, other: Any) -> bool:
        return all(label in self._place for label in other._place)

    def index(self, plain: Plain) -> int:
        """The place of a plain value among the values."""
        return self._place[type(plain), plain]

    @property
    def size(self) -> float:
        return len(self.labels)

    def _nth(self, i: int) -> Plain:
        return self.labels[i]


@dataclass(frozen=True, eq=False, repr=False)
class Ordinal(_Listed):
    """One of an ordered list of values, such as sizes of which neighbours behave alike.

    >>> Ordinal([16, 32, 64, 128]).from_unit(0.3)
    32
    """

    values: Any = ()

    kind = "ordinal"

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", _options(self.values, "Ordinal"))
        object.__setattr__(self, "_labels", _labels(self.values))
        self._check_default_and_prior()

    @property
    def labels(self) -> tuple[Plain, ...]:
        return self._labels  # type: ignore[attr-defined, no-any-return]

    def _united(self, other: Parameter) -> Parameter:
        if not isinstance(other, Ordinal):
            raise InvalidInput(f"{self!r} and {other!r} are of different kinds")
        longer, shorter = (self, other) if self.size >= other.size else (other, self)
        kept = [label for label in longer.labels if shorter.contains(label)]
        if list(map(_typed, kept)) != list(map(_typed, shorter.labels)):
            raise InvalidInput(f"the order of {self!r} and {other!r} cannot be joined")
        known = {
            _typed(label): value for label, value in zip(shorter.labels, shorter.values) if not isinstance(value, Named)
        }
        values = [
            known.get(_typed(label), value) if isinstance(value, Named) else value
            for label, value in zip(longer.labels, longer.values)
        ]
        return replace(self, values=tuple(values))

    def _own_json(self) -> dict[str, Any]:
        return {"values": [_option_json(v, label) for v, label in zip(self.values, self.labels)]}

    def _positional(self) -> tuple[Any, ...]:
        return (list(self.values),)


@in_optunas_words({"choices": "options"})
@dataclass(frozen=True, eq=False, repr=False)
class Choice(_Listed):
    """One of several options without an order: any objects; a dict names them, or gives each its own sub-space.

    Functions and classes go by their name. Options come back to the objective as the objects they are, tuples
    included; of lists, dicts and sets it gets a copy of its own. Sub-parameters keep their own names and are
    active only under their option.

    >>> Choice(["relu", "gelu"]).from_unit(0.9)
    'gelu'
    >>> Choice({"svm": {"C": Float(1e-3, 1e3, log=True)}, "forest": {"depth": Int(1, 20)}}).values
    ('svm', 'forest')
    """

    options: Any = ()

    kind = "choice"

    def __post_init__(self) -> None:
        options = self.options
        branches: dict[str, dict[str, Parameter]] = {}
        if isinstance(options, Mapping):
            names = list(options)
            if any(not isinstance(name, str) for name in names):
                raise InvalidInput(f"the names of a Choice must be text, not {names!r}; a list of options needs none")
            if _has_subspaces(options):
                branches = {name: dict(sub or {}) for name, sub in options.items()}
                values, labels = _options(names, "Choice"), tuple(names)
            else:
                values, labels = _options(list(options.values()), "Choice"), tuple(names)
            _check_names(labels, values)
            object.__setattr__(self, "options", dict(options) if branches else dict(zip(labels, values)))
        else:
            values = _options(options, "Choice")
            labels = _labels(values)
            object.__setattr__(self, "options", values)
        object.__setattr__(self, "_values", values)
        object.__setattr__(self, "_labels", labels)
        object.__setattr__(self, "branches", branches)
        self._check_default_and_prior()

    branches = {}  # type: ignore[var-annotated]  # option -> its own parameters

    @property
    def values(self) -> tuple[Any, ...]:
        return self._values  # type: ignore[attr-defined, no-any-return]

    @property
    def labels(self) -> tuple[Plain, ...]:
        return self._labels  # type: ignore[attr-defined, no-any-return]

    def from_uniform(self, u: float) -> Plain:
        if self.prior is None:
            return self.from_unit(u)
        believed = self.index(self.plain(self.prior.value))
        share = 1.0 - CONFIDENCES[self.prior.confidence]
        k = len(self.labels)
        if k == 1 or u < share:
            return self.labels[believed]
        others = [i for i in range(k) if i != believed]
        return self.labels[others[min(int((u - share) / (1 - share) * (k - 1)), k - 2)]]

    def _united(self, other: Parameter) -> Parameter:
        if not isinstance(other, Choice) or self.kind != other.kind:
            raise InvalidInput(f"{self!r} and {other!r} are of different kinds")
        options = dict(zip(map(_typed, self.labels), zip(self.labels, self.values)))
        for label, value in zip(other.labels, other.values):
            _, known = options.get(_typed(label), (label, Named(str(label))))
            if isinstance(known, Named):  # as when a store knew the option by its name alone
                options[_typed(label)] = (label, value)
            elif _is_json(known) and _is_json(value) and not _exactly(known, value):
                raise InvalidInput(
                    f"the option {label!r} is both {known!r} and {value!r}: give one of them another name"
                )
        return replace(self, options=_declared(list(options.values())))

    def _own_json(self) -> dict[str, Any]:
        return {"options": [_option_json(v, label) for v, label in zip(self.values, self.labels)]}

    def _positional(self) -> tuple[Any, ...]:
        return (self.options if isinstance(self.options, Mapping) else list(self.values),)


@dataclass(frozen=True, eq=False, repr=False)
class Boolean(_Listed):
    """True or False.

    >>> Boolean().from_unit(0.8)
    True
    """

    kind = "boolean"
    values = (False, True)
    labels = (False, True)

    def __post_init__(self) -> None:
        self._check_default_and_prior()

    def _united(self, other: Parameter) -> Parameter:
        if not isinstance(other, Boolean):
            raise InvalidInput(f"{self!r} and {other!r} are of different kinds")
        return self

    def _own_json(self) -> dict[str, Any]:
        return {}


@dataclass(frozen=True)
class Named:
    """Stands for an object of which this process knows only the name, since code is never read from a store."""

    name: str

    def __repr__(self) -> str:
        return f"<{self.name}: known by name only>"


def has_objects(parameter: Parameter) -> bool:
    """Whether there are options that a log keeps by name only.

    >>> has_objects(Choice([len, max])), has_objects(Choice(["len", 3]))
    (True, False)
    """
    return isinstance(parameter, (Choice, Ordinal)) and not all(map(_is_json, parameter.values))


def parameter_from_json(data: Mapping[str, Any]) -> Parameter:
    """The parameter that `to_json` wrote; objects that are not JSON come back as Named.

    >>> parameter_from_json(Int(1, 8, default=2).to_json())
    Int(1, 8, default=2)
    """
    conditions = tuple(Condition(parent, tuple(values)) for parent, values in data.get("when", ()))
    kind = data.get("kind")
    parameter: Parameter
    if kind == "float":
        parameter = Float(data["low"], data["high"], log=data.get("log", False), step=data.get("step"))
    elif kind == "int":
        parameter = Int(data["low"], data["high"], log=data.get("log", False), step=data.get("step", 1))
    elif kind == "ordinal":
        parameter = Ordinal(tuple(_option_from_json(option)[1] for option in data["values"]))
    elif kind == "choice":
        parameter = Choice(_declared([_option_from_json(option) for option in data["options"]]))
    elif kind == "boolean":
        parameter = Boolean()
    else:
        raise InvalidInput(f"a parameter of kind {kind!r}: this version knows float, int, ordinal, choice, boolean")
    if "default" in data:
        parameter = replace(parameter, default=parameter.value(data["default"]))
    if "prior" in data:
        value, confidence = data["prior"]
        parameter = replace(parameter, prior=Prior(parameter.value(value), confidence))
    return replace(parameter, conditions=conditions)


@dataclass(frozen=True)
class _Steps:
    """The values low + k·step for k = 0 … size - 1, none above high."""

    low: Any
    high: Any
    step: Any
    size: int

    @classmethod
    def between(cls, low: float, high: float, step: float) -> _Steps:
        count = (high - low) / step
        return cls(low, high, step, math.floor(count + min(max(1e-9, 4 * math.ulp(count)), 0.5)) + 1)

    def value(self, index: int) -> Any:
        value = self.low + index * self.step
        if isinstance(value, int):
            return value
        # 0.1 + 2 · 0.1 should read 0.3: keep no more digits than the step can use.
        digits = 15 - math.ceil(math.log10(max(abs(value), abs(self.low), self.step)))
        return min(max(round(value, max(0, digits)) + 0.0, self.low), self.high)

    def index(self, value: float) -> int:
        return int(min(max(round((value - self.low) / self.step), 0), self.size - 1))

    def aligned(self, other_low: float) -> bool:
        steps = (other_low - self.low) / self.step
        return bool(abs(steps - round(steps)) < 1e-9 * max(1.0, abs(steps)))


@dataclass(frozen=True)
class _Cells:
    """Cell k of a grid covers its value ± half a step, in linear or log scale; the cells tile [0, 1]."""

    grid: _Steps
    log: bool

    @cached_property
    def _bent(self) -> bool:
        """Whether the scale is logarithmic; over a narrow range it is straight, and logs would lose the differences."""
        return self.log and self.grid.high - self.grid.low > 1e-6 * self.grid.low

    @cached_property
    def _ends(self) -> tuple[float, float]:
        low = self.grid.low - self.grid.step / 2
        high = self.grid.low + (self.grid.size - 0.5) * self.grid.step
        if not self._bent:
            return low, high
        # With a step above 2·low the first border would not be positive; half of low stands in for it.
        return math.log(low if low > 0 else max(self.grid.low / 2, TINIEST)), math.log(min(high, sys.float_info.max))

    def unit(self, index: int) -> float:
        if not self._bent:
            return (index + 0.5) / self.grid.size
        low, high = self._ends
        return (math.log(self.grid.low + index * self.grid.step) - low) / (high - low)

    def index(self, u: float) -> int:
        u = min(max(u, 0.0), 1.0)
        if not self._bent:
            return min(int(u * self.grid.size), self.grid.size - 1)
        low, high = self._ends
        # Fewer digits than the logarithm can tell apart, so that a step finer than those survives the way back.
        fraction, exponent = math.frexp(math.exp(low + u * (high - low)))
        value = math.ldexp(round(math.ldexp(fraction, self._bits)), exponent - self._bits)
        return self.grid.index(min(value, float(self.grid.high)))

    def units(self, indices: np.ndarray) -> np.ndarray:
        """`unit` of many at once, shape of indices."""
        if not self._bent:
            return np.asarray((indices + 0.5) / self.grid.size)
        low, high = self._ends
        return np.asarray((np.log(self.grid.low + indices * float(self.grid.step)) - low) / (high - low))

    def indices(self, units: np.ndarray) -> np.ndarray:
        """`index` of many at once, as floats, shape of units."""
        u, last = np.clip(units, 0.0, 1.0), self.grid.size - 1
        if not self._bent:
            return np.asarray(np.minimum(np.floor(u * self.grid.size), last))
        low, high = self._ends
        fractions, exponents = np.frexp(np.exp(low + u * (high - low)))
        values = np.ldexp(np.rint(np.ldexp(fractions, self._bits)), exponents - self._bits)
        values = np.minimum(values, float(self.grid.high))
        return np.asarray(np.clip(np.rint((values - self.grid.low) / self.grid.step), 0, last))

    @cached_property
    def _bits(self) -> int:
        low, high = self._ends
        return -math.ceil(math.log2(64 * math.ulp(max(abs(low), abs(high), 1.0))))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def _is_finite(value: Any) -> bool:
    """Whether this is a number that a float can hold."""
    return _is_number(value) and -sys.float_info.max <= _unboxed(value) <= sys.float_info.max


def _is_whole(value: Any) -> bool:
    return _is_finite(value) and value == int(value)


def _shown(value: Any) -> str:
    """A value in a message, with a word on the one mistake that repr hides."""
    return f"{value!r}, a text," if isinstance(value, str) else repr(value)


def _check_log(parameter: Float | Int) -> None:
    if not isinstance(parameter.log, (bool, np.bool_)) and parameter.log not in (0, 1):
        where = f"{type(parameter).__name__}({parameter.low!r}, {parameter.high!r})"
        raise InvalidInput(f"log={parameter.log!r} of {where}: give True or False")


def _check_bounds(parameter: Float | Int, number: type) -> None:
    low, high = parameter.low, parameter.high
    where = f"{type(parameter).__name__}({low!r}, {high!r})"
    for name, bound in (("low", low), ("high", high)):
        if not _is_finite(bound):
            raise InvalidInput(f"{name}={bound!r} of {where}: a bound must be a finite number")
        if number is int and not _is_whole(bound):
            raise InvalidInput(f"{name}={bound!r} of {where}: the bounds of an Int are whole numbers; use Float")
    if low > high:
        raise InvalidInput(f"{where} is reversed: low must not be above high; did you mean ({high!r}, {low!r})?")
    if parameter.log and low <= 0:
        raise InvalidInput(f"{where} with log=True needs low > 0: choose a small positive low, or drop log")
    if not math.isfinite(float(high) - float(low)):
        raise InvalidInput(f"{where} is wider than a float can hold: narrow it")


def _options(given: Any, kind: str) -> tuple[Any, ...]:
    if isinstance(given, (str, bytes)) or not hasattr(given, "__iter__"):
        raise InvalidInput(f"{kind}({given!r}): give a list of values")
    if isinstance(given, (set, frozenset)):
        raise InvalidInput(f"{kind}({given!r}): the order of a set changes from run to run; give a list of values")
    options = tuple(map(copied, given))
    if not options:
        raise InvalidInput(f"{kind}([]) is empty: give at least one value")
    return options


def _labels(values: tuple[Any, ...]) -> tuple[Plain, ...]:
    """The plain form of each option: itself where it is a JSON scalar, else its name or repr."""
    labels: list[Plain] = [_label(value) for value in values]
    seen: dict[tuple[type, Plain], Any] = {}
    for label, value in zip(labels, values):
        if _typed(label) in seen:
            raise InvalidInput(f"two options read {label!r}: list each once, or name them: {{'name': option}}")
        seen[_typed(label)] = value
    return tuple(labels)


def _check_names(labels: tuple[str, ...], values: tuple[Any, ...]) -> None:
    """No option may be there twice or be the name of another, or one could not tell which of the two is meant."""
    for i, (label, value) in enumerate(zip(labels, values)):
        for other, known in zip(labels[:i], values[:i]):
            if value is known or _holds(_exactly, _unboxed(value), _unboxed(known)):
                raise InvalidInput(f"{other!r} and {label!r} name the same option, {value!r}: give it one name")
        if isinstance(value, str) and value != label and value in labels:
            raise InvalidInput(f"the option {value!r} named {label!r} is also the name of another option: rename one")


def _label(value: Any) -> Plain:
    value = _unboxed(value)
    if value is None or type(value) in (bool, int, str) or (type(value) is float and math.isfinite(value)):
        return value  # type: ignore[no-any-return]
    if isinstance(value, Named):
        return value.name
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, (float, str, int)) or _is_json(value):
        return repr(value)
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
    if not isinstance(name, str) or "<" in name:
        raise InvalidInput(f"the option {value!r} has no name to store it by: give one, as in Choice({{'name': ...}})")
    return name


def _typed(label: Plain) -> tuple[type, Plain]:
    """A dictionary key that keeps 1, 1.0 and True apart."""
    return type(label), label


def _unboxed(value: Any) -> Any:
    """A NumPy scalar as the Python scalar that it holds."""
    return value.item() if isinstance(value, np.generic) else value


def _exactly(a: Any, b: Any) -> bool:
    """Equal to the types of the items: (1,) is not (True,)."""
    return same(a, b) and repr(a) == repr(b)


def _alike(a: Any, b: Any) -> bool:
    return bool(a == b) and isinstance(a, bool) == isinstance(b, bool)


def _congruent(a: Any, b: Any) -> bool:
    """Equal item by item, as a copy is to what it was made from, also where the items have no equality."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_congruent(item, b[key]) for key, item in a.items())
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(_congruent, a, b))
    return a is b or bool(a == b)


def copied(value: Any) -> Any:
    """A copy of the lists, dicts and sets in a value, so that whoever changes it changes nothing else.

    Anything else stays the object that it is: an array may be a whole data set.

    >>> options = [[64, 32], {"rate": [0.5]}]
    >>> copied(options) == options, copied(options)[0] is options[0]
    (True, False)
    """
    if isinstance(value, dict):
        twin = copy(value)
        for key, item in value.items():
            twin[key] = copied(item)
        return twin
    if isinstance(value, list):
        items = copy(value)
        items[:] = map(copied, value)
        return items
    if isinstance(value, tuple) and any(copied(item) is not item for item in value):
        make = getattr(value, "_make", type(value))  # a named tuple takes its items one by one
        return make(map(copied, value))
    return copy(value) if isinstance(value, (set, bytearray)) else value


def _holds(equal: Callable[[Any, Any], bool], a: Any, b: Any) -> bool:
    try:
        return equal(a, b)
    except Exception:  # noqa: BLE001 - objects whose == raises or gives an array are compared by identity alone
        return False


def _is_json(value: Any) -> bool:
    """Whether the codec below can bring this value back unchanged."""
    if value is None or type(value) in (bool, int, float, str):
        return True
    if type(value) in (list, tuple):
        return all(map(_is_json, value))
    return type(value) is dict and all(isinstance(k, str) and _is_json(v) for k, v in value.items())


def _option_json(value: Any, label: Plain) -> Any:
    """An option as JSON: a scalar is itself, composites carry their type, foreign objects only their name."""
    value = _unboxed(value)
    if same(value, label):
        return label
    if _is_json(value):
        return {"label": label, "value": _tagged(value)}
    return {"label": label}


def _option_from_json(data: Any) -> tuple[Plain, Any]:
    if not isinstance(data, dict):
        return data, data
    return data["label"], _untagged(data["value"]) if "value" in data else Named(data["label"])


def _tagged(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return {type(value).__name__: [_tagged(item) for item in value]}
    if isinstance(value, dict):
        return {"dict": {key: _tagged(item) for key, item in value.items()}}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    return value


def _untagged(data: Any) -> Any:
    if not isinstance(data, dict):
        return data
    ((kind, content),) = data.items()
    if kind == "float":
        return float(content)
    if kind == "dict":
        return {key: _untagged(item) for key, item in content.items()}
    items = [_untagged(item) for item in content]
    return tuple(items) if kind == "tuple" else items


def _declared(options: list[tuple[Plain, Any]]) -> list[Any] | dict[str, Any]:
    """What to pass to Choice so that it has these (label, value) pairs: a list where the labels follow from it."""
    values = [value for _, value in options]
    try:
        if list(map(_typed, _labels(tuple(values)))) == [_typed(label) for label, _ in options]:
            return values
    except InvalidInput:
        pass
    unnamed = [label for label, _ in options if not isinstance(label, str)]
    if unnamed:
        raise InvalidInput(f"the option {unnamed[0]!r} has no name but others have: name all of them, or none")
    return {str(label): value for label, value in options}


def _has_subspaces(options: Mapping[str, Any]) -> bool:
    def is_subspace(option: Any) -> bool:
        return isinstance(option, Mapping) and all(isinstance(p, Parameter) for p in option.values())

    subspaces = [option for option in options.values() if is_subspace(option)]
    strange = [name for name, option in options.items() if option is not None and not is_subspace(option)]
    if not any(subspaces):  # empty ones among other options are those options
        return bool(subspaces) and not strange
    if strange:
        raise InvalidInput(f"the option {strange[0]!r} is not a sub-space: give a dict of parameters, or {{}} for none")
    return True


def _listed(values: Any, parent: str) -> tuple[Any, ...]:
    listed = tuple(values) if isinstance(values, (list, set, frozenset, range)) else (values,)
    if not listed:
        raise InvalidInput(f"when({parent}=[]) is never true: list at least one value")
    return listed


def _united_conditions(ours: tuple[Condition, ...], theirs: tuple[Condition, ...]) -> tuple[Condition, ...]:
    """Conditions that hold wherever either side's do: a parent that one side does not ask about drops out."""
    other = {condition.parent: condition.values for condition in intersected(theirs)}
    united = []
    for condition in intersected(ours):
        if condition.parent in other:
            new = [v for v in other[condition.parent] if not any(same(v, known) for known in condition.values)]
            united.append(Condition(condition.parent, condition.values + tuple(new)))
    return tuple(united)


def intersected(conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
    """The same conditions with each parent named once."""
    allowed: dict[str, tuple[Any, ...]] = {}
    for condition in conditions:
        known = allowed.get(condition.parent, condition.values)
        allowed[condition.parent] = tuple(v for v in known if any(same(v, value) for value in condition.values))
    return tuple(Condition(parent, values) for parent, values in allowed.items())


def _present(**entries: Any) -> dict[str, Any]:
    return {name: value for name, value in entries.items() if value}


def _normal_quantile(u: float, centre: float, confidence: str) -> float:
    """Quantile u of a normal distribution round `centre`, cut to [0, 1]."""
    from scipy.special import ndtr, ndtri

    sd = CONFIDENCES[confidence]
    low, high = ndtr(-centre / sd), ndtr((1 - centre) / sd)
    return float(min(max(centre + sd * ndtri(low + u * (high - low)), 0.0), 1.0))
