"""The space of a given estimator, and spaces for a step of a pipeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from kilter.core.errors import UnknownName
from kilter.core.parameter import Condition, Parameter
from kilter.core.space import Space
from kilter.spaces.boosting import catboost, hist_gradient_boosting, lightgbm, xgboost
from kilter.spaces.estimators import k_neighbors, logistic_regression, mlp, random_forest, svm

ESTIMATORS: dict[str, Callable[[], dict[str, Parameter]]] = {
    "CatBoostClassifier": catboost,
    "CatBoostRegressor": catboost,
    "HistGradientBoostingClassifier": hist_gradient_boosting,
    "HistGradientBoostingRegressor": hist_gradient_boosting,
    "KNeighborsClassifier": k_neighbors,
    "KNeighborsRegressor": k_neighbors,
    "LGBMClassifier": lightgbm,
    "LGBMRegressor": lightgbm,
    "LogisticRegression": logistic_regression,
    "MLPClassifier": mlp,
    "MLPRegressor": mlp,
    "RandomForestClassifier": random_forest,
    "RandomForestRegressor": lambda: random_forest("regression"),
    "SVC": svm,
    "SVR": lambda: svm("regression"),
    "XGBClassifier": xgboost,
    "XGBRegressor": xgboost,
}
"""The class of an estimator, by name, so that no library need be imported -> what makes its space."""


def space_for(estimator: Any) -> dict[str, Parameter]:
    """The ready-made space for an estimator, its class, or the name of its class; a subclass has its parent's.

    The defaults are those of the library, also where this estimator has other settings. Raises UnknownName, with the
    nearest known name, for one that there is no space for.

    >>> list(space_for("SVC"))
    ['C', 'kernel', 'gamma']
    >>> space_for("RandomForrestClassifier")
    Traceback (most recent call last):
    kilter.core.errors.UnknownName: no ready-made space for 'RandomForrestClassifier': did you mean ...
    """
    if isinstance(estimator, str):
        names = [estimator]
    else:
        kind = estimator if isinstance(estimator, type) else type(estimator)
        names = [parent.__name__ for parent in kind.__mro__]
    for name in names:
        if name in ESTIMATORS:
            return ESTIMATORS[name]()
    raise UnknownName.of("ready-made space for", names[0], ESTIMATORS)


def prefixed(space: Mapping[str, Parameter], step: str) -> dict[str, Parameter]:
    """The same space for a step of a Pipeline: names, also those in conditions, with `step` and "__" in front.

    Choices with sub-spaces are written out. Raises InvalidInput for what is no space.

    >>> prefixed(svm(), "clf")["clf__gamma"].conditions
    (Condition(parent='clf__kernel', values=('rbf',)),)
    """
    return {
        f"{step}__{name}": replace(
            parameter,
            conditions=tuple(Condition(f"{step}__{c.parent}", c.values) for c in parameter.conditions),
        )
        for name, parameter in Space(space).parameters.items()
    }
