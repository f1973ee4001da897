"""An objective that is put together from parts: what an evaluation makes of a function or an estimator."""

from __future__ import annotations

import copy
import inspect
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from math import fsum
from typing import Any, Protocol
from zlib import crc32

import numpy as np

from kilter.analysis.design import MEANS, Design, Name, Part
from kilter.core.attributes import FAILED, confirmed_by
from kilter.core.errors import InvalidInput, TrialPruned
from kilter.core.numbers import Float, Int
from kilter.core.parameter import Parameter
from kilter.core.problem import Problem
from kilter.core.space import Space
from kilter.evaluation.data import Data, Fit, is_whole, names
from kilter.evaluation.folds import FoldTrial, Score, over_parts
from kilter.objective.source import digest
from kilter.objective.values import shown

log = logging.getLogger("kilter")

ByName = Mapping["str | None", Data]
"""By name; None is the name of a single one, and there is none for seeds alone."""


class Evaluated(Protocol):
    """What an objective needs of its evaluation."""

    @property
    def summary(self) -> str:
        """What scores are summed up to."""

    @property
    def level(self) -> float:
        """Of a quantile."""

    @property
    def is_reshuffled(self) -> bool:
        """Whether each configuration has splits of its own."""

    def fits(self, data: ByName, number: int = 0) -> list[Fit]:
        """The parts, in the order in which trials meet them."""

    def summed(self, data: Sequence[str | None], scores: Sequence[float], sign: float) -> float:
        """What scores of parts, each of a data set, come to; times `sign` they are losses."""


class _Seeds:
    """Whether seeds make a difference, as far as this process has seen."""

    def __init__(self) -> None:
        self.alike: int | None = 0
        """How many seeds came to the same, if all did each time so far; None once that was told, or some did not."""

    def met(self, scores: Sequence[Score]) -> None:
        """Take in what the same fit has scored with several seeds."""
        if self.alike is not None:
            self.alike = len(scores) if all(score == scores[0] for score in scores) else None

    def tell(self, number: int) -> None:
        """Say once, after a first trial, that seeds made no difference."""
        if self.alike:
            log.warning(
                "trial %d scored the same with each of %d seeds: where its chance does not come from the seed, or it "
                "has none, leave out Seeds(…), which makes each trial so many times as dear",
                number,
                self.alike,
            )
            self.alike = None


