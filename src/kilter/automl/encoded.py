"""What members are fed with: the matrices of each fold, encoded once and shared by all candidates."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kilter.automl.candidates import Folds
from kilter.automl.encoding import Encoder, fit_encoder
from kilter.automl.members.member import Matrix, Rows, Shape
from kilter.automl.reading import Table
from kilter.automl.task import Task

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Encoded:
    """Training and validation rows of each fold in each view; safe between threads.

    `weight` is what rows weigh where a model learns, and `y` is on the target's own scale. An encoding is learned from
    the training rows of its fold alone.
    """

    table: Table
    y: np.ndarray
    task: Task
    folds: Folds
    views: Sequence[str]
    seed: int
    weight: np.ndarray | None = None
    _encoders: dict[int, Encoder] = field(default_factory=dict)
    _parts: dict[tuple[int, str], tuple[Matrix, Matrix]] = field(default_factory=dict)
    _locks: dict[int, threading.Lock] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._locks.update({fold: threading.Lock() for fold in range(len(self.folds))})

    def encoder(self, fold: int) -> Encoder:
        """The encoder that was learned from the training rows of a fold."""
        with self._locks[fold]:
            self._learn(fold)
            return self._encoders[fold]

    def rows(self, fold: int, view: str, learned: np.ndarray) -> tuple[Rows, Rows]:
        """To train on and to stop by, with the target as members see it, (n,)."""
        with self._locks[fold]:
            self._learn(fold)
            parts = self._parts[fold, view]
        first, second = (
            Rows(matrix, learned[places], None if self.weight is None else self.weight[places])
            for matrix, places in zip(parts, self.folds[fold], strict=True)
        )
        return first, second

    def shape(self, fold: int, view: str) -> Shape:
        """How large a fit is."""
        train, _ = self.rows(fold, view, self.y)
        return Shape(len(train.matrix), train.matrix.values.shape[1], self.task.width)

    def _learn(self, fold: int) -> None:
        if fold in self._encoders:
            return
        train, valid = self.folds[fold]
        weight = None if self.weight is None else self.weight[train]
        encoder, matrices = fit_encoder(
            self.table.rows(train), self.y[train], self.task, self.seed + fold, self.views, weight
        )
        held = self.table.rows(valid)
        for view, matrix in matrices.items():
            self._parts[fold, view] = (matrix, encoder.transform(held, view))
        self._encoders[fold] = encoder
