"""Where an attempt keeps its checkpoint, on whatever machine it runs: what it begins with, and what it leaves.

What it has left is noted on its trial, under a name of the attempt's own, with bytes and SHA-256: who begins with a
copy of it looks whether that is what it got.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from kilter.core.errors import InvalidInput
from kilter.core.events import SYSTEM
from kilter.core.interfaces import CheckpointStore, Seal, Source, Task
from kilter.core.text import shown
from kilter.objective.contents import LONGEST, contents_of, files_in, is_seal, is_sound, seal_of, seal_of_file

log = logging.getLogger("kilter")

CHECKPOINT = f"{SYSTEM}checkpoint "
"""In front of the number of an attempt, the attribute of a trial with the seal of what that attempt has left."""

ARTIFACT = f"{SYSTEM}artifact "
"""In front of the name of a file that a trial has added, the attribute with the seal of that."""

OFTEN = 1.0
"""Seconds between two times that what a running attempt has saved is kept, at least."""

SHARE = 20
"""That many times as long as keeping it took is waited until what it saves is kept again."""


class Place:
    """The directory of one attempt, begun with a copy of what there is to go on from, before others drop that."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._next = 0.0
        self.directory = task.directory if task.store is None else _begun(task, task.store)
        """Where it lies, which need not exist; None where the study was asked without one."""

    def keep(self) -> None:
        """Have what is saved by now outlive this machine; so often that it costs the attempt a twentieth of its time.

        What is in the directory has to be whole now. Where keeping fails a warning says so, and it is tried again.
        """
        store, task = self._task.store, self._task
        if store is None or time.monotonic() < self._next or not os.path.isdir(self.directory or ""):
            return
        began = time.monotonic()
        try:
            store.keep(task.number, task.attempt)
        except OSError as error:
            log.warning("trial %d: what it saved could not be kept (%s)", task.number, error)
        now = time.monotonic()
        self._next = now + max(OFTEN, SHARE * (now - began))

    def add(self, path: str, name: str) -> dict[str, Any]:
        """Keep a copy of a file with the trial, or of all files of a folder, whatever the attempt; what is to be noted.

        Raises InvalidInput for what is not there or no name, and OSError where it cannot be kept.
        """
        store, number = self._task.store, self._task.number
        if store is None:
            raise InvalidInput(f"log_artifact({path!r}): the study was asked without a place for checkpoints")
        if os.path.isdir(path):
            files = {f"{name}/{inside}": os.path.join(path, inside) for inside in sorted(files_in(path))}
        elif os.path.isfile(path):
            files = {name: path}
        else:
            raise InvalidInput(f"log_artifact({path!r}): there is no such file; write it first")
        noted = {}
        for each, file in files.items():
            is_long = any(len(part.encode("utf-8", "surrogatepass")) > LONGEST for part in each.split("/"))
            if is_long or not is_sound(each):
                raise InvalidInput(f"log_artifact: {shown(each)} is no name: give one as in 'plots/roc.png'")
            seal = seal_of_file(file)
            try:
                store.add(number, each, seal, file)
            except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
                raise InvalidInput(
                    f"log_artifact: {each!r} would be in a folder of the name of another artifact: give another name"
                ) from error
            noted[f"{ARTIFACT}{each}"] = seal._asdict()
        return noted

    def left(self) -> dict[str, Any]:
        """Have all that the attempt has left kept, now that it is over; what is to be noted of it."""
        task = self._task
        return {} if task.store is None else left(task.store, task.number, task.attempt)


def left(store: CheckpointStore, number: int, attempt: int) -> dict[str, Any]:
    """Have what an attempt has left on this machine kept; what is to be noted of it: nothing where it left nothing."""
    directory = store.begin(number, attempt)
    if directory is None or not os.path.isdir(directory):
        return {}
    try:
        seal = seal_of(contents_of(directory))
        store.keep(number, attempt)
        return {f"{CHECKPOINT}{attempt}": seal._asdict()}
    except OSError as error:
        log.warning("trial %d: its checkpoint could not be kept (%s)", number, error)
        return {}


class Artifact(NamedTuple):
    """A file that a trial has added: of which trial, under which name, with how many bytes, and their SHA-256."""

    trial: int
    name: str
    size: int
    sha256: str


def artifacts_noted(number: int, attrs: Mapping[str, Any]) -> list[Artifact]:
    """The files that a trial with these attributes has added, in the order in which their names first came."""
    noted = ((name[len(ARTIFACT) :], seal) for name, seal in attrs.items() if name.startswith(ARTIFACT))
    return [Artifact(number, name, **seal) for name, seal in noted if is_seal(seal)]


def seal_noted(attrs: Mapping[str, Any], attempt: int) -> Seal | None:
    """The seal of what an attempt has left; None where nobody has noted it, as of one that was lost."""
    noted = attrs.get(f"{CHECKPOINT}{attempt}")
    return Seal(**noted) if is_seal(noted) else None


def _begun(task: Task, store: CheckpointStore) -> str | None:
    """The directory of a task, begun with a copy of the first of its sources that is there, and whole."""
    directory = store.begin(task.number, task.attempt)
    if directory is None or os.path.isdir(directory):  # another process of this attempt has begun it
        return directory
    for source in _candidates(task, store):
        why = None
        try:
            begun = store.begin(task.number, task.attempt, (source.number, source.attempt))
            if begun is None:  # another worker has deleted it since
                continue
            if _is_whole(begun, source, task.number):
                return begun
            shutil.rmtree(begun)
        except OSError as error:
            why = str(error)[:200]
        is_left = "is not what was kept, by its SHA-256" if why is None else f"could not be copied ({why})"
        log.warning(
            "trial %d: what attempt %d of trial %d has left %s: it goes on without that",
            *(task.number, source.attempt, source.number, is_left),
        )
    return directory


def _is_whole(directory: str, source: Source, number: int) -> bool:
    """Whether a copy has what the log says, or more: what an objective has left running may write on after its end."""
    if source.seal is None or (found := seal_of(contents_of(directory))) == source.seal:
        return True
    if found.size <= source.seal.size:
        return False
    log.warning(
        "trial %d: what attempt %d of trial %d has left has grown since that ended: it is taken as it is now",
        *(number, source.attempt, source.number),
    )
    return True


def _candidates(task: Task, store: CheckpointStore) -> Iterator[Source]:
    """The sources of a task; where they are gone, their trial has gone on, and the earliest attempt left is whole."""
    yield from task.sources
    if task.sources:
        number, known = task.sources[-1].number, {source[:2] for source in task.sources}
        for attempt in store.attempts(number)[:1]:
            if (number, attempt) not in known and (number, attempt) != (task.number, task.attempt):
                yield Source(number, attempt)
