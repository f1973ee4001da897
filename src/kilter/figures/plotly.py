"""Figures drawn by Plotly: the only file that imports it. Two templates, "kilter" and "kilter_dark", can be swapped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np

from kilter.core.errors import needed
from kilter.core.text import printable, shortened
from kilter.figures.figure import Axis, Band, Bars, Cells, Figure, Line, Panel, Points, Scale, Spans, Strands
from kilter.figures.theme import DARK, LIGHT, THEMES, Theme, color
from kilter.figures.ticks import ticks

WEBGL = 3_000
"""From so many points on a browser draws them with WebGL: as SVG each would be a node of the page."""
HEIGHT = 420
ROW = 260
"""Pixels of the only row of panels, and of each of several."""

TOP = 92
"""Pixels above the panels: for the title, the legend below that, and the panels' notes."""
LANE = 20
"""Pixels of an option that stands beside others from top to bottom."""

SHAPES = {
    "circle": "circle",
    "ring": "circle-open",
    "cross": "x-thin-open",
    "hollow": "triangle-down-open",
    "down": "triangle-down",
    "up": "triangle-up",
    "left": "triangle-left",
    "right": "triangle-right",
    "diamond": "diamond-open",
    "square": "square-open",
    "star": "star",
}


def is_there() -> bool:
    """Whether Plotly is installed."""
    return find_spec("plotly") is not None


def draw(figure: Figure, theme: str = "light") -> Any:
    """The figure as a plotly.graph_objects.Figure; raises MissingLibrary where Plotly is not installed."""
    with needed("plotly", "a figure", "or draw it with study.plot('matplotlib')"):
        import plotly.graph_objects as go
    template(LIGHT)
    made = go.Figure(layout=_layout(figure, THEMES[theme]))
    shown: set[str] = set()
    points = sum(len(mark.x) for panel in figure.panels for mark in panel.marks if isinstance(mark, Points))
    for place, panel in enumerate(figure.panels):
        if not panel.marks:  # axes without a trace would not be drawn
            made.add_scatter(x=[None], y=[None], xaxis=_id("x", place), yaxis=_id("y", place), showlegend=False)
        for mark in panel.marks:
            for trace in _traces(mark, panel, figure.scale, points >= WEBGL):
                if trace["type"] != "parcoords":
                    name = trace.get("name", "")
                    told = bool(name) and name not in shown
                    shown.add(name)
                    trace |= {"xaxis": _id("x", place), "yaxis": _id("y", place)}
                    if trace["type"] not in ("heatmap", "contour"):
                        trace |= {"legendgroup": name, "showlegend": told and trace.get("showlegend", True)}
                made.add_trace(trace)
    made.update_layout(showlegend=len(shown - {""}) > 1)
    return made


@cache
def template(_: Theme) -> None:
    """Make both templates known to Plotly by name, once."""
    import plotly.graph_objects as go
    import plotly.io

    for theme, name in ((LIGHT, "kilter"), (DARK, "kilter_dark")):
        plotly.io.templates[name] = go.layout.Template(layout=_page(theme))


def _page(theme: Theme) -> dict[str, Any]:
    """What a page looks like: paper, ink, grid and colours of a scale."""
    axis = {
        "gridcolor": theme.grid,
        "linecolor": theme.ink,
        "zeroline": False,
        "showline": True,
        "ticks": "outside",
        "tickcolor": theme.grid,
        "exponentformat": "power",
        "automargin": True,
        "title": {"standoff": 8},
    }
    ramp = [[i / (len(theme.ramp) - 1), shade] for i, shade in enumerate(theme.ramp)]
    return {
        "paper_bgcolor": theme.paper,
        "plot_bgcolor": theme.paper,
        "font": {"color": theme.ink, "family": "system-ui, sans-serif", "size": 13},
        "xaxis": axis,
        "yaxis": axis,
        "coloraxis": {"colorscale": ramp, "colorbar": {"outlinewidth": 0, "thickness": 12}},
        "hoverlabel": {"align": "left"},
        "annotationdefaults": {"font": {"color": theme.ink}},
        "legend": {"orientation": "h", "x": 0, "yref": "container", "yanchor": "top", "itemsizing": "constant"},
        "margin": {"l": 60, "r": 24, "t": TOP, "b": 50},
    }


