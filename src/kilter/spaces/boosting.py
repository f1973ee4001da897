"""Spaces for gradient boosted trees.

The ranges follow those of published comparisons on many tables, narrowed at ends where nothing good was found or a fit
takes for ever: Probst, Boulesteix and Bischl 2019 (arXiv 1802.09596, table 1), Gorishniy et al. 2021 (arXiv
2106.11959, appendix) and Grinsztajn et al. 2022 (arXiv 2207.08815, appendix).

What matters most is the learning rate together with the number of rounds, then the size of the trees, then how few rows
a leaf may have. Where rounds are a Fidelity of the study, take them out of the space: `del space["n_estimators"]`.
"""

from __future__ import annotations

from kilter.core.numbers import Float, Int
from kilter.core.options import Choice, Ordinal
from kilter.core.parameter import Parameter

STRENGTHS = (0.0, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
"""Penalties whose default is zero, which a logarithmic range cannot hold; finer steps change little."""


def hist_gradient_boosting() -> dict[str, Parameter]:
    """For HistGradientBoostingClassifier and HistGradientBoostingRegressor of scikit-learn.

    The depth is left alone, since the number of leaves bounds a tree already, and so is early stopping, which begins
    by itself above 10,000 rows.

    >>> hist_gradient_boosting()["max_leaf_nodes"]
    Int(4, 255, log=True, default=31)
    """
    return {
        "learning_rate": Float(0.01, 1.0, log=True, default=0.1),
        "max_iter": Int(30, 1000, log=True, default=100),
        "max_leaf_nodes": Int(4, 255, log=True, default=31),
        "min_samples_leaf": Int(1, 100, log=True, default=20),
        "l2_regularization": Ordinal(STRENGTHS, default=0.0),
        "max_features": Float(0.3, 1.0, default=1.0),
    }


def lightgbm() -> dict[str, Parameter]:
    """For LGBMClassifier, LGBMRegressor and LGBMRanker, and for `lightgbm.train`, which knows the same names.

    `subsample` does nothing in LightGBM unless `subsample_freq` is above zero, so it is active only then.

    >>> lightgbm()["subsample"]
    Float(0.4, 1.0, default=1.0).when({'subsample_freq': [1]})
    """
    return {
        "learning_rate": Float(0.005, 0.5, log=True, default=0.1),
        "n_estimators": Int(30, 1000, log=True, default=100),
        "num_leaves": Int(4, 255, log=True, default=31),
        "min_child_samples": Int(1, 100, log=True, default=20),
        "subsample_freq": Choice([0, 1], default=0),
        "subsample": Float(0.4, 1.0, default=1.0).when(subsample_freq=1),
        "colsample_bytree": Float(0.3, 1.0, default=1.0),
        "reg_alpha": Ordinal(STRENGTHS, default=0.0),
        "reg_lambda": Ordinal(STRENGTHS, default=0.0),
    }


def xgboost() -> dict[str, Parameter]:
    """For XGBClassifier, XGBRegressor and XGBRanker, and but for `n_estimators` for `xgboost.train`, of the same names.

    The defaults are those of the library itself: those of its scikit-learn classes are None, which means the same.

    >>> xgboost()["learning_rate"].default
    0.3
    """
    return {
        "learning_rate": Float(0.005, 1.0, log=True, default=0.3),
        "n_estimators": Int(30, 1000, log=True, default=100),
        "max_depth": Int(1, 12, default=6),
        "min_child_weight": Float(0.1, 100.0, log=True, default=1.0),
        "subsample": Float(0.4, 1.0, default=1.0),
        "colsample_bytree": Float(0.3, 1.0, default=1.0),
        "gamma": Ordinal(STRENGTHS[:-1], default=0.0),
        "reg_alpha": Ordinal(STRENGTHS, default=0.0),
        "reg_lambda": Float(1e-3, 100.0, log=True, default=1.0),
    }


def catboost() -> dict[str, Parameter]:
    """For CatBoostClassifier and CatBoostRegressor, and for the parameters of `catboost.train`.

    The default of the learning rate is 0.03, which CatBoost takes whenever `l2_leaf_reg` is given. Otherwise it guesses
    one from the data, for some losses; the first trial is the library as it comes but for that guess.

    Trees are symmetric by default, of equal splits at each level; those that grow by depth have leaves of which the
    smallest number of rows can be set.

    >>> catboost()["min_data_in_leaf"].conditions
    (Condition(parent='grow_policy', values=('Depthwise',)),)
    """
    return {
        "learning_rate": Float(0.005, 0.5, log=True, default=0.03),
        "iterations": Int(100, 2000, log=True, default=1000),
        "depth": Int(3, 10, default=6),
        "l2_leaf_reg": Float(0.3, 30.0, log=True, default=3.0),
        "random_strength": Float(0.1, 10.0, log=True, default=1.0),
        "grow_policy": Choice(["SymmetricTree", "Depthwise"], default="SymmetricTree"),
        "min_data_in_leaf": Int(1, 100, log=True, default=1).when(grow_policy="Depthwise"),
    }
