"""What makes every score out of fold too good: a column that knows the target, and copies of a row on both sides.

Neither can be seen in the score itself, nor corrected there. They are found in the columns as they were read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from kilter.automl.task import Task

SUSPECT = 0.999
"""What a column alone scores (AUC, share of right classes, or R² of ranks) that no honest column does."""
FEWEST = 20
"""Rows below which a perfect column is easily had by chance."""


class Suspect(NamedTuple):
    """A column that alone tells nearly all of the target."""

    column: str
    score: float
    """Of the target told by rows with the same value, or by the two neighbours in the order of the column."""


def suspects(columns: Mapping[str, np.ndarray], y: np.ndarray, task: Task) -> list[Suspect]:
    """Columns (n,) that tell the target nearly alone: numbers, dates, or strings with None where one is missing.

    A column is asked for each row by what the target is in other rows of the same value, or else in those before and
    behind it. So one that is merely different in each row tells nothing.

    >>> y = np.arange(100) % 2
    >>> suspects({"age": np.arange(100.0), "paid": np.where(y == 1, 20.0, 0.0)}, y, Task("binary", (0, 1)))
    [Suspect(column='paid', score=1.0)]
    """
    if len(y) < FEWEST:
        return []
    truth = _ranks(y)[:, None] if task.is_regression else np.eye(task.width)[y]
    scored = ((name, _told(_places(values), truth, task)) for name, values in columns.items())
    return [Suspect(name, score) for name, score in scored if score > SUSPECT]


def copies(columns: Mapping[str, np.ndarray], y: np.ndarray, folds: Sequence[tuple[np.ndarray, np.ndarray]]) -> int:
    """How many rows were scored by models that had trained on an equal row, the target included.

    `folds` are pairs of row numbers to train on and to score on. Where there are many, `groups` ought to name what
    belongs together.

    >>> twice = np.array([1.0, 1.0, 2.0, 3.0])
    >>> copies({"x": twice}, twice, [(np.array([0, 2]), np.array([1, 3]))])
    1
    """
    same = _same((*columns.values(), y), len(y))
    return int(sum(np.isin(same[scored], same[train]).sum() for train, scored in folds))


def _same(columns: Sequence[np.ndarray], rows: int) -> np.ndarray:
    """A number (n,) that two rows have in common where they are equal in all columns."""
    same = np.zeros(rows, int)
    for values in columns:
        pairs = same * (rows + 1) + _places(values)
        same = np.unique(pairs, return_inverse=True)[1]
        if same.max(initial=0) == rows - 1:
            break  # no two are equal any more
    return same


def _places(values: np.ndarray) -> np.ndarray:
    """The place (n,) of each value in the order of those that occur; missing ones share the last."""
    if values.dtype == object:
        missing = np.array([value is None for value in values], bool)
        values = np.where(missing, "", values).astype(str)
    else:
        missing = np.isnat(values) if values.dtype.kind in "mM" else np.isnan(values)
    places = np.unique(values, return_inverse=True)[1]
    return np.asarray(np.where(missing, len(values), places))


def _ranks(y: np.ndarray) -> np.ndarray:
    """A few huge values would hide that all others are told."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(y))


def _told(places: np.ndarray, truth: np.ndarray, task: Task) -> float:
    """The score of what a column's places (n,) tell of the truth (n, k)."""
    order = np.argsort(places, kind="stable")
    told = np.empty_like(truth)
    told[order] = _by_others(places[order], truth[order])
    if task.is_regression:
        total = float(np.sum((truth - truth.mean()) ** 2))
        return 1 - float(np.sum((truth - told) ** 2)) / total if total else 0.0
    if task.kind == "binary":
        from kilter.automl.metrics import metric_of

        return metric_of("roc_auc", task).score(truth[:, 1].astype(int), told)
    return float(np.mean(told[truth == 1] >= 0.5))  # half at the border of two classes


def _by_others(places: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """For each row in the order of places: the mean truth of others with its value, or of its two neighbours."""
    starts = np.flatnonzero(np.diff(places, prepend=-1))
    sizes = np.diff(starts, append=len(places))
    sums = np.repeat(np.add.reduceat(truth, starts), sizes, axis=0)
    count = np.repeat(sizes, sizes)[:, None]
    before = np.vstack([truth[1:2], truth[:-1]])
    behind = np.vstack([truth[1:], truth[-2:-1]])
    return np.asarray(np.where(count > 1, (sums - truth) / np.maximum(count - 1, 1), (before + behind) / 2))
