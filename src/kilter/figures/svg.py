"""Figures drawn as SVG: static, small, no script, in the colours of the page that they stand on."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from kilter.core.text import printable
from kilter.figures.figure import Band, Bars, Cells, Figure, Line, Mark, Panel, Points, Scale, Spans, Strands
from kilter.figures.theme import color
from kilter.figures.ticks import ticks

MOST = 240
"""Points of a mark, at most, if they are dots, and half as many of other shapes; more are thinned."""
LETTER = 6.2
"""Pixels of a letter, about."""
LEFT, RIGHT, TOP, BOTTOM = 50.0, 10.0, 18.0, 34.0
"""Pixels around a panel."""
RAMP = ("#8560b5", "#4f6ea8", "#2d86a0", "#21918c", "#2ba478", "#4f9f3e", "#8f9c1e")
"""From the bad end to the good one, none of them lost on white or on black."""


def draw(figure: Figure, width: float = 460.0, height: float = 170.0) -> str:
    """The figure as an svg element, each panel of this width and height."""
    across, down = figure.columns, figure.rows
    panels = []
    for place, panel in enumerate(figure.panels):
        row, column = divmod(place, across)
        moved = f'<g transform="translate({column * width:.0f},{row * height:.0f})">'
        panels.append(f"{moved}{_panel(panel, figure.scale, width, height)}</g>")
    size = f'width="{across * width:.0f}" height="{down * height:.0f}"'
    box = f'viewBox="0 0 {across * width:.0f} {down * height:.0f}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {box} role="img" fill="none" font-size="11" '
        f'font-family="sans-serif" style="max-width:100%">'
        f"<title>{text(figure.summary or figure.title)}</title>{''.join(panels)}</svg>"
    )


def text(value: str) -> str:
    """Other people's text between tags or in an attribute."""
    return html.escape(printable(value, keep=""))


class _Frame:
    """Where a panel's data are on the paper."""

    def __init__(self, panel: Panel, width: float, height: float) -> None:
        self.x, self.y = panel.x, panel.y
        longest = max((len(told) for _, told in ticks(panel.y, 4)), default=0)
        self.left = min(max(LEFT, longest * LETTER + 24), width / 3)
        self.right, self.top, self.bottom = width - RIGHT, TOP, height - BOTTOM

    def across(self, values: np.ndarray) -> np.ndarray:
        return self.left + (self.right - self.left) * self.x.share(values)

    def down(self, values: np.ndarray) -> np.ndarray:
        return self.bottom - (self.bottom - self.top) * self.y.share(values)

    def places(self, x: np.ndarray, y: np.ndarray) -> list[tuple[float, float]]:
        """Both together, kept within reach of the panel, since a line may leave it."""
        far = 1e4
        return list(zip(np.clip(self.across(x), -far, far).tolist(), np.clip(self.down(y), -far, far).tolist()))


def _panel(panel: Panel, scale: Scale | None, width: float, height: float) -> str:
    frame = _Frame(panel, width, height)
    parts = [_axes(panel, frame)]
    parts += [_mark(mark, scale, frame) for mark in panel.marks]
    parts.append(_legend(panel, scale, frame))
    if panel.note:
        parts.append(_text(frame.right, frame.top - 6, panel.note, "end", 0.7))
    if panel.title:
        parts.append(_text(frame.left, frame.top - 6, panel.title, "start", 1.0))
    return "".join(parts)


def _legend(panel: Panel, scale: Scale | None, frame: _Frame) -> str:
    """A sample of each mark that has a label, with that, as far as there is room beside the note."""
    marks = {mark.label: mark for mark in panel.marks if isinstance(mark, (Points, Line)) and mark.label}
    x, y, parts = frame.left + 4, frame.top - 10, []
    room = frame.right - len(panel.note) * LETTER - 8
    for label, mark in marks.items():
        wide = len(label) * LETTER + 22
        if len(marks) < 2 or x + wide > room:
            break
        if isinstance(mark, Points):
            parts.append(_shapes(mark, [(x, y)], color(mark.color)))
        else:
            parts.append(f'<path d="M{x - 5:.1f} {y}h10" stroke="{color(mark.color)}" stroke-width="{mark.width:g}"/>')
        parts.append(_text(x + 8, y + 4, label, "start", 0.8))
        x += wide
    return "".join(parts)


