"""How a configuration is scored: over frozen folds, seeds or data sets, part by part, and again at the end.

    from kilter.evaluation import CrossValidation, nested

    objective = CrossValidation(5).objective(SVC(), X, y, scoring="roc_auc")
    study = kilter.tune(objective, space, n_trials=100)
    nested(objective, space, n_trials=100).mean             # what such a search comes to on new data

See docs/how-to/evaluation.md.
"""

from typing import Any

from kilter.evaluation.data_sets import DataSets
from kilter.evaluation.seeds import Seeds
from kilter.evaluation.splitting import CrossValidation, Holdout, Repeated

__all__ = ["CrossValidation", "DataSets", "Holdout", "Repeated", "Seeds", "nested"]


def __getattr__(name: str) -> Any:
    if name == "nested":  # it runs studies, which stand above what they evaluate: only its address is here
        from importlib import import_module

        return import_module("kilter.api.nesting").nested
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}: there are {', '.join(__all__)}")


def __dir__() -> list[str]:
    return list(__all__)
