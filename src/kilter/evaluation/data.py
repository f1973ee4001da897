"""Data by rows: what models are fitted and scored on, and what splits go by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Union

import numpy as np

from kilter.core.errors import InvalidInput

MANY = 50
"""Different numbers from which on a column counts as measured, and not as labels of classes."""


@dataclass(frozen=True, eq=False)
class Data:
    """Tables, arrays or lists that have their rows in common, as (X, y), with what else is known of each row."""

    arrays: tuple[Any, ...]
    groups: Any = None
    """Labels of rows that belong together, as those of one patient."""
    weights: Any = None
    """How much each row counts, in fits and in scores."""
    has_classes: bool | None = None
    """Whether the second array has classes; None for as it looks."""

    def __post_init__(self) -> None:
        # Sparse tables of other formats have no rows to take.
        in_rows = (each.tocsr() if callable(getattr(each, "tocsr", None)) else each for each in self.arrays)
        object.__setattr__(self, "arrays", tuple(in_rows))
        rows = len(self)
        for name, given in (("groups", self.groups), ("sample_weight", self.weights)):
            if given is not None and np.shape(given) != (rows,):
                raise InvalidInput(f"{name} has the shape {np.shape(given)}: give one for each of the {rows} rows")
        for given in self.arrays[1:]:
            if given is not None and _rows(given) != rows:
                raise InvalidInput(f"the data have {rows} and {_rows(given)} rows: they must have the same rows")

    def __len__(self) -> int:
        return _rows(self.arrays[0])

    def on(self, rows: np.ndarray | None) -> Data:
        """These rows alone, in this order; all of them for None."""
        if rows is None:
            return self
        groups, weights = (None if each is None else np.asarray(each)[rows] for each in (self.groups, self.weights))
        return Data(tuple(taken(each, rows) for each in self.arrays), groups, weights, self.has_classes)

    def labels(self, stratify: bool | None) -> np.ndarray | None:
        """The classes that each side of a split should have in the same shares; None where there are none to keep.

        By default these are those of y, if it has classes: text, truth values, or few different numbers.
        """
        y = self.arrays[1] if len(self.arrays) > 1 else None
        if y is not None and np.ndim(y) == 2 and np.shape(y)[1] == 1:
            y = np.asarray(y)[:, 0]  # a column, or a table of one
        if stratify is False or y is None or np.ndim(y) != 1:
            if stratify:
                raise InvalidInput("stratify=True: that takes the class of each row, y of shape (rows,)")
            return None
        array = np.asarray(y)
        has_classes = stratify or self.has_classes or (self.has_classes is None and _are_classes(array))
        return codes("y", array) if has_classes else None


def is_whole(number: Any) -> bool:
    """Whether something is a whole number, and no truth value."""
    return hasattr(number, "__index__") and not isinstance(number, (bool, np.bool_))


def taken(array: Any, rows: np.ndarray) -> Any:
    """So many rows of a table, an array, a sparse matrix, a tensor or a list."""
    if array is None:
        return None
    if hasattr(array, "iloc"):
        return array.iloc[rows]
    return array[rows] if hasattr(array, "shape") else [array[row] for row in rows]


def _rows(array: Any) -> int:
    try:
        return int(array.shape[0]) if hasattr(array, "shape") else len(array)
    except (TypeError, IndexError):
        raise InvalidInput(
            f"{array!r:.60} has no rows: give tables, arrays or lists, with the same rows in all of them"
        ) from None


def _are_classes(y: np.ndarray) -> bool:
    return y.dtype.kind not in "iufc" or len(np.unique(y)) <= min(MANY, len(y) // 2)


def codes(name: str, labels: Any) -> np.ndarray:
    """Labels as whole numbers from 0 on; raises InvalidInput where they cannot be told apart.

    >>> codes("groups", ["b", "a", "b"]).tolist()
    [1, 0, 1]
    """
    array = np.asarray(labels)
    try:
        found: np.ndarray = np.unique(array, return_inverse=True)[1]
    except TypeError:
        kinds = {type(each).__name__: each for each in array.tolist()}
        told = " and ".join(repr(each) for each in list(kinds.values())[:2])
        raise InvalidInput(
            f"{name} has labels of several kinds, as {told}: make all of them text, or all of them numbers, and leave "
            "out rows without one"
        ) from None
    return found


@dataclass(frozen=True, eq=False)
class Fit:
    """One part of an evaluation: fits of a configuration on some rows, one a seed, which are scored on others."""

    train: np.ndarray | None = None
    """Numbers of rows; None where there are no rows, as for a seed alone."""
    test: np.ndarray | None = None
    seeds: tuple[int | None, ...] = (None,)
    """Of the fit's own chance, over which its score is the mean; None where that is left to it."""
    repeat: int = 0
    """Which repetition of the splits, or of the seeds, it belongs to."""
    data: str | None = None
    """The data set that the rows are of, where there are several."""


def names(fits: Sequence[Fit]) -> list[int | str]:
    """What the parts of an evaluation are called: numbers, or where there are data sets, "a/0", or "a" if it is alone.

    >>> names([Fit(), Fit()]), names([Fit(data="a"), Fit(data="b"), Fit(data="a")])
    ([0, 1], ['a/0', 'b', 'a/1'])
    """
    parts, met = Counter(fit.data for fit in fits), Counter[Union[str, None]]()
    found: list[int | str] = []
    for i, data in enumerate(fit.data for fit in fits):
        found.append(i if data is None else data if parts[data] == 1 else f"{data}/{met[data]}")
        met[data] += 1
    return found
