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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Union

import numpy as np

from kilter.core.errors import InvalidInput

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


def same(a: Any, b: Any) -> bool:
    """Equality that keeps 1, 1.0 and True apart, and finds NaN equal to itself."""
    return type(a) is type(b) and (a == b or (a != a and b != b))


def typed(label: Plain) -> tuple[type, Plain]:
    """A dictionary key that keeps 1, 1.0 and True apart."""
    return type(label), label


def unboxed(value: Any) -> Any:
    """A NumPy scalar as the Python scalar that it holds."""
    return value.item() if isinstance(value, np.generic) else value


@dataclass(frozen=True, eq=False)
class Parameter:
    """What all parameters share: conditions, a default and a prior. Use Float, Int, Ordinal, Choice or Boolean."""

    conditions: tuple[Condition, ...] = field(default=(), kw_only=True)
    default: Any = field(default=UNSET, kw_only=True)
    prior: Prior | None = field(default=None, kw_only=True)

    kind = "parameter"
    """Its word in a log; see `core.kinds`."""
    is_scalar = True
    """Whether its values are single dimensions of a space; those of a compound have parts."""
    is_unique = True
    """Whether each value has one form only, as that of a scalar has."""
    is_ordered = True
    """Whether neighbouring values are alike, as those of Float, Int and Ordinal are."""

    @property
    def values(self) -> tuple[Any, ...]:
        """The Python objects of a kind that lists them, in order; none of a range."""
        return ()

    @property
    def labels(self) -> tuple[Plain, ...]:
        """Their plain forms, in the same order."""
        return ()

    @property
    def branches(self) -> Mapping[str, Mapping[str, Parameter]]:
        """Parameters that are active under one option alone, by option."""
        return {}

    def when(self, conditions: Mapping[str, Any] | None = None, /, **more: Any) -> Self:
        """The same parameter, active only where each named parent has the given value, or one of the given list.

        >>> from kilter import Float
        >>> Float(0, 0.99).when(optimizer="sgd").conditions
        (Condition(parent='optimizer', values=('sgd',)),)
        """
        if conditions is not None and not isinstance(conditions, Mapping):
            raise InvalidInput(f"when({conditions!r}): name the parent, as in when(optimizer='sgd')")
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

    @property
    def is_continuous(self) -> bool:
        """Whether there is a value between any two."""
        return self.size == math.inf

    def single(self) -> bool:
        """Whether there is only one value; Optuna's word."""
        return self.size == 1

    def grid(self, n: int) -> list[Plain]:
        """All values where there are at most n, else n of them evenly spread in the parameter's own scale."""
        if self.size <= n:
            return [self._nth(i) for i in range(int(self.size))]
        points = [0.5] if n == 1 else [i / (n - 1) for i in range(n)]
        return list({typed(value): value for value in map(self.from_unit, points)}.values())

    def _nth(self, i: int) -> Plain:
        """The i-th value of a parameter of finite size."""
        raise NotImplementedError

    def places(self, units: np.ndarray) -> np.ndarray:
        """Which of its values, counted from 0, positions in [0, 1] stand for, as floats; of a discrete kind."""
        return np.clip(np.floor(units * self.size), 0, self.size - 1)

    def units_at(self, places: np.ndarray) -> np.ndarray:
        """The positions of values given by their places; of a discrete kind."""
        return (places + 0.5) / self.size

    def index(self, plain: Plain) -> int:
        """The place of a plain value among the values, counted from 0; of a discrete kind."""
        return int(self.places(np.array([self.unit(plain)]))[0])

    def scaled(self, plain: Plain, factor: float) -> Plain:
        """A plain value changed by a factor, as populations explore: of values in order the next one, else the same."""
        if not self.is_ordered:
            return plain
        return self._nth(min(max(self.index(plain) + (factor > 1) - (factor < 1), 0), int(self.size) - 1))

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

    @classmethod
    def written(cls, words: list[Any], **settings: Any) -> Self:
        """The parameter that `kind(words, setting=…)` stands for on a command line."""
        try:
            return cls(*words, **settings)
        except TypeError as error:
            raise InvalidInput(f"{cls.kind} = {words!r}: {error}") from None

    @property
    def has_default(self) -> bool:
        """Whether the user gave a default."""
        return self.default is not UNSET

    def _own_json(self) -> dict[str, Any]:
        raise NotImplementedError

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Parameter:
        """The parameter of this kind that `to_json` wrote, without what all kinds share."""
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
        optional = self._optional().items()
        shown += [f"{name}={value!r}" for name, value in optional if value is not None and value is not False]
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


def _normal_quantile(u: float, centre: float, confidence: str) -> float:
    """Quantile u of a normal distribution round `centre`, cut to [0, 1]."""
    from scipy.special import ndtr, ndtri

    sd = CONFIDENCES[confidence]
    low, high = ndtr(-centre / sd), ndtr((1 - centre) / sd)
    return float(min(max(centre + sd * ndtri(low + u * (high - low)), 0.0), 1.0))
