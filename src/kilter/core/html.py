"""Tables in HTML, for notebooks: what is shown is escaped, short, and in the colours of the page."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any

from kilter.core.text import one_line

LETTERS = 80
"""Of a cell."""
ROOM = 14_000
"""Characters of a table: the rows beyond are only counted."""


def text(value: Any) -> str:
    """A value in a cell.

    >>> text(1 / 3), text("<b>"), text(None)
    ('0.33333', '&lt;b&gt;', '')
    """
    if value is None:
        return ""
    return html.escape(f"{value:.5g}" if isinstance(value, float) else one_line(value, LETTERS))


def table(titles: Sequence[Any], rows: Iterable[Sequence[Any]]) -> str:
    """A table; without titles its first column has them. Of a long one there are the first rows.

    >>> table(["trial", "loss"], [[3, 0.25]])
    '<table><tr><th>trial</th><th>loss</th></tr><tr><td>3</td><td>0.25</td></tr></table>'
    """
    head, written, left = _row("th", titles) if titles else "", "", 0
    for row in rows:
        added = _row("td", row)
        if left or len(written) + len(added) > ROOM:
            left += 1
        else:
            written += added
    return f"<table>{head}{written}{_row('td', [f'… {left} more']) if left else ''}</table>"


def _row(tag: str, cells: Iterable[Any]) -> str:
    return f"<tr>{''.join(f'<{tag}>{text(cell)}</{tag}>' for cell in cells)}</tr>"
