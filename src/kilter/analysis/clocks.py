"""How far the clocks of workers are apart, by the order in which the log has what they wrote.

An event says when it was by the clock of its worker, and stands in the log after all that was written before it. Let
a's event at time t be followed by b's at u. No time runs backwards, so b is ahead of a by u - t at most; and where b's
comes first, by u - t at least. The more often the two take turns, the closer these bounds.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from kilter.core.events import LOST, Ended, Entry, Event, Reported, Started

TURNS = 3
"""Turns from one clock to another, each way that is used, before anything is said of the two."""

SLOW = 0.1
"""The share of turns that may mislead: an event may wait for others to be written, while its time is old already."""


@dataclass(frozen=True)
class Skew:
    """Two clocks that disagree."""

    ahead: str
    behind: str
    seconds: float
    """By how much, at least."""


def skews(entries: Iterable[Entry], place: Mapping[str, str] | None = None, least: float = 2.0) -> list[Skew]:
    """The clocks that are at least so many seconds ahead of or behind the one that wrote most, the worst first.

    `place` names the clock that a worker goes by, its machine's; a worker that is not in it has one of its own.

    >>> started = [Started(0, 1, {}, "a", 0, 0.0), Started(1, 1, {}, "b", 0, 3600.0)]
    >>> reports = [Reported(k % 2, 1, (), 10.0 * k + 3600 * (k % 2)) for k in range(20)]
    >>> skews([Entry(position, event) for position, event in enumerate([*started, *reports], 2)])
    [Skew(ahead='b', behind='a', seconds=3590.0)]
    """
    told = list(_told(entries, place or {}))
    counts = Counter(clock for clock, _ in told)
    if not counts:
        return []
    [(reference, _)] = counts.most_common(1)
    found = [_skew(reference, clock, told) for clock in counts if clock != reference]
    return sorted((skew for skew in found if skew and skew.seconds >= least), key=lambda skew: -skew.seconds)


def _told(entries: Iterable[Entry], place: Mapping[str, str]) -> Iterable[tuple[str, float]]:
    """By whose clock each event is, and its time."""
    workers: dict[tuple[int, int], str] = {}
    for _, event in entries:
        if isinstance(event, Started):
            workers[event.number, event.attempt] = event.worker
        worker = _author(event, workers)
        if worker is not None:
            yield place.get(worker, worker), event.time


def _author(event: Event, workers: Mapping[tuple[int, int], str]) -> str | None:
    """Who wrote an event at the time that it tells; a start is written once the sampler has thought."""
    if isinstance(event, Ended) and event.failure is not None and event.failure.kind == LOST:
        return None  # which somebody else found out
    return workers.get((event.number, event.attempt)) if isinstance(event, (Reported, Ended)) else None


def _skew(reference: str, clock: str, told: list[tuple[str, float]]) -> Skew | None:
    turns: dict[str, list[float]] = defaultdict(list)
    """How much later a clock's event was by its own time than that of the other before it, by clock."""
    before: tuple[str, float] | None = None
    for name, time in told:
        if name not in (reference, clock):
            continue
        if before is not None and before[0] != name:
            turns[name].append(time - before[1])
        before = name, time
    most = _bound(turns[clock])
    least = -_bound(turns[reference])
    if least > 0:
        return Skew(clock, reference, least)
    return Skew(reference, clock, -most) if most < 0 else None


def _bound(turns: list[float]) -> float:
    """The most that a clock can be ahead by these turns; infinite where there are too few."""
    return float(np.quantile(turns, SLOW)) if len(turns) >= TURNS else float("inf")
