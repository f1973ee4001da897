"""What a directory holds, as the log knows it: bytes and a SHA-256; and how files get from one place to another.

The SHA-256 of a directory is that of its files' paths, sizes and SHA-256 as JSON, sorted by path. What a killed process
left of a state that it was saving does not count, and neither do empty directories, dates and modes.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

from kilter.core.interfaces import Seal
from kilter.objective.checkpoint import FILE, UNFINISHED

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

CHUNK = 1 << 20
"""Bytes that are read at a time."""

FICLONE = 0x40049409
"""Linux's request to have one file share the blocks of another, until one of them is written to."""

SHA256 = re.compile(r"[0-9a-f]{64}")

LONGEST = 200
"""Bytes that the name of a file or folder has at most: systems take 255, and there are names with more behind them."""

Contents = dict[str, Seal]
"""Files by their path in the directory, with slashes."""


def files_in(directory: str) -> Iterator[str]:
    """The paths of the files in a directory and below, relative to it and with slashes."""
    for place, _, names in os.walk(directory):
        for path in (os.path.join(place, name) for name in names if not fnmatch.fnmatch(name, UNFINISHED)):
            if os.path.isfile(path):  # and no pipe, nor a link to what is gone
                yield os.path.relpath(path, directory).replace(os.sep, "/")


def contents_of(directory: str) -> Contents:
    """All files of a directory; raises OSError where one cannot be read."""
    return {path: seal_of_file(os.path.join(directory, path)) for path in sorted(files_in(directory))}


def seal_of_file(path: str) -> Seal:
    """Bytes and SHA-256 of a file."""
    digest, size = hashlib.sha256(), 0
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return Seal(size, digest.hexdigest())


def is_sound(path: str) -> bool:
    r"""Whether a path with slashes names a file inside of a directory, on any system.

    >>> [is_sound(path) for path in ("plots/roc.png", "../../etc/passwd", "/etc/passwd", r"..\passwd", "")]
    [True, False, False, False, False]
    """
    parts = re.split(r"[/\\]", path)
    return not {"", ".", ".."} & set(parts) and ":" not in parts[0] and "\0" not in path and "\\" not in path


def is_seal(noted: Any) -> TypeGuard[Mapping[str, Any]]:
    """Whether what a log has noted is a seal, whoever wrote it: what it says becomes the names of files.

    >>> is_seal({"size": 4, "sha256": "../../.."})
    False
    """
    if not isinstance(noted, Mapping) or noted.keys() != set(Seal._fields):
        return False
    size, sha256 = noted["size"], noted["sha256"]
    return type(size) is int and size >= 0 and isinstance(sha256, str) and SHA256.fullmatch(sha256) is not None


def seal_of(contents: Contents) -> Seal:
    """Bytes and SHA-256 of a directory of these files.

    >>> seal_of({"b": Seal(2, "ef"), "a": Seal(1, "cd")}) == seal_of({"a": Seal(1, "cd"), "b": Seal(2, "ef")})
    True
    """
    text = json.dumps({path: [*contents[path]] for path in sorted(contents)}, separators=(",", ":"))
    return Seal(sum(seal.size for seal in contents.values()), hashlib.sha256(text.encode()).hexdigest())


def copied(source: str, target: str) -> str:
    """Have a file be in a second place too; large ones without copying, where the file system can.

    The state that `trial.save` keeps is only ever replaced as a whole, so both places may have the same file. Other
    files may be written to: they share blocks, where the file system keeps these apart once one is.
    """
    if os.path.basename(source) == FILE:
        return linked(source, target)
    if not _is_cloned(source, target):
        shutil.copyfile(source, target)
    shutil.copystat(source, target)
    return target


def linked(source: str, target: str) -> str:
    """Have a file that nobody writes to any more be in a second place too: as the same file, or else as a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
    return target


def _is_cloned(source: str, target: str) -> bool:
    """Whether a file now shares the blocks of another."""
    if fcntl is None:
        return False
    with open(source, "rb") as origin, open(target, "wb") as clone:
        try:
            fcntl.ioctl(clone.fileno(), FICLONE, origin.fileno())
        except OSError:
            return False
    return True
