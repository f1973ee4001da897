"""How to add a storage: a complete one, on files of JSON lines, and that it does all that a storage has to do.

It is for one process at a time and reads a file anew for each question: the shortest that is right. Where several
processes share a log, what is here one lock has to be a transaction.
"""

import json
import os
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

import kilter
from kilter.core import codec
from kilter.core.errors import StorageError, StudyExists, StudyNotFound
from kilter.core.events import Entry, is_begun
from kilter.core.interfaces import Appended, StudyRow, Worker
from kilter.testing.storage import StorageSuite

# -- the storage ------------------------------------------------------------------------------------------------------


class JsonLines:
    """A file of events for each study below a folder: `<id>.jsonl`, a line for each event."""

    is_durable = True

    def __init__(self, path):
        self.path = str(path)
        self.url = f"lines:///{path}"
        self._folder = Path(path)
        self._folder.mkdir(exist_ok=True)
        self._lock = threading.RLock()

    def __reduce__(self):
        return JsonLines, (self.path,)

    # The log.

    def create(self, name, event):
        with self._lock:
            if name in [row.name for row in self.studies()]:
                raise StudyExists(f"the study {name!r} exists: choose another name")
            study = 1 + len([*self._folder.glob("*.json")])  # what is beside the log stays, so no id comes twice
            self._write(study, {"name": name, "created": event.time, "leases": {}, "snapshot": None})
            self._file(study).write_text(json.dumps(codec.row(event)) + "\n")
            return study

    def studies(self):
        with self._lock:
            ids = sorted(int(file.stem) for file in self._folder.glob("*.jsonl"))
            rows = [(study, self._read(study)) for study in ids]
            return [StudyRow(study, beside["name"], beside["created"]) for study, beside in rows]

    def delete(self, study):
        with self._lock:
            self._read(study)
            self._file(study).unlink()

    def append(self, study, events, after=0, limit=None, distinct=False):
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

    def read(self, study, after=0, count=None):
        events = self._events(study)
        if after > len(events):
            raise StorageError(f"position {after} is beyond the end of the log of study {study}")
        entries = [Entry(position, event) for position, event in enumerate(events, start=1)]
        return entries[after : None if count is None else after + count]

    # What saves time, and who is at work.

    def save_snapshot(self, study, position, version, data):
        with self._lock:
            beside = self._read(study)
            known = beside["snapshot"]
            if known is None or known[1] != version or known[0] <= position:
                self._write(study, {**beside, "snapshot": [position, version, data.hex()]})

    def load_snapshot(self, study, version):
        known = self._read(study)["snapshot"]
        return None if known is None or known[1] != version else (known[0], bytes.fromhex(known[2]))

    def renew(self, study, worker, seconds):
        with self._lock:
            beside = self._read(study)
            beside["leases"][worker.id] = [asdict(worker), time.time() + seconds]
            self._write(study, beside)

    def release(self, study, worker):
        with self._lock:
            beside = self._read(study)
            beside["leases"].pop(worker, None)
            self._write(study, beside)

    def leases(self, study):
        leases = self._read(study)["leases"].values()
        return [(Worker(**worker), expires - time.time()) for worker, expires in leases]

    def close(self):
        pass

    # Files.

    def _file(self, study):
        return self._folder / f"{study}.jsonl"

    def _events(self, study):
        self._read(study)
        return [codec.decode(*json.loads(line)) for line in self._file(study).read_text().splitlines()]

    def _read(self, study):
        with self._lock:
            if not self._file(study).exists():
                raise StudyNotFound(f"no study with the id {study} in {self.path}")
            return json.loads((self._folder / f"{study}.json").read_text())

    def _write(self, study, beside):
        unfinished = self._folder / f"{study}.unfinished"
        unfinished.write_text(json.dumps(beside))
        os.replace(unfinished, self._folder / f"{study}.json")


def _numbered(event, known):
    """An Enqueued without a number gets the next one."""
    if not event.creates or event.number is not None:
        return event
    return replace(event, number=max([-1, *(each.number for each in known if each.creates)]) + 1)


def _is_refused(event, known, limit):
    """Whether its identity is taken, or it would create a trial whose number is taken or not below the limit."""
    if event.identity is not None and event.identity in [each.identity for each in known]:
        return True
    taken = [each.number for each in known if each.creates]
    return event.creates and (event.number in taken or (limit is not None and event.number >= limit))


# -- and that it is one -----------------------------------------------------------------------------------------------


class TestJsonLines(StorageSuite):
    @pytest.fixture
    def storage(self, tmp_path):
        return JsonLines(tmp_path / "studies")

    def reopen(self, storage):
        return JsonLines(storage.path)


def test_a_study_goes_on_where_it_was_left_off(tmp_path):
    def objective(trial):
        return trial.suggest_float("x", 0, 1)

    whole = kilter.create_study(seed=3)
    whole.optimize(objective, n_trials=12, progress="none")
    for _ in range(3):
        part = kilter.create_study(study_name="a", storage=JsonLines(tmp_path), seed=3, load_if_exists=True)
        part.optimize(objective, n_trials=4, progress="none")
    assert [trial.params for trial in part.trials] == [trial.params for trial in whole.trials]
