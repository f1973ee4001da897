"""What became of a study's trials, as columns with a row for each that ended, in the order in which they did.

    numbers      (k,)    trial of each row: index for History.matrix
    values       (k, m)  objectives, smaller is better; NaN where unknown; of what was stopped after some of its parts
                         what it would have come to (models/parts.py)
    constraints  (k, c)  how far beyond its bound each constrained metric is, <= 0 where it is met; NaN where unknown
    violation    (k,)    by how much the constraints are missed, core/standing.py; inf where a metric is unknown
    failed       (k,)    whether the configuration is to blame: an error, NaN or an infinite value, not a lost machine
    seconds      (k,)    how long the last attempt ran; NaN where unknown
    reach        (k,)    how far it got: inf where to its end or where it never reported, else its level
    points       (k, d)  and features (k, p): the configurations, models/encoding.py

Rows only ever join at the end, so whatever is computed from the first n of them never changes.
"""

from __future__ import annotations

from copy import copy
from math import floor, inf, log

import numpy as np

from kilter.core.events import INTERRUPTED, LOST, MISUSE, TrialState
from kilter.core.history import History, Record
from kilter.core.memo import Memo
from kilter.core.pareto import non_dominated
from kilter.models.encoding import encoding_of
from kilter.models.pareto import crowding_distance
from kilter.models.parts import Parts

LEAST = 3
"""With fewer values there is nothing to fit a model to."""
APART = 3.0
"""Levels of steps are powers of this: closer reports of one trial tell a model hardly more and cost as much."""


