"""All trials of a study, kept as columns for samplers and analyses and as records for everybody else.

    number → Record    the record: state, configuration, metrics, attempt, times
    matrix   (n, d)    configurations in the unit cube, NaN where inactive
    values   (n, m)    objectives, times their sign so that smaller is better; NaN where unknown
    violations   (n,)  by how much the constraints are missed, see core.standing; NaN until the trial is finished
    reports            flat arrays: trial, step, fold, and a column for each metric ever reported

Columns are NumPy arrays grown in place; trials that are running, waiting or failed have their rows too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from kilter.core.earlier import EarlierStudy
from kilter.core.events import Failure, Report, TrialState
from kilter.core.parameter import Plain
from kilter.core.pareto import non_dominated
from kilter.core.problem import Problem
from kilter.core.standing import Standing

T = TypeVar("T")


@dataclass(slots=True)
class Record:
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
    judged: bool = True
    """Whether the scheduler may stop it; not where it only measures another trial once more."""
    chosen: list[str] = field(default_factory=list)
    """The names of the values that the user chose."""
    sampled_before: int = 0
    """How many trials before it had their configuration from the sampler."""
    started: float | None = None
    ended: float | None = None
    earlier: float = 0.0
    """Seconds of the attempts that it was paused after."""
    seen: int = 0
    """How far in the log its sampler had read when it chose the configuration."""
    losses: int = 0
    """How many of its attempts ended because their worker vanished."""
    parent: int | None = None
    """The trial whose checkpoint it began with."""
    budget: dict[str, float] | None = None
    """How far its latest attempt goes along each fidelity."""
    forgiven: bool = False
    """Whether it failed before the objective changed, was retried or invalidated: it uses up no budget and teaches
    nothing."""
    invalid: str | None = None
    """Why its result does not count, where somebody has said so since it finished; it counts as failed then."""

    @property
    def is_finished(self) -> bool:
        """Whether the trial will not change any more."""
        return self.state.is_finished()

    @property
    def is_sampled(self) -> bool:
        """Whether the sampler chose its configuration, or some of it: no user, nor a scheduler that wants one again."""
        return not self.enqueued and self.parent is None and self.judged

    @property
    def seconds(self) -> float:
        """How long its last attempt ran, and those before it that were paused; NaN while that is not known."""
        if self.ended is None or self.started is None:
            return math.nan
        return self.earlier + self.ended - self.started

    def standing(self, problem: Problem) -> Standing:
        """How good it is: a pruned one by its last value, while a failed one is the worst there is."""
        if self.state is TrialState.FAIL:
            return Standing.worst(len(problem.objectives))
        return problem.standing(self.metrics)

    @property
    def results(self) -> dict[str, float]:
        """The metrics that count: none where it was invalidated."""
        return self.metrics if self.invalid is None else {}


class History:
    """The trials of a study by number, and as columns."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.trials: list[Record] = []
        self.earlier: tuple[EarlierStudy, ...] = ()
        """What was recalled of earlier studies."""
        self.sampled = 0
        """How many trials had their configuration from the sampler."""
        self.running: dict[int, Record] = {}
        self.waiting: dict[int, Record] = {}
        self.paused: dict[int, Record] = {}
        self._open = {
            TrialState.RUNNING: self.running,
            TrialState.WAITING: self.waiting,
            TrialState.PAUSED: self.paused,
        }
        self.finished: list[int] = []
        """Numbers in the order in which they ended."""
        self.forgiven = 0
        """How many trials are forgiven."""
        self._values = np.full((64, len(problem.objectives)), np.nan)
        self._violations = np.full(64, np.nan)
        self._matrix = np.empty((0, 0))
        self._encoded = 0
        self._encoded_in = problem.space
        self.reports = Reports()
        self._memos: dict[object, tuple[object, Any]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Copies and pickles know nothing of what was computed from the original."""
        return {**vars(self), "_memos": {}}

    def __repr__(self) -> str:
        return f"<History: {len(self)} trials>"

    def __len__(self) -> int:
        return len(self.trials)

    def __getitem__(self, number: int) -> Record:
        return self.trials[number]

    def __iter__(self) -> Iterator[Record]:
        return iter(self.trials)

    def sampled_before(self, number: int) -> int:
        """How many trials before this one, which may be the next, had their configuration from the sampler."""
        return self.trials[number].sampled_before if number < len(self.trials) else self.sampled

    @property
    def values(self) -> np.ndarray:
        """Objectives of all trials, smaller is better; shape (n, m), NaN where unknown."""
        return self._values[: len(self.trials)]

    @property
    def violations(self) -> np.ndarray:
        """By how much all trials miss the constraints, shape (n,): 0 where they are met, NaN until one is finished."""
        return self._violations[: len(self.trials)]

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
        # Rows are settled up to the first trial that still runs or waits for its first attempt.
        open_trials = [*self.running, *self.waiting]
        self._encoded = min(open_trials) if open_trials else n
        return self._matrix[:n]

    def add(self, trial: Record) -> None:
        """A new trial; numbers come in order."""
        if trial.number != len(self.trials):
            raise ValueError(f"trial {trial.number} comes after {len(self.trials) - 1}: the log has a gap")
        trial.sampled_before = self.sampled
        self.sampled += trial.is_sampled
        self.trials.append(trial)
        if (entered := self._open.get(trial.state)) is not None:
            entered[trial.number] = trial
        if len(self.trials) > len(self._values):
            self._values = np.concatenate([self._values, np.full_like(self._values, np.nan)])
            self._violations = np.concatenate([self._violations, np.full_like(self._violations, np.nan)])

    def move(self, trial: Record, state: TrialState) -> None:
        """Have a trial be in another state, at the end of those that are; nobody else writes who is in which."""
        if (left := self._open.get(trial.state)) is not None:
            del left[trial.number]
        trial.state = state
        if (entered := self._open.get(state)) is not None:
            entered[trial.number] = trial

    def settle(self, trial: Record) -> None:
        """Note the metrics of a trial that finished."""
        self.finished.append(trial.number)
        self.weigh(trial)

    def weigh(self, trial: Record) -> None:
        """Note what the results of a finished trial are now."""
        self._values[trial.number] = [objective.loss(trial.results) for objective in self.problem.objectives]
        self._violations[trial.number] = self.problem.violation(trial.results)

    def under(self, problem: Problem) -> History:
        """The same trials under another problem; what was computed for this one is not found again under that."""
        other = copy(self)
        other.problem = problem
        other._violations = self._violations.copy()
        for number in self.finished:
            other._violations[number] = problem.violation(self.trials[number].results)
        return other

    def at_rest(self) -> History:
        """These trials as they are, for who looks at them for a while in which this history goes on.

        Records that are finished are shared. What was computed from this history is not found again there.
        """
        other = copy(self)
        other.trials, other.finished = self.trials.copy(), self.finished.copy()
        other._open = {state: kept.copy() for state, kept in self._open.items()}
        other.running, other.waiting, other.paused = other._open.values()
        for kept in other._open.values():
            for number, trial in kept.items():
                kept[number] = other.trials[number] = copy(trial)
        other._values, other._violations = self._values.copy(), self._violations.copy()
        other._matrix = self._matrix.copy()
        other.reports = self.reports.at_rest([*other.running, *other.waiting, *other.paused])
        return other

    def until(self, count: int) -> History:
        """As it was when the first so many trials had finished: what is known of the later ones is that they run."""
        other = self.at_rest()
        other.finished = self.finished[:count]
        for number in self.finished[count:]:
            trial = replace(self.trials[number], state=TrialState.RUNNING, metrics={}, ended=None)
            other.trials[number] = other.running[number] = trial
            other._values[number] = other._violations[number] = np.nan
        return other

    def changed(self, number: int) -> None:
        """The configuration of a trial is another one now: what was encoded of it and later ones is not used again."""
        self._encoded = min(self._encoded, number)

    def memo(self, key: object, make: Callable[[History], T], given: object = None) -> T:
        """What was computed from this history, by a key of whoever computes it: remembered, never needed.

        `make` is called where nothing is known, or what is known was made where another object was `given`. What goes
        on with the history brings itself up to date when asked; what would grow without end is a `core.memo.Memo`.
        """
        known = self._memos.get(key)
        if known is None or known[0] is not given:
            known = self._memos[key] = given, make(self)
        value: T = known[1]
        return value

    def with_state(self, *states: TrialState) -> list[Record]:
        """The trials in any of the states, by number."""
        return [trial for trial in self.trials if trial.state in states]

    def is_candidate(self, number: int) -> bool:
        """Whether a trial may be the best: it is complete, meets the constraints, and its objectives are finite."""
        is_good = self.trials[number].state is TrialState.COMPLETE and self._violations[number] == 0.0
        return bool(is_good and np.isfinite(self._values[number]).all())

    def front(self) -> list[Record]:
        """The complete, feasible trials that no other one beats in every objective."""
        counts = (self.violations == 0.0) & np.isfinite(self.values).all(axis=1)
        good = [trial for trial in self.with_state(TrialState.COMPLETE) if counts[trial.number]]
        kept = non_dominated(self._values[[t.number for t in good]])
        return [trial for trial, stays in zip(good, kept) if stays]


class Reports:
    """All reports of a study in flat arrays grown in place."""

    def __init__(self) -> None:
        self.count = 0
        self.furthest: dict[int, int] = {}
        """The largest step that each trial reported."""
        self.labels: list[int | str] = []
        """The folds that reports were about."""
        self._places: dict[int | str, int] = {}
        self._trial = np.empty(256, dtype=np.int32)
        self._step = np.empty(256, dtype=np.int64)
        self._fold = np.empty(256, dtype=np.int32)
        self._columns: dict[str, np.ndarray] = {}
        self._rows: dict[int, list[int]] = {}

    def extend(self, number: int, reports: tuple[Report, ...]) -> None:
        """Reports of one trial, later than those it made before."""
        start, stop = self.count, self.count + len(reports)
        if stop > len(self._trial):
            self._grow(stop)
        steps, rows, folds = zip(*reports)
        self._trial[start:stop] = number
        self._step[start:stop] = steps
        self._fold[start:stop] = [-1 if fold is None else self._place(fold) for fold in folds]
        self.furthest[number] = max(self.furthest.get(number, 0), *steps)
        for name in set().union(*rows):
            self._column(name)[start:stop] = [row.get(name, math.nan) for row in rows]
        spans = self._rows.get(number)
        if spans is None:
            self._rows[number] = [start, stop]
        elif spans[-1] == start:
            spans[-1] = stop
        else:
            spans += [start, stop]
        self.count = stop

    def at_rest(self, unfinished: Iterable[int]) -> Reports:
        """These reports as they are, while those of the unfinished trials go on."""
        other = copy(self)
        other.furthest, other.labels, other._columns = self.furthest.copy(), self.labels.copy(), self._columns.copy()
        other._rows = self._rows.copy()
        for number in unfinished:
            if number in other._rows:
                other._rows[number] = other._rows[number].copy()
        return other

    def _place(self, label: int | str) -> int:
        if label not in self._places:
            self._places[label] = len(self.labels)
            self.labels.append(label)
        return self._places[label]

    def _column(self, name: str) -> np.ndarray:
        if name not in self._columns:
            self._columns[name] = np.full(len(self._trial), np.nan)
        return self._columns[name]

    def _grow(self, needed: int) -> None:
        size = max(needed, 2 * len(self._trial))
        self._trial = np.concatenate([self._trial, np.zeros(size - len(self._trial), self._trial.dtype)])
        self._step = np.concatenate([self._step, np.zeros(size - len(self._step), self._step.dtype)])
        self._fold = np.concatenate([self._fold, np.full(size - len(self._fold), -1, self._fold.dtype)])
        for name, column in self._columns.items():
            self._columns[name] = np.concatenate([column, np.full(size - len(column), np.nan)])

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything but the labels, for a snapshot: trial, step, fold, and a column for each metric."""
        columns: dict[str, np.ndarray] = {"trial": self._trial, "step": self._step, "fold": self._fold}
        columns.update((f"metric {name}", column) for name, column in self._columns.items())
        return {name: column[: self.count] for name, column in columns.items()}

    def restore(self, arrays: Mapping[str, np.ndarray], labels: Sequence[int | str]) -> None:
        """Take over what `arrays` and `labels` gave."""
        self._trial, self._step, self._fold = arrays["trial"], arrays["step"], arrays["fold"]
        self.labels = list(labels)
        self._places = {label: i for i, label in enumerate(labels)}
        self.count = len(self._trial)
        if self.count:
            largest = np.zeros(int(self._trial.max()) + 1, dtype=np.int64)
            np.maximum.at(largest, self._trial, self._step)
            self.furthest = {number: int(largest[number]) for number in np.unique(self._trial).tolist()}
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
                fold = int(self._fold[i])
                found.append(Report(int(self._step[i]), metrics, None if fold < 0 else self.labels[fold]))
        return found

    def curve(self, number: int, metric: str) -> tuple[np.ndarray, np.ndarray]:
        """Steps and values of one metric of a trial in the order they came, each of shape (k,); folds left out."""
        rows = self._rows_of(number)
        rows = rows[self._fold[rows] < 0]
        column = self._columns.get(metric)
        return self._step[rows], column[rows] if column is not None else np.full(len(rows), np.nan)

    def folds(self, number: int, metric: str) -> dict[int | str, float]:
        """The latest value of one metric of a trial for each fold, in the order in which folds were first met."""
        column = self._columns.get(metric)
        rows = self._rows_of(number)
        rows = rows[self._fold[rows] >= 0]
        if column is None:
            return {}
        return {
            self.labels[place]: float(value) for place, value in zip(self._fold[rows].tolist(), column[rows].tolist())
        }

    def _rows_of(self, number: int) -> np.ndarray:
        spans = self._rows.get(number, [])
        if not spans:
            return np.empty(0, dtype=int)
        return np.concatenate([np.arange(a, b) for a, b in zip(spans[::2], spans[1::2])])

    @property
    def metrics(self) -> Mapping[str, np.ndarray]:
        """Every metric ever reported, each of shape (count,)."""
        return {name: column[: self.count] for name, column in self._columns.items()}
