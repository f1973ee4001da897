"""All errors that kilter raises on purpose, under the module name that Optuna's users import theirs from."""

from kilter.core.errors import (
    ClusterUnreachable,
    IncapableSampler,
    IncapableScheduler,
    InvalidInput,
    KilterError,
    LogDamaged,
    MissingLibrary,
    NotANumber,
    NotHere,
    NotHereImport,
    NotReady,
    PluginFailed,
    SpaceChanged,
    StorageDamaged,
    StorageError,
    StorageGone,
    StorageTooNew,
    StorageUnreachable,
    StorageUnsafe,
    StudyAborted,
    StudyChanged,
    StudyExists,
    StudyNotFound,
    TrialNotFound,
    TrialPruned,
    UnknownArgument,
    UnknownName,
    UnusableResult,
)
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
    "ClusterUnreachable",
    "DuplicatedStudyError",
    "ExperimentalWarning",
    "IncapableSampler",
    "IncapableScheduler",
    "InvalidInput",
    "KilterError",
    "LogDamaged",
    "MissingLibrary",
    "NotANumber",
    "NotHere",
    "NotHereImport",
    "NotReady",
    "OptunaError",
    "PluginFailed",
    "SpaceChanged",
    "StorageDamaged",
    "StorageError",
    "StorageGone",
    "StorageInternalError",
    "StorageTooNew",
    "StorageUnreachable",
    "StorageUnsafe",
    "StudyAborted",
    "StudyChanged",
    "StudyExists",
    "StudyNotFound",
    "TrialNotFound",
    "TrialPruned",
    "UnknownArgument",
    "UnknownName",
    "UnusableResult",
    "UpdateFinishedTrialError",
]

__getattr__ = refusing(__name__, {"CLIUsageError": "the command line, kilter --help, says itself what is wrong"})


def __dir__() -> list[str]:
    return list(__all__)
