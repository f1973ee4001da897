"""All trials of a study, kept as columns for samplers and analyses and as records for everybody else.

    number → Trial     the record: state, configuration, metrics, attempt, times
    matrix   (n, d)    configurations in the unit cube, NaN where inactive
    values   (n, m)    objectives, times their sign so that smaller is better; NaN where unknown
    reports            flat arrays: trial, step, and a column for each metric ever reported

Columns are NumPy arrays grown in place; trials that are running, waiting or failed have their rows too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kilter.core.events import Failure, Report, TrialState
from kilter.core.parameter import Plain
from kilter.core.pareto import non_dominated
from kilter.core.problem import Problem


@dataclass
class Trial:
    """One trial as the log tells it; `params` are plain."""

    number: int
    state: TrialState
    params: dict[str, Plain]
    attempt: int = 0
    worker: str | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    failure: Failure | None = None
    attrs: dict[str, Any] = field(default_factory=dict)
    created: float = 0.0
    enqueued: bool = False
    """Whether a user chose (part of) the configuration."""
    rank: int = 0
    """How many trials before it had their configuration from the sampler."""
    started: float | None = None
    ended: float | None = None
    seen: int = 0
    """How far in the log its sampler had read when it chose the configuration."""

    @property
    def is_finished(self) -> bool:
        """Whether the trial will not change any more."""
        return self.state.is_finished()

    @property
    def seconds(self) -> float:
        """How long its last attempt ran; NaN while that is not known."""
        return self.ended - self.started if self.ended is not None and self.started is not None else math.nan


class History:
    """The trials of a study by number, and as columns."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.trials: list[Trial] = []
        self.sampled = 0
        """How many trials had their configuration from the sampler."""
        self.running: dict[int, Trial] = {}
        self.waiting: dict[int, Trial] = {}
        self.finished: list[int] = []
        """Numbers in the order in which they ended."""
        self._values = np.full((64, len(problem.objectives)), np.nan)
        self._signs = np.array([objective.sign for objective in problem.objectives])
        self._matrix = np.empty((0, 0))
        self._encoded = 0
        self._encoded_in = problem.space
        self.reports = Reports()

    def __len__(self) -> int:
        return len(self.trials)

    def __getitem__(self, number: int) -> Trial:
        return self.trials[number]

    def __iter__(self) -> Iterator[Trial]:
        return iter(self.trials)

    def rank(self, number: int) -> int:
        """Where a trial, the next one included, stands among those that the sampler chose."""
        return self.trials[number].rank if number < len(self.trials) else self.sampled

    @property
    def values(self) -> np.ndarray:
        """Objectives of all trials, smaller is better; shape (n, m), NaN where unknown."""
        return self._values[: len(self.trials)]

    @property
    def states(self) -> np.ndarray:
        """States of all trials, shape (n,)."""
        return np.fromiter((trial.state for trial in self.trials), dtype=np.int8, count=len(self.trials))

    @property
    def matrix(self) -> np.ndarray:
        """Configurations of all trials in the unit cube, shape (n, d); rows of unfinished trials may still change."""
        space = self.problem.space
        n, d = len(self.trials), len(space)
        if self._matrix.shape[1] != d or self._encoded_in is not space:  # a wider range moves the old rows too
            self._matrix, self._encoded, self._encoded_in = np.empty((0, d)), 0, space
        if len(self._matrix) < n:
            grown = np.full((max(64, 2 * n), d), np.nan)
            grown[: self._encoded] = self._matrix[: self._encoded]
            self._matrix = grown
        if self._encoded < n:
            self._matrix[self._encoded : n] = space.encode([t.params for t in self.trials[self._encoded :]])
        # Rows are settled up to the first trial that still runs or waits.
        open_trials = [*self.running, *self.waiting]
        self._encoded = min(open_trials) if open_trials else n
        return self._matrix[:n]

    def add(self, trial: Trial) -> None:
        """A new trial; numbers come in order."""
        if trial.number != len(self.trials):
            raise ValueError(f"trial {trial.number} comes after {len(self.trials) - 1}: the log has a gap")
        trial.rank = self.sampled
        self.sampled += not trial.enqueued
        self.trials.append(trial)
        if len(self.trials) > len(self._values):
            self._values = np.concatenate([self._values, np.full_like(self._values, np.nan)])

    def settle(self, trial: Trial) -> None:
        """Note the metrics of a trial that finished."""
        self.finished.append(trial.number)
        metrics = trial.metrics
        row = [metrics.get(objective.name, math.nan) for objective in self.problem.objectives]
        self._values[trial.number] = self._signs * row if len(row) > 1 else self._signs[0] * row[0]

    def with_state(self, *states: TrialState) -> list[Trial]:
        """The trials in any of the states, by number."""
        return [trial for trial in self.trials if trial.state in states]

    def front(self) -> list[Trial]:
        """The complete, feasible trials that no other one beats in every objective."""
        good = [t for t in self.with_state(TrialState.COMPLETE) if self.problem.is_feasible(t.metrics)]
        good = [t for t in good if np.isfinite(self._values[t.number]).all()]
        kept = non_dominated(self._values[[t.number for t in good]])
        return [trial for trial, stays in zip(good, kept) if stays]


