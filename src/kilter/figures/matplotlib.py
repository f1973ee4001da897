"""Figures drawn by Matplotlib, for papers: the only file that imports it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from importlib.util import find_spec
from typing import Any

import numpy as np

from kilter.core.errors import needed
from kilter.core.text import printable
from kilter.figures.figure import Axis, Band, Bars, Cells, Figure, Line, Mark, Panel, Points, Scale, Spans, Strands
from kilter.figures.theme import THEMES, Theme, color
from kilter.figures.ticks import ticks

WIDTH, HEIGHT = 3.1, 2.5
"""Inches of each of several panels."""
ALONE = (7.0, 4.0)
"""Inches of a panel that is the only one."""
LANE = 0.17
"""Inches of an option that stands beside others from top to bottom."""
NAMED = 40
"""Characters of all options beyond which ticks are slanted."""

SHAPES = {
    "circle": "o",
    "ring": "o",
    "cross": "x",
    "hollow": "v",
    "down": "v",
    "up": "^",
    "left": "<",
    "right": ">",
    "diamond": "D",
    "square": "s",
    "star": "*",
}
OUTLINED = ("ring", "hollow", "diamond", "square")


def is_there() -> bool:
    """Whether Matplotlib is installed."""
    return find_spec("matplotlib") is not None


def draw(figure: Figure, theme: str = "light") -> Any:
    """The figure as a matplotlib.figure.Figure, which is pyplot's current one; raises MissingLibrary without it."""
    with needed("matplotlib", "a figure", "or draw it with study.plot('plotly')"):
        from matplotlib import pyplot as plt
    page = THEMES[theme]
    rows, columns = figure.rows, figure.columns
    wide = max((len(p.x.options) for p in figure.panels if any(isinstance(m, Strands) for m in p.marks)), default=0)
    alone = max(ALONE[0], 1.1 * wide), max(ALONE[1], LANE * figure.lanes + 1)
    size = (WIDTH * columns + 1, HEIGHT * rows + 0.8) if len(figure.panels) > 1 else alone
    with plt.rc_context(_style(page)):
        made, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
        made.suptitle(text(figure.title), x=0.01, ha="left", fontsize=12)
        for place, panel in enumerate(figure.panels):
            _panel(axes.flat[place], panel, figure, page, is_first=place % columns == 0 or not figure.shares_y)
        for place in range(len(figure.panels), rows * columns):
            axes.flat[place].remove()
        _legend(made, axes.flat[0])
        if figure.scale is not None:
            _bar(made, figure.scale, page, [axes.flat[i] for i in range(len(figure.panels))])
    return made


def text(value: str) -> str:
    """Other people's text where Matplotlib reads $…$: it shows what was written."""
    return printable(value, keep="").replace("$", r"\$")


def _style(theme: Theme) -> Any:
    paper = ("figure.facecolor", "axes.facecolor", "savefig.facecolor", "legend.facecolor")
    ink = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color", "axes.titlecolor")
    return {
        **dict.fromkeys(paper, theme.paper),
        **dict.fromkeys(ink, theme.ink),
        "grid.color": theme.grid,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "font.size": 9,
        "svg.fonttype": "none",
        "pdf.fonttype": 42,
    }


def _panel(ax: Any, panel: Panel, figure: Figure, theme: Theme, is_first: bool) -> None:
    for mark in panel.marks:
        _draw(ax, mark, panel, figure.scale, theme)
    _axis(ax, "x", panel.x, figure)
    _axis(ax, "y", panel.y, figure)
    if not is_first:
        ax.set_ylabel("")
        ax.tick_params(axis="y", labelleft=False)
    if panel.title:
        ax.set_title(text(panel.title), loc="left", fontsize=9)
    if panel.note:
        ax.set_title(text(panel.note), loc="right", fontsize=7)


def _axis(ax: Any, letter: str, axis: Axis, figure: Figure) -> None:
    import matplotlib.dates
    from matplotlib import ticker

    dates: Any = matplotlib.dates
    own = getattr(ax, f"{letter}axis")
    if axis.scale == "log":
        getattr(ax, f"set_{letter}scale")("log")
    getattr(ax, f"set_{letter}lim")(*_along(axis, np.array([axis.low, axis.high])))
    own.set_label_text(text(axis.title))
    if axis.scale == "category":
        places = ticks(axis, figure.options_at_once, figure.letters)
        long = letter == "x" and sum(len(told) for _, told in places) > NAMED
        own.set_ticks([place for place, _ in places], [text(told) for _, told in places])
        ax.tick_params(axis=letter, labelrotation=30 if long else 0)
    elif axis.scale == "time":
        own.set_major_formatter(dates.ConciseDateFormatter(own.get_major_locator()))
    elif axis.scale == "linear":
        own.set_major_locator(ticker.MaxNLocator(6, steps=[1, 2, 2.5, 5, 10], integer=axis.whole))
    elif axis.scale == "none":
        own.set_ticks([])
        ax.spines["left"].set_visible(False)
    elif axis.high < 100 * axis.low:
        own.set_major_locator(ticker.LogLocator(subs=(1.0, 2.0, 5.0)))
        own.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
        own.set_minor_formatter(ticker.NullFormatter())


def _along(axis: Axis, values: np.ndarray) -> Any:
    return [datetime.fromtimestamp(value) for value in values.tolist()] if axis.scale == "time" else values


def _map(theme: Theme) -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("kilter", theme.ramp)


