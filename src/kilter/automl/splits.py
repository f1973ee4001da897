"""The folds of a fit: chosen once, the same for all candidates, so that their scores can be compared row by row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kilter.automl.task import Task
from kilter.core.errors import InvalidInput
from kilter.core.seeds import rng
from kilter.evaluation.folds import frozen_splits
from kilter.evaluation.splitting import drawn, drawn_groups

Splits = list[tuple[np.ndarray, np.ndarray]]

SMALL, LARGE, HUGE = 1_000, 20_000, 50_000
HELD_OUT = 0.2
"""The share of rows of the one fold that very large tables have."""


def folds_for(rows: int, preset: str = "balanced") -> int:
    """How many folds a table of so many rows has; 1 is a hold-out.

    >>> [folds_for(rows) for rows in (500, 5_000, 30_000, 100_000)]
    [8, 5, 3, 1]
    >>> folds_for(500, "fast"), folds_for(500, "best")
    (1, 10)
    """
    if preset == "fast":
        return 1
    more = {1: 3, 3: 5, 5: 8, 8: 10} if preset == "best" else {}
    count = 8 if rows < SMALL else 5 if rows <= LARGE else 3 if rows <= HUGE else 1
    return more.get(count, count)


def splits_of(
    folds: Any,
    y: np.ndarray,
    task: Task,
    groups: Sequence[Any] | None = None,
    seed: int = 0,
    preset: str = "balanced",
) -> Splits:
    """Pairs of places to train on and to predict.

    `folds` is "auto", a number (1 is a hold-out), or a splitter with scikit-learn's `split(X, y, groups)`, as those of
    kilter, which is asked once. Classes have their share in each fold, and groups are never on both sides. A class of a
    single row is always trained on. Raises InvalidInput where rows, groups or the rarer of two classes are too few.
    """
    if hasattr(folds, "split") and not isinstance(folds, str):
        return _asked(folds, y, groups)
    count = folds_for(len(y), preset) if folds == "auto" else folds
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 1:
        raise InvalidInput(f"folds={folds!r}: give 'auto', a number from 1 (a hold-out) on, or a splitter")
    labels = None if task.is_regression else y
    single = _alone(y, task)
    several = np.flatnonzero(~single)
    count = _possible(int(count), y[several], task, folds != "auto")
    part = None if labels is None else labels[several]
    within = None if groups is None else np.asarray(groups)[several]
    if count == 1:
        held = _held_out(len(several), part, within, seed)
        found = [(np.flatnonzero(~held), np.flatnonzero(held))]
    else:
        found = frozen_splits(len(several), count, seed, stratify=part, groups=within)
    always = np.flatnonzero(single)
    return [(np.sort(np.concatenate([several[train], always])), several[test]) for train, test in found]


def _asked(splitter: Any, y: np.ndarray, groups: Sequence[Any] | None) -> Splits:
    found = [(np.asarray(train), np.asarray(test)) for train, test in splitter.split(np.zeros((len(y), 1)), y, groups)]
    if not found or any(not len(train) or not len(test) for train, test in found):
        raise InvalidInput(f"folds={splitter!r} leaves a side of a split without rows")
    return found


def _alone(y: np.ndarray, task: Task) -> np.ndarray:
    """Which rows are the only ones of their class: to predict them nothing could be learned from."""
    if task.kind != "multiclass":
        return np.zeros(len(y), bool)
    alone: np.ndarray = np.bincount(y, minlength=task.width)[y] == 1
    return alone


def _possible(count: int, y: np.ndarray, task: Task, is_wanted: bool) -> int:
    """As many folds as rows allow, and as the rarer of two classes does: without it no fold could be scored."""
    most, what = len(y), "rows"
    if task.kind == "binary":
        of_class = np.bincount(y, minlength=len(task.classes))
        most, what = int(of_class.min()), f"rows of the class {task.classes[of_class.argmin()]!r}"
    needed = max(count, 2) if is_wanted else 2
    if most < needed:
        raise InvalidInput(f"there are {most} {what}: {needed} folds need at least {needed}")
    return min(count, most)


def _held_out(rows: int, labels: np.ndarray | None, groups: np.ndarray | None, seed: int) -> np.ndarray:
    stream = rng(seed, "hold-out")
    if groups is None:
        held: np.ndarray = drawn(rows, HELD_OUT, labels, stream)
        return held
    return drawn_groups(groups, HELD_OUT, labels, stream)
