"""Whether the log of a study is whole, and what is saved where it is not."""

from __future__ import annotations

from dataclasses import dataclass

from kilter.api.arguments import DEFAULT_STORAGE
from kilter.api.studies import only_study
from kilter.core.errors import InvalidInput, LogDamaged, PluginFailed, StorageError
from kilter.core.events import Created, Entry
from kilter.core.interfaces import Storage
from kilter.engine.repair import Mendable, Repair, repaired
from kilter.plugins import existing_storage
from kilter.replay import fresh, without_plugins
from kilter.runtime.leases import Watch
from kilter.runtime.log import id_of, named


def check_study(
    *, study_name: str | None = None, storage: str | Storage = DEFAULT_STORAGE, repair: bool = False
) -> CheckedLog:
    """Whether the log of a study can be read to its end, and what of it is whole where it cannot.

    Without a name it is that of the only study in the storage. With `repair` a damaged log is replaced by what is whole
    of it, after a copy of what was there. Raises StudyNotFound, StorageError where somebody is at work on the study or
    where nothing can be saved, StorageDamaged where the file itself is torn, for which there is check_file, and
    InvalidInput where the storage is neither a file nor a database.
    """
    opened = existing_storage(storage)
    mendable = _mendable(opened)
    name = only_study(opened) if study_name is None else study_name
    study = id_of(opened, name)
    with named(opened, study):
        found = repaired(mendable.rows(study), without_plugins)
    copy = None
    if repair and found.lost:
        _check_idle(opened, study, name)
        copy = mendable.mend(study, found)
    return CheckedLog(name, len(found.kept), found.lost, found.waiting, copy, _failing(found))


def _mendable(storage: Storage) -> Mendable:
    """The storage as one whose logs can be mended; raises InvalidInput where it is none."""
    from kilter.storage.repair import MendableFile, check_pages
    from kilter.storage.sqlite import SQLiteStorage

    if isinstance(storage, SQLiteStorage):
        check_pages(storage)
        return MendableFile(storage)
    if not isinstance(storage, Mendable):
        raise InvalidInput(f"{storage.url} is neither a file nor a database: there is nothing to check from here")
    return storage


def _failing(found: Repair) -> str | None:
    """What the study's own sampler or scheduler makes of what is whole, where it raises."""
    entries = [Entry(position, event) for position, (event, _) in enumerate(found.kept, 1)]
    created = entries[0].event
    assert isinstance(created, Created)
    try:
        fresh(created, None, None).handle(entries)
    except PluginFailed as error:
        return str(error)
    return None


def _check_idle(storage: Storage, study: int, name: str) -> None:
    leases = storage.leases(study)
    gone = Watch().gone(leases, 0.0)
    for worker, left in leases:
        if left > 0 and worker.id not in gone:
            raise StorageError(
                f"process {worker.pid} on {worker.machine} is at work on {name!r}, or has it open: "
                "end that run (Ctrl-C) or call close() of its study, then repair"
            )


def check_file(*, storage: str | Storage = DEFAULT_STORAGE, repair: bool = False) -> CheckedFile:
    """What of a torn, truncated or garbled SQLite file is whole: every event that is complete, of all studies in it.

    With `repair` that is put into a new file beside it, and the file stays as it is. Nobody may be at work on it.
    Raises InvalidInput where the storage is no file, and StorageError where it cannot be read.
    """
    from kilter.storage import repair as mending
    from kilter.storage.salvage import salvage
    from kilter.storage.urls import file_of

    path = file_of(storage)
    if path is None:
        raise InvalidInput(f"{storage!r:.80} is no SQLite file: there is nothing in it to check")
    left = salvage(path)
    logs, lost, saved = [], [], []
    for study, rows in sorted(left.logs.items()):
        name, created = left.names.get(study, (f"recovered-{study}", rows[min(rows)].time))
        try:
            found = repaired([rows[position] for position in sorted(rows)], without_plugins)
        except LogDamaged as error:
            lost.append(f"{name}: {len(rows)} events, of which none tells what the study is: {error}")
            continue
        logs.append(CheckedLog(name, len(found.kept), found.lost, found.waiting, None, None))
        saved.append(mending.Saved(study, name, created, found))
    new = mending.write_anew(path, saved) if repair and saved else None
    return CheckedFile(path, logs, lost, left.bad, new)


@dataclass(frozen=True)
class CheckedLog:
    """What check_study found."""

    study: str
    """The name of the study."""
    whole: int
    """How many events there are, with those that a repair puts in."""
    lost: list[str]
    """What cannot be read or has no place, a line each; empty where the log is whole."""
    waiting: list[int]
    """The trials that have to run again, since their start is lost."""
    copy: str | None
    """Where the log is as it was before it was repaired, a file or a table; None where it was not."""
    failing: str | None
    """How the sampler or scheduler of the study fails on what is whole, which is no damage of the log."""


@dataclass(frozen=True)
class CheckedFile:
    """What check_file found."""

    path: str
    """The file, which was not changed."""
    studies: list[CheckedLog]
    """What is whole of each study."""
    lost: list[str]
    """The studies of which nothing can be saved, a line each."""
    bad_pages: int
    """How many pages of the file could not be read, or not all of them."""
    new: str | None
    """The file in which all that is whole was saved; None where nothing was."""
