"""The dashboard as an ASGI application: the guard around the routes of api/v1, the stream of news, and the files."""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import os
import time
from collections.abc import Awaitable, Callable, Hashable, Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route as Address

from kilter.analysis.plain import plain
from kilter.core.errors import KilterError, NotReady, StorageError, StudyNotFound, TrialNotFound
from kilter.core.interfaces import Storage
from kilter.dashboard.answers import Answers
from kilter.dashboard.asking import Ask, Content, Route
from kilter.dashboard.documents import LASTS
from kilter.dashboard.files import files
from kilter.dashboard.guard import Guard, Refused, document
from kilter.dashboard.news import News, Stream
from kilter.dashboard.reading import Reading
from kilter.dashboard.routes import routes
from kilter.dashboard.work import Work
from kilter.dashboard.working import WORK

if TYPE_CHECKING:
    from starlette.requests import Request

log = logging.getLogger("kilter")

API = "/api/v1"
SMALL = 1_400
"""Bytes that are not worth compressing: they fit one packet."""
MOST_WAITING = 16
"""Changes that wait for the one before them, which may wait for another process."""
WORKERS = 32
"""Workers that are served at once; the others wait for a moment."""
LARGE = 262_144
"""Bytes from which on speed counts more than the last tenth."""

STATUS: tuple[tuple[tuple[type[Exception], ...], int], ...] = (
    ((StudyNotFound, TrialNotFound), 404),
    ((NotReady,), 409),
    ((StorageError,), 503),
    ((KilterError,), 400),
)
"""What errors are in HTTP, the first that fits."""


class Dashboard(Guard):
    """The application; `news` and `tickets` are for who serves it."""

    def __init__(
        self, reading: Reading, read_only: bool, token: str | None, hosts: Iterable[str], workers: bool = False
    ) -> None:
        self.reading, self.news = reading, News(reading)
        self._answers, self._turn, self._change = Answers(), CapacityLimiter(1), CapacityLimiter(1)
        self._changes_asked = 0
        self.work, self._at_once, self._thinking = Work(reading), CapacityLimiter(WORKERS), CapacityLimiter(WORKERS)
        table = [Address(API + r.path, self._endpoint(r), methods=[r.method]) for r in routes(workers)]
        table.append(Address(f"{API}/events", self._events))
        table.append(Address("/{name:path}", _file))
        refusals: Any = {KilterError: self._explained, Refused: _refused, HTTPException: _unknown, Exception: _broken}
        app = Starlette(routes=table, exception_handlers=refusals)
        super().__init__(app, hosts, token, read_only, API + WORK if workers else None)

    def _endpoint(self, route: Route) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            raw = b"" if route.method == "GET" else await request.body()
            query = route.read(request.query_params)

            def ask() -> Ask:
                body = document(raw)
                return Ask(self.reading, time.time(), request.path_params, query, body, self._read_only, self.work)

            if route.is_for_workers:
                limiter = self._thinking if route.takes_time else self._at_once
                return await to_thread.run_sync(lambda: _response(_content(route(ask())), request), limiter=limiter)
            if route.method != "GET":
                return await self._changed(lambda: _response(_content(route(ask())), request))
            if not route.takes_time:
                return await run_in_threadpool(lambda: _response(_content(route(ask())), request))
            known = await run_in_threadpool(lambda: self._known(route, ask()))
            if known is None:
                known = await to_thread.run_sync(lambda: self._worked_out(route, ask()), limiter=self._turn)
            content = Content(known, "application/json")
            return await run_in_threadpool(lambda: _response(content, request))

        return endpoint

    async def _changed(self, change: Callable[[], Response]) -> Response:
        """Make a change, one at a time: where the storage waits, nothing but the changes after it does."""
        if self._changes_asked > MOST_WAITING:
            raise Refused(503, f"{MOST_WAITING} changes wait for the storage already", "Try again in a moment.")
        self._changes_asked += 1
        try:
            return await to_thread.run_sync(change, limiter=self._change)
        finally:
            self._changes_asked -= 1

    def _known(self, route: Route, ask: Ask) -> bytes | None:
        return self._answers.known(_question(route, ask))

    def _worked_out(self, route: Route, ask: Ask) -> bytes:
        """The answer; somebody who waited before may have asked the same."""
        question = _question(route, ask)
        known = self._answers.known(question)
        if known is None:
            known = _content({**_as_of(ask), **plain(route(ask))}).body
            self._answers.keep(question, known)
        return known

    async def _explained(self, request: Request, error: Exception) -> Response:
        status = next(status for kinds, status in STATUS if isinstance(error, kinds))
        action = "Try again in a moment." if status == 503 else ""
        return Refused(status, self.reading.said(error), action, type(error).__name__).response()

    async def _events(self, request: Request) -> Response | Stream:
        stream = Stream(self.news, request.headers.get("last-event-id"))
        return stream if request.method == "GET" else stream.head()


