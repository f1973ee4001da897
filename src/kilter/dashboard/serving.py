"""Serving a dashboard: in this thread until Ctrl-C, or in one of its own beside a notebook or a study that runs."""

from __future__ import annotations

import ipaddress
import os
import secrets
import socket
import threading
from collections.abc import Iterable
from types import TracebackType

import uvicorn

from kilter.core.errors import InvalidInput
from kilter.core.interfaces import Storage
from kilter.dashboard.app import Dashboard, create_app
from kilter.dashboard.guard import LOOPBACK

PORT = 8517
"""Where it is tried first."""
TRIES = 20
"""Ports from there on that are tried; then any that is free is taken."""
PATIENCE = 5.0
"""Seconds in which it begins, or ends, at most."""


class _Server(uvicorn.Server):
    """Ends the streams of news first when it ends, which would never end by themselves."""

    def __init__(self, app: Dashboard) -> None:
        config = uvicorn.Config(
            app,
            log_level="error",
            access_log=False,
            http="h11",
            ws="none",
            lifespan="off",
            loop="asyncio",
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=1,
            timeout_keep_alive=60,
        )
        super().__init__(config)
        self.app = app
        self.is_up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin, and say so."""
        await super().startup(sockets)
        self.is_up.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, and then the rest."""
        self.app.news.close()
        await super().shutdown(sockets)


class Serving:
    """A dashboard that is served, at `url`; `close` ends it, as does the end of a `with` statement.

    >>> from kilter import Float, create_study
    >>> study = create_study(space={"x": Float(0, 1)}, seed=0)
    >>> with study.dashboard() as dashboard:
    ...     dashboard.url.startswith("http://127.0.0.1:")
    True
    """

    def __init__(self, app: Dashboard, host: str = LOOPBACK[1], port: int = PORT, page: str = "") -> None:
        self._socket = _bound(host, port)
        self.port: int = self._socket.getsockname()[1]
        """Where it is: the port that was asked for, where that was free."""
        self.address = f"http://{_shown(host)}:{self.port}"
        """Where it is asked; with routes for workers, the URL of the storage."""
        code = "" if app.tickets is None else f"?code={app.tickets.link()}"
        self.url = f"{self.address}/{code}{page}"
        """The address of the page; where there is a token, a link that works once."""
        self._app, self._server = app, _Server(app)
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"<dashboard at {self.url}>"

    def _repr_html_(self) -> str:
        return f'<a href="{self.url}" target="_blank" rel="noopener">{self.url}</a>'

    def run(self) -> None:
        """Serve in this thread until a signal ends it; raises KeyboardInterrupt where that was Ctrl-C."""
        self._server.run([self._socket])

    def start(self) -> Serving:
        """Serve in a thread of its own, which ends with the process."""
        self._thread = threading.Thread(target=self.run, name="kilter dashboard", daemon=True)
        self._thread.start()
        if not self._server.is_up.wait(PATIENCE):
            raise InvalidInput(f"the dashboard did not begin within {PATIENCE:g} s: is {self.url} reachable?")
        return self

    def close(self) -> None:
        """End it, and the streams of all pages that are open."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(PATIENCE)
        self._socket.close()
        self._app.work.close()
        self._app.reading.close()

    def __enter__(self) -> Serving:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def served(
    storage: str | os.PathLike[str] | Storage,
    *,
    host: str = LOOPBACK[1],
    port: int = PORT,
    read_only: bool = False,
    token: str | None = None,
    hosts: Iterable[str] = (),
    page: str = "",
    workers: bool = False,
) -> Serving:
    """The dashboard of a storage at an address of this machine, where the next free port is taken if `port` is not.

    On any other `host` than the loopback it has a token in any case, a fresh one where none is given. `hosts` are
    further names that it may be asked by, `page` is where in it the address leads. With `workers` it
    serves the storage to workers elsewhere as well. Raises InvalidInput where it cannot be at that host.
    """
    if token is None and not is_loopback(host):
        token = secrets.token_urlsafe(32)
    names = [*hosts, *([] if is_loopback(host) else _names(host))]
    app = create_app(storage, read_only=read_only, token=token, hosts=names, workers=workers)
    return Serving(app, host, port, page)


def is_loopback(host: str) -> bool:
    """Whether only this machine gets there.

    >>> is_loopback("localhost"), is_loopback("127.0.0.2"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == LOOPBACK[0]


def _is_any(host: str) -> bool:
    return host in ("", "0.0.0.0", "::", "[::]")


def _names(host: str) -> list[str]:
    """By what this machine is called from elsewhere."""
    if not _is_any(host):
        return [host]
    import psutil

    families = (socket.AF_INET, socket.AF_INET6)
    found = [each.address for known in psutil.net_if_addrs().values() for each in known if each.family in families]
    return [socket.gethostname(), socket.getfqdn(), *(f"[{a}]" if ":" in a else a for a in found)]


def _shown(host: str) -> str:
    """The host in an address that leads there."""
    if _is_any(host):
        return socket.gethostname()
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _bound(host: str, port: int) -> socket.socket:
    """A socket at the first port that is free."""
    try:
        [(family, *_, address), *_] = socket.getaddrinfo(host.strip("[]") or None, 0, type=socket.SOCK_STREAM)
    except OSError as error:
        raise InvalidInput(f"host={host!r} is no address of this machine: {error.strerror}") from None
    tried = [*range(port, min(port + TRIES, 65_536)), 0] if port else [0]
    for each in tried:
        found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # said, or asyncio delays small answers
        try:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind((address[0], each, *address[2:]))
            found.listen(128)
            return found
        except OSError as error:
            found.close()
            last = error
    raise InvalidInput(f"host={host!r}: nothing can be served there: {last.strerror}") from None
