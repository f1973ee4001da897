"""Which storage a URL means."""

from __future__ import annotations

import os
from typing import Any

from kilter.core.errors import InvalidInput, StorageError, StudyNotFound, UnknownName
from kilter.core.interfaces import Storage
from kilter.storage.memory import MemoryStorage
from kilter.storage.sqlite import SQLiteStorage

ENDINGS = (".db", ".sqlite", ".sqlite3")
"""What a plain path must end in to be taken for an SQLite file."""

MEMORY = ("memory://", "sqlite://", "sqlite:///:memory:", ":memory:")


def open_storage(url: str | os.PathLike[str] | Storage | None) -> Storage:
    """The storage that a URL, a path, a storage object or None (memory) stands for.

    `sqlite:///studies.db` is relative to the current folder, `sqlite:////data/studies.db` is absolute.

    >>> type(open_storage(None)).__name__
    'MemoryStorage'
    """
    if url is None:
        return MemoryStorage()
    if isinstance(url, (str, os.PathLike)):
        return _opened(os.fspath(url))
    return _passed_through(url)


def _opened(url: str) -> Storage:
    scheme, separator, rest = url.partition("://")
    if url in MEMORY:
        return MemoryStorage()
    if not separator:
        if url.endswith(ENDINGS):
            return SQLiteStorage(url)
        raise InvalidInput(f"storage={url!r} is neither a URL nor a path ending in .db: write 'sqlite:///{url}.db'")
    if scheme in ("postgresql", "postgres") or scheme.startswith("postgresql+"):
        raise StorageError(
            "this version of kilter has no PostgreSQL storage: use an SQLite file on a local disk ('sqlite:///study.db')"
        )
    if scheme != "sqlite":
        raise UnknownName.of("storage scheme", scheme, ["sqlite", "memory"], hint="For example sqlite:///study.db")
    if not rest.startswith("/"):
        raise InvalidInput(f"storage={url!r} needs three slashes before the path: 'sqlite:///{rest}'")
    path, query, _ = rest[1:].partition("?")
    if query and not os.path.exists(rest[1:]):
        raise InvalidInput(
            f"storage={url!r} has options after the '?', and kilter knows none: write 'sqlite:///{path}'. "
            "It waits a minute for a file that is locked"
        )
    return SQLiteStorage(rest[1:])


def missing_file(url: object) -> str | None:
    """The path of the SQLite file that a URL or a path stands for, where there is no such file.

    >>> missing_file("sqlite:///not-there.db"), missing_file(None)
    ('not-there.db', None)
    """
    if not isinstance(url, (str, os.PathLike)):
        return None
    text = os.fspath(url)
    path = text[len("sqlite:///") :] if text.startswith("sqlite:///") else text if text.endswith(ENDINGS) else ""
    return path if path and text not in MEMORY and not os.path.exists(path) else None


def _passed_through(storage: Any) -> Storage:
    if not callable(getattr(storage, "append", None)) or not callable(getattr(storage, "leases", None)):
        raise InvalidInput(f"storage={storage!r:.80}: give a URL such as 'sqlite:///study.db', a Storage, or None")
    found: Storage = storage
    return found


def existing_storage(storage: str | Storage | None) -> Storage:
    """The storage, which must be there: looking must not leave an empty file behind."""
    path = missing_file(storage)
    if path is not None:
        raise StudyNotFound(f"there is no file {path}, so no study in it: give the storage= that it was made with")
    return open_storage(storage)
