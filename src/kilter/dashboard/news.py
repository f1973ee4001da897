"""Server-sent events: which studies have news. A page that hears of it asks for what changed."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from kilter.core.errors import KilterError
from kilter.dashboard.guard import Refused
from kilter.dashboard.reading import Reading

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

EVERY = 0.3
"""Seconds between two looks; a look at a study without news is one statement to its storage."""
HEARTBEAT = 15.0
"""Seconds after which something is sent in any case, so that nobody on the way takes the line for dead."""
MOST_STREAMS = 64


class News:
    """Looks for news while anybody listens, in one task for all of them."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._run = secrets.token_hex(4)
        """Which run of the server the numbers of events are of."""
        self._count = 0
        self._latest: dict[str, tuple[int, str]] = {}
        """By what an event is about the number and the text of the latest one: who is slow misses only what is past."""
        self._listeners: set[asyncio.Event] = set()
        self._task: asyncio.Task[None] | None = None
        self._is_closed = False

    def close(self) -> None:
        """End all streams; called in their loop."""
        self._is_closed = True
        self._wake()

    @contextmanager
    def listening(self) -> Iterator[asyncio.Event]:
        """Has a place among those who listen, and is woken where there are news; raises Refused where none is left."""
        if len(self._listeners) >= MOST_STREAMS:
            raise Refused(503, f"{MOST_STREAMS} pages listen already", "Close some.")
        woken = asyncio.Event()
        self._listeners.add(woken)
        try:
            self._look_out()
            yield woken
        finally:
            self._listeners.discard(woken)

    async def told(self, woken: asyncio.Event, last_id: str | None) -> AsyncIterator[str]:
        """All news after an event, without one where everything stands."""
        run, _, seen = (last_id or "").partition("-")
        after = int(seen) if run == self._run and seen.isdecimal() and len(seen) < 19 else 0
        yield "retry: 2000\n\n"
        while not self._is_closed:
            woken.clear()
            fresh = sorted(item for item in self._latest.values() if item[0] > after)
            for after, text in fresh:
                yield f"id: {self._run}-{after}\n{text}\n\n"
            try:
                await asyncio.wait_for(woken.wait(), HEARTBEAT)
            except asyncio.TimeoutError:
                yield ": still here\n\n"

    def _look_out(self) -> None:
        loop = asyncio.get_running_loop()
        if self._task is None or self._task.done() or self._task.get_loop() is not loop:
            self._task = loop.create_task(self._follow())

    async def _follow(self) -> None:
        while self._listeners and not self._is_closed:
            count = self._count
            await run_in_threadpool(self._look)
            if self._count > count:
                self._wake()
            await asyncio.sleep(EVERY)

    def _wake(self) -> None:
        for woken in tuple(self._listeners):
            woken.set()

    def _look(self) -> None:
        trouble = None
        try:
            self._tell("studies", "studies", {"ids": [row.id for row in self._reading.rows()]})
        except KilterError as error:
            trouble = self._reading.said(error)
        for known in self._reading.followed() if trouble is None else []:
            with suppress(KilterError):  # whoever asks for it is told
                study = self._reading.study(known.id)
                with study.log.lock:
                    revision, trials = study.revision, len(study.log.replica.history)
                self._tell(f"study {study.id}", "study", {"study": study.id, "revision": revision, "trials": trials})
        self._tell("storage", "storage", {"error": trouble})

    def _tell(self, about: str, kind: str, data: dict[str, Any]) -> None:
        text = f"event: {kind}\ndata: {json.dumps(data)}"
        if self._latest.get(about, (0, ""))[1] != text:
            self._count += 1
            self._latest[about] = self._count, text


class Stream:
    """The answer to who listens, who has a place from its first byte to its last."""

    HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    MEDIA = "text/event-stream"

    def __init__(self, news: News, last_id: str | None) -> None:
        self._news, self._last_id = news, last_id

    def head(self) -> Response:
        """Its headers alone, which take no place."""
        return Response(headers=self.HEADERS, media_type=self.MEDIA)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer until the one or the other side ends it."""
        with self._news.listening() as woken:
            told = self._news.told(woken, self._last_id)
            await StreamingResponse(told, headers=self.HEADERS, media_type=self.MEDIA)(scope, receive, send)
