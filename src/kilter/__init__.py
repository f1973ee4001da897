"""Hyperparameter tuning: `tune` for three lines, `create_study` for Optuna's words. Names load on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "kilter.api": ("Study", "create_study", "delete_study", "get_all_study_names", "load_study", "tune"),
    "kilter.trial": ("FrozenTrial", "create_trial"),
    "kilter.core.errors": ("KilterError", "TrialPruned"),
    "kilter.core.events": ("TrialState",),
    "kilter.core.interfaces": ("Resources",),
    "kilter.core.parameter": ("Boolean", "Choice", "Float", "Int", "Ordinal", "Prior"),
    "kilter.core.problem": ("Fidelity",),
    "kilter.core.space": ("Space",),
    "kilter.executors.context": ("Trial",),
}
_MODULES = (
    "distributions",
    "exceptions",
    "integrations",
    "logging",
    "samplers",
    "schedulers",
    "spaces",
    "study",
    "trial",
)
_INSTEAD = {
    "pruners": "give create_study(scheduler=…) the name of one of kilter.schedulers, or leave it out",
    "visualization": "read study.trials_dataframe()",
    "copy_study": "pass the old study's .trials to the new one's add_trials()",
    "storages": 'give create_study(storage="sqlite:///study.db")',
    "integration": "callbacks are in kilter.integrations, one module for each library",
}
"""What to use in place of names that Optuna's users look for."""
_PLACE = {name: module for module, names in _HOME.items() for name in names}

__all__ = sorted(_PLACE)

if TYPE_CHECKING:
    from kilter.api import Study, create_study, delete_study, get_all_study_names, load_study, tune
    from kilter.core.errors import KilterError, TrialPruned
    from kilter.core.events import TrialState
    from kilter.core.interfaces import Resources
    from kilter.core.parameter import Boolean, Choice, Float, Int, Ordinal, Prior
    from kilter.core.problem import Fidelity
    from kilter.core.space import Space
    from kilter.executors.context import Trial
    from kilter.trial import FrozenTrial, create_trial


def __getattr__(name: str) -> Any:
    if name in _PLACE:
        value = getattr(import_module(_PLACE[name]), name)
        globals()[name] = value
        return value
    if name in _MODULES:
        return import_module(f"kilter.{name}")
    hint = f": {_INSTEAD[name]}" if name in _INSTEAD else ""
    raise AttributeError(f"module 'kilter' has no attribute {name!r}{hint}")


def __dir__() -> list[str]:
    return [*__all__, *_MODULES, "__version__"]
