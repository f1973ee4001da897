"""On which scale a target is learned: as it is, or by log1p where it is skewed; predictions are always on its own.

    learned = (g(y) - centre) / spread     g is y itself, or log1p

So a·y + b is learned as y is: members work in float32, and a target far from 0 would have no digits left for what
differs between rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from kilter.automl.task import Task

Scale = Literal["identity", "log1p"]

BEYOND = 0.05
"""Predictions may leave the range of the training rows by this share of it: no table holds quite the extremes."""

ROUNDING = 1e-15
"""A deviation that is a smaller share of the mean is what rounding leaves of a constant."""

SKEWED = 1.0
"""From this skewness on a target that is never negative is tried by its logarithm as well."""


@dataclass(frozen=True)
class Target:
    """The scale on which a member learns, and the range that its predictions are kept in.

    `centre` and `spread` are on the scale: what is learned has about the mean 0 and the deviation 1.

    >>> Target("log1p", 0.0, 9.0).learned(np.array([0.0, 9.0])).round(2).tolist()
    [0.0, 2.3]
    """

    scale: Scale = "identity"
    lower: float = -np.inf
    upper: float = np.inf
    centre: float = 0.0
    spread: float = 1.0

    def learned(self, y: np.ndarray) -> np.ndarray:
        """The target as members see it."""
        return y if self == Target() else (scaled(y, self.scale) - self.centre) / self.spread

    def predicted(self, predictions: np.ndarray) -> np.ndarray:
        """What members predict, on the target's own scale and within its range; probabilities stay as they are."""
        if self == Target():
            return predictions
        predictions = predictions * self.spread + self.centre
        if self.scale == "log1p":
            predictions = np.expm1(np.minimum(predictions, np.log1p(self.upper)))
        return np.clip(predictions, self.lower, self.upper)

    def values(self) -> dict[str, Any]:
        """What it is made of again, as Target(**values)."""
        return {} if self == Target() else asdict(self)


def targets(task: Task, y: np.ndarray) -> Mapping[Scale, Target]:
    """The scales that are worth a try, the plain one first: for classes, and for what is not skewed, it alone.

    >>> sorted(targets(Task("regression"), np.array([1.0, 1.0, 1.0, 2.0, 90.0])))
    ['identity', 'log1p']
    """
    if not task.is_regression:
        return {"identity": Target()}
    lowest, highest = float(y.min()), float(y.max())
    margin = BEYOND * (highest - lowest)
    scales: list[Scale] = ["identity", "log1p"] if lowest >= 0 and abs(skewness(y)) > SKEWED else ["identity"]
    found = {}
    for scale in scales:
        values = scaled(y, scale)
        centre, spread = float(values.mean()), float(values.std())
        if not spread > ROUNDING * abs(centre):
            centre, spread = float(values[0]), 1.0
        found[scale] = Target(scale, lowest - margin, highest + margin, centre, spread)
    return found


def scaled(y: np.ndarray, scale: Scale) -> np.ndarray:
    """The target on a scale, neither centred nor divided."""
    return np.log1p(y) if scale == "log1p" else y


def skewness(y: np.ndarray) -> float:
    """The third standardized moment; 0 of a constant."""
    centred = y - y.mean()
    spread = np.sqrt(np.mean(centred**2))
    return float(np.mean((centred / spread) ** 3)) if spread > 0 else 0.0
