"""The constant: the mean of the target, or the shares of the classes. It is what there is when nothing else is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kilter.automl.members.member import Fitted, Left, Matrix, Params, Rows, Shape
from kilter.automl.state import State
from kilter.automl.task import Task
from kilter.core.parameter import Parameter


@dataclass(frozen=True)
class Constant:
    """Predicts the same of all rows: no time is too short for it, and no model should be worse."""

    name: str = "constant"
    view: str = "tree"

    def space(self, task: Task) -> dict[str, Parameter]:
        """There is nothing to set."""
        return {}

    def work(self, params: Params, shape: Shape) -> float:
        """Next to nothing."""
        return 1e-4

    def fit(self, params: Params, train: Rows, valid: Rows, task: Task, seed: int, left: Left) -> Fitted:
        """The weighted mean, or the shares of the classes."""
        if task.is_regression:
            return Always(np.array(np.average(train.y, weights=train.weight)))
        shares = np.bincount(train.y, weights=train.weight, minlength=task.width)
        return Always(shares / shares.sum())

    def load(self, state: State) -> Fitted:
        """From what is predicted."""
        return Always(state.arrays["always"])


@dataclass(frozen=True, eq=False)
class Always:
    """A value (), or probabilities (k,), for every row."""

    always: np.ndarray

    def predict(self, matrix: Matrix) -> np.ndarray:
        """The same for each row."""
        return np.tile(self.always, (len(matrix), *[1] * self.always.ndim))

    def state(self) -> State:
        """What is predicted."""
        return State(arrays={"always": self.always})

    def estimator(self) -> Any:
        """scikit-learn's, which predicts the same."""
        from sklearn.dummy import DummyClassifier, DummyRegressor

        if not self.always.ndim:
            return DummyRegressor(strategy="constant", constant=float(self.always)).fit([[0.0]], [0.0])
        dummy = DummyClassifier(strategy="prior").fit(np.zeros((len(self.always), 1)), np.arange(len(self.always)))
        dummy.class_prior_ = self.always
        return dummy
