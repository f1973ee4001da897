"""Trials under the module name that Optuna's users import from."""

from __future__ import annotations

from kilter.core.events import TrialState
from kilter.frozen import BaseTrial, FixedTrial, FrozenTrial, create_trial
from kilter.objective.trial import Trial

__all__ = ["BaseTrial", "FixedTrial", "FrozenTrial", "Trial", "TrialState", "create_trial"]


def __dir__() -> list[str]:
    return list(__all__)
