"""Whether what trials report goes the way of what they return: by the one they are stopped, the other is the result.

An objective that reports accuracies and returns a loss to be minimised has its good trials stopped.
"""

from __future__ import annotations

import math

import numpy as np

from kilter.core.events import TrialState
from kilter.core.history import History, Record

FEWEST = 6
"""Complete trials before a rank correlation says anything ..."""
OPPOSED = -0.85
"""... and what is then no chance: at most one pair in ten may be in the same order."""
MOST = 30
"""Complete trials after which nobody looks any more."""


class Agreement:
    """Compares the last report of each complete trial with its value, until it has seen enough."""

    def __init__(self) -> None:
        self._pairs: list[tuple[float, float]] = []

    def is_opposed_after(self, trial: Record, history: History) -> bool:
        """Whether, with this trial, reports run against values: as each other's mirror image, or by their order."""
        pair = _pair(trial, history)
        if pair is None or len(self._pairs) >= MOST:
            return False
        self._pairs.append(pair)
        return self._mirrors() or self._correlation() <= OPPOSED

    def _mirrors(self) -> bool:
        """Whether all values are one minus, or minus, what was reported, and there are two different ones."""
        sums = [report + value for report, value in self._pairs]
        mirror = 1.0 if abs(sums[0] - 1.0) < 0.5 else 0.0
        is_exact = all(math.isclose(each, mirror, abs_tol=1e-9) for each in sums)
        return is_exact and len({report for report, _ in self._pairs}) > 1

    def _correlation(self) -> float:
        """Kendall's tau of reports and values; 0 while there are too few."""
        n = len(self._pairs)
        if n < FEWEST:
            return 0.0
        reports, values = np.array(self._pairs).T
        orders = _order(reports) * _order(values)
        return float(orders.sum()) / (n * (n - 1))


def _order(values: np.ndarray) -> np.ndarray:
    """The sign of each difference, (n, n); differences themselves may be beyond all floats."""
    order: np.ndarray = (values[:, None] > values).astype(int) - (values[:, None] < values)
    return order


def _pair(trial: Record, history: History) -> tuple[float, float] | None:
    """The last report of the only objective and the value of a trial; None where there are not both."""
    if trial.state is not TrialState.COMPLETE or len(history.problem.objectives) > 1:
        return None
    name = history.problem.objectives[0].name
    reports = [r for r in history.reports.of(trial.number) if r.fold is None and name in r.metrics]
    if not reports:
        return None
    pair = reports[-1].metrics[name], trial.metrics.get(name, math.nan)
    return pair if all(map(math.isfinite, pair)) else None
