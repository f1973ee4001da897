"""A way to a PostgreSQL that breaks on purpose: a connection ends before a request gets there, or before its answer.

    with Proxy(server.port) as proxy:
        storage = open_storage(server.tcp_url(database, proxy.port))
        proxy.lose(3, "answer")  # what is asked in the third request from now is done, but nobody is told

It reads as much of the protocol as it takes to tell requests from one another.
"""

import socket
import struct
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import suppress

REQUESTS = b"QS"
"""The messages by which a client hands over: a plain query, and the end of one with parameters."""
STATEMENTS = b"QP"
"""The messages that have the text of a statement."""
DONE = b"Z"
"""The message by which a server hands back."""


class Proxy:
    """Takes connections on a port of an address, and makes each go on to `target`, a port of loopback."""

    def __init__(self, target: int, address: str = "127.0.0.1") -> None:
        self._target = target
        self._listener = socket.create_server((address, 0))
        self.port: int = self._listener.getsockname()[1]
        self.requests = 0
        """How many came by."""
        self.statements: deque[str] = deque(maxlen=10_000)
        """What the latest ones asked."""
        self._fault: tuple[int, str] | None = None
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._is_down = False
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self.drop()

    def lose(self, request: int, part: str) -> None:
        """End the connection at a request, counted from the next one on: its "question" or its "answer" is lost."""
        self._fault = self.requests + request, part

    def drop(self) -> None:
        """End all connections."""
        with self._lock:
            for each in self._open:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def refuse(self, is_down: bool) -> None:
        """Whether to end each new connection at once."""
        self._is_down = is_down

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            if self._is_down:
                return
            with socket.create_connection(("127.0.0.1", self._target)) as server:
                pair = {client, server}
                for each in pair:  # messages are sent one by one, and none is to wait for the last one's receipt
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self._lock:
                    self._open |= pair
                _Relay(self, client, server).run()
                with self._lock:
                    self._open -= pair

    def _fault_at_next(self) -> str | None:
        """Counts a request; what is to be lost of it."""
        with self._lock:
            self.requests += 1
            if self._fault is None or self._fault[0] != self.requests:
                return None
            part, self._fault = self._fault[1], None
            return part


class _Relay:
    """One connection: the client's messages in this thread, the server's in another."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy, self._client, self._server = proxy, client, server
        self._is_silent = False
        """Whether the client is to hear no more."""

    def run(self) -> None:
        answers = threading.Thread(target=self._answers, daemon=True)
        answers.start()
        with suppress(OSError):
            self._server.sendall(_startup(self._client))
            for kind, message in _messages(self._client):
                if kind in STATEMENTS:
                    self._proxy.statements.append(message[5:].strip(b"\0").partition(b"\0")[0].decode())
                part = self._proxy._fault_at_next() if kind in REQUESTS else None
                if part == "question":
                    break
                self._is_silent = self._is_silent or part == "answer"
                self._server.sendall(message)
        self._end()
        answers.join()

    def _answers(self) -> None:
        with suppress(OSError):
            for kind, message in _messages(self._server):
                if not self._is_silent:
                    self._client.sendall(message)
                elif kind == DONE:  # only now: the server has written what it was asked to
                    break
        self._end()

    def _end(self) -> None:
        for each in (self._client, self._server):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def _startup(client: socket.socket) -> bytes:
    head = _exactly(client, 4)
    return head + _exactly(client, struct.unpack("!I", head)[0] - 4)


def _messages(side: socket.socket) -> Iterator[tuple[bytes, bytes]]:
    """The messages of one side, each with its kind, until it closes."""
    while True:
        head = _exactly(side, 5)
        yield head[:1], head + _exactly(side, struct.unpack("!I", head[1:])[0] - 4)


def _exactly(side: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = side.recv(count - len(data))
        if not more:
            raise ConnectionError("closed")
        data += more
    return data
