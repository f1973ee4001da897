"""Estimators in the manner of scikit-learn as objectives: a clone with the parameters is fitted for each part."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np

from kilter.core.errors import InvalidInput, UnknownName, needed
from kilter.core.problem import DEFAULT_METRIC, Problem
from kilter.core.space import Space
from kilter.evaluation.data import Fit
from kilter.evaluation.folds import Score
from kilter.evaluation.objective import ByName, Evaluated, EvaluationObjective

FEATURE = "estimators in kilter.evaluation"
ENDLESS = ("mutual_info_score", "positive_likelihood_ratio")
"""Scores of scikit-learn's that have no largest value."""
FROM_ZERO = (
    "accuracy_score", "average_precision_score", "completeness_score", "f1_score", "fbeta_score",
    "fowlkes_mallows_score", "homogeneity_score", "jaccard_score", "ndcg_score", "normalized_mutual_info_score",
    "precision_score", "recall_score", "roc_auc_score", "top_k_accuracy_score", "v_measure_score",
)  # fmt: skip
"""Scores of scikit-learn's that are never below 0."""


FEW = 10
"""Parts that a model without features is scored on."""


def is_estimator(thing: Any) -> bool:
    """Whether something is fitted and has parameters in the manner of scikit-learn."""
    return not isinstance(thing, type) and all(hasattr(thing, name) for name in ("fit", "get_params", "set_params"))


def classifies(estimator: Any) -> bool:
    """Whether an estimator tells classes."""
    with needed("scikit-learn", FEATURE):
        from sklearn.base import is_classifier

    return bool(is_classifier(estimator))


class EstimatorObjective(EvaluationObjective):
    """Fits a clone of an estimator for each part; its own parameters are the default configuration."""

    def __init__(
        self, estimator: Any, evaluation: Evaluated, data: ByName, scoring: Any = None, first: int | None = None
    ) -> None:
        self.estimator, self.scoring = estimator, scoring
        self.scorers = _scorers(estimator, scoring)
        if any(each.weights is not None for each in data.values()):
            _check_weighing(estimator)
            for scorer in self.scorers.values():
                _check_weighted(scorer)
        self.directions = {next(iter(self.scorers)): "maximize"}
        first_scorer = next(iter(self.scorers.values()))
        self.perfect, self.worst = perfect(first_scorer), worst(first_scorer)
        self._is_single = len(self.scorers) == 1 and not isinstance(scoring, (Mapping, list, tuple, set))
        everything = inspect.Parameter("params", inspect.Parameter.VAR_KEYWORD)
        settings = {"estimator": estimator, "scoring": scoring}
        name = type(estimator).__name__
        super().__init__(name, evaluation, data, first, inspect.Signature([everything]), type(estimator), settings)

    @cached_property
    def blind(self) -> float | None:  # type: ignore[override]
        """What a model scores that sees no feature; None where it is not known what a perfect one would score."""
        if self.perfect is None:
            return None
        data = [(self.data[fit.data], fit) for fit in self.fits]
        splits = ((each.on(fit.train).arrays, each.on(fit.test).arrays) for each, fit in data)
        return blind(self.estimator, next(iter(self.scorers.values())), splits)

    def own_defaults(self) -> Mapping[str, Any]:
        """The parameters of the estimator as it is, nested ones included."""
        return self.estimator.get_params()  # type: ignore[no-any-return]

    def check(self, problem: Problem) -> None:
        """Raise UnknownName for a parameter that the estimator does not have, InvalidInput for another direction."""
        super().check(problem)
        self._check_names(problem)
        own, space = self.own_defaults(), problem.space
        for name in space.declared:
            # What a step has that the space chooses is known once it is chosen.
            if name not in own and not any(name.startswith(f"{step}__") for step in space.declared):
                raise UnknownName.of("parameter", name, own, f"({type(self.estimator).__name__} does not have it)")
        if any(fit.seeds != (None,) for fit in self.fits):
            self._check_seeds(space)

    def _check_seeds(self, space: Space) -> None:
        """Raise InvalidInput where seeds cannot reach the estimator, or the space wants to set what they set."""
        options = [each for one in space.declared.values() for each in getattr(one, "values", ()) if is_estimator(each)]
        if not any(map(_random_states, (self.estimator, *options))):
            raise InvalidInput(
                f"{type(self.estimator).__name__} has no random_state, so all seeds would be alike: leave out Seeds(…) "
                "around the evaluation"
            )
        for name in space.declared:
            if _is_random_state(name):
                raise InvalidInput(f"{name!r} is what Seeds(…) sets: leave it out of the space, or leave out Seeds(…)")

    def _check_names(self, problem: Problem) -> None:
        """Raise InvalidInput for a metric that it does not score; what it alone has may be called a value."""
        named = isinstance(self.scoring, (str, type(None))) or not self._is_single  # a function has no name
        alone = (DEFAULT_METRIC,) if self._is_single and len(problem.objectives) == 1 else ()
        for objective in problem.objectives:
            if named and objective.name not in (*self.scorers, *alone):
                own = "its own score" if self.scoring is None else " and ".join(self.scorers)
                raise InvalidInput(
                    f"the study is to {objective.direction} {objective.name!r}, and {self.__name__} is scored by "
                    f"{own}: give .objective(…, scoring={objective.name!r}), or leave out minimize= and maximize="
                )

    def scored_once(self, params: Mapping[str, Any], fit: Fit, seed: int | None, trial: Any = None) -> Score:
        """The score, or several by name, of a clone that was fitted on one part."""
        from sklearn.base import clone

        data = self.data[fit.data]
        train, test = data.on(fit.train), data.on(fit.test)
        model = clone(self.estimator).set_params(**{name: clone(value, safe=False) for name, value in params.items()})
        if seed is not None:
            model.set_params(**dict.fromkeys(_random_states(model), seed))
        model.fit(*train.arrays, **_weighted(model, train.weights))
        weights = {} if test.weights is None else {"sample_weight": test.weights}
        found = {name: float(scorer(model, *test.arrays, **weights)) for name, scorer in self.scorers.items()}
        return next(iter(found.values())) if self._is_single else found


