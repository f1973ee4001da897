"""What is asked twice, since a first answer was lost on its way, is done once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

Result = TypeVar("Result")

MOST = 50_000
"""Requests that are remembered: at 500 a second those of the last hundred seconds."""


class Once:
    """What came of the latest requests, by their tokens."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._outcomes: OrderedDict[str, Future[Any]] = OrderedDict()

    def __call__(self, token: str, act: Callable[[], Result]) -> Result:
        """What came of the request with this token, also where that was an error; it is done now where it was not.

        Who asks again while it is being done waits for it.

        >>> once, done = Once(), []
        >>> once("a", lambda: done.append(1)), once("a", lambda: done.append(2)), done
        (None, None, [1])
        """
        with self._lock:
            known = self._outcomes.get(token)
            outcome: Future[Result] = known or self._outcomes.setdefault(token, Future())
            if len(self._outcomes) > self._most:
                self._outcomes.popitem(last=False)
        if known is None:
            try:
                outcome.set_result(act())
            except BaseException as error:  # noqa: BLE001 - it is kept for who asks again, and raised below
                outcome.set_exception(error)
        return outcome.result()