def _draw(ax: Any, mark: Mark, panel: Panel, scale: Scale | None, theme: Theme) -> None:
    if isinstance(mark, Points):
        _points(ax, mark, panel, scale, theme)
    elif isinstance(mark, Line):
        ax.plot(
            _along(panel.x, mark.x),
            mark.y,
            color=color(mark.color),
            lw=mark.width * 0.75,
            alpha=mark.opacity,
            ls="--" if mark.dashed else "-",
            drawstyle="steps-post" if mark.steps else "default",
            label=_label(mark.label),
        )
    elif isinstance(mark, Band):
        step = {"step": "post"} if mark.steps else {}
        shade = {"color": color(mark.color), "alpha": mark.opacity, "lw": 0}
        ax.fill_between(_along(panel.x, mark.x), mark.low, mark.high, label=_label(mark.label), **shade, **step)
    elif isinstance(mark, Bars):
        _bars(ax, mark)
    elif isinstance(mark, Cells):
        _cells(ax, mark, panel, scale, theme)
    elif isinstance(mark, Spans):
        _spans(ax, mark, panel)
    else:
        _strands(ax, mark, scale, theme)


def _label(label: str) -> str:
    """A label; a space in front of one with an underscore, which Matplotlib would leave out of the legend."""
    return f" {text(label)}" if label.startswith("_") else text(label) if label else "_"


def _points(ax: Any, mark: Points, panel: Panel, scale: Scale | None, theme: Theme) -> None:
    look: dict[str, Any] = {"color": color(mark.color), "linewidths": 1.0}
    if mark.shade is not None and scale is not None:
        look = {"c": scale.share(mark.shade), "cmap": _map(theme), "vmin": 0, "vmax": 1}
        look["edgecolors"] = "#ffffff" if any(isinstance(other, Cells) for other in panel.marks) else "#80808099"
        look |= {"linewidths": 0.3}
    elif mark.shape in OUTLINED:
        look = {"facecolors": "none", "edgecolors": color(mark.color), "linewidths": 1.0}
    elif mark.shape != "cross":
        look["linewidths"] = 0
    ax.scatter(
        _along(panel.x, mark.x),
        _along(panel.y, mark.y),
        marker=SHAPES[mark.shape],
        s=(mark.size * 0.75) ** 2,
        alpha=mark.opacity,
        label=_label(mark.label),
        clip_on=False,
        zorder=2.5,
        rasterized=len(mark.x) > 2_000,
        **look,
    )


def _bars(ax: Any, mark: Bars) -> None:
    interval = [mark.length - mark.low, mark.high - mark.length] if len(mark.low) else None
    look = {"color": color(mark.color), "ecolor": "#808080", "height": mark.thickness}
    drawn = ax.barh(mark.y, mark.length, xerr=interval, label=_label(mark.label), **look)
    if mark.texts:
        ax.bar_label(drawn, [f" {text(told)}" for told in mark.texts], fontsize=8)


def _cells(ax: Any, mark: Cells, panel: Panel, scale: Scale | None, theme: Theme) -> None:
    shares = mark.z if scale is None else scale.share(mark.z)
    masked = np.ma.masked_invalid(shares)
    ax.pcolormesh(mark.x, mark.y, masked, cmap=_map(theme), vmin=0, vmax=1, shading="nearest", rasterized=True)
    if "category" not in (panel.x.scale, panel.y.scale) and masked.count() > 3:
        ax.contour(mark.x, mark.y, masked, levels=8, colors="#808080", linewidths=0.4)


def _spans(ax: Any, mark: Spans, panel: Panel) -> None:
    import matplotlib.dates

    date2num: Any = matplotlib.dates.date2num
    start, end = _along(panel.x, mark.start), _along(panel.x, mark.end)
    if panel.x.scale == "time":
        start, end = date2num(start), date2num(end)
        ax.xaxis_date()
    look = {"color": color(mark.color), "edgecolor": "#80808080", "linewidth": 0.4}
    ax.barh(mark.y, np.subtract(end, start), left=start, height=mark.thickness, label=_label(mark.label), **look)


def _strands(ax: Any, mark: Strands, scale: Scale | None, theme: Theme) -> None:
    from matplotlib.collections import LineCollection

    places = np.arange(mark.shares.shape[1])
    lines = [np.column_stack([places, row]) for row in mark.shares]
    shares = mark.shade if scale is None else scale.share(mark.shade)
    ax.add_collection(LineCollection(lines, array=shares, cmap=_map(theme), clim=(0, 1), lw=0.8, alpha=0.7))
    for place, own in enumerate(mark.ticks):
        ax.axvline(place, color=theme.ink, lw=0.8)
        for share, told in own:
            ax.text(place + 0.03, share, text(told), fontsize=7, va="center", zorder=4, bbox=_behind(theme))
    ax.grid(False)


def _behind(theme: Theme) -> dict[str, Any]:
    return {"facecolor": theme.paper, "alpha": 0.7, "lw": 0, "pad": 0.5}


def _legend(made: Any, ax: Any) -> None:
    handles, labels = ax.get_legend_handles_labels()
    named = dict(zip(reversed(labels), reversed(handles), strict=True))  # marks of one label are one entry, the first
    if len(named) > 1:
        labels, handles = list(reversed(named)), list(reversed(named.values()))
        made.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 5), frameon=False, fontsize=8)


def _bar(made: Any, scale: Scale, theme: Theme, axes: list[Any]) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm, Normalize

    norm = (LogNorm if scale.log else Normalize)(scale.low, scale.high)
    ramp = _map(theme).reversed() if scale.good == "low" else _map(theme)
    made.colorbar(ScalarMappable(norm, ramp), ax=axes, label=text(scale.title), pad=0.01, aspect=30)


def axes(made: Any) -> Iterator[Any]:
    """The axes that panels were drawn on, in order, without those of the scale."""
    return (ax for ax in made.axes if ax.get_label() != "<colorbar>")
