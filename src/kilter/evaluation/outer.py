"""What nested cross-validation found: for each outer fold what a search on its training rows chose, and its score.

    fold 0   search on the training rows ─▶ choice, fitted on them ─▶ scored on the test rows, which nobody saw before
    fold 1   …

The mean says what to expect of the whole procedure, search included, on new data, if it is given as many rows as one
outer fold trains on. It is dear, as dear as so many searches, and has no bias from the selection. Its interval is that
of a mean over folds that share training rows (analysis/uncertainty.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, nan
from typing import Any

import numpy as np

from kilter.analysis.finding import share, times
from kilter.analysis.uncertainty import interval, standard_error
from kilter.core.parameter import Parameter, Plain
from kilter.core.space import Config, Space
from kilter.core.text import shown

GRID = 64
"""Values of a parameter, at most, by which two choices at random are compared."""


@dataclass(frozen=True)
class OuterFold:
    """One outer fold: the search on its training rows, and how its choice did on its test rows."""

    number: int
    params: dict[str, Any]
    """What the search has chosen ..."""
    config: Config
    """... as the log has it."""
    score: float
    """Of the choice, fitted on the training rows, on the test rows."""
    observed: float
    """What the search itself has measured of its choice."""
    estimated: float | None
    """What the search has estimated that it scores on new data; None where it did not."""
    default: float | None
    """The score, on the same rows, of what there is without tuning; None where that is not known."""
    is_default: bool = False
    """Whether the search has kept what there is without tuning."""


@dataclass(frozen=True)
class Nested:
    """What to expect of a search on new data: scores are in the objective's own unit.

    The mean is that of the outer folds' scores, the interval holds the expectation with the probability `level`.
    """

    folds: tuple[OuterFold, ...]
    space: Space
    overlap: float
    """Test rows / training rows of an outer fold."""
    is_maximised: bool
    level: float = 0.9
    perfect: float | None = None
    """What a perfect model would score, where it is known ..."""
    worst: float | None = None
    """... and what none scores worse than: no interval reaches beyond."""

    @property
    def mean(self) -> float:
        """The score to expect on new data."""
        return float(np.mean(self._scores))

    @property
    def standard_error(self) -> float:
        """Of the mean, corrected for folds that share training rows; NaN with a single fold."""
        return standard_error(self._scores, self.overlap)

    @property
    def interval(self) -> tuple[float, float]:
        """Where the score to expect lies, with the probability `level`; infinite with a single fold."""
        ends = self._around(self._scores)
        low, high = (self.worst, self.perfect) if self.is_maximised else (self.perfect, self.worst)
        if len(self.folds) < 2:
            return ends
        return max(ends[0], -inf if low is None else low), min(ends[1], inf if high is None else high)

    @property
    def optimism(self) -> float:
        """By how much the searches' own scores of what they chose were too good, on average."""
        return float(self._sign * np.mean([fold.score - fold.observed for fold in self.folds]))

    @property
    def gain(self) -> float:
        """By how much tuning did better than none, on average; NaN where that is not known."""
        return float(np.mean(self._gains)) if self._gains is not None else nan

    @property
    def gain_interval(self) -> tuple[float, float]:
        """Where the gain to expect lies, with the probability `level`."""
        return self._around(self._gains) if self._gains is not None else (nan, nan)

    @property
    def agreement(self) -> dict[str, float]:
        """How far the outer folds chose the same, by parameter: 1 everywhere the same, 0 or less as if by chance.

        Searches of one `random_state` have candidates in common, and agree the more for it. Where all have kept the
        default that is all that they agree on.
        Of folds in which a parameter is active; one that is active in less than two, or has one value, is left out.
        """
        found = {name: _agreement(self.space[name], self._choices(name)) for name in self.space}
        return {name: value for name, value in found.items() if value is not None}

    def __str__(self) -> str:
        sure = f"{self._sure(self.interval)} ({times(len(self.folds), 'outer fold')})"
        expected = f"to expect on new data: {self.mean:.4g}, {sure}"
        return "\n".join([*self._table(), expected, self._inside(), *self._beside(), *self._agreeing()])

    def _sure(self, within: tuple[float, float]) -> str:
        if len(self.folds) < 2:
            return "how sure that is a single split does not tell"
        return f"{share(self.level)} sure between {within[0]:.4g} and {within[1]:.4g}"

    def _inside(self) -> str:
        """What the searches themselves said."""
        measured, too = np.mean([fold.observed for fold in self.folds]), "good" if self.optimism >= 0 else "bad"
        estimates = [fold.estimated for fold in self.folds if fold.estimated is not None]
        also = f"; they estimated {np.mean(estimates):.4g}" if estimates else ""
        return f"the searches themselves measured {measured:.4g}: {abs(self.optimism):.2g} too {too}{also}"

    def _beside(self) -> list[str]:
        """A line on no tuning, where that is known."""
        if self._gains is None:
            return []
        kept = sum(fold.is_default for fold in self.folds)
        if kept == len(self.folds):
            return ["the default was kept in all folds: tuning gains nothing here"]
        doubt = "" if self.gain_interval[0] > 0 else ": it may be nothing"
        also = f"; the default was kept in {kept} of {len(self.folds)} folds" if kept else ""
        return [f"tuning gains {self.gain:.2g} over none, {self._sure(self.gain_interval)}{doubt}{also}"]

    def _agreeing(self) -> list[str]:
        if all(fold.is_default for fold in self.folds):
            return []
        told = ", ".join(f"{name} {value:.2f}" for name, value in self.agreement.items())
        return [f"how far the choices agree (1 the same, 0 or less as if by chance): {told}"] if told else []

    @property
    def _sign(self) -> int:
        """Times a score it is a loss."""
        return -1 if self.is_maximised else 1

    @property
    def _scores(self) -> np.ndarray:
        return np.array([fold.score for fold in self.folds])

    @property
    def _gains(self) -> np.ndarray | None:
        gains = [self._sign * (fold.default - fold.score) for fold in self.folds if fold.default is not None]
        return np.array(gains) if len(gains) == len(self.folds) else None

    def _around(self, values: np.ndarray) -> tuple[float, float]:
        error = standard_error(values, self.overlap)
        return interval(float(values.mean()), error, len(values), self.level)

    def _choices(self, name: str) -> list[Plain]:
        return [fold.config[name] for fold in self.folds if name in fold.config]

    def _table(self) -> list[str]:
        rows = [["fold", "score", "untuned", "measured inside", "choice"]]
        for fold in self.folds:
            chosen = ", ".join(f"{name}={_short(value)}" for name, value in fold.params.items())
            untuned = "" if fold.default is None else f"{fold.default:.4g}"
            rows.append([str(fold.number), f"{fold.score:.4g}", untuned, f"{fold.observed:.4g}", chosen])
        widths = [max(map(len, column)) for column in zip(*rows)][:-1]
        return ["  ".join([*map(str.rjust, row, widths), row[-1]]) for row in rows]


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else shown(value)


def _agreement(parameter: Parameter, chosen: Sequence[Plain]) -> float | None:
    """One minus the distance of two choices in units of that of two values at random."""
    grid, n = parameter.grid(GRID), len(chosen)
    if n < 2 or len(grid) < 2:
        return None
    apart = _distances(parameter, chosen).sum() / (n * (n - 1))
    return float(1.0 - apart / _distances(parameter, grid).mean())


def _distances(parameter: Parameter, values: Sequence[Plain]) -> np.ndarray:
    """Between any two values, (n, n): of their places in [0, 1], or 1 where they differ and have no order."""
    places = parameter.units(values) if parameter.is_ordered else np.array([parameter.index(value) for value in values])
    apart: np.ndarray = np.abs(places[:, None] - places)
    return apart if parameter.is_ordered else np.sign(apart)
