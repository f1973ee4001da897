"""A user's own estimator as a member: any of scikit-learn's kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kilter.automl.members.member import Fitted, Left, Matrix, Params, Rows, Shape, relative, settled
from kilter.automl.state import State
from kilter.automl.task import Task
from kilter.core.errors import InvalidInput
from kilter.core.parameter import UNSET, Parameter


@dataclass(frozen=True)
class Own:
    """An estimator and what of it can be set: ("neighbours", KNeighborsClassifier(), {"n_neighbors": Int(1, 50)}).

    It is cloned for each fit and fed with the view "dense": numbers without gaps on a common scale. A parameter of the
    space that has no default begins with the estimator's own value. What it fits cannot be saved, for that would take
    a pickle: a member that is to be saved is a class with the methods of `kilter.automl.members.member.Member`.

    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from kilter import Int
    >>> Own("neighbours", KNeighborsClassifier(), {"n_neighbors": Int(1, 50)}).space(Task("binary", (0, 1)))
    {'n_neighbors': Int(1, 50, default=5)}
    """

    name: str
    prototype: Any
    parameters: Mapping[str, Parameter] | None = None
    view: str = "dense"

    def space(self, task: Task) -> dict[str, Parameter]:
        """What the user has named."""
        from dataclasses import replace

        known = self.prototype.get_params()
        return {
            name: parameter if parameter.default is not UNSET else replace(parameter, default=known[name])
            for name, parameter in (self.parameters or {}).items()
        }

    def work(self, params: Params, shape: Shape) -> float:
        """A guess from the size of the table; the first fit says more."""
        return 0.02 + 1e-6 * shape.rows * shape.columns

    def fit(self, params: Params, train: Rows, valid: Rows, task: Task, seed: int, left: Left) -> Fitted:
        """The estimator on `train`; it is not told of `valid`, and cannot be ended from outside."""
        from sklearn.base import clone
        from sklearn.utils.validation import has_fit_parameter

        estimator = clone(self.prototype).set_params(**settled(self, params, task))
        if "random_state" in estimator.get_params():
            estimator.set_params(random_state=seed % 2**31)
        weighed = train.weight is not None and has_fit_parameter(estimator, "sample_weight")
        more = {"sample_weight": relative(train.weight)} if weighed and train.weight is not None else {}
        return Foreign(self.name, estimator.fit(train.matrix.values, train.y, **more), task)

    def load(self, state: State) -> Fitted:
        """There is no such state."""
        raise _unsaved(self.name)


@dataclass(frozen=True, eq=False)
class Foreign:
    """A fitted estimator of another library."""

    name: str
    fitted: Any
    task: Task

    def predict(self, matrix: Matrix) -> np.ndarray:
        """By the estimator; a class that it has not seen has probability 0."""
        if self.task.is_regression:
            return np.asarray(self.fitted.predict(matrix.values), float)
        found = np.zeros((len(matrix), self.task.width))
        found[:, self.fitted.classes_] = self.fitted.predict_proba(matrix.values)
        return found

    def state(self) -> State:
        """There is none without a pickle."""
        raise _unsaved(self.name)

    def estimator(self) -> Any:
        """The estimator itself."""
        if not self.task.is_regression and len(self.fitted.classes_) < self.task.width:
            raise InvalidInput(f"the member {self.name!r} has not seen all classes in one fold: it cannot be exported")
        return self.fitted


def _unsaved(name: str) -> InvalidInput:
    return InvalidInput(
        f"the member {name!r} is an estimator of your own, which only a pickle could hold: leave it out of `members`, "
        "or give it the methods of kilter.automl.members.member.Member, of which `state` and `load` save it"
    )
