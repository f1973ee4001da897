"""A TCP proxy of our own that breaks connections on purpose: before a question arrives, or before its answer does.

with Proxy("127.0.0.1", server.port) as proxy:
    proxy.drop()            # ends all connections that there are
    proxy.lose(3)           # the third answer from now on is lost, and its connection with it
    with proxy.refusing():  # nobody gets through
        ...
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

SIZE = 1 << 16


class Proxy:
    """Listens on a free port of loopback, `port`, and carries to and fro what comes for `host` and `port` there."""

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self._lock = threading.Lock()
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._refuses = False
        self._lost_at: int | None = None
        self.answers = 0
        """How many pieces of answers have come from the server."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it, and all connections."""
        with suppress(OSError):  # else the thread that accepts would sleep on
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop()

    def drop(self) -> int:
        """End all connections; how many there were."""
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            _end(*pair)
        return len(pairs)

    def lose(self, number: int = 1) -> None:
        """Have the connection end in place of the answer of this number, counted from the next one as 1."""
        with self._lock:
            self._lost_at = self.answers + number

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Let nobody through meanwhile, as a server does that is being started again."""
        self._refuses = True
        self.drop()
        try:
            yield
        finally:
            self._refuses = False

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                if self._refuses:
                    raise ConnectionRefusedError
                server = socket.create_connection(self._to)
            except OSError:
                client.close()
                continue
            pair = (client, server)
            with self._lock:
                self._pairs.add(pair)
            threading.Thread(target=self._carry, args=(client, server, pair), daemon=True).start()
            threading.Thread(target=self._answer, args=(server, client, pair), daemon=True).start()

    def _carry(self, given: socket.socket, taken: socket.socket, pair: tuple[socket.socket, socket.socket]) -> None:
        with suppress(OSError):
            while data := given.recv(SIZE):
                taken.sendall(data)
        self._over(pair)

    def _answer(self, given: socket.socket, taken: socket.socket, pair: tuple[socket.socket, socket.socket]) -> None:
        with suppress(OSError):
            while data := given.recv(SIZE):
                if self._is_lost():
                    break
                taken.sendall(data)
        self._over(pair)

    def _is_lost(self) -> bool:
        with self._lock:
            self.answers += 1
            if self._lost_at is None or self.answers < self._lost_at:
                return False
            self._lost_at = None
            return True

    def _over(self, pair: tuple[socket.socket, socket.socket]) -> None:
        with self._lock:
            self._pairs.discard(pair)
        _end(*pair)
        for end in pair:
            end.close()


def _end(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
