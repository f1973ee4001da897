"""Parameters that list their values: options of any type, the labels that a log knows them by, and their JSON.

Which option a user means is asked with four equalities, from the strictest on, until one of them finds an option:

    _exactly     same type, value and repr, so that (1,) is not (True,)
    same         same type and value, NaN with itself
    _alike       equal, as 1 and 1.0 are; but a bool is no number
    _congruent   equal item by item, as a copy is to what it was made from
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kilter.core.errors import InvalidInput
from kilter.core.names import in_optunas_words
from kilter.core.parameter import CONFIDENCES, Parameter, Plain, same, typed, unboxed

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True, eq=False, repr=False)
class Listed(Parameter):
    """Shared by the kinds that list their values: the i-th of k lies at (i + 1/2) / k."""

    @property
    def choices(self) -> tuple[Any, ...]:
        """The values; Optuna's word."""
        return self.values

    @classmethod
    def written(cls, words: list[Any], **settings: Any) -> Self:
        return super().written([words] if words else [], **settings)

    @cached_property
    def _place(self) -> dict[tuple[type, Plain], int]:
        return {(type(label), label): i for i, label in enumerate(self.labels)}

    def plain(self, value: Any) -> Plain:
        for label, known in zip(self.labels, self.values):
            if value is known:
                return label
        value = unboxed(value)
        for equal in (_exactly, same, _alike, _congruent):
            for label, known in zip(self.labels, self.values):
                if _holds(equal, value, unboxed(known)):
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
        return self._place[type(plain), plain]

    @property
    def size(self) -> float:
        return len(self.labels)

    def _nth(self, i: int) -> Plain:
        return self.labels[i]


