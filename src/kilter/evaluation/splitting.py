"""Evaluations that split rows: cross-validation, hold-out, and either of them repeated."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kilter.core.errors import InvalidInput
from kilter.core.seeds import rng
from kilter.evaluation.data import Data, Fit, codes, is_whole
from kilter.evaluation.evaluations import Evaluation
from kilter.evaluation.folds import Splits, frozen_splits
from kilter.evaluation.objective import ByName


class OverRows(Evaluation):
    """An evaluation that splits rows; a splitter of scikit-learn as well, to be given as cv=."""

    @property
    @abstractmethod
    def count(self) -> int:
        """How many splits there are."""

    @abstractmethod
    def splits(self, data: Data, number: int = 0) -> Splits:
        """Row numbers to train on and to test on; where chance has a say, each `number` has others."""

    def fits(self, data: ByName, number: int = 0) -> list[Fit]:
        """A fit for each split."""
        (rows,) = data.values()
        return [Fit(train, test) for train, test in self.splits(rows, number)]

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:  # noqa: N803
        """Pairs of row numbers, for scikit-learn."""
        yield from ((fit.train, fit.test) for fit in self.fits({None: Data((X, y), groups)}))  # type: ignore[misc]

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:  # noqa: N803
        """How many pairs there are, for scikit-learn."""
        return self.count


@dataclass(frozen=True, repr=False)
class CrossValidation(OverRows):
    """Each row is tested once, by a model that was fitted on the other folds.

    Classes have the same share in all folds, unless `stratify` is False; they are told by the estimator, or by y where
    it has text, truth values or few different numbers. With `groups`, those are never on both sides.

    With `ordered`, rows are in the order of time, and no model sees a row that comes after those it is tested on: the
    rows but for the first block are cut into `folds` blocks, each is tested by a model of all before it, and `gap` rows
    between are left out. There is no chance in that.

    Splits are the same for all configurations, and for the same `seed` in any process. Raises InvalidInput for fewer
    than two folds (with `ordered`, one), and for more folds than rows or groups.

    >>> from sklearn.datasets import load_iris
    >>> from sklearn.svm import SVC
    >>> import kilter
    >>> objective = CrossValidation(5).objective(SVC(), *load_iris(return_X_y=True))
    >>> space = {"C": kilter.Float(0.01, 100, log=True), "kernel": kilter.Choice(["linear", "rbf"])}
    >>> study = kilter.tune(objective, space, n_trials=10, storage=None, progress="none")
    >>> study.trials[0].params, [round(score, 2) for score in study.trials[0].folds.values()]
    ({'C': 1.0, 'kernel': 'rbf'}, [0.93, 1.0, 0.97, 1.0, 1.0])
    """

    folds: int = 5
    stratify: bool | None = None
    ordered: bool = False
    gap: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        _check_count("folds", self.folds, 1 if self.ordered else 2)
        _check_order(self)

    @property
    def count(self) -> int:
        """How many folds there are."""
        return self.folds

    def splits(self, data: Data, number: int = 0) -> Splits:
        """A pair for each fold."""
        if self.ordered:
            size = len(data) // (self.folds + 1)
            return in_order(
                data, [len(data) - (self.folds - fold) * size for fold in range(self.folds)], size, self.gap
            )
        if len(data) < self.folds:
            raise InvalidInput(f"{len(data)} rows for {self.folds} folds: take fewer folds, so that each has a row")
        labels = data.labels(self.stratify)
        return frozen_splits(len(data), self.folds, self.seed, stratify=labels, groups=data.groups, repeat=number)


@dataclass(frozen=True, repr=False)
class Holdout(OverRows):
    """A `share` of the rows is tested by a model of all others.

    Classes, `groups`, `ordered` (the last rows are tested) and `gap` are as in CrossValidation; of groups, the share is
    met as nearly as a random draw of whole ones can. The rows are the same for all configurations; with `reshuffled`,
    each configuration has its own, which follow from its values.

    Raises InvalidInput for a share outside (0, 1), and where it leaves no row or group on one side.

    >>> (train, test), = Holdout(0.2).split(range(10))
    >>> len(train), len(test)
    (8, 2)
    """

    share: float = 0.2
    stratify: bool | None = None
    ordered: bool = False
    gap: int = 0
    seed: int = 0
    reshuffled: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.share, (int, float, np.number)) or not 0 < self.share < 1:
            raise InvalidInput(f"share={self.share!r}: give the share of rows to test on, above 0 and below 1")
        _check_order(self)
        if self.ordered and self.reshuffled:
            raise InvalidInput("rows in the order of time cannot be reshuffled: leave out ordered or reshuffled")

    @property
    def count(self) -> int:
        """One."""
        return 1

    @property
    def is_reshuffled(self) -> bool:
        """Whether each configuration has splits of its own."""
        return self.reshuffled

    def splits(self, data: Data, number: int = 0) -> Splits:
        """A single pair."""
        rows = len(data)
        if self.ordered:
            size = max(1, round(self.share * rows))
            return in_order(data, [rows - size], size, self.gap)
        stream = rng(self.seed, "holdout", number)
        if data.groups is None:
            is_tested = drawn(rows, self.share, data.labels(self.stratify), stream)
        else:
            is_tested = drawn_groups(np.asarray(data.groups), self.share, data.labels(self.stratify), stream)
        if is_tested.all() or not is_tested.any():
            raise InvalidInput(f"{self!r} of {rows} rows leaves nothing on one side: take another share")
        return [(np.flatnonzero(~is_tested), np.flatnonzero(is_tested))]


@dataclass(frozen=True, repr=False)
class Repeated(OverRows):
    """Another evaluation `times` over, each time with other splits of the same rows.

    >>> Repeated(CrossValidation(5), 3).get_n_splits()
    15
    """

    evaluation: OverRows
    times: int

    def __post_init__(self) -> None:
        _check_count("times", self.times, 1)
        if not isinstance(self.evaluation, OverRows):
            raise InvalidInput(
                f"{self!r}: what is repeated splits rows, as CrossValidation(5); give Seeds a larger number, and "
                "DataSets a repeated evaluation"
            )
        if getattr(self.evaluation, "ordered", False):
            raise InvalidInput(f"{self!r}: splits in the order of time have no chance in them, and cannot be repeated")

    @property
    def count(self) -> int:
        """How many splits there are."""
        return self.times * self.evaluation.count

    @property
    def is_reshuffled(self) -> bool:
        """Whether each configuration has splits of its own."""
        return self.evaluation.is_reshuffled

    def splits(self, data: Data, number: int = 0) -> Splits:
        """Those of all repetitions, one after the other."""
        return [pair for each in range(self.times) for pair in self.evaluation.splits(data, number * self.times + each)]

    def fits(self, data: ByName, number: int = 0) -> list[Fit]:
        """A fit for each split."""
        inner = self.evaluation
        while isinstance(inner, Repeated):  # each of its repetitions is one
            inner = inner.evaluation
        once = inner.count
        return [replace(fit, repeat=i // once) for i, fit in enumerate(super().fits(data, number))]


def _check_count(name: str, count: Any, least: int) -> None:
    if not is_whole(count) or count < least:
        raise InvalidInput(f"{name}={count!r}: give a whole number from {least} on")


def _check_order(evaluation: CrossValidation | Holdout) -> None:
    _check_count("gap", evaluation.gap, 0)
    _check_count("seed", evaluation.seed, 0)
    if evaluation.gap and not evaluation.ordered:
        raise InvalidInput(f"gap={evaluation.gap} is for rows in the order of time: say ordered=True")
    if evaluation.stratify and evaluation.ordered:
        raise InvalidInput("rows in the order of time cannot be stratified: leave out stratify or ordered")


def in_order(data: Data, begins: Sequence[int], size: int, gap: int) -> Splits:
    """Blocks of so many rows that begin there, each with the rows before it, but for the gap and the block's groups."""
    splits = []
    for begin in begins:
        train, test = np.arange(max(0, begin - gap)), np.arange(begin, begin + size)
        if data.groups is not None:
            groups = np.asarray(data.groups)
            train = train[~np.isin(groups[train], groups[test])]
        if not len(train) and begin > gap:
            raise InvalidInput(
                f"groups= are mixed in time: whatever group a row before row {begin} has, one of rows {begin} to "
                f"{begin + size - 1} has it too, so there is nothing to fit a model for these on. With ordered=True "
                "rows of one group have to be close together: leave out groups= or ordered=True"
            )
        if not len(train) or not len(test):
            raise InvalidInput(f"{len(data)} rows in the order of time are too few for {len(begins)} blocks, gap={gap}")
        splits.append((train, test))
    return splits


