"""The names around journals, where Optuna's users also look for them."""

from kilter.core.names import refusing
from kilter.storages import FILES, JournalFileBackend, JournalFileOpenLock, JournalFileSymlinkLock, JournalStorage

__all__ = ["JournalFileBackend", "JournalFileOpenLock", "JournalFileSymlinkLock", "JournalStorage"]

__getattr__ = refusing(__name__, {"BaseJournalBackend": FILES, "JournalRedisBackend": FILES})


def __dir__() -> list[str]:
    return list(__all__)
