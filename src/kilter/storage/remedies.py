"""Errors of SQLite in words, each with what to do about it."""

from __future__ import annotations

import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from kilter.core.errors import KilterError, StorageDamaged, StorageError

REMEDIES = (
    ("is full", "there is no space left for {path}: free some, then go on; nothing that was stored is lost"),
    ("readonly", "{path} cannot be written: make the file and its folder writable for this user, or copy it"),
    ("unable to open", "{path} cannot be opened: make its folder, or check its permissions"),
    ("not a database", "{path} is not an SQLite file: choose another file name. Where it was one, {saves}"),
    ("malformed", "{path} is damaged: restore it from a copy. Or {saves}"),
    ("locked", "{path} was locked by another process for a minute: find the one that holds it and end it"),
    ("disk I/O", "{path} cannot be read or written by the disk: check the disk, and that the file is on a local one"),
)
"""What SQLite's message contains, and what we say."""


@contextmanager
def explained(path: str) -> Iterator[None]:
    """StorageError with cause and remedy in place of SQLite's errors."""
    try:
        yield
    except KilterError:
        raise
    except UnicodeDecodeError as error:
        raise StorageError(f"{path} is damaged: its bytes are not text; restore it from a copy") from error
    except ValueError as error:
        raise StorageError(f"{path!r} cannot be a file: {error}") from error
    except sqlite3.Error as error:
        message = str(error)
        advice = next((text for trace, text in REMEDIES if trace in message), "{path} cannot be used")
        kind = StorageDamaged if "{saves}" in advice else StorageError
        saves = (
            f"`kilter check --storage {shlex.quote(f'sqlite:///{path}')} --repair` puts what is whole into a new file"
        )
        raise kind(f"{advice.format(path=path, saves=saves)} (SQLite: {message})") from error
