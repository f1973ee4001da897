"""The ladder of a study that stops trials early: who came to each rung, who went on, and with which values.

A rung is a step. A trial has come to it with the first report at that step or beyond, and went on where it came to the
next rung, or is complete. Which steps are rungs is read off the trials: a problem's levels of fidelity, else the steps
after which trials were stopped or put aside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kilter.core.errors import InvalidInput
from kilter.core.events import TrialState
from kilter.core.history import History

MOST = 12
"""Rungs of a ladder that is read off the trials."""
FEW = 0.02
"""A step after which a smaller share of the stopped trials ended is no rung, ..."""
APART = 1.5
"""... nor is one that is less than so many times the rung before it."""


@dataclass(frozen=True, eq=False)
class Rung:
    """A step, and the trials that came to it: `came` is the sum of the five counts below it."""

    step: int
    budget: float | None
    """What the problem's first fidelity is there; None where it has none."""
    came: int
    went_on: int
    """Came to the next rung, or are complete."""
    stopped: int
    """Ended here, pruned."""
    waiting: int
    """Put aside here: paused, or waiting for another attempt."""
    failed: int
    running: int
    numbers: np.ndarray
    """The trials that came with a finite value, (k,)."""
    values: np.ndarray
    """What they reported first at this step or beyond, (k,)."""
    is_beyond: np.ndarray
    """Which of these went on, (k,)."""
    cut: float | None
    """The worst value of those that went on; None where there is none."""


@dataclass(frozen=True)
class Ladder:
    """The rungs of a study by ascending step; none where no trial was stopped or put aside."""

    metric: str
    direction: str
    unit: str
    """What steps are: the name of the problem's first fidelity, or "step"."""
    trials: int
    """How many trials began."""
    rungs: tuple[Rung, ...]


def ladder(history: History, steps: Sequence[int] | None = None) -> Ladder:
    """The ladder of the first objective, at the given ascending steps or at those that the trials show.

    Raises InvalidInput where `steps` do not ascend.

    >>> from kilter.core.events import Report
    >>> from kilter.core.history import Record
    >>> from kilter.core.problem import Problem
    >>> history = History(Problem())
    >>> for number, last in enumerate([1, 1, 3]):
    ...     state = TrialState.COMPLETE if last == 3 else TrialState.PRUNED
    ...     history.add(Record(number, state, {}, attempt=1))
    ...     history.reports.extend(number, tuple(Report(step, {"value": 1.0 - number}) for step in range(1, last + 1)))
    >>> [(rung.step, rung.came, rung.went_on, rung.stopped) for rung in ladder(history).rungs]
    [(1, 3, 1, 2), (3, 1, 1, 0)]
    """
    if steps is not None and list(steps) != sorted(set(steps)):
        raise InvalidInput(f"steps={steps!r} of a ladder: give ascending whole numbers")
    objective, fidelities = history.problem.objectives[0], history.problem.fidelities
    reached = _reached(history)
    places = _steps(history, reached) if steps is None else list(steps)
    budgets = {fidelities[0].step(level): level for level in fidelities[0].levels()} if fidelities else {}
    name, sign, states = objective.name, objective.sign, history.states
    rungs = [
        _rung(step, beyond, budgets.get(step), reached, states, values_at(history, name, step), sign)
        for step, beyond in zip(places, [*places[1:], None])
    ]
    began = sum(trial.attempt > 0 for trial in history)
    unit = fidelities[0].name if fidelities else "step"
    return Ladder(name, objective.direction, unit, began, tuple(rungs))


def _reached(history: History) -> np.ndarray:
    """How far each trial came, (n,): its last step or, where its budget says more, what that was; -1 for nowhere."""
    reached = np.full(len(history), -1)
    for number, step in history.reports.furthest.items():
        reached[number] = step
    if history.problem.fidelities:
        first = history.problem.fidelities[0]
        for trial in history:
            if trial.metrics and trial.budget is not None:
                reached[trial.number] = max(reached[trial.number], first.step(trial.budget[first.name]))
    return reached


def _steps(history: History, reached: np.ndarray) -> list[int]:
    """The levels of the problem's first fidelity, else steps at which several trials were stopped, and the last one."""
    states = history.states
    ended = np.isin(states, (TrialState.PRUNED, TrialState.PAUSED)) & (reached >= 0)
    if not ended.any():
        return []
    top = int(reached.max())
    if history.problem.fidelities:
        first = history.problem.fidelities[0]
        return [step for step in map(first.step, first.levels()) if step <= top]
    steps, counts = np.unique(reached[ended], return_counts=True)
    common = [int(step) for step in steps[counts >= FEW * counts.sum()]]
    if not common or len(common) > MOST:  # stopped at any step: a geometric ladder shows it as well
        common = np.geomspace(max(int(steps[0]), 1), max(top, 1), MOST).round().astype(int).tolist()
    return [*_apart(common, top), top]


def _apart(steps: list[int], top: int) -> list[int]:
    """Those of the ascending steps that are well beyond the one before: some trials stop a little after their rung."""
    kept: list[int] = []
    for step in steps:
        if step < top and (not kept or step >= APART * kept[-1]):
            kept.append(step)
    return kept


def values_at(history: History, metric: str, step: int) -> np.ndarray:
    """What each trial reported first at this step or beyond, (n,); NaN where it reported no finite value there.

    A trial with a budget that never reported counts with its result.
    """
    found = np.full(len(history), np.nan)
    for trial in history:
        if trial.budget is not None and metric in trial.metrics:
            found[trial.number] = trial.metrics[metric]
    reports = history.reports.arrays()
    if (values := reports.get(f"metric {metric}")) is not None:
        rows = np.flatnonzero((reports["fold"] < 0) & (reports["step"] >= step) & np.isfinite(values))[::-1]
        found[reports["trial"][rows]] = values[rows]  # from the last report to the first, which is written last
    return found


def _rung(
    step: int,
    beyond: int | None,
    budget: float | None,
    reached: np.ndarray,
    states: np.ndarray,
    values: np.ndarray,
    sign: float,
) -> Rung:
    came = reached >= step
    is_complete = states == TrialState.COMPLETE
    goes_on = came & (is_complete | (reached >= beyond if beyond is not None else False))
    rest = came & ~goes_on
    numbers = np.flatnonzero(came & np.isfinite(values))
    on = goes_on[numbers]
    kept = values[numbers]
    return Rung(
        step=step,
        budget=budget,
        came=int(came.sum()),
        went_on=int(goes_on.sum()),
        stopped=int((rest & (states == TrialState.PRUNED)).sum()),
        waiting=int((rest & np.isin(states, (TrialState.PAUSED, TrialState.WAITING))).sum()),
        failed=int((rest & (states == TrialState.FAIL)).sum()),
        running=int((rest & (states == TrialState.RUNNING)).sum()),
        numbers=numbers,
        values=kept,
        is_beyond=on,
        cut=float(sign * (sign * kept[on]).max()) if on.any() else None,
    )
