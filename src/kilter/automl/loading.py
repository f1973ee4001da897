"""A fitted Classifier or Regressor from a file."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from typing import Any

from kilter.automl import saving
from kilter.automl.estimator import AutoEstimator, Classifier, Regressor
from kilter.automl.members import MEMBERS, UNCHECKED
from kilter.automl.members.member import Member
from kilter.automl.model import Model
from kilter.automl.state import State
from kilter.core.errors import InvalidInput, KilterError
from kilter.core.text import one_line

KINDS: dict[str, type[AutoEstimator]] = {"Classifier": Classifier, "Regressor": Regressor}


def load(
    path: str | os.PathLike[str], members: Iterable[Member] = (), most: int = saving.MOST, trust: bool = False
) -> Any:
    """The model that `save` wrote, with equal predictions to the last bit.

    members: your own ones that it was fitted with. most: bytes that it may unpack to. trust: also read models of
    CatBoost and XGBoost, whose own parsers a forged file may crash or lead anywhere; all others are checked first.
    Nothing in the file is executed. Raises InvalidInput where it is no such file, or of a newer kilter.
    """
    known = {each.name: each for each in (*MEMBERS.values(), *members)}
    state = saving.read(path, "model", most)
    try:
        if not trust and (names := _unchecked(state, known)):
            raise InvalidInput(
                f"{os.fspath(path)} holds models of {' and '.join(names)}, which nobody can check before that library "
                "reads them: where you know who wrote the file, load it with trust=True, or `kilter predict --trust`"
            )
        return _estimator(state, known)
    except KilterError:
        raise
    except Exception as error:  # its sums fit, yet somebody else wrote it
        why = one_line(f"{type(error).__name__}: {error}")
        raise InvalidInput(f"{os.fspath(path)} is no model that kilter has saved: {why}") from error


def _unchecked(state: State, known: dict[str, Member]) -> list[str]:
    """The libraries that would read bytes of the file on their own."""
    told = {part["member"] for part in state.part("model").part("model").values["parts"]}
    return [name for name in UNCHECKED if name in told and known[name] is MEMBERS[name]]


def _estimator(state: State, members: dict[str, Member]) -> AutoEstimator:
    head = state.part("estimator").values
    estimator = KINDS[head["class"]](**head["params"])
    estimator.restored(state, members)
    _check(estimator.model_, isinstance(estimator, Classifier))
    return estimator


def _check(model: Model, is_classifier: bool) -> None:
    """Raises ValueError where the values of a file cannot be: predictions would break, or be no numbers."""
    task, kind = model.task, "binary" if len(model.task.classes) <= 2 else "multiclass"
    if task.kind != (kind if is_classifier else "regression") or bool(task.classes) != is_classifier:
        raise ValueError(f"{len(task.classes)} classes, and what it predicts is {one_line(task.kind, 20)}")
    if not all(isinstance(each, (str, int, float)) for each in task.classes) or len({*task.classes}) < len(
        task.classes
    ):
        raise ValueError("its classes are not texts or numbers, each of them once")
    if not (0 < model.temperature < math.inf and math.isfinite(model.threshold)):
        raise ValueError(f"the temperature is {model.temperature}, the threshold {model.threshold}")
    for part in model.parts:
        if not all(0 <= each < math.inf for each in (part.weight, *part.shares)):
            raise ValueError(f"the weights of {one_line(part.member, 20)} are none")
        inner = [fitted.task for fitted in part.fitted if hasattr(fitted, "task")]
        if any((each.kind, each.width) != (task.kind, task.width) for each in inner):
            raise ValueError(f"the models of {one_line(part.member, 20)} predict something else")
