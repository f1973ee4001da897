"""What a fit can say of its ensemble on rows that it has not seen, and of single rows: explain.py, asked of tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from kilter.automl import explain
from kilter.automl.calibration import tempered
from kilter.automl.explain import Importances, Parts, Places, Unseen
from kilter.automl.inputs import as_frame
from kilter.automl.reading import Table
from kilter.core.errors import InvalidInput

if TYPE_CHECKING:
    from kilter.automl.data import Data
    from kilter.automl.fitting import Outcome
    from kilter.automl.model import Model
    from kilter.automl.reading import Reading

BACKGROUND = 200
"""Training rows that a row is compared with, at most."""


def out_of_fold(outcome: Outcome) -> tuple[np.ndarray, np.ndarray]:
    """The places of the rows that some fold has scored, and what the ensemble predicts of them there."""
    weighed = [pair for pair in zip(outcome.weights, outcome.candidates, strict=True) if pair[0]]
    predictions = sum(weight * candidate.out_of_fold.astype(float) for weight, candidate in weighed)
    if outcome.data.task.is_regression:
        rows = np.flatnonzero(np.isfinite(predictions))
        return rows, predictions[rows]
    rows = np.flatnonzero(np.isfinite(predictions[:, 0]))
    return rows, tempered(predictions[rows], outcome.model.temperature)


def importances(outcome: Outcome, seed: int = 0, most: int = explain.ROWS) -> Importances:
    """How far the score falls without each column, on at most so many rows out of fold.

    Raises InvalidInput where no fold has a score, and where the target is constant.
    """
    data, model = outcome.data, outcome.model
    if data.is_constant:
        raise InvalidInput("all rows have the same target, so no column matters")
    folds = [_unseen(data, model, place, rows) for place, (_, rows) in enumerate(data.folds)]
    return explain.importances(_used(data.reading), folds, data.metric.score, data.metric.name, seed, most)


def parts(model: Model, given: Any, count: int, seen: Table | None = None, seed: int = 0) -> list[Parts]:
    """What each column adds to the predictions of the first of the given rows, so many of them.

    They are compared with training rows, those of `seen`; without these with one another, so that there have to be
    two. Of two classes it is the probability of the second; of more, of the one that is predicted.
    """
    frame = as_frame(given, model.reading.names)
    own = model.reading.table(frame)
    if seen is None and len(own) < 2:
        raise InvalidInput("a model from a file has no rows to compare a single one with: pass some more rows in X")
    others = own if seen is None else seen.rows(_spread(len(seen)))
    table = others.beside(own)
    names = _used(model.reading)
    shown = frame[names].head(count).to_dict("records")
    places = np.arange(len(others))
    return [_parts(model, table, values, len(others) + i, places, seed) for i, values in enumerate(shown)]


def _parts(model: Model, table: Table, values: Mapping[str, Any], row: int, others: np.ndarray, seed: int) -> Parts:
    task = model.task
    if task.is_regression:
        return explain.parts(values, row, others, lambda p: model.predictions(table.mixed(p)), "prediction", seed)
    column = 1 if task.kind == "binary" else int(np.argmax(model.predictions(table.rows(np.array([row])))[0]))
    of = f"probability of {task.classes[column]}"
    return explain.parts(values, row, others, lambda p: model.predictions(table.mixed(p))[:, column], of, seed)


def _spread(rows: int) -> np.ndarray:
    """At most BACKGROUND places, evenly spread."""
    return np.arange(0, rows, -(-rows // BACKGROUND))


def _unseen(data: Data, model: Model, place: int, rows: np.ndarray) -> Unseen:
    def predict(places: Places) -> np.ndarray:
        return model.predict_fold(data.table.mixed(places), place)

    return Unseen(rows, data.y[rows], predict)


def _used(reading: Reading) -> list[str]:
    """The columns that a model may rest on."""
    return [column.name for column in reading.columns if column.kind != "drop"]
