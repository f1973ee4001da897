"""On which scale a target is learned: as it is, or by log1p where it is skewed; predictions are always on its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from kilter.automl.task import Task

Scale = Literal["identity", "log1p"]

BEYOND = 0.05
"""Predictions may leave the range of the training rows by this share of it: no table holds quite the extremes."""

SKEWED = 1.0
"""From this skewness on a target that is never negative is tried by its logarithm as well."""


@dataclass(frozen=True)
class Target:
    """The scale on which a member learns, and the range that its predictions are kept in.

    >>> Target("log1p", 0.0, 9.0).learned(np.array([0.0, 9.0])).round(2).tolist()
    [0.0, 2.3]
    """

    scale: Scale = "identity"
    lower: float = -np.inf
    upper: float = np.inf

    def learned(self, y: np.ndarray) -> np.ndarray:
        """The target as members see it."""
        return np.log1p(y) if self.scale == "log1p" else y

    def predicted(self, predictions: np.ndarray) -> np.ndarray:
        """What members predict, on the target's own scale and within its range; probabilities stay as they are."""
        if self.scale == "log1p":
            predictions = np.expm1(np.minimum(predictions, np.log1p(self.upper)))
        return predictions if self.upper == np.inf else np.clip(predictions, self.lower, self.upper)

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
    return {scale: Target(scale, lowest - margin, highest + margin) for scale in scales}


def skewness(y: np.ndarray) -> float:
    """The third standardized moment; 0 of a constant."""
    centred = y - y.mean()
    spread = np.sqrt(np.mean(centred**2))
    return float(np.mean((centred / spread) ** 3)) if spread > 0 else 0.0
