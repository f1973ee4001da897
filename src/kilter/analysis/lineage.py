"""Who descends from whom: trials that began with another one's checkpoint, and those that repeat a failed one.

Population based training goes on with the checkpoint of a good trial under another configuration: a fork. A trial that
is put aside and resumed keeps its number, and its node has several attempts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kilter.analysis.schedule import Segment, schedule_of
from kilter.core.events import RETRIES, TrialState
from kilter.core.history import History, Record

FORK, RETRY = "fork", "retry"


@dataclass(frozen=True)
class Node:
    """A trial that has a parent or children."""

    number: int
    parent: int | None
    relation: str | None
    """What it is to its parent: "fork" began with its checkpoint, "retry" repeats its configuration."""
    generation: int
    """How many ancestors it has."""
    children: int
    state: TrialState
    attempts: int
    start: int
    """The step that it went on from; 0 where it began anew."""
    end: int
    """The last step that it reported; `start` where it reported none."""
    value: float | None
    """The first objective, else its latest report; in the user's own direction."""
    params: Mapping[str, Any]
    """Plain."""
    is_ancestor: bool
    """Whether it is the best trial of the family, or an ancestor of it."""


@dataclass(frozen=True)
class Lineage:
    """All trials with relatives, by number, and how the parameters of the best came to be what they are."""

    objective: str
    direction: str
    nodes: tuple[Node, ...]
    roots: tuple[int, ...]
    """Those without a parent."""
    best: int | None
    """The best of them: complete, feasible and finite, of equal ones the first; else by its latest report."""
    path: tuple[int, ...]
    """From its oldest ancestor to the best."""
    schedule: tuple[Segment, ...]
    """Which steps of the best were trained with which parameters; empty where it reported no step."""
    generations: int


def lineage(history: History) -> Lineage:
    """The families of a study; without nodes where no trial descends from another one.

    >>> from kilter.core.events import Report
    >>> from kilter.core.problem import Problem
    >>> history = History(Problem())
    >>> for number, parent in enumerate([None, None, 0]):
    ...     history.add(Record(number, TrialState.COMPLETE, {"lr": 0.1 * (number + 1)}, parent=parent))
    ...     history.reports.extend(number, (Report(1 + (number == 2), {"value": 3.0 - number}),))
    >>> found = lineage(history)
    >>> [(node.number, node.parent, node.start, node.end) for node in found.nodes], found.path
    ([(0, None, 0, 1), (2, 0, 1, 2)], (0, 2))
    """
    objective = history.problem.objectives[0]
    parents = {trial.number: found for trial in history if (found := _parent(trial)) is not None}
    children = Counter(number for number, _ in parents.values())
    members = sorted({*parents, *children})
    values = {number: _value(history, number, objective.name) for number in members}
    best = _best(history, members, values)
    path = _path(best, parents)
    generation = _generations(members, parents)
    nodes = tuple(
        _node(history, number, parents.get(number), generation[number], children[number], values[number], path)
        for number in members
    )
    trained = best is not None and best in history.reports.furthest
    return Lineage(
        objective=objective.name,
        direction=objective.direction,
        nodes=nodes,
        roots=tuple(number for number in members if number not in parents),
        best=best,
        path=path,
        schedule=schedule_of(history, best).segments if trained and best is not None else (),
        generations=max(generation.values(), default=-1) + 1,
    )


def _parent(trial: Record) -> tuple[int, str] | None:
    if trial.parent is not None:
        return trial.parent, FORK
    retried = trial.attrs.get(RETRIES)
    return (retried, RETRY) if isinstance(retried, int) and 0 <= retried < trial.number else None


def _generations(members: list[int], parents: Mapping[int, tuple[int, str]]) -> dict[int, int]:
    """How many ancestors each has; a parent has the lower number."""
    generation: dict[int, int] = {}
    for number in members:
        generation[number] = generation.get(parents[number][0], -1) + 1 if number in parents else 0
    return generation


def _path(number: int | None, parents: Mapping[int, tuple[int, str]]) -> tuple[int, ...]:
    path: list[int] = []
    while number is not None and number not in path:
        path.insert(0, number)
        number = parents[number][0] if number in parents else None
    return tuple(path)


def _value(history: History, number: int, metric: str) -> float | None:
    trial = history[number]
    if metric in trial.metrics:
        return trial.metrics[metric]
    values = history.reports.curve(number, metric)[1]
    return float(values[-1]) if len(values) else None


def _best(history: History, members: list[int], values: Mapping[int, float | None]) -> int | None:
    sign = history.problem.objectives[0].sign
    own = set(members)
    order = [number for number in history.finished if number in own]
    ended = {number: float(history.values[number, 0]) for number in order if history.is_candidate(number)}
    known = ended or {n: sign * v for n in members if (v := values[n]) is not None and np.isfinite(v)}
    return min(known, key=lambda number: known[number]) if known else None


def _node(
    history: History,
    number: int,
    parent: tuple[int, str] | None,
    generation: int,
    children: int,
    value: float | None,
    path: tuple[int, ...],
) -> Node:
    trial = history[number]
    steps = [report.step for report in history.reports.of(number) if report.fold is None]
    before = history.reports.of(trial.parent) if trial.parent is not None else []
    start = max((r.step for r in before if r.fold is None and steps and r.step < min(steps)), default=0)
    return Node(
        number=number,
        parent=parent[0] if parent else None,
        relation=parent[1] if parent else None,
        generation=generation,
        children=children,
        state=trial.state,
        attempts=trial.attempt,
        start=start,
        end=max(steps, default=start),
        value=value,
        params=history.problem.space.whole(trial.params),
        is_ancestor=number in path,
    )
