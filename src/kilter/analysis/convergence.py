"""How fast a study came to its best value: the best so far against trials, time or cost, of one study or of many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kilter.analysis.objectives import place
from kilter.core.errors import InvalidInput, UnknownName
from kilter.core.events import TrialState
from kilter.core.history import History

AXES = ("trials", "time", "cost")
QUARTILES = (0.25, 0.5, 0.75)


@dataclass(frozen=True, eq=False)
class Convergence:
    """The best value so far, as a staircase: it has `best[i]` from `x[i]` to `x[i + 1]`.

    There is an entry where the best value improved, and one where the study stands now; none while no trial is
    complete, feasible and finite in every objective.
    """

    objective: str
    direction: str
    """"minimize" or "maximize"."""
    against: str
    """What `x` is: "trials" that ended, "time" in seconds since the first one began, or "cost", seconds of trials."""
    x: np.ndarray
    """(k,), increasing."""
    best: np.ndarray
    """(k,), in the objective's own unit."""
    numbers: np.ndarray
    """(k,), the trial that had this value."""


@dataclass(frozen=True, eq=False)
class Band:
    """How several runs did: median and quartiles of their best values so far, as staircases like those of one run."""

    objective: str
    direction: str
    against: str
    x: np.ndarray
    """(k,), from where every run has a value."""
    median: np.ndarray
    """(k,)"""
    low: np.ndarray
    """(k,), the lower quartile."""
    high: np.ndarray
    """(k,), the upper quartile."""
    members: np.ndarray
    """(k,), how many runs went that far; one that ended before stays at its last value."""


def convergence(history: History, objective: int | str = 0, against: str = "trials") -> Convergence:
    """The best value so far of an objective, by its place or name, against "trials", "time" or "cost".

    Trials count in the order in which they ended. Raises UnknownName for another objective or axis.

    >>> from kilter import Float, create_study
    >>> study = create_study(space={"x": Float(0, 1)}, seed=0)
    >>> values = iter([0.5, 0.7, 0.2])
    >>> study.optimize(lambda x: next(values), n_trials=3, progress="none")
    >>> course = convergence(study.history)
    >>> course.x.tolist(), course.best.tolist(), course.numbers.tolist()
    ([1.0, 3.0], [0.5, 0.2], [0, 2])
    """
    if against not in AXES:
        raise UnknownName.of("axis", against, AXES)
    column, numbers = place(history.problem, objective), np.array(history.finished, dtype=int)
    wanted = history.problem.objectives[column]
    losses = np.where(candidates(history)[numbers], history.values[numbers, column], np.inf)
    steps = np.flatnonzero(losses < np.minimum.accumulate(np.append(np.inf, losses))[:-1])
    x, held = _axis(history, numbers, against), steps
    if len(steps) and x[-1] > x[steps[-1]]:
        steps, held = np.append(steps, len(x) - 1), np.append(steps, steps[-1])
    return Convergence(wanted.name, wanted.direction, against, x[steps], wanted.sign * losses[held], numbers[held])


def candidates(history: History) -> np.ndarray:
    """Which trials may be the best, `History.is_candidate` of all of them, (n,)."""
    is_good = (history.states == TrialState.COMPLETE) & (history.violations == 0.0)
    counts: np.ndarray = is_good & np.isfinite(history.values).all(axis=1)
    return counts


def _axis(history: History, numbers: np.ndarray, against: str) -> np.ndarray:
    """Where each trial that ended stands on the axis, never before the one that ended before it, (k,)."""
    if against == "trials":
        return np.arange(1.0, len(numbers) + 1.0)
    trials = [history[number] for number in numbers.tolist()]
    if against == "cost":
        return np.nancumsum([trial.seconds for trial in trials])
    origin = min((trial.started for trial in trials if trial.started is not None), default=0.0)
    ends = np.array([np.nan if trial.ended is None else trial.ended - origin for trial in trials])
    later: np.ndarray = np.fmax.accumulate(np.append(0.0, ends))[1:]
    return later


def band(members: Sequence[Convergence]) -> Band:
    """Median and quartiles of several runs of the same objective, against the same axis.

    Runs that never had a value are left out, and where none had one the band is empty. Raises InvalidInput where there
    is no run at all, or where runs differ in objective, direction or axis.

    >>> runs = [
    ...     Convergence("loss", "minimize", "trials", np.array([1.0, 4.0]), np.array([first, last]), np.array([0, 3]))
    ...     for first, last in [(0.9, 0.1), (0.7, 0.3), (0.8, 0.2)]
    ... ]
    >>> band(runs).median.tolist()
    [0.8, 0.2]
    """
    kinds = {(member.objective, member.direction, member.against) for member in members}
    if len(kinds) != 1:
        raise InvalidInput(f"a band is of runs of one objective against one axis, not of {sorted(kinds)!r}")
    runs = [member for member in members if len(member.x)]
    start = max((run.x[0] for run in runs), default=0.0)
    x = np.unique(np.concatenate([[], *(run.x[run.x >= start] for run in runs)]))
    shape = (len(runs), len(x))
    values = np.array([run.best[np.searchsorted(run.x, x, side="right") - 1] for run in runs]).reshape(shape)
    low, median, high = np.quantile(values, QUARTILES, axis=0) if runs else np.empty((3, 0))
    going = np.array([run.x[-1] >= x for run in runs]).reshape(shape).sum(axis=0)
    return Band(*kinds.pop(), x=x, median=median, low=low, high=high, members=going)
