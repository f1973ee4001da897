"""Axes that fit what is drawn: of a parameter as it was declared, of values so that a few do not squash the rest."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from kilter.core.numbers import Float, Int
from kilter.core.parameter import Parameter, Plain, typed
from kilter.core.text import one_line
from kilter.figures.figure import Axis

MOST = (0.1, 0.9)
"""The quantiles between which most values lie."""
BULK = 0.8
"""The narrowest range that holds this share of the values is where most lie, whichever side the others are on, ..."""
REACH = 3.0
"""... and how many widths of that beyond them an axis reaches at most: further values are marked at its edge."""
FEWEST = 5
"""Of fewer values none is an outlier."""
DECADES = 3.0
"""Positive values of which most span so many decades are drawn on a log axis."""
MARGIN = 0.04
"""Of the range, left free on either side."""
NARROW = 1e-9
"""Of its values, which an axis is wide at least, so that floats tell its ends apart."""
LARGEST = 300
HUGE = 10.0**LARGEST
NAME = 40
"""Characters of a name or an option."""


def name_of(text: object) -> str:
    """A name or option as a figure has it: one line, short, nothing that a terminal obeys."""
    return one_line(text, NAME)


def robust(values: np.ndarray, keep: Iterable[float] = ()) -> tuple[float, float]:
    """The range of values (n,) without outliers, but with those to keep; (0, 1) where none is finite.

    An outlier is further from the narrowest range of 80 % than three times its width; where these are all one value
    there is none.

    >>> robust(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 1e9]))
    (1.0, 5.0)
    >>> robust(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 1e9]), keep=[1e9])
    (1.0, 1000000000.0)
    """
    finite = np.sort(np.clip(values[np.isfinite(values)], -HUGE, HUGE))
    kept = [float(value) for value in keep if math.isfinite(value)]
    if not len(finite):
        return (min(kept), max(kept)) if kept else (0.0, 1.0)
    reach = math.ceil(BULK * len(finite)) - 1
    start = int((finite[reach:] / 2 - finite[: len(finite) - reach] / 2).argmin())  # halves: wholes may be no floats
    low, high = finite[start], finite[start + reach]
    if high > low and len(finite) >= FEWEST:
        near = finite[(finite >= low - REACH * (high - low)) & (finite <= high + REACH * (high - low))]
        finite = near
    return min(float(finite[0]), *kept, math.inf), max(float(finite[-1]), *kept, -math.inf)


def of_values(title: str, values: np.ndarray, keep: Sequence[float] = (), whole: bool = False) -> Axis:
    """An axis for values of any size: robust, and log where they are positive and most of them span decades."""
    finite = values[np.isfinite(values)]
    if len(finite) > 2 and finite.min() > 0 and all(value > 0 for value in keep):
        logs = np.clip(np.log10(finite), -LARGEST, LARGEST)
        if np.quantile(logs, MOST[1]) - np.quantile(logs, MOST[0]) >= DECADES:
            return _padded(title, "log", *(10.0**end for end in robust(logs, [math.log10(value) for value in keep])))
    return _padded(title, "linear", *robust(values, keep), whole=whole)


def of_numbers(title: str, count: int) -> Axis:
    """An axis for the numbers of so many trials."""
    return Axis(title, low=-0.5 - MARGIN * count / 2, high=max(count, 1) - 0.5 + MARGIN * count / 2, whole=True)


def of_parameter(name: str, parameter: Parameter) -> Axis:
    """The axis of a parameter: log where it is log, whole ticks where it is whole, options and steps by name."""
    if isinstance(parameter, (Float, Int)):
        scale = "log" if parameter.log else "linear"
        return _padded(name_of(name), scale, float(parameter.low), float(parameter.high), isinstance(parameter, Int))
    return Axis.of_options(name_of(name), [name_of(label) for label in parameter.labels])


def positions(parameter: Parameter, plains: Sequence[Any]) -> np.ndarray:
    """Where plain values lie on that axis, shape (n,); NaN for None in the place of a number, and for unknown options.

    >>> from kilter import Choice
    >>> positions(Choice(["adam", "sgd"]), ["sgd", "lion"])
    array([ 1., nan])
    """
    if isinstance(parameter, (Float, Int)):
        numeric = [plain if isinstance(plain, (int, float)) else math.nan for plain in plains]
        return np.array(numeric, dtype=float)
    places: dict[tuple[type, Plain], int] = {typed(label): i for i, label in enumerate(parameter.labels)}
    return np.array([places.get(typed(plain), math.nan) for plain in plains], dtype=float)


def _padded(title: str, scale: str, low: float, high: float, whole: bool = False) -> Axis:
    """An axis with a margin; a single value stands in its middle."""
    if scale == "log":
        reach = max(math.log(high / low) * MARGIN, 0.05 if high > low else 0.7)
        return Axis(title, scale, max(low * math.exp(-reach), 1e-307), min(high * math.exp(reach), HUGE), whole=whole)
    margin = MARGIN * (high - low) if high > low else 0.5 if whole else 0.1 * abs(low) or 0.5
    margin = max(margin, NARROW * max(abs(low), abs(high)))
    return Axis(title, scale, low - margin, high + margin, whole=whole)
