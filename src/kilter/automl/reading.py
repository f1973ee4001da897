"""What each column of a table is, and why: number, category, text, date, or nothing to learn from.

Decided once, from the training rows without their target, by rules alone. Reading also fixes what a later table is
compared with, levels and words, so that tables inside are made of numbers only:

    numbers (n, d) float64 · dates {name: (n,) days} · codes {name: (n,) places of levels} · words {name: (n, w) shares}

What is learned from the target is learned inside each fold (encoding.py), and there a level or word that the fold's
training rows do not have counts as unseen.
"""

from __future__ import annotations

import datetime
import math
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from kilter.automl import parsing
from kilter.automl.inputs import as_frame
from kilter.automl.state import State
from kilter.core.errors import InvalidInput, UnknownName
from kilter.core.text import one_line

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_array

Kind = Literal["number", "category", "text", "date", "drop"]
KINDS: tuple[Kind, ...] = get_args(Kind)

FEW = 30
"""Levels up to which a category has a column of its own for each in the dense view, and is native to trees."""

SURE = 0.95
"""Share of texts that have to be numbers, or dates, for a column to be taken for such."""

MANY_NEW = 10
"""From so many rows on it is told that no level or word of a column is known: of few that happens."""

AS_SAID = "as you say"

FIRST_DAY, LAST_DAY = -25_567, 47_846
"""Days from 1900 to 2100, of which an exported pipeline knows the calendar."""

STRANGE = {
    "periods": "turn them into moments by .dt.to_timestamp()",
    "durations": "turn them into numbers by .dt.total_seconds()",
    "far dates": "turn dates before 1900 or after 2100 into missing ones, or all into numbers",
    "bytes": "turn them into text by .str.decode()",
    "broken letters": "take lone surrogates out of the texts",
    "numbers beyond all": "turn integers that no float holds into missing values",
}
"""What only kilter reads, and what to do with it before a fit whose model is to be exported."""

MOST_TOLD = 10
"""Columns that were dropped and are told of one by one."""

NUMBERS = "numbers"
RISING = "holds whole numbers that rise from row to row, as identifiers and times do"
DIFFERENT = "holds whole numbers, another one in each row, as identifiers do"
DENSE = 3
"""So many times as many whole numbers as rows at most, and each once at most, look like numbers of rows."""

MOST_WORDS = 3_000
SAMPLE = 1_000


@dataclass(frozen=True)
class Column:
    """One column: its kind, the reason for it, and what came of it, in words.

    form: how its dates or numbers are written; levels and words: what is known of it, in order; rarity: of each word.
    strange: what of its values only kilter reads (STRANGE), so that an exported pipeline could not; mostly nothing.
    """

    name: str
    kind: Kind
    reason: str
    result: str = ""
    form: str = ""
    levels: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    rarity: tuple[float, ...] = ()
    strange: str = ""


@dataclass(frozen=True)
class Table:
    """Rows as numbers. Missing: NaN among numbers and dates, −1 among codes, no word among words.

    A row's shares of words are its tf-idf, of length 1.
    """

    size: int
    names: tuple[str, ...]
    numbers: np.ndarray
    dates: Mapping[str, np.ndarray] = field(default_factory=dict)
    codes: Mapping[str, np.ndarray] = field(default_factory=dict)
    words: Mapping[str, csr_array] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.size

    def rows(self, index: np.ndarray) -> Table:
        """The rows at these places, or where a mask is true, in their order."""
        places = np.flatnonzero(index) if index.dtype == bool else index
        some = [{name: part[places] for name, part in parts.items()} for parts in (self.dates, self.codes, self.words)]
        return Table(len(places), self.names, self.numbers[places], *some)

    def mixed(self, places: Mapping[str, np.ndarray]) -> Table:
        """Rows put together from these: for each column the places (n,) of the rows that its values come from."""
        size = len(next(iter(places.values())))
        numbers = np.empty((size, len(self.names)))
        for column, name in enumerate(self.names):
            numbers[:, column] = self.numbers[places[name], column]
        parts = (self.dates, self.codes, self.words)
        return Table(
            size, self.names, numbers, *({name: p[places[name]] for name, p in part.items()} for part in parts)
        )

    def beside(self, other: Table) -> Table:
        """These rows, and below them those of another table of the same reading."""
        from scipy.sparse import vstack

        dates = {name: np.concatenate([part, other.dates[name]]) for name, part in self.dates.items()}
        codes = {name: np.concatenate([part, other.codes[name]]) for name, part in self.codes.items()}
        words = {name: vstack([part, other.words[name]], format="csr") for name, part in self.words.items()}
        numbers = np.concatenate([self.numbers, other.numbers])
        return Table(len(numbers), self.names, numbers, dates, codes, words)


