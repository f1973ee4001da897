"""Where Optuna's users look for plots. There are none yet: each name is refused with what to do meanwhile."""

from importlib import import_module
from types import ModuleType

from kilter.core.names import refusal

__all__ = ["is_available"]

INSTEAD = (
    "kilter has no plots yet: draw from study.trials_dataframe(), or have Optuna draw them, "
    "optuna.visualization.plot_…(kilter.integrations.optuna.export_study(study, None))"
)


def is_available() -> bool:
    """Whether plots can be drawn: False, so that a script that asks first goes on without them."""
    return False


def __getattr__(name: str) -> ModuleType:
    if name == "matplotlib":
        return import_module("kilter.visualization.matplotlib")
    raise refusal(__name__, name, INSTEAD if name.startswith("plot_") else "")


def __dir__() -> list[str]:
    return list(__all__)
