"""Who may ask what: every request of every route comes through here first, and every answer goes out through here.

    Host      a name of this machine's loopback, or one that the user gave: else another site's name may lead here.
              A worker's program, which sends the token itself and is no page, may call the server as it likes
    Origin    the page's own, where a browser sends one: no other page may read or change anything
    token     where there is one, in the cookie that the one-time link left, or as "Authorization: Bearer …"
    changes   anything but GET and HEAD: JSON alone, which no form of another page can send, small, not too many, and
              none at all where the dashboard is read-only; those of workers may be large and as many as they like

Why, and against what: docs/decisions/0032-dashboard.md
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Callable, Iterable
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("localhost", "127.0.0.1", "::1")
MOST_BYTES = 65_536
"""Of the body of a change."""
MOST_BYTES_OF_WORKERS = 2**26
"""Of what a worker sends, such as a batch of events or a snapshot."""
MOST_DEEP = 16
"""Containers of JSON within one another."""

NO_TICKET = """This dashboard needs its link: the one that `kilter dashboard` printed, which works once, in one browser.
Start it again for another link.
"""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Allowance:
    """So many at once, and so many a second after that."""

    def __init__(self, most: float, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._rate, self._clock = most, per_second, clock
        self._left, self._at = most, clock()

    def take(self) -> bool:
        """Whether there is one more."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Tickets:
    """The token, the cookie that stands for it in a browser, and links that give the cookie once."""

    def __init__(self, token: str) -> None:
        self._token = token
        self.cookie = f"kilter-{_digest(token)[:8]}"
        """Its name, another one for each dashboard of a host: browsers do not tell them apart by their ports."""
        self._codes: set[str] = set()

    def link(self) -> str:
        """A code for the address of the page, that can be used once."""
        code = secrets.token_urlsafe(24)
        self._codes.add(code)
        return code

    def redeemed(self, code: str) -> str | None:
        """What the cookie holds, for a code that was not used yet."""
        if code not in self._codes:
            return None
        self._codes.remove(code)
        return self._in_cookie

    @property
    def _in_cookie(self) -> str:
        return _digest(f"cookie of {self._token}")

    def are_told(self, headers: Headers) -> bool:
        """Whether a request has the token itself."""
        scheme, _, given = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self._token.encode())

    def admits(self, headers: Headers) -> bool:
        """Whether a request has the token or the cookie."""
        if self.are_told(headers):
            return True
        try:
            kept = SimpleCookie(headers.get("cookie", "")).get(self.cookie)
        except CookieError:
            return False
        return kept is not None and hmac.compare_digest(kept.value.encode(), self._in_cookie.encode())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class Refused(Exception):
    """A request that is not answered: a status, why, and what to do about it."""

    def __init__(self, status: int, message: str, action: str = "", kind: str = "") -> None:
        super().__init__(message)
        self.status, self.message, self.action = status, message, action
        self.kind = kind
        """The class of the error of kilter's that it is, if any."""

    def response(self) -> Response:
        """What is sent."""
        said = {"error": {"kind": self.kind, "message": self.message, "action": self.action}}
        headers = {"Cache-Control": "no-store"}
        if self.status == 429:
            headers["Retry-After"] = "1"
        return Response(json.dumps(said), self.status, headers, "application/json")


