"""What many workers append to one log at the same moment, in one transaction.

A database on a disk makes some hundred transactions a second, however many events are in them. Whoever comes while one
is being made waits for its end, and then all who wait are served by the next.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from kilter.core.events import Entry, Event, is_begun
from kilter.core.interfaces import Appended, Storage


@dataclass(frozen=True, eq=False)
class Wish:
    """What one worker appends."""

    events: Sequence[Event]
    after: int
    limit: int | None
    distinct: bool
    answer: Future[Appended] = field(default_factory=Future)

    def goes_with(self, others: Sequence[Wish]) -> bool:
        """Whether it comes to the same in one transaction with others, behind them, as in one of its own.

        Of a configuration that is to begin once, what another one begins in that transaction is no news yet.
        """
        if (self.limit, self.distinct) != (others[0].limit, others[0].distinct):
            return False
        begun = [Entry(0, event) for other in others for event in other.events]
        return not self.distinct or (len(self.events) == 1 and not is_begun(self.events[0], begun))


class Together:
    """Whoever appends to a storage, study by study."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turns: dict[tuple[Storage, int], Turns] = {}

    def append(self, storage: Storage, study: int, wish: Wish) -> Appended:
        """What comes of a wish; whoever has the turn does all that has been wished for by then."""
        with self._lock:
            turns = self._turns.setdefault((storage, study), Turns())
        turns.waiting.append(wish)
        with turns.turn:
            if not wish.answer.done():
                turns.fulfil(storage, study)
        return wish.answer.result()


class Turns:
    """Those who wait for their turn at one log."""

    def __init__(self) -> None:
        self.turn = threading.Lock()
        self.waiting: deque[Wish] = deque()
        self._end = 0
        """A position that the log has, or had: who knows more is not told so by others."""

    def fulfil(self, storage: Storage, study: int) -> None:
        """Do all that is wished for; called by who has the turn."""
        wishes = [self.waiting.popleft() for _ in range(len(self.waiting))]
        while wishes:
            group = wishes[:1]
            for wish in wishes[1:] if self._is_known(wishes[0]) else ():
                if self._is_known(wish) and wish.goes_with(group):
                    group.append(wish)
            wishes = [wish for wish in wishes if wish not in group]
            if len(group) == 1:
                self._write_alone(storage, study, group[0])
            else:
                self._write(storage, study, group)

    def _is_known(self, wish: Wish) -> bool:
        return wish.after <= self._end

    def _write_alone(self, storage: Storage, study: int, wish: Wish) -> None:
        try:
            appended = storage.append(study, wish.events, wish.after, wish.limit, wish.distinct)
        except BaseException as error:  # noqa: BLE001 - it is raised where the answer is waited for
            wish.answer.set_exception(error)
        else:
            self._heard(appended)
            wish.answer.set_result(appended)

    def _write(self, storage: Storage, study: int, group: list[Wish]) -> None:
        """Fulfil wishes in one transaction or, where that fails, each by itself: not all need be what is wrong."""
        events, first = [event for wish in group for event in wish.events], min(wish.after for wish in group)
        try:
            appended = storage.append(study, events, first, group[0].limit, group[0].distinct)
        except BaseException:  # noqa: BLE001 - likewise, by each
            for wish in group:
                self._write_alone(storage, study, wish)
            return
        self._heard(appended)
        refused = set(map(id, appended.refused))
        end = len(appended.entries) - len(events) + len(refused)
        for wish in group:
            ours = [event for event in wish.events if id(event) in refused]
            end += len(wish.events) - len(ours)
            if ours and wish.distinct and wish.after > first:  # perhaps for what it knew, and began all the same
                self._write_alone(storage, study, wish)
            else:
                new = [entry for entry in appended.entries[:end] if entry.position > wish.after]
                wish.answer.set_result(Appended(new, ours))

    def _heard(self, appended: Appended) -> None:
        if appended.entries:
            self._end = max(self._end, appended.entries[-1].position)
