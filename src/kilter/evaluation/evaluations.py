"""What an evaluation is: how a configuration is scored, from which an objective is made."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import fields
from math import fsum
from typing import Any, ClassVar

from kilter.core.errors import InvalidInput
from kilter.evaluation.data import Data, Fit
from kilter.evaluation.estimators import EstimatorObjective, classifies, is_estimator
from kilter.evaluation.functions import FunctionObjective
from kilter.evaluation.objective import ByName, EvaluationObjective


class Evaluation(ABC):
    """How a configuration is scored: the parts that there are, and what their scores are summed up to."""

    summary: ClassVar[str] = "mean"
    level: ClassVar[float] = 0.5

    def __repr__(self) -> str:
        """The first setting, and those that are not as they would be anyhow: a study remembers it by this text."""
        first, *others = (each for each in fields(self) if each.repr)  # type: ignore[arg-type]
        told = [first, *(each for each in others if getattr(self, each.name) != each.default)]
        return f"{type(self).__name__}({', '.join(f'{each.name}={getattr(self, each.name)!r}' for each in told)})"

    @property
    def is_reshuffled(self) -> bool:
        """Whether each configuration has splits of its own."""
        return False

    @abstractmethod
    def fits(self, data: ByName, number: int = 0) -> list[Fit]:
        """The parts, in the order in which trials meet them; where chance has a say, each `number` has others."""

    def summed(self, data: Sequence[str | None], scores: Sequence[float], sign: float) -> float:
        """What scores of parts, each of a data set, come to; times `sign` they are losses."""
        return fsum(scores) / len(scores)

    def objective(
        self,
        learner: Any,
        *arrays: Any,
        scoring: Any = None,
        groups: Any = None,
        sample_weight: Any = None,
        first: int | None = None,
    ) -> EvaluationObjective:
        """An objective for `tune`, `study.optimize` or `kilter run`, which reports each part as it is done.

        `learner` is an estimator in the manner of scikit-learn, with `arrays` X and y, or a function: it gets the rows
        to fit on and those to score on as two tuples with a slice of each array, and the parameters by name,

            def train(train, test, *, lr, width): ...

        and returns the score, or several by name. Arguments `seed` and `trial` it gets where it takes them. `scoring`
        is for estimators: the name of a scorer of scikit-learn, a scorer, or several in a list or by name, of which the
        first is the objective; by default the estimator's own score. Larger is better.

        `groups` are labels of rows, shape (n,), that are never on both sides. `sample_weight` are weights of rows,
        shape (n,), in an estimator's fit and score; a function gets its own as one array more. With `first`, trials are
        scored on so many parts, and those that `study.confirm` and repeats pick on the rest.

        What an estimator is without tuning, or the defaults of the function's arguments, is the first configuration.
        Raises InvalidInput for data that do not fit, and UnknownName for a scorer that there is not.
        """
        return _made(self, learner, self._data(learner, arrays, groups, sample_weight), scoring, first)

    def _data(self, learner: Any, arrays: Sequence[Any], groups: Any, weights: Any) -> ByName:
        if not arrays:
            raise InvalidInput(f"{type(self).__name__} splits rows: give them, as in .objective(model, X, y)")
        return {None: Data(tuple(arrays), groups, weights, has_classes(learner))}


def has_classes(learner: Any) -> bool | None:
    """Whether y has classes: an estimator says so, of a function it is not known."""
    return classifies(learner) if is_estimator(learner) else None


def _made(evaluation: Evaluation, learner: Any, data: ByName, scoring: Any, first: int | None) -> EvaluationObjective:
    if is_estimator(learner):
        if not data:
            raise InvalidInput(
                f"{type(learner).__name__} is fitted on rows: say how they are split, as Seeds(5, CrossValidation(5))"
            )
        return EstimatorObjective(learner, evaluation, data, scoring, first)
    if scoring is not None:
        raise InvalidInput("scoring= is for estimators: a function returns its scores")
    if any(each.weights is not None for each in data.values()):
        raise InvalidInput("sample_weight= is for estimators: give a function its weights as one array more")
    return FunctionObjective(learner, evaluation, data, first)
