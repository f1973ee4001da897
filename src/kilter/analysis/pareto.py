"""Trade-offs between several objectives: the front, where it bends, and the volume that it dominates over time.

    losses      (n, m)   objectives times their sign, so that smaller is better; History.values
    reference   (m,)     the corner beyond which nothing counts, in losses here and in the user's unit in the results

Constraints come first: a trial that misses one is on no front. Where none meets them all, those that miss them least
are told instead.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from kilter.analysis.convergence import candidates
from kilter.core.errors import InvalidInput
from kilter.core.events import TrialState
from kilter.core.history import History
from kilter.core.pareto import non_dominated
from kilter.core.seeds import rng

EXACT = 3
"""Objectives up to which a volume is computed exactly; beyond, it is the share of random points that are dominated."""
POINTS, FEWER = 200, 50
"""Counts of trials at which the volume is told at most; fewer in more than EXACT objectives, where fronts are large."""
SAMPLE = 4096
"""Random points in more than EXACT dimensions: the standard error of the share is 0.8 percent at most."""
ROOM = 1.1
"""The corner that the volume is measured from, in ranges of all values: so the ends of the front count, too."""


@dataclass(frozen=True, eq=False)
class Front:
    """The trials that no other one beats in every objective, by the first objective, the best first."""

    objectives: tuple[str, ...]
    """Names of the m objectives."""
    directions: tuple[str, ...]
    """How each is meant: "minimize" or "maximize"."""
    numbers: np.ndarray
    """Numbers of the k trials, (k,)."""
    values: np.ndarray
    """Their objectives in the user's own unit and direction, (k, m)."""
    knee: int | None
    """The trial where the front bends most; None where it has fewer than three points, or bends nowhere."""
    candidates: int
    """How many trials are complete, feasible and finite: the front is of these."""
    nearest: tuple[int, ...]
    """Where no trial meets the constraints: the complete ones that miss them least."""


def front(history: History) -> Front:
    """The Pareto front of the complete trials that meet every constraint.

    The knee is the point farthest beyond the plane through the ends of the front, in ranges of the front (Das 1999,
    "On characterizing the knee of the Pareto curve"): there a gain in one objective begins to cost much of another.

    >>> from kilter.core.history import Record
    >>> from kilter.core.problem import Objective, Problem
    >>> history = History(Problem(objectives=(Objective("loss"), Objective("speed", "maximize"))))
    >>> for number, (loss, speed) in enumerate([(0.0, 0.0), (0.2, 9.0), (1.0, 10.0), (0.5, 5.0)]):
    ...     history.add(Record(number, TrialState.COMPLETE, {}, metrics={"loss": loss, "speed": speed}))
    ...     history.settle(history[number])
    >>> found = front(history)
    >>> found.numbers.tolist(), found.knee, found.candidates
    ([0, 1, 2], 1, 4)
    """
    problem = history.problem
    known = np.flatnonzero(candidates(history))
    losses = history.values[known]
    kept = non_dominated(losses)
    numbers, losses = known[kept], losses[kept]
    order = np.lexsort([numbers, *losses.T[::-1]])
    numbers, losses = numbers[order], losses[order]
    place = knee(losses)
    return Front(
        objectives=tuple(problem.objective_names),
        directions=tuple(objective.direction for objective in problem.objectives),
        numbers=numbers,
        values=losses * signs(history),
        knee=None if place is None else int(numbers[place]),
        candidates=len(known),
        nearest=() if len(known) else _nearest(history),
    )


def signs(history: History) -> np.ndarray:
    """+1 for each objective of which less is better, else -1, (m,)."""
    return np.array([objective.sign for objective in history.problem.objectives])


def knee(losses: np.ndarray) -> int | None:
    """Which row of a front (k, m) is the knee: in ranges of the front, the least sum that is below that of its ends."""
    if len(losses) < 3:
        return None
    span = np.ptp(losses, axis=0)
    scaled = (losses - losses.min(axis=0)) / np.where(span > 0, span, 1.0)
    sums = scaled.sum(axis=1)
    ends = np.unique(scaled.argmin(axis=0))
    place = int(sums.argmin())
    return place if sums[place] < sums[ends].min() - 1e-12 else None


def _nearest(history: History) -> tuple[int, ...]:
    missed = np.where(history.states == TrialState.COMPLETE, history.violations, np.nan)
    least = float(np.nanmin(missed)) if np.isfinite(missed).any() else 0.0
    return tuple(np.flatnonzero(missed == least).tolist()) if least > 0 else ()


# -- volume -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Volume:
    """What the front dominates, after so many trials had finished."""

    objectives: tuple[str, ...]
    reference: np.ndarray
    """The corner that volumes are measured from, (m,), in the user's own unit and direction."""
    trials: np.ndarray
    """Counts of finished trials, (t,)."""
    numbers: np.ndarray
    """The trial that finished last by then, (t,)."""
    volume: np.ndarray
    """The dominated volume, (t,), in the product of the objectives' units; never falls."""
    share: np.ndarray
    """The same as a share of the box from the best value of each objective to the reference, (t,)."""
    is_exact: bool
    """Whether volumes are exact; in more than three objectives they are estimated."""