def _scorers(estimator: Any, scoring: Any) -> dict[str, Any]:
    """Scorers by name; of None the estimator's own score. Larger is better throughout."""
    with needed("scikit-learn", FEATURE):
        from sklearn.metrics import check_scoring, get_scorer_names

    if isinstance(scoring, Mapping):
        named = dict(scoring)
    elif isinstance(scoring, (list, tuple, set)):
        named = {name: name for name in scoring}
    else:
        named = {scoring if isinstance(scoring, str) else "score": scoring}
    if not named:
        raise InvalidInput(f"scoring={scoring!r}: name at least one scorer")
    for name in named.values():
        if isinstance(name, str) and name not in get_scorer_names():
            raise UnknownName.of("scorer", name, get_scorer_names())
    return {str(name): check_scoring(estimator, one) for name, one in named.items()}


def perfect(scorer: Any) -> float | None:
    """What a perfect model would score by one of scikit-learn's scorers; None of any other, and where there is no end.

    >>> from sklearn.metrics import get_scorer
    >>> perfect(get_scorer("r2")), perfect(get_scorer("neg_mean_squared_error"))
    (1.0, 0.0)
    """
    from sklearn.base import is_classifier, is_regressor

    function = getattr(scorer, "_score_func", None)
    if function is None:
        own = getattr(scorer, "_estimator", None)  # whose own score it is: accuracy, or R²
        return 1.0 if own is not None and (is_classifier(own) or is_regressor(own)) else None
    if not function.__module__.startswith("sklearn.") or function.__name__ in ENDLESS:
        return None
    return 1.0 if scorer._sign > 0 else 0.0


def worst(scorer: Any) -> float | None:
    """What no model scores worse than by one of scikit-learn's scorers; None of any other, and where there is no end.

    >>> from sklearn.metrics import get_scorer
    >>> worst(get_scorer("roc_auc")), worst(get_scorer("r2"))
    (0.0, None)
    """
    from sklearn.base import is_classifier

    function = getattr(scorer, "_score_func", None)
    if function is None:
        own = getattr(scorer, "_estimator", None)
        return 0.0 if own is not None and is_classifier(own) else None
    ours = function.__module__.startswith("sklearn.") and function.__name__ in FROM_ZERO
    return 0.0 if ours and scorer._sign > 0 else None


def blind(estimator: Any, scorer: Any, splits: Iterable[Sequence[Sequence[Any]]]) -> float | None:
    """The mean score of a model that sees no feature, over the first of these pairs of (X, y) to train and to test on.

    It tells classes by their shares, and values by their mean. None where it has no score.
    """
    from sklearn.dummy import DummyClassifier, DummyRegressor

    model = DummyClassifier() if classifies(estimator) else DummyRegressor()
    try:
        scores = [float(scorer(model.fit(*train), *test)) for train, test in islice(splits, FEW)]
    except Exception:  # noqa: BLE001 - a scorer that wants what such a model does not have, or data without labels
        return None
    return float(np.mean(scores)) if scores and np.isfinite(scores).all() else None


def _check_weighted(scorer: Any) -> None:
    """Raise InvalidInput for a scorer that cannot weigh rows, where it shows what it calls."""
    function = getattr(scorer, "_score_func", None)
    if function is not None and "sample_weight" not in inspect.signature(function).parameters:
        raise InvalidInput(f"{scorer!r} takes no sample_weight: score by another, or leave the weights out")


def _random_states(model: Any) -> Sequence[str]:
    """The parameters, nested ones included, that a model's chance comes from."""
    return [name for name in model.get_params() if _is_random_state(name)]


def _is_random_state(name: str) -> bool:
    return name.rpartition("__")[2] == "random_state"


def _weighted(model: Any, weights: Any) -> dict[str, Any]:
    """Weights of rows as an argument of `fit`; of a pipeline, its last step gets them."""
    return {} if weights is None else {f"{_weighing(model)[0]}sample_weight": weights}


def _weighing(model: Any) -> tuple[str, Any]:
    """The estimator that weighs rows, the last step of a pipeline, and what names of its arguments begin with."""
    name = ""
    while steps := getattr(model, "steps", None):
        name, model = f"{name}{steps[-1][0]}__", steps[-1][1]
    return name, model


def _check_weighing(model: Any) -> None:
    """Raise InvalidInput for an estimator whose fit cannot weigh rows, where it shows what it takes."""
    last = _weighing(model)[1]
    arguments = inspect.signature(last.fit).parameters if hasattr(last, "fit") else {}
    takes_all = any(each.kind is each.VAR_KEYWORD for each in arguments.values())
    if arguments and not takes_all and "sample_weight" not in arguments:
        raise InvalidInput(
            f"{type(last).__name__}.fit takes no sample_weight: leave the weights out, or take another model"
        )
