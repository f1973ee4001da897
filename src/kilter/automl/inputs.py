"""What a user hands over, brought into one form: a pandas frame with names of text, y as a task has it, weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kilter.automl.task import Kind, Task
from kilter.core.errors import InvalidInput, UnknownName
from kilter.core.text import one_line, shown

if TYPE_CHECKING:
    import pandas as pd

LARGEST = 1e150
"""Numbers beyond it have squares that float64 does not hold, nor those of differences below one part of it."""


def as_frame(data: Any, names: Sequence[str] | None = None) -> pd.DataFrame:
    """The rows as a pandas frame whose columns have names of text; the frame itself where it is one.

    data: a frame of pandas, polars or Arrow, an array (n, d), or a list of dicts, one a row. Columns of an array, which
    has no names, are `names`, or x0, x1 and so on. Raises InvalidInput where it is no table, has no rows or no columns,
    or two columns of one name.

    >>> as_frame([{"age": 3, "town": "Bern"}, {"age": 5, "town": None}]).columns.tolist()
    ['age', 'town']
    """
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        frame = data
    elif isinstance(data, Sequence) and data and all(isinstance(row, Mapping) for row in data):
        frame = pd.DataFrame.from_records(data)
    elif type(data).__module__.startswith("polars") and hasattr(data, "get_columns"):
        frame = pd.DataFrame({column.name: column.to_numpy() for column in data.get_columns()})
    elif hasattr(data, "to_pandas"):
        frame = data.to_pandas()
    else:
        frame = _from_array(data, names)
    return _checked(_named(frame))


def _from_array(data: Any, names: Sequence[str] | None) -> pd.DataFrame:
    import pandas as pd

    if hasattr(data, "tocsr"):
        raise InvalidInput("X is a sparse matrix: pass X.toarray(), or a DataFrame. Sparse data is not supported")
    values = np.asarray(data)
    if np.iscomplexobj(values):
        raise InvalidInput("X has complex numbers. Complex data not supported: pass real and imaginary parts")
    if values.ndim != 2:
        raise InvalidInput(
            f"X has {values.ndim} dimensions instead of rows and columns. Reshape your data: X.reshape(-1, 1) is one "
            "column, X.reshape(1, -1) one row"
        )
    if names is not None and values.shape[1] != len(names):
        raise InvalidInput(f"X has {values.shape[1]} features, but kilter is expecting {len(names)} features as input")
    frame = pd.DataFrame(values, columns=list(names or (f"x{place}" for place in range(values.shape[1]))))
    return frame.infer_objects() if values.dtype == object else frame


def _named(frame: pd.DataFrame) -> pd.DataFrame:
    """Integers and other names become text, as in scikit-learn's outputs; levels of names are joined by a dot."""
    if all(isinstance(name, str) for name in frame.columns):
        return frame
    return frame.set_axis([_name(name) for name in frame.columns], axis=1)


def _name(name: object) -> str:
    return ".".join(map(str, name)) if isinstance(name, tuple) else str(name)


def _checked(frame: pd.DataFrame) -> pd.DataFrame:
    rows, columns = frame.shape
    if not columns:
        raise InvalidInput(f"X has no columns: 0 feature(s) (shape={frame.shape}) while a minimum of 1 is required.")
    if not rows:
        raise InvalidInput(f"X has no rows: 0 sample(s) (shape={frame.shape}) while a minimum of 1 is required.")
    if not frame.columns.is_unique:
        twice = [one_line(name, 50) for name, count in Counter(frame.columns).items() if count > 1]
        raise InvalidInput(f"X has several columns named {', '.join(map(repr, twice[:5]))}: names have to differ")
    return frame


def split(data: Any, y: Any, *beside: Any) -> tuple[Any, ...]:
    """The training rows, the target, and what stands beside it: each as it is, or the column that it names.

    Columns that are named leave the rows. Raises UnknownName where there is no such column, InvalidInput where there is
    only one row.
    """
    frame = as_frame(data)
    if len(frame) == 1:
        raise InvalidInput("n_samples = 1: one row is too few to learn from, two are the least")
    named = [each for each in (y, *beside) if isinstance(each, str)]
    for name in named:
        if name not in frame.columns:
            hint = "y, sample_weight and groups are values, one for each row, or the name of a column of X"
            raise UnknownName.of("column", name, frame.columns, hint)
    rest = _checked(frame.drop(columns=list(named))) if named else frame
    return rest, *(frame[each] if isinstance(each, str) else each for each in (y, *beside))


@dataclass(frozen=True)
class Target:
    """What is to be predicted, of the rows that have a value of it.

    rows: their places among all rows, int64; y: float64 values or places in task.classes, one for each of `rows`;
    notices: what was left out, in sentences.
    """

    task: Task
    y: np.ndarray
    rows: np.ndarray
    notices: tuple[str, ...] = ()


