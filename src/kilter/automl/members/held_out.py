"""Predictions of the validation rows in which no row has had a say.

Validation rows say after which step a fit is at its best: a round, an epoch, a penalty. Scored at that step they
flatter it, the more the fewer they are: one fit on 120 rows of coin flips looks like .05 to .09 of AUC. So each quarter
of them is predicted as of the step that the other three like best. The fit is one and the same, and so is its time.
"""

from __future__ import annotations

import numpy as np

from kilter.automl.members.losses import Loss
from kilter.automl.members.member import Rows, part_of
from kilter.automl.task import Task

PARTS = 4
"""Into so many parts validation rows are taken. With two, ten rows would choose the step of a small table's fit, where
the fit itself has twenty, and it would look worse than it is."""


class Steps:
    """Which step is the best one for all validation rows but those of one part, for each part in turn.

    masks: (p, n) rows of each part, every fourth one, whatever is to be predicted; weights: (p,) theirs, together.
    """

    def __init__(self, valid: Rows) -> None:
        rows = len(valid.y)
        self.masks = [np.arange(rows) % PARTS == k for k in range(min(PARTS, rows))]
        weight = np.ones(rows) if valid.weight is None else valid.weight
        self.weights = np.array([weight[mask].sum() for mask in self.masks])
        self.best = np.ones(len(self.masks), int)
        self._least = np.full(len(self.masks), np.inf)

    def saw(self, step: int, losses: np.ndarray) -> float:
        """Take in the mean losses (p,) of the parts after a step; that of all rows."""
        sums = self.weights * losses
        total = float(sums.sum() / self.weights.sum())
        rest = self.weights.sum() - self.weights
        others = np.where(rest > 0, (sums.sum() - sums) / np.where(rest > 0, rest, 1), losses)
        gained = others < self._least
        self._least[gained], self.best[gained] = others[gained], step
        return total


class HeldOut:
    """Follows the predictions of a fit's validation rows, and keeps of each part those of its best step."""

    def __init__(self, valid: Rows, task: Task) -> None:
        self._steps, self._done = Steps(valid), 0
        self._losses = [Loss.of(part_of(valid, mask), task) for mask in self._steps.masks]
        self.predictions = np.empty(0)
        """(n,) or (n, k), each row as of the step that the rows of other parts like best."""

    def saw(self, found: np.ndarray) -> float:
        """The loss of the predictions of all rows after one more step."""
        if not self._done:
            self.predictions = np.array(found, float)
        self._done += 1
        masks = self._steps.masks
        losses = [loss(found[mask]) for loss, mask in zip(self._losses, masks, strict=True)]
        total = self._steps.saw(self._done, np.array(losses))
        for mask, best in zip(masks, self._steps.best, strict=True):
            if best == self._done:
                self.predictions[mask] = found[mask]
        return total