@dataclass(frozen=True)
class Reading:
    """How tables are read: their columns, in order, and what is to be said about them once.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"age": [31, 45, None], "town": ["Bern", "Ulm", "Bern"]})
    >>> reading = read(frame)
    >>> [(column.name, column.kind) for column in reading.columns]
    [('age', 'number'), ('town', 'category')]
    >>> reading.table(frame).codes["town"].tolist()
    [0, 1, 0]
    """

    columns: tuple[Column, ...]
    notices: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Of all columns, also of those that are dropped."""
        return tuple(column.name for column in self.columns)

    @property
    def texts(self) -> tuple[str, ...]:
        """The columns whose values are texts, though some may look like numbers: a file's are not to be parsed."""
        return tuple(column.name for column in self.columns if column.words or not _are_numbers(column.levels))

    def kind(self, kind: Kind) -> tuple[Column, ...]:
        """The columns of a kind, in order."""
        return tuple(column for column in self.columns if column.kind == kind)

    def table(self, data: Any) -> Table:
        """The rows of any frame with these columns, whatever their order and what else it has.

        Raises InvalidInput, with their names, where columns are missing that are of use.
        """
        frame = as_frame(data, self.names)
        used = [column for column in self.columns if column.kind != "drop"]
        there = set(frame.columns)
        if lost := [one_line(column.name, 50) for column in used if column.name not in there]:
            more = f" and {len(lost) - 10} more" if len(lost) > 10 else ""
            raise InvalidInput(f"X has no column {', '.join(map(repr, lost[:10]))}{more}: the model was fitted with it")
        table = Table(
            len(frame),
            tuple(column.name for column in used if column.kind == "number"),
            _numbers(frame, self.kind("number")),
            {column.name: parsing.days(frame[column.name], column.form) for column in self.kind("date")},
            {column.name: _codes(frame[column.name], column.levels) for column in used if column.levels},
            {column.name: _shares(frame[column.name], column) for column in used if column.words},
        )
        for said in _unread(self, frame, table):
            warnings.warn(said, stacklevel=2)
        return table

    def state(self) -> State:
        """What `from_state` builds it from again."""
        parts = [
            {name: list(part) if isinstance(part, tuple) else part for name, part in vars(column).items()}
            for column in self.columns
        ]
        return State({"columns": parts, "notices": list(self.notices)})

    @classmethod
    def from_state(cls, state: State) -> Reading:
        """The reading of which this is the state."""
        parts = state.values["columns"]
        plain: Iterable[dict[str, Any]] = (
            {name: tuple(it) if isinstance(it, list) else it for name, it in part.items()} for part in parts
        )
        return cls(tuple(Column(**part) for part in plain), tuple(state.values["notices"]))


def read(data: Any, overrides: Mapping[str, Kind] | None = None) -> Reading:
    """What each column of these training rows is. `overrides` says it for some, by name.

    Raises UnknownName for an override of no column, or to no kind; InvalidInput where nothing is left to learn from.
    """
    frame = as_frame(data)
    said = _checked(overrides or {}, frame.columns)
    plain = [name for name, dtype in frame.dtypes.items() if _is_plain(dtype) and name not in said]
    known = dict(zip(plain, _plain_numbers(frame, plain), strict=True))
    columns = tuple(known.get(name) or _marked(frame[name], said.get(name)) for name in frame.columns)
    if all(column.kind == "drop" for column in columns):
        reasons = "; ".join(f"{one_line(column.name, 30)!r} {column.reason}" for column in columns[:5])
        raise InvalidInput(f"no column is left to learn from: {reasons}")
    return Reading(columns, tuple(_notices(frame, columns, plain)))


