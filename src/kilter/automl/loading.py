"""A fitted Classifier or Regressor from a file."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from kilter.automl import saving
from kilter.automl.estimator import AutoEstimator, Classifier, Regressor
from kilter.automl.members import MEMBERS
from kilter.automl.members.member import Member
from kilter.automl.state import State
from kilter.core.errors import InvalidInput, KilterError
from kilter.core.text import one_line

KINDS: dict[str, type[AutoEstimator]] = {"Classifier": Classifier, "Regressor": Regressor}


def load(path: str | os.PathLike[str], members: Iterable[Member] = (), most: int = saving.MOST) -> Any:
    """The model that `save` wrote, with equal predictions to the last bit.

    members: your own ones that it was fitted with. most: bytes that it may unpack to.
    Nothing in the file is executed. Raises InvalidInput where it is no such file, or of a newer kilter.
    """
    known = {each.name: each for each in (*MEMBERS.values(), *members)}
    state = saving.read(path, "model", most)
    try:
        return _estimator(state, known)
    except KilterError:
        raise
    except Exception as error:  # its sums fit, yet somebody else wrote it
        why = one_line(f"{type(error).__name__}: {error}")
        raise InvalidInput(f"{os.fspath(path)} is no model that kilter has saved: {why}") from error


def _estimator(state: State, members: dict[str, Member]) -> AutoEstimator:
    head = state.part("estimator").values
    estimator = KINDS[head["class"]](**head["params"])
    estimator.restored(state, members)
    return estimator
