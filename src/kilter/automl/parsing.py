"""One column's values as numbers, days or texts. What does not parse is missing; no rule looks at other rows."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

NOTHING = frozenset({"", "?", "na", "n/a", "#n/a", "<na>", "nan", "nat", "null"})
"""Texts that stand for a missing value, in small letters."""

FILLERS = frozenset({"-", "--", ".", "none", "missing", "unknown", "n.a.", "tbd"})
"""Texts that stand for one among numbers and dates; among other texts they are levels."""

ISO = "ISO8601"
COMMA = ","
FARTHEST = 1e100
"""Numbers end here: squares of them, and sums of squares, are finite."""
DOT_OF_THOUSANDS = r"\.(?=\d{3}(?:\D|$))"

_WORD = re.compile(r"\w+")
_PLAIN_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?|[-+]?inf(inity)?", re.I | re.A)
_DRESSED_NUMBER = re.compile(r"([-+]?)[$€£¥]?\s?(\d{1,3}(,\d{3})+(\.\d+)?|\d+(\.\d+)?|\.\d+)\s?%?", re.A)
_DOT_OF_THOUSANDS = re.compile(DOT_OF_THOUSANDS, re.A)
_CODE = re.compile(r"0\d+", re.A)
_LIKE_A_DATE = re.compile(r"\d{1,4}[-/. ]([a-z]{3,9}|\d{1,2})([-/., ]|$)|[a-z]{3,9}\.? \d{1,2},? \d{4}", re.I | re.A)
_YEARS = "Y", "y"
_TIMES = "", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p"
# Days up to the twelfth could come first or second: with slashes it is the American way, with dots and dashes not.
_DAYS = (
    *(f"%{a}/%{b}/%{y}" for y, (a, b) in product(_YEARS, (("m", "d"), ("d", "m")))),
    *(f"%{a}{sign}%{b}{sign}%{y}" for sign, y, (a, b) in product((".", "-"), _YEARS, (("d", "m"), ("m", "d")))),
    *("%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%d-%b-%Y", "%d-%b-%y", "%Y/%m/%d", "%Y.%m.%d"),
)
DATE_FORMATS = (ISO, *(day + time for day, time in product(_DAYS, _TIMES)))


def distinct(series: pd.Series) -> tuple[np.ndarray, Sequence[Any]]:
    """(n,) places of each row's value among the distinct ones, −1 where it is missing, and these."""
    import pandas as pd

    if isinstance(series.dtype, pd.CategoricalDtype):
        return series.cat.codes.to_numpy(np.int64), series.cat.categories.tolist()
    try:
        codes, values = pd.factorize(series)
    except TypeError:  # lists and other things that cannot be compared
        codes, values = pd.factorize(series.map(str, na_action="ignore"))
    return codes, values.tolist()


def is_unhashable(series: pd.Series) -> bool:
    """Whether a value is a list, dict, set, array or the like."""
    return any(type(value).__hash__ is None for value in series)


def as_number(value: Any, form: str = "") -> float:
    """The value as a float; NaN where it is none. Durations are days; texts may have currency, thousands, percent.

    In the form "," a comma stands before the decimals, and dots between thousands.

    >>> as_number("1,250.5"), as_number("$3"), as_number("three"), as_number("1.250,5", ",")
    (1250.5, 3.0, nan, 1250.5)
    """
    if isinstance(value, str):
        return _number_in(_with_points(value.strip()) if form == COMMA else value.strip())
    if isinstance(value, datetime.timedelta):
        return value.total_seconds() / 86400
    try:
        return float(value)
    except OverflowError:
        return float("inf")
    except (TypeError, ValueError):
        return float("nan")


def is_code(value: Any) -> bool:
    """Whether it is a text of digits that begins with 0, as postal codes do and numbers do not."""
    return isinstance(value, str) and _CODE.fullmatch(value.strip()) is not None


def _with_points(text: str) -> str:
    return _DOT_OF_THOUSANDS.sub("", text).replace(",", ".")


def _number_in(text: str) -> float:
    if _PLAIN_NUMBER.fullmatch(text):
        return float(text)
    if dressed := _DRESSED_NUMBER.fullmatch(text):
        return float(dressed[1] + dressed[2].replace(",", ""))
    return float("nan")


