"""Studies under the module name that Optuna's users import from, and what stands beside them there."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from kilter.api import Study, create_study, delete_study, get_all_study_names, load_study
from kilter.core.errors import InvalidInput
from kilter.core.events import TrialState
from kilter.trial import FrozenTrial

__all__ = [
    "MaxTrialsCallback",
    "Study",
    "StudyDirection",
    "create_study",
    "delete_study",
    "get_all_study_names",
    "load_study",
]


def __dir__() -> list[str]:
    return list(__all__)


class StudyDirection(str, Enum):
    """The directions by name; each equals its text.

    >>> StudyDirection.MINIMIZE == "minimize"
    True
    """

    MINIMIZE = "minimize"
    MAXIMIZE = "maximize"


class MaxTrialsCallback:
    """Stops a study that has `n_trials` trials in any of the states, those of other workers included.

    tune(n_trials=…) and optimize(limits=Limits(trials=…)) bound a study without a callback.
    """

    def __init__(self, n_trials: int, states: Iterable[TrialState] | None = (TrialState.COMPLETE,)) -> None:
        if n_trials < 0:
            raise InvalidInput(f"n_trials={n_trials!r} of MaxTrialsCallback: it must be a whole number from 0 on")
        self._n_trials = n_trials
        self._states = None if states is None else tuple(states)

    def __call__(self, study: Study, trial: FrozenTrial) -> None:
        """Look at the study after a trial has ended."""
        if len(study.get_trials(deepcopy=False, states=self._states)) >= self._n_trials:
            study.stop()