@dataclass(frozen=True, eq=False, repr=False)
class Ordinal(Listed):
    """One of an ordered list of values, such as sizes of which neighbours behave alike.

    >>> Ordinal([16, 32, 64, 128]).from_unit(0.3)
    32
    """

    values: Any = ()

    kind = "ordinal"

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", options_of(self.values, "Ordinal"))
        _check_distinct(self.labels)
        self._check_default_and_prior()

    @cached_property
    def labels(self) -> tuple[Plain, ...]:
        return _labels(self.values)

    def _united(self, other: Parameter) -> Parameter:
        if not isinstance(other, Ordinal):
            raise InvalidInput(f"{self!r} and {other!r} are of different kinds")
        longer, shorter = (self, other) if self.size >= other.size else (other, self)
        kept = [label for label in longer.labels if shorter.contains(label)]
        if list(map(typed, kept)) != list(map(typed, shorter.labels)):
            raise InvalidInput(f"the order of {self!r} and {other!r} cannot be joined")
        known = {typed(label): v for label, v in zip(shorter.labels, shorter.values) if not isinstance(v, Named)}
        pairs = zip(longer.labels, longer.values)
        values = [known.get(typed(label), v) if isinstance(v, Named) else v for label, v in pairs]
        return replace(self, values=tuple(values))

    def _own_json(self) -> dict[str, Any]:
        return {"values": [_option_json(v, label) for v, label in zip(self.values, self.labels)]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Ordinal:
        return cls(tuple(_option_from_json(option)[1] for option in data["values"]))

    def _positional(self) -> tuple[Any, ...]:
        return (list(self.values),)


@in_optunas_words({"choices": "options"})
@dataclass(frozen=True, eq=False, repr=False)
class Choice(Listed):
    """One of several options without an order: any objects; a dict names them, or gives each its own sub-space.

    Functions and classes go by their name. Options come back to the objective as the objects they are, tuples
    included; of lists, dicts and sets it gets a copy of its own. Sub-parameters keep their own names and are
    active only under their option.

    >>> from kilter import Float, Int
    >>> Choice(["relu", "gelu"]).from_unit(0.9)
    'gelu'
    >>> Choice({"svm": {"C": Float(1e-3, 1e3, log=True)}, "forest": {"depth": Int(1, 20)}}).values
    ('svm', 'forest')
    """

    options: Any = ()

    kind = "choice"
    is_ordered = False

    def __post_init__(self) -> None:
        options = self.options
        if isinstance(options, Mapping):
            names = tuple(options)
            if any(not isinstance(name, str) for name in names):
                raise InvalidInput(
                    f"the names of a Choice must be text, not {list(names)!r}; a list of options needs none"
                )
            has_branches = _has_subspaces(options)
            values = options_of(names if has_branches else options.values(), "Choice")
            _check_names(names, values)
            object.__setattr__(self, "options", dict(options) if has_branches else dict(zip(names, values)))
        else:
            object.__setattr__(self, "options", options_of(options, "Choice"))
            _check_distinct(self.labels)
        self._check_default_and_prior()

    @cached_property
    def values(self) -> tuple[Any, ...]:
        if not isinstance(self.options, Mapping):
            return tuple(self.options)
        return tuple(self.options if self.branches else self.options.values())

    @cached_property
    def labels(self) -> tuple[Plain, ...]:
        return tuple(self.options) if isinstance(self.options, Mapping) else _labels(self.options)

    @cached_property
    def branches(self) -> dict[str, dict[str, Parameter]]:
        if not (isinstance(self.options, Mapping) and _has_subspaces(self.options)):
            return {}
        return {name: dict(sub or {}) for name, sub in self.options.items()}

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
        options = dict(zip(map(typed, self.labels), zip(self.labels, self.values)))
        for label, value in zip(other.labels, other.values):
            _, known = options.get(typed(label), (label, Named(str(label))))
            if isinstance(known, Named):  # as when a log knew the option by its name alone
                options[typed(label)] = (label, value)
            elif _is_json(known) and _is_json(value) and not _exactly(known, value):
                raise InvalidInput(
                    f"the option {label!r} is both {known!r} and {value!r}: give one of them another name"
                )
        return replace(self, options=_declared(list(options.values())))

    def _own_json(self) -> dict[str, Any]:
        return {"options": [_option_json(v, label) for v, label in zip(self.values, self.labels)]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Choice:
        return cls(_declared([_option_from_json(option) for option in data["options"]]))

    def _positional(self) -> tuple[Any, ...]:
        return (self.options if isinstance(self.options, Mapping) else list(self.values),)


@dataclass(frozen=True, eq=False, repr=False)
class Boolean(Listed):
    """True or False.

    >>> Boolean().from_unit(0.8)
    True
    """

    kind = "boolean"
    is_ordered = False
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

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Boolean:
        return cls()


@dataclass(frozen=True)
class Named:
    """Stands for an object of which this process knows only the name, since code is never read from a log."""

    name: str

    def __repr__(self) -> str:
        return f"<{self.name}: known by name only>"


def has_objects(parameter: Parameter) -> bool:
    """Whether there are options that a log keeps by name only.

    >>> has_objects(Choice([len, max])), has_objects(Choice(["len", 3]))
    (True, False)
    """
    return not all(map(_is_json, parameter.values))


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


def options_of(given: Any, kind: str) -> tuple[Any, ...]:
    """The options that a user lists, of lists among them copies; raises InvalidInput where they are no list."""
    if isinstance(given, (str, bytes)) or not hasattr(given, "__iter__"):
        raise InvalidInput(f"{kind}({given!r}): give a list of values")
    if isinstance(given, (set, frozenset)):
        raise InvalidInput(f"{kind}({given!r}): the order of a set changes from run to run; give a list of values")
    if isinstance(given, Mapping):
        raise InvalidInput(
            f"{kind}({given!r:.200}): only a Choice names its options by a dict. List the names, "
            f"{kind}({list(given)!r:.200}), and look up in the objective what they stand for"
        )
    options = tuple(map(copied, given))
    if not options:
        raise InvalidInput(f"{kind}([]) is empty: give at least one value")
    return options


def _labels(values: tuple[Any, ...]) -> tuple[Plain, ...]:
    """The plain form of each option: itself where it is a JSON scalar, else its name or repr."""
    return tuple(map(_label, values))


def _check_distinct(labels: tuple[Plain, ...]) -> None:
    seen = set()
    for label in labels:
        if typed(label) in seen:
            raise InvalidInput(f"two options read {label!r}: list each once, or as {{'name': option}} of a Choice")
        seen.add(typed(label))


def _check_names(labels: tuple[str, ...], values: tuple[Any, ...]) -> None:
    """No option may be there twice or be the name of another, or one could not tell which of the two is meant."""
    for i, (label, value) in enumerate(zip(labels, values)):
        for other, known in zip(labels[:i], values[:i]):
            if value is known or _holds(_exactly, unboxed(value), unboxed(known)):
                raise InvalidInput(f"{other!r} and {label!r} name the same option, {value!r}: give it one name")
        if isinstance(value, str) and value != label and value in labels:
            raise InvalidInput(f"the option {value!r} named {label!r} is also the name of another option: rename one")


def _label(value: Any) -> Plain:
    value = unboxed(value)
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
        raise InvalidInput(
            f"the option {value!r} has no name to store it by: a Choice takes a dict, "
            "Choice({'name': option}); elsewhere list a name in its place, and look the option up in the objective"
        )
    return name


def _exactly(a: Any, b: Any) -> bool:
    return same(a, b) and repr(a) == repr(b)


def _alike(a: Any, b: Any) -> bool:
    return bool(a == b) and isinstance(a, bool) == isinstance(b, bool)


def _congruent(a: Any, b: Any) -> bool:
    """Items that have no equality are compared by identity."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_congruent(item, b[key]) for key, item in a.items())
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(_congruent, a, b))
    return a is b or bool(a == b)


def _holds(equal: Callable[[Any, Any], bool], a: Any, b: Any) -> bool:
    try:
        return equal(a, b)
    except Exception:  # noqa: BLE001 - objects whose == raises or gives an array are compared by identity alone
        return False


def _is_json(value: Any) -> bool:
    """Whether the functions below can bring this value back unchanged."""
    if value is None or type(value) in (bool, int, float, str):
        return True
    if type(value) in (list, tuple):
        return all(map(_is_json, value))
    return type(value) is dict and all(isinstance(k, str) and _is_json(v) for k, v in value.items())


def _option_json(value: Any, label: Plain) -> Any:
    """An option as JSON: a scalar is itself, composites carry their type, foreign objects only their name."""
    value = unboxed(value)
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
        if list(map(typed, _labels(tuple(values)))) == [typed(label) for label, _ in options]:
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
