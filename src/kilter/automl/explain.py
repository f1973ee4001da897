"""What predictions rest on, by the columns of the table as it came: of a model as a whole, and of one row.

    drop[c]     how far the score falls on rows that the models have not seen, once column c is shuffled among them
    part[c]     what the value of column c adds to the prediction of one row, beside the values that other rows have

The first is permutation importance (Breiman 2001), averaged over shuffles, its interval from how folds differ. The
second is Shapley's value, sampled over orders of the columns (Štrumbelj and Kononenko 2014). Neither asks what models
are made of, so both are of the ensemble that predicts, encodings included.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kilter.core import html
from kilter.core.errors import InvalidInput
from kilter.core.seeds import rng
from kilter.core.text import one_line

Places = Mapping[str, np.ndarray]
"""Rows put together from those of a table: for each column the places (n,) of the rows that its values come from."""
Predict = Callable[[Places], np.ndarray]
"""Predictions of such rows."""
Score = Callable[[np.ndarray, np.ndarray], float]
"""Of y and predictions; larger is better."""

ROWS = 2_000
"""Rows that columns are shuffled among, at most."""
COPIES = 100
"""Shuffled columns of each fold, about: a table of few columns has each shuffled several times, ..."""
MOST, FEWEST = 5, 1
"""... at most and at least so often."""
CELLS = 4_000_000
"""Cells of the copies that are predicted at once, about."""
ORDERS, LEAST = 32, 4
"""Orders of the columns that a row's parts are averaged over, each met forwards and backwards; fewer, but at least
four, ..."""
PREDICTED = 5_000
"""... where they would take more predictions than this."""


@dataclass(frozen=True)
class Unseen:
    """Rows (n,) of a table that the models of a fold have not seen, their y (n,), and what predicts them."""

    rows: np.ndarray
    y: np.ndarray
    predict: Predict


@dataclass(frozen=True)
class Importance:
    """How far the score falls without what one column says; between `low` and `high` with a probability of 95 %."""

    column: str
    drop: float
    low: float
    high: float

    @property
    def is_sure(self) -> bool:
        """Whether the score is worse without it, beyond chance."""
        return self.low > 0


@dataclass(frozen=True)
class Importances(Sequence[Importance]):
    """Columns by how much a model needs them, the most needed first.

    Columns that say the same hide one another: without one of them the model has the other.
    """

    metric: str
    score: float
    """Out of fold, with all columns as they are; larger is better."""
    rows: int
    columns: tuple[Importance, ...]

    def __len__(self) -> int:
        return len(self.columns)

    def __getitem__(self, place: Any) -> Any:
        return self.columns[place]

    def __str__(self) -> str:
        cells = [
            (one_line(one.column, 40), f"{one.drop:.4f}", f"{one.low:.4f} … {one.high:.4f}") for one in self.columns
        ]
        head = (f"{self.metric} {self.score:.4f} falls without", "by", "95 %")
        return "\n".join(_aligned([head, *cells]))

    def _repr_html_(self) -> str:
        rows = [(one.column, one.drop, f"{one.low:.4f} … {one.high:.4f}") for one in self.columns]
        return html.table([f"{self.metric} {self.score:.4f} falls without", "by", "95 %"], rows)


@dataclass(frozen=True)
class Part:
    """What one column adds to a prediction, with the standard error of the sampling."""

    column: str
    value: Any
    part: float
    error: float


@dataclass(frozen=True)
class Parts(Sequence[Part]):
    """The prediction of one row, taken apart: `base` and the parts of all columns add up to it, the largest first."""

    of: str
    """What is predicted: the target's name, or the class whose probability it is."""
    base: float
    """The mean prediction of the rows that this one is compared with."""
    prediction: float
    columns: tuple[Part, ...]

    def __len__(self) -> int:
        return len(self.columns)

    def __getitem__(self, place: Any) -> Any:
        return self.columns[place]

    def __str__(self) -> str:
        cells = [(one_line(one.column, 40), one_line(one.value, 40), f"{one.part:+.4f}") for one in self.columns]
        head = (one_line(self.of, 40), "", f"{self.prediction:.4f}")
        return "\n".join(_aligned([head, ("of other rows", "", f"{self.base:.4f}"), *cells]))

    def _repr_html_(self) -> str:
        rows = [(one.column, one.value, f"{one.part:+.4f}") for one in self.columns]
        return html.table([self.of, "", f"{self.prediction:.4f}"], [("of other rows", "", f"{self.base:.4f}"), *rows])


