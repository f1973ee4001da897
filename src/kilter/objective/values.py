"""Values as text that is the same tomorrow: plain ones as they read, arrays by a digest, models by their settings."""

from __future__ import annotations

import argparse
import dataclasses
import functools
import os
import types
from collections.abc import Collection, Iterable, Mapping
from enum import Enum
from typing import Any

import numpy as np

from kilter.objective.source import digest, file_of, is_own

SHOWN = 60
"""Characters of a value that are kept; of a longer one also a digest."""

DEEPEST = 20
"""Containers within containers that are followed."""

HASHED = 1 << 26
"""Bytes of an array that are read; of a larger one as many, evenly spread."""

PLAIN = (bool, int, float, complex, str, bytes, type(None))

BRACKETS: dict[type[Collection[Any]], str] = {list: "[%s]", tuple: "(%s)", set: "{%s}", frozenset: "{%s}"}


def shown(value: Any) -> str:
    """A value as text, cut with a digest where it is long; of what has no lasting text only what kind it is.

    >>> shown([1, {"a": None}]), shown(np.arange(3.0)), shown(object())
    ("[1, {'a': None}]", 'array (3,) of float64 3352c09e12f9e7ba', 'an object')
    """
    text = _text(value, 0)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… {digest(text)}"


def _text(value: Any, depth: int) -> str:
    if isinstance(value, Enum):
        return str(value)
    if isinstance(value, PLAIN):
        return repr(value)
    if isinstance(value, os.PathLike):
        return repr(os.fspath(value))
    if depth > DEEPEST:
        return "…"
    each = functools.partial(_text, depth=depth + 1)
    for kind, brackets in BRACKETS.items():
        if isinstance(value, kind):
            texts = [each(item) for item in value]
            texts = sorted(texts) if kind in (set, frozenset) else texts
            return brackets % ", ".join(texts)
    if isinstance(value, Mapping):
        return _pairs(value.items(), each).join("{}")
    if isinstance(value, (types.SimpleNamespace, argparse.Namespace)):
        return f"{type(value).__name__}({_pairs(sorted(vars(value).items()), each)})"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [(field.name, getattr(value, field.name, None)) for field in dataclasses.fields(value)]
        return f"{type(value).__name__}({_pairs(fields, each)})"
    found = _array(value) or _model(value, each) or _part_of_model(value, each) or _installed(value)
    return found or _article(type(value).__qualname__)


def _pairs(pairs: Iterable[tuple[Any, Any]], each: Any) -> str:
    return ", ".join(f"{each(key)}: {each(item)}" for key, item in pairs)


def _article(kind: str) -> str:
    return f"{'an' if kind[:1].lower() in 'aeiou' else 'a'} {kind}"


def _array(value: Any) -> str | None:
    """An array, a tensor, a column or a table."""
    if isinstance(value, np.generic):
        return repr(value.item())
    if hasattr(value, "shape") and callable(getattr(value, "tocsr", None)):
        rows = value.tocsr()
        parts = [_digest_of(np.asarray(part)) for part in (rows.data, rows.indices, rows.indptr)]
        return f"sparse {tuple(value.shape)} {digest(' '.join(parts))}"
    if not hasattr(value, "shape") or not hasattr(value, "__array__"):
        return None
    try:
        if hasattr(value, "columns"):
            columns = [f"{name} {_digest_of(np.asarray(value[name]))}" for name in value.columns]
            return f"table {tuple(value.shape)} {digest(' '.join(columns))}"
        array = np.asarray(value)
        return f"array {array.shape} of {array.dtype} {_digest_of(array)}"
    except Exception:
        return None


def _digest_of(array: np.ndarray) -> str:
    step = max(1, array.nbytes // HASHED)
    flat = array.reshape(-1)[::step] if step > 1 else array
    if array.dtype.hasobject:
        return digest("\0".join(map(str, flat.reshape(-1).tolist())))
    return digest(np.ascontiguousarray(flat).tobytes())


def _model(value: Any, each: Any) -> str | None:
    """An estimator in the manner of scikit-learn, by its class and settings."""
    if isinstance(value, type) or not callable(getattr(value, "get_params", None)):
        return None
    try:
        return f"{type(value).__name__}({_pairs(sorted(value.get_params(deep=False).items()), each)})"
    except Exception:
        return None


def _part_of_model(value: Any, each: Any) -> str | None:
    """What models are given: a scorer or a splitter of scikit-learn by its settings, a partial by what it binds."""
    if isinstance(value, functools.partial):
        return f"partial({each(value.func)}, {each(value.args)}, {each(value.keywords)})"
    if isinstance(value, types.MethodType):
        return f"{each(value.__self__)}.{value.__name__}"
    is_splitter = all(callable(getattr(value, name, None)) for name in ("split", "get_n_splits"))
    if isinstance(value, type) or not (is_splitter or is_scorer(value)):
        return None
    return f"{type(value).__name__}({_pairs(sorted(getattr(value, '__dict__', {}).items()), each)})"


def is_scorer(value: Any) -> bool:
    """Whether something was made by scikit-learn's make_scorer."""
    return callable(getattr(value, "_score_func", None)) and isinstance(getattr(value, "_kwargs", None), dict)


def _installed(value: Any) -> str | None:
    """A function or class that was installed, by its name and library; of the user's own the code tells."""
    name, module = getattr(value, "__qualname__", None), getattr(value, "__module__", None)
    if not callable(value) or not isinstance(getattr(value, "__name__", None), str):
        return None
    if is_own(file_of(value)):
        return None
    return f"{name or value.__name__} of {str(module or 'builtins').partition('.')[0]}"
