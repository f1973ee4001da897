"""The folds of a fit: chosen once, the same for all candidates, so that their scores can be compared row by row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kilter.automl.task import Task
from kilter.core.errors import InvalidInput
from kilter.core.seeds import rng
from kilter.core.text import shown
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

    `folds` is "auto" or a number (1 is a hold-out). Classes have their share in each fold, and groups are never on both
    sides. A class of a single row is always trained on. Raises InvalidInput where rows, groups or the rarer of two
    classes are too few.
    """
    count = folds_for(len(y), preset) if isinstance(folds, str) and folds == "auto" else folds
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 1:
        raise InvalidInput(f"folds={shown(folds)}: give 'auto', a number from 1 (a hold-out) on, a splitter, or pairs")
    labels = None if task.is_regression else y
    single = _alone(y, task)
    several = np.flatnonzero(~single)
    within = None if groups is None else np.asarray(groups)[several]
    count = _possible(int(count), y[several], task, within, count is folds, len(y))
    part = None if labels is None else labels[several]
    if count == 1:
        held = _held_out(len(several), part, within, seed)
        found = [(np.flatnonzero(~held), np.flatnonzero(held))]
    else:
        found = frozen_splits(len(several), count, seed, stratify=part, groups=within)
    always = np.flatnonzero(single)
    return [(np.sort(np.concatenate([several[train], always])), several[test]) for train, test in found]


def is_growing(folds: Sequence[tuple[np.ndarray, np.ndarray]]) -> bool:
    """Whether some folds learn from far fewer rows than others, as where each learns from what was before it.

    >>> is_growing([(np.arange(20), np.arange(20, 40)), (np.arange(40), np.arange(40, 60))])
    True
    """
    sizes = [len(train) for train, _ in folds]
    return min(sizes) < 0.7 * max(sizes)


def is_asked(folds: Any) -> bool:
    """Whether folds are a splitter's, or pairs of row numbers that a user has made."""
    return (hasattr(folds, "split") and not isinstance(folds, str)) or isinstance(folds, list | tuple)


def asked(folds: Any, frame: Any, y: np.ndarray, groups: Any, rows: np.ndarray) -> Splits:
    """The pairs of a splitter with scikit-learn's `split(X, y, groups)`, or as given, as places among `rows`.

    They are of the whole table, as its user knows it: (frame, y, groups) have all rows, of which `rows` are learned
    from. Raises InvalidInput where the splitter cannot split them, or leaves a side without rows.
    """
    place = np.full(len(frame), -1)
    place[rows] = np.arange(len(rows))
    try:
        pairs = list(folds if isinstance(folds, list | tuple) else folds.split(frame, y, groups))
        whole = [(place[np.asarray(train)], place[np.asarray(test)]) for train, test in pairs]
    except (ValueError, TypeError, IndexError) as error:
        raise InvalidInput(f"{_named(folds)} cannot split these {len(frame)} rows: {error}") from error
    found = [(train[train >= 0], test[test >= 0]) for train, test in whole]
    if not found or any(not len(train) or not len(test) for train, test in found):
        raise InvalidInput(f"{_named(folds)} leaves a side of a split without rows to learn from")
    return found


def _named(folds: Any) -> str:
    """What a user gave as folds: of row numbers no more than how many pairs there are."""
    return (
        f"folds, a {type(folds).__name__} of {len(folds)},"
        if isinstance(folds, list | tuple)
        else f"folds={shown(folds)}"
    )


def _alone(y: np.ndarray, task: Task) -> np.ndarray:
    """Which rows are the only ones of their class: to predict them nothing could be learned from."""
    if task.kind != "multiclass":
        return np.zeros(len(y), bool)
    alone: np.ndarray = np.bincount(y, minlength=task.width)[y] == 1
    return alone


def _possible(count: int, y: np.ndarray, task: Task, groups: np.ndarray | None, is_wanted: bool, rows: int) -> int:
    """As many folds as rows and groups allow, and as the rarer of two classes does: without it none could be scored."""
    bounds = {f"rows whose class has another one among {rows}" if task.kind == "multiclass" else "rows": len(y)}
    if groups is not None:
        bounds["groups"] = len(set(groups.tolist()))
    if task.kind == "binary":
        of_class = np.bincount(y, minlength=len(task.classes))
        bounds[f"rows of the class {task.classes[of_class.argmin()]!r}"] = int(of_class.min())
    what = min(bounds, key=lambda name: bounds[name])
    needed = max(count, 2) if is_wanted else 2
    if bounds[what] < needed:
        raise InvalidInput(f"there are {bounds[what]} {what}: {needed} folds need at least {needed}")
    return min(count, bounds[what])


def _held_out(rows: int, labels: np.ndarray | None, groups: np.ndarray | None, seed: int) -> np.ndarray:
    stream = rng(seed, "hold-out")
    if groups is None:
        held: np.ndarray = drawn(rows, HELD_OUT, labels, stream)
        return held
    return drawn_groups(groups, HELD_OUT, labels, stream)
