"""Who worked when: the attempts of all trials in lanes, one for each thing that a worker did at a time.

The log of a trial holds its latest attempt: when that began and ended, and where. Times are seconds after the origin.
A worker is present from its first start to its last end, or until now while it runs something; what lies between two
attempts of a lane is idle time, unless it is so long that it was a break between runs.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

from kilter.analysis.pace import PAUSE
from kilter.core.events import RETRIES, TrialState
from kilter.core.history import History, Record

LENGTHS = 10.0
"""A lane without anything to do for up to PAUSE seconds, or for as long as ten trials take, is idle; longer it has a
break between runs."""
PARTS = 200
"""Spans of time for which it is told how many trials ran."""
UNKNOWN = "elsewhere"
"""The worker of trials that tell of none."""


@dataclass(frozen=True)
class Lane:
    """What one worker did, one thing at a time; a worker that runs several at once has several."""

    worker: str
    slot: int
    """Of those of its worker, from 0."""
    trials: int
    busy: float
    """Seconds with an attempt."""
    idle: float
    """Seconds between attempts."""


@dataclass(frozen=True, eq=False)
class Timeline:
    """The latest attempts of the trials that began, by the time of their start."""

    origin: float
    """Seconds since the epoch; 0 where nothing began."""
    until: float
    """Seconds after the origin of the last end, or of now while anything runs."""
    lanes: tuple[Lane, ...]
    numbers: np.ndarray
    """Trial of each attempt, (k,)."""
    attempts: np.ndarray
    """Which attempt of its trial it was, from 1, (k,)."""
    lane: np.ndarray
    """Index into `lanes`, (k,)."""
    starts: np.ndarray
    ends: np.ndarray
    """Seconds after the origin, (k,); of what runs, now."""
    states: np.ndarray
    """The state of the trial, (k,), as the number of a TrialState."""
    workers: int
    utilisation: float | None
    """The share of lanes' time with an attempt; None where nothing began."""
    idle: float
    """Seconds between attempts, summed over lanes."""
    lost: int
    """Attempts that ended because their worker vanished."""
    retried: int
    """Trials that run the configuration of a failed one again."""
    times: np.ndarray
    """Borders of equal spans of time, (p + 1,)."""
    running: np.ndarray
    """How many attempts ran on average in each span, (p,)."""


def timeline(history: History, now: float) -> Timeline:
    """The lanes of all workers; `now` is seconds since the epoch.

    >>> from kilter.core.problem import Problem
    >>> history = History(Problem())
    >>> for number, (worker, started) in enumerate([("a", 0.0), ("b", 1.0), ("a", 4.0)]):
    ...     trial = Record(number, TrialState.COMPLETE, {}, 1, worker, started=started, ended=started + 3)
    ...     history.add(trial)
    >>> found = timeline(history, now=9.0)
    >>> found.lane.tolist(), found.utilisation, found.idle
    ([0, 1, 0], 0.9, 1.0)
    """
    began = sorted((t for t in history if t.started is not None), key=lambda t: (t.started, t.number))
    origin = began[0].started if began else 0.0
    assert origin is not None
    starts = np.array([t.started for t in began], dtype=float) - origin
    ends = np.array([_end(t, now) for t in began], dtype=float) - origin
    names = [t.worker or UNKNOWN for t in began]
    keys, lane = _packed(names, starts, ends)
    lengths = ends - starts
    pause = max(PAUSE, LENGTHS * float(np.median(lengths))) if len(lengths) else PAUSE
    lanes = tuple(_lane(*key, starts[lane == i], ends[lane == i], pause) for i, key in enumerate(keys))
    busy, idle = sum(one.busy for one in lanes), sum(one.idle for one in lanes)
    until = float(ends.max()) if len(ends) else 0.0
    times = np.linspace(0.0, until, PARTS + 1) if until > 0 else np.zeros(1)
    return Timeline(
        origin=origin,
        until=until,
        lanes=lanes,
        numbers=np.array([t.number for t in began], dtype=int),
        attempts=np.array([t.attempt for t in began], dtype=int),
        lane=lane,
        starts=starts,
        ends=ends,
        states=np.array([t.state for t in began], dtype=int),
        workers=len(set(names)),
        utilisation=busy / (busy + idle) if busy + idle > 0 else None,
        idle=idle,
        lost=sum(t.losses for t in history),
        retried=sum(RETRIES in t.attrs for t in history),
        times=times,
        running=_running(starts, ends, times),
    )


def _end(trial: Record, now: float) -> float:
    """When the latest attempt ended; of what runs now, and of what was given up without a word, its start."""
    assert trial.started is not None
    if trial.ended is not None and trial.ended >= trial.started:
        return trial.ended
    return max(now, trial.started) if trial.state is TrialState.RUNNING else trial.started


def _packed(names: list[str], starts: np.ndarray, ends: np.ndarray) -> tuple[list[tuple[str, int]], np.ndarray]:
    """Lanes as (worker, slot), and the lane of each attempt: the first of its worker that is free."""
    keys: list[tuple[str, int]] = []
    busy: dict[str, list[tuple[float, int]]] = {}
    free: dict[str, list[int]] = {}
    lane = np.empty(len(names), dtype=int)
    for i, (name, start, end) in enumerate(zip(names, starts.tolist(), ends.tolist())):
        mine, idle = busy.setdefault(name, []), free.setdefault(name, [])
        while mine and mine[0][0] <= start:
            heapq.heappush(idle, heapq.heappop(mine)[1])
        if not idle:
            keys.append((name, len(mine)))
            idle.append(len(keys) - 1)
        lane[i] = heapq.heappop(idle)
        heapq.heappush(mine, (end, int(lane[i])))
    return keys, lane


def _lane(worker: str, slot: int, starts: np.ndarray, ends: np.ndarray, pause: float) -> Lane:
    gaps = np.maximum(starts[1:] - ends[:-1], 0.0)
    return Lane(worker, slot, len(starts), float((ends - starts).sum()), float(gaps[gaps <= pause].sum()))


def _running(starts: np.ndarray, ends: np.ndarray, times: np.ndarray) -> np.ndarray:
    """How many attempts ran on average between each two of the ascending times, (p,)."""
    if len(times) < 2:
        return np.zeros(0)
    spent = _spent(starts, times) - _spent(ends, times)
    running: np.ndarray = np.diff(spent) / np.diff(times)
    return running


def _spent(since: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Σ max(t - s, 0) over s in `since`, at each of the times."""
    ordered = np.sort(since)
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    before = np.searchsorted(ordered, times)
    spent: np.ndarray = before * times - sums[before]
    return spent
