"""TabICL and TabPFN: networks trained on made-up tables, which read the training rows whenever they predict.

Optional members, for small tables: `members=[…, ("tabicl", "tabicl-classifier.ckpt")]`. Weights are never fetched: the
path to them is yours, for classes or for numbers as your target is. They are written against the documented classes of
tabicl 2 and tabpfn 8 (`model_path`, `device`, `random_state`, `n_estimators`), on the CPU.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import Any

import numpy as np

from kilter.automl.members.member import Fitted, Left, Matrix, Params, Rows, Shape, settled, told, told_task
from kilter.automl.state import State
from kilter.automl.task import Task
from kilter.core.errors import needed
from kilter.core.numbers import Int
from kilter.core.parameter import Parameter


@dataclass(frozen=True)
class Library:
    """Where the estimators are, and what they are always told."""

    classifier: str
    regressor: str
    always: Mapping[str, Any] = field(default_factory=dict)


LIBRARIES = {
    "tabicl": Library("TabICLClassifier", "TabICLRegressor", {"allow_auto_download": False, "n_jobs": 1}),
    "tabpfn": Library("TabPFNClassifier", "TabPFNRegressor"),
}


@dataclass(frozen=True)
class InContext:
    """A network of the library `name`, with weights from a file of yours."""

    name: str
    weights: str
    view: str = "tree"

    def space(self, task: Task) -> dict[str, Parameter]:
        """How many shuffled copies of the table are averaged."""
        return {"n_estimators": Int(1, 32, log=True, default=4)}

    def work(self, params: Params, shape: Shape) -> float:
        """A guess of what predicting takes, for a fit only keeps the rows; the first one says more."""
        return 2.0 + 1e-4 * shape.rows * shape.columns

    def fit(self, params: Params, train: Rows, valid: Rows, task: Task, seed: int, left: Left) -> Fitted:
        """Keeps the training rows; weights of rows are not known to these libraries."""
        settings = settled(self, params, task) | {"random_state": seed % 2**31}
        return Context(self, settings, train.matrix.values, train.y, task)

    def load(self, state: State) -> Fitted:
        """From the training rows; the weights are those of this member, whatever the file says."""
        values, arrays = state.values, state.arrays
        return Context(self, dict(values["settings"]), arrays["rows"], arrays["y"], told_task(values))


@dataclass(frozen=True, eq=False)
class Context:
    """Training rows (n, d) and targets (n,), with which a network predicts."""

    member: InContext
    settings: Mapping[str, Any]
    rows: np.ndarray
    y: np.ndarray
    task: Task

    @cached_property
    def _fitted(self) -> Any:
        library = LIBRARIES[self.member.name]
        with needed(self.member.name, f"the member {self.member.name}"):
            module = import_module(self.member.name)
        kind = getattr(module, library.regressor if self.task.is_regression else library.classifier)
        made = kind(model_path=self.member.weights, device="cpu", **library.always, **self.settings)
        return made.fit(self.rows, self.y)

    def predict(self, matrix: Matrix) -> np.ndarray:
        """By the library; a class that is not among the training rows has probability 0."""
        if self.task.is_regression:
            return np.asarray(self._fitted.predict(matrix.values), float)
        found = np.zeros((len(matrix), self.task.width))
        found[:, self._fitted.classes_] = self._fitted.predict_proba(matrix.values)
        return found

    def state(self) -> State:
        """The training rows, without the weights or where they lie."""
        return State(told(self.task) | {"settings": dict(self.settings)}, {"rows": self.rows, "y": self.y})

    def estimator(self) -> Any:
        """The library's own."""
        return self._fitted