def importances(
    names: Sequence[str], folds: Sequence[Unseen], score: Score, metric: str, seed: int = 0, most: int = ROWS
) -> Importances:
    """How far the score falls for each of the columns, shuffled among at most so many rows out of fold.

    Folds are what the interval comes from; a single one is cut into five. Raises InvalidInput where no fold has a
    score, as the area under the curve has none of rows of one class.

    >>> x = np.arange(100.0)
    >>> unseen = Unseen(np.arange(100), x, lambda places: x[places["x"]])
    >>> found = importances(["x", "noise"], [unseen], lambda y, p: -float(abs(y - p).mean()), "mean absolute error")
    >>> [(one.column, one.is_sure) for one in found]
    [('x', True), ('noise', False)]
    """
    folds = [_sample(fold, most // len(folds), rng(seed, "rows", k)) for k, fold in enumerate(folds)]
    if len(folds) == 1:
        folds = _cut(folds[0], 5)
    whole = np.array([score(fold.y, fold.predict(dict.fromkeys(names, fold.rows))) for fold in folds])
    if not np.isfinite(whole).any():
        raise InvalidInput(f"no fold has a {metric}: too few rows of one class in each")
    drops = np.array(
        [_drops(names, fold, before, score, seed, k) for k, (fold, before) in enumerate(zip(folds, whole))]
    )
    found = [_importance(name, by_fold) for name, by_fold in zip(names, drops.T)]
    rows = sum(len(fold.y) for fold in folds)
    return Importances(metric, float(np.nanmean(whole)), rows, tuple(sorted(found, key=lambda one: -one.drop)))


def parts(
    values: Mapping[str, Any],
    row: int,
    others: np.ndarray,
    predict: Predict,
    of: str,
    seed: int = 0,
) -> Parts:
    """What each column adds to the prediction of a row, compared with the rows at the places of `others`.

    `values` are the row's own, by column, as they are to be shown. `predict` gives (n,) numbers: values, or the
    probability of one class. Between another row and this one, columns take this row's values one after the other; a
    part is the mean of the steps that predictions make.

    >>> a, b = np.array([3.0, 0.0, 0.0]), np.array([1.0, 0.0, 0.0])
    >>> predict = lambda places: 2 * a[places["a"]] + b[places["b"]]
    >>> [(one.column, one.part) for one in parts({"a": 3, "b": 1}, 0, np.array([1, 2]), predict, "y")]
    [('a', 6.0), ('b', 1.0)]
    """
    names = list(values)
    orders = min(max(PREDICTED // (2 * len(names) + 2), LEAST), ORDERS)
    chance = rng(seed, "orders")
    half = np.array([chance.permutation(len(names)) for _ in range(orders)])
    order = np.concatenate([half, half[:, ::-1]])
    begun = np.tile(others[_spread(chance, len(others), orders)], 2)
    turn = np.argsort(order, axis=1)  # when each column takes the row's value
    steps = np.arange(len(names) + 1)
    met = {name: np.where(turn[:, [j]] < steps, row, begun[:, None]).ravel() for j, name in enumerate(names)}
    along = predict(met).reshape(len(order), -1).astype(float)
    added = np.empty((len(order), len(names)))
    np.put_along_axis(added, order, np.diff(along, axis=1), axis=1)
    pairs = (added[:orders] + added[orders:]) / 2
    errors = pairs.std(axis=0, ddof=1) / np.sqrt(orders)
    found = [
        Part(name, value, float(part), float(error))
        for (name, value), part, error in zip(values.items(), pairs.mean(axis=0), errors)
    ]
    ordered = tuple(sorted(found, key=lambda one: -abs(one.part)))
    return Parts(of, float(along[:, 0].mean()), float(along[:, -1].mean()), ordered)


def _importance(name: str, drops: np.ndarray) -> Importance:
    """The mean over folds of how far the score falls, with the interval of Student's t over folds."""
    from scipy.stats import t as students

    drops = drops[np.isfinite(drops)]
    mean, count = float(drops.mean()), len(drops)
    reach = float(students.ppf(0.975, count - 1) * drops.std(ddof=1) / np.sqrt(count)) if count > 1 else np.inf
    return Importance(name, mean, mean - reach, mean + reach)


def _drops(names: Sequence[str], fold: Unseen, before: float, score: Score, seed: int, k: int) -> list[float]:
    """For each column how far the score falls with that one shuffled; many copies are predicted at once."""
    repeats = min(max(COPIES // len(names), FEWEST), MOST)
    at_once = max(CELLS // (len(fold.y) * len(names) * repeats), 1)
    found: list[float] = []
    for start in range(0, len(names), at_once):
        shuffled = {
            name: np.concatenate(
                [rng(seed, f"shuffle {name}", k * repeats + i).permutation(fold.rows) for i in range(repeats)]
            )
            for name in names[start : start + at_once]
        }
        own = np.tile(fold.rows, repeats)
        copies = {
            each: np.concatenate([places if name == each else own for name, places in shuffled.items()])
            for each in names
        }
        falls = [before - score(fold.y, some) for some in np.split(fold.predict(copies), len(shuffled) * repeats)]
        found += np.reshape(falls, (len(shuffled), repeats)).mean(axis=1).tolist()
    return found


def _sample(fold: Unseen, most: int, chance: np.random.Generator) -> Unseen:
    if len(fold.y) <= most:
        return fold
    some = np.sort(chance.choice(len(fold.y), most, replace=False))
    return replace(fold, rows=fold.rows[some], y=fold.y[some])


def _cut(fold: Unseen, count: int) -> list[Unseen]:
    """The rows of a fold dealt out to so many: neighbours, which may be alike, to different ones."""
    dealt = range(min(count, len(fold.y)))
    return [replace(fold, rows=fold.rows[k::count], y=fold.y[k::count]) for k in dealt]


def _spread(chance: np.random.Generator, rows: int, count: int) -> np.ndarray:
    """So many of the rows, none more often than it has to be."""
    return np.concatenate([chance.permutation(rows) for _ in range(-(-count // rows))])[:count]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of text as lines, the first column to the left and the last ones to the right."""
    sizes = [max(map(len, column)) for column in zip(*rows)]
    return [
        "  ".join(cell.ljust(size) if i == 0 else cell.rjust(size) for i, (cell, size) in enumerate(zip(row, sizes)))
        for row in rows
    ]
