"""XGBoost: boosted trees grown level by level, an optional member: `members=[…, "xgboost"]`, `pip install xgboost`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from kilter.automl.members.held_out import HeldOut
from kilter.automl.members.member import (
    Fitted,
    HoldsOut,
    Left,
    Matrix,
    Params,
    Rows,
    Shape,
    both,
    relative,
    settled,
    told,
    told_task,
)
from kilter.automl.state import State
from kilter.automl.task import Task
from kilter.core.errors import needed
from kilter.core.numbers import Float, Int
from kilter.core.parameter import Parameter

OBJECTIVES = {"regression": "reg:squarederror", "binary": "binary:logistic", "multiclass": "multi:softprob"}
ROUNDS = 2000
PATIENCE = 50


@dataclass(frozen=True)
class XGBoost(HoldsOut):
    """Boosted trees by histograms."""

    name: str = "xgboost"
    view: str = "tree"

    def space(self, task: Task) -> dict[str, Parameter]:
        """XGBoost's words for what can be set."""
        return {
            "learning_rate": Float(0.01, 0.3, log=True, default=0.08),
            "max_depth": Int(1, 12, default=6),
            "min_child_weight": Float(0.1, 100.0, log=True, default=1.0),
            "colsample_bytree": Float(0.2, 1.0, default=0.8),
            "subsample": Float(0.5, 1.0, default=0.9),
            "reg_lambda": Float(1e-3, 100.0, log=True, default=1.0),
        }

    def work(self, params: Params, shape: Shape) -> float:
        """Seconds: some hundred rounds, each of which looks at all values on each level of a tree."""
        settings = settled(self, params, Task("regression"))
        of_leaves = min(2 ** settings["max_depth"], shape.rows / 4) * (2e-6 + 5e-7 * shape.columns)
        of_rows = settings["max_depth"] * shape.rows * shape.columns * 2e-9
        trees = shape.width if shape.width > 2 else 1
        return 0.02 + float(20 / settings["learning_rate"] * trees * (3e-4 + of_leaves + of_rows))

    def fit_and_hold_out(
        self, params: Params, train: Rows, valid: Rows, task: Task, seed: int, left: Left
    ) -> tuple[Fitted, np.ndarray]:
        """As many rounds as the loss on `valid` falls."""
        with needed("xgboost", "the member xgboost"):
            import xgboost

        own = settled(self, params, task) | {"objective": OBJECTIVES[task.kind]}
        own |= {"nthread": 1, "seed": seed % 2**31, "verbosity": 0, "tree_method": "hist"}
        own |= {"num_class": task.width} if task.kind == "multiclass" else {}
        data, seen = (
            xgboost.DMatrix(rows.matrix.values, rows.y, weight=None if rows.weight is None else relative(rows.weight))
            for rows in (train, valid)
        )
        booster = xgboost.Booster(own, [data, seen])
        rows, least, best = HeldOut(valid, task), math.inf, 0
        for done in range(ROUNDS):
            booster.update(data, done)
            found = booster.predict(seen)  # which XGBoost keeps from round to round
            loss = rows.saw(both(found) if task.kind == "binary" else found)
            if loss < least:
                least, best = loss, done
            if done - best > max(PATIENCE, done // 4) or left() <= 0:
                break
        return LevelTrees(booster[: best + 1].save_raw("json").decode(), task), rows.predictions

    def load(self, state: State) -> Fitted:
        """From XGBoost's own JSON."""
        return LevelTrees(state.texts["trees"], told_task(state.values))


@dataclass(frozen=True)
class LevelTrees:
    """The best rounds of a fit, in XGBoost's JSON."""

    text: str
    task: Task

    @cached_property
    def booster(self) -> Any:
        """XGBoost's object, made of the text alone."""
        with needed("xgboost", "the member xgboost"):
            import xgboost

        return xgboost.Booster({"nthread": 1}, model_file=bytearray(self.text.encode()))

    def predict(self, matrix: Matrix) -> np.ndarray:
        """By XGBoost, on one thread."""
        found = np.asarray(self.booster.inplace_predict(matrix.values))
        return np.asarray(both(found) if self.task.kind == "binary" else found, float)

    def state(self) -> State:
        """The text, and what was predicted."""
        return State(told(self.task), texts={"trees": self.text})

    def estimator(self) -> Any:
        """XGBoost's own."""
        with needed("xgboost", "the member xgboost"):
            from xgboost import XGBClassifier, XGBRegressor

        found = XGBRegressor(n_jobs=1) if self.task.is_regression else XGBClassifier(n_jobs=1)
        found.load_model(bytearray(self.text.encode()))
        return found