class EvaluationObjective(ABC):
    """Scores a configuration part by part; made by `.objective(…)` of an evaluation, and called by `tune` or optimize.

    `evaluation`, `data` and `first` are what it was made of, `design` what its parts are, and `directions` which way
    its metrics are better, where it knows.
    """

    __hash__ = None  # type: ignore[assignment]  # what remembers objectives would keep their data

    directions: Mapping[str, str] | None = None
    confirms = False
    """Whether it measures configurations of a study again, maybe on other rows."""
    suggests = False
    """Whether it may declare parameters as trials go."""
    perfect: float | None = None
    """What a perfect model would score, where it is known."""
    worst: float | None = None
    """What no model scores worse than, where it is known."""
    blind: float | None = None
    """What a model scores that sees no feature, where it is known."""
    is_inner: bool = False
    """Whether it is of some rows of another, as within nested cross-validation, which compares with the default."""

    def __init__(
        self,
        name: str,
        evaluation: Evaluated,
        data: ByName,
        first: int | None,
        signature: inspect.Signature,
        calls: Callable[..., Any],
        settings: Mapping[str, Any],
    ) -> None:
        self.evaluation, self.data, self.first = evaluation, data, first
        self.calls = calls
        """The code that a study of it remembers."""
        self.settings = {**settings, "evaluation": repr(evaluation), "data": dict(data), "first": first}
        """The values that it remembers."""
        self._seeds = _Seeds()
        self.__name__ = name
        trial = inspect.Parameter("trial", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        keywords = [each for each in signature.parameters.values() if each.name != "trial"]
        self.__signature__ = inspect.Signature([trial, *keywords])
        if first is not None and not (is_whole(first) and 1 <= first <= len(self.fits)):
            raise InvalidInput(f"first={first!r}: give a number from 1 to {len(self.fits)}, the number of parts")

    def __repr__(self) -> str:
        return f"<{self.__name__} by {self.evaluation!r}>"

    def __call__(self, trial: FoldTrial, **params: Any) -> Score:
        """The summary of the scores of all parts, each of which is reported."""
        params = params or dict(trial.params)
        fits = self._fits_of(trial, params)
        sign = trial.objectives[0].sign

        def score(part: Name) -> Score:
            try:
                return self.scored(params, fits[part], trial)
            except TrialPruned:
                raise
            except Exception:
                trial.set_user_attr(FAILED, part)
                raise

        scores: list[Score] = []

        def scored(part: Name) -> Score:
            scores.append(score(part))
            return scores[-1]

        def summary(parts: Sequence[Name], scores: Sequence[float]) -> float:
            return self.evaluation.summed([fits[part].data for part in parts], scores, sign)

        found: Score = over_parts(
            trial,
            list(fits),
            scored,
            first=self.first,
            reuses=not self.evaluation.is_reshuffled,
            stops=self.evaluation.summary in MEANS,  # the first parts say nothing of which will be the worst
            summary=summary,
        )
        if self.fits[0].train is None and len(scores) > 1:
            self._seeds.met(scores)
        self._seeds.tell(trial.number)
        return found

    def scored(self, params: Mapping[str, Any], fit: Fit, trial: Any = None) -> Score:
        """The score, or several by name, of a configuration on one part: the mean over its seeds."""
        scores = [self.scored_once(params, fit, seed, trial) for seed in fit.seeds]
        first = scores[0]
        if len(scores) > 1:
            self._seeds.met(scores)
        if isinstance(first, Mapping):
            return {name: fsum(each[name] for each in scores) / len(scores) for name in first}  # type: ignore[index]
        return fsum(scores) / len(scores)  # type: ignore[arg-type]

    @abstractmethod
    def scored_once(self, params: Mapping[str, Any], fit: Fit, seed: int | None, trial: Any = None) -> Score:
        """The score, or several by name, of a configuration on one part with one seed."""

    def check(self, problem: Problem) -> None:
        """Raise InvalidInput where a study wants small values of what is better where it is larger, or the reverse.

        And where nobody says what is to be tuned: no space, nor a function that takes the trial and suggests.
        """
        if problem.is_open and not self.suggests:
            raise InvalidInput(
                f"{self.__name__} suggests no parameters: declare them, as in tune(objective, space), "
                "create_study(space=…), or by annotations of a function's arguments"
            )
        told = self.directions or {}
        known = {objective.name: objective.direction for objective in problem.objectives}
        alone = len(known) == 1
        for (name, way), first in zip(told.items(), known.values()):
            wanted = first if alone else known.get(name, way)
            if way != wanted:
                raise InvalidInput(
                    f"{self.__name__} is to {way} its {name}, and the study is to {wanted} it: make it with "
                    f"create_study(direction={way!r}), or leave out minimize= and maximize= of tune()"
                )

    def own_defaults(self) -> Mapping[str, Any]:
        """The values that parameters have without tuning, by name."""
        return {}

    def defaults(self, space: Space) -> dict[str, Any] | None:
        """The configuration that there is without tuning, from a space; None where it has values outside of it.

        What neither the objective nor the space gives a value for leaves it open, and there is none.
        """
        own = self._own_in(space)
        try:
            return space.values(space.plain(own)) if own or space.defaults else None
        except InvalidInput:
            return None

    def outside(self, space: Space) -> tuple[str, str] | None:
        """Which value without tuning lies outside of a space, and what brings it in; None where none does."""
        for name, value in self._own_in(space).items():
            try:
                space.plain_of({name: value})
            except InvalidInput as error:
                return str(error), _remedy(name, space.declared[name], value)
        return None

    def _own_in(self, space: Space) -> dict[str, Any]:
        """The values without tuning of the parameters of a space."""
        return {
            name: _option(space.declared[name], value)
            for name, value in self.own_defaults().items()
            if name in space.declared
        }

    @cached_property
    def fits(self) -> list[Fit]:
        """The parts that all configurations have in common."""
        return self.evaluation.fits(self.data)

    @cached_property
    def parts(self) -> list[Name]:
        """Their names."""
        return names(self.fits)

    @cached_property
    def design(self) -> Design:
        """What it is the mean of, as a study notes it."""
        data = {name: shown(each) for name, each in self.data.items()}

        def count(rows: np.ndarray | None) -> int | None:
            return None if rows is None else len(rows)

        def known(fit: Fit) -> str:
            return digest(shown((data.get(fit.data), fit.data, fit.repeat, fit.seeds, fit.train, fit.test)))

        parts = [
            Part(name, fit.data, fit.repeat, count(fit.train), count(fit.test), known(fit))
            for name, fit in zip(self.parts, self.fits)
        ]
        over = self.evaluation
        ends = self.perfect, self.worst
        return Design(tuple(parts), over.summary, over.level, self.first, *ends, over.is_reshuffled, self.blind)

    def beside(self, noted: Design | None, *, confirms: bool = False) -> EvaluationObjective:
        """The same for a study that has noted a design: parts of other rows have names that it does not have.

        One that `confirms` may be of other rows than the study.
        """
        label = f"{type(self.evaluation).__name__}-{digest(shown(self.design.to_json()))[:6]}"
        design = self.design.beside(noted, label)
        if design == self.design and not confirms:
            return self
        other = copy.copy(self)
        other.design, other.parts, other.confirms = design, list(design.names), confirms or self.confirms
        return other

    def _fits_of(self, trial: FoldTrial, params: Mapping[str, Any]) -> dict[Name, Fit]:
        """The parts of a trial by their names; those with rows of their own have names of their own."""
        if not self.evaluation.is_reshuffled:
            return dict(zip(self.parts, self.fits))
        # A repeat of a configuration is to have splits of its own too.
        again = f" {trial.number}" if confirmed_by(trial.user_attrs, trial.number) is not None else ""
        number = crc32((shown(sorted(params.items())) + again).encode())
        return {
            f"{part} of {number:08x}": fit for part, fit in zip(self.parts, self.evaluation.fits(self.data, number))
        }

    # -- for an evaluation around this one --------------------------------------------------------------------------

    def splits(self, evaluation: Evaluated) -> list[tuple[np.ndarray, np.ndarray]]:
        """Row numbers to train on and to test on, of another evaluation over the same rows."""
        return [(fit.train, fit.test) for fit in evaluation.fits(self.data)]  # type: ignore[misc]

    def on(self, rows: np.ndarray) -> EvaluationObjective:
        """The same on these rows alone."""
        other = copy.copy(self)
        other.is_inner = True
        other.data = {name: data.on(rows) for name, data in self.data.items()}
        other.settings = {**self.settings, "data": dict(other.data)}
        for kept in ("fits", "parts", "design"):
            vars(other).pop(kept, None)
        return other

    def score(self, params: Mapping[str, Any], train: np.ndarray, test: np.ndarray, metric: str) -> float:
        """The score of a configuration that is fitted on some rows and tested on others: of several that metric."""
        found = self.scored(params, Fit(np.asarray(train), np.asarray(test), self.fits[0].seeds))
        return float(found[metric] if isinstance(found, Mapping) else found)


def _option(parameter: Parameter, value: Any) -> Any:
    """The option that a value is: an estimator is the same as another that reads the same."""
    alike = (one for one in getattr(parameter, "values", ()) if type(one) is type(value) and shown(one) == shown(value))
    return next(alike, value)


def _remedy(name: str, parameter: Parameter, value: Any) -> str:
    """How a parameter takes a value that it does not take."""
    if not isinstance(parameter, (Float, Int)):
        return f"give {name} that value, too"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"widen {name}"
    return f"make it {name}=Choice([{parameter.low}, …, {parameter.high}, {shown(value)}])"