def drawn(rows: int, share: float, labels: np.ndarray | None, stream: np.random.Generator) -> np.ndarray:
    """Which rows are among a share of them, drawn at even distances in the order of labels: each has its share."""
    order = stream.permutation(rows)
    if labels is not None:
        order = order[np.argsort(codes("y", labels)[order], kind="stable")]
    ranks = np.floor(np.arange(rows + 1) * share + 0.5)
    is_drawn = np.zeros(rows, dtype=bool)
    is_drawn[order] = np.diff(ranks) > 0
    return is_drawn


def drawn_groups(
    groups: np.ndarray, share: float, labels: np.ndarray | None, stream: np.random.Generator
) -> np.ndarray:
    """Which rows are among a share of them, by whole groups: met in a random order, each is taken that brings nearer.

    How near is the sum of squares, over labels, of what the share of the rows of a label is off.
    """
    of_group = codes("groups", groups)
    of_label = np.zeros(len(groups), dtype=int) if labels is None else codes("y", labels)
    counts = np.zeros((of_group.max() + 1, of_label.max() + 1))
    np.add.at(counts, (of_group, of_label), 1)
    shares = counts / counts.sum(axis=0)

    def off(taken: np.ndarray) -> np.ndarray:
        squares: np.ndarray = ((taken - share) ** 2).sum(axis=-1)
        return squares

    order, is_drawn, taken = (
        stream.permutation(len(counts)),
        np.zeros(len(counts), dtype=bool),
        np.zeros(len(shares[0])),
    )
    for group in order:
        if off(taken + shares[group]) < off(taken):
            is_drawn[group], taken = True, taken + shares[group]
    # Where groups are few and large, one on each side is as near as it gets.
    if len(counts) > 1 and (is_drawn.all() or not is_drawn.any()):
        sign = -1 if is_drawn.all() else 1
        nearest = order[off(taken + sign * shares[order]).argmin()]
        is_drawn[nearest] = not is_drawn[nearest]
    found: np.ndarray = is_drawn[of_group]
    return found