def as_text(value: Any) -> str | None:
    """The value as a level or words; None where it stands for nothing. 3 and 3.0 are the same level.

    >>> as_text(3.0), as_text(" blue "), as_text("N/A")
    ('3', 'blue', None)
    """
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, (float, np.floating)) and value == value and float(value).is_integer():
        value = int(value)
    text = str(value).strip().encode("utf-8", "replace").decode()  # no file takes lone surrogates
    return None if text.lower() in NOTHING else text


def words(text: str) -> list[str]:
    """Its words, in small letters, and its pairs of neighbours.

    >>> words("A red house")
    ['a', 'red', 'house', 'a red', 'red house']
    """
    single = _WORD.findall(text.lower())
    return [*single, *(f"{one} {two}" for one, two in pairwise(single))]


def numbers(series: pd.Series, form: str = "") -> np.ndarray:
    """(n,) float64; what is no number, or infinite, is NaN. Moments are days where the form is ISO."""
    import pandas as pd

    if isinstance(series.dtype, pd.SparseDtype):
        series = series.sparse.to_dense()
    if pd.api.types.is_timedelta64_dtype(series.dtype):
        series = series / pd.Timedelta(days=1)
    elif pd.api.types.is_datetime64_any_dtype(series.dtype):
        return days(series, ISO) if form == ISO else np.full(len(series), np.nan)
    if pd.api.types.is_numeric_dtype(series.dtype) and not pd.api.types.is_complex_dtype(series.dtype):
        return finite(series.to_numpy(float, na_value=np.nan))
    codes, values = distinct(series)
    return finite(np.array([*(_truth(value, as_number(value, form)) for value in values), np.nan])[codes])


def _truth(value: Any, number: float) -> float:
    """A file says in words what was true or false in a frame."""
    said = value.strip().lower() if isinstance(value, str) else ""
    return float(said == "true") if said in ("true", "false") else number


def finite(values: np.ndarray) -> np.ndarray:
    """The same with NaN in place of infinite values, and none beyond FARTHEST."""
    if ((values >= -FARTHEST) & (values <= FARTHEST)).all():
        return values
    found = np.where(np.isfinite(values), values, np.nan)
    return np.clip(found, -FARTHEST, FARTHEST, out=found)


def texts(series: pd.Series) -> tuple[np.ndarray, list[str]]:
    """(n,) places of each row's text among the distinct ones, −1 where it has none, and these, sorted."""
    codes, values = distinct(series)
    plain = [as_text(value) for value in values]
    known = sorted({text for text in plain if text is not None})
    place = {text: at for at, text in enumerate(known)}
    return np.array([*(-1 if text is None else place[text] for text in plain), -1])[codes], known


def days(series: pd.Series, form: str) -> np.ndarray:
    """(n,) days since 1970-01-01 UTC; NaN where there is no date, of this form or ISO's."""
    import pandas as pd

    if isinstance(series.dtype, pd.PeriodDtype):
        series = series.dt.to_timestamp()
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        return _days_of(pd.to_datetime(series, utc=True).dt.tz_localize(None).to_numpy())
    codes, values = distinct(series)
    found = _parsed(values, form)
    if form != ISO and (other := np.flatnonzero(np.isnan(found)).tolist()):
        found[other] = _parsed([values[place] for place in other], ISO)
    return np.asarray(np.append(found, np.nan)[codes])


def _parsed(values: Sequence[Any], form: str) -> np.ndarray:
    """Texts of this form, and for ISO's dates as Python has them."""
    import pandas as pd

    plain = [value if form == ISO and hasattr(value, "year") else str(value).strip() for value in values]
    return _days_of(
        pd.to_datetime(pd.Series(plain, dtype=object), format=form, utc=True, errors="coerce")
        .dt.tz_localize(None)
        .to_numpy()
    )


def _days_of(moments: np.ndarray) -> np.ndarray:
    seconds = moments.astype("datetime64[s]")
    return np.where(np.isnat(seconds), np.nan, seconds.astype(np.int64) / 86400)


def date_format(values: Sequence[str]) -> tuple[str, float]:
    """The form that most of these texts have, and the share that has it; of equal ones the first in DATE_FORMATS."""
    best, most = ISO, 0.0
    for form in DATE_FORMATS:
        share = float(np.isfinite(_parsed(values, form)).mean()) if len(values) else 0.0
        if share > most:
            best, most = form, share
        if most == 1:
            break
    return best, most


def like_dates(values: Sequence[str]) -> float:
    """The share of texts that might be dates."""
    return float(np.mean([bool(_LIKE_A_DATE.match(value)) for value in values])) if len(values) else 0.0