def _axes(panel: Panel, frame: _Frame) -> str:
    x = ticks(panel.x, max(2, int((frame.right - frame.left) / 70)))
    y = ticks(panel.y, max(2, int((frame.bottom - frame.top) / 28)))
    at_x, at_y = frame.across(np.array([value for value, _ in x])), frame.down(np.array([value for value, _ in y]))
    grid = "".join(f"M{frame.left:.1f} {place:.1f}H{frame.right:.1f}" for place in at_y)
    parts = [f'<path d="{grid}" stroke="currentColor" stroke-opacity=".15"/>'] if grid else []
    ends = f"M{frame.left:.1f} {frame.top:.1f}V{frame.bottom:.1f}H{frame.right:.1f}"
    parts.append(f'<path d="{ends}" stroke="currentColor" stroke-opacity=".6"/>')
    parts += [_text(place, frame.bottom + 13, told, "middle") for place, (_, told) in zip(at_x, x)]
    parts += [_text(frame.left - 5, place + 4, told, "end") for place, (_, told) in zip(at_y, y)]
    middle = (frame.left + frame.right) / 2
    parts.append(_text(middle, frame.bottom + 27, panel.x.title, "middle", 0.8) if panel.x.title else "")
    if panel.y.title:
        turned = f'transform="translate(11,{(frame.top + frame.bottom) / 2:.1f}) rotate(-90)"'
        parts.append(
            f'<text {turned} text-anchor="middle" fill="currentColor" opacity=".8">{text(panel.y.title)}</text>'
        )
    return "".join(parts)


def _text(x: float, y: float, told: str, anchor: str, opacity: float = 1.0) -> str:
    faded = f' opacity="{opacity:g}"' if opacity < 1 else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="currentColor"{faded}>{text(told)}</text>'


def _mark(mark: Mark, scale: Scale | None, frame: _Frame) -> str:
    if isinstance(mark, Points):
        return _points(mark, scale, frame)
    if isinstance(mark, Line):
        dash = ' stroke-dasharray="5 4"' if mark.dashed else ""
        look = f'stroke="{color(mark.color)}" stroke-width="{mark.width:g}" stroke-opacity="{mark.opacity:g}"{dash}'
        return f'<path d="{_path(frame.places(mark.x, mark.y), mark.steps, frame)}" {look}/>'
    if isinstance(mark, Band):
        known = np.isfinite(mark.low) & np.isfinite(mark.high)
        up = frame.places(mark.x[known], mark.high[known])
        back = frame.places(mark.x[known], mark.low[known])[::-1]
        outline = _path([*up, *back], False, frame)
        return f'<path d="{outline}Z" fill="{color(mark.color)}" fill-opacity="{mark.opacity:g}"/>' if outline else ""
    if isinstance(mark, Bars):
        return _bars(mark, frame)
    if isinstance(mark, Spans):
        return _spans(mark, frame)
    if isinstance(mark, Cells):
        return _cells(mark, scale, frame)
    return _strands(mark, frame)


def _path(places: Sequence[tuple[float, float]], steps: bool, frame: _Frame) -> str:
    """A path through places, begun anew after one that is not known, without what lies outside above or below."""
    parts, pen = [], "M"
    for x, y in places:
        if math.isnan(x) or math.isnan(y):
            pen = "M"
            continue
        y = min(max(y, frame.top - 2), frame.bottom + 2)
        parts.append(f"H{x:.1f}V{y:.1f}" if steps and pen == "L" else f"{pen}{x:.1f} {y:.1f}")
        pen = "L"
    return "".join(parts)


OUTLINES = {
    "cross": "m-{r} -{r}l{d} {d}m-{d} 0l{d} -{d}",
    "hollow": "m-{r} -{h}h{d}l-{r} {d}z",
    "down": "m-{r} -{h}h{d}l-{r} {d}z",
    "up": "m-{r} {h}h{d}l-{r} -{d}z",
    "left": "m{h} -{r}v{d}l-{d} -{r}z",
    "right": "m-{h} -{r}v{d}l{d} -{r}z",
    "diamond": "m0 -{r}l{r} {r}l-{r} {r}l-{r} -{r}z",
    "square": "m-{h} -{h}h{r}v{r}h-{r}z",
    "ring": "m-{r} 0a{r} {r} 0 1 0 {d} 0a{r} {r} 0 1 0 -{d} 0",
    "star": "m0 -{r}l{r} {r}l-{r} {r}l-{r} -{r}z",
}
FILLED = ("down", "up", "left", "right", "star")


def _steps(values: np.ndarray, scale: Scale | None) -> np.ndarray:
    """Places on the ramp, shape of values; -1 where one is not known."""
    shares = values if scale is None else scale.share(values)
    return np.where(np.isnan(shares), -1, np.rint(np.nan_to_num(shares) * (len(RAMP) - 1))).astype(int)


