"""Errors under the module name that Optuna's users import them from."""

from kilter.core.errors import InvalidInput, KilterError, StorageError, StudyExists, StudyNotFound, TrialPruned
from kilter.core.names import refusing

DuplicatedStudyError = StudyExists
"""Optuna's name."""
OptunaError = KilterError
"""Optuna's name."""
StorageInternalError = StorageError
"""Optuna's name."""
UpdateFinishedTrialError = InvalidInput
"""Optuna's name: what tell() raises where a trial has ended with another result."""


class ExperimentalWarning(Warning):
    """Optuna's category of warnings, for those who filter it; kilter warns of nothing by it."""


__all__ = [
    "DuplicatedStudyError",
    "ExperimentalWarning",
    "KilterError",
    "OptunaError",
    "StorageError",
    "StorageInternalError",
    "StudyExists",
    "StudyNotFound",
    "TrialPruned",
    "UpdateFinishedTrialError",
]

__getattr__ = refusing(__name__, {"CLIUsageError": "the command line, kilter --help, says itself what is wrong"})


def __dir__() -> list[str]:
    return list(__all__)