def target(y: Any, regression: bool, rows: int | None = None) -> Target:
    """The target as a task has it, without the rows in which it is missing.

    y: (n,) values or labels; rows: how many X has. Raises InvalidInput where the lengths differ, y has several columns,
    all of it is missing, or it is of the other kind of task.

    >>> target(["no", "yes", None, "no"], regression=False).y.tolist()
    [0, 1, 0]
    """
    import pandas as pd

    series = pd.Series(_flat(y))
    if rows is not None and len(series) != rows:
        raise InvalidInput(f"X has {rows} rows and y has {len(series)}: inconsistent numbers of samples")
    there = _there(series)
    places = np.flatnonzero(there)
    if not len(places):
        raise InvalidInput(
            "Input y contains infinity, NaN or nothing at all (a value too large for dtype('float64') "
            "counts as missing): no row has a value to learn from"
        )
    lost = len(series) - len(places)
    notices = (f"{lost} of {len(series)} rows have no value of the target and were left out",) if lost else ()
    known = series[there]
    task, values = _values(known) if regression else _labels(known)
    return Target(task, values, places, notices)


def _flat(y: Any) -> Any:
    """(n,) of what may be one column of two dimensions."""
    if y is None:
        raise InvalidInput("requires y to be passed, but the target y is None: pass its values or the name of a column")
    if not hasattr(y, "to_numpy") and not isinstance(y, Sequence):
        y = np.asarray(y)
    shape = np.asarray(y, object).shape
    if len(shape) == 2 and shape[1] == 1:
        from sklearn.utils import column_or_1d

        return column_or_1d(y, warn=True)
    if len(shape) != 1:
        raise InvalidInput(f"y should be a 1d array, got an array of shape {shape} instead: one target at a time")
    return y.to_numpy() if type(y).__module__.startswith("polars") else y


def _there(series: pd.Series) -> np.ndarray:
    there: np.ndarray = series.notna().to_numpy(copy=True)
    if series.dtype.kind == "f":
        there &= np.isfinite(series.to_numpy(float, na_value=np.nan))
    return there


def _values(known: pd.Series) -> tuple[Task, np.ndarray]:
    hint = "a Regressor predicts numbers; for labels use Classifier"
    if known.dtype.kind in "mM" or known.dtype.kind == "c":
        raise InvalidInput(f"y is {known.dtype}: {hint}. Complex data not supported")
    try:
        values = np.asarray(known.to_numpy(), float)
    except (TypeError, ValueError):
        raise InvalidInput(f"y has {shown(_first_other(known))}, which is no number: {hint}") from None
    if known.dtype.kind not in "biufO" or any(isinstance(value, str) for value in known.head(1000)):
        raise InvalidInput(f"y is of {known.dtype}, as {shown(known.iloc[0])}: {hint}")
    if not np.isfinite(values).all():
        raise InvalidInput("Input y contains infinity or a value too large for dtype('float64')")
    largest, range_ = np.abs(values).max(), np.ptp(values)
    if largest > LARGEST or 0 < range_ < 1 / LARGEST:
        raise InvalidInput(
            f"y has values up to {largest:g} that differ by {range_:g}: squares of such numbers are beyond float64; "
            "give the target in another unit"
        )
    return Task("regression"), values


def _first_other(known: pd.Series) -> object:
    return next((value for value in known if isinstance(value, str) or not np.isscalar(value)), known.iloc[0])


def _labels(known: pd.Series) -> tuple[Task, np.ndarray]:
    values = known.to_numpy()
    if known.dtype.kind == "c":
        raise InvalidInput("y has complex numbers. Complex data not supported")
    if known.dtype.kind == "f" and not np.equal(np.mod(values, 1), 0).all():
        odd = values[np.mod(values, 1) != 0][0]
        raise InvalidInput(
            f"Unknown label type: continuous. y has numbers such as {odd:g}: use Regressor to predict "
            "numbers, or turn classes into text or integers"
        )
    if values.dtype == object and all(isinstance(value, str) for value in values):
        values = values.astype(str)
    try:
        classes, places = np.unique(values, return_inverse=True)
    except TypeError:
        kinds = sorted({type(value).__name__ for value in values})
        raise InvalidInput(f"Unknown label type: y mixes {' and '.join(kinds)}: turn all into text") from None
    labels = tuple(classes.tolist())
    if not all(isinstance(label, (str, int, float, bool)) for label in labels):
        raise InvalidInput(f"Unknown label type: y has {shown(labels[0])}: labels are text, integers or booleans")
    kind: Kind = "binary" if len(labels) <= 2 else "multiclass"
    return Task(kind, labels), places.astype(np.int64).ravel()


def weights(sample_weight: Any, rows: int) -> np.ndarray | None:
    """Weights as (n,) float64, or None where there are none. A weight of zero leaves its row out.

    Raises InvalidInput where one is negative or missing, none is above zero, or there is not one for each row.
    """
    if sample_weight is None:
        return None
    try:
        values = np.asarray(sample_weight, float)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"sample_weight has what is no number: {error}") from None
    if values.shape != (rows,):
        raise InvalidInput(f"sample_weight.shape == {values.shape}, expected {(rows,)}: one weight for each row")
    if not np.isfinite(values).all() or (values < 0).any():
        bad = values[~(np.isfinite(values) & (values >= 0))][0]
        raise InvalidInput(f"sample_weight has {bad:g}: weights are numbers from 0 on")
    if not values.any():
        raise InvalidInput("all of sample_weight is zero: no row is left to learn from")
    return values
