"""Tables and a small curve in HTML, for notebooks: what is shown is escaped, and its colours are those of the page."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from typing import Any

from kilter.core.text import one_line

WIDTH, HEIGHT = 240.0, 40.0
"""Pixels of a curve."""


def text(value: Any) -> str:
    """A value in a cell.

    >>> text(1 / 3), text("<b>"), text(None)
    ('0.33333', '&lt;b&gt;', '')
    """
    if value is None:
        return ""
    return html.escape(f"{value:.5g}" if isinstance(value, float) else one_line(value))


def table(titles: Sequence[Any], rows: Iterable[Sequence[Any]]) -> str:
    """A table; without titles its first column has them.

    >>> table(["trial", "loss"], [[3, 0.25]])
    '<table><tr><th>trial</th><th>loss</th></tr><tr><td>3</td><td>0.25</td></tr></table>'
    """
    head = _row("th", titles) if titles else ""
    return f"<table>{head}{''.join(_row('td', row) for row in rows)}</table>"


def _row(tag: str, cells: Iterable[Any]) -> str:
    return f"<tr>{''.join(f'<{tag}>{text(cell)}</{tag}>' for cell in cells)}</tr>"


def curve(values: Sequence[float]) -> str:
    """A line through finite values, from left to right; nothing where there are fewer than two.

    >>> curve([1.0])
    ''
    """
    known = [(i, value) for i, value in enumerate(values) if math.isfinite(value)]
    if len(known) < 2:
        return ""
    low, high = min(value for _, value in known), max(value for _, value in known)
    across, span = WIDTH / (len(values) - 1), high / 2 - low / 2  # halves, since the whole may be beyond all floats
    shares = [(i, (value / 2 - low / 2) / span if span > 0 else 0.0) for i, value in known]
    points = " ".join(f"{i * across:.1f},{HEIGHT - 1 - (HEIGHT - 2) * share:.1f}" for i, share in shares)
    return (
        f'<svg width="{WIDTH:.0f}" height="{HEIGHT:.0f}" role="img">'
        f'<polyline points="{points}" fill="none" stroke="currentColor"/></svg>'
    )
