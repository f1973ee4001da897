"""What a study has observed, as columns: of trials, in the order in which they ended, and of what they reported.

`Observed`, a row for each trial that ended:

    numbers      (k,)    trial of each row: index for History.matrix
    values       (k, m)  objectives, smaller is better; NaN where unknown
    constraints  (k, c)  how far beyond its bound each constrained metric is, <= 0 where it is met; NaN where unknown
    failed       (k,)    whether the configuration is to blame: an error, NaN or an infinite value, not a lost machine
    seconds      (k,)    how long the last attempt ran; NaN where unknown
    reach        (k,)    how far it got: inf where to its end or where it never reported, else its level
    points       (k, d)  and features (k, p): the configurations, models/encoding.py

Rows only ever join at the end, so whatever is computed from the first n of them never changes.

`Measured`, of studies whose trials report, a row for each trial and each level that it has reached, and for its end:

    numbers      (k,)    trial of each row
    ended        (k,)    the row of that trial in `Observed`, -1 where it has not ended
    values       (k, m)  objectives there, smaller is better; finite
    resource     (k,)    from 0 at the first step to 1 at the largest one known, on a logarithmic scale
"""

from __future__ import annotations

from array import array
from functools import cached_property
from math import floor, inf, isfinite, log
from weakref import WeakKeyDictionary

import numpy as np

from kilter.core.events import INTERRUPTED, LOST, MISUSE, TrialState
from kilter.core.history import History, Record
from kilter.core.pareto import non_dominated
from kilter.models.encoding import encoding_of
from kilter.models.pareto import crowded_order

LEAST = 3
"""With fewer values there is nothing to fit a model to."""
APART = 3.0
"""Levels of steps are powers of this: closer reports of one trial tell a model hardly more and cost as much."""
CONTROL = 5
"""Every so many-th trial is a control. Fewer are too few where low fidelities mislead; more cost much early, with less
in return (docs/decisions/0010)."""
CONTROLLED = 4
"""Trials at the largest step that a model of these alone needs; before that controls are spread evenly."""


def is_control(number: int) -> bool:
    """Whether a trial is chosen, and trained, without a look at what was measured at low fidelity.

    A model over fidelity only sees what low fidelities have let pass. Where they mislead, only trials that they did
    not choose can show it.
    """
    return number % CONTROL == CONTROL - 1