def _points(mark: Points, scale: Scale | None, frame: _Frame) -> str:
    """One path for points of one look; those with a shade of their own get one for each step of the ramp."""
    every = -(-len(mark.x) // (MOST if mark.shape == "circle" else MOST // 2)) or 1
    places = frame.places(mark.x[::every], mark.y[::every])
    if mark.shade is None:
        return _shapes(mark, places, color(mark.color))
    steps = _steps(mark.shade[::every], scale).tolist()
    drawn = {step: [place for place, own in zip(places, steps) if own == step] for step in set(steps) if step >= 0}
    return "".join(_shapes(mark, drawn[step], RAMP[step]) for step in sorted(drawn))


def _cells(mark: Cells, scale: Scale | None, frame: _Frame) -> str:
    """A path of thick strokes for each step of the ramp: along a row, cells of one step are one stroke."""
    borders = _borders(frame.across(mark.x), frame.left, frame.right)
    rows = _borders(frame.down(mark.y), frame.bottom, frame.top)
    strokes: dict[int, list[str]] = {}
    for row, steps in enumerate(_steps(mark.z, scale)):
        starts = [0, *(np.flatnonzero(np.diff(steps)) + 1).tolist(), len(steps)]
        for start, stop in pairwise(starts):
            path = f"M{borders[start]:.1f} {(rows[row] + rows[row + 1]) / 2:.1f}H{borders[stop]:.1f}"
            strokes.setdefault(int(steps[start]), []).append(path)
    thick = f'stroke-width="{abs(rows[0] - rows[-1]) / max(len(rows) - 1, 1) + 0.3:.1f}"'
    return "".join(
        f'<path d="{"".join(paths)}" stroke="{RAMP[step]}" {thick}/>'
        for step, paths in sorted(strokes.items())
        if step >= 0
    )


def _borders(centres: np.ndarray, first: float, last: float) -> list[float]:
    """The ends of cells, half-way between their centres."""
    return [first, *((centres[1:] + centres[:-1]) / 2).tolist(), last]


def _shapes(mark: Points, places: Sequence[tuple[float, float]], ink: str) -> str:
    known = [f"M{x:.1f} {y:.1f}" for x, y in places if not (math.isnan(x) or math.isnan(y))]
    if mark.shape == "circle":  # a dot is a line of no length with round ends
        dots = "".join(f"{place}h0" for place in known)
        look = f'stroke="{ink}" stroke-width="{mark.size:g}" stroke-linecap="round" stroke-opacity="{mark.opacity:g}"'
        return f'<path d="{dots}" {look}/>'
    r = mark.size / 2
    outline = OUTLINES[mark.shape].format(r=f"{r:g}", d=f"{2 * r:g}", h=f"{r / 2:g}")
    look = f'fill="{ink}"' if mark.shape in FILLED else f'stroke="{ink}" stroke-width="1.4"'
    return f'<path d="{"".join(place + outline for place in known)}" {look}/>'


def _bars(mark: Bars, frame: _Frame) -> str:
    thick = min(mark.thickness * (frame.bottom - frame.top) / max(frame.y.high - frame.y.low, 1), 18.0)
    parts = []
    ends, start = frame.across(mark.length), float(frame.across(np.zeros(1))[0])
    for place, end in zip(frame.down(mark.y).tolist(), ends.tolist()):
        size = f'width="{max(end - start, 0):.1f}" height="{thick:.1f}"'
        parts.append(f'<rect x="{start:.1f}" y="{place - thick / 2:.1f}" {size} fill="{color(mark.color)}"/>')
    if len(mark.low):
        low, high, y = frame.across(mark.low), frame.across(mark.high), frame.down(mark.y)
        path = "".join(f"M{a:.1f} {c:.1f}H{b:.1f}" for a, b, c in zip(low, high, y))
        parts.append(f'<path d="{path}" stroke="currentColor"/>')
    return "".join(parts)


def _spans(mark: Spans, frame: _Frame) -> str:
    lanes = max(frame.y.high - frame.y.low, 1)
    thick = mark.thickness * (frame.bottom - frame.top) / lanes
    rows = zip(frame.across(mark.start), frame.across(mark.end), frame.down(mark.y))
    path = "".join(f"M{a:.1f} {y:.1f}H{max(b, a + 0.5):.1f}" for a, b, y in list(rows)[:MOST])
    return f'<path d="{path}" stroke="{color(mark.color)}" stroke-width="{thick:.1f}"/>'


def _strands(mark: Strands, frame: _Frame) -> str:
    places = np.arange(mark.shares.shape[1], dtype=float)
    every = -(-len(mark.shares) // (MOST // 4)) or 1
    lines = "".join(_path(frame.places(places, row), False, frame) for row in mark.shares[::every])
    return f'<path d="{lines}" stroke="{color("accent")}" stroke-opacity=".4"/>'