def _checked(overrides: Mapping[str, Kind], names: Iterable[str]) -> Mapping[str, Kind]:
    known = set(names)
    for name, kind in overrides.items():
        if name not in known:
            raise UnknownName.of("column", name, known, "columns= says what columns of X are")
        if kind not in KINDS:
            raise UnknownName.of("kind of column", kind, KINDS)
    return overrides


def _notices(frame: pd.DataFrame, columns: Sequence[Column], plain: Sequence[str]) -> Iterable[str]:
    endless = np.isinf(frame[plain].to_numpy(float)).any(axis=0) if plain else np.empty(0, bool)
    for name in np.array(plain, object)[endless]:
        yield f"infinite values of {one_line(name, 50)!r} count as missing"
    numbering = [column.name for column in columns if column.reason == DIFFERENT]
    if numbering:
        names = ", ".join(repr(one_line(name, 50)) for name in numbering[:MOST_TOLD])
        yield f"{names} {DIFFERENT}: where they only number the rows, columns= can drop them"
    lost = [column for column in columns if column.kind == "drop" and not _says_nothing(column)]
    for column in lost[:MOST_TOLD]:
        yield f"the column {one_line(column.name, 50)!r} was dropped ({column.reason}): columns= can say what it is"
    if len(lost) > MOST_TOLD:
        yield f"{len(lost) - MOST_TOLD} more columns were dropped: columns_ says why"


def _says_nothing(column: Column) -> bool:
    """Whether a dropped column has one value or none, or was to be dropped."""
    return column.reason.endswith("in all rows") or column.reason == AS_SAID


def _unread(reading: Reading, frame: pd.DataFrame, table: Table) -> Iterable[str]:
    """What to say of columns that have values of which not one can be read as the column's values were."""
    there = dict(zip(table.names, np.isfinite(table.numbers).any(axis=0).tolist(), strict=True))
    there |= {name: bool(np.isfinite(days).any()) for name, days in table.dates.items()}
    for name in (*table.codes, *table.words):
        found = (name in table.codes and (table.codes[name] >= 0).any()) or (
            name in table.words and table.words[name].nnz > 0
        )
        there[name] = bool(found) or len(table) < MANY_NEW
    for column in reading.columns:
        if not there.get(column.name, True) and (values := _held(frame[column.name])):
            yield (
                f"not one value of {one_line(column.name, 50)!r} can be read as the {column.kind} that it was in "
                f"training, as {one_line(values[0], 30)!r}: all of them count as missing"
            )


def _held(series: pd.Series) -> Sequence[str]:
    """Its different values that stand neither for nothing nor for something endless, as texts."""
    _, values = parsing.distinct(series)
    return [
        str(value)
        for value in values
        if (text := parsing.as_text(value)) and text.lower() not in {*parsing.FILLERS, "inf", "-inf"}
    ]


# Numbers: all plain columns at once, for there may be a hundred thousand


def _is_plain(dtype: Any) -> bool:
    return isinstance(dtype, np.dtype) and dtype.kind in "biuf"


