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
        self._done: OrderedDict[str, Any] = OrderedDict()
        self._going: dict[str, Future[Any]] = {}

    def __call__(self, token: str, act: Callable[[], Result]) -> Result:
        """What came of the request with this token, which is done now where it was not: who comes meanwhile waits.

        What raised has done nothing, and is tried again.

        >>> once, done = Once(), []
        >>> once("a", lambda: done.append(1)), once("a", lambda: done.append(2)), done
        (None, None, [1])
        """
        with self._lock:
            if token in self._done:
                known: Result = self._done[token]
                return known
            going = self._going.get(token)
            if going is None:
                mine = self._going[token] = Future()
        return self._act(token, mine, act) if going is None else going.result()

    def _act(self, token: str, future: Future[Any], act: Callable[[], Result]) -> Result:
        try:
            result = act()
        except BaseException as error:
            future.set_exception(error)
            with self._lock:
                del self._going[token]
            raise
        future.set_result(result)
        with self._lock:
            del self._going[token]
            self._done[token] = result
            if len(self._done) > self._most:
                self._done.popitem(last=False)
        return result