def text(value: str) -> str:
    """Other people's text where Plotly reads tags, entities, %{…} and $…$: it shows what was written."""
    plain = html.escape(printable(value, keep=""), quote=False)
    return plain.replace("%", "&#37;").replace("$", "&#36;")


def _id(letter: str, place: int) -> str:
    return letter if not place else f"{letter}{place + 1}"


def _layout(figure: Figure, theme: Theme) -> dict[str, Any]:
    rows = figure.rows
    height = max(HEIGHT, 140 + LANE * figure.lanes) if rows == 1 else 120 + ROW * rows
    layout: dict[str, Any] = {
        "template": "kilter_dark" if theme is DARK else "kilter",
        "title": {"text": text(figure.title), "x": 0.01, "xanchor": "left", "y": 1 - 14 / height, "yanchor": "top"},
        "height": height,
        "legend": {"y": 1 - 46 / height},
        "annotations": [],
        "barmode": "overlay",
        "hovermode": "closest",
    }
    if figure.scale is not None:
        layout["coloraxis"] = _coloraxis(figure.scale)
    for place, panel in enumerate(figure.panels):
        if not any(isinstance(mark, Strands) for mark in panel.marks):
            across, down = _domains(figure, place)
            matched = figure.shares_y and place % figure.columns
            x, y = _axis(panel.x, figure), _axis(panel.y, figure)
            x |= {"domain": across, "anchor": _id("y", place)}
            y |= {"domain": down, "anchor": _id("x", place)}
            if matched:
                y |= {"matches": _id("y", place - place % figure.columns), "showticklabels": False, "title": {}}
            layout[f"xaxis{place + 1 if place else ''}"] = x
            layout[f"yaxis{place + 1 if place else ''}"] = y
        layout["annotations"] += _told(panel, place)
    return layout


def _domains(figure: Figure, place: int) -> tuple[list[float], list[float]]:
    """The shares of the figure's width and height that a panel takes."""
    columns, rows = figure.columns, figure.rows
    row, column = divmod(place, columns)
    wide = any(panel.y.options for panel in figure.panels)
    gap = (0.02 if figure.shares_y else 0.13 if wide else 0.09) * min(1.0, 4 / columns) if columns > 1 else 0.0
    drop = 0.3 / rows if rows > 1 else 0.0
    width, height = (1 - gap * (columns - 1)) / columns, (1 - drop * (rows - 1)) / rows
    left, top = column * (width + gap), 1 - row * (height + drop)
    return [left, min(left + width, 1.0)], [max(top - height, 0.0), top]


def _told(panel: Panel, place: int) -> list[dict[str, Any]]:
    """Title and note of a panel, above it."""
    on = {"xref": f"{_id('x', place)} domain", "yref": f"{_id('y', place)} domain", "showarrow": False}
    if any(isinstance(mark, Strands) for mark in panel.marks):
        on |= {"xref": "paper", "yref": "paper"}
    placed = (("left", 0.0, 13, panel.title), ("right", 1.0, 11, panel.note))
    return [
        on | {"x": x, "y": 1.0, "xanchor": side, "yanchor": "bottom", "text": text(said), "font": {"size": size}}
        for side, x, size, said in placed
        if said
    ]


def _axis(axis: Axis, figure: Figure) -> dict[str, Any]:
    made: dict[str, Any] = {"title": {"text": text(axis.title)}, "range": [axis.low, axis.high]}
    if axis.scale == "log":
        made |= {"type": "log", "range": np.log10([axis.low, axis.high]).tolist()}
        decades = np.log10(axis.high) - np.log10(axis.low)
        if 0.7 <= decades < 2:
            made["dtick"] = "D2"  # 1, 2 and 5
        elif decades >= 2:
            made |= {"dtick": max(1, int(np.ceil(decades / (6 if figure.columns < 3 else 4)))), "tickangle": 0}
    elif axis.scale == "category":
        places = ticks(axis, figure.options_at_once, figure.letters)
        made |= {"tickvals": [place for place, _ in places], "ticktext": [text(told) for _, told in places]}
    elif axis.scale == "time":
        made |= {"type": "date", "range": _dates(np.array([axis.low, axis.high]))}
    elif axis.whole and axis.high - axis.low < 10:
        made |= {"dtick": 1}
    return made


