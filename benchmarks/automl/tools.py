"""The tools of the race: each fits on the raw frame within a budget of seconds and predicts the test part.

A tool returns predictions ((n,) values, or (n, k) probabilities of np.unique(y)'s classes) and what it says of itself.
Others than kilter are optional: one that is not installed sits out.
"""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from tables import Problem

METRIC = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "r2"}
Answer = tuple[np.ndarray, dict[str, Any]]


def kilter(problem: Problem, budget: float, seed: int) -> Answer:
    from kilter.automl import Classifier, Regressor

    tool = Regressor if problem.kind == "regression" else Classifier
    model = tool(time_limit=budget, random_state=seed, metric=METRIC[problem.kind]).fit(problem.frame, problem.y)
    said = model.score_estimate_
    models = len(model.leaderboard())
    return predicted(model, problem), {"said": said.value, "interval": list(said.interval), "models": models}


def lightgbm(problem: Problem, budget: float, seed: int) -> Answer:
    """LightGBM as it comes, on codes of categories, with no regard for the budget."""
    from lightgbm import LGBMClassifier, LGBMRegressor

    tool = LGBMRegressor if problem.kind == "regression" else LGBMClassifier
    train, test = as_numbers(problem)
    model = tool(n_jobs=1, verbose=-1, random_state=seed).fit(train.to_numpy(), problem.y)
    return answer(model, problem, test.to_numpy()), {}


def linear(problem: Problem, budget: float, seed: int) -> Answer:
    """A linear model with its penalty chosen in folds, on codes of categories."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    ridge = RidgeCV(np.logspace(-3, 4, 15))
    logistic = GridSearchCV(LogisticRegression(max_iter=500), {"C": np.logspace(-4, 4, 6)}, scoring="neg_log_loss")
    last = ridge if problem.kind == "regression" else logistic
    train, test = as_numbers(problem)
    model = make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), last).fit(train, problem.y)
    return answer(model, problem, test), {}


def flaml(problem: Problem, budget: float, seed: int) -> Answer:
    from flaml import AutoML

    task = "regression" if problem.kind == "regression" else "classification"
    model = AutoML()
    model.fit(X_train=problem.frame.copy(), y_train=problem.y, task=task, time_budget=budget, seed=seed, n_jobs=1,
              verbose=0, metric=METRIC[problem.kind])  # fmt: skip
    said = -model.best_loss if problem.kind == "multiclass" else 1 - model.best_loss
    return predicted(model, problem), {"said": float(said), "models": len(model.config_history or {})}


def autogluon(problem: Problem, budget: float, seed: int) -> Answer:
    """AutoGluon's `best_quality`. It takes no seed of users."""
    from autogluon.tabular import TabularPredictor

    train = problem.frame.assign(**{"the target": problem.y})
    with tempfile.TemporaryDirectory() as folder:
        model = TabularPredictor("the target", path=folder, verbosity=0, problem_type=problem.kind,
                                 eval_metric=METRIC[problem.kind])  # fmt: skip
        model.fit(train, time_limit=budget, presets="best_quality", num_cpus=1, num_gpus=0)
        board = model.leaderboard(silent=True)
        said = float(board.set_index("model").score_val[model.model_best])
        return np.asarray(predicted(model, problem)), {"said": said, "models": len(board)}


TOOLS = {"kilter": kilter, "lightgbm": lightgbm, "linear": linear, "flaml": flaml, "autogluon": autogluon}
PACKAGES = {"flaml": "flaml", "autogluon": "autogluon"}


def predicted(model: Any, problem: Problem) -> np.ndarray:
    return answer(model, problem, problem.test_frame)


def answer(model: Any, problem: Problem, frame: Any) -> np.ndarray:
    return np.asarray(model.predict(frame) if problem.kind == "regression" else model.predict_proba(frame))


def as_numbers(problem: Problem) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What a user writes before tools that want numbers: codes of levels seen in training, days of dates."""
    train, test = problem.frame.copy(), problem.test_frame.copy()
    for column in train:
        if pd.api.types.is_datetime64_any_dtype(train[column]):
            start = train[column].min()
            train[column], test[column] = ((part[column] - start).dt.days for part in (train, test))
        elif not pd.api.types.is_numeric_dtype(train[column]):
            codes = {level: code for code, level in enumerate(sorted(train[column].dropna().unique()))}
            train[column], test[column] = train[column].map(codes), test[column].map(codes)
    return train.astype(float), test.astype(float)
