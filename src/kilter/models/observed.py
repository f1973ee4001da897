"""What a study has observed, as columns in the order in which trials ended; the rows that models are fitted to.

    numbers      (k,)    trial of each row: index for History.matrix
    values       (k, m)  objectives, smaller is better; NaN where unknown
    constraints  (k, c)  how far beyond its bound each constrained metric is, <= 0 where it is met; NaN where unknown
    failed       (k,)    whether the configuration is to blame: an error, NaN or an infinite value, not a lost machine
    seconds      (k,)    how long the last attempt ran; NaN where unknown
    points       (k, d)  and features (k, p): the configurations, models/encoding.py

Rows only ever join at the end, so whatever is computed from the first n of them never changes.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np

from kilter.core.events import INTERRUPTED, LOST, TrialState
from kilter.core.history import History, Trial
from kilter.core.pareto import non_dominated
from kilter.models.encoding import encoding_of
from kilter.models.pareto import crowded_order

LEAST = 3
"""With fewer values there is nothing to fit a model to."""


class Observed:
    """The columns of one history; see the module's first lines. `Observed.of` brings them up to date."""

    def __init__(self, history: History) -> None:
        problem = history.problem
        self._signs = [1.0 if c.relation == "<=" else -1.0 for c in problem.constraints]
        self._rows: dict[str, np.ndarray] = {
            "numbers": np.empty(64, dtype=int),
            "values": np.empty((64, len(problem.objectives))),
            "constraints": np.empty((64, len(problem.constraints))),
            "failed": np.empty(64, dtype=bool),
            "seconds": np.empty(64),
        }
        self.count = 0
        self._order = (0, 0), np.empty(0, dtype=int)
        self.encoding, self._space = encoding_of(problem.space), problem.space
        self._points = self._features = np.empty((0, 0))
        self._encode(history, 0)

    @classmethod
    def of(cls, history: History) -> Observed:
        """The columns of this history as it is now; amortised over calls, each trial is read once."""
        observed = _KNOWN.get(history)
        if observed is None:
            observed = _KNOWN[history] = cls(history)
        observed._extend(history)
        return observed

    def _extend(self, history: History) -> None:
        constraints = history.problem.constraints
        for number in history.finished[self.count :]:
            trial = history.trials[number]
            at = self.count
            if at == len(self._rows["numbers"]):
                self._rows = {name: np.concatenate([rows, np.empty_like(rows)]) for name, rows in self._rows.items()}
            values = history.values[number]
            self._rows["numbers"][at] = number
            self._rows["values"][at] = values
            self._rows["constraints"][at] = [
                sign * (trial.metrics.get(c.metric, np.nan) - c.bound) for sign, c in zip(self._signs, constraints)
            ]
            self._rows["failed"][at] = is_to_blame(trial, values)
            self._rows["seconds"][at] = trial.seconds
            self.count += 1
        if self._space is not history.problem.space:
            self.encoding, self._space = encoding_of(history.problem.space), history.problem.space
            self._encode(history, 0)
        elif self._encoded < self.count:
            self._encode(history, self._encoded)

    def _encode(self, history: History, start: int) -> None:
        """Points and features of the rows from `start` on, in arrays that have room for as many rows as the others."""
        encoding, room = self.encoding, len(self._rows["numbers"])
        if start == 0 or room > len(self._points):
            points, features = np.empty((room, encoding.d)), np.empty((room, encoding.width))
            if start:
                points[:start], features[:start] = self._points[:start], self._features[:start]
            self._points, self._features = points, features
        matrix = history.matrix[self.numbers[start:]]
        points = encoding.points(matrix)
        known = encoding.active(points) & ~np.isnan(matrix)  # what came into the space later is not known of old trials
        self._points[start : self.count] = points
        self._features[start : self.count] = encoding.features(points, known)
        self._encoded = self.count

    @property
    def points(self) -> np.ndarray:
        """The configurations as points, (k, d)."""
        return self._points[: self.count]

    @property
    def features(self) -> np.ndarray:
        """The configurations as features, (k, p)."""
        return self._features[: self.count]

    @property
    def numbers(self) -> np.ndarray:
        """Trial of each row, (k,)."""
        return self._rows["numbers"][: self.count]

    @property
    def values(self) -> np.ndarray:
        """Objectives, smaller is better, (k, m)."""
        return self._rows["values"][: self.count]

    @property
    def constraints(self) -> np.ndarray:
        """How far beyond its bound each constrained metric is, (k, c)."""
        return self._rows["constraints"][: self.count]

    @property
    def failed(self) -> np.ndarray:
        """Whether the configuration is to blame for a failure, (k,)."""
        return self._rows["failed"][: self.count]

    @property
    def seconds(self) -> np.ndarray:
        """How long the last attempt ran, (k,)."""
        return self._rows["seconds"][: self.count]

    @property
    def violation(self) -> np.ndarray:
        """The sum of all that is beyond bounds, (k,); 0 where feasible, inf where a constrained metric is unknown."""
        beyond = np.maximum(np.where(np.isnan(self.constraints), np.inf, self.constraints), 0.0)
        with np.errstate(over="ignore"):  # of two that are huge
            total: np.ndarray = beyond.sum(axis=1)
        return total

    @property
    def usable(self) -> np.ndarray:
        """Which rows have all objectives, finite, and did not fail all the same, (k,)."""
        usable: np.ndarray = np.isfinite(self.values).all(axis=1) & ~self.failed
        return usable

    @property
    def suffices(self) -> bool:
        """Whether there are enough values to fit a model to."""
        return int(self.usable.sum()) >= LEAST

    def best(self, count: int) -> np.ndarray:
        """Rows with all objectives, best first, at least `count` of them where there are as many.

        By violation, then by value or, of several objectives, by front and the least crowded first.
        """
        known, order = self._order
        if known != (self.count, count):
            order = self._sorted(count)
            self._order = (self.count, count), order
        return order

    def _sorted(self, count: int) -> np.ndarray:
        usable, violation = self.usable, self.violation
        if self.values.shape[1] == 1:
            rows = np.flatnonzero(usable)
            return rows[np.lexsort([self.values[rows, 0], violation[rows]])]
        left = np.flatnonzero(usable & (violation <= 0))
        taken = left[:0]
        while len(left) and len(taken) < count:
            front = non_dominated(self.values[left])
            taken, left = np.concatenate([taken, left[front]]), left[~front]
        taken = taken[crowded_order(self.values[taken], violation[taken])]
        broken = np.flatnonzero(usable & (violation > 0))
        return np.concatenate([taken, broken[np.argsort(violation[broken], kind="stable")]])


_KNOWN: WeakKeyDictionary[History, Observed] = WeakKeyDictionary()


def is_to_blame(trial: Trial, values: np.ndarray) -> bool:
    """Whether a trial ended without usable values because of its configuration."""
    if trial.state is TrialState.FAIL:
        return trial.failure is None or trial.failure.kind not in (LOST, INTERRUPTED)
    return trial.state is TrialState.COMPLETE and not np.isfinite(values).all()
