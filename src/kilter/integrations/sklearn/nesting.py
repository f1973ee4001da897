"""A search in the words of scikit-learn on the training rows of each outer fold; `KilterSearchCV.nested` runs it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from typing import Any

from sklearn.base import clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _check_method_params

from kilter.api.nesting import Found, Search
from kilter.core.errors import InvalidInput
from kilter.core.space import Config
from kilter.evaluation.estimators import perfect, worst
from kilter.integrations.distributions import Candidates

IRRELEVANT = ("storage", "study_name", "transfer", "n_jobs", "pre_dispatch", "verbose")
"""Settings of a search that change nothing of what it finds on outer folds, which learn nothing from one another."""


@dataclass(frozen=True, eq=False)
class SearchInside(Search):
    """A clone of the search is fitted on the training rows of each outer fold, and scored on its test rows."""

    search: Any
    """A KilterSearchCV."""
    candidates: Candidates
    X: Any
    y: Any
    fit_params: Mapping[str, Any]
    """Of `fit`; those with a value for each row are cut to the rows of a fold."""

    @classmethod
    def of(cls, search: Any, X: Any, y: Any, outer: Any, fit_params: Mapping[str, Any]) -> SearchInside:  # noqa: N803
        """`outer` is a splitter of scikit-learn or of kilter.evaluation, or a number of folds."""
        if not search.refit:
            raise InvalidInput("nested() scores what a search has fitted again: leave out refit=False")
        splitter = check_cv(outer, y, classifier=is_classifier(search.estimator))
        splits = list(splitter.split(X, y, fit_params.get("groups")))
        candidates = Candidates.of(search.param_distributions)
        told = {name: value for name, value in search.get_params(deep=False).items() if name not in IRRELEVANT}
        settings = {**told, "X": X, "y": y, "fit parameters": fit_params, "outer": splits}
        name = f"{search.study_name or type(search.estimator).__name__}-nested"
        return cls(
            name, splits, candidates.space, True, type(search.estimator), settings,
            search, candidates, X, y, fit_params,
        )  # fmt: skip

    def on(self, fold: int) -> Found:
        train, test = self.splits[fold]
        fit_params = _check_method_params(self.X, params=self.fit_params, indices=train)
        search = clone(self.search).set_params(study_name=f"{self.name}, outer fold {fold}", transfer=None)
        search.fit(*self._rows(train), **fit_params)
        number = search.trials_[search.best_index_]["number"]
        config, observed = search.study_.history[number].params, search.study_.trials[number].value
        estimated = None if search.estimate_ is None else search.estimate_.value
        score, default = self._scored(search, test), None
        with suppress(Exception):  # an estimator may be nothing before its parameters are set
            default = self._scored(self._untuned(search, train, fit_params), test)
        return Found.of(search.study_.history, config, float(observed), estimated, score, default)

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        scoring, refit = self.search.scoring, self.search.refit
        if isinstance(scoring, Mapping):
            scoring = scoring.get(refit)
        elif isinstance(scoring, (list, tuple, set)):
            scoring = refit
        scorer = check_scoring(self.search.estimator, scoring)
        return perfect(scorer), worst(scorer)

    def params(self, config: Config) -> dict[str, Any]:
        return self.candidates.params(config)

    def _untuned(self, search: Any, train: Any, fit_params: Mapping[str, Any]) -> Any:
        """The search as if its choice were the estimator as it is."""
        other = copy(search)
        other.best_estimator_ = clone(self.search.estimator).fit(
            *self._rows(train), **search._get_routed_params_for_fit(fit_params).estimator.fit
        )
        return other

    def _scored(self, search: Any, test: Any) -> float:
        return float(search.score(*self._rows(test)))

    def _rows(self, rows: Any) -> tuple[Any, ...]:
        return tuple(_safe_indexing(each, rows) for each in (self.X, self.y) if each is not None)
