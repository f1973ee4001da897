"""Families: how a population's members came from one another, and which values the best one was trained with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from kilter.analysis.lineage import Lineage, Node
from kilter.analysis.lineage import lineage as families
from kilter.core.history import History
from kilter.core.parameter import Parameter
from kilter.figures.axes import name_of, of_parameter, of_values, positions
from kilter.figures.figure import Axis, Figure, Line, Mark, Panel, Points, clipped
from kilter.figures.trials import outliers

PARAMETERS = 6
"""Parameters shown: those of which the family has several values."""
COLUMNS = 2


def lineage(history: History) -> Figure:
    """Values at the end of each member by step, joined to their parents'; and a panel for each parameter that changed.

    The ancestors of the best member and itself are drawn strongly.
    """
    found = families(history)
    steps = np.array([[node.start, node.end] for node in found.nodes], dtype=float).reshape(-1)
    x = of_values("step", steps, whole=True)
    panels = [_values(found, x)]
    space = history.problem.space.parameters
    changed = [name for name in space if len({repr(node.params.get(name)) for node in found.nodes}) > 1]
    panels += [_parameter(found, name, space[name], x) for name in changed[:PARAMETERS]]
    line = " → ".join(map(str, found.path[-8:]))
    summary = f"{len(found.nodes)} trials in {len(found.roots)} families; the best came by {line}."
    return Figure("Lineage", tuple(panels), min(COLUMNS, len(panels)), summary=summary)


def _values(found: Lineage, x: Axis) -> Panel:
    values = np.array([np.nan if node.value is None else node.value for node in found.nodes], dtype=float)
    best = [node.value for node in found.nodes if node.number == found.best and node.value is not None]
    y = of_values(name_of(found.objective), values, keep=best)
    nodes = {node.number: node for node in found.nodes}
    ends = np.array([node.end for node in found.nodes], dtype=float)
    marks: list[Mark] = [*_joined(found.nodes, nodes)]
    for is_best, color, label in ((False, "muted", "members"), (True, "best", "line of the best")):
        chosen = np.array([node.is_ancestor is is_best for node in found.nodes], dtype=bool)
        numbers = np.array([node.number for node in found.nodes], dtype=int)[chosen]
        marks += clipped(Points(ends[chosen], values[chosen], color, label=label, numbers=numbers), x, y)
    told = outliers(y.beyond(values)) if found.nodes else "no trial descends from another one"
    return Panel(x, y, tuple(marks), note=told)


def _joined(members: Sequence[Node], nodes: Mapping[int, Node]) -> list[Mark]:
    """From the end of the parent to that of the member, all in one mark, and those of the best in another."""
    marks: list[Mark] = []
    for is_best, color, width in ((False, "muted", 1.0), (True, "best", 2.5)):
        xs: list[float] = []
        ys: list[float] = []
        for node in members:
            parent = nodes.get(node.parent) if node.parent is not None else None
            if parent is not None and node.is_ancestor is is_best and None not in (parent.value, node.value):
                xs += [parent.end, node.end, np.nan]
                ys += [parent.value or 0.0, node.value or 0.0, np.nan]
        marks.append(Line(np.array(xs, dtype=float), np.array(ys), color, width=width, opacity=0.6))
    return marks


def _parameter(found: Lineage, name: str, parameter: Parameter, x: Axis) -> Panel:
    """With which value each member trained, from the step at which it began to that at which it ended."""
    y = of_parameter(name, parameter)
    marks: list[Mark] = []
    for is_best, color, width in ((False, "muted", 1.2), (True, "best", 3.0)):
        chosen = [node for node in found.nodes if node.is_ancestor is is_best]
        places = positions(parameter, [node.params.get(name) for node in chosen])
        xs = np.array([[node.start, node.end, np.nan] for node in chosen], dtype=float).reshape(-1)
        ys = np.column_stack([places, places, np.full(len(places), np.nan)]).reshape(-1)
        marks.append(Line(xs, ys, color, width=width, opacity=0.8))
    return Panel(x, y, tuple(marks))
