"""Checkpoints in folders of this machine, or of a disk that several machines share.

    root/<number>/<attempt>/    what an attempt wrote, state.kilter and files of the user's
    root/<number>/artifacts/<sha256>/<name>     a file that the trial has added, beneath the beginning of its SHA-256
    root/study.kilter           which study this is the folder of
    root/<number>.log           what the attempts printed, which is kept of all trials
    ….<token>.tmp               a copy that is not whole yet, or a directory on its way out; nobody reads these

An attempt writes to its own directory only, so all earlier ones are *sealed*: a fork may copy them while their trial
has long gone on. Directories appear and vanish by a rename, so any number of workers can share one root: who copies
sees a whole directory, or misses it and looks for the next one.
"""

from __future__ import annotations

import fnmatch
import logging
import os
import secrets
import shutil
import tempfile
import weakref
from contextlib import suppress

from kilter.core.interfaces import Seal
from kilter.objective.checkpoint import UNFINISHED
from kilter.objective.contents import copied

log = logging.getLogger("kilter")

MARK = "study.kilter"
"""A file in the folder of a study with the name that stands for that study."""


class Folders:
    """Checkpoints in folders below `root`, the folder of one study, which is made where the first trial saves.

    >>> Folders("runs/digits").log(7)
    'runs/digits/7.log'
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = os.fspath(root)

    def __str__(self) -> str:
        return self.root

    def __repr__(self) -> str:
        return f"Folders({self.root!r})"

    def is_empty(self) -> bool:
        try:
            with os.scandir(self.root) as entries:
                return all(entry.name == MARK for entry in entries)
        except OSError:  # never made
            return True

    def mark(self, owner: str) -> None:
        """Make the folder, and note in it of which study it is; raises OSError where that cannot be."""
        if self.owner != owner:
            os.makedirs(self.root, exist_ok=True)
            path = os.path.join(self.root, MARK)
            unfinished = _aside(path)
            with open(unfinished, "w", encoding="ascii") as file:
                file.write(owner)
            os.replace(unfinished, path)

    @property
    def owner(self) -> str | None:
        """The study that it is marked as that of."""
        try:
            with open(os.path.join(self.root, MARK), encoding="ascii", errors="replace") as file:
                return file.read(100)
        except OSError:
            return None

    def attempts(self, number: int) -> list[int]:
        found = sorted(int(name) for name in _names(self._path(number)) if name.isdecimal())
        return [attempt for attempt in found if os.path.isdir(self.directory(number, attempt))]

    def begin(self, number: int, attempt: int, source: tuple[int, int] | None = None) -> str | None:
        target = self.directory(number, attempt)
        if source is None or os.path.isdir(target):
            return target
        origin, unfinished = self.directory(*source), _aside(target)
        try:
            shutil.copytree(origin, unfinished, symlinks=True, ignore=_passing, copy_function=copied)
            os.rename(unfinished, target)
        except OSError:
            shutil.rmtree(unfinished, ignore_errors=True)
            if os.path.isdir(target):  # another worker made the same copy
                return target
            if os.path.isdir(origin):
                raise
            return None
        for name in _names(self._path(number)):
            towards = name.partition(".")[0]
            if name.endswith(".tmp") and towards.isdecimal() and int(towards) <= attempt:  # who made it was killed
                shutil.rmtree(os.path.join(self._path(number), name), ignore_errors=True)
        return target

    def directory(self, number: int, attempt: int) -> str:
        return f"{self.root}{os.sep}{number}{os.sep}{attempt}"

    def keep(self, number: int, attempt: int) -> None:
        """It is where it stays."""

    def add(self, number: int, name: str, seal: Seal, path: str) -> None:
        target = self.artifact(number, name, seal)
        unfinished = _aside(target)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        try:
            copied(path, unfinished)
            os.replace(unfinished, target)
        except OSError:
            with suppress(OSError):
                os.remove(unfinished)
            raise

    def artifact(self, number: int, name: str, seal: Seal) -> str:
        return os.path.join(self._path(number), *place_of(name, seal).split("/"))

    def drop(self, number: int, attempt: int | None = None) -> bool:
        return _delete(self._path(number) if attempt is None else self.directory(number, attempt))

    def sweep(self) -> None:
        for name in _names(self.root):
            if name.endswith(".tmp"):
                shutil.rmtree(os.path.join(self.root, name), ignore_errors=True)

    def log(self, number: int) -> str:
        return f"{self._path(number)}.log"

    def trials(self) -> list[int]:
        """The trials that have a folder here."""
        return [int(name) for name in _names(self.root) if name.isdecimal()]

    def _path(self, number: int) -> str:
        return f"{self.root}{os.sep}{number}"


class OfThisMachine(Folders):
    """Folders that outlive the process, but that no other machine sees."""


def place_of(name: str, seal: Seal) -> str:
    """Where a file that a trial has added lies below that trial: what one attempt adds never replaces what others did.

    >>> place_of("plots/roc.png", Seal(4, "0123456789abcdef0123"))
    'artifacts/0123456789abcdef/plots/roc.png'
    """
    return f"artifacts/{seal.sha256[:16]}/{name}"


def temporary() -> Folders:
    """Folders that go with this object, or with the process: nothing of a study in memory outlives it."""
    folders = Folders(os.path.join(tempfile.gettempdir(), f"kilter-{secrets.token_hex(6)}"))
    weakref.finalize(folders, _remove, folders.root, os.getpid())
    return folders


def cache() -> str:
    """The folder of this user for what outlives a process, on this machine."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(home, "kilter")


def _remove(root: str, pid: int) -> None:
    """Remove a folder where this is not a fork of the process that made it."""
    if os.getpid() == pid:
        shutil.rmtree(root, ignore_errors=True)


def _passing(directory: str, names: list[str]) -> set[str]:
    """What of these is not kept: a state that was being saved, and pipes and the like."""
    kinds = (os.path.isfile, os.path.isdir, os.path.islink)
    special = {name for name in names if not any(is_kind(os.path.join(directory, name)) for is_kind in kinds)}
    return special | {name for name in names if fnmatch.fnmatch(name, UNFINISHED)}


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:  # never made, deleted by another worker, or out of reach: nothing to be had there
        return []


def _aside(path: str) -> str:
    """A name next to a path, on the same disk, that nobody else has."""
    return f"{path}.{secrets.token_hex(4)}.tmp"


def _delete(path: str) -> bool:
    """Delete a directory; False where another worker did, or where it cannot be.

    The rename comes first, so that a copy in progress fails as a whole instead of missing a few files.
    """
    aside = _aside(path)
    try:
        os.rename(path, aside)
    except FileNotFoundError:
        return False
    except OSError as error:
        log.warning("the checkpoint %s could not be deleted (%s) and stays", path, error)
        return False
    shutil.rmtree(aside, ignore_errors=True)
    return True
