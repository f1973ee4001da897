"""Hyperparameter tuning: `tune` for three lines, `create_study` for Optuna's words. Names load on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "kilter.api": (
        *("Study", "StudyView", "create_study", "delete_study", "get_all_study_names", "load_study", "read_study"),
        *("portfolio", "tune"),
    ),
    "kilter.study": ("copy_study", "get_all_study_summaries"),
    "kilter.frozen": ("FrozenTrial", "create_trial"),
    "kilter.core.errors": ("KilterError", "NotReady", "StudyAborted", "StudyChanged", "TrialPruned"),
    "kilter.core.events": ("TrialState",),
    "kilter.core.interfaces": ("Resources",),
    "kilter.core.limits": ("Limits",),
    "kilter.core.numbers": ("Float", "Int"),
    "kilter.core.options": ("Boolean", "Choice", "Ordinal"),
    "kilter.core.parameter": ("Prior",),
    "kilter.core.scaling": ("Learnt",),
    "kilter.core.simplex": ("Simplex",),
    "kilter.core.subset": ("Subset",),
    "kilter.core.problem": ("Fidelity",),
    "kilter.core.space": ("Space",),
    "kilter.objective.trial": ("Trial",),
    "kilter.transfer.given": ("Earlier",),
}
_MODULES = (
    "artifacts",
    "automl",
    "distributions",
    "exceptions",
    "evaluation",
    "executors",
    "importance",
    "integrations",
    "laws",
    "logging",
    "pruners",
    "samplers",
    "schedulers",
    "search_space",
    "spaces",
    "storages",
    "study",
    "terminator",
    "trial",
    "visualization",
)
_OPTUNAS = ("integration", "version")
"""Modules that only Optuna's users look for."""
_PLACE = {name: module for module, names in _HOME.items() for name in names}

__all__ = sorted(_PLACE)

if TYPE_CHECKING:
    from kilter.api import (
        Study,
        StudyView,
        create_study,
        delete_study,
        get_all_study_names,
        load_study,
        portfolio,
        read_study,
        tune,
    )
    from kilter.core.errors import KilterError, NotReady, StudyAborted, StudyChanged, TrialPruned
    from kilter.core.events import TrialState
    from kilter.core.interfaces import Resources
    from kilter.core.limits import Limits
    from kilter.core.numbers import Float, Int
    from kilter.core.options import Boolean, Choice, Ordinal
    from kilter.core.parameter import Prior
    from kilter.core.problem import Fidelity
    from kilter.core.scaling import Learnt
    from kilter.core.simplex import Simplex
    from kilter.core.space import Space
    from kilter.core.subset import Subset
    from kilter.frozen import FrozenTrial, create_trial
    from kilter.objective.trial import Trial
    from kilter.study import copy_study, get_all_study_summaries
    from kilter.transfer.given import Earlier


def __getattr__(name: str) -> Any:
    if name in _PLACE:
        value = getattr(import_module(_PLACE[name]), name)
        globals()[name] = value
        return value
    if name in _MODULES or name in _OPTUNAS:
        return import_module(f"kilter.{name}")
    raise AttributeError(f"module 'kilter' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, *_MODULES, "__version__"]
