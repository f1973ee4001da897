"""States of samplers and schedulers as JSON, and back: dataclasses of numbers, text, lists, dicts and arrays.

What a field holds is read from its annotation, so states nest: `inner: median.State` and `members: list[Member]` come
back as they were. Tuples do too, where an annotation names them. What would come back as something else, since its
annotation does not say what it is, is refused when it is written. Dicts keep keys that are numbers, arrays their type,
shape and bits. For what JSON cannot say there are marks:

    {"$float": "inf"}    {"$pairs": [[1, …], …]}    {"$array": bits, "dtype": …, "shape": …}    {"$dict": {"$…": …}}
"""

from __future__ import annotations

import base64
import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import repeat
from types import UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import numpy as np

from kilter.core.errors import InvalidInput, StorageError

State = TypeVar("State")


def dumps_state(state: Any) -> bytes:
    """The state of a sampler or scheduler as JSON; raises InvalidInput where it would not come back as it is."""
    if not _is_state(state):
        raise InvalidInput(f"the state {state!r:.80} is not a dataclass: keep what is learned in a dataclass")
    written = (f"{json.dumps(field.name)}:{_written_field(state, field)}" for field in dataclasses.fields(state))
    return f"{{{','.join(written)}}}".encode()


def loads_state(kind: type[State], data: bytes | str) -> State:
    """The state of this dataclass that `dumps_state` wrote; raises StorageError where it does not fit."""
    try:
        state: State = _read_dataclass(kind, json.loads(data))
        return state
    except Exception as error:  # data of any shape
        raise StorageError(
            f"this is not a state of {kind.__name__}: {error}. It may come from another version: replay the log"
        ) from error


def _is_state(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _written_field(state: Any, field: dataclasses.Field[Any]) -> str:
    value, kind = getattr(state, field.name), cast(Any, type(state))
    try:
        if not field.init:
            raise TypeError("its class does not take it (init=False)")
        text = json.dumps(_written(value), separators=(",", ":"), allow_nan=False)
        _check_same(value, _read(_hints(kind).get(field.name), json.loads(text)))
        return text
    except Exception as error:  # data of any shape
        raise InvalidInput(
            f"the field {field.name!r} of the state {kind.__name__} cannot be stored: {error}. Use numbers, "
            "text, lists, dicts, numeric arrays and dataclasses of these, and annotate the field with what it holds, "
            "as in list[Member], dict[str, Member] or tuple[float, ...]"
        ) from error


def _check_same(value: Any, back: Any) -> None:
    """Raise TypeError where what was read is not what was written, a scalar of NumPy apart, which is a number."""
    value = value.item() if isinstance(value, np.generic) else value
    if type(value) is not type(back):
        raise TypeError(f"a {type(value).__name__} in it would come back as a {type(back).__name__}")
    if isinstance(value, Mapping):
        _check_same(list(value.items()), list(back.items()))
    elif isinstance(value, (list, tuple)):
        for item, other in zip(value, back, strict=True):
            _check_same(item, other)
    elif isinstance(value, np.ndarray):
        if value.dtype != back.dtype:
            raise TypeError(f"an array of {value.dtype} in it would come back as one of {back.dtype}")
    elif _is_state(value):
        for field in dataclasses.fields(value):
            _check_same(getattr(value, field.name), getattr(back, field.name))


def _written(value: Any) -> Any:
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"$float": str(float(value))}
    if isinstance(value, (list, tuple)):
        return [_written(item) for item in value]
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            return {"$pairs": [[_written(key), _written(item)] for key, item in value.items()]}
        written = {key: _written(item) for key, item in value.items()}
        return {"$dict": written} if any(key.startswith("$") for key in written) else written
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        bits = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
        return {"$array": bits, "dtype": value.dtype.str, "shape": list(value.shape)}
    if isinstance(value, np.generic) and not isinstance(value.item(), np.generic):
        return _written(value.item())
    if _is_state(value):
        return {field.name: _written(getattr(value, field.name)) for field in dataclasses.fields(value)}
    raise TypeError(f"a {type(value).__name__} is not JSON")


def _read_dataclass(kind: Any, value: dict[str, Any]) -> Any:
    hints = _hints(kind)
    return kind(**{name: _read(hints.get(name), item) for name, item in value.items()})


@cache
def _hints(kind: Any) -> Mapping[str, Any]:
    try:
        return get_type_hints(kind)
    except NameError:  # a name that only a type checker sees: such a state does not nest
        return {}


def _read(kind: Any, value: Any) -> Any:
    """The value of a field with this annotation; one that says nothing of what is inside is taken as it is."""
    if value is None or kind is None:
        return _unmarked(value)
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        others = [part for part in parts if part is not type(None)]
        return _read(next((part for part in others if len(others) == 1 or _has_fields(part, value)), None), value)
    if origin in (list, Sequence):
        return [_read(parts[0], item) for item in value]
    if origin in (dict, Mapping):
        pairs = value["$pairs"] if "$pairs" in value else value.get("$dict", value).items()
        return {_read(parts[0], key): _read(parts[1], item) for key, item in pairs}
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _read_dataclass(kind, value)
    if isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields"):
        hints = get_type_hints(kind)
        return kind(*(_read(hints[name], item) for name, item in zip(kind._fields, value)))
    if kind is tuple:
        return tuple(_unmarked(value))
    if origin is tuple:
        kinds = repeat(parts[0]) if parts[1:] == (Ellipsis,) else parts
        return tuple(_read(part, item) for part, item in zip(kinds, value))
    return _unmarked(value)


def _has_fields(kind: Any, value: Any) -> bool:
    """Whether the value is of this dataclass, of several that it could be of."""
    names = {field.name for field in dataclasses.fields(kind)} if dataclasses.is_dataclass(kind) else None
    return isinstance(value, dict) and names == value.keys()


def _unmarked(value: Any) -> Any:
    if isinstance(value, list):
        return [_unmarked(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "$float" in value:
        return float(value["$float"])
    if "$array" in value:
        flat: np.ndarray = np.frombuffer(base64.b64decode(value["$array"]), dtype=np.dtype(value["dtype"]))
        return np.array(flat.reshape(value["shape"]))  # frombuffer's own memory cannot be written
    if "$pairs" in value:
        return {_unmarked(key): _unmarked(item) for key, item in value["$pairs"]}
    return {key: _unmarked(item) for key, item in value.get("$dict", value).items()}
