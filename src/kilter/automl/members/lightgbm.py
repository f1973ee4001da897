"""LightGBM: boosted trees, ended by the validation rows, or from inside when the time is up.

The loop over rounds is our own, so that a fit may end after any round and keeps the best one. Its patience grows with
the rounds so far (a quarter of them) and is measured in work rather than in seconds: small trees on few rows need a
thousand rounds and cost next to nothing, and the same arguments have to give the same model on a busy machine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from kilter.automl.members.held_out import Steps
from kilter.automl.members.losses import softmax
from kilter.automl.members.member import (
    Fitted,
    HoldsOut,
    Left,
    Matrix,
    Params,
    Rows,
    Shape,
    both,
    part_of,
    relative,
    settled,
    told,
    told_task,
)
from kilter.automl.members.trees import checked
from kilter.automl.state import State
from kilter.automl.task import Task
from kilter.core.numbers import Float, Int
from kilter.core.options import Boolean
from kilter.core.parameter import Parameter

ROUNDS = 3000
"""The most rounds of a fit."""
PATIENCE, LONGEST, PATIENT = 30, 200, 0.05
"""Rounds without gain that are always allowed; up to so many where they take no more seconds of work than that."""
GAIN = 0.002
"""The share of the loss that counts as a gain: large trees on few rows go on for thousands of rounds for less."""
TREES = 20
"""Rounds that are predicted at a time."""
LOSSES = {"regression": "l2", "binary": "binary_logloss", "multiclass": "multi_logloss"}
OBJECTIVES = {"regression": "regression", "binary": "binary", "multiclass": "multiclass"}
ALWAYS = {
    "num_threads": 1,
    "verbosity": -1,
    "deterministic": True,
    "force_row_wise": True,
    "bagging_freq": 1,
    "cat_smooth": 10.0,
    "max_cat_threshold": 16,
    "min_data_per_group": 20,
    "max_bin": 127,
}
"""LightGBM's defaults but for categories, which on few rows need less data than its 100 rows a group, and for bins, of
which 255 take a tenth longer and gain nothing on 12 tables of 400 to 5,000 rows."""


@dataclass(frozen=True)
class LightGBM(HoldsOut):
    """Boosted trees by LightGBM, on the encoding `view`."""

    name: str = "lightgbm"
    view: str = "tree"

    def space(self, task: Task) -> dict[str, Parameter]:
        """LightGBM's words for what can be set."""
        return {
            "learning_rate": Float(0.01, 0.3, log=True, default=0.1),
            "num_leaves": Int(2, 256, log=True, default=31),
            "min_child_samples": Int(1, 100, log=True, default=20),
            "colsample_bytree": Float(0.2, 1.0, default=0.9),
            "subsample": Float(0.5, 1.0, default=0.9),
            "reg_lambda": Float(1e-3, 100.0, log=True, default=1e-3),
            "extra_trees": Boolean(default=False),
        }

    def work(self, params: Params, shape: Shape) -> float:
        """Seconds of a fit, of about as many rounds as this learning rate usually takes."""
        settings = settled(self, params, Task("regression"))
        rounds = float(20 / settings["learning_rate"] * (31 / settings["num_leaves"]) ** 0.4)
        return 0.002 + 1.6e-7 * shape.rows * shape.columns + min(rounds, ROUNDS) * _round(settings, shape)

    def fit_and_hold_out(
        self, params: Params, train: Rows, valid: Rows, task: Task, seed: int, left: Left
    ) -> tuple[Fitted, np.ndarray]:
        """As many rounds as the loss on `valid` falls."""
        import lightgbm

        settings = settled(self, params, task)
        shape = Shape(len(train.matrix), train.matrix.values.shape[1], task.width)
        own = _own_words(settings, shape, task, seed)
        data = _dataset(train, own)
        booster = lightgbm.Booster(own, data)
        steps = Steps(valid)
        for k, mask in enumerate(steps.masks):
            booster.add_valid(_dataset(part_of(valid, mask), own, data), str(k))
        patience = max(PATIENCE, min(LONGEST, int(PATIENT / _round(settings, shape))))
        rounds = _boost(booster, steps, patience, left)
        held_out = task.blank(len(valid.y)).astype(float)
        for mask, best in zip(steps.masks, steps.best.tolist(), strict=True):
            held_out[mask] = _predicted(booster, valid.matrix.values[mask], best, task)
        return Trees(booster.model_to_string(num_iteration=rounds), rounds, task), held_out

    def refit(self, params: Params, models: Sequence[Fitted], train: Rows, task: Task, seed: int, left: Left) -> Fitted:
        """As many rounds as the fits of folds had in the mean, and a tenth more, for there are more rows."""
        import lightgbm

        rounds = round(1.1 * np.mean([model.rounds for model in models if isinstance(model, Trees)]))
        shape = Shape(len(train.matrix), train.matrix.values.shape[1], task.width)
        own = _own_words(settled(self, params, task), shape, task, seed)
        booster = lightgbm.Booster(own, _dataset(train, own))
        done = 1
        while not booster.update() and done < rounds and left() > 0:
            done += 1
        return Trees(booster.model_to_string(num_iteration=done), done, task)

    def load(self, state: State) -> Fitted:
        """From LightGBM's own text, which is looked at first."""
        rounds, task = state.values["rounds"], told_task(state.values)
        return Trees(checked(state.texts["trees"], rounds, task), rounds, task)


