"""kilter in the code that people have: a file or package for each library, and nobody else imports that library.

Each loads on first use, `kilter.integrations.lightgbm`; where its library is not installed it raises MissingLibrary
with the command that installs it. Callbacks share one way of working: report to the trial, save what is to be kept, ask
`trial.leaves()`, and if so have the library stop as it stops of itself, so that the objective goes on with the model.
What several share lies beside them and imports no library: batches, conversion, distributions, folds, rounds, tracking.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_MODULES = (
    "catboost",
    "configspace",
    "hydra",
    "hyperopt",
    "keras",
    "lightgbm",
    "lightning",
    "mcp",
    "mlflow",
    "optuna",
    "ray",
    "sklearn",
    "tensorboard",
    "torch",
    "transformers",
    "wandb",
    "xgboost",
)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}: there are {', '.join(_MODULES)}")


def __dir__() -> list[str]:
    return list(_MODULES)
