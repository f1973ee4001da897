"""What members minimise: squared error, or log-loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kilter.automl.members.member import Rows, relative
from kilter.automl.task import Task


def softmax(scores: np.ndarray) -> np.ndarray:
    """(n, k) probabilities in float64 from scores of any size.

    >>> softmax(np.array([[0.0, 1000.0]])).tolist()
    [[0.0, 1.0]]
    """
    shifted = np.exp(np.subtract(scores, scores.max(axis=1, keepdims=True), dtype=float))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class Loss:
    """The weighted mean loss of predictions of some rows."""

    y: np.ndarray
    weight: np.ndarray | None
    task: Task

    @classmethod
    def of(cls, rows: Rows, task: Task) -> Loss:
        """That of predictions of these rows."""
        return cls(rows.y, None if rows.weight is None else relative(rows.weight), task)

    def __call__(self, found: np.ndarray) -> float:
        """Squared error of values, log-loss of probabilities."""
        if self.task.is_regression:
            each = (found - self.y) ** 2
        else:
            each = -np.log(np.maximum(found[np.arange(len(self.y)), self.y], 1e-15))
        return float(np.average(each, weights=self.weight))
