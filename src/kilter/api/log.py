"""The log of a study, for those who follow what happens to it or have something to add."""

from __future__ import annotations

from typing import get_args

from kilter.core.errors import InvalidInput
from kilter.core.events import Created, Entry, Event
from kilter.engine.replica import Replica
from kilter.runtime.log import Log


class StudyLog:
    """What happened to a study, in order; everything else that is known of it is computed from this.

    >>> from kilter import create_study
    >>> study = create_study(seed=0)
    >>> study.set_user_attr("team", "blue")
    >>> [(position, type(event).__name__) for position, event in study.log.read()]
    [(1, 'Created'), (2, 'Noted')]
    >>> study.log.read(after=1)[0].event.attrs
    {'team': 'blue'}
    """

    def __init__(self, log: Log[Replica]) -> None:
        self._log = log

    def __repr__(self) -> str:
        return f"<the log of {self._log.name!r}: {self._log.replica.position} events>"

    @property
    def url(self) -> str:
        """The URL of the storage that keeps it, without its secrets."""
        return self._log.storage.url

    def read(self, after: int = 0, count: int | None = None) -> list[Entry]:
        """The entries after a position, those of other workers included; at most `count`. Positions start at 1.

        The events are those of kilter.core.events. Who reads on from the last position that it has seen misses nothing
        and sees nothing twice.
        """
        return self._log.storage.read(self._log.study, after, count)

    def write(self, *events: Event) -> list[Event]:
        """Append events in one transaction; those that were refused, since others of their identity are there already.

        One that comes too late, of an attempt that was given up, say, is kept and changes nothing. Raises InvalidInput,
        and writes nothing, for one that could not be read again, for a second Created, and for one of a trial that
        nobody has begun.
        """
        with self._log.lock:
            self._log.sync()
            for event in events:
                if not isinstance(event, get_args(Event)):
                    raise InvalidInput(f"{event!r:.80} is no event: write those of kilter.core.events")
                if isinstance(event, Created):
                    raise InvalidInput(f"{event!r}: the study was created once")
            return self._log.write(*events)