def _plain_numbers(frame: pd.DataFrame, names: Sequence[str]) -> Iterable[Column]:
    if not names:
        return []
    values = parsing.finite(frame[names].to_numpy(float))
    there = np.isfinite(values)
    counts = there.sum(axis=0)
    low = np.min(values, axis=0, where=there, initial=np.inf)
    high = np.max(values, axis=0, where=there, initial=-np.inf)
    whole = [dtype.kind in "iu" for dtype in frame.dtypes[list(names)]]
    dense = np.logical_and(whole, (high - low >= len(values) - 1) & (high - low < DENSE * len(values)))
    if len(values) > FEW:
        rising = np.logical_and(whole, (np.diff(values, axis=0) > 0).all(axis=0))
        dense[dense] = [len(np.unique(column)) == len(column) for column in values[:, dense].T]
        reasons = np.where(rising, RISING, np.where(dense, DIFFERENT, NUMBERS)).tolist()
    else:
        reasons = [NUMBERS] * len(names)
    return [
        _number(*parts[:-1], len(values), parts[-1])
        for parts in zip(names, counts.tolist(), low.tolist(), high.tolist(), reasons, strict=True)
    ]


def _number(name: str, count: int, low: float, high: float, rows: int, why: str) -> Column:
    if not count:
        return Column(name, "drop", "is missing in all rows")
    if low == high and count == rows:
        return Column(name, "drop", f"is {low:g} in all rows")
    return Column(name, "number", why, f"{low:g} to {high:g}" + _missing(count, rows))


def _missing(count: int, rows: int) -> str:
    return "" if count == rows else f", {100 * (1 - count / rows):.2g} % missing"


def _numbers(frame: pd.DataFrame, columns: Sequence[Column]) -> np.ndarray:
    """(n, d) float64 of the columns of numbers."""
    if not columns:
        return np.empty((len(frame), 0))
    part = frame[[column.name for column in columns]]
    if all(map(_is_plain, part.dtypes)):
        return parsing.finite(part.to_numpy(float))
    return np.column_stack([parsing.numbers(part[column.name], column.form) for column in columns])


# Everything else, one by one


def _marked(series: pd.Series, said: Kind | None) -> Column:
    """What a column is, and what is strange about its values."""
    column = _column(str(series.name), series, said)
    return replace(column, strange=column.strange or _strange(series, column.kind))


def _strange(series: pd.Series, kind: Kind) -> str:
    import pandas as pd

    dtype = series.dtype
    if kind == "drop" or isinstance(dtype, pd.StringDtype):
        return ""
    if isinstance(dtype, pd.PeriodDtype):
        return "periods"
    if dtype.kind == "m":
        return "durations"
    values = parsing.distinct(series)[1] if dtype.kind == "O" else ()
    return next((found for value in values if (found := _strange_value(value, kind))), "")


def _strange_value(value: Any, kind: Kind) -> str:
    if kind == "number":
        if isinstance(value, datetime.timedelta):
            return "durations"
        return "numbers beyond all" if isinstance(value, int) and np.isinf(parsing.as_number(value)) else ""
    if isinstance(value, bytes):
        return "bytes"
    broken = isinstance(value, str) and not value.isascii() and any("\ud800" <= sign <= "\udfff" for sign in value)
    return "broken letters" if broken else ""


def _column(name: str, series: pd.Series, said: Kind | None) -> Column:
    import pandas as pd

    if said is not None:
        return _as_said(name, series, said)
    dtype = series.dtype
    if isinstance(dtype, pd.PeriodDtype) or pd.api.types.is_datetime64_any_dtype(dtype):
        return _date(name, series, parsing.ISO, "dates")
    if pd.api.types.is_complex_dtype(dtype):
        return Column(name, "drop", "holds complex numbers")
    if pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_timedelta64_dtype(dtype):
        return _parsed_number(name, series, NUMBERS)
    if isinstance(dtype, pd.CategoricalDtype):
        return _category(name, series, "is categorical")
    if parsing.is_unhashable(series):
        return Column(name, "drop", "holds lists or other compound values")
    return _by_content(name, series)


def _as_said(name: str, series: pd.Series, said: Kind) -> Column:
    why = AS_SAID
    if said == "number":
        form = parsing.ISO if series.dtype.kind == "M" else _form_of_numbers(parsing.texts(series)[1])
        return _parsed_number(name, series, why, form)
    if said == "category":
        return _category(name, series, why)
    if said == "text":
        return _text(name, series, why)
    if said == "date":
        _, values = parsing.texts(series)
        return _date(name, series, parsing.date_format(_some(values))[0], why)
    return Column(name, "drop", why)


