"""Errors under the module name that Optuna's users import them from."""

from kilter.core.errors import KilterError, StorageError, StudyExists, StudyNotFound, TrialPruned

DuplicatedStudyError = StudyExists
"""Optuna's name."""

__all__ = ["DuplicatedStudyError", "KilterError", "StorageError", "StudyExists", "StudyNotFound", "TrialPruned"]


def __dir__() -> list[str]:
    return list(__all__)