class Guard:
    """An ASGI application around another one."""

    def __init__(
        self,
        app: ASGIApp,
        hosts: Iterable[str] = (),
        token: str | None = None,
        read_only: bool = False,
        workers: str | None = None,
    ) -> None:
        """Around `app`, of which what is below the path `workers` is for workers."""
        self._app, self._workers = app, workers
        self._origins = frozenset(host.lower() for host in hosts)
        self._hosts = frozenset(map(_name, self._origins)).union(LOOPBACK)
        self._read_only = read_only
        self.tickets = None if token is None else Tickets(token)
        self._changes, self._guesses = Allowance(100, 10), Allowance(10, 0.5)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        send = _with_headers(send)
        try:
            answer = self._entrance(scope)
            if answer is None and scope["method"] not in ("GET", "HEAD"):
                receive = _again(await self._checked_body(scope, receive))
        except Refused as refusal:
            answer = refusal.response()
        await (answer or self._app)(scope, receive, send)

    def _entrance(self, scope: Scope) -> Response | None:
        """Raise Refused where the request may not come in; the answer where it came by a one-time link."""
        headers = Headers(scope=scope)
        if not self._is_program(scope, headers):
            self._check_host(headers)
        self._check_origin(headers)
        if self.tickets is None:
            return None
        code = parse_qs(scope["query_string"].decode("latin-1")).get("code")
        if code and scope["method"] == "GET" and (kept := self.tickets.redeemed(code[0])) is not None:
            return _welcome(scope, self.tickets.cookie, kept)
        if not self.tickets.admits(headers):
            if not self._guesses.take():
                raise Refused(429, "too many requests without the token", "Wait a second.")
            if "text/html" in headers.get("accept", ""):
                return PlainTextResponse(NO_TICKET, 401)
            action = (
                "Send the token that it printed as 'Authorization: Bearer …'; a browser opens the link that it printed."
            )
            raise Refused(401, "this server needs its token", action)
        return None

    def _check_host(self, headers: Headers) -> None:
        given = headers.getlist("host")
        name = _name(given[0]) if len(given) == 1 else None
        if not name or name not in self._hosts:
            action = "Ask it by the address that it printed, or allow the name with --allow-host."
            raise Refused(421, "this server does not answer to that host name", action)

    def _check_origin(self, headers: Headers) -> None:
        for origin in headers.getlist("origin"):
            netloc = _netloc(origin)
            if not netloc or (netloc != headers["host"].lower() and netloc not in self._origins):
                raise Refused(403, "another page may not ask this server")

    async def _checked_body(self, scope: Scope, receive: Receive) -> bytes:
        """The body of a change that may be made; raises Refused."""
        headers = Headers(scope=scope)
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Refused(415, "a change is sent as JSON", "Send it with 'Content-Type: application/json'.")
        if self._read_only:
            raise Refused(403, "this dashboard is read-only", "Start it without --read-only to change something.")
        if self._is_of_worker(scope):
            return await _body(receive, MOST_BYTES_OF_WORKERS)
        if not self._changes.take():
            raise Refused(429, "too many changes at once", "Wait a second.")
        return await _body(receive, MOST_BYTES)

    def _is_program(self, scope: Scope, headers: Headers) -> bool:
        """Whether a worker asks that is no page, and so cannot have been led here by a name: it knows the token."""
        is_told = self.tickets is not None and self.tickets.are_told(headers)
        return is_told and self._is_of_worker(scope) and "origin" not in headers

    def _is_of_worker(self, scope: Scope) -> bool:
        path: str = scope["path"].removeprefix(scope.get("root_path", ""))
        return self._workers is not None and path.startswith(f"{self._workers}/")


HOST = re.compile(r"(?:\[([\w:.%]+)\]|([^\s/\\@:?#\[\]]+))(?::\d*)?")


def _name(host: str) -> str | None:
    """The name in a Host header or the like, without its port; None where it is none."""
    found = HOST.fullmatch(host)
    return (found[1] or found[2]).removesuffix(".").lower() if found else None


def _netloc(origin: str) -> str:
    """The host and port in an Origin header; nothing where it is none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _welcome(scope: Scope, cookie: str, value: str) -> Response:
    """To the page without the code in its address, with the cookie in its place."""
    answer = RedirectResponse("./" if scope["path"].endswith("/") else scope["path"].rpartition("/")[2], 303)
    path = scope.get("root_path", "") or "/"
    answer.set_cookie(cookie, value, path=path, httponly=True, samesite="strict", secure=scope["scheme"] == "https")
    answer.headers["Cache-Control"] = "no-store"
    return answer


async def _body(receive: Receive, most: int) -> bytes:
    body = bytearray()
    while True:
        message: dict[str, Any] = dict(await receive())
        body += message.get("body", b"")
        if len(body) > most:
            raise Refused(413, f"a change has at most {most} bytes")
        if not message.get("more_body", False):
            return bytes(body)


def _again(body: bytes) -> Receive:
    """Who receives a body that was read already."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else {"type": "http.disconnect"}

    return receive


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(HEADERS)
        await send(message)

    return sending


def document(body: bytes) -> dict[str, Any]:
    """The object that a body holds; raises Refused."""
    try:
        data = json.loads(body or b"{}", parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Refused(400, "the body is not JSON") from None
    if not isinstance(data, dict) or _depth(data) > MOST_DEEP:
        raise Refused(400, f"the body is to be an object of JSON, at most {MOST_DEEP} levels deep")
    return data


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _depth(data: Any) -> int:
    items = data.values() if isinstance(data, dict) else data if isinstance(data, list) else ()
    return 1 + max(map(_depth, items), default=0) if isinstance(data, (dict, list)) else 0
