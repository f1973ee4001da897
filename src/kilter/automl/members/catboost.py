"""CatBoost: boosted symmetric trees, an optional member: `members=[…, "catboost"]`, `pip install catboost`."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from kilter.automl.members.member import Fitted, Left, Matrix, Params, Rows, Shape, relative, settled, told, told_task
from kilter.automl.state import State
from kilter.automl.task import Task
from kilter.core.errors import needed
from kilter.core.numbers import Float, Int
from kilter.core.parameter import Parameter

LOSSES = {"regression": "RMSE", "binary": "Logloss", "multiclass": "MultiClass"}
ROUNDS = 2000
PATIENCE = 50


@dataclass(frozen=True)
class CatBoost:
    """Boosted symmetric trees. Codes of levels are numbers to it: encoding.py has made of others what it needs."""

    name: str = "catboost"
    view: str = "tree"

    def space(self, task: Task) -> dict[str, Parameter]:
        """CatBoost's words for what can be set."""
        return {
            "learning_rate": Float(0.01, 0.3, log=True, default=0.08),
            "depth": Int(2, 10, default=6),
            "l2_leaf_reg": Float(0.1, 30.0, log=True, default=3.0),
            "random_strength": Float(0.1, 10.0, log=True, default=1.0),
        }

    def work(self, params: Params, shape: Shape) -> float:
        """Seconds: some hundred rounds, each of which looks at all values on each level of a tree."""
        settings = settled(self, params, Task("regression"))
        of_round = 1e-3 + settings["depth"] * shape.rows * shape.columns * 3e-9 + 2e-7 * 2 ** settings["depth"]
        return 0.1 + float(30 / settings["learning_rate"] * of_round * (shape.width if shape.width > 2 else 1))

    def fit(self, params: Params, train: Rows, valid: Rows, task: Task, seed: int, left: Left) -> Fitted:
        """As many rounds as the loss on `valid` falls."""
        settings = settled(self, params, task)
        with needed("catboost", "the member catboost"):
            from catboost import CatBoost as Model
            from catboost import Pool

        model = Model(
            {
                **settings,
                "loss_function": LOSSES[task.kind],
                "iterations": ROUNDS,
                "early_stopping_rounds": PATIENCE,
                "random_seed": seed % 2**31,
                "thread_count": 1,
                "logging_level": "Silent",
                "allow_writing_files": False,
                "allow_const_label": True,
                **({} if task.is_regression else {"class_names": list(range(task.width))}),
            }
        )
        pools = [Pool(rows.matrix.values, rows.y, weight=_weight(rows)) for rows in (train, valid)]
        model.fit(pools[0], eval_set=pools[1], callbacks=[_Clock(left)])
        return SymmetricTrees(_bytes(model), task)

    def load(self, state: State) -> Fitted:
        """From CatBoost's own format."""
        return SymmetricTrees(state.arrays["trees"], told_task(state.values))


@dataclass(frozen=True, eq=False)
class SymmetricTrees:
    """The best rounds of a fit, in CatBoost's own format, (bytes,) uint8."""

    trees: np.ndarray
    task: Task

    @cached_property
    def model(self) -> Any:
        """CatBoost's estimator of these trees."""
        with needed("catboost", "the member catboost"):
            from catboost import CatBoostClassifier, CatBoostRegressor

        kind = CatBoostRegressor if self.task.is_regression else CatBoostClassifier
        return kind().load_model(blob=self.trees.tobytes())

    def predict(self, matrix: Matrix) -> np.ndarray:
        """By CatBoost, on one thread."""
        model = self.model
        if self.task.is_regression:
            return np.asarray(model.predict(matrix.values, thread_count=1))
        return np.asarray(model.predict_proba(matrix.values, thread_count=1))

    def state(self) -> State:
        """The trees, and what was predicted."""
        return State(told(self.task), {"trees": self.trees})

    def estimator(self) -> Any:
        """CatBoost's own."""
        return self.model


@dataclass(frozen=True)
class _Clock:
    """Ends a fit when its time is up."""

    left: Left

    def after_iteration(self, info: Any) -> bool:
        """Whether to go on."""
        return self.left() > 0


def _weight(rows: Rows) -> np.ndarray | None:
    return None if rows.weight is None else relative(rows.weight)


def _bytes(model: Any) -> np.ndarray:
    """A model in CatBoost's format, which it writes to files only."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model")
        model.save_model(str(path))
        return np.frombuffer(path.read_bytes(), np.uint8)
