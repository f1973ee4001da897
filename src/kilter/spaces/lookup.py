"""The space of a given estimator or of the parts of one, and spaces for a step of a pipeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from kilter.core.errors import InvalidInput, UnknownName
from kilter.core.parameter import Condition, Parameter
from kilter.core.space import Space
from kilter.spaces.boosting import catboost, hist_gradient_boosting, lightgbm, xgboost
from kilter.spaces.estimators import extra_trees, k_neighbors, logistic_regression, mlp, random_forest, svm
from kilter.spaces.knowledge import KnownSpace, known_of

ESTIMATORS: dict[str, Callable[[], dict[str, Parameter]]] = {
    "CatBoostClassifier": catboost,
    "CatBoostRegressor": catboost,
    "ExtraTreesClassifier": extra_trees,
    "ExtraTreesRegressor": lambda: extra_trees("regression"),
    "HistGradientBoostingClassifier": hist_gradient_boosting,
    "HistGradientBoostingRegressor": hist_gradient_boosting,
    "KNeighborsClassifier": k_neighbors,
    "KNeighborsRegressor": partial(k_neighbors, knowledge=False),
    "LGBMClassifier": lightgbm,
    "LGBMRanker": lightgbm,
    "LGBMRegressor": lightgbm,
    "LogisticRegression": logistic_regression,
    "MLPClassifier": mlp,
    "MLPRegressor": mlp,
    "RandomForestClassifier": random_forest,
    "RandomForestRegressor": lambda: random_forest("regression"),
    "SVC": svm,
    "SVR": lambda: svm("regression"),
    "XGBClassifier": xgboost,
    "XGBRanker": xgboost,
    "XGBRegressor": xgboost,
}
"""The class of an estimator, by name, so that no library need be imported -> what makes its space.

What is known of a space for both tasks is of classifiers."""


def space_for(estimator: Any) -> dict[str, Parameter]:
    """The ready-made space for an estimator, its class, or the name of its class; a subclass of yours has its parent's.

    For a class or a name the defaults are the library's. An estimator keeps its own settings as defaults, where the
    ranges allow them, so that the first trial of a study is the estimator as it is given. A pipeline, or whatever else
    is made of estimators, has the spaces of all parts that there are spaces for, with the names of its `get_params`.

    Raises UnknownName, with the nearest known name, where there is no space.

    >>> list(space_for("SVC"))
    ['C', 'gamma']
    >>> space_for("RandomForrestClassifier")
    Traceback (most recent call last):
    kilter.core.errors.UnknownName: no ready-made space for 'RandomForrestClassifier': did you mean ...
    """
    if isinstance(estimator, str):
        if estimator in ESTIMATORS:
            return ESTIMATORS[estimator]()
        raise UnknownName.of("ready-made space for", estimator, ESTIMATORS)
    kind = estimator if isinstance(estimator, type) else type(estimator)
    name = _known(kind)
    if kind is estimator or not hasattr(estimator, "get_params"):
        return space_for(name)
    settings = estimator.get_params()
    if name in ESTIMATORS:
        return _beginning_at(settings, space_for(name))
    parts = {part: _known(type(value)) for part, value in settings.items()}
    space: dict[str, Parameter] = {}
    known: dict[str, str] = {}
    for part, kind_of_part in parts.items():
        if kind_of_part in ESTIMATORS:
            of_part = prefixed(_beginning_at(settings[part].get_params(), space_for(kind_of_part)), part)
            space |= of_part
            known |= known_of(of_part)
    return KnownSpace(space, known) if space else space_for(name)


def _known(kind: type) -> str:
    """The name under which a class or what it was made from is known, else its own.

    A library's own subclasses are other methods: XGBRFClassifier trains no rounds, LogisticRegressionCV has no C.
    """
    for parent in kind.__mro__:
        is_foreign = parent.__module__.split(".")[0] != kind.__module__.split(".")[0]
        if parent.__name__ in ESTIMATORS and (parent is kind or is_foreign):
            return parent.__name__
    return kind.__name__


def _beginning_at(settings: Mapping[str, Any], space: Mapping[str, Parameter]) -> dict[str, Parameter]:
    """The space with these settings as defaults, where they are in it; None is a library's word for its own default."""
    begun = KnownSpace(space, known_of(space))
    for name in space.keys() & settings.keys():
        if settings[name] is not None:
            try:
                begun[name] = replace(space[name], default=settings[name])
            except InvalidInput:
                continue
    return begun


def prefixed(space: Mapping[str, Parameter], step: str) -> dict[str, Parameter]:
    """The same space for a step of a Pipeline: names, also those in conditions, with `step` and "__" in front.

    Choices with sub-spaces are written out. Raises InvalidInput for what is no space.

    >>> prefixed(random_forest(), "clf")["clf__max_samples"].conditions
    (Condition(parent='clf__bootstrap', values=(True,)),)
    """
    named = {
        f"{step}__{name}": replace(
            parameter,
            conditions=tuple(Condition(f"{step}__{c.parent}", c.values) for c in parameter.conditions),
        )
        for name, parameter in Space(space).parameters.items()
    }
    return KnownSpace(named, {f"{step}__{prefix}": known for prefix, known in known_of(space).items()})
