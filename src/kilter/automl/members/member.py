"""The seam of members: what a family of models has to say and do to take part."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from kilter.automl.state import State
from kilter.automl.task import Task
from kilter.core.parameter import Parameter

if TYPE_CHECKING:
    import numpy as np

Left = Callable[[], float]
"""Seconds that a fit still has; infinite where nothing limits it. A fit that runs out keeps its best state so far."""

Params = Mapping[str, Any]


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

    `name` stands in configurations, leaderboards and files. `view` is the encoding that it is fed with (encoding.py).
    A fit is a function of its arguments: of params, rows, task and seed, unless the time runs out.
    """

    name: str
    view: str

    def space(self, task: Task) -> dict[str, Parameter]:
        """What can be set, with defaults that are good ones."""

    def work(self, params: Params, shape: Shape) -> float:
        """About how long a fit takes, relative to other configurations and shapes: a first guess, in seconds."""

    def fit(self, params: Params, train: Rows, valid: Rows, task: Task, seed: int, left: Left) -> Fitted:
        """Fit on `train`; `valid` says when to stop. Rows of `valid` change nothing else."""

    def load(self, state: State) -> Fitted:
        """The fitted model of which this is the state."""
