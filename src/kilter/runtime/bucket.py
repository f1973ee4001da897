"""Checkpoints at a URL that fsspec opens, as on S3: worked on in a folder of each machine, and sent there whole.

    url/kilter.json                     a name for what is kept here, drawn by whoever came first
    url/<number>/<attempt>-<k>.json     the files that an attempt had when it was kept for the k-th time
    url/<number>/<attempt>/<sha256>     one of them, by what is in it
    url/<number>/artifacts/…            files that the trial has added

No name is ever written again with other bytes, and a list comes after the files that it names. So nothing depends on
what the service makes of half a file, or of two writers: a list that is not whole is passed over, and an older one goes
when a newer one is there.
"""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from typing import Any, TypeVar

from kilter.core.errors import InvalidInput, MissingLibrary, StorageUnreachable, needed
from kilter.core.interfaces import Seal
from kilter.core.text import masked, one_line
from kilter.objective.contents import SHA256, Contents, contents_of, copied, is_sound, seal_of, seal_of_file
from kilter.runtime.folders import Folders, cache, place_of
from kilter.storage.patience import tries

T = TypeVar("T")

log = logging.getLogger("kilter")

NAME = "kilter.json"
LIST = re.compile(r"(\d{1,12})-(\d{1,12})\.json")

PATIENCE = 10.0
"""Seconds for which is tried again what failed, beyond the tries of the file systems themselves."""

_SWEPT: set[str] = set()
"""The folders that this process has swept."""

LEFT_OVER = 7 * 86_400.0
"""Seconds after which a folder here whose trial has nothing at the URL is left over from one that was given up."""


