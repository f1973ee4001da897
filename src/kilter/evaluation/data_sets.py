"""Several data sets at once: a configuration that does well on all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from kilter.analysis.design import SUMMARIES
from kilter.core.errors import InvalidInput, UnknownName
from kilter.evaluation.data import Data, Fit
from kilter.evaluation.evaluations import Evaluation, has_classes
from kilter.evaluation.objective import ByName, EvaluationObjective
from kilter.evaluation.places import PlacedObjective
from kilter.evaluation.seeds import Seeds
from kilter.evaluation.splitting import CrossValidation, OverRows


@dataclass(frozen=True, eq=False, repr=False)
class DataSets(Evaluation):
    """Another evaluation on each of several data sets: `sets` has the arrays of each by its name, as {"a": (X, y)}.

    Trials meet the first part of all data sets, then the second. Groups and weights are given by the same names,
    `.objective(model, groups={"a": g})`. Raises InvalidInput where there is no data set, and UnknownName for another
    summary.

    >>> def train(train, test, *, shift):
    ...     return abs(train[0].mean() + shift - test[0].mean())
    >>> sets = {"a": (np.arange(6.0),), "b": (np.arange(9.0),)}
    >>> DataSets(sets, CrossValidation(3), summary="worst").objective(train).design.names
    ('a/0', 'b/0', 'a/1', 'b/1', 'a/2', 'b/2')
    """

    sets: Mapping[str, Sequence[Any]] = field(repr=False)
    evaluation: OverRows | Seeds = field(default_factory=CrossValidation)
    summary: str = "mean"  # type: ignore[misc]
    level: float = 0.75  # type: ignore[misc]

    def __post_init__(self) -> None:
        if not isinstance(self.sets, Mapping) or not self.sets:
            raise InvalidInput("DataSets takes a dict of arrays by the names of data sets, as {'a': (X, y)}")
        if self.summary not in SUMMARIES:
            raise UnknownName.of("summary", self.summary, SUMMARIES)
        if self.summary == "rank" and self.is_reshuffled:
            raise InvalidInput("summary='rank' compares scores on the same splits: leave out reshuffled=True")
        if not isinstance(self.evaluation, OverRows) and getattr(self.evaluation, "evaluation", None) is None:
            raise InvalidInput(f"evaluation={self.evaluation!r}: rows of data sets are split, as by CrossValidation(5)")

    @property
    def is_reshuffled(self) -> bool:
        """Whether each configuration has splits of its own."""
        return self.evaluation.is_reshuffled

    def fits(self, data: ByName, number: int = 0) -> list[Fit]:
        """The first part of each data set, then the second."""
        of = [[replace(fit, data=name) for fit in self.evaluation.fits({None: data[name]}, number)] for name in data]
        return [fits[i] for i in range(max(map(len, of))) for fits in of if i < len(fits)]

    def summed(self, data: Sequence[str | None], scores: Sequence[float], sign: float) -> float:
        """The summary over data sets of the mean over the parts of each."""
        by_name: dict[str | None, list[float]] = {}
        for name, score in zip(data, scores):
            by_name.setdefault(name, []).append(score)
        means = np.array([np.mean(each) for each in by_name.values()])
        if self.summary == "worst":
            return float(sign * (sign * means).max())
        if self.summary == "quantile":
            return float(sign * np.quantile(sign * means, self.level))
        return float(means.mean())

    def objective(self, learner: Any, *arrays: Any, **settings: Any) -> EvaluationObjective:
        """As of any evaluation, of the model or function alone; `groups` and `sample_weight` by names of data sets."""
        made = super().objective(learner, *arrays, **settings)
        return PlacedObjective(made) if self.summary == "rank" else made

    def _data(self, learner: Any, arrays: Sequence[Any], groups: Any, weights: Any) -> ByName:
        if arrays:
            raise InvalidInput("DataSets has its arrays already: give objective() the model or function alone")
        groups, weights, classes = groups or {}, weights or {}, has_classes(learner)
        for name in (*groups, *weights):
            if name not in self.sets:
                raise UnknownName.of("data set", name, self.sets)
        return {
            name: Data(tuple(arrays), groups.get(name), weights.get(name), classes)
            for name, arrays in self.sets.items()
        }
