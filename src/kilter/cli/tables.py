"""Tables in files, as CSV and Parquet: what verbs about rows read and write."""

from __future__ import annotations

import csv
import io
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kilter.core.errors import InvalidInput, UnknownName, needed
from kilter.core.text import one_line, printable

if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = ",;\t|"
LOOKED_AT = 64_000
"""Characters of a file that its separator is found by."""
MANY = 20
"""Different whole numbers from which on a target is measured rather than a class."""


def read(path: str, texts: Sequence[str] = ()) -> pd.DataFrame:
    """The table in a file, a Parquet file where its name says so, else text with a separator of , ; | or tab.

    Values of the columns `texts` are left as they stand there, with their leading zeros.
    `.gz`, `.bz2`, `.xz` and `.zst` are unpacked. Raises InvalidInput where the file is not there or is no such table,
    MissingLibrary without pandas.
    """
    with needed("'kilter[automl]'", "a table"):
        import pandas as pd
    if path == "-":
        raise InvalidInput("a table is read from a file, not from standard input: give its name")
    try:
        if _ending(path) in (".parquet", ".pq"):
            with needed("pyarrow", "Parquet", "or give CSV"):
                import pyarrow  # noqa: F401  pandas would name two libraries, in four lines
            return pd.read_parquet(path)
        how: dict[str, Any] = {"sep": _separator(path), "skipinitialspace": True, "encoding": "utf-8-sig"}
        _check_titles(pd.read_csv(path, header=None, nrows=1, dtype=str, keep_default_na=False, **how))
        return pd.read_csv(path, dtype=dict.fromkeys(texts, str), low_memory=False, **how)
    except OSError as error:
        raise InvalidInput(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, pd.errors.ParserError) as error:  # UnicodeDecodeError, ArrowInvalid and EmptyDataError, too
        raise InvalidInput(f"{path} is no table: {one_line(error)}") from None


def write(frame: pd.DataFrame, path: str | None) -> None:
    """Write a table as CSV, or as Parquet where the name says so; to stdout without a path."""
    if path is None:
        text = frame.to_csv(index=False)
        sys.stdout.write(printable(text) if sys.stdout.isatty() else text)  # a terminal obeys what is in a table
        return
    try:
        if _ending(path) in (".parquet", ".pq"):
            with needed("pyarrow", "Parquet", "or write CSV"):
                import pyarrow  # noqa: F401
            frame.to_parquet(path, index=False)
        else:
            frame.to_csv(path, index=False)
    except OSError as error:
        raise InvalidInput(f"cannot write {path}: {error.strerror or error}") from None


def check_place(path: str) -> None:
    """Raises InvalidInput where no file of this name can be written: better now than after the work."""
    folder = os.path.dirname(path)
    if folder and not os.path.isdir(folder):
        raise InvalidInput(f"there is no folder {folder}: make it, or write to another file than {path}")
    if os.path.isdir(path):
        raise InvalidInput(f"{path} is a folder: give the name of a file, as in {os.path.join(path, 'model.zip')}")
    if not os.access(folder or ".", os.W_OK) or (os.path.exists(path) and not os.access(path, os.W_OK)):
        raise InvalidInput(f"{path} cannot be written: no permission")


def of(columns: Mapping[str, Any]) -> pd.DataFrame:
    """A table of columns by name."""
    import pandas as pd

    return pd.DataFrame(columns)


def taken(frame: pd.DataFrame, name: str) -> pd.Series:
    """A column of a table. Raises UnknownName, with the nearest one."""
    if name not in frame.columns:
        raise UnknownName.of("column", name, map(str, frame.columns))
    return frame[name]


def is_measured(target: pd.Series) -> bool:
    """Whether a target's values are to be predicted as numbers rather than as classes.

    They are where all are numbers and one of them has a fraction, or more than 20 differ.

    >>> import pandas as pd
    >>> [is_measured(pd.Series(values)) for values in ([0, 1, 1], [0.5, 1.0], ["a", "b"], range(30), [True, False])]
    [False, True, False, True, False]
    """
    known = target.dropna()
    if known.dtype.kind not in "iuf":  # no text, dates or truth values
        return False
    return bool((known % 1 != 0).any()) or known.nunique() > MANY


def _check_titles(titles: pd.DataFrame) -> None:
    """Titles differ: otherwise pandas makes new ones, and nobody knows which is which."""
    twice = titles.iloc[0][titles.iloc[0].duplicated()]
    if named := [name for name in twice if name]:
        raise InvalidInput(f"two columns are called {one_line(named[0])!r}: rename one of them")


def _ending(path: str) -> str:
    return os.path.splitext(path)[1].lower()


def _separator(path: str) -> str:
    """What stands between the cells of the first rows: that by which most of them have as many as the titles."""
    from pandas.io.common import get_handle

    with get_handle(path, "r", encoding="utf-8-sig", compression="infer", errors="replace") as opened:
        start = opened.handle.read(LOOKED_AT)
    return max(SEPARATORS, key=lambda separator: _agreement(start, separator))


def _agreement(start: str, separator: str) -> tuple[float, int]:
    """The share of rows with as many cells as the titles, and how many these are; nothing where there is but one."""
    try:
        rows = [len(row) for row in csv.reader(io.StringIO(start), delimiter=separator)]
    except csv.Error:
        return 0.0, 0
    titles, *others = rows or [0]
    others = others[:-1] or others  # the last one may be cut
    share = sum(cells == titles for cells in others) / len(others) if others else 1.0
    return (share, titles) if titles > 1 else (0.0, 0)
