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
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
