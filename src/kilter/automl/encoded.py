"""What members are fed with: the matrices of each fold, encoded once and shared by all candidates."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from kilter.automl.budget import clock
from kilter.automl.candidates import Folds
from kilter.automl.encoding import Encoder, fit_encoder
from kilter.automl.members.member import Matrix, Rows, Shape
from kilter.automl.pairs import KEPT
from kilter.automl.reading import Table
from kilter.automl.target import Target
from kilter.automl.task import Task

if TYPE_CHECKING:
    import numpy as np

LARGE = 200_000
"""Values in a table from which on its matrices are of float32: they are what a fit takes most memory for."""


@dataclass(frozen=True)
class Encoded:
    """Training and validation rows of each fold in each view; safe between threads.

    `weight` is what rows weigh where a model learns. `y` is on the target's own scale; encodings see it by `target`. An
    encoding is learned from the training rows of its fold alone.
    """

    table: Table
    y: np.ndarray
    task: Task
    folds: Folds
    views: Sequence[str]
    seed: int
    weight: np.ndarray | None = None
    target: Target = field(default_factory=Target)
    _encoders: dict[int, Encoder] = field(default_factory=dict)
    _parts: dict[tuple[int, str], tuple[Matrix, Matrix]] = field(default_factory=dict)
    _locks: dict[int, threading.Lock] = field(default_factory=dict)
    _took: dict[tuple[int, bool], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._locks.update({fold: threading.Lock() for fold in range(len(self.folds))})

    def encoder(self, fold: int, views: Sequence[str]) -> Encoder:
        """The encoder that was learned from the training rows of a fold, and has these views."""
        with self._locks[fold]:
            for view in views:
                self._learn(fold, view)
            return self._encoders[fold]

    def first(self, count: int) -> Encoded:
        """The first so many folds, with what was learned of them."""
        return self if count == len(self.folds) else replace(self, folds=self.folds[:count])

    def rows(self, fold: int, view: str, learned: np.ndarray) -> tuple[Rows, Rows]:
        """To train on and to stop by, with the target as members see it, (n,)."""
        with self._locks[fold]:
            self._learn(fold, view)
            parts = self._parts[fold, view]
        first, second = (
            Rows(matrix, learned[places], None if self.weight is None else self.weight[places])
            for matrix, places in zip(parts, self.folds[fold], strict=True)
        )
        return first, second

    def whole(self, views: Sequence[str]) -> tuple[Encoder, Mapping[str, Matrix]]:
        """An encoder that was learned from all rows, and all rows as it encodes them."""
        seed = self.seed + len(self.folds)
        return fit_encoder(self.table, self._aim, self.task, seed, views, self.weight, self.is_large)

    @property
    def is_large(self) -> bool:
        """Whether matrices are of float32."""
        table = self.table
        columns = len(table.names) + len(table.dates) + len(table.codes) + len(table.words)
        return len(self.y) * columns > LARGE

    @property
    def seconds(self) -> float:
        """How long it took to learn the encoder of a fold, at most; 0 before one was."""
        plain = [took for (_, is_paired), took in self._took.items() if not is_paired]
        paired = [took for (_, is_paired), took in self._took.items() if is_paired]
        return max(plain, default=0.0) + max(paired, default=0.0)

    @property
    def to_come(self) -> float:
        """Seconds that it is expected to take to learn the encoders of the other folds, without pairs."""
        plain = [took for (_, is_paired), took in self._took.items() if not is_paired]
        return (len(self.folds) - len(plain)) * max(plain, default=0.0)

    def shape(self, fold: int, view: str) -> Shape:
        """How large a fit is; what pairs there are is guessed before they are learned, for that takes its time."""
        if view == "pairs" and (fold, view) not in self._parts:
            known = self.shape(fold, "tree")
            return replace(known, columns=known.columns + KEPT)
        train, _ = self.rows(fold, view, self.y)
        return Shape(len(train.matrix), train.matrix.values.shape[1], self.task.width)

    @cached_property
    def _aim(self) -> np.ndarray:
        return self.target.learned(self.y)

    def _learn(self, fold: int, view: str) -> None:
        """Pairs are learned when they are asked for, all else at once."""
        train, valid = self.folds[fold]
        weight = None if self.weight is None else self.weight[train]
        seed, began = self.seed + fold, clock()
        if fold not in self._encoders:
            plain = list(dict.fromkeys(("tree", *(each for each in self.views if each != "pairs"))))
            table, y = self.table.rows(train), self._aim[train]
            encoder, matrices = fit_encoder(table, y, self.task, seed, plain, weight, self.is_large)
            self._keep(fold, encoder, matrices, valid)
            self._took[fold, False] = clock() - began
        if (fold, view) not in self._parts:
            began = clock()
            tree, _ = self._parts[fold, "tree"]
            encoder, matrix = self._encoders[fold].with_pairs(tree, self._aim[train], self.task, seed, weight)
            self._keep(fold, encoder, {view: matrix}, valid)
            self._took[fold, True] = clock() - began

    def _keep(self, fold: int, encoder: Encoder, matrices: Mapping[str, Matrix], valid: np.ndarray) -> None:
        held = self.table.rows(valid)
        self._encoders[fold] = encoder
        self._parts.update({(fold, view): (matrix, encoder.transform(held, view)) for view, matrix in matrices.items()})
