"""What the tables of our databases have in common: the columns of an event, and how rows become entries of a log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from kilter.core import codec
from kilter.core.errors import LogDamaged, StorageError
from kilter.core.events import Entry, Event
from kilter.core.text import shortened

if TYPE_CHECKING:
    from kilter.engine.repair import Repair


class Columns(NamedTuple):
    """An event as a table has it, beside its study and its position."""

    kind: str
    number: int | None
    attempt: int
    key: int | None
    """The last part of its identity; None where it has none, and is never refused."""
    creates: bool
    time: float
    body: str

    @classmethod
    def of(cls, event: Event) -> Columns:
        """Those of an event, which is looked at; raises InvalidInput where it could not be read again."""
        kind, number, attempt, time, body = codec.row(event)
        return cls(kind, number, attempt, event.identity and event.identity[-1], event.creates, time, body)

    @property
    def row(self) -> codec.Row:
        """What `codec.decode` makes the event of."""
        return self.kind, self.number, self.attempt, self.time, self.body

    def values(self, study: int, position: int) -> tuple[Any, ...]:
        """The whole row of the table."""
        created = self.number if self.creates else None
        return study, position, self.kind, self.number, self.attempt, self.key, created, self.time, self.body


_make_entry: Callable[[Any], Entry] = partial(tuple.__new__, Entry)  # Entry._make without its Python frame


def entries(rows: list[Any]) -> list[Entry]:
    """The entries that rows of position, kind, number, attempt, time and body stand for.

    Raises LogDamaged for the first row that is no event.
    """
    decode = codec.decode
    try:
        return [
            _make_entry((position, decode(kind, number, attempt, time, body)))
            for position, kind, number, attempt, time, body in rows
        ]
    except StorageError:
        _say_where(rows)
        raise


def _say_where(rows: Iterable[Any]) -> None:
    for position, *row in rows:
        kind, number, *_ = row
        try:
            codec.decode(*row)
        except StorageError as error:
            raise LogDamaged.at(position, shortened(str(kind), 20), number, str(error)) from error


def repaired_rows(study: int, repair: Repair) -> Iterator[tuple[Any, ...]]:
    """The whole rows of a repaired log; what was whole stays as it was written."""
    for position, (event, row) in enumerate(repair.kept, 1):
        kind, body = (row.kind, row.body) if row and row.kind and row.body else codec.encode(event)
        _, attempt, _, key = event.identity or (None, 0, "", None)
        yield Columns(kind, event.number, attempt, key, event.creates, event.time, body).values(study, position)


def beyond_the_end(after: int, study: int) -> NoReturn:
    """Raise StorageError: what had been read is not in the log any more."""
    raise StorageError(
        f"position {after} is beyond the end of the log of study {study}: "
        "the storage was replaced by another one, such as an older copy; load the study again"
    )
