"""Results of analyses as data that JSON can say."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from enum import Enum
from typing import Any

import numpy as np


def plain(result: Any) -> Any:
    """A result as dicts, lists, text and numbers: what `json.dumps(…, allow_nan=False)` takes.

    Dataclasses become dicts of their fields, arrays and tuples lists, states and other enumerations their names, keys
    text; NaN and the infinities, for which JSON has no word, become "NaN", "Infinity" and "-Infinity". Raises TypeError
    for anything else.

    >>> plain({"best": (np.float64(0.5), float("nan")), 3: np.array([[1, 2]])})
    {'best': [0.5, 'NaN'], '3': [[1, 2]]}
    """
    if isinstance(result, Enum):
        return result.name
    if result is None or isinstance(result, (bool, str)):
        return result
    if isinstance(result, np.ndarray):
        return result.tolist() if _is_sayable(result) else [plain(item) for item in result]
    if isinstance(result, np.generic):
        return plain(result.item())
    if isinstance(result, int):
        return int(result)
    if isinstance(result, float):
        return result if math.isfinite(result) else _unsayable(result)
    if isinstance(result, Mapping):
        return {str(plain(key)): plain(value) for key, value in result.items()}
    if isinstance(result, (list, tuple)):
        return [plain(item) for item in result]
    if dataclasses.is_dataclass(result) and not isinstance(result, type):
        return {field.name: plain(getattr(result, field.name)) for field in dataclasses.fields(result)}
    raise TypeError(f"a {type(result).__name__} is nothing that JSON can say")


def _is_sayable(array: np.ndarray) -> bool:
    """Whether an array holds what JSON can say as it is."""
    return array.dtype.kind in "biuU" or (array.dtype.kind == "f" and bool(np.isfinite(array).all()))


def _unsayable(number: float) -> str:
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
