"""Appends in one transaction: as if each had had its own, one after the other in some order."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilter.core.errors import StorageError
from kilter.core.events import Event
from kilter.core.interfaces import Appended
from kilter.dashboard.together import Together, Turns, Wish
from kilter.storage.memory import MemoryStorage
from kilter.testing.machine import BATCHES, LIMITS, shown
from kilter.testing.storage import created, ended, started


class Counting(MemoryStorage):
    """Counts the transactions; the first one waits to be let go."""

    def __init__(self, gate: threading.Event | None = None) -> None:
        super().__init__()
        self.transactions, self.gate = 0, gate

    def append(self, *asked: Any) -> Appended:
        self.transactions += 1
        if self.gate is not None:
            self.gate.wait()
        return super().append(*asked)


PLACES = st.integers(0, 40)
ANY = st.tuples(BATCHES, PLACES, LIMITS, st.booleans())
START = st.builds(
    lambda number, lr: replace(started(number), params={"lr": lr}), st.integers(0, 6), st.sampled_from("ab")
)
STARTS = st.lists(START, max_size=3)
"""Of two configurations, which are to begin once."""
ONCE = st.tuples(START.map(lambda event: [event]), PLACES, st.none(), st.just(True))


@given(
    st.tuples(BATCHES, st.lists(ANY, min_size=2, max_size=4))
    | st.tuples(STARTS, st.lists(ONCE, min_size=2, max_size=4))
)
def test_it_comes_to_the_same_as_one_after_the_other(asked: tuple[list[Event], list[Any]]):
    before, drawn = asked
    storage = Counting()
    study = storage.create("a", created())
    storage.append(study, before)
    end = len(storage.read(study))
    log, turns = deepcopy(storage), Turns()
    wishes = [Wish([*map(replace, events)], after % (end + 1), *rest) for events, after, *rest in drawn]
    turns.waiting.append(Wish([], 0, None, False))  # from which it knows how long the log is
    turns.fulfil(storage, study)
    turns.waiting += wishes
    turns.fulfil(storage, study)
    answers = [shown(wish.answer.result()) for wish in wishes]

    def one_by_one(order: Sequence[int]) -> bool:
        other = deepcopy(log)
        same = all(answers[each] == shown(alone(other, study, wishes[each])) for each in order)
        return same and shown(other.read(study)) == shown(storage.read(study))

    assert any(map(one_by_one, permutations(range(len(wishes)))))


def alone(storage: MemoryStorage, study: int, wish: Wish) -> Appended:
    return storage.append(study, wish.events, wish.after, wish.limit, wish.distinct)


def test_who_waits_is_served_together():
    gate = threading.Event()
    storage, together = Counting(gate), Together()
    study = storage.create("a", created())
    answers: dict[int, Appended] = {}

    def append(number: int) -> None:
        answers[number] = together.append(storage, study, Wish([started(number)], 1, None, False))

    threads = [threading.Thread(target=append, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    turns = together._turns[storage, study]
    while len(turns.waiting) < 19:
        assert any(thread.is_alive() for thread in threads)
    gate.set()
    for thread in threads:
        thread.join()
    assert storage.transactions <= 3  # the first one, the next one that knows the log, and all the others
    assert sorted(entry.event.number for entry in storage.read(study, 1)) == [*range(20)]
    assert all(answer.entries[-1].event.number == number for number, answer in answers.items())


def test_what_is_wrong_with_one_is_told_to_that_one():
    storage, together = Counting(), Together()
    study = storage.create("a", created())
    together.append(storage, study, Wish([started(0)], 1, None, False))
    turns = together._turns[storage, study]
    right, wrong = Wish([ended(0)], 2, None, False), Wish([started(1)], 9, None, False)
    turns.waiting += [right, wrong]
    turns.fulfil(storage, study)
    assert right.answer.result().entries == [(3, ended(0))]
    with pytest.raises(StorageError, match="beyond the end"):
        wrong.answer.result()
    assert len(storage.read(study)) == 3