@dataclass(frozen=True)
class Trees:
    """The best rounds of a fit, in LightGBM's text."""

    text: str
    rounds: int
    task: Task

    @cached_property
    def booster(self) -> Any:
        """LightGBM's object, made of the text alone, so that a loaded model is the same."""
        import lightgbm

        return lightgbm.Booster(model_str=self.text)

    def predict(self, matrix: Matrix) -> np.ndarray:
        """By LightGBM, a few trees at a time for all rows: they stay in the cache, which halves the time."""
        return _predicted(self.booster, matrix.values, self.rounds, self.task)

    def state(self) -> State:
        """The text, and what was predicted."""
        return State(told(self.task) | {"rounds": self.rounds}, texts={"trees": self.text})

    def estimator(self) -> Any:
        """LightGBM's own estimator, to which this model is given as what it goes on from, and no further round."""
        import lightgbm

        kind = lightgbm.LGBMRegressor if self.task.is_regression else lightgbm.LGBMClassifier
        rows = max(len(self.task.classes), 2)
        blank = np.zeros((rows, self.booster.num_feature()))
        estimator = kind(n_estimators=1, min_child_samples=rows + 1, verbose=-1, n_jobs=1)
        return estimator.fit(blank, np.arange(rows), init_model=self.booster)


def _round(settings: Mapping[str, Any], shape: Shape) -> float:
    """Seconds of one round, about: for each leaf and each value that a histogram is made of, once a tree and class.

    Measured on one core of a server of 2023, within a factor of two from 300 to 30,000 rows and 8 to 500 columns.
    """
    leaves = float(min(settings["num_leaves"], max(shape.rows / max(settings["min_child_samples"], 2), 2)))
    columns = shape.columns * float(settings["colsample_bytree"])
    of_leaves = leaves * (1.2e-6 + 2.7e-7 * columns)
    of_rows = shape.rows * (1.2e-8 + math.log2(leaves + 1) * (3e-9 + 1.7e-9 * columns))
    return (shape.width if shape.width > 2 else 1) * (1.5e-5 + of_leaves + of_rows)


def _own_words(settings: Mapping[str, Any], shape: Shape, task: Task, seed: int) -> dict[str, Any]:
    """LightGBM's parameters."""
    few = {"min_child_samples": max(1, min(settings["min_child_samples"], shape.rows // 10))}
    kind = {"objective": OBJECTIVES[task.kind], "metric": LOSSES[task.kind]}
    several = {"num_class": task.width} if task.kind == "multiclass" else {}
    return {**ALWAYS, **settings, **few, **kind, **several, "seed": seed % 2**31}


def _dataset(rows: Rows, own: Mapping[str, Any], reference: Any = None) -> Any:
    """LightGBM's own form of the rows; validation rows are binned as the training rows are."""
    import lightgbm

    weight = None if rows.weight is None else relative(rows.weight)
    return lightgbm.Dataset(
        rows.matrix.values,
        rows.y,
        weight=weight,
        reference=reference,
        categorical_feature=list(rows.matrix.categorical) or "auto",
        params=dict(own),
        free_raw_data=True,
    )


def _predicted(booster: Any, values: np.ndarray, rounds: int, task: Task) -> np.ndarray:
    """What the first rounds of a booster predict."""
    raw = np.zeros((len(values), task.width) if task.kind == "multiclass" else len(values))
    for begin in range(0, rounds, TREES):
        few = min(TREES, rounds - begin)
        raw += booster.predict(values, start_iteration=begin, num_iteration=few, raw_score=True, num_threads=1)
    if task.kind == "binary":
        return both(1 / (1 + np.exp(-raw)))
    return raw if task.is_regression else softmax(raw)


def _boost(booster: Any, steps: Steps, patience: int, left: Left) -> int:
    """The best number of rounds; the booster has some more. `steps` are told of all of them."""
    least, best, known, gained = math.inf, 1, math.inf, 1
    for done in range(1, ROUNDS + 1):
        finished = booster.update()
        loss = steps.saw(done, np.array([each[2] for each in booster.eval_valid()]))
        if loss < least:
            least, best = loss, done
        if loss < (1 - GAIN) * known:
            known, gained = loss, done
        if finished or done - gained > max(patience, done // 4) or left() <= 0:
            break
    return best
