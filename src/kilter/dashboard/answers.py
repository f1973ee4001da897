"""Answers that take a moment, remembered for the revision of the studies that they are about."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable

MOST_BYTES = 48 * 2**20
"""Of answers that are kept; of more, those that were not asked for the longest go."""


class Answers:
    """Bytes by question; a question names the revisions that it is about, so that no answer is ever out of date."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, bytes] = OrderedDict()
        self._size = 0

    def known(self, question: Hashable) -> bytes | None:
        """What was answered before."""
        with self._lock:
            if question in self._kept:
                self._kept.move_to_end(question)
            return self._kept.get(question)

    def keep(self, question: Hashable, answer: bytes) -> None:
        """Remember an answer."""
        with self._lock:
            self._size += len(answer) - len(self._kept.pop(question, b""))
            self._kept[question] = answer
            while self._size > self._most and len(self._kept) > 1:
                self._size -= len(self._kept.popitem(last=False)[1])
