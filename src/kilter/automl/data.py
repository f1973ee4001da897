"""What a fit learns from: the table as it was read, its target, weights and folds."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from numbers import Real
from typing import Any

import numpy as np

from kilter.automl import inputs, leaks, reading
from kilter.automl.candidates import Folds
from kilter.automl.metrics import Metric, check, metric_of
from kilter.automl.reading import Reading, Table
from kilter.automl.settings import Settings
from kilter.automl.splits import asked, is_asked, is_growing, splits_of
from kilter.automl.task import Kind, Task
from kilter.core.errors import InvalidInput, UnknownName
from kilter.core.seeds import rng
from kilter.core.text import one_line, shown

CELLS_A_SECOND = 300_000
"""Values that a second of the time limit is enough for: a third of it goes to encode them, another into a model."""
BYTES_A_CELL = 100
"""A value in the table, in the matrices of two views, and in the histograms and batches of members."""
FEWEST = 500
"""So many rows are always learned from."""
FEW, OUTLIER = 10, 0.8
"""From so many rows on a single one with this share of the target's variance is told of."""
COPIES = 0.05
"""From this share of the rows on copies on both sides of a fold are told of: few are the luck of small tables."""


@dataclass(frozen=True, eq=False)
class Data:
    """Rows that have a target and a weight. `rows` are their places among all that were given.

    `weight` (n,) is what rows weigh in a score; `learning` what they weigh where a model learns: their class may be
    weighted too.
    """

    table: Table
    reading: Reading
    task: Task
    y: np.ndarray
    rows: np.ndarray
    weight: np.ndarray | None
    learning: np.ndarray | None
    groups: np.ndarray | None
    folds: Folds
    metric: Metric
    notices: tuple[str, ...] = ()

    @property
    def is_constant(self) -> bool:
        """Whether all rows have the same target: then there is nothing to learn."""
        return bool((self.y == self.y[0]).all())

    @cached_property
    def columns(self) -> dict[str, np.ndarray]:
        """The columns that are learned from, but for texts: numbers, days, and places of levels."""
        numbers = dict(zip(self.table.names, self.table.numbers.T, strict=True))
        return {**numbers, **self.table.dates, **self.table.codes}

    @cached_property
    def lone(self) -> int:
        """How many folds have rows of a single value or class: most metrics cannot score one."""
        return sum(bool((self.y[held] == self.y[held[0]]).all()) for _, held in self.folds)

    @cached_property
    def fold_metric(self) -> Metric:
        """What candidates are compared by, fold by fold: the metric, unless it cannot score every fold."""
        if not self.lone:
            return self.metric
        return metric_of("mean_squared_error" if self.task.is_regression else "log_loss", self.task)

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """What its user should know before a score is believed."""
        found = (_lone(self), _outlier(self), _singles(self), _suspects(self), _copies(self), _in_time(self))
        return (*self.notices, *chain.from_iterable(found))

    @property
    def is_in_time(self) -> bool:
        """Whether each fold is of rows behind those that are learned from, as where rows are in the order of time."""
        return len(self.folds) > 1 and all(train.max() < held.min() for train, held in self.folds)

    def first(self, count: int) -> Data:
        """The same with no more than so many of its folds."""
        return self if count == len(self.folds) else replace(self, folds=self.folds[:count])

    @cached_property
    def digest(self) -> str:
        """Tells these data and folds from others."""
        table = self.table
        found = hashlib.sha256(repr((self.task, self.reading.names, self.metric.name)).encode())
        arrays = [self.y, table.numbers, *table.dates.values(), *table.codes.values()]
        arrays += [part for words in table.words.values() for part in (words.data, words.indices, words.indptr)]
        arrays += [part for part in (self.weight, self.learning) if part is not None]
        for array in (*arrays, *(part for fold in self.folds for part in fold)):
            found.update(np.ascontiguousarray(array).tobytes())
        return found.hexdigest()


def prepared(
    X: Any,  # noqa: N803
    y: Any,
    settings: Settings,
    sample_weight: Any = None,
    groups: Any = None,
) -> Data:
    """Read, checked and split; raises InvalidInput where nothing can be learned from it, and says why."""
    frame, given, sample_weight, groups = inputs.split(X, y, sample_weight, groups)
    wanted = inputs.target(given, not settings.is_classifier, len(frame))
    weight = inputs.weights(sample_weight, len(frame))
    kept = wanted.rows if weight is None else wanted.rows[weight[wanted.rows] > 0]
    kept, sampled = _within_reach(kept, frame.shape[1], settings)
    task, target, rows = _classes_left(wanted, kept)
    read = reading.read(frame.iloc[rows], settings.columns)
    weight = None if weight is None else _relative(weight[rows])
    every = _groups(groups, len(frame))
    together = None if every is None else every[rows]
    if is_asked(settings.folds):
        whole = np.full(len(frame), target[0])  # what a row is that is not learned from makes no difference
        whole[rows] = target
        folds = asked(settings.folds, frame, whole, every, rows)
    else:
        folds = splits_of(settings.folds, target, task, together, settings.random_state, settings.preset)
    metric = metric_of(settings.metric, task)
    check(metric, task, target, weight)
    return Data(
        read.table(frame.iloc[rows]),
        read,
        task,
        target,
        rows,
        weight,
        _learning(weight, settings.class_weight, task, target),
        together,
        folds,
        metric,
        (*wanted.notices, *read.notices, *sampled),
    )


