"""Studies behind a server, `kilter serve`: each call of the storage is one request.

What is written carries a token. Where an answer is lost on its way the same is sent again with the same token, and the
server, which has done it already, answers what it would have answered then. So nothing is lost and nothing doubled by a
connection that breaks, a server that is started anew, or a proxy that gives up too early.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from kilter.core.errors import InvalidInput, KilterError, StorageError, StorageUnreachable, needed
from kilter.core.events import Created, Entry, Event
from kilter.core.interfaces import Appended, StudyRow, Worker
from kilter.core.text import masked, one_line
from kilter.storage.patience import tries
from kilter.storage.wire import entries_of, error_of, row_of

if TYPE_CHECKING:
    import httpx

log = logging.getLogger("kilter")

AT = "/api/v1/work/storage"
"""Where a server has its storage."""
TOKEN = "KILTER_TOKEN"
"""The variable with the token of the server, where the URL has none."""
PATIENCE = 120.0
"""Seconds for which a server is tried that does not answer: it may itself wait a minute for its database."""
OPENING = 10.0
"""The same where it is asked for the first time, and the address may be wrong."""
TIMEOUT = 15.0
"""Seconds in which an answer begins; then the same is asked again, which does nothing twice."""
IDLE = 20.0
"""Seconds after which a connection is not used again; the server keeps it longer."""
PAGE = 5_000
"""Entries that are read at once."""
PASSING = (429, 502, 503, 504)
"""Statuses that a moment later may be others: of a server that has too much to do, or of a proxy before it."""
UNANSWERED, NOWHERE = 0, -1
"""In the place of a status: no answer came; and nothing was sent, so that nothing can have come of it."""
TOLD = 3
"""The try at which it is said that somebody waits."""


def http(url: str) -> HTTPStorage:
    """The storage of the server at a URL, for `http://` and `https://`."""
    return HTTPStorage(url)


class HTTPStorage:
    """The studies of the `kilter serve` at a URL, as in `http://:TOKEN@host:8517`; $KILTER_TOKEN, where that has none.

    Safe between threads, and over a fork. Can be pickled: the copy asks the same server. A server that does not answer
    is tried for two minutes; then StorageUnreachable is raised.
    """

    def __init__(self, url: str) -> None:
        self._given = url
        self._address, self._token = _parsed(url)
        self.url = masked(url)
        self.is_durable = True
        self._patience = OPENING
        self._client: httpx.Client | None = self._connected()
        self._ask("")
        self._patience = PATIENCE

    def __repr__(self) -> str:
        return f"HTTPStorage({self.url!r})"

    def __reduce__(self) -> tuple[type[HTTPStorage], tuple[str]]:
        return HTTPStorage, (self._given,)

    def create(self, name: str, event: Created) -> int:
        study: int = self._tell("/create", {"name": name, "event": row_of(event), "token": _token()})["id"]
        return study

    def studies(self) -> list[StudyRow]:
        return [StudyRow(*row) for row in self._ask("/studies")["studies"]]

    def delete(self, study: int) -> None:
        self._tell(f"/studies/{study}/delete", {"token": _token()})

    def append(
        self,
        study: int,
        events: Sequence[Event],
        after: int = 0,
        limit: int | None = None,
        distinct: bool = False,
    ) -> Appended:
        if not events:
            return Appended(self.read(study, after), [])
        said = {"events": [*map(row_of, events)], "after": after, "limit": limit, "distinct": distinct}
        answer = self._tell(f"/studies/{study}/append", {**said, "token": _token()})
        return Appended(entries_of(answer["entries"]), [events[index] for index in answer["refused"]])

    def read(self, study: int, after: int = 0, count: int | None = None) -> list[Entry]:
        found: list[Entry] = []
        while True:
            most = PAGE if count is None else min(PAGE, count - len(found))
            page = self._ask(f"/studies/{study}/events?after={after + len(found)}&count={most}")["entries"]
            found += entries_of(page)
            if len(page) < PAGE:
                return found

    def save_snapshot(self, study: int, position: int, version: str, data: bytes) -> None:
        text = base64.b64encode(data).decode()
        self._tell(f"/studies/{study}/save-snapshot", {"position": position, "version": version, "data": text})

    def load_snapshot(self, study: int, version: str) -> tuple[int, bytes] | None:
        found = self._ask(f"/studies/{study}/snapshot?version={quote(version, safe='')}")["snapshot"]
        return found and (found[0], base64.b64decode(found[1]))

    def renew(self, study: int, worker: Worker, seconds: float) -> None:
        self._tell(f"/studies/{study}/renew", {**vars(worker), "seconds": seconds})

    def release(self, study: int, worker: str) -> None:
        self._tell(f"/studies/{study}/release", {"id": worker})

    def leases(self, study: int) -> list[tuple[Worker, float]]:
        rows = self._ask(f"/studies/{study}/leases")["leases"]
        return [(Worker(*row[:4]), row[4]) for row in rows]

    def close(self) -> None:
        if self._client is not None and self._pid == os.getpid():
            self._client.close()
        self._client = None

    # How a request reaches the server.

    def _ask(self, path: str) -> Any:
        return self._answered("GET", path, None)

    def _tell(self, path: str, said: Mapping[str, Any]) -> Any:
        return self._answered("POST", path, said)

    def _answered(self, method: str, path: str, said: Mapping[str, Any] | None) -> Any:
        """What the server answers; raises what it raised, and StorageUnreachable where it is not to be had."""
        trouble, has_arrived = "", False
        for number in tries(self._patience):
            if number == TOLD:
                log.warning("%s cannot be reached, trying again for %g s: %s", self.url, self._patience, trouble)
            if has_arrived and said and "token" in said:
                said = {**said, "again": True}
            content = None if said is None else json.dumps(said)
            status, answer, trouble = self._sent(method, path, content)
            has_arrived = has_arrived or status != NOWHERE
            if status == 200:
                return answer
            if status > 0 and not _is_passing(status, answer):
                raise _error(self.url, status, answer)
        raise StorageUnreachable(
            f"{self.url} could not be reached for {self._patience:g} s ({trouble}): is `kilter serve` running there? "
            "What it has answered by now is stored"
        )

    def _sent(self, method: str, path: str, content: str | None) -> tuple[int, Any, str]:
        """The status and the document of an answer, and what was wrong: where none came UNANSWERED, or NOWHERE."""
        import httpx

        try:
            response = self._live().request(method, self._address + path, content=content)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            return NOWHERE, None, str(error) or type(error).__name__
        except httpx.RequestError as error:
            return UNANSWERED, None, str(error) or type(error).__name__
        try:
            return response.status_code, response.json(), f"it answers {response.status_code}"
        except ValueError:
            return response.status_code, None, f"it answers {response.status_code}, and no JSON"

    def _live(self) -> httpx.Client:
        if self._client is None:
            raise StorageError(f"the storage {self.url} is closed: open it again")
        if self._pid != os.getpid():  # a fork: the parent's connections are not to be touched, nor closed
            self._client = self._connected()
        return self._client

    def _connected(self) -> httpx.Client:
        with needed('"kilter[http]"', f"storage={self.url!r}"):
            import httpx
        self._pid = os.getpid()
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        limits = httpx.Limits(max_connections=None, keepalive_expiry=IDLE)
        verify = self._address.startswith("https")  # else nothing is verified, and certificates need not be read
        return httpx.Client(headers=headers, timeout=TIMEOUT, limits=limits, verify=verify)


def _token() -> str:
    """What tells one change from all others."""
    return secrets.token_hex(12)


def _parsed(url: str) -> tuple[str, str]:
    """The address of the storage behind a URL, and the token; raises InvalidInput."""
    example = "write 'http://:TOKEN@host:8517', or set KILTER_TOKEN"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # which may quote a password
        raise InvalidInput(f"storage={masked(url)!r} has a port or a host that is none: {example}") from None
    if not parts.hostname or parts.query or parts.fragment:
        raise InvalidInput(f"storage={masked(url)!r} is not the address of a server: {example}")
    if parts.username:
        raise InvalidInput(f"storage='{parts.scheme}://…' has a user in it, where there is a token alone: {example}")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    netloc = host if port is None else f"{host}:{port}"
    path = parts.path.rstrip("/") + AT
    return urlunsplit((parts.scheme, netloc, path, "", "")), unquote(parts.password or os.environ.get(TOKEN, ""))


def _said(answer: Any) -> Mapping[str, Any]:
    """What an answer says that is an error of kilter's; nothing where it is not."""
    error = answer.get("error") if isinstance(answer, dict) else None
    return error if isinstance(error, dict) else {}


def _is_passing(status: int, answer: Any) -> bool:
    """Whether the same may be answered otherwise in a moment: never where it was the storage that raised."""
    return (status in PASSING and not _said(answer).get("kind")) or (status >= 500 and not _said(answer))


def _error(url: str, status: int, answer: Any) -> KilterError:
    said = _said(answer)
    if said.get("kind"):
        return error_of(str(said["kind"]), str(said.get("message")))
    if status == 404:
        return StorageError(f"{url} serves no storage: start `kilter serve` there (a dashboard does not)")
    if status == 401:
        why = f"give the one that `kilter serve` printed, in {TOKEN}"
        return StorageError(f"{url} asks for its token, and was given none or another: {why}")
    why = one_line(f"{said.get('message', 'it is no server of kilter')}. {said.get('action', '')}".rstrip(". "), 400)
    return StorageError(f"{url} answers {status}: {why}")
