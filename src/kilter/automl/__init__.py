"""From a table to a model that keeps its word: raw rows in, a model out that says what it is worth on new data.

    from kilter.automl import Classifier, Regressor, load

    model = Classifier(time_limit=60, random_state=0).fit(frame, "survived")
    model.predict_proba(new)
    print(model.score_estimate_)

A fit is a study of kilter: reading (what each column is) → encoding (learned inside each fold) → a race of members over
frozen folds → weights → the estimate of what they come to. See docs/how-to/automl.md.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kilter.automl.estimator import Classifier, Regressor
    from kilter.automl.loading import load

_HOME = {"Classifier": "estimator", "Regressor": "estimator", "load": "loading"}

__all__ = ["Classifier", "Regressor", "load"]


def __getattr__(name: str) -> Any:
    """What needs scikit-learn, LightGBM and pandas is imported when it is asked for."""
    if name not in _HOME:
        raise AttributeError(f"module 'kilter.automl' has no attribute {name!r}")
    value = getattr(import_module(f"kilter.automl.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
