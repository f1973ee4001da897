"""A linear model with a quadratic penalty: ridge regression, or logistic regression of two or more classes.

The strength of the penalty is a path as the rounds of boosting are: from strong to weak, for as long as the loss on
the validation rows falls.

    X (n, d) centred rows = U S V', rank r     Z = X V (n, r)     w = V θ     penalty α/2 |w|² = α/2 |θ|²

One decomposition serves the whole path. Ridge regression is θ = S U'y / (S² + α). The logistic loss is minimised by
L-BFGS over θ √(S²/4 + α), in which its curvature is at most 1, and more than 0 by far: some ten steps do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kilter.automl.members.held_out import HeldOut
from kilter.automl.members.losses import softmax
from kilter.automl.members.member import (
    Fitted,
    HoldsOut,
    Left,
    Matrix,
    Params,
    Rows,
    Shape,
    relative,
    settled,
    told,
    told_task,
)
from kilter.automl.state import State
from kilter.automl.task import Task
from kilter.core.parameter import Parameter

PENALTIES = tuple(float(10.0**power) for power in np.arange(4.0, -2.1, -0.5))
"""The path of α, where the loss is a sum over rows."""


@dataclass(frozen=True)
class Linear(HoldsOut):
    """Ridge or logistic regression; there is nothing to set."""

    name: str = "linear"
    view: str = "dense"

    def space(self, task: Task) -> dict[str, Parameter]:
        """None: the validation rows choose the penalty."""
        return {}

    def work(self, params: Params, shape: Shape) -> float:
        """Seconds: the decomposition, and the path."""
        rank = min(shape.rows, shape.columns)
        products = rank * rank * (max(shape.rows, shape.columns) + 10 * rank)
        steps = 0 if shape.width == 1 else 10 * len(PENALTIES)
        return 0.005 + 4e-10 * products + 1.5e-9 * steps * shape.rows * (rank + 30) * shape.width

    def fit_and_hold_out(
        self, params: Params, train: Rows, valid: Rows, task: Task, seed: int, left: Left
    ) -> tuple[Fitted, np.ndarray]:
        """Down the path of penalties until the loss on `valid` has risen twice."""
        settled(self, params, task)
        rows = HeldOut(valid, task)
        best: Hyperplane | None = None
        least, worse = np.inf, 0
        for model in _path(train, task):
            loss = rows.saw(model.predict(valid.matrix))
            if loss < least or best is None:
                best, least, worse = model, loss, 0
            else:
                worse += 1
            if worse == 2 or left() <= 0:
                break
        assert best is not None
        return best, rows.predictions

    def refit(self, params: Params, models: Sequence[Fitted], train: Rows, task: Task, seed: int, left: Left) -> Fitted:
        """With the penalty that is in the middle of those of the fits of folds."""
        middle = np.median([model.penalty for model in models if isinstance(model, Hyperplane)])
        return next(model for model in _path(train, task) if model.penalty <= middle or left() <= 0)

    def load(self, state: State) -> Fitted:
        """From coefficients."""
        values, arrays = state.values, state.arrays
        return Hyperplane(arrays["coefficients"], arrays["intercept"], values["penalty"], told_task(values))


@dataclass(frozen=True)
class Hyperplane:
    """Coefficients (d, k) and intercepts (k,): one column for numbers, and one for each class."""

    coefficients: np.ndarray
    intercept: np.ndarray
    penalty: float
    task: Task

    def predict(self, matrix: Matrix) -> np.ndarray:
        """Values, or probabilities by the softmax."""
        found = np.asarray(matrix.values, float) @ self.coefficients + self.intercept
        return found[:, 0] if self.task.is_regression else softmax(found)

    def state(self) -> State:
        """The coefficients, and what was predicted."""
        arrays = {"coefficients": self.coefficients, "intercept": self.intercept}
        return State(told(self.task) | {"penalty": self.penalty}, arrays)

    def estimator(self) -> Any:
        """scikit-learn's Ridge or LogisticRegression with these coefficients."""
        from sklearn.linear_model import LogisticRegression, Ridge

        found = Ridge() if self.task.is_regression else LogisticRegression()
        coefficients, intercept = self.coefficients.T, self.intercept
        if self.task.is_regression:
            coefficients, intercept = coefficients[0], intercept[0]
        elif self.task.kind == "binary":
            coefficients, intercept = coefficients[1:] - coefficients[:1], intercept[1:] - intercept[:1]
        found.coef_, found.intercept_, found.n_features_in_ = coefficients, intercept, len(self.coefficients)
        if not self.task.is_regression:
            found.classes_ = np.arange(len(self.task.classes))
        return found