class Bucket:
    """Checkpoints of one study at a URL, such as s3://team/digits: any that fsspec opens, with its own extras.

    An attempt works in a folder below `cache`, by default the user's folder for caches; what it has left is copied from
    there as long as it is there, and else from the URL. Credentials are looked for where fsspec's file systems do, in
    the environment for instance, on each machine. Raises MissingLibrary where one is not installed, and
    StorageUnreachable from whatever needs it first where the URL cannot be reached.

    >>> Bucket("memory://digits", cache="/tmp/cache")
    Bucket('memory://digits', cache='/tmp/cache')
    """

    def __init__(self, url: str, cache: str | os.PathLike[str] | None = None) -> None:
        self._url = url.rstrip("/")
        self._cache = None if cache is None else os.fspath(cache)
        self._is_used = False
        self._kept: dict[tuple[int, int], Contents] = {}
        """What attempts had when they were last kept or begun by this process."""
        try:
            self._files()
        except ImportError as error:  # of the library for this scheme, which fsspec names
            raise MissingLibrary(f"checkpoints at {masked(self._url)}: {error}") from None
        except ValueError as error:
            raise InvalidInput(f"checkpoints at {masked(self._url)}: {error}") from None

    def __repr__(self) -> str:
        return f"Bucket({masked(self._url)!r}" + (f", cache={self._cache!r})" if self._cache else ")")

    def __str__(self) -> str:
        return masked(self._url)

    def __getstate__(self) -> dict[str, Any]:
        """To another process, or machine, goes what it is called here, so that it does not have to ask."""
        return {"_url": self._url, "_cache": self._cache, "_is_used": False, "_kept": {}, "_name": self._name}

    def reach(self) -> None:
        """Raise StorageUnreachable where the URL cannot be reached."""
        log.debug("what is kept at %s goes by the name %s", masked(self._url), self._name)

    def is_of_kilter(self) -> bool:
        """Whether nothing is there, or what is there was kept by kilter: it writes and deletes nowhere else unasked."""
        names = self._names()
        return not names or NAME in names

    # -- the store ------------------------------------------------------------------------------------------------

    def is_empty(self) -> bool:
        if not self._is_used:
            names = self._names()
            self._is_used = names is None or any(name != NAME for name in names)
        return not self._is_used

    def attempts(self, number: int) -> list[int]:
        return sorted({attempt for attempt, _ in self._lists(number)})

    def begin(self, number: int, attempt: int, source: tuple[int, int] | None = None) -> str | None:
        target = self._near.directory(number, attempt)
        if self._near.root not in _SWEPT:  # also where no study is, but trials run for one that is elsewhere
            _SWEPT.add(self._near.root)
            self.sweep()
        if source is None or os.path.isdir(target):
            return target
        contents = self._contents(*source)
        if contents is None:
            return None
        self._kept[number, attempt] = contents
        if _has(self._near.directory(*source), contents):
            return self._near.begin(number, attempt, source)
        return self._fetched(*source, contents, target)

    def directory(self, number: int, attempt: int) -> str:
        """Where what an attempt has left can be read; raises OSError where it cannot be had."""
        contents, here = self._contents(number, attempt), self._near.directory(number, attempt)
        if contents is None or _has(here, contents):
            return here
        read = os.path.join(self._near.root, "read", str(number), f"{attempt}-{seal_of(contents).sha256[:16]}")
        return read if os.path.isdir(read) else self._fetched(number, attempt, contents, read)

    def keep(self, number: int, attempt: int) -> None:
        directory = self._near.directory(number, attempt)
        contents = contents_of(directory) if os.path.isdir(directory) else {}
        if not contents or self._kept.get((number, attempt)) == contents:
            return
        place = f"{number}/{attempt}"
        there = self._sizes(place)
        for seal, path in {seal: path for path, seal in contents.items()}.items():
            if there.get(seal.sha256) != seal.size:
                self._send(os.path.join(directory, path), f"{place}/{seal.sha256}")
        older = [k for each, k in self._lists(number) if each == attempt]
        self._write(f"{place}-{max(older, default=0) + 1}.json", _listed(contents))
        self._kept[number, attempt] = contents
        wanted = {seal.sha256 for seal in contents.values()}
        self._remove(*(f"{place}-{k}.json" for k in older), *(f"{place}/{name}" for name in there.keys() - wanted))

    def add(self, number: int, name: str, seal: Seal, path: str) -> None:
        self._near.add(number, name, seal, path)
        place = f"{number}/{place_of(name, seal)}"
        folder, _, file = place.rpartition("/")
        if self._sizes(folder).get(file) != seal.size:
            self._send(path, place)

    def artifact(self, number: int, name: str, seal: Seal) -> str:
        here = self._near.artifact(number, name, seal)
        if os.path.isfile(here) and seal_of_file(here) == seal:
            return here
        unfinished = f"{here}.{secrets.token_hex(4)}.tmp"
        os.makedirs(os.path.dirname(here), exist_ok=True)
        try:
            self._receive(f"{number}/{place_of(name, seal)}", unfinished)
            if seal_of_file(unfinished) != seal:
                raise OSError(f"it came from {masked(self._url)} without the SHA-256 that the log has")
            os.replace(unfinished, here)
        finally:
            with suppress(FileNotFoundError):
                os.remove(unfinished)
        return here

    def drop(self, number: int, attempt: int | None = None) -> bool:
        place = str(number) if attempt is None else f"{number}/{attempt}"
        is_here = self._near.drop(number, attempt)
        if attempt is None:
            shutil.rmtree(os.path.join(self._near.root, "read", place), ignore_errors=True)
        lists = [(each, k) for each, k in self._lists(number) if attempt in (None, each)]
        try:
            self._remove(*(f"{number}/{each}-{k}.json" for each, k in lists))  # first: who copies misses it as a whole
            is_there = self._remove_all(place)
        except OSError as error:
            log.warning("the checkpoint of trial %d could not be deleted (%s) and stays", number, error)
            return False
        return is_here or is_there or bool(lists)

    def sweep(self) -> None:
        """Also of folders here of trials that others have dropped."""
        self._near.sweep()
        there, long_ago = self._names(), time.time() - LEFT_OVER
        for number in self._near.trials():
            is_old = os.stat(os.path.join(self._near.root, str(number))).st_mtime < long_ago
            if there is not None and str(number) not in there and is_old:
                self._near.drop(number)

    def log(self, number: int) -> str:
        return self._near.log(number)

    # -- here -----------------------------------------------------------------------------------------------------

    @cached_property
    def _near(self) -> Folders:
        """The folders of this machine: by the name, since those of a study that was deleted would look the same."""
        return Folders(os.path.join(self._cache or cache(), self._name))

    @cached_property
    def _name(self) -> str:
        """What is kept at the URL goes by this name, as long as nobody deletes it there."""
        try:
            for _ in range(2):
                with suppress(FileNotFoundError):
                    return _name_in(self._read(NAME))
                self._write(NAME, json.dumps({"name": secrets.token_hex(8)}))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StorageUnreachable(f"checkpoints at {masked(self._url)}: {one_line(error)}") from error
        raise StorageUnreachable(f"what was just written to {masked(self._url)} is not there")

    def _fetched(self, number: int, attempt: int, contents: Contents, target: str) -> str:
        """A directory with these files of an attempt, whole or not at all."""
        unfinished = f"{target}.{secrets.token_hex(4)}.tmp"
        try:
            os.makedirs(unfinished, mode=0o700)
            first: dict[str, str] = {}
            for path, seal in contents.items():
                place = os.path.join(unfinished, path)
                os.makedirs(os.path.dirname(place), exist_ok=True)
                if seal.sha256 in first:
                    copied(first[seal.sha256], place)
                    continue
                self._receive(f"{number}/{attempt}/{seal.sha256}", place)
                if seal_of_file(place) != seal:
                    raise OSError(f"{path!r} came damaged from {masked(self._url)}")
                first[seal.sha256] = place
            os.rename(unfinished, target)
        except OSError:
            shutil.rmtree(unfinished, ignore_errors=True)
            if os.path.isdir(target):  # another process made the same
                return target
            raise
        return target

    # -- there ----------------------------------------------------------------------------------------------------

    def _lists(self, number: int) -> list[tuple[int, int]]:
        """The lists of a trial: attempt and how often that was kept by then."""
        found = (LIST.fullmatch(name) for name in self._names(str(number)) or ())
        return sorted((int(match[1]), int(match[2])) for match in found if match)

    def _contents(self, number: int, attempt: int) -> Contents | None:
        """The files that an attempt has left, by the latest list that is whole; None where it has none."""
        for _, k in reversed([each for each in self._lists(number) if each[0] == attempt]):
            try:
                return _read_list(self._read(f"{number}/{attempt}-{k}.json"))
            except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
                continue  # it is gone by now, or who wrote it was killed
        return None

    def _names(self, place: str = "") -> list[str] | None:
        """The names in a folder there; None where it cannot be reached, which is warned of."""
        try:
            return list(self._sizes(place))
        except OSError as error:
            log.warning("what is kept at %s cannot be looked at (%s)", masked(self._url), error)
            return None

    def _sizes(self, place: str) -> dict[str, int]:
        """Names in a folder there, with the bytes of each."""

        def listed(files: Any, path: str) -> dict[str, int]:
            files.invalidate_cache(path)
            found = files.ls(path, detail=True)
            return {each["name"].rstrip("/").rpartition("/")[2]: each.get("size") or 0 for each in found}

        try:
            return self._try(listed, place)
        except (FileNotFoundError, NotADirectoryError):
            return {}

    def _read(self, place: str) -> bytes:
        read: bytes = self._try(lambda files, path: files.cat_file(path), place)
        return read

    def _write(self, place: str, text: str) -> None:
        self._try(lambda files, path: _into(files, path, lambda: files.pipe_file(path, text.encode())), place)

    def _send(self, source: str, place: str) -> None:
        self._try(lambda files, path: _into(files, path, lambda: files.put_file(source, path)), place)

    def _receive(self, place: str, target: str) -> None:
        self._try(lambda files, path: files.get_file(path, target), place)

    def _remove(self, *places: str) -> None:
        for place in places:
            try:
                self._try(lambda files, path: files.rm_file(path), place)
            except FileNotFoundError:
                continue

    def _remove_all(self, place: str) -> bool:
        """Remove a folder; whether there was one."""
        if not self._sizes(place):
            return False
        self._try(lambda files, path: files.rm(path, recursive=True), place)
        return True

    def _try(self, call: Callable[[Any, str], T], place: str) -> T:
        """Do something there; what may pass is tried again, and what does not is an OSError, whatever it was."""
        files, root = self._files()
        why = ""
        for _ in tries(PATIENCE):
            try:
                return call(files, f"{root}/{place}" if place else root)
            except (FileNotFoundError, NotADirectoryError, PermissionError):
                raise
            except Exception as error:  # noqa: BLE001 - file systems raise what their libraries do
                why = one_line(f"{type(error).__name__}: {error}")
        raise OSError(f"{masked(self._url)}: {why}")

    def _files(self) -> tuple[Any, str]:
        """The file system and the path of the URL there; fsspec keeps one for each process."""
        with needed("'kilter[fsspec]'", f"checkpoints at {masked(self._url)}"):
            import fsspec
        files, root = fsspec.core.url_to_fs(self._url)
        return files, root.rstrip("/")


