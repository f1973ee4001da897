"""Storages under the names of Optuna's; `storage="sqlite:///study.db"` does without them.

kilter keeps studies in memory or in an SQLite file. Workers on one machine share the file, a dead worker is found by
the lease that it lets run out, and its trial goes on elsewhere under its own number: there is no heartbeat to be set.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from kilter.core.errors import InvalidInput
from kilter.core.interfaces import Storage as BaseStorage
from kilter.core.names import refusal
from kilter.plugins import open_storage
from kilter.storage.memory import MemoryStorage as InMemoryStorage

if TYPE_CHECKING:
    from kilter.api import Study

__all__ = [
    "BaseStorage",
    "InMemoryStorage",
    "JournalFileBackend",
    "JournalFileOpenLock",
    "JournalFileStorage",
    "JournalFileSymlinkLock",
    "JournalStorage",
    "RDBStorage",
    "RetryFailedTrialCallback",
    "RetryHeartbeatStaleTrialCallback",
    "fail_stale_trials",
]


def RDBStorage(  # noqa: N802
    url: str,
    engine_kwargs: Any = None,
    skip_compatibility_check: bool = False,
    *,
    heartbeat_interval: int | None = None,
    grace_period: int | None = None,
    heartbeat_stale_trial_callback: Callable[..., None] | None = None,
    failed_trial_callback: Callable[..., None] | None = None,
    skip_table_creation: bool = False,
) -> BaseStorage:
    """The SQLite file or the PostgreSQL database of a URL, as in "sqlite:///study.db". Raises StorageError for others.

    The trial of a dead worker is tried again without a heartbeat or callback, up to three times in all. A callback
    other than RetryFailedTrialCallback is never called, which is warned of.
    """
    for callback in (heartbeat_stale_trial_callback, failed_trial_callback):
        if callback is not None and not isinstance(callback, RetryFailedTrialCallback):
            warnings.warn(
                f"RDBStorage: {callback!r} is never called: the trial of a dead worker is tried again", stacklevel=2
            )
    return open_storage(url)


class JournalFileBackend:
    """The path of a journal, for JournalStorage; the locks of SQLite take the place of `lock_obj`."""

    def __init__(self, file_path: str | os.PathLike[str], lock_obj: Any = None) -> None:
        self.file_path = os.fspath(file_path)


JournalFileStorage = JournalFileBackend
"""Optuna's older name."""


def JournalStorage(log_storage: JournalFileBackend) -> BaseStorage:  # noqa: N802
    """An SQLite file beside where the journal would be: `study.log.db` for `study.log`.

    kilter writes no journals. Raises InvalidInput where there is one of Optuna's, so that its studies are not passed
    over in silence: `kilter import study.log --all` brings them.
    """
    if not isinstance(log_storage, JournalFileBackend):
        raise InvalidInput(f"JournalStorage({log_storage!r}): give JournalFileBackend(path), or storage='sqlite:///…'")
    path = log_storage.file_path
    if os.path.isfile(path) and os.path.getsize(path):
        raise InvalidInput(
            f"{path} is a journal of Optuna's, which kilter does not write to: "
            f"bring its studies over with: kilter import {path} --all, and give storage='sqlite:///kilter.db'"
        )
    return open_storage(f"sqlite:///{path}.db")


class JournalFileSymlinkLock:
    """Nothing: the locks of SQLite take its place."""

    def __init__(self, filepath: str, grace_period: int | None = 30) -> None:
        self.filepath = filepath


class JournalFileOpenLock(JournalFileSymlinkLock):
    """Nothing: the locks of SQLite take its place."""


class RetryFailedTrialCallback:
    """What kilter does anyway: the trial of a dead worker is tried again, under its own number and up to three times.

    `max_retry` and `inherit_intermediate_values` change nothing.
    """

    def __init__(self, max_retry: int | None = None, inherit_intermediate_values: bool = False) -> None:
        self.max_retry = max_retry

    def __call__(self, study: Any, trial: Any) -> None:
        """Nothing."""

    @staticmethod
    def retried_trial_number(trial: Any) -> int | None:
        """The number of the trial that this one is another attempt at: its own, or None at the first attempt."""
        return trial.number if trial.attempt > 1 else None

    @staticmethod
    def retry_history(trial: Any) -> list[int]:
        """The number of the trial for each attempt before this one."""
        return [trial.number] * (trial.attempt - 1)


RetryHeartbeatStaleTrialCallback = RetryFailedTrialCallback
"""Optuna's newer name."""


def fail_stale_trials(study: Study) -> None:
    """Put the trials of dead workers back in the queue, as any worker does every few seconds."""
    study.recover()


FILES = (
    "studies are kept in SQLite files and PostgreSQL databases: give storage='sqlite:///study.db', or "
    "'postgresql://host/database' for several machines; to workers without the database `kilter serve` serves either"
)
_REFUSED = ("BaseJournalLogStorage", "GrpcStorageProxy", "JournalRedisStorage", "run_grpc_proxy_server")


def __getattr__(name: str) -> ModuleType:
    if name == "journal":
        return import_module("kilter.storages.journal")
    raise refusal(__name__, name, FILES if name in _REFUSED else "")


def __dir__() -> list[str]:
    return list(__all__)
