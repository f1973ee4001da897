"""Ready-made search spaces for what people tune most, each beginning at the library's own defaults.

    kilter.tune(objective, kilter.spaces.hist_gradient_boosting(), n_trials=50)
    KilterSearchCV(estimator, kilter.spaces.space_for(estimator))

A space is a dict of parameters under the names of the estimator's arguments, made anew by each call: take one out, put
one in, or narrow one as with any dict. Every parameter has the library's default as its `default`, so that the first
trial of a study is the estimator as it comes, the score to beat. Of some spaces kilter knows what did well on many
tables, which a study tries next (kilter.spaces.knowledge). No library is imported here.
"""

from kilter.spaces.boosting import catboost, hist_gradient_boosting, lightgbm, xgboost
from kilter.spaces.estimators import extra_trees, k_neighbors, logistic_regression, mlp, random_forest, svm
from kilter.spaces.lookup import prefixed, space_for
from kilter.spaces.networks import finetuning

__all__ = [
    "catboost",
    "extra_trees",
    "finetuning",
    "hist_gradient_boosting",
    "k_neighbors",
    "lightgbm",
    "logistic_regression",
    "mlp",
    "prefixed",
    "random_forest",
    "space_for",
    "svm",
    "xgboost",
]


def __dir__() -> list[str]:
    return list(__all__)
