"""What the URLs and paths of our own storages mean; `kilter.plugins.open_storage` opens those of others too."""

from __future__ import annotations

import os
import re

from kilter.core.errors import InvalidInput
from kilter.core.text import is_url, masked
from kilter.storage.memory import MemoryStorage
from kilter.storage.sqlite import SQLiteStorage

ENDINGS = (".db", ".sqlite", ".sqlite3")
"""What a plain path must end in to be taken for an SQLite file."""

SQLITE = "sqlite:///"
MEMORY = "memory://"


def as_url(given: str | os.PathLike[str] | None) -> str:
    """The URL that a URL, a path, or None (memory) stands for.

    >>> as_url("studies.db"), as_url("sqlite:///:memory:"), as_url(None)
    ('sqlite:///studies.db', 'memory://', 'memory://')
    """
    text = MEMORY if given is None else os.fspath(given)
    if text in (":memory:", "sqlite://", f"{SQLITE}:memory:"):
        return MEMORY
    if is_url(text):
        return text
    if text.endswith(ENDINGS):
        return f"{SQLITE}{text}"
    shown = re.sub(r"[:@].*@", ":***@", masked(text), count=1, flags=re.DOTALL)
    advice = f"'{SQLITE}{text}.db'"
    if "@" in text or "=" in text:
        advice = "'postgresql://user:password@host:5432/database' for one in PostgreSQL"
    raise InvalidInput(f"storage={shown!r} is neither a URL nor a path ending in .db: write {advice}")


def memory(url: str) -> MemoryStorage:
    """A new storage in memory, for `memory://`."""
    if url != MEMORY:
        raise InvalidInput(
            f"storage={masked(url)!r} names something in memory: write '{MEMORY}', or pass a MemoryStorage"
        )
    return MemoryStorage()


def sqlite(url: str) -> SQLiteStorage:
    """The SQLite file of a URL, of which the third slash is no part: `sqlite:////data/studies.db` is absolute."""
    if not url.startswith(SQLITE):
        path = masked(url).partition("://")[2]
        raise InvalidInput(f"storage={masked(url)!r} needs three slashes before the path: '{SQLITE}{path}'")
    whole = url[len(SQLITE) :]
    path, query, _ = whole.partition("?")
    if query and not os.path.exists(whole):
        raise InvalidInput(
            f"storage={masked(url)!r} has options after the '?', and kilter knows none: write '{SQLITE}{path}'. "
            "It waits a minute for a file that is locked"
        )
    return SQLiteStorage(whole)


def missing_file(given: object) -> str | None:
    """The path of the SQLite file that a URL or a path stands for, where there is no such file.

    >>> missing_file("sqlite:///not-there.db"), missing_file(None)
    ('not-there.db', None)
    """
    path = file_of(given)
    return path if path and not os.path.exists(path) else None


def file_of(given: object) -> str | None:
    """The path of the SQLite file that a URL, a path or a storage stands for; None for any other.

    >>> file_of("runs/studies.db"), file_of("memory://")
    ('runs/studies.db', None)
    """
    if isinstance(given, SQLiteStorage):
        return given.path
    url = as_url(given) if isinstance(given, (str, os.PathLike)) else MEMORY
    return url[len(SQLITE) :] if url.startswith(SQLITE) else None
