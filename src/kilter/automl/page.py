"""A page of sections, written as HTML or as Markdown: texts, tables and figures, whatever they hold made harmless.

In HTML it is one file without scripts, which fetches nothing and follows the reader's light or dark. Markdown has what
is seen in a figure in words.
"""

from __future__ import annotations

import html
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Union

from kilter.core.text import one_line
from kilter.figures import svg
from kilter.figures.figure import Figure
from kilter.figures.ticks import number

LETTERS = 200
"""Of a cell."""
STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --accent: #1f86cc }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem; margin: 0 0 .25rem } h2 { font-size: 1.15rem; margin: 2.5rem 0 .5rem }
p { margin: .5rem 0; max-width: 46rem } .lead { font-size: 1.15rem }
ul { padding-left: 1.2rem; max-width: 46rem } li { margin: .3rem 0 }
.warning { border-left: 3px solid #d55e00; padding: .1rem .8rem; background: var(--soft) }
.wide { overflow-x: auto; margin: .75rem 0 } .wide svg { max-width: none !important }
table { border-collapse: collapse; font-size: .85rem } th { text-align: left; font-weight: 600 }
th, td { padding: .25rem .9rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
td:not(.number) { min-width: 5rem }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
footer { margin-top: 3rem; font-size: .8rem; opacity: .75 }
"""


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    words: str
    is_lead: bool = False
    """Whether it is what to read if nothing else is read."""


@dataclass(frozen=True)
class Points:
    """Sentences, one below the other; `is_warning` where they are not to be missed."""

    sentences: tuple[str, ...]
    is_warning: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of cells below their titles. Numbers stand to the right, with four digits; None is an empty cell."""

    titles: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    most: int = 100
    """Rows shown; those beyond are counted."""


@dataclass(frozen=True)
class Picture:
    """A figure, so many pixels wide and high for each panel."""

    figure: Figure
    width: float = 640.0
    height: float = 240.0


Block = Union[Text, Points, Table, Picture]


@dataclass(frozen=True)
class Section:
    """Blocks below a title."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Page:
    r"""Sections below a title, and a line on where it comes from.

    >>> page = Page("Titanic", (Section("Data", (Table(("column", "kind"), (("<b>|", "text"),)),)),), "by kilter")
    >>> print(page.markdown())
    # Titanic
    <BLANKLINE>
    ## Data
    <BLANKLINE>
    | column | kind |
    |---|---|
    | &lt;b&gt;\| | text |
    <BLANKLINE>
    by kilter
    <BLANKLINE>
    """

    title: str
    sections: tuple[Section, ...]
    provenance: str = ""

    def __str__(self) -> str:
        return self.markdown()

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file: as Markdown where its name ends in .md, else as HTML."""
        is_markdown = os.fspath(path).lower().endswith((".md", ".markdown"))
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.markdown() if is_markdown else self.html())

    def html(self) -> str:
        """The page as one file."""
        policy = "default-src 'none'; style-src 'unsafe-inline'"
        body = "\n".join(
            f"<section><h2>{_html(section.title)}</h2>{''.join(map(_block_html, section.blocks))}</section>"
            for section in self.sections
        )
        return (
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{_html(self.title)}</title>'
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
            f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>\n'
            f"<body><h1>{_html(self.title)}</h1>\n{body}\n<footer>{_html(self.provenance)}</footer></body></html>\n"
        )

    def markdown(self) -> str:
        """The page as Markdown, figures in words."""
        parts = [f"# {_markdown(self.title)}"]
        for section in self.sections:
            parts += [f"## {_markdown(section.title)}", *map(_block_markdown, section.blocks)]
        return "\n\n".join([*parts, _markdown(self.provenance)]) + "\n"


def told(value: Any) -> str:
    r"""A value of a table in one line.

    >>> told(0.123456), told(float("nan")), told(None), told(12), told("a\nb")
    ('0.1235', '', '', '12', 'a b')
    """
    if value is None or value != value:
        return ""
    if isinstance(value, float):
        return number(value)
    return one_line(value, LETTERS)


def _html(value: Any) -> str:
    return html.escape(told(value))


def _markdown(value: Any) -> str:
    return _plain(told(value))


def _plain(words: str) -> str:
    """Words that mean nothing to Markdown, nor to HTML: no table, link or heading begins with them."""
    escaped = html.escape(words, quote=False)
    return "".join(f"\\{letter}" if letter in "\\|`*_[]#" else letter for letter in escaped)


def _block_html(block: Block) -> str:
    if isinstance(block, Text):
        return f"<p{' class=lead' if block.is_lead else ''}>{_long(block.words)}</p>"
    if isinstance(block, Points):
        sentences = "".join(f"<li>{_long(sentence)}</li>" for sentence in block.sentences)
        return f"<ul>{sentences}</ul>" if not block.is_warning else f'<div class="warning"><ul>{sentences}</ul></div>'
    if isinstance(block, Picture):
        return f'<div class="wide">{svg.draw(block.figure, block.width, block.height)}</div>'
    numeric = _numeric(block)
    rows = [_row("td", row, numeric) for row in block.rows[: block.most]]
    return f'<div class="wide"><table>{_row("th", block.titles, numeric)}{"".join(rows)}</table></div>{_left(block)}'


def _block_markdown(block: Block) -> str:
    if isinstance(block, Text):
        return _markdown_long(block.words)
    if isinstance(block, Points):
        return "\n".join(f"- {_markdown_long(sentence)}" for sentence in block.sentences)
    if isinstance(block, Picture):
        return f"*{_markdown_long(block.figure.summary or block.figure.title)}*"
    rules = ["---:" if numeric else "---" for numeric in _numeric(block)]
    lines = [map(_markdown, block.titles), *(map(_markdown, row) for row in block.rows[: block.most])]
    head, *rows = (f"| {' | '.join(cells)} |" for cells in lines)
    return "\n".join([head, f"|{'|'.join(rules)}|", *rows]) + (f"\n\n{left}" if (left := _left_over(block)) else "")


def _long(words: str) -> str:
    return html.escape(one_line(words, 2_000))


def _markdown_long(words: str) -> str:
    return _plain(one_line(words, 2_000))


def _numeric(table: Table) -> list[bool]:
    """Of each column whether all that it has are numbers."""
    return [
        any(row[i] is not None for row in table.rows)
        and all(row[i] is None or isinstance(row[i], (int, float)) for row in table.rows)
        for i in range(len(table.titles))
    ]


def _row(tag: str, cells: Iterable[Any], numeric: Sequence[bool]) -> str:
    looks = (' class="number"' if each else "" for each in numeric)
    return f"<tr>{''.join(f'<{tag}{look}>{_html(cell)}</{tag}>' for cell, look in zip(cells, looks))}</tr>"


def _left(table: Table) -> str:
    left = _left_over(table)
    return f"<p>{left}</p>" if left else ""


def _left_over(table: Table) -> str:
    left = len(table.rows) - table.most
    return f"… and {left} more" if left > 0 else ""