def _by_content(name: str, series: pd.Series) -> Column:
    codes, values = parsing.distinct(series)
    if not len(values):
        return Column(name, "drop", "is missing in all rows")
    counts = np.bincount(codes[codes >= 0], minlength=len(values))
    if not any(isinstance(value, str) for value in values):
        if not any(np.isnan(parsing.as_number(value)) for value in values):
            return _parsed_number(name, series, NUMBERS)
        if all(hasattr(value, "year") for value in values):
            return _date(name, series, parsing.ISO, "dates")
    share = _share_of_numbers(values, counts)
    if share >= SURE and any(parsing.is_code(value) for value in values):
        return _category_or_text(name, series, "texts, some of which begin with 0 as codes do")
    if share >= SURE:
        return _parsed_number(name, series, "texts that are numbers" + ("" if share == 1 else f", {share:.1%} of them"))
    commas = any(parsing.COMMA in str(value) for value in values)
    if commas and _share_of_numbers(values, counts, parsing.COMMA) >= SURE:
        return _parsed_number(name, series, "texts that are numbers with decimal commas", parsing.COMMA)
    form, share = _form_of_dates(values)
    if share >= SURE:
        return _date(name, series, form, f"texts that are dates, as {form}" + ("" if share == 1 else f", {share:.1%}"))
    return _category_or_text(name, series)


def _form_of_numbers(values: Sequence[str]) -> str:
    """With decimal commas where more of the values are numbers then."""
    one = np.ones(len(values))
    return parsing.COMMA if _share_of_numbers(values, one) < _share_of_numbers(values, one, parsing.COMMA) else ""


def _share_of_numbers(values: Sequence[Any], counts: np.ndarray, form: str = "") -> float:
    """Of rows that hold neither nothing nor a filler."""
    kept = [
        (np.isfinite(parsing.as_number(value, form)), count)
        for value, count in zip(values, counts.tolist(), strict=True)
        if str(value).strip().lower() not in parsing.NOTHING | parsing.FILLERS
    ]
    return float(sum(count for is_number, count in kept if is_number) / max(sum(count for _, count in kept), 1))


def _form_of_dates(values: Sequence[Any]) -> tuple[str, float]:
    plain = sorted({str(value).strip() for value in values})
    some = _some([text for text in plain if text.lower() not in parsing.NOTHING | parsing.FILLERS])
    return parsing.date_format(some) if parsing.like_dates(some) >= SURE else ("", 0.0)


