"""Where the ticks of an axis are, and how a number reads: 1e-4, never 0.000100; whole where values are whole."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

from kilter.core.text import shortened
from kilter.figures.figure import Axis

MOST = 6
"""Ticks of an axis, about."""
OPTIONS = 12
"""Options of an axis that are all named; of more about as many as ticks are asked for."""
LEAST = 1e-300
"""Between two ticks, at least: smaller powers of ten are none."""
LETTERS = 40
STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 604800, 2592000)


def ticks(axis: Axis, most: int = MOST, letters: int = LETTERS) -> list[tuple[float, str]]:
    """Places in data units with their texts, about `most` of them; an option in at most so many letters.

    >>> ticks(Axis(low=0.0, high=1.0))
    [(0.0, '0'), (0.2, '0.2'), (0.4, '0.4'), (0.6, '0.6'), (0.8, '0.8'), (1.0, '1')]
    >>> ticks(Axis(scale="log", low=1e-5, high=1e-1), most=3)
    [(1e-05, '1e-5'), (0.001, '0.001'), (0.1, '0.1')]
    """
    if axis.scale == "category":
        every = -(-len(axis.options) // max(most, OPTIONS))
        return [(float(i), shortened(axis.options[i], letters)) for i in range(0, len(axis.options), every or 1)]
    if axis.scale == "log":
        return _log(axis, most)
    if axis.scale == "none":
        return []
    if axis.scale == "time":
        return _times(axis, most)
    return [(value, number(value)) for value in _even(axis.low, axis.high, most, axis.whole)]


def labelled(axis: Axis, ends: Sequence[float] = (), most: int = MOST) -> tuple[tuple[float, str], ...]:
    """Ticks as shares of the axis, with the ends of a range among them and nothing close to these."""
    import numpy as np

    ended = [(float(axis.share(np.array([end]))[0]), number(end)) for end in dict.fromkeys(ends)]
    found = [(float(axis.share(np.array([value]))[0]), text) for value, text in ticks(axis, most)]
    apart = [tick for tick in found if all(abs(tick[0] - share) > 0.08 for share, _ in ended)]
    return tuple(sorted(apart + ended))


def number(value: float, digits: int = 4) -> str:
    """A number with so many significant digits at most.

    >>> [number(value) for value in (0.0001, 0.25, 3.0, 12345678.0, 1234.5, -2e-7)]
    ['1e-4', '0.25', '3', '1.235e7', '1234', '-2e-7']
    """
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    if 1e-3 <= abs(value) < 1e6:
        return f"{value:.{digits}g}" if abs(value) < 10**digits else f"{value:.0f}"
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{mantissa}e{int(exponent)}"


def _even(low: float, high: float, most: int, whole: bool) -> list[float]:
    """Round numbers between low and high, evenly spaced."""
    rough = (high / most - low / most) or 1.0
    power = 10.0 ** math.floor(math.log10(max(rough, LEAST)))
    step = next((power * s for s in STEPS if power * s >= rough * (1 - 1e-9)), 10 * power)
    if whole:
        step = max(1.0, math.ceil(step))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    digits = max(0, 1 - math.floor(math.log10(step)))
    return [round(i * step, digits) + 0.0 for i in range(first, last + 1)]


def _log(axis: Axis, most: int) -> list[tuple[float, str]]:
    """Powers of ten, every so many; over less than two decades round numbers between them, too."""
    low, high = math.log10(axis.low), math.log10(axis.high)
    first, last = math.ceil(low - 1e-9), math.floor(high + 1e-9)
    if last - first < 1 or (high - low < 2 and most > 3):
        between = [m * 10.0**p for p in range(first - 1, last + 1) for m in (1, 2, 5)]
        found = [value for value in between if axis.low <= value <= axis.high]
        if len(found) < 2:
            found = _even(axis.low, axis.high, most, axis.whole)
    else:
        every = max(1, -(-(last - first) // (most - 1)))
        found = [10.0**p for p in range(first, last + 1, every)]
    exact = [float(f"{value:.6g}") for value in found]
    return [(value, number(value)) for value in exact if not axis.whole or value.is_integer()]


def _times(axis: Axis, most: int) -> list[tuple[float, str]]:
    """Round times of the day, here; with the date where the axis spans days."""
    span = axis.high - axis.low
    step = next((s for s in SECONDS if s >= span / most), SECONDS[-1])
    offset = datetime.fromtimestamp(axis.low).astimezone().utcoffset()
    shift = offset.total_seconds() if offset else 0.0
    form = "%H:%M:%S" if step < 60 else "%H:%M" if span < 86400 else "%d %b %H:%M" if step < 86400 else "%d %b"
    first, last = math.ceil((axis.low + shift) / step), math.floor((axis.high + shift) / step)
    places = [i * step - shift for i in range(first, last + 1)]
    return [(place, datetime.fromtimestamp(place).strftime(form)) for place in places]
