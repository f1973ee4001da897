"""What columns of each kind become: one block for numbers, dates, few levels, many levels, and words.

n rows · k outputs: one for values and for two classes, else one for each class · L levels

`aims` (n, k) is what is predicted, as sums can be made of: y, whether it is the second class, or one column for each
class. A block that looks at it gives, beside itself, the scores of its training rows, each learned on other rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from kilter.automl.reading import FEW
from kilter.automl.state import State

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from kilter.automl.reading import Table
    from kilter.automl.task import Task

FOLDS = 5
"""In which what looks at the target is cross-fitted."""

MOST_NUMBERS = 2_000
"""Columns of numbers that are used: of more, those that tell most about the target, one by one."""

TOPICS = 16
"""Directions in which texts differ most, for the dense view."""

RIDGE = 3.0

DIGITS = 9
"""Decimals of topics, circles and hours: what is the same but for rounding has to be equal, or scaling blows it up."""

Scores = Mapping[str, np.ndarray]
"""By column, (n, k)."""


@dataclass(frozen=True)
class Part:
    """Columns that stand side by side in a matrix: (n, w) values; `ranked` where their order tells something too."""

    names: Sequence[str]
    values: np.ndarray
    categorical: bool = False
    ranked: bool = True


class Block(Protocol):
    """What columns of one kind become."""

    kind: ClassVar[str]

    @classmethod
    def fit(cls, table: Table, aims: np.ndarray, weight: np.ndarray, seed: int) -> tuple[Any, Scores] | None:
        """The block, and scores of the training rows where it looks at the aims; None where it has no column."""

    def parts(self, table: Table, view: str, scores: Scores | None = None) -> Iterable[Part]:
        """Its columns in a view; with scores of training rows in place of its own."""

    def state(self) -> State:
        """What `from_state` builds it from again."""

    @classmethod
    def from_state(cls, state: State) -> Any:
        """The block of which this is the state."""


def aims(y: np.ndarray, task: Task) -> np.ndarray:
    """(n, k) float64."""
    if task.kind == "multiclass":
        return np.asarray(np.equal.outer(y, np.arange(len(task.classes))), float)
    return y.astype(float)[:, None]


@dataclass(frozen=True)
class Numbers:
    """Numbers as they are. gaps: the places, among those used, of columns with missing values."""

    kind: ClassVar[str] = "numbers"
    used: np.ndarray
    gaps: np.ndarray

    @classmethod
    def fit(cls, table: Table, aims: np.ndarray, weight: np.ndarray, seed: int) -> tuple[Numbers, Scores] | None:
        if not table.names:
            return None
        used = np.arange(len(table.names))
        if len(used) > MOST_NUMBERS:
            used = np.sort(np.argsort(-_told(table.numbers, aims), kind="stable")[:MOST_NUMBERS])
        return cls(used, np.flatnonzero(np.isnan(table.numbers[:, used]).any(axis=0))), {}

    def parts(self, table: Table, view: str, scores: Scores | None = None) -> Iterable[Part]:
        values = table.numbers[:, self.used]
        names = [table.names[place] for place in self.used]
        yield Part(names, values)
        if view == "dense":
            gaps = [f"{names[place]} missing" for place in self.gaps]
            yield Part(gaps, np.isnan(values[:, self.gaps]), ranked=False)

    def state(self) -> State:
        return State(arrays=dict(vars(self)))

    @classmethod
    def from_state(cls, state: State) -> Numbers:
        return cls(**state.arrays)


def _told(values: np.ndarray, aims: np.ndarray) -> np.ndarray:
    """(d,) the largest share of an aim's variance that a straight line in the column explains."""
    away = values - np.nanmean(np.where(np.isnan(values).all(axis=0), 0.0, values), axis=0)
    away = np.nan_to_num(away)
    aim = aims - aims.mean(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = (away.T @ aim) ** 2 / ((away**2).sum(axis=0)[:, None] * (aim**2).sum(axis=0))
    return np.asarray(np.nan_to_num(shares).max(axis=1))


@dataclass(frozen=True)
class Dates:
    """Dates as days, parts of the calendar, and for the dense view as places on circles."""

    kind: ClassVar[str] = "dates"
    hours: Mapping[str, bool]  # whether a column has times of day

    @classmethod
    def fit(cls, table: Table, aims: np.ndarray, weight: np.ndarray, seed: int) -> tuple[Dates, Scores] | None:
        hours = {name: bool((np.nan_to_num(days) % 1 > 0).any()) for name, days in table.dates.items()}
        return (cls(hours), {}) if hours else None

    def parts(self, table: Table, view: str, scores: Scores | None = None) -> Iterable[Part]:
        for name, hours in self.hours.items():
            columns = _calendar(table.dates[name], hours)
            yield Part([f"{name} {part}" for part in columns], np.column_stack(list(columns.values())))
            if view == "dense":
                circles = _circles(columns)
                names = [f"{name} {part}" for part in circles]
                yield Part(names, np.column_stack(list(circles.values())), ranked=False)

    def state(self) -> State:
        return State({"hours": dict(self.hours)})

    @classmethod
    def from_state(cls, state: State) -> Dates:
        return cls(state.values["hours"])


def _calendar(days: np.ndarray, hours: bool) -> dict[str, np.ndarray]:
    gaps = np.isnan(days)
    whole = np.floor(np.where(gaps, 0, days)).astype("datetime64[D]")
    months, years = whole.astype("datetime64[M]"), whole.astype("datetime64[Y]")
    parts = {
        "days": days,
        "year": years.astype(int) + 1970.0,
        "month": (months - years).astype(int) + 1.0,
        "day": (whole - months).astype(int) + 1.0,
        "weekday": (whole.astype(int) + 3) % 7.0,  # 1970-01-01 was a Thursday
        "day of year": (whole - years.astype("datetime64[D]")).astype(int) + 1.0,
    }
    if hours:
        parts["hour"] = np.round(24 * (days - np.floor(days)), DIGITS)
    return {name: np.where(gaps, np.nan, part) for name, part in parts.items()}


def _circles(parts: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    periods = {"day of year": 365.25, "weekday": 7.0, "hour": 24.0}
    return {
        f"{word} of {name}": np.round(turn(2 * np.pi * parts[name] / period), DIGITS)
        for name, period in periods.items()
        if name in parts
        for word, turn in (("sine", np.sin), ("cosine", np.cos))
    }


@dataclass(frozen=True)
class FewLevels:
    """Columns of few levels: codes for trees; for the dense view a column for each level, one where there are two.

    seen: by column, the levels that the training rows have, and at the end whether they have gaps, (L + 1,).
    """

    kind: ClassVar[str] = "few"
    seen: Mapping[str, np.ndarray]

    @classmethod
    def fit(cls, table: Table, aims: np.ndarray, weight: np.ndarray, seed: int) -> tuple[FewLevels, Scores] | None:
        seen = {name: _seen(codes) for name, codes in table.codes.items()}
        few = {name: levels for name, levels in seen.items() if levels[:-1].sum() <= FEW}
        return (cls(few), {}) if few else None

    def parts(self, table: Table, view: str, scores: Scores | None = None) -> Iterable[Part]:
        for name, seen in self.seen.items():
            levels = np.flatnonzero(seen[:-1])
            places = _places(table.codes[name], seen)
            if view == "tree":
                codes = np.where(places < len(levels), places, np.nan)[:, None]
                yield Part([name], codes, categorical=len(levels) > 2)
            else:
                shown = [*range(1 if len(levels) == 2 else 0, len(levels)), *([len(levels)] if seen[-1] else [])]
                names = [f"{name} level {place}" for place in shown]
                yield Part(names, np.equal.outer(places, shown), ranked=False)

    def state(self) -> State:
        return _by_place(self.seen, "seen")

    @classmethod
    def from_state(cls, state: State) -> FewLevels:
        return cls(_by_name(state, "seen"))


def _seen(codes: np.ndarray) -> np.ndarray:
    """(L + 1,) which levels rows have, up to the last one, and whether they have gaps."""
    counts = np.bincount(codes + 1, minlength=1)
    return np.append(counts[1:], counts[0]) > 0


def _places(codes: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """(n,) of each row's level among those seen; their number where it is missing or was not seen."""
    levels = len(seen) - 1
    places = np.where(seen, np.cumsum(seen) - 1, seen[:-1].sum())
    places[-1] = seen[:-1].sum()
    return places[np.where((codes < 0) | (codes >= levels), levels, codes)]


@dataclass(frozen=True)
class ManyLevels:
    """Columns of many levels: the aims' mean in each level, drawn to the overall mean, and how frequent it is.

    promise: by column, (L + 1, k), at the end for gaps and what was not seen; counts: (L + 1,), 0 at the end.
    """

    kind: ClassVar[str] = "many"
    promise: Mapping[str, np.ndarray]
    counts: Mapping[str, np.ndarray]

    @classmethod
    def fit(cls, table: Table, aims: np.ndarray, weight: np.ndarray, seed: int) -> tuple[ManyLevels, Scores] | None:
        many = [name for name, codes in table.codes.items() if _seen(codes)[:-1].sum() > FEW]
        if not many:
            return None
        fold = folds(len(table), seed)
        promise, counts, scores = {}, {}, {}
        for name in many:
            codes = table.codes[name]
            levels = int(codes.max()) + 1
            places = np.where(codes < 0, levels, codes)
            promise[name], scores[name] = promises(places, levels + 1, aims, weight, fold)
            counts[name] = np.append(np.bincount(codes[codes >= 0], minlength=levels), 0)
            promise[name][counts[name] == 0] = promise[name][-1]
        return cls(promise, counts), scores

    def parts(self, table: Table, view: str, scores: Scores | None = None) -> Iterable[Part]:
        for name, promise in self.promise.items():
            codes = table.codes[name]
            places = np.where((codes < 0) | (codes >= len(promise) - 1), len(promise) - 1, codes)
            values = scores[name] if scores else promise[places]
            yield Part(_outputs(name, "promise", values), values)
            yield Part([f"{name} count"], np.log1p(self.counts[name][places])[:, None])

    def state(self) -> State:
        promise, counts = _by_place(self.promise, "promise"), _by_place(self.counts, "counts")
        return State(promise.values, {**promise.arrays, **counts.arrays})

    @classmethod
    def from_state(cls, state: State) -> ManyLevels:
        return cls(_by_name(state, "promise"), _by_name(state, "counts"))


def promises(
    places: np.ndarray, levels: int, aims: np.ndarray, weight: np.ndarray, fold: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Means of the aims by level, (levels, k), and those that each row gets from the other folds, (n, k).

    Both are drawn to the overall mean as by so many rows as empirical Bayes says: variance within levels over variance
    between them (Micci-Barreca 2001).
    """
    mass, sums = _sums(fold * levels + places, (fold.max() + 1) * levels, aims, weight)
    mass, sums = mass.reshape(-1, levels, 1), sums.reshape(-1, levels, aims.shape[1])
    squares = np.array([(weight[fold == each, None] * aims[fold == each] ** 2).sum() for each in range(len(mass))])
    all_mass, all_sums, all_squares = mass.sum(axis=0), sums.sum(axis=0), squares.sum()
    others = [_means(all_mass - mass[f], all_sums - sums[f], all_squares - squares[f]) for f in range(len(mass))]
    return _means(all_mass, all_sums, all_squares), np.stack(others)[fold, places]


def _sums(places: np.ndarray, size: int, aims: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mass = np.bincount(places, weight, size)
    return mass, np.column_stack([np.bincount(places, weight * aim, size) for aim in aims.T])


def _means(mass: np.ndarray, sums: np.ndarray, squares: float) -> np.ndarray:
    """(levels, k) from masses (levels, 1), sums (levels, k) and the sum of all squares."""
    drawn = _rows_of_doubt(mass, sums, squares)
    return np.asarray((sums + drawn * sums.sum(axis=0) / max(mass.sum(), 1e-300)) / (mass + drawn))


def _rows_of_doubt(mass: np.ndarray, sums: np.ndarray, squares: float) -> float:
    """Variance within levels over variance between them, summed over aims; from 1 to 10,000 rows."""
    total = max(mass.sum(), 1e-300)
    levels = (mass > 0).sum()
    means = sums / np.maximum(mass, 1e-300)
    overall = sums.sum(axis=0) / total
    within = max(squares - float((mass * means**2).sum()), 0.0) / max(total - levels, 1.0)
    spread = float((mass * (means - overall) ** 2).sum()) - (levels - 1) * within
    between = spread / max(total - float((mass**2).sum()) / total, 1e-300)
    return float(np.clip(within / between, 1.0, 1e4)) if between > 0 else 1e4


@dataclass(frozen=True)
class Words:
    """Texts: a straight line in their words that predicts the aims, and for the dense view the main directions.

    By column, for w words: line (w + 1, k) with the constant at the end, topics (w, t).
    """

    kind: ClassVar[str] = "words"
    line: Mapping[str, np.ndarray]
    topics: Mapping[str, np.ndarray]

    @classmethod
    def fit(cls, table: Table, aims: np.ndarray, weight: np.ndarray, seed: int) -> tuple[Words, Scores] | None:
        if not table.words:
            return None
        fold = folds(len(table), seed)
        lines = {name: _line(words, aims, weight) for name, words in table.words.items()}
        topics = {name: _topics(words, seed) for name, words in table.words.items()}
        return cls(lines, topics), {
            name: _scores_of_others(words, aims, weight, fold) for name, words in table.words.items()
        }

    def parts(self, table: Table, view: str, scores: Scores | None = None) -> Iterable[Part]:
        for name, line in self.line.items():
            words = table.words[name]
            values = scores[name] if scores else words @ line[:-1] + line[-1]
            yield Part(_outputs(name, "score", values), values)
            if view == "dense":
                topics = np.round(words @ self.topics[name], DIGITS)
                yield Part([f"{name} topic {place}" for place in range(topics.shape[1])], topics, ranked=False)
            else:
                yield Part([f"{name} words"], np.diff(words.indptr)[:, None])

    def state(self) -> State:
        line, topics = _by_place(self.line, "line"), _by_place(self.topics, "topics")
        return State(line.values, {**line.arrays, **topics.arrays})

    @classmethod
    def from_state(cls, state: State) -> Words:
        return cls(_by_name(state, "line"), _by_name(state, "topics"))


def _topics(words: csr_array, seed: int) -> np.ndarray:
    """(w, t) the directions in which the rows differ most."""
    from sklearn.utils.extmath import randomized_svd

    size = min(TOPICS, *(side - 1 for side in words.shape))
    if size < 2:
        return np.empty((words.shape[1], 0))
    return np.asarray(randomized_svd(words, n_components=size, n_iter=4, random_state=seed)[2].T)


def _line(words: csr_array, aims: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(w + 1, k) of ridge regression; of no rows all are 0."""
    from sklearn.linear_model import Ridge

    if not words.shape[0]:
        return np.zeros((words.shape[1] + 1, aims.shape[1]))
    fitted = Ridge(alpha=RIDGE, solver="sparse_cg").fit(words, aims, sample_weight=weight)
    return np.vstack([np.reshape(fitted.coef_, (aims.shape[1], -1)).T, np.reshape(fitted.intercept_, (1, -1))])


def _scores_of_others(words: csr_array, aims: np.ndarray, weight: np.ndarray, fold: np.ndarray) -> np.ndarray:
    scores = np.empty(aims.shape)
    for place in np.unique(fold):
        held = fold == place
        line = _line(words[~held], aims[~held], weight[~held])
        scores[held] = words[held] @ line[:-1] + line[-1]
    return scores


def folds(rows: int, seed: int) -> np.ndarray:
    """(n,) the fold of each row, of nearly equal size, by chance; two at least, as there are two rows."""
    return np.random.default_rng([seed, rows]).permutation(rows) % min(FOLDS, rows)


def _outputs(name: str, what: str, values: np.ndarray) -> list[str]:
    k = values.shape[1]
    return [f"{name} {what}"] if k == 1 else [f"{name} {what} {place}" for place in range(k)]


def _by_place(parts: Mapping[str, np.ndarray], what: str) -> State:
    """Arrays by number, as names of columns may be anything."""
    return State({"names": list(parts)}, {f"{place}.{what}": values for place, values in enumerate(parts.values())})


def _by_name(state: State, what: str) -> dict[str, np.ndarray]:
    return {name: state.arrays[f"{place}.{what}"] for place, name in enumerate(state.values["names"])}


BLOCKS: dict[str, type[Any]] = {block.kind: block for block in (Numbers, Dates, FewLevels, ManyLevels, Words)}
