"""Errors under the module name that Optuna's users import them from."""

from kilter.core.errors import KilterError, StorageError, StudyExists, StudyNotFound, TrialPruned

__all__ = ["KilterError", "StorageError", "StudyExists", "StudyNotFound", "TrialPruned"]