def hypervolume(history: History, reference: Sequence[float] | None = None, *, seed: int = 0) -> Volume:
    """The volume that the front dominated as trials finished; at 200 counts at most, 50 in over three objectives.

    `reference` is a corner in the user's own unit and direction; where it is not given, it lies a tenth of the range
    beyond the worst value of each objective in feasible trials, or in all where none is. Raises InvalidInput
    where it has not one number per objective.
    """
    sign = signs(history)
    known = np.flatnonzero(candidates(history))
    corner = _corner(history) if reference is None else _given(history, reference)
    n = len(history.finished)
    is_exact = len(sign) <= EXACT
    counts = np.unique(np.linspace(1, n, min(n, POINTS if is_exact else FEWER)).astype(int)) if n else np.empty(0, int)
    place = np.full(len(history), n)
    place[history.finished] = np.arange(n)
    known = known[np.argsort(place[known], kind="stable")]
    fronts = _fronts(history.values[known], np.searchsorted(place[known], counts))
    best = history.values[known].min(axis=0) if len(known) else corner
    box = math.prod(np.maximum(corner - best, 0.0).tolist())
    volume = np.array(_exact(fronts, corner) if is_exact else _estimated(fronts, corner, best, seed), dtype=float)
    return Volume(
        objectives=tuple(history.problem.objective_names),
        reference=corner * sign,
        trials=counts,
        numbers=np.array(history.finished, dtype=int)[counts - 1],
        volume=volume,
        share=np.divide(volume, box) if 0 < box < math.inf else np.full(len(volume), 0.0 if box == 0 else np.nan),
        is_exact=is_exact,
    )


def _given(history: History, reference: Sequence[float]) -> np.ndarray:
    corner = np.asarray(reference, dtype=float)
    m = len(history.problem.objectives)
    if corner.shape != (m,) or np.isnan(corner).any():
        raise InvalidInput(
            f"reference={reference!r}: give {m} numbers, one for each of {history.problem.objective_names}"
        )
    given: np.ndarray = corner * signs(history)
    return given


def _corner(history: History) -> np.ndarray:
    """A tenth of the range beyond the worst of the values that count; in losses."""
    values = _counting(history)
    if not len(values):
        return np.zeros(history.values.shape[1])
    low = values.min(axis=0)
    with np.errstate(over="ignore"):
        span = np.ptp(values, axis=0)
        corner: np.ndarray = low + ROOM * np.where(span > 0, span, 1.0)
    return corner


def _counting(history: History) -> np.ndarray:
    """The values of feasible trials, and where none is those of all complete ones, (k, m); finite."""
    counts = candidates(history)
    if not counts.any():
        counts = (history.states == TrialState.COMPLETE) & np.isfinite(history.values).all(axis=1)
    values: np.ndarray = history.values[counts]
    return values


def _fronts(losses: np.ndarray, stops: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For each of the ascending stops the front of the first so many rows, and those of it that joined since."""
    kept, start = losses[:0], 0
    for stop in stops.tolist():
        joined = np.concatenate([kept, losses[start:stop]])
        stays, n, start = non_dominated(joined), len(kept), stop
        kept = joined[stays]
        yield kept, joined[n:][stays[n:]]


def _exact(fronts: Iterable[tuple[np.ndarray, np.ndarray]], corner: np.ndarray) -> list[float]:
    from kilter.models.hypervolume import hypervolume as volume_of  # loads SciPy

    volumes: list[float] = []
    with np.errstate(over="ignore"):
        for kept, joined in fronts:
            volumes.append(volume_of(kept, corner) if len(joined) or not volumes else volumes[-1])
    return volumes


def _estimated(
    fronts: Iterable[tuple[np.ndarray, np.ndarray]], corner: np.ndarray, best: np.ndarray, seed: int
) -> list[float]:
    """The share of random points in the box from the best to the corner that a front dominates, times its volume."""
    left = best[:, None] + rng(seed, "hypervolume").random((len(corner), SAMPLE)) * (corner - best)[:, None]
    box, volumes = math.prod((corner - best).tolist()), []
    for _, joined in fronts:
        for row in joined:
            beyond = (left < row[:, None]).any(axis=0)
            left = left if beyond.all() else left[:, beyond]
        volumes.append(box * (1.0 - left.shape[1] / SAMPLE))
    return volumes


def front_text(history: History) -> str | None:
    """Size and hypervolume of the Pareto front in a few words; None where nothing is complete and feasible.

    The volume is the share that the front dominates of the box from the best to the worst values of feasible trials.
    """
    numbers = front(history).numbers
    if not len(numbers):
        return None
    text = f"front of {len(numbers)}" if len(numbers) > 1 else f"trial {numbers[0]} alone"
    values = _counting(history)
    if values.shape[1] > EXACT or len(values) < 2:
        return text
    corner, low = _corner(history), values.min(axis=0)
    box = math.prod((corner - low).tolist())
    if not 0 < box < math.inf:  # values so far apart, or so large, that floats have no room for a corner
        return text
    share = _exact([(history.values[numbers],) * 2], corner)[0] / box
    return f"{text}; hypervolume {share:.2f} of the range seen"
