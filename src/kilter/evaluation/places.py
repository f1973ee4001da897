"""Scores of data sets that have no unit in common, as places among reference configurations.

    r        (R,)  losses of the reference configurations on one part: what there is without tuning, and random ones
    place    the mean over r of ½ + atan((loss - r) / w) / π, with w a share of the standard deviation of r

A place is the share of the reference configurations that do better, made smooth: 0 is best. It depends on no other
trial, so it never changes, and trials may come in any order; the mean of places over data sets is a mean rank, which no
data set outweighs by its unit or by how much there is to win on it. Since the arc tangent is nowhere flat, of two that
beat all references the better one has the better place, too (docs/decisions/0046).
"""

from __future__ import annotations

from collections.abc import Mapping
from math import atan, inf, isfinite, isnan, nan, pi
from typing import Any

import numpy as np

from kilter.core.errors import InvalidInput
from kilter.core.problem import Problem
from kilter.core.space import Space
from kilter.evaluation.data import Fit
from kilter.evaluation.folds import Score
from kilter.evaluation.objective import EvaluationObjective

REFERENCES = 5
"""Reference configurations. Each costs as much as a trial, once in each process that runs trials; ten did no better."""
WIDTH = 0.3
"""The share of their standard deviation over which a place turns from better to worse."""
UNSCALED = "unscaled"
"""The metric that keeps a score as the learner told it."""


class PlacedObjective(EvaluationObjective):
    """Another objective, whose scores are told as places; where larger is better, as the share that is beaten."""

    def __init__(self, objective: EvaluationObjective) -> None:
        vars(self).update(vars(objective))
        self.objective = objective
        self.perfect = self.worst = None
        self._references: dict[int, list[float]] = {}
        """The losses of the reference configurations on each part that was met."""

    def check(self, problem: Problem) -> None:
        """Raise InvalidInput for a study that the objective is not for, of several objectives, or without a space."""
        self.objective.check(problem)
        if len(problem.objectives) > 1:
            raise InvalidInput("summary='rank' is of one objective: give DataSets another summary for several")
        if problem.is_open:
            raise InvalidInput("summary='rank' compares with configurations of the space: declare it")

    def own_defaults(self) -> Mapping[str, Any]:
        """Those of the objective."""
        return self.objective.own_defaults()

    def defaults(self, space: Space) -> dict[str, Any] | None:
        """The configuration that there is without tuning."""
        return self.objective.defaults(space)

    def scored_once(self, params: Mapping[str, Any], fit: Fit, seed: int | None, trial: Any = None) -> Score:
        """The score itself."""
        return self.objective.scored_once(params, fit, seed, trial)

    def scored(self, params: Mapping[str, Any], fit: Fit, trial: Any = None) -> Score:
        """The place on one part, under the name of the objective, and the score itself."""
        objective = trial.objectives[0]
        score = self.objective.scored(params, fit, trial)
        own = float(score[objective.name] if isinstance(score, Mapping) else score)
        part = self.fits.index(fit)
        if part not in self._references:
            self._references[part] = [objective.sign * each for each in self._scores(fit, trial)]
        beaten = place(objective.sign * own, self._references[part])
        return {objective.name: beaten if objective.sign > 0 else 1.0 - beaten, UNSCALED: own}

    def _scores(self, fit: Fit, trial: Any) -> list[float]:
        """Of the reference configurations on one part; those that cannot be scored are left out."""
        scores, reasons = [], []
        for params in references(self, trial.space):
            try:
                score = self.objective.scored(params, fit, trial)
            except Exception as error:  # noqa: BLE001 - whatever a learner raises; trials of their own would fail with it
                reasons.append(error)
            else:
                scores.append(float(score[trial.objectives[0].name] if isinstance(score, Mapping) else score))
        if not any(map(isfinite, scores)):
            raise InvalidInput(
                f"summary='rank': none of {REFERENCES} reference configurations could be scored on {fit.data!r}"
            ) from next(iter(reasons), None)
        return scores


def references(objective: EvaluationObjective, space: Space) -> list[dict[str, Any]]:
    """The reference configurations of a space, the same in any process."""
    default = objective.defaults(space)
    drawn = space.sample(REFERENCES, seed=0)
    return drawn if default is None else [default, *drawn[1:]]


def place(loss: float, losses: list[float]) -> float:
    """The share of the losses that are smaller, made smooth; NaN for a loss that is none.

    >>> [round(place(loss, [1.0, 2.0, 3.0]), 2) for loss in (0.0, 2.0, 4.0)]
    [0.05, 0.5, 0.95]
    """
    if isnan(loss):
        return nan
    known = [each for each in losses if isfinite(each)]
    width = WIDTH * float(np.std(known)) or 1e-12
    failed = [0.0 if isfinite(loss) else 0.5] * (len(losses) - len(known))
    beaten = [1.0 if loss == inf else 0.5 + atan((loss - each) / width) / pi for each in known]
    return sum(beaten + failed) / len(losses)
