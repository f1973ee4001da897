"""What is to be predicted, and the shape of predictions that goes with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Kind = Literal["binary", "multiclass", "regression"]


@dataclass(frozen=True)
class Task:
    """The kind of target and its classes, in the order of np.unique; none for numbers.

    Everywhere inside, y is (n,): float64 values, or the int64 places of classes. Predictions are (n,) values, or (n, k)
    probabilities of k classes that sum to 1, with two columns for two classes as well.

    >>> Task("binary", ("no", "yes")).width
    2
    """

    kind: Kind
    classes: tuple[Any, ...] = ()

    @property
    def is_regression(self) -> bool:
        """Whether values are predicted rather than classes."""
        return self.kind == "regression"

    @property
    def width(self) -> int:
        """Columns of a prediction: the classes, or one."""
        return max(len(self.classes), 1)

    def blank(self, rows: int) -> np.ndarray:
        """Predictions of so many rows, all missing: values (n,) float64, or probabilities (n, k) float32."""
        if self.is_regression:
            return np.full(rows, np.nan)
        return np.full((rows, self.width), np.nan, np.float32)
