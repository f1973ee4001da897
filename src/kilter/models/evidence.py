"""What a surrogate rests on: what was measured of one space, as beliefs on the objectives and on what bounds them.

Two kinds of evidence, either with what earlier studies teach or without: results of trials that ended, where trials
report nothing, and readings at any resource where they do. Another kind is another class with a belief on each
objective.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np

from kilter.core.history import History
from kilter.core.seeds import rng
from kilter.models.controls import Controls, is_control
from kilter.models.fits import Belief, Fits, layout_of
from kilter.models.gp import WholePosterior
from kilter.models.readings import Readings
from kilter.models.results import LEAST, Results
from kilter.models.sources import Sources
from kilter.models.taught import SameTask, taught_layout

CAP = 320
"""Points that a prediction rests on, at most: it keeps the cost of a suggestion flat."""
READINGS_CAP = 192
"""The same where trials report, with some three rows each."""
SHORTEST = 1e-3
"""Seconds; below that the duration of a trial says more about the machine than about the configuration."""
ALIKE = 0.1
"""Durations whose logarithms vary less than this are all the same."""


class Evidence(Protocol):
    """Beliefs on quantities, and where they were measured. A kind of its own has to say `objectives` and `reached`."""

    results: Results
    """The trials of this study that ended."""
    pending: np.ndarray
    """Points whose results are awaited, (q, d)."""

    def objectives(self) -> list[Belief]:
        """A belief on each objective."""

    def reached(self, objectives: list[Belief]) -> np.ndarray:
        """What those beliefs expect, (r, m), at the points that improvement is measured against, one at least."""

    @property
    def best_points(self) -> np.ndarray:
        """The best points known, best first: feasible ones, then by violation; (k, d)."""
        best: np.ndarray = self.results.points[self.results.best(CAP)[:CAP]]
        return best

    @property
    def returning(self) -> np.ndarray:
        """Points that were stopped and may be proposed again, once, (q, d)."""
        return np.empty((0, self.results.encoding.d))

    @property
    def evaluated(self) -> np.ndarray:
        """All points that were evaluated, (k, d); not those that were stopped on the way."""
        return self.results.points

    @property
    def rows(self) -> np.ndarray:
        """The rows of `results` that beliefs on all but the objectives rest on, (n,): the latest."""
        return np.flatnonzero(self.results.usable | self.results.failed)[-CAP:]

    def constraints(self) -> list[Belief]:
        """A belief on how far each constrained metric is beyond its bound, of those that are known anywhere."""
        fits = Fits.of(self.results)
        return [
            fits.belief(f"constraint {i}", y, np.isfinite(y), self.rows)
            for i, y in enumerate(self.results.constraints.T)
            if np.isfinite(y[self.rows]).any()
        ]

    def failure(self) -> Belief | None:
        """The belief on labels, -1 for what ran and 1 for what failed; None where nothing did."""
        failed = self.results.failed
        if not failed.any():
            return None
        labels = np.where(failed, 1.0, -1.0)
        return Fits.of(self.results).belief("failure", labels, self.results.usable | failed, self.rows)

    def duration(self) -> Belief | None:
        """The belief on the logarithm of seconds; None where all durations are alike, or not known."""
        seconds = np.log(np.maximum(self.results.seconds, SHORTEST))
        timed = np.isfinite(seconds)
        if not (timed[self.rows].any() and np.std(seconds[timed]) > ALIKE):
            return None
        return Fits.of(self.results).belief("duration", seconds, timed, self.rows)


@dataclass(frozen=True)
class SingleFidelity(Evidence):
    """The results of trials that ended; of many the best, and those near one of the best, drawn from `stream`."""

    results: Results
    pending: np.ndarray
    stream: np.random.Generator

    @cached_property
    def fits(self) -> Fits:
        """What θ of the objectives is fitted with."""
        return Fits.of(self.results)

    @cached_property
    def rows(self) -> np.ndarray:
        """All that are known, or the best quarter of CAP and those near one of them, (n,)."""
        results = self.results
        rows = np.flatnonzero(results.usable | results.failed)
        if len(rows) <= CAP:
            return rows
        encoding = results.encoding
        theta = self.fits.shape("objective 0", *self._column(0))[0]
        best = results.best(CAP // 4)[: CAP // 4]
        centre = results.features[best[min(int(self.stream.exponential(1.5)), len(best) - 1)]]
        features, weights = results.features, np.exp(-theta[: encoding.d])[encoding.owner] ** 2
        distance = np.einsum("ij,ij,j->i", features, features, weights) - 2.0 * (features @ (weights * centre))
        distance[best] = -np.inf
        distance = distance[rows]
        return np.sort(rows[np.argpartition(distance, CAP)[:CAP]])

    def objectives(self) -> list[Belief]:
        """Beliefs on the values of usable trials."""
        count = self.results.values.shape[1]
        return [self.fits.belief(f"objective {i}", *self._column(i), self._places) for i in range(count)]

    def reached(self, objectives: list[Belief]) -> np.ndarray:
        """The means at the feasible ones among these trials, at all of them while none is."""
        feasible = self.results.feasible[self.rows[self.results.usable[self.rows]]]
        means = np.stack([belief.posterior.fitted[: len(feasible)] for belief in objectives], axis=1)
        return means[feasible] if feasible.any() else means

    def _column(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        """The values of an objective, and which of them are known."""
        return self.results.values[:, i], self.results.usable

    @property
    def _places(self) -> np.ndarray:
        """The rows among these that beliefs on the objectives rest on."""
        return self.rows


@dataclass(frozen=True)
class Taught(SingleFidelity):
    """The results of trials that ended, of one objective, with what earlier studies teach: models/taught.py."""

    sources: Sources

    @cached_property
    def same(self) -> SameTask:
        """The trials of earlier studies of the same task; they stand before the study's own, whose count grows."""
        return SameTask(self.sources)

    @cached_property
    def fits(self) -> Fits:
        """With the prior of θ that is learnt."""
        features = np.concatenate([self.same.features, self.results.features])
        layout = taught_layout(self.sources)
        return replace(Fits.of(self.results), features=features.__getitem__, layout=layout, key=lambda n: "taught")

    def failure(self) -> Belief | None:
        """The belief on labels, those of the same task among them."""
        if not self.same.failed.any():
            return super().failure()
        failed = np.append(self.same.failed, self.results.failed)
        known = np.append(np.ones(len(self.same.failed), dtype=bool), self.results.usable | self.results.failed)
        fits = replace(self.fits, layout=layout_of(self.results.encoding))
        return fits.belief("failure", np.where(failed, 1.0, -1.0), known, self._places)

    def _column(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        own, usable = super()._column(i)
        return np.append(self.same.losses, own), np.append(~self.same.failed, usable)

    @property
    def _places(self) -> np.ndarray:
        """Where the study's own rows are, which `reached` counts on to be first, and all of the same task."""
        count = len(self.same.losses)
        return np.append(count + self.rows, np.arange(count))


@dataclass(frozen=True)
class MultiFidelity(Evidence):
    """What was read at any resource, or at the whole one alone where `is_blind`.

    The objectives' processes have one input more, the resource (as in MOBSTER, Klein et al. 2020); they are asked at
    the whole resource, and what got there counts as reached.
    """

    results: Results
    pending: np.ndarray
    readings: Readings
    paused: np.ndarray
    """Points of trials that pause, (q, d)."""
    is_blind: bool

    @property
    def best_points(self) -> np.ndarray:
        """The points of the furthest reading of each trial, best first, (k, d)."""
        return self.readings.points(self.readings.best[:CAP])

    @property
    def returning(self) -> np.ndarray:
        """Points of trials that were stopped, (q, d)."""
        return self.readings.returning

    @property
    def evaluated(self) -> np.ndarray:
        """The points that got to the whole resource, ended or pause, (k, d); `returning` says which come again."""
        return np.concatenate([self.readings.points(self._whole_rows), self.results.points, self.paused])

    def objectives(self) -> list[Belief]:
        """Beliefs on the readings, whose resource is one input more."""
        features, values, resource, numbers = self._columns()
        fits = Fits(
            features,
            layout_of(self.results.encoding).with_one_more,
            self.results.fits,
            lambda n: tuple(hash(column[:n].tobytes()) for column in (numbers, resource, values)),
            WholePosterior,
        )
        known, active = np.ones(len(values), dtype=bool), np.arange(len(values))
        if len(values) > READINGS_CAP:  # half of them the furthest and best, half the latest
            order = np.lexsort([values[:, 0], -resource])
            half = READINGS_CAP // 2
            active = np.sort(np.concatenate([order[:half], np.sort(order[half:])[half - READINGS_CAP :]]))
        return [fits.belief(f"objective {i}", y, known, active) for i, y in enumerate(values.T)]

    def _columns(self) -> tuple[Callable[[np.ndarray], np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
        """What beliefs on the objectives rest on: features of rows, their values, resource and trials."""
        readings = self.readings
        rows = np.flatnonzero(readings.is_whole) if self.is_blind else np.arange(len(readings.numbers))
        if len(rows) < LEAST:
            rows = np.arange(len(readings.numbers))
        columns = readings.values[rows], readings.resource[rows], readings.numbers[rows]
        return lambda some: readings.features(rows[some]), *columns

    def reached(self, objectives: list[Belief]) -> np.ndarray:
        """The means at what got to the whole resource, or at the best while nothing has, without what is infeasible.

        Where all is infeasible, at all of it.
        """
        rows = self._whole_rows if len(self._whole_rows) else self.readings.best[:CAP]
        features = self.results.encoding.features(self.readings.points(rows))
        means = np.stack([belief.posterior.predict(features)[0] for belief in objectives], axis=1)
        ended = self.readings.ended[rows]
        counts = (ended < 0) | self.results.feasible[ended]
        return means[counts] if counts.any() else means

    @cached_property
    def _whole_rows(self) -> np.ndarray:
        return np.flatnonzero(self.readings.is_whole)[-CAP:]


@dataclass(frozen=True)
class TaughtMultiFidelity(MultiFidelity):
    """The same, of one objective, with trials of earlier studies of the same task, which got to the whole resource."""

    same: SameTask

    def _columns(self) -> tuple[Callable[[np.ndarray], np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
        features, values, resource, numbers = super()._columns()
        whole = np.ones(int((~self.same.failed).sum()))
        told = np.column_stack([self.same.features[~self.same.failed], whole])
        return (
            np.concatenate([told, features(np.arange(len(values)))]).__getitem__,
            np.concatenate([self.same.losses[~self.same.failed, None], values]),
            np.append(whole, resource),
            np.append(np.full(len(whole), -1), numbers),
        )


def evidence_of(history: History, seed: int, number: int) -> Evidence:
    """What a trial may rest on: readings where there are some, else the results."""
    results, readings = Results.of(history), Readings.of(history)
    pending = results.encoding.whole(history.matrix[[*history.running, *history.waiting]])
    sources = Sources.of(history) if history.earlier and len(history.problem.objectives) == 1 else None
    if readings is None:
        stream = rng(seed, "active set", number)
        if sources is not None and sources.teaching:
            return Taught(results, pending, stream, sources)
        return SingleFidelity(results, pending, stream)
    paused = results.encoding.whole(history.matrix[list(history.paused)])
    is_blind = is_control(number) and Controls.of(history).are_spared
    if sources is not None and any(source.study.same for source in sources.teaching):
        return TaughtMultiFidelity(results, pending, readings, paused, is_blind, SameTask(sources))
    return MultiFidelity(results, pending, readings, paused, is_blind)
