"""Parameters that are numbers: real ones, whole ones, and the cells of [0, 1] that steps stand for."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from kilter.core.errors import InvalidInput
from kilter.core.parameter import Parameter, Plain, unboxed
from kilter.core.scaling import Exponent, checked_exponents, exponents_to_json
from kilter.core.vocabulary import answers_other_settings

if TYPE_CHECKING:
    from typing_extensions import Self

MOST_VALUES = 2**50
"""Cells of the unit interval that survive the way there and back."""

FINEST_STEP = 1e-13
"""Of the larger bound: finer steps would be lost in the rounding of floats."""

TINIEST = math.ulp(0.0)


@dataclass(frozen=True, eq=False, repr=False)
class Number(Parameter):
    """What Float and Int share: two bounds, a scale and a step."""

    low: Any
    high: Any
    log: bool = field(default=False, kw_only=True)
    step: Any = field(default=None, kw_only=True)
    exponents: Mapping[str, Exponent] = field(default_factory=dict, kw_only=True)
    """How the best value moves with the size of what is trained, by the name of the size; see `scaling`."""

    @cached_property
    def _grid(self) -> _Steps:
        raise NotImplementedError

    @cached_property
    def _scale(self) -> _Cells:
        return _Cells(self._grid, self.log)

    def scaling(self, exponents: Mapping[str, Exponent] | None = None, /, **more: Exponent) -> Self:
        """The same parameter, whose best value is proportional to a power of sizes that the study's `scale` names.

        Studies of smaller sizes then teach those of larger ones. An exponent is a number, or `Learnt` from studies of
        two sizes and more. Only for parameters with log=True; raises InvalidInput for others.

        >>> Float(1e-5, 1e-1, log=True).scaling(width=-1.0)
        Float(1e-05, 0.1, log=True, exponents={'width': -1.0})
        """
        given = {**(exponents or {}), **more}
        if not given:
            raise InvalidInput("scaling() needs at least one size: .scaling(width=-1.0)")
        return replace(self, exponents=given)

    @property
    def octaves(self) -> float:
        """How many doublings of its value [0, 1] stands for, of one with log=True; 0 where there is one value only."""
        ends = self.unit(self.high) - self.unit(self.low)
        return (math.log2(self.high) - math.log2(self.low)) / ends if ends > 0 else 0.0

    def places(self, units: np.ndarray) -> np.ndarray:
        return self._scale.indices(units)

    def units_at(self, places: np.ndarray) -> np.ndarray:
        return self._scale.units(places)

    def scaled(self, plain: Any, factor: float) -> Plain:
        """The legal number nearest to the product, or the next one on that side where it would be the same.

        Where a range crosses zero, products would stay near it or leave it slowly: a factor of 1.2 then adds a fifth
        of half the range, whatever the number is.

        >>> Int(1, 100).scaled(2, 1.2), Float(-1.0, 1.0).scaled(0.0, 1.2)
        (3, 0.2)
        """
        low, high, step = self.low, self.high, self.step
        target = plain + (factor - 1.0) * (high - low) / 2 if low < 0 < high else plain * factor
        target = min(max(target, low), high)
        if step is None:
            return self.from_unit(self.unit(target))
        moved, at = round((target - low) / step), round((plain - low) / step)
        if moved == at and target != plain:
            moved += 1 if target > plain else -1
        return self.plain(low + min(max(moved, 0), int(self.size) - 1) * step)

    def _united(self, other: Parameter) -> Parameter:
        if not isinstance(other, type(self)) or (self.log, self.step) != (other.log, other.step):
            raise InvalidInput(f"{self!r} and {other!r} differ in more than their bounds")
        if not self._aligned(other):
            raise InvalidInput(f"the grids of {self!r} and {other!r} do not meet")
        low, high = min(self.low, other.low), max(self.high, other.high)
        return replace(self, low=low, high=high, exponents=other.exponents or self.exponents)

    def _covers(self, other: Any) -> bool:
        is_alike = (self.log, self.step) == (other.log, other.step) and self._aligned(other)
        return is_alike and bool(self.low <= other.low and other.high <= self.high)

    def _aligned(self, other: Number) -> bool:
        """Whether the steps of another range of this kind, as long as ours, fall on ours."""
        raise NotImplementedError

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(**{name: data[name] for name in ("low", "high", "log", "step", "exponents") if name in data})

    @classmethod
    def written(cls, words: list[Any], **settings: Any) -> Self:
        if len(words) != 2:
            raise InvalidInput(f"{cls.kind} = {words!r}: give two bounds, [low, high]")
        return super().written(words, **settings)

    def _positional(self) -> tuple[Any, ...]:
        return (self.low, self.high)


@answers_other_settings
@dataclass(frozen=True, eq=False, repr=False)
class Float(Number):
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
        _check_exponents(self)
        self._check_default_and_prior()

    @cached_property
    def _ends(self) -> tuple[float, float]:
        return (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)

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
        value = unboxed(value)
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

    @property
    def size(self) -> float:
        if self.step is not None:
            return self._grid.size
        return 1 if self.low == self.high else math.inf

    def _nth(self, i: int) -> Plain:
        return self.low if self.step is None else self._grid.value(i)

    def _aligned(self, other: Number) -> bool:
        return self.step is None or self._grid.aligned(other.low)

    def _own_json(self) -> dict[str, Any]:
        exponents = exponents_to_json(self.exponents)
        return {"low": self.low, "high": self.high, **_present(log=self.log, step=self.step, exponents=exponents)}

    def _optional(self) -> dict[str, Any]:
        return {"log": self.log, "step": self.step, "exponents": self.exponents or None}


@answers_other_settings
@dataclass(frozen=True, eq=False, repr=False)
class Int(Number):
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
        _check_exponents(self)
        self._check_default_and_prior()

    @cached_property
    def _grid(self) -> _Steps:
        return _Steps(self.low, self.high, self.step, (self.high - self.low) // self.step + 1)

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

    @property
    def size(self) -> float:
        return self._grid.size

    def _nth(self, i: int) -> Plain:
        return int(self._grid.value(i))

    def _aligned(self, other: Number) -> bool:
        return bool((other.low - self.low) % self.step == 0)

    def _own_json(self) -> dict[str, Any]:
        data = {"low": self.low, "high": self.high, **_present(log=self.log), "step": self.step}
        return {**data, **_present(exponents=exponents_to_json(self.exponents))}

    def _optional(self) -> dict[str, Any]:
        return {
            "log": self.log,
            "step": self.step if self.step != 1 else None,
            "exponents": self.exponents or None,
        }


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
    return _is_number(value) and -sys.float_info.max <= unboxed(value) <= sys.float_info.max


def _is_whole(value: Any) -> bool:
    return _is_finite(value) and value == int(value)


def _shown(value: Any) -> str:
    """A value in a message, with a word on the one mistake that repr hides."""
    return f"{value!r}, a text," if isinstance(value, str) else repr(value)


def _check_log(parameter: Number) -> None:
    if not isinstance(parameter.log, (bool, np.bool_)) and parameter.log not in (0, 1):
        where = f"{type(parameter).__name__}({parameter.low!r}, {parameter.high!r})"
        raise InvalidInput(f"log={parameter.log!r} of {where}: give True or False")


def _check_bounds(parameter: Number, number: type) -> None:
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


def _check_exponents(parameter: Number) -> None:
    where = f"{type(parameter).__name__}({parameter.low!r}, {parameter.high!r})"
    exponents = checked_exponents(parameter.exponents, where)
    if exponents and not parameter.log:
        raise InvalidInput(f"{where} moves with {' and '.join(exponents)} by a power: that takes log=True")
    object.__setattr__(parameter, "exponents", exponents)


def _present(**entries: Any) -> dict[str, Any]:
    return {name: value for name, value in entries.items() if value}
