"""The seam of members: what a family of models has to say and do to take part."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from kilter.automl.state import State
from kilter.automl.task import Task
from kilter.core.errors import InvalidInput, UnknownName
from kilter.core.parameter import Parameter

Left = Callable[[], float]
"""Seconds that a fit still has; infinite where nothing limits it. A fit that runs out keeps its best state so far."""

Params = Mapping[str, Any]

MOST_CLASSES = 2**20
"""Of a model in a file: more would only fill the memory."""


@dataclass(frozen=True)
class Matrix:
    """Encoded rows: (n, d) floats, the names of columns, and the places of those that hold codes of levels."""

    values: np.ndarray
    names: Sequence[str] = ()
    categorical: Sequence[int] = ()

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class Rows:
    """Encoded rows with what is to be predicted, (n,), and weights, (n,), where they differ."""

    matrix: Matrix
    y: np.ndarray
    weight: np.ndarray | None = None


@dataclass(frozen=True)
class Shape:
    """How large a problem is: what a fit costs follows from it."""

    rows: int
    columns: int
    width: int


class Fitted(Protocol):
    """One model, fitted on the training rows of one fold."""

    def predict(self, matrix: Matrix) -> np.ndarray:
        """(n,) values, or (n, k) probabilities that sum to 1."""

    def state(self) -> State:
        """What `Member.load` builds it from again, with equal predictions."""

    def estimator(self) -> Any:
        """The same model as a fitted estimator of scikit-learn or of the member's library, without kilter.

        It takes the values of the same view; predictions agree to 1e-9. Raises InvalidInput where there is none.
        """


class Member(Protocol):
    """A family of models.

    A fit is a function of its arguments: of params, rows, task and seed, unless the time runs out.
    """

    @property
    def name(self) -> str:
        """As it stands in configurations, leaderboards and files."""

    @property
    def view(self) -> str:
        """The encoding that it is fed with (encoding.py)."""

    def space(self, task: Task) -> dict[str, Parameter]:
        """What can be set, with defaults that are good ones."""

    def work(self, params: Params, shape: Shape) -> float:
        """About how long a fit takes, relative to other configurations and shapes: a first guess, in seconds."""

    def fit(self, params: Params, train: Rows, valid: Rows, task: Task, seed: int, left: Left) -> Fitted:
        """Fit on `train`; `valid` says when to stop. Rows of `valid` change nothing else."""

    def load(self, state: State) -> Fitted:
        """The fitted model of which this is the state."""


@runtime_checkable
class Refits(Protocol):
    """A member that can be fitted on all rows, with none held back, once fits of folds have shown for how long."""

    def refit(self, params: Params, models: Sequence[Fitted], train: Rows, task: Task, seed: int, left: Left) -> Fitted:
        """One model on `train`, which goes on for about as long as `models`, its fits of folds, did at best."""


@runtime_checkable
class HoldsOut(Protocol):
    """A member whose fits stop where the validation rows like it best, and that can say what they are without that.

    Members that name it as what they are have its `fit`.
    """

    def fit(self, params: Params, train: Rows, valid: Rows, task: Task, seed: int, left: Left) -> Fitted:
        """See Member."""
        return self.fit_and_hold_out(params, train, valid, task, seed, left)[0]

    def fit_and_hold_out(
        self, params: Params, train: Rows, valid: Rows, task: Task, seed: int, left: Left
    ) -> tuple[Fitted, np.ndarray]:
        """What `fit` gives, and predictions of `valid` in which no row has had a say (held_out.py)."""
        raise NotImplementedError


def part_of(rows: Rows, mask: np.ndarray) -> Rows:
    """Some of the rows."""
    matrix = Matrix(rows.matrix.values[mask], rows.matrix.names, rows.matrix.categorical)
    return Rows(matrix, rows.y[mask], None if rows.weight is None else rows.weight[mask])


def settled(member: Member, params: Params, task: Task) -> dict[str, Any]:
    """All settings of a configuration, defaults included; an unknown one is an error that names the nearest."""
    space = member.space(task)
    for name in params:
        if name not in space:
            raise UnknownName.of(f"setting of the member {member.name!r}:", name, space)
    return {name: parameter.default for name, parameter in space.items()} | dict(params)


def relative(weight: np.ndarray) -> np.ndarray:
    """Weights whose mean is 1, so that limits and penalties mean the same whatever their scale was."""
    return np.asarray(weight / np.mean(weight), float)


def both(second: np.ndarray) -> np.ndarray:
    """(n, 2) probabilities of two classes from those of the second, (n,)."""
    return np.column_stack([1 - second, second])


def told(task: Task) -> dict[str, Any]:
    """The task in the values of a state; a fitted model needs the number of classes, not the classes."""
    return {"kind": task.kind, "classes": len(task.classes)}


def told_task(values: Mapping[str, Any]) -> Task:
    """The task that `told` told of, whose classes are their places."""
    if not 0 <= values["classes"] <= MOST_CLASSES:
        raise InvalidInput(f"a model of {values['classes']} classes, of at most {MOST_CLASSES:,}: the file was changed")
    return Task(values["kind"], tuple(range(values["classes"])))
