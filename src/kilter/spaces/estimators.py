"""Spaces for scikit-learn's estimators other than boosting.

The ranges follow Probst, Boulesteix and Bischl 2019 (arXiv 1802.09596, table 1) where they treat the method, narrowed
at ends where a fit takes for ever; what each is made of otherwise is said beside it. All but the forest want columns of
comparable scale: put a StandardScaler in front.

Two defaults are words for a number that depends on the data, "sqrt" and "scale". They stand in an ordered list at the
place that the number has for tables of ten to a hundred columns, so that a model of the scores knows their neighbours.

Where a space has `knowledge`, a study tries after the defaults what did well on many tables (kilter.spaces.knowledge).
"""

from __future__ import annotations

from kilter.core.errors import UnknownName
from kilter.core.numbers import Float, Int
from kilter.core.options import Boolean, Choice, Ordinal
from kilter.core.parameter import Parameter
from kilter.spaces.knowledge import KnownSpace

TASKS = ("classification", "regression")


def random_forest(task: str = "classification", *, knowledge: bool = True) -> dict[str, Parameter]:
    """For RandomForestClassifier, or with task="regression" RandomForestRegressor.

    The number of trees is left alone: more are never worse on average, only slower (Probst and Boulesteix 2018, "To
    tune or not to tune the number of trees in random forest"). A share of 1.0 of the rows is what None means.

    Raises UnknownName for another task.

    >>> random_forest()["max_features"].values
    (0.05, 0.1, 'sqrt', 0.3, 0.5, 0.7, 1.0)
    """
    classifies = _is_classification(task)
    share = (0.05, 0.1, "sqrt", 0.3, 0.5, 0.7, 1.0)
    space: dict[str, Parameter] = {
        "max_features": Ordinal(share, default="sqrt") if classifies else Float(0.1, 1.0, default=1.0),
        "min_samples_leaf": Int(1, 50, log=True, default=1),
        "bootstrap": Boolean(default=True),
        "max_samples": Float(0.3, 1.0, default=1.0).when(bootstrap=True),
    }
    if classifies:
        space["criterion"] = Choice(["gini", "entropy"], default="gini")
    return KnownSpace.of(space, _named("random_forest", task), knowledge)


def extra_trees(task: str = "classification") -> dict[str, Parameter]:
    """For ExtraTreesClassifier, or with task="regression" ExtraTreesRegressor: a forest on all rows at first.

    Raises UnknownName for another task.

    >>> extra_trees()["bootstrap"]
    Boolean(default=False)
    """
    return {**random_forest(task), "bootstrap": Boolean(default=False)}


def svm(task: str = "classification", *, knowledge: bool = True) -> dict[str, Parameter]:
    """For SVC, or with task="regression" SVR, with their radial kernel.

    Other kernels are left out, since they hardly ever end where C is large. The radial one holds the linear one: with a
    small gamma and a large C it is the same (Keerthi and Lin 2003, "Asymptotic behaviors of support vector machines
    with Gaussian kernel"). What polynomials fit it fits too. C and gamma span most of the grid that LIBSVM's authors
    advise (Hsu, Chang and Lin, "A practical guide to support vector classification").

    gamma="scale" is 1 / (columns · variance), a tenth to a hundredth on scaled columns.

    Raises UnknownName for another task.

    >>> list(svm("regression"))
    ['C', 'gamma', 'epsilon']
    """
    width = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, "scale", 0.1, 0.3, 1.0, 3.0, 10.0)
    space: dict[str, Parameter] = {
        "C": Float(1e-3, 1e3, log=True, default=1.0),
        "gamma": Ordinal(width, default="scale"),
    }
    if not _is_classification(task):
        space["epsilon"] = Float(1e-3, 1.0, log=True, default=0.1)
    return KnownSpace.of(space, _named("svm", task), knowledge)


def mlp() -> dict[str, Parameter]:
    """For MLPClassifier and MLPRegressor of scikit-learn.

    Layers go from one of 25 units to three of 100, penalties and rates two or three decades around their defaults.
    Only adam has a rate, and can stop early on rows that it puts aside; lbfgs, which needs neither, is often better on
    a few thousand rows or fewer.

    >>> mlp()["hidden_layer_sizes"].default
    (100,)
    """
    layers = [(25,), (50,), (100,), (200,), (50, 50), (100, 100), (100, 100, 100)]
    return {
        "hidden_layer_sizes": Choice(layers, default=(100,)),
        "activation": Choice(["relu", "tanh"], default="relu"),
        "alpha": Float(1e-6, 10.0, log=True, default=1e-4),
        "solver": Choice(["adam", "lbfgs"], default="adam"),
        "learning_rate_init": Float(1e-4, 0.1, log=True, default=1e-3).when(solver="adam"),
        "early_stopping": Boolean(default=False).when(solver="adam"),
    }


def logistic_regression(*, knowledge: bool = True) -> dict[str, Parameter]:
    """For LogisticRegression with its quadratic penalty, whose strength is nearly all that matters.

    Other penalties need another solver, and are asked for by different arguments in different versions of scikit-learn.

    >>> logistic_regression()["C"]
    Float(0.0001, 10000.0, log=True, default=1.0)
    """
    space: dict[str, Parameter] = {
        "C": Float(1e-4, 1e4, log=True, default=1.0),
        "class_weight": Choice([None, "balanced"], default=None),
    }
    return KnownSpace.of(space, "logistic_regression", knowledge)


def k_neighbors(*, knowledge: bool = True) -> dict[str, Parameter]:
    """For KNeighborsClassifier and KNeighborsRegressor; the training rows must be at least fifty.

    `p` is the norm of the distance: 1 adds the differences of the columns up, 2 is Euclid's.

    >>> k_neighbors()["n_neighbors"]
    Int(1, 50, log=True, default=5)
    """
    space: dict[str, Parameter] = {
        "n_neighbors": Int(1, 50, log=True, default=5),
        "weights": Choice(["uniform", "distance"], default="uniform"),
        "p": Int(1, 2, default=2),
    }
    return KnownSpace.of(space, "k_neighbors", knowledge)


def _is_classification(task: str) -> bool:
    if task not in TASKS:
        raise UnknownName.of("task", task, TASKS)
    return task == "classification"


def _named(estimator: str, task: str) -> str:
    """The name of what is known of an estimator for a task."""
    return estimator if task == "classification" else f"{estimator}-{task}"
