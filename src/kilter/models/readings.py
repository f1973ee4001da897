"""What a study's trials reported, as columns: a row for each trial and each level that it has reached, and for its end.

numbers      (k,)    trial of each row
ended        (k,)    the row of that trial in `Results`, -1 where it has not ended
values       (k, m)  objectives there, smaller is better; finite
resource     (k,)    from 0 at the first step to 1 at the largest one known, on a logarithmic scale
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from functools import cached_property
from math import isfinite

import numpy as np

from kilter.core.events import TrialState
from kilter.core.history import History
from kilter.models.results import LEAST, Results, level_of


@dataclass(frozen=True, eq=False)
class Readings:
    """The rows of one history's reports; see the module's first lines.

    Rows are in the order of the reports; the end of a trial follows the last report of all that ended before it.
    """

    results: Results
    matrix: np.ndarray
    """The configurations of all trials, as `History.matrix` has them."""
    states: np.ndarray
    """Their states."""
    numbers: np.ndarray
    ended: np.ndarray
    values: np.ndarray
    resource: np.ndarray

    @classmethod
    def of(cls, history: History) -> Readings | None:
        """The rows as they are now, amortised over calls; None where fewer than LEAST were reported.

        None too where steps only count parts, as folds or data sets: how a mean over the first of them goes on says
        nothing of a configuration but which parts come first. What was stopped is in `Results` then (models/parts.py).
        """
        if not history.reports.count or _counts_parts(history):
            return None
        readings = history.memo(cls, lambda _: _Reader(), given=history.problem.space).read(history)
        return None if readings is None or len(readings.numbers) < LEAST else readings

    @cached_property
    def is_whole(self) -> np.ndarray:
        """Which rows are at the largest step, (k,)."""
        return self.resource >= 1.0

    @cached_property
    def wholes(self) -> int:
        """How many trials have got to the largest step."""
        return len(np.unique(self.numbers[self.is_whole]))

    @cached_property
    def best(self) -> np.ndarray:
        """The furthest row of each trial that is not beyond a constraint, by how far that is, then by value, (t,)."""
        keys = [self.values[:, 0], -self.resource]
        if self.results.count:
            keys.append(np.where(self.ended >= 0, self.results.violation[self.ended], 0.0))
        order = np.lexsort(keys)
        first = np.unique(self.numbers[order], return_index=True)[1]
        best: np.ndarray = order[np.sort(first)]
        return best

    @cached_property
    def returning(self) -> np.ndarray:
        """Points of trials that were stopped and may be run again, once, knowing what they reported, (q, d)."""
        encoding, numbers = self.results.encoding, np.unique(self.numbers[~self.is_whole])
        numbers = numbers[self.states[numbers] == TrialState.PRUNED]
        if not len(numbers):
            return np.empty((0, encoding.d))
        everything = encoding.points(self.matrix)
        _, inverse, times = np.unique(everything + 0.0, axis=0, return_inverse=True, return_counts=True)
        once: np.ndarray = everything[numbers[times[inverse.ravel()[numbers]] == 1]]
        return once

    def points(self, rows: np.ndarray) -> np.ndarray:
        """The configurations of rows as points, (n, d)."""
        return self.results.encoding.points(self.matrix[self.numbers[rows]])

    def features(self, rows: np.ndarray) -> np.ndarray:
        """The configurations of rows as features, and their resource, (n, p + 1)."""
        encoding = self.results.encoding
        features = encoding.features(*encoding.known(self.matrix[self.numbers[rows]]))
        return np.concatenate([features, self.resource[rows, None]], axis=1)


def _counts_parts(history: History) -> bool:
    """Whether trials report parts, and no step beyond their number; what pauses goes on as after a step."""
    parts = len(history.reports.labels)
    return bool(parts and not history.paused and max(history.reports.furthest.values()) <= parts)


class _Reader:
    """Reads each report once, and arranges the rows anew where something was said or has ended."""

    def __init__(self) -> None:
        self._read = 0
        self._level: dict[int, int] = {}
        self._last: dict[int, tuple[int, int]] = {}
        """The place and the step of each trial's last report."""
        self._places, self._numbers, self._steps = array("q"), array("q"), array("d")
        self._values = array("d")
        self._ends, self._end_steps = array("q"), array("d")
        self._arranged = (-1, -1)
        self._readings: Readings | None = None

    def read(self, history: History) -> Readings | None:
        """The rows as they are now; None where no report was about all objectives."""
        results = Results.of(history)
        now = (history.reports.count, results.count)
        if now != self._arranged:
            self._read_reports(history)
            for number in history.finished[len(self._ends) :]:
                place, step = self._last.get(number, (-1, -1))
                self._ends.append(max(place, self._ends[-1] if self._ends else -1))
                self._end_steps.append(step)
            self._readings = self._arrange(history, results) if self._numbers else None
            self._arranged = now
        return self._readings

    def _read_reports(self, history: History) -> None:
        """Note each trial's first report at each level, where it has all objectives."""
        columns = history.reports.arrays()
        trials, steps, folds = (columns[name][self._read :].tolist() for name in ("trial", "step", "fold"))
        objectives = history.problem.objectives
        unknown = np.full(history.reports.count, np.nan)
        metrics = [o.sign * columns.get(f"metric {o.name}", unknown)[self._read :] for o in objectives]
        values = np.stack(metrics, axis=1).tolist()
        for place, (number, step, fold, row) in enumerate(zip(trials, steps, folds, values), self._read):
            if fold >= 0 or history[number].invalid is not None:
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

    def _arrange(self, history: History, results: Results) -> Readings:
        states = history.states
        numbers = np.array(self._numbers, dtype=int)
        values = np.array(self._values).reshape(len(numbers), results.values.shape[1])
        steps, end_steps = np.array(self._steps), np.array(self._end_steps)
        ended = np.full(len(history), -1)
        ended[results.numbers] = np.arange(results.count)
        ended = ended[numbers]
        usable = results.usable
        is_said_twice = (ended >= 0) & usable[ended] & (end_steps[ended] == steps) if results.count else ended >= 0
        kept, done = np.flatnonzero(~is_said_twice), np.flatnonzero(usable)
        complete = states[results.numbers[done]] == TrialState.COMPLETE
        done, complete = done[complete | (end_steps[done] >= 0)], complete[complete | (end_steps[done] >= 0)]
        places = np.concatenate([np.array(self._places, dtype=int)[kept], np.array(self._ends, dtype=int)[done]])
        order = np.argsort(places, kind="stable")
        is_complete = np.concatenate([np.zeros(len(kept), dtype=bool), complete])[order]
        return Readings(
            results,
            history.matrix,
            states,
            np.concatenate([numbers[kept], results.numbers[done]])[order],
            np.concatenate([ended[kept], done])[order],
            np.concatenate([values[kept], results.values[done]])[order],
            _resource(history, np.concatenate([steps[kept], end_steps[done]])[order], is_complete),
        )


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
