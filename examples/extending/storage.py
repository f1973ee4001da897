"""A storage of your own: the log of each study is a file with a JSON line for each event.

A storage keeps events in order and refuses those whose identity is taken. What an event looks like is the codec's:
`codec.row(event)` is what to keep, `codec.decode(*row)` makes the event of it again. Beside the log there are the
latest snapshot and the leases of workers, which matter where studies outlive their process (`is_durable`). This one is
for one process at a time and reads a file anew for each question, the shortest that is right; where processes share a
log, what is here a lock has to be a transaction.

    kilter.create_study(storage=JsonLines("studies"))

A package that registers it, `lines = "my_package:JsonLines.of_url"` in the entry points of `kilter.storages`, opens it
by `storage="lines:///studies"`.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from kilter.core import codec
from kilter.core.errors import StorageError, StudyExists, StudyNotFound
from kilter.core.events import Created, Entry, Event, is_begun
from kilter.core.interfaces import Appended, StudyRow, Worker


class JsonLines:
    """Studies below a folder: `<id>.jsonl` is the log, and `<id>.json` what is beside it."""

    is_durable = True

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self.url = f"lines:///{self.path}"
        self._folder = Path(path)
        self._folder.mkdir(exist_ok=True)
        self._lock = threading.RLock()

    @classmethod
    def of_url(cls, url: str) -> JsonLines:
        """The storage at lines:///path."""
        return cls(url.removeprefix("lines:///"))

    def __reduce__(self) -> tuple[type[JsonLines], tuple[str]]:
        return JsonLines, (self.path,)

    # The log.

    def create(self, name: str, event: Created) -> int:
        with self._lock:
            if name in [row.name for row in self.studies()]:
                raise StudyExists(f"the study {name!r} exists: choose another name")
            study = 1 + len([*self._folder.glob("*.json")])  # what is beside the log stays, so no id comes twice
            self._write(study, {"name": name, "created": event.time, "leases": {}, "snapshot": None})
            self._file(study).write_text(json.dumps(codec.row(event)) + "\n")
            return study

    def studies(self) -> list[StudyRow]:
        with self._lock:
            ids = sorted(int(file.stem) for file in self._folder.glob("*.jsonl"))
            rows = [(study, self._read(study)) for study in ids]
            return [StudyRow(study, beside["name"], beside["created"]) for study, beside in rows]

    def delete(self, study: int) -> None:
        with self._lock:
            self._read(study)
            self._file(study).unlink()

    def append(
        self,
        study: int,
        events: Sequence[Event],
        after: int = 0,
        limit: int | None = None,
        distinct: bool = False,
    ) -> Appended:
        with self._lock:
            known = self._events(study)
            unread, refused, lines = self.read(study, after), [], []
            for given in events:
                event = _numbered(given, known)
                if _is_refused(event, known, limit) or (distinct and is_begun(event, unread)):
                    refused.append(given)
                else:
                    known.append(codec.stored(event))
                    lines.append(json.dumps(codec.row(event)) + "\n")  # raises before anything is written
            with self._file(study).open("a") as file:
                file.writelines(lines)
            return Appended(self.read(study, after), refused)

    def read(self, study: int, after: int = 0, count: int | None = None) -> list[Entry]:
        events = self._events(study)
        if after > len(events):
            raise StorageError(f"position {after} is beyond the end of the log of study {study}")
        entries = [Entry(position, event) for position, event in enumerate(events, start=1)]
        return entries[after : None if count is None else after + count]

    # What saves time, and who is at work.

    def save_snapshot(self, study: int, position: int, version: str, data: bytes) -> None:
        with self._lock:
            beside = self._read(study)
            known = beside["snapshot"]
            if known is None or known[1] != version or known[0] <= position:
                self._write(study, {**beside, "snapshot": [position, version, data.hex()]})

    def load_snapshot(self, study: int, version: str) -> tuple[int, bytes] | None:
        known = self._read(study)["snapshot"]
        return None if known is None or known[1] != version else (known[0], bytes.fromhex(known[2]))

    def renew(self, study: int, worker: Worker, seconds: float) -> None:
        with self._lock:
            beside = self._read(study)
            beside["leases"][worker.id] = [asdict(worker), time.time() + seconds]
            self._write(study, beside)

    def release(self, study: int, worker: str) -> None:
        with self._lock:
            beside = self._read(study)
            beside["leases"].pop(worker, None)
            self._write(study, beside)

    def leases(self, study: int) -> list[tuple[Worker, float]]:
        leases = self._read(study)["leases"].values()
        return [(Worker(**worker), expires - time.time()) for worker, expires in leases]

    def close(self) -> None:
        """Nothing is open between two calls."""

    # Files.

    def _file(self, study: int) -> Path:
        return self._folder / f"{study}.jsonl"

    def _events(self, study: int) -> list[Event]:
        self._read(study)
        return [codec.decode(*json.loads(line)) for line in self._file(study).read_text().splitlines()]

    def _read(self, study: int) -> dict[str, Any]:
        with self._lock:
            if not self._file(study).exists():
                raise StudyNotFound(f"no study with the id {study} in {self.path}")
            beside: dict[str, Any] = json.loads((self._folder / f"{study}.json").read_text())
            return beside

    def _write(self, study: int, beside: dict[str, Any]) -> None:
        unfinished = self._folder / f"{study}.unfinished"
        unfinished.write_text(json.dumps(beside))
        os.replace(unfinished, self._folder / f"{study}.json")


def _numbered(event: Event, known: Sequence[Event]) -> Event:
    """An Enqueued without a number gets the next one."""
    if not event.creates or event.number is not None:
        return event
    return replace(event, number=max([-1, *(each.number for each in known if each.creates)]) + 1)


def _is_refused(event: Event, known: Sequence[Event], limit: int | None) -> bool:
    """Whether its identity is taken, or it would create a trial whose number is taken or not below the limit."""
    if event.identity is not None and event.identity in [each.identity for each in known]:
        return True
    taken = [each.number for each in known if each.creates]
    return event.creates and (event.number in taken or (limit is not None and event.number >= limit))