class Results:
    """The columns of one history; see the module's first lines. `Results.of` brings them up to date."""

    numbers: np.ndarray
    values: np.ndarray
    constraints: np.ndarray
    violation: np.ndarray
    failed: np.ndarray
    seconds: np.ndarray
    reach: np.ndarray
    points: np.ndarray
    features: np.ndarray

    def __init__(self, history: History) -> None:
        problem = history.problem
        self.encoding = encoding_of(problem.space)
        self.fits = Memo()
        """What models/fits.py has fitted to these rows."""
        self._parts = Parts()
        self._rows = {
            "numbers": np.empty(64, dtype=int),
            "values": np.empty((64, len(problem.objectives))),
            "constraints": np.empty((64, len(problem.constraints))),
            "violation": np.empty(64),
            "failed": np.empty(64, dtype=bool),
            "seconds": np.empty(64),
            "reach": np.empty(64),
            "points": np.empty((64, self.encoding.d)),
            "features": np.empty((64, self.encoding.width)),
        }
        """The columns, with room for more rows."""
        self._orders: tuple[int, dict[int, np.ndarray]] = 0, {}
        self.show(0)

    @classmethod
    def of(cls, history: History) -> Results:
        """The columns of this history as it is now; amortised over calls, each trial is read once."""
        results = history.memo(cls, cls, given=history.problem.space)  # a wider range moves the points
        if results.count < len(history.finished):
            results.read(history, history.finished[results.count :])
        return results

    def until(self, count: int) -> Results:
        """The first so many rows, as they were when there were no more."""
        first = copy(self)
        first.show(count)
        return first

    def show(self, count: int) -> None:
        """Let the columns have so many rows."""
        self.count = count
        for name, rows in self._rows.items():
            setattr(self, name, rows[:count])

    def read(self, history: History, numbers: list[int]) -> None:
        """Rows for more trials that ended."""
        new = slice(self.count, self.count + len(numbers))
        while new.stop > len(self._rows["numbers"]):
            self._rows = {name: np.concatenate([rows, np.empty_like(rows)]) for name, rows in self._rows.items()}
        values, trials, bounds = history.values[numbers], [history[n] for n in numbers], history.problem.constraints
        expected = [self._expected(trial, row, history) for trial, row in zip(trials, values)]
        values[:, 0] = [row[0] if of_parts is None else of_parts for row, of_parts in zip(values, expected)]
        points, known = self.encoding.known(history.matrix[numbers])
        columns = {
            "numbers": numbers,
            "values": values,
            "constraints": [[bound.beyond(trial.metrics) for bound in bounds] for trial in trials],
            "violation": history.violations[numbers],
            "failed": [is_to_blame(trial, row) for trial, row in zip(trials, values)],
            "seconds": [trial.seconds for trial in trials],
            "reach": [_reach(trial, history) if of_parts is None else inf for trial, of_parts in zip(trials, expected)],
            "points": points,
            "features": self.encoding.features(points, known),
        }
        for name, column in columns.items():
            self._rows[name][new] = column
        self.show(new.stop)

    def _expected(self, trial: Record, values: np.ndarray, history: History) -> float | None:
        """What a trial that was stopped would have come to on all parts; None for others, which are taken in."""
        if not history.reports.labels or len(values) > 1:
            return None
        objective = history.problem.objectives[0]
        scores = history.reports.folds(trial.number, objective.name)
        losses = {part: objective.sign * score for part, score in scores.items()}
        if trial.state is TrialState.COMPLETE:
            self._parts.add(float(values[0]), losses)
        return self._parts.expected(losses) if trial.state is TrialState.PRUNED else None

    @property
    def usable(self) -> np.ndarray:
        """Which rows have all objectives, finite, and did not fail all the same, (k,)."""
        usable: np.ndarray = np.isfinite(self.values).all(axis=1) & ~self.failed
        return usable

    @property
    def feasible(self) -> np.ndarray:
        """Which of the usable rows meet every constraint, (k,)."""
        feasible: np.ndarray = self.usable & (self.violation == 0.0)
        return feasible

    @property
    def suffices(self) -> bool:
        """Whether there are enough values to fit a model to."""
        return int(self.usable.sum()) >= LEAST

    def best(self, count: int) -> np.ndarray:
        """Rows with all objectives, best first, at least `count` of them where there are as many.

        By violation, then by how far they got, then by value or, of several objectives, by front and the least
        crowded first: what was stopped stands behind all that went on, as in BOHB (Falkner et al. 2018).
        """
        rows, orders = self._orders
        if rows != self.count:
            rows, orders = self._orders = self.count, {}
        if count not in orders:
            orders[count] = self._sorted(count)
        return orders[count]

    def _sorted(self, count: int) -> np.ndarray:
        usable, violation = self.usable, self.violation
        if self.values.shape[1] == 1:
            rows = np.flatnonzero(usable)
            return rows[np.lexsort([self.values[rows, 0], -self.reach[rows], violation[rows]])]
        feasible = usable & (violation <= 0)
        found = [np.empty(0, dtype=int)]
        for reach in np.unique(self.reach[feasible])[::-1]:
            left = np.flatnonzero(feasible & (self.reach == reach))
            while len(left) and sum(map(len, found)) < count:
                is_front = non_dominated(self.values[left])
                front, left = left[is_front], left[~is_front]
                found.append(front[np.argsort(-crowding_distance(self.values[front]), kind="stable")])
        broken = np.flatnonzero(usable & (violation > 0))
        return np.concatenate([*found, broken[np.argsort(violation[broken], kind="stable")]])


def _reach(trial: Record, history: History) -> float:
    step = history.reports.furthest.get(trial.number)
    return inf if trial.state is TrialState.COMPLETE or step is None else level_of(step)


def level_of(step: float) -> int:
    """The level of a step: 0 for steps below APART, and one more with each factor of it."""
    return floor(log(max(step, 1.0)) / log(APART) + 1e-9)


def is_to_blame(trial: Record, values: np.ndarray) -> bool:
    """Whether a trial ended without usable values because of its configuration."""
    if trial.forgiven:
        return False
    if trial.state is TrialState.FAIL:
        return trial.failure is None or trial.failure.kind not in (LOST, INTERRUPTED, MISUSE)
    return trial.state is TrialState.COMPLETE and not np.isfinite(values).all()