def create_app(
    storage: str | os.PathLike[str] | Storage,
    *,
    read_only: bool = False,
    token: str | None = None,
    hosts: Iterable[str] = (),
    workers: bool = False,
) -> Dashboard:
    """The dashboard of a storage as an ASGI application, to be served by itself or mounted under a prefix.

    With `read_only` nothing can be changed through it. With a `token` it is for those alone who have it. `hosts` are
    the names by which it may be asked, beside those of this machine's loopback: where it is mounted in an application
    that is open to others, name that application's host here, and have it ask who they are, or give a token. With
    `workers` it serves the storage as well, to workers elsewhere. Raises StudyNotFound where there is no such storage.
    """
    return Dashboard(Reading(storage), read_only, token, hosts, workers)


# -- answers ----------------------------------------------------------------------------------------------------------


def _as_of(ask: Ask) -> dict[str, int]:
    """How far in its study's log an answer looked, and how many trials there were."""
    if "id" not in ask.path:
        return {}
    return {"revision": ask.study.revision, "as_of": len(ask.study.log.replica.history)}


def _question(route: Route, ask: Ask) -> Hashable:
    """What an answer that takes time is an answer to: the route, what it was asked with, and what was read by then."""
    read = tuple((study.token, study.revision) for study in ask.studies)
    runs = any(study.log.replica.history.running for study in ask.studies)
    return route.path, *ask.path.values(), *ask.query.values(), read, ask.now // LASTS if route.ages and runs else None


def _content(answer: Any) -> Content:
    if isinstance(answer, Content):
        return answer
    data = plain(answer)
    data = {"v": 1, **data} if isinstance(data, dict) else data
    return Content(json.dumps(data, separators=(",", ":"), allow_nan=False).encode(), "application/json")


def _response(answer: Content, request: Request) -> Response:
    tag = f'"{hashlib.blake2b(answer.body, digest_size=12).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept-Encoding"}
    if request.method == "GET" and tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if answer.filename is not None:
        headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(answer.filename, safe='')}"
    body = answer.body
    if len(body) > SMALL and _takes_gzip(request):
        headers["Content-Encoding"] = "gzip"
        body = gzip.compress(body, 1 if len(body) > LARGE else 6, mtime=0)
    return Response(body, headers=headers, media_type=answer.media)


def _takes_gzip(request: Request) -> bool:
    return "gzip" in request.headers.get("accept-encoding", "")


async def _file(request: Request) -> Response:
    file = files().get(request.path_params["name"] or "index.html")
    if file is None:
        raise HTTPException(404)
    headers = {"Cache-Control": "public, max-age=31536000, immutable" if file.is_lasting else "no-cache"}
    headers["Vary"] = "Accept-Encoding"
    if not _takes_gzip(request):
        return Response(file.body, headers=headers, media_type=file.media)
    headers["Content-Encoding"] = "gzip"
    return Response(file.compressed, headers=headers, media_type=file.media)


# -- refusals ---------------------------------------------------------------------------------------------------------


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return error.response()


async def _unknown(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        return Refused(405, f"{request.method} is nothing that can be done here").response()
    return Refused(error.status_code, "there is nothing at this address", "Begin at the list of studies.").response()


async def _broken(request: Request, error: Exception) -> Response:
    log.error("dashboard: %s %s: %r", request.method, request.url.path, error)
    return Refused(500, f"internal: {type(error).__name__}: {error}", "Please report it.").response()