def _dates(seconds: np.ndarray) -> list[str]:
    return [datetime.fromtimestamp(value).isoformat(sep=" ") for value in seconds.tolist()]


def _coloraxis(scale: Scale) -> dict[str, Any]:
    """Colours from the bad end, 0, to the good one, 1, so that what is good lies on top; the ticks say the values."""
    places = ticks(scale.axis)
    shares = scale.share(np.array([value for value, _ in places])).tolist()
    bar = {"title": {"text": text(scale.title), "side": "right"}, "tickvals": shares}
    return {"cmin": 0, "cmax": 1, "colorbar": bar | {"ticktext": [told for _, told in places]}}


def _shades(values: np.ndarray, scale: Scale | None) -> np.ndarray:
    return values if scale is None else scale.share(values)


def _along(axis: Axis, values: np.ndarray) -> Any:
    return _dates(values) if axis.scale == "time" else values


def _traces(mark: Any, panel: Panel, scale: Scale | None, webgl: bool) -> Iterable[dict[str, Any]]:
    if isinstance(mark, Points):
        return [_points(mark, panel, scale, webgl)]
    if isinstance(mark, Line):
        return [_line(mark, panel)]
    if isinstance(mark, Band):
        return _band(mark, panel)
    if isinstance(mark, Bars):
        return _bars(mark)
    if isinstance(mark, Cells):
        return [_cells(mark, panel, scale)]
    if isinstance(mark, Spans):
        return [_spans(mark, panel)]
    return [_strands(mark, scale)]


def _hover(panel: Panel, x: np.ndarray, y: np.ndarray, label: str, texts: Sequence[str] = ()) -> dict[str, Any]:
    """What is read by whoever points at a mark: the trial, both values, and more where there is more to say."""
    lines = ["trial %{customdata}"]
    named: list[list[str]] = [list(map(text, texts))] if texts else []
    for letter, axis, values in (("x", panel.x, x), ("y", panel.y, y)):
        if axis.scale == "category":
            named.append([f"{text(axis.title)} {text(axis.options[place])}" for place in np.rint(values).astype(int)])
        elif not (axis.title == "trial" or texts):
            lines.append(f"{text(axis.title)} %{{{letter}}}")
    told = {"text": ["<br>".join(rows) for rows in zip(*named)]} if named else {}
    return told | {
        "hovertemplate": "<br>".join(lines + ["%{text}"] * bool(named)) + f"<extra>{text(label)}</extra>",
    }


def _points(mark: Points, panel: Panel, scale: Scale | None, webgl: bool) -> dict[str, Any]:
    marker: dict[str, Any] = {"symbol": SHAPES[mark.shape], "size": mark.size, "opacity": mark.opacity}
    if mark.shade is not None:
        marker |= {"color": _shades(mark.shade, scale), "coloraxis": "coloraxis"}
        is_over = any(isinstance(other, Cells) for other in panel.marks)
        marker |= {"line": {"width": 1 if is_over else 0.5, "color": "#ffffff" if is_over else "rgba(128,128,128,0.6)"}}
    else:
        marker |= {"color": color(mark.color)}
        marker |= {"line": {"width": 1.6 if SHAPES[mark.shape].endswith("open") else 0, "color": color(mark.color)}}
    return {
        "type": "scattergl" if webgl else "scatter",
        "mode": "markers",
        "x": _along(panel.x, mark.x),
        "y": _along(panel.y, mark.y),
        "name": text(mark.label),
        "marker": marker,
        "customdata": mark.numbers if len(mark.numbers) else None,
        **_hover(panel, mark.x, mark.y, mark.label, mark.texts),
    }


def _line(mark: Line, panel: Panel) -> dict[str, Any]:
    told = {"customdata": mark.numbers, **_hover(panel, mark.x, mark.y, mark.label)} if len(mark.numbers) else {}
    told |= {} if told or mark.label else {"hoverinfo": "skip"}
    return {
        "type": "scatter",
        "mode": "lines",
        "x": _along(panel.x, mark.x),
        "y": _along(panel.y, mark.y),
        "name": text(mark.label),
        "line": {
            "color": color(mark.color),
            "width": mark.width,
            "shape": "hv" if mark.steps else "linear",
            "dash": "dash" if mark.dashed else "solid",
        },
        "opacity": mark.opacity,
        **told,
    }


