"""A figure as data: panels with axes, and marks on them. What draws it knows nothing of studies.

    Figure    a title, panels in rows, at most one scale of colours, and a sentence that says what is seen
    Panel     two axes and the marks between them
    Axis      linear, log, category or time, with the range to show; where values are beyond it `clipped` puts them
              on the edge, as triangles that point outwards
    marks     Points, Line, Band, Bars, Cells, Spans, Strands; in data units, an option is its place from 0

Colours go by role (`theme.COLORS`), shapes by name (`SHAPES`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Union

import numpy as np

SCALES = ("linear", "log", "category", "time", "none")
SHAPES = ("circle", "ring", "cross", "hollow", "down", "up", "left", "right", "diamond", "square", "star")
"""A hollow one is a triangle of lines that points down; the other triangles are filled."""

NONE = np.empty(0)

OPTIONS = 60
"""Options that an axis names at most."""
EDGE = 0.018
"""The share of an axis within which lie the marks of what is beyond it: on the very end half of each would be cut."""


@dataclass(frozen=True)
class Axis:
    """One axis: what it is of, how it runs, and from where to where."""

    title: str = ""
    scale: str = "linear"
    """linear, log, category (`options` by their place), time (seconds since the epoch), or none: without ticks."""
    low: float = 0.0
    high: float = 1.0
    """What is shown, in data units."""
    options: tuple[str, ...] = ()
    whole: bool = False
    """Whether its values are whole numbers, so that no tick lies between them."""

    @classmethod
    def of_options(cls, title: str, options: Sequence[str]) -> Axis:
        """An axis with a place for each option."""
        return cls(title, "category", -0.5, max(len(options), 1) - 0.5, tuple(options))

    def share(self, values: np.ndarray) -> np.ndarray:
        """Where values lie between the ends, 0 to 1; in log scale NaN for what is not above 0."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            if self.scale == "log":
                positive = np.where(values > 0, values, np.nan)
                return np.asarray((np.log(positive) - np.log(self.low)) / (np.log(self.high) - np.log(self.low)))
            width = self.high / 2 - self.low / 2  # halves, since the whole may be beyond all floats
            return np.asarray((np.asarray(values, dtype=float) / 2 - self.low / 2) / (width or 1.0))

    def at(self, share: float) -> float:
        """The value at a share of the way from low to high."""
        if self.scale == "log":
            return math.exp(math.log(self.low) * (1 - share) + math.log(self.high) * share)
        return self.low * (1 - share) + self.high * share

    def inside(self, values: np.ndarray) -> np.ndarray:
        """The values, those beyond an end moved to just within it."""
        return np.asarray(np.clip(values, self.at(EDGE), self.at(1 - EDGE)))

    def beyond(self, values: np.ndarray) -> int:
        """How many values lie outside; NaN lies nowhere."""
        return int(((values < self.low) | (values > self.high)).sum())


@dataclass(frozen=True)
class Points:
    """Points; coloured by `shade` on the figure's scale where that is given."""

    x: np.ndarray
    y: np.ndarray
    color: str = "complete"
    shape: str = "circle"
    label: str = ""
    """What the legend says of it, and whoever points at one of them reads."""
    size: float = 6.0
    """Pixels across."""
    numbers: np.ndarray = field(default_factory=lambda: NONE)
    """The trials' numbers."""
    texts: tuple[str, ...] = ()
    """What there is to read of each instead of its place."""
    shade: np.ndarray | None = None
    opacity: float = 1.0


@dataclass(frozen=True)
class Line:
    """A line through points, broken where one is NaN; with `steps` it goes along, then up or down."""

    x: np.ndarray
    y: np.ndarray
    color: str = "accent"
    label: str = ""
    steps: bool = False
    dashed: bool = False
    width: float = 2.0
    opacity: float = 1.0
    numbers: np.ndarray = field(default_factory=lambda: NONE)


@dataclass(frozen=True)
class Band:
    """The area between two lines."""

    x: np.ndarray
    low: np.ndarray
    high: np.ndarray
    color: str = "accent"
    label: str = ""
    steps: bool = False
    opacity: float = 0.25


@dataclass(frozen=True)
class Bars:
    """Bars to the right, from 0, each with an interval where that is known."""

    y: np.ndarray
    length: np.ndarray
    low: np.ndarray = field(default_factory=lambda: NONE)
    high: np.ndarray = field(default_factory=lambda: NONE)
    color: str = "accent"
    label: str = ""
    texts: tuple[str, ...] = ()
    """What is written beside each."""
    thickness: float = 0.75
    """Of the room that an option has."""