def _into(files: Any, path: str, write: Callable[[], Any]) -> None:
    """Write, into a new folder where the file system has folders and this one is missing."""
    try:
        write()
    except FileNotFoundError:
        files.makedirs(path.rpartition("/")[0], exist_ok=True)
        write()


def _has(directory: str, contents: Contents) -> bool:
    """Whether a directory has just these files."""
    return os.path.isdir(directory) and contents_of(directory) == contents


def _name_in(text: bytes) -> str:
    """The name of what is kept; it becomes that of a folder, so it has to be one of ours."""
    name = str(json.loads(text)["name"])
    if not re.fullmatch(r"[0-9a-f]{1,64}", name):
        raise ValueError(f"{NAME} has a name that kilter does not give: {one_line(name, 40)}")
    return name


def _listed(contents: Contents) -> str:
    return json.dumps({"files": contents, "sha256": seal_of(contents).sha256})


def _read_list(text: bytes) -> Contents:
    """The files in a list; raises ValueError where it is not whole, or names files outside of a directory."""
    data = json.loads(text)
    contents = {path: Seal(int(size), str(sha256)) for path, (size, sha256) in data["files"].items()}
    is_ours = all(is_sound(path) and SHA256.fullmatch(seal.sha256) for path, seal in contents.items())
    if not is_ours or seal_of(contents).sha256 != data["sha256"]:
        raise ValueError("it is not what kilter writes")
    return contents
