"""What a storage is asked and answers, as JSON on its way between two processes.

An event travels as the row that a storage keeps of it, so that its body is read by nobody on the way and checked where
it arrives: `[kind, number, attempt, time, body]`, behind its position where it is an entry. An error travels as its
kind and what it says.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from kilter.core import border, codec, errors
from kilter.core.errors import InvalidInput, KilterError, StorageError
from kilter.core.events import Entry, Event
from kilter.core.text import shown

KINDS: dict[str, type[KilterError]] = {
    kind.__name__: kind
    for kind in (
        errors.InvalidInput,
        errors.LogDamaged,
        errors.NotReady,
        errors.StorageGone,
        errors.StorageTooNew,
        errors.StorageUnsafe,
        errors.StudyExists,
        errors.StudyNotFound,
        errors.TrialNotFound,
        errors.UnknownName,
    )
}
"""The errors that are the same at both ends; any other one arrives as a StorageError."""


def row_of(event: Event) -> list[Any]:
    """An event on its way; raises InvalidInput where no log could hold it."""
    return [*codec.row(event)]


def event_of(row: Any) -> Event:
    """The event that arrived; raises InvalidInput where this is none.

    >>> event_of(["noted", None, 0, 1.5, '{"attrs":{"owner":"ada"}}'])
    Noted(number=None, attrs={'owner': 'ada'}, time=1.5)
    """
    try:
        kind, number, attempt, time, body = row
        event = codec.decode(kind, number, attempt, time, body)
        border.check(event)
        return event
    except InvalidInput:
        raise
    except Exception as error:  # data of any shape
        raise InvalidInput(f"{shown(row)} is no event: {error}") from error


def rows_of(entries: Iterable[Entry]) -> list[list[Any]]:
    """Entries on their way."""
    return [[position, *codec.row(event)] for position, event in entries]


def entries_of(rows: Sequence[Any]) -> list[Entry]:
    """The entries that arrived; raises StorageError where they are none."""
    decode = codec.decode
    return [Entry(position, decode(*row)) for position, *row in rows]


def error_of(kind: str, message: str) -> KilterError:
    """The error that arrived.

    >>> error_of("StudyNotFound", "no study 'digts'")
    StudyNotFound("no study 'digts'")
    """
    return KINDS.get(kind, StorageError)(message)