def _path(train: Rows, task: Task) -> Iterator[Hyperplane]:
    """The models of all penalties, from strong to weak."""
    weight = np.ones(len(train.y)) if train.weight is None else relative(train.weight)
    values = np.asarray(train.matrix.values, float)
    middle = np.average(values, axis=0, weights=weight)
    basis, squares = _basis((values - middle) * np.sqrt(weight)[:, None])
    rotated = (values - middle) @ basis
    solved = _ridge if task.is_regression else _logistic
    for penalty, theta, intercept in solved(rotated, train.y, weight, squares, task.width):
        coefficients = basis @ theta
        yield Hyperplane(coefficients, intercept - middle @ coefficients, penalty, task)


def _basis(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """V (d, r) and S² (r,) of the rows, by the smaller of their two Gram matrices."""
    wide = rows.shape[1] > rows.shape[0]
    squares, vectors = np.linalg.eigh(rows @ rows.T if wide else rows.T @ rows)
    kept = squares > 1e-10 * max(squares[-1], 1e-300)
    squares, vectors = squares[kept], vectors[:, kept]
    return (rows.T @ vectors / np.sqrt(squares) if wide else vectors), squares


_Solutions = Iterator[tuple[float, np.ndarray, np.ndarray]]
"""Penalties, θ (r, k), and intercepts (k,)."""


def _ridge(rotated: np.ndarray, y: np.ndarray, weight: np.ndarray, squares: np.ndarray, width: int) -> _Solutions:
    """In closed form."""
    intercept = np.average(y, weights=weight)
    moments = rotated.T @ (weight * (y - intercept))
    for penalty in PENALTIES:
        yield penalty, (moments / (squares + penalty))[:, None], np.array([intercept])


def _logistic(rotated: np.ndarray, y: np.ndarray, weight: np.ndarray, squares: np.ndarray, width: int) -> _Solutions:
    """Each begun where the last one ended."""
    from scipy.optimize import minimize

    n, r, k = *rotated.shape, width
    padded = np.column_stack([rotated, np.ones(n)])
    members = np.arange(n), y

    def loss(packed: np.ndarray, scale: np.ndarray, penalty: float) -> tuple[float, np.ndarray]:
        theta = packed.reshape(r + 1, k) / scale
        found = softmax(padded @ theta)
        value = -(weight * np.log(np.maximum(found[members], 1e-300))).sum() + penalty / 2 * (theta[:-1] ** 2).sum()
        found[members] -= 1
        found *= weight[:, None]
        slope = padded.T @ found
        slope[:-1] += penalty * theta[:-1]
        return value, (slope / scale).ravel()

    shares = np.bincount(y, weight, k) + 0.5
    theta = np.vstack([np.zeros((r, k)), np.log(shares / shares.sum())])
    for penalty in PENALTIES:
        scale = np.sqrt(np.append(squares, weight.sum()) / 4 + penalty)[:, None]
        options = {"maxiter": 60, "ftol": 1e-6, "maxcor": 8}
        found = minimize(loss, (theta * scale).ravel(), (scale, penalty), "L-BFGS-B", jac=True, options=options)
        theta = found.x.reshape(r + 1, k) / scale
        yield penalty, theta[:-1], theta[-1]