class Observed:
    """The columns of one history; see the module's first lines. `Observed.of` brings them up to date."""

    def __init__(self, history: History) -> None:
        problem = history.problem
        self._rows: dict[str, np.ndarray] = {
            "numbers": np.empty(64, dtype=int),
            "values": np.empty((64, len(problem.objectives))),
            "constraints": np.empty((64, len(problem.constraints))),
            "failed": np.empty(64, dtype=bool),
            "seconds": np.empty(64),
            "reach": np.empty(64),
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
            self._rows["constraints"][at] = [constraint.beyond(trial.metrics) for constraint in constraints]
            self._rows["failed"][at] = is_to_blame(trial, values)
            self._rows["seconds"][at] = trial.seconds
            step = history.reports.furthest.get(number)
            is_whole = trial.state is TrialState.COMPLETE or step is None
            self._rows["reach"][at] = inf if is_whole else level_of(step or 0)
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
    def reach(self) -> np.ndarray:
        """How far each trial got, (k,)."""
        return self._rows["reach"][: self.count]

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

        By violation, then by how far they got, then by value or, of several objectives, by front and the least
        crowded first: what was stopped stands behind all that went on, as in BOHB (Falkner et al. 2018).
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
            return rows[np.lexsort([self.values[rows, 0], -self.reach[rows], violation[rows]])]
        feasible = usable & (violation <= 0)
        found = [np.empty(0, dtype=int)]
        for reach in np.unique(self.reach[feasible])[::-1]:
            left = np.flatnonzero(feasible & (self.reach == reach))
            taken = left[:0]
            while len(left) and sum(map(len, found)) + len(taken) < count:
                front = non_dominated(self.values[left])
                taken, left = np.concatenate([taken, left[front]]), left[~front]
            found.append(taken[crowded_order(self.values[taken], violation[taken])])
        broken = np.flatnonzero(usable & (violation > 0))
        return np.concatenate([*found, broken[np.argsort(violation[broken], kind="stable")]])


class Measured:
    """The rows of one history's reports; see the module's first lines. `Measured.of` brings them up to date.

    Rows are in the order of the reports; the end of a trial follows the last report of all that ended before it.
    """

    def __init__(self, history: History) -> None:
        self._observed = Observed.of(history)
        self._encoding = self._observed.encoding
        self._read = 0
        self._level: dict[int, int] = {}
        self._last: dict[int, tuple[int, int]] = {}
        """The place and the step of each trial's last report."""
        self._places, self._numbers, self._steps = array("q"), array("q"), array("d")
        self._values = array("d")
        self._ends, self._end_steps = array("q"), array("d")
        self._arranged = (-1, -1)

    @classmethod
    def of(cls, history: History) -> Measured | None:
        """The rows as they are now, amortised over calls; None where fewer than LEAST were reported."""
        if not history.reports.count:
            return None
        measured = _MEASURED.get(history)
        if measured is None:
            measured = _MEASURED[history] = cls(history)
        measured._extend(history)
        return measured if len(measured.numbers) >= LEAST and measured._numbers else None

    def _extend(self, history: History) -> None:
        observed = Observed.of(history)
        now = (history.reports.count, observed.count)
        if now == self._arranged and self._observed.encoding is self._encoding:
            return
        self._read_reports(history)
        for number in history.finished[len(self._ends) :]:
            place, step = self._last.get(number, (-1, -1))
            self._ends.append(max(place, self._ends[-1] if self._ends else -1))
            self._end_steps.append(step)
        self._observed, self._encoding, self._arranged = observed, observed.encoding, now
        self._matrix, self._states = history.matrix, history.states  # not the history, which is what we are known by
        self._arrange(history, observed)

    def _read_reports(self, history: History) -> None:
        """Note each trial's first report at each level, where it has all objectives."""
        columns = history.reports.arrays()
        trials, steps, folds = (columns[name][self._read :].tolist() for name in ("trial", "step", "fold"))
        objectives = history.problem.objectives
        unknown = np.full(history.reports.count, np.nan)
        metrics = [o.sign * columns.get(f"metric {o.name}", unknown)[self._read :] for o in objectives]
        values = np.stack(metrics, axis=1).tolist()
        for place, (number, step, fold, row) in enumerate(zip(trials, steps, folds, values), self._read):
            if fold >= 0:
                continue
            self._last[number] = place, step
            level = level_of(step)
            if level > self._level.get(number, -1) and all(map(isfinite, row)):
                self._level[number] = level
                self._places.append(place)
                self._numbers.append(number)
                self._steps.append(step)
                self._values.extend(row)
        self._read = history.reports.count

    def _arrange(self, history: History, observed: Observed) -> None:
        numbers = np.array(self._numbers, dtype=int)
        values = np.array(self._values).reshape(len(numbers), observed.values.shape[1])
        steps, end_steps = np.array(self._steps), np.array(self._end_steps)
        ended = np.full(len(history), -1)
        ended[observed.numbers] = np.arange(observed.count)
        ended = ended[numbers]
        usable = observed.usable
        is_said_twice = (ended >= 0) & usable[ended] & (end_steps[ended] == steps) if observed.count else ended >= 0
        kept, done = np.flatnonzero(~is_said_twice), np.flatnonzero(usable)
        complete = self._states[observed.numbers[done]] == TrialState.COMPLETE
        done, complete = done[complete | (end_steps[done] >= 0)], complete[complete | (end_steps[done] >= 0)]
        places = np.concatenate([np.array(self._places, dtype=int)[kept], np.array(self._ends, dtype=int)[done]])
        order = np.argsort(places, kind="stable")
        self.numbers = np.concatenate([numbers[kept], observed.numbers[done]])[order]
        self.ended = np.concatenate([ended[kept], done])[order]
        self.values = np.concatenate([values[kept], observed.values[done]])[order]
        is_complete = np.concatenate([np.zeros(len(kept), dtype=bool), complete])[order]
        self.resource = _resource(history, np.concatenate([steps[kept], end_steps[done]])[order], is_complete)
        self.is_whole = self.resource >= 1.0
        """Which rows are at the largest step, (k,)."""
        for name in ("best", "returning", "wholes"):
            self.__dict__.pop(name, None)

    @cached_property
    def wholes(self) -> int:
        """How many trials have got to the largest step."""
        return len(np.unique(self.numbers[self.is_whole]))

    @cached_property
    def best(self) -> np.ndarray:
        """The furthest row of each trial that is not beyond a constraint, by how far that is, then by value, (t,)."""
        keys = [self.values[:, 0], -self.resource]
        if len(self._observed.violation):
            keys.append(np.where(self.ended >= 0, self._observed.violation[self.ended], 0.0))
        order = np.lexsort(keys)
        first = np.unique(self.numbers[order], return_index=True)[1]
        best: np.ndarray = order[np.sort(first)]
        return best

    @cached_property
    def returning(self) -> np.ndarray:
        """Points of trials that were stopped and may be run again, once, knowing what they reported, (q, d)."""
        numbers = np.unique(self.numbers[~self.is_whole])
        numbers = numbers[self._states[numbers] == TrialState.PRUNED]
        if not len(numbers):
            return np.empty((0, self._encoding.d))
        everything = self._encoding.points(self._matrix)
        _, inverse, times = np.unique(everything + 0.0, axis=0, return_inverse=True, return_counts=True)
        once: np.ndarray = everything[numbers[times[inverse.ravel()[numbers]] == 1]]
        return once

    def points(self, rows: np.ndarray) -> np.ndarray:
        """The configurations of rows as points, (n, d)."""
        return self._encoding.points(self._matrix[self.numbers[rows]])

    def features(self, rows: np.ndarray) -> np.ndarray:
        """The configurations of rows as features, and their resource, (n, p + 1)."""
        matrix = self._matrix[self.numbers[rows]]
        points = self._encoding.points(matrix)
        known = self._encoding.active(points) & ~np.isnan(matrix)
        return np.concatenate([self._encoding.features(points, known), self.resource[rows, None]], axis=1)


def _resource(history: History, steps: np.ndarray, is_complete: np.ndarray) -> np.ndarray:
    """Steps as shares of the way to the largest one, on a logarithmic scale; what is complete is at its end."""
    if not len(steps):
        return steps
    fidelities = history.problem.fidelities
    last = max(float(steps.max()), float(fidelities[0].step(fidelities[0].high)) if fidelities else 1.0)
    counted = steps[steps >= 1]
    first = float(counted.min()) if len(counted) else 1.0
    if last <= first:
        return np.ones(len(steps))
    share = np.clip(np.log(np.maximum(steps, first) / first) / np.log(last / first), 0.0, 1.0)
    resource: np.ndarray = np.where(is_complete | (steps >= last), 1.0, share)
    return resource


def level_of(step: float) -> int:
    """The level of a step: 0 for steps below APART, and one more with each factor of it."""
    return floor(log(max(step, 1.0)) / log(APART) + 1e-9)


_KNOWN: WeakKeyDictionary[History, Observed] = WeakKeyDictionary()
_MEASURED: WeakKeyDictionary[History, Measured] = WeakKeyDictionary()


def is_to_blame(trial: Record, values: np.ndarray) -> bool:
    """Whether a trial ended without usable values because of its configuration."""
    if trial.forgiven:
        return False
    if trial.state is TrialState.FAIL:
        return trial.failure is None or trial.failure.kind not in (LOST, INTERRUPTED, MISUSE)
    return trial.state is TrialState.COMPLETE and not np.isfinite(values).all()