class Reports:
    """All reports of a study in flat arrays grown in place."""

    def __init__(self) -> None:
        self.count = 0
        self._trial = np.empty(256, dtype=np.int32)
        self._step = np.empty(256, dtype=np.int64)
        self._columns: dict[str, np.ndarray] = {}
        self._rows: dict[int, list[int]] = {}

    def extend(self, number: int, reports: tuple[Report, ...]) -> None:
        """Reports of one trial, later than those it made before."""
        start, stop = self.count, self.count + len(reports)
        if stop > len(self._trial):
            self._grow(stop)
        self._trial[start:stop] = number
        self._step[start:stop] = [report.step for report in reports]
        for name in {name for _, metrics in reports for name in metrics}:
            self._column(name)[start:stop] = [metrics.get(name, math.nan) for _, metrics in reports]
        spans = self._rows.get(number)
        if spans is None:
            self._rows[number] = [start, stop]
        elif spans[-1] == start:
            spans[-1] = stop
        else:
            spans += [start, stop]
        self.count = stop

    def _column(self, name: str) -> np.ndarray:
        if name not in self._columns:
            self._columns[name] = np.full(len(self._trial), np.nan)
        return self._columns[name]

    def _grow(self, needed: int) -> None:
        size = max(needed, 2 * len(self._trial))
        self._trial = np.concatenate([self._trial, np.zeros(size - len(self._trial), self._trial.dtype)])
        self._step = np.concatenate([self._step, np.zeros(size - len(self._step), self._step.dtype)])
        for name, column in self._columns.items():
            self._columns[name] = np.concatenate([column, np.full(size - len(column), np.nan)])

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything, for a snapshot: trial, step, and a column for each metric."""
        columns = {f"metric {name}": column[: self.count] for name, column in self._columns.items()}
        return {"trial": self._trial[: self.count], "step": self._step[: self.count], **columns}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take over what `arrays` gave."""
        self._trial, self._step = arrays["trial"], arrays["step"]
        self.count = len(self._trial)
        self._columns = {n[len("metric ") :]: c for n, c in arrays.items() if n.startswith("metric ")}
        borders = np.flatnonzero(np.diff(self._trial, prepend=-1)).tolist() if self.count else []
        for start, stop in zip(borders, [*borders[1:], self.count]):
            self._rows.setdefault(int(self._trial[start]), []).extend((start, stop))

    def of(self, number: int) -> list[Report]:
        """The reports of a trial in the order they came."""
        found = []
        spans = self._rows.get(number, [])
        for start, stop in zip(spans[::2], spans[1::2]):
            for i in range(start, stop):
                metrics = {name: float(column[i]) for name, column in self._columns.items()}
                found.append(Report(int(self._step[i]), metrics))
        return found

    def curve(self, number: int, metric: str) -> tuple[np.ndarray, np.ndarray]:
        """Steps and values of one metric of a trial, each of shape (k,)."""
        spans = self._rows.get(number, [])
        rows = np.concatenate([np.arange(a, b) for a, b in zip(spans[::2], spans[1::2])]) if spans else np.empty(0, int)
        column = self._columns.get(metric)
        return self._step[rows], column[rows] if column is not None else np.full(len(rows), np.nan)

    @property
    def metrics(self) -> Mapping[str, np.ndarray]:
        """Every metric ever reported, each of shape (count,)."""
        return {name: column[: self.count] for name, column in self._columns.items()}