def _band(mark: Band, panel: Panel) -> list[dict[str, Any]]:
    known = np.isfinite(mark.low) & np.isfinite(mark.high)
    edge = {
        "type": "scatter",
        "mode": "lines",
        "x": _along(panel.x, mark.x[known]),
        "name": text(mark.label),
        "line": {"width": 0, "shape": "hv" if mark.steps else "linear", "color": color(mark.color)},
        "hoverinfo": "skip",
    }
    fill = {"fill": "tonexty", "fillcolor": _faded(mark.color, mark.opacity)}
    return [edge | {"y": mark.low[known], "showlegend": False, "name": ""}, edge | fill | {"y": mark.high[known]}]


def _faded(role: str, opacity: float) -> str:
    shade = color(role)
    return f"rgba({int(shade[1:3], 16)},{int(shade[3:5], 16)},{int(shade[5:7], 16)},{opacity})"


def _bars(mark: Bars) -> list[dict[str, Any]]:
    """The bars, and beside them or their intervals what is written there."""
    bars: dict[str, Any] = {
        "type": "bar",
        "orientation": "h",
        "x": mark.length,
        "y": mark.y,
        "width": mark.thickness,
        "name": text(mark.label),
        "marker": {"color": color(mark.color)},
        "hovertemplate": "%{x:.4g}<extra></extra>",
    }
    if len(mark.low):
        look = {"type": "data", "symmetric": False, "thickness": 1.2, "width": 3, "color": "#808080"}
        bars["error_x"] = look | {"array": mark.high - mark.length, "arrayminus": mark.length - mark.low}
    told = {"x": mark.high if len(mark.high) else mark.length, "y": mark.y, "text": [f" {text(t)}" for t in mark.texts]}
    beside = {
        "type": "scatter",
        "mode": "text",
        "textposition": "middle right",
        "hoverinfo": "skip",
        "cliponaxis": False,
    }
    return [bars, beside | told] if mark.texts else [bars]


def _cells(mark: Cells, panel: Panel, scale: Scale | None) -> dict[str, Any]:
    is_smooth = "category" not in (panel.x.scale, panel.y.scale)
    made = {
        "type": "contour" if is_smooth else "heatmap",
        "x": mark.x,
        "y": mark.y,
        "z": _shades(mark.z, scale),
        "coloraxis": "coloraxis",
        "hoverinfo": "skip",
        "connectgaps": False,
    }
    return made | (
        {"contours": {"coloring": "heatmap"}, "line": {"width": 0.5, "color": "#808080"}} if is_smooth else {}
    )


def _spans(mark: Spans, panel: Panel) -> dict[str, Any]:
    is_time = panel.x.scale == "time"
    lane = [text(panel.y.options[place]) for place in mark.y.astype(int)] if panel.y.options else []
    return {
        "type": "bar",
        "orientation": "h",
        "base": _along(panel.x, mark.start),
        "x": (mark.end - mark.start) * (1000.0 if is_time else 1.0),
        "y": mark.y,
        "width": mark.thickness,
        "name": text(mark.label),
        "marker": {"color": color(mark.color), "line": {"width": 0.5, "color": "rgba(128,128,128,0.5)"}},
        "customdata": mark.numbers if len(mark.numbers) else None,
        "text": [f"{where}<br>{span:.4g} s" for where, span in zip(lane, (mark.end - mark.start).tolist())] or None,
        "textposition": "none",
        "hovertemplate": f"trial %{{customdata}}<br>%{{text}}<extra>{text(mark.label)}</extra>",
    }


def _strands(mark: Strands, scale: Scale | None) -> dict[str, Any]:
    lowest = min(0.0, float(mark.shares.min(initial=0.0)))
    return {
        "type": "parcoords",
        "line": {"color": _shades(mark.shade, scale), "coloraxis": "coloraxis"},
        "dimensions": [
            {
                "label": text(shortened(title, max(8, 130 // len(mark.titles)))),
                "values": column,
                "range": [lowest, 1.0],
                "tickvals": [place for place, _ in places],
                "ticktext": [printable(told, keep="") for _, told in places],  # plain text, in this place alone
            }
            for title, column, places in zip(mark.titles, mark.shares.T, mark.ticks)
        ],
    }