def _some(values: Sequence[str]) -> Sequence[str]:
    """At most SAMPLE of them, evenly spread."""
    return values[:: len(values) // SAMPLE + 1]


def _parsed_number(name: str, series: pd.Series, why: str, form: str = "") -> Column:
    values = parsing.numbers(series, form)
    known = values[np.isfinite(values)]
    low, high = (known.min(), known.max()) if len(known) else (0.0, 0.0)
    return replace(_number(name, len(known), float(low), float(high), len(values), why), form=form)


def _date(name: str, series: pd.Series, form: str, why: str) -> Column:
    values = parsing.days(series, form)
    known = values[np.isfinite(values)]
    if not len(known):
        return Column(name, "drop", "is missing in all rows")
    first, last = (np.datetime64(int(day), "D") for day in (known.min(), known.max()))
    if known.min() == known.max() and len(known) == len(values):
        return Column(name, "drop", f"is {first} in all rows")
    strange = "" if known.min() >= FIRST_DAY and known.max() <= LAST_DAY else "far dates"
    result = f"{first} to {last}" + _missing(len(known), len(values))
    return Column(name, "date", why, result, form, strange=strange)


def _category_or_text(name: str, series: pd.Series, why: str = "texts") -> Column:
    codes, values = parsing.texts(series)
    rows = int((codes >= 0).sum())
    words = np.array([len(value.split()) for value in values])
    many = len(values) > FEW
    if many and len(values) > 0.3 * rows and words.mean() >= 2.5:
        return _text(name, series, f"{len(values):,} different texts of {words.mean():.2g} words")
    if many and len(values) > 0.95 * rows and words.mean() < 1.5:
        return Column(name, "drop", f"is an identifier: {len(values):,} different texts in {rows:,} rows")
    return _category(name, series, why)


def _category(name: str, series: pd.Series, why: str) -> Column:
    codes, values = parsing.texts(series)
    there = int((codes >= 0).sum())
    if not there:
        return Column(name, "drop", "is missing in all rows")
    if len(values) == 1 and there == len(codes):
        return Column(name, "drop", f"is {one_line(values[0], 30)!r} in all rows")
    compound = len(values) > FEW and np.mean([any(sign in value for sign in " ,/;|") for value in values]) >= 0.5
    words, rarity = _frequent_words(codes, values) if compound else ((), ())
    result = f"{len(values):,} levels" + (f", {len(words):,} words" if words else "") + _missing(there, len(codes))
    return Column(name, "category", why, result, levels=tuple(values), words=words, rarity=rarity)


def _text(name: str, series: pd.Series, why: str) -> Column:
    codes, values = parsing.texts(series)
    words, rarity = _frequent_words(codes, values)
    if not words:
        return Column(name, "drop", f"{why}; none of their words is in three rows")
    result = f"{len(words):,} words" + _missing(int((codes >= 0).sum()), len(codes))
    return Column(name, "text", why, result, words=words, rarity=rarity)


def _are_numbers(levels: Sequence[str]) -> bool:
    """Whether a parsed file has the same levels as its texts have: 1000 may come as 1000.0, and 01000 never comes."""
    return all(parsing.as_text(parsing.as_number(level)) == level for level in levels)


def _codes(series: pd.Series, levels: Sequence[str]) -> np.ndarray:
    codes, values = parsing.distinct(series)
    place: dict[str | None, int] = {level: at for at, level in enumerate(levels)}
    places = np.array([*(place.get(parsing.as_text(value), -1) for value in values), -1], np.int32)
    return np.asarray(places[codes])


def _frequent_words(codes: np.ndarray, values: Sequence[str]) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Those that at least three rows have, MOST_WORDS at most, in order, and how rare each is."""
    often = np.bincount(codes[codes >= 0], minlength=len(values)).tolist()
    rows: Counter[str] = Counter()
    for value, count in zip(values, often, strict=True):
        rows.update(dict.fromkeys(parsing.words(value), count))
    known = sorted(sorted(word for word, count in rows.items() if count >= 3), key=lambda word: -rows[word])
    kept = tuple(sorted(known[:MOST_WORDS]))
    return kept, tuple(math.log((1 + len(codes)) / (1 + rows[word])) + 1 for word in kept)


def _shares(series: pd.Series, column: Column) -> csr_array:
    """(n, w): each word by the logarithm of how often a row has it, times how rare it is; rows of length 1 (tf-idf)."""
    from scipy.sparse import csr_array

    codes, values = parsing.distinct(series)
    place = {word: at for at, word in enumerate(column.words)}
    found = [[place[word] for word in parsing.words(parsing.as_text(value) or "") if word in place] for value in values]
    sizes = [*map(len, found), 0]  # the last row is of those that have no text
    starts = np.concatenate([[0], np.cumsum(sizes)])
    flat = np.fromiter(chain.from_iterable(found), np.int64, starts[-1])
    shares = csr_array((np.ones(len(flat)), flat, starts), shape=(len(sizes), len(place)))
    shares.sum_duplicates()
    shares.data = (1 + np.log(shares.data)) * np.array(column.rarity)[shares.indices]
    row = np.repeat(np.arange(len(sizes)), np.diff(shares.indptr))
    shares.data /= np.sqrt(np.bincount(row, shares.data**2, len(sizes)))[row]
    return shares[codes]
