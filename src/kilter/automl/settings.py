"""What a user asks of a fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Settings:
    """The parameters of Classifier and Regressor, checked there; see estimator.py for what each of them means."""

    is_classifier: bool
    time_limit: float | None = 60.0
    n_models: int | None = None
    metric: Any = "auto"
    preset: str = "balanced"
    members: Sequence[Any] | str = "auto"
    folds: Any = "auto"
    memory_limit: int | None = None
    """Bytes."""
    class_weight: Any = None
    threshold: float | str = "auto"
    columns: Mapping[str, Any] = field(default_factory=dict)
    n_jobs: int = 1
    random_state: int = 0
    storage: Any = None
    study_name: str | None = None
    verbose: bool = False