@dataclass(frozen=True)
class Cells:
    """A surface over a grid of centres x (k,) and y (l,), as z (l, k) on the figure's scale; NaN where not known."""

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray


@dataclass(frozen=True)
class Spans:
    """Stretches along x, each in the lane y."""

    start: np.ndarray
    end: np.ndarray
    y: np.ndarray
    color: str = "complete"
    label: str = ""
    numbers: np.ndarray = field(default_factory=lambda: NONE)
    thickness: float = 0.8
    """Of a lane."""


@dataclass(frozen=True)
class Strands:
    """Parallel coordinates: a line for each row of shares (n, d) across d upright axes, coloured by shade (n,).

    A share below 0 says that there is no value. The ticks of an axis are (share, text).
    """

    titles: tuple[str, ...]
    shares: np.ndarray
    shade: np.ndarray
    ticks: tuple[tuple[tuple[float, str], ...], ...]
    numbers: np.ndarray = field(default_factory=lambda: NONE)


Mark = Union[Points, Line, Band, Bars, Cells, Spans, Strands]


@dataclass(frozen=True)
class Panel:
    """Marks between two axes; the later ones lie on top."""

    x: Axis
    y: Axis
    marks: tuple[Mark, ...] = ()
    title: str = ""
    note: str = ""
    """What has to be said of it, such as how many values are beyond its edge."""


@dataclass(frozen=True)
class Scale:
    """What colours stand for: from low to high, the good end the one that stands out."""

    title: str
    low: float
    high: float
    good: str = "low"
    """Which end is the better one: low or high."""
    log: bool = False
    whole: bool = False
    """Whether it is of whole numbers."""

    @property
    def axis(self) -> Axis:
        """The same as an axis."""
        return Axis(scale="log" if self.log else "linear", low=self.low, high=self.high, whole=self.whole)

    def share(self, values: np.ndarray) -> np.ndarray:
        """Where values lie from the bad end, 0, to the good one, 1."""
        share = np.asarray(np.clip(self.axis.share(values), 0.0, 1.0))
        return 1.0 - share if self.good == "low" else share


@dataclass(frozen=True)
class Figure:
    """Panels from left to right and top to bottom, in so many columns."""

    title: str
    panels: tuple[Panel, ...]
    columns: int = 1
    scale: Scale | None = None
    summary: str = ""
    """What is seen, in a sentence, for whoever does not see it."""
    shares_y: bool = False
    """Whether the panels of a row have one and the same y."""

    @property
    def rows(self) -> int:
        """How many rows the panels fill."""
        return -(-len(self.panels) // self.columns)

    @property
    def lanes(self) -> int:
        """How many options stand above one another, for which there has to be room, as far as each can have some."""
        return min(max((len(panel.y.options) for panel in self.panels), default=0), OPTIONS)

    @property
    def options_at_once(self) -> int:
        """How many options an axis names, of more only some."""
        return OPTIONS if len(self.panels) == 1 else OPTIONS // 4

    @property
    def letters(self) -> int:
        """In how many letters: a panel among others leaves room for few."""
        return 30 if self.columns == 1 else 9


def clipped(points: Points, x: Axis, y: Axis) -> list[Points]:
    """The points that lie within the axes and, as triangles on the edge, those that are beyond one.

    Points without a place (NaN in x or y) are left out. What is beyond the edge tells its value in words.
    """
    known = ~(np.isnan(points.x) | np.isnan(points.y))
    inside = known & (points.x >= x.low) & (points.x <= x.high) & (points.y >= y.low) & (points.y <= y.high)
    edges = (("left", points.x < x.low), ("right", points.x > x.high), ("down", points.y < y.low))
    found = [_at(points, inside)] if inside.any() else []
    left = known & ~inside
    for shape, beyond in (*edges, ("up", points.y > y.high)):
        chosen, left = left & beyond, left & ~beyond
        if chosen.any():
            edge = _at(points, chosen)
            told = tuple(f"beyond the edge: {a:.4g}, {b:.4g}" for a, b in zip(edge.x.tolist(), edge.y.tolist()))
            inward = replace(edge, x=x.inside(edge.x), y=y.inside(edge.y))
            found.append(replace(inward, shape=shape, texts=told, label=""))
    return found


def _at(points: Points, chosen: np.ndarray) -> Points:
    """Those of the points that are chosen."""
    return replace(
        points,
        x=points.x[chosen],
        y=points.y[chosen],
        numbers=points.numbers[chosen] if len(points.numbers) else NONE,
        texts=tuple(text for text, stays in zip(points.texts, chosen) if stays),
        shade=None if points.shade is None else points.shade[chosen],
    )
