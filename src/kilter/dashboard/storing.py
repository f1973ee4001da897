"""The storage itself over HTTP, for `kilter.storage.http`: a route for each of its methods, for those with the token.

A change comes with a token of its own, and may come twice, since its answer was lost: it is done once. Whoever sends it
again says so, and a server that was started anew meanwhile, and knows no token, looks for it in the log.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from kilter.core import codec
from kilter.core.border import check_study_name
from kilter.core.errors import InvalidInput, StudyExists, StudyNotFound
from kilter.core.events import Created, Enqueued, Entry, Event
from kilter.core.interfaces import Appended, Storage, Worker
from kilter.core.text import shown
from kilter.dashboard.asking import Ask, Content, Field, Query, Route
from kilter.dashboard.together import Wish
from kilter.dashboard.work import LONGEST_LEASE
from kilter.storage.wire import event_of, rows_of

STORAGE = "/work/storage"
STUDY = f"{STORAGE}/studies/{{id:int}}"

IDS = 2**31
"""Ids of studies are below this: no storage gives a larger one, and not all of them can look for it."""

AGAIN = (
    Field("token", "What tells this change from all others; the same where it is sent again.", "text", needed=True),
    Field("again", "Whether it was sent before, and no answer came.", "boolean"),
)


def _json(**answer: Any) -> Content:
    """An answer of many rows, which are plain as they are."""
    return Content(json.dumps({"v": 1, **answer}, separators=(",", ":")).encode(), "application/json")


def _storage(ask: Ask) -> Any:
    return {}


def _study(ask: Ask) -> int:
    """The id of the study that a request is about; raises StudyNotFound where no study can have it."""
    study: int = ask.path["id"]
    if study >= IDS:
        raise StudyNotFound(f"no study with the id {shown(study, 40)}: ids are below {IDS:,}")
    return study


def _studies(ask: Ask) -> Content:
    return _json(studies=[[row.id, row.name, row.created] for row in ask.reading.storage.studies()])


def _create(ask: Ask) -> Any:
    name, event, storage = check_study_name(ask.body["name"]), event_of(ask.body["event"]), ask.reading.storage
    if not isinstance(event, Created):
        raise InvalidInput(f"a log begins with how its study was created, not with {event!r}")

    def create() -> int:
        try:
            return storage.create(name, event)
        except StudyExists:
            study = next((row.id for row in storage.studies() if row.name == name), None)
            if not ask.body.get("again") or study is None or not _is_first(storage, study, event):
                raise
            return study

    return {"id": ask.once(create)}


def _is_first(storage: Storage, study: int, event: Created) -> bool:
    """Whether this very event began a study."""
    entries = storage.read(study, 0, 1)
    return bool(entries) and codec.row(entries[0].event) == codec.row(event)


def _delete(ask: Ask) -> Any:
    study = _study(ask)

    def delete() -> None:
        try:
            ask.reading.storage.delete(study)
        except StudyNotFound:
            if not ask.body.get("again"):
                raise

    ask.once(delete)
    return {}


def _events(ask: Ask) -> Content:
    entries = ask.reading.storage.read(_study(ask), ask.query["after"], ask.query["count"])
    return _json(entries=rows_of(entries))


def _append(ask: Ask) -> Content:
    storage, study, said = ask.reading.storage, _study(ask), ask.body
    events, after = [*map(event_of, said["events"])], said.get("after") or 0
    fresh: Appended | None = None

    def append() -> tuple[list[int], int]:
        """Which were refused, and where the answer ends: behind what was written."""
        nonlocal fresh
        if said.get("again"):
            fresh = written_before(events, storage.read(study, after))
        if fresh is None:
            wish = Wish(events, after, said.get("limit"), bool(said.get("distinct")))
            fresh = ask.work.together.append(storage, study, wish)
        refused = [index for index, event in enumerate(events) if any(event is each for each in fresh.refused)]
        return refused, fresh.entries[-1].position if fresh.entries else after

    refused, end = ask.once(append)
    entries = storage.read(study, after, end - after) if fresh is None else fresh.entries
    return _json(entries=rows_of(entries), refused=refused)


def written_before(events: Sequence[Event], entries: Sequence[Entry]) -> Appended | None:
    """What came of events when they were written, as the entries of the log show it; None where they were not.

    What one transaction wrote stands side by side.
    """
    rows = [codec.row(event) for _, event in entries]
    for start in range(len(rows)):
        end, refused = start, []
        for event in events:
            if end < len(rows) and rows[end] == _as_stored(event, entries[end].event):
                end += 1
            else:
                refused.append(event)
        if end > start:
            return Appended([*entries[:end]], refused)
    return None


def _as_stored(event: Event, there: Event) -> codec.Row:
    """The row of an event, under the number that another one was given where it has none itself."""
    kind, number, attempt, time, body = codec.row(event)
    is_given = isinstance(event, Enqueued) and number is None
    return kind, there.number if is_given else number, attempt, time, body


def _snapshot(ask: Ask) -> Content:
    found = ask.reading.storage.load_snapshot(_study(ask), ask.query["version"])
    return _json(snapshot=found and [found[0], base64.b64encode(found[1]).decode()])


def _save_snapshot(ask: Ask) -> Any:
    said = ask.body
    try:
        data = base64.b64decode(said["data"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput(f"data: {error}: give bytes as base64") from error
    ask.reading.storage.save_snapshot(_study(ask), said["position"], said["version"], data)
    return {}


def _leases(ask: Ask) -> Content:
    leases = ask.reading.storage.leases(_study(ask))
    return _json(leases=[[*vars(worker).values(), left] for worker, left in leases])


def _renew(ask: Ask) -> Any:
    said = ask.body
    worker, seconds = Worker(said["id"], said["host"], said["pid"], said["born"]), said["seconds"]
    if abs(seconds) > LONGEST_LEASE:
        raise InvalidInput(f"seconds={shown(seconds, 40)}: give at most {LONGEST_LEASE:.0f}, which is 30 days")
    ask.reading.storage.renew(_study(ask), worker, seconds)
    return {}


def _release(ask: Ask) -> Any:
    ask.reading.storage.release(_study(ask), ask.body["id"])
    return {}


WORKER = Field("id", "The worker.", "name", needed=True)

_TABLE = (
    Route(STORAGE, "Whether the storage is served.", _storage),
    Route(f"{STORAGE}/studies", "Id, name and time of creation of all studies, oldest first.", _studies),
    Route(
        f"{STUDY}/events",
        "The entries of a log: position, kind, number, attempt, time and body.",
        _events,
        (
            Query("after", "Only those behind this position.", "integer", 0),
            Query("count", "At most so many.", "integer"),
        ),
    ),
    Route(
        f"{STUDY}/snapshot",
        "The latest snapshot of a version: its position, and its bytes as base64.",
        _snapshot,
        (Query("version", "The version.", "name", default=""),),
    ),
    Route(f"{STUDY}/leases", "All leases: id, host, pid and birth of the worker, and the seconds left.", _leases),
    Route(
        f"{STORAGE}/create",
        "A new study.",
        _create,
        method="POST",
        body=(
            Field("name", "Its name.", "text", needed=True),
            Field("event", "The first event of its log.", "row", needed=True),
            *AGAIN,
        ),
    ),
    Route(f"{STUDY}/delete", "Remove a study.", _delete, method="POST", body=AGAIN),
    Route(
        f"{STUDY}/append",
        "Write events in one transaction; the entries after a position, and which of the events were refused.",
        _append,
        method="POST",
        body=(
            Field("events", "Each as kind, number, attempt, time and body.", "rows", needed=True),
            Field("after", "The position up to which the log is known.", "integer"),
            Field("limit", "How many trials there may be.", "integer"),
            Field("distinct", "Whether a configuration is begun once.", "boolean"),
            *AGAIN,
        ),
    ),
    Route(
        f"{STUDY}/save-snapshot",
        "Keep the state at a position.",
        _save_snapshot,
        method="POST",
        body=(
            Field("position", "The position.", "integer", needed=True),
            Field("version", "The version.", "name", needed=True),
            Field("data", "The bytes as base64.", "text", needed=True),
        ),
    ),
    Route(
        f"{STUDY}/renew",
        "Hold a worker's lease.",
        _renew,
        method="POST",
        body=(
            WORKER,
            Field("host", "Its host.", "name", needed=True),
            Field("pid", "Its process.", "integer", needed=True),
            Field("born", "When that began, in seconds.", "number", needed=True),
            Field("seconds", "How long from now.", "number", needed=True),
        ),
    ),
    Route(f"{STUDY}/release", "Give a worker's lease back.", _release, method="POST", body=(WORKER,)),
)

ROUTES: tuple[Route, ...] = tuple(replace(route, is_for_workers=True) for route in _TABLE)