def _within_reach(rows: np.ndarray, columns: int, settings: Settings) -> tuple[np.ndarray, tuple[str, ...]]:
    """The rows that time and memory allow to learn from, and what is to be said where these are not all."""
    reach = {
        "time_limit": math.inf if settings.time_limit is None else settings.time_limit * CELLS_A_SECOND,
        "memory_limit": math.inf if settings.memory_limit is None else settings.memory_limit / BYTES_A_CELL,
    }
    least = min(reach, key=lambda name: reach[name])
    allowed = reach[least] / max(columns, 1)
    most = max(allowed, FEWEST)
    if len(rows) <= allowed:
        return rows, ()
    if len(rows) <= most:
        return rows, (f"{least} is enough for {int(allowed)} of {len(rows)} rows: it will be exceeded",)
    drawn = rng(settings.random_state, "reach").permutation(len(rows))[: int(most)]
    return rows[np.sort(drawn)], (f"{int(most)} of {len(rows)} rows are learned from: {least} allows no more",)


def _classes_left(wanted: inputs.Target, kept: np.ndarray) -> tuple[Task, np.ndarray, np.ndarray]:
    """Task, target and rows where only these rows are kept: a class of which none is left is none."""
    y = wanted.y[np.isin(wanted.rows, kept)]
    if wanted.task.is_regression or len(kept) == len(wanted.rows):
        return wanted.task, y, kept
    there, places = np.unique(y, return_inverse=True)
    kind: Kind = "binary" if len(there) <= 2 else "multiclass"
    return Task(kind, tuple(wanted.task.classes[place] for place in there)), places.astype(np.int64), kept


def _groups(groups: Any, rows: int) -> np.ndarray | None:
    if groups is None:
        return None
    found = np.asarray(groups)
    if found.shape != (rows,):
        raise InvalidInput(f"groups has the shape {found.shape}: give one group for each of the {rows} rows")
    return found


def _relative(weight: np.ndarray) -> np.ndarray:
    """Of mean 1: weights say how much more one row counts than another, whatever their size."""
    shares = weight / weight.max()
    return np.asarray(shares / shares.mean())


def _learning(weight: np.ndarray | None, class_weight: Any, task: Task, y: np.ndarray) -> np.ndarray | None:
    """What rows weigh where a model learns."""
    if class_weight is None or task.is_regression:
        return weight
    of_class: np.ndarray = class_weights(class_weight, task, y)[y]
    return of_class if weight is None else weight * of_class


def class_weights(class_weight: Any, task: Task, y: np.ndarray) -> np.ndarray:
    """What a row of each class weighs, (k,): 1 where nothing is said of it."""
    if isinstance(class_weight, str) and class_weight == "balanced":
        return np.asarray(len(y) / (task.width * np.bincount(y, minlength=task.width)))
    if not isinstance(class_weight, Mapping):
        raise InvalidInput(f"class_weight={class_weight!r}: give None, 'balanced', or weights by class")
    for label, weight in class_weight.items():
        if label not in task.classes:
            raise UnknownName.of("class in class_weight:", label, map(str, task.classes))
        if isinstance(weight, bool) or not isinstance(weight, Real) or not 0 < float(weight) < math.inf:
            raise InvalidInput(f"class_weight has {weight!r} for {shown(label)}: give a number above 0")
    return np.array([float(class_weight.get(label, 1)) for label in task.classes])


def _lone(data: Data) -> Iterator[str]:
    if data.is_constant:
        yield "the target is the same in all rows: so are the predictions"
    elif data.lone:
        yield (
            f"{data.lone} of {len(data.folds)} folds hold a single value of the target: candidates are compared by "
            f"{data.fold_metric.name}, and {data.metric.name} over all folds together may say little"
        )


def _outlier(data: Data) -> Iterator[str]:
    """Of a target whose variance is one row no score says much, and members learn that row alone."""
    if data.task.is_regression and not data.is_constant and len(data.y) >= FEW:
        squares = (data.y - np.median(data.y)) ** 2
        share = float(squares.max() / squares.sum())
        if share > OUTLIER:
            value = data.y[squares.argmax()]
            yield f"a single row, where the target is {value:g}, makes {share:.1%} of its variance: is that an error?"


def _singles(data: Data) -> Iterator[str]:
    if data.task.kind == "multiclass":
        alone = np.flatnonzero(np.bincount(data.y, minlength=data.task.width) == 1)
        if len(alone):
            names = ", ".join(one_line(data.task.classes[place], 30) for place in alone[:5])
            yield f"{len(alone)} classes have a single row ({names}), which no score rests on"


def _suspects(data: Data) -> Iterator[str]:
    if data.is_constant:
        return
    for column, score in leaks.suspects(data.columns, data.y, data.task):
        name = one_line(column, 50)
        yield f"the column {name!r} alone tells nearly all ({score:.4f}): is it known when a prediction is wanted?"


def _copies(data: Data) -> Iterator[str]:
    found = leaks.copies(data.columns, data.y, data.folds)
    if found > COPIES * len(data.y):
        yield f"{found} rows have an equal one among those that their models learned from: groups= keeps them together"


def _in_time(data: Data) -> Iterator[str]:
    if data.is_in_time and not is_growing(data.folds):  # of growing folds the newest model predicts (assembly.py)
        yield (
            "each fold's models are scored on the rows behind those that they learned from, and the mean of all of "
            "them predicts, also of those that know old rows alone: where the target moves with time, new rows score "
            "worse than the estimate"
        )
