"""A file that holds a fitted thing, and nothing that runs when it is read: a zip of JSON, arrays of numbers and texts.

    SHA256SUMS          sums of the other members, as `sha256sum -c` reads them
    model.json          what it is, of which versions, and its values
    arrays/NAME.npy     arrays, none of objects
    texts/NAME.txt      long texts, such as a booster's own

Why not a pickle, and what a forged file can do: docs/decisions/0052.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import numpy as np

import kilter
from kilter.automl.state import State
from kilter.core.archive import PLAIN, Archive, read_array
from kilter.core.errors import InvalidInput
from kilter.core.text import one_line

FORMAT = 1
"""Version of the layout; each kilter reads its own and older ones."""

MOST = 2**32
"""Bytes that the members of a file may have in all, unless the reader says otherwise."""

SUMS, HEAD = "SHA256SUMS", "model.json"


def write(path: str | os.PathLike[str], state: State, kind: str) -> None:
    """Write a state of that kind to a file, which is there as a whole or not at all; the same state, the same bytes."""
    members = dict(_members(state, kind))
    members = {SUMS: "".join(f"{_sum(data)}  {name}\n" for name, data in members.items()).encode()} | members
    unfinished = Path(f"{os.fspath(path)}.{os.getpid()}.part")
    try:
        with zipfile.ZipFile(unfinished, "w") as archive:
            for name, data in members.items():
                info = zipfile.ZipInfo(name)  # of the same date always
                info.compress_type = zipfile.ZIP_STORED if name.endswith(".npy") else zipfile.ZIP_DEFLATED
                archive.writestr(info, data, compresslevel=1)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _members(state: State, kind: str) -> Iterator[tuple[str, bytes]]:
    head = {"format": FORMAT, "kilter": kilter.__version__, "kind": kind, "values": state.values}
    # Lone surrogates, which data may hold, stay what they are as bytes; two of them escaped would become one character.
    yield HEAD, json.dumps(head, ensure_ascii=False).encode("utf-8", "surrogatepass")
    for name, array in state.arrays.items():
        if array.dtype.kind not in PLAIN:
            raise InvalidInput(f"array {name!r} holds {array.dtype}, not numbers or text: it has no place in a file")
        np.lib.format.write_array(file := io.BytesIO(), np.asarray(array, order="C"), allow_pickle=False)
        yield f"arrays/{_quoted(name)}.npy", file.getvalue()
    for name, text in state.texts.items():
        yield f"texts/{_quoted(name)}.txt", text.encode("utf-8", "surrogatepass")


def read(path: str | os.PathLike[str], kind: str, most: int = MOST) -> State:
    """The state in a file of that kind, of at most so many bytes unpacked.

    Raises InvalidInput, with what is wrong, for any other file. Nothing in it is executed, whatever it is.
    """
    with open(path, "rb") as file:
        try:
            return _read(file, kind, most)
        except InvalidInput:
            raise
        except zipfile.BadZipFile as error:
            raise InvalidInput(f"{os.fspath(path)} is no {kind} that kilter has saved: it is not a zip file") from error
        except Exception as error:  # bytes from anywhere may break zipfile, json and NumPy in any way
            why = one_line(error if type(error) is ValueError else f"{type(error).__name__}: {error}")
            raise InvalidInput(f"{os.fspath(path)} is no {kind} that kilter has saved: {why}") from error


def _read(file: Any, kind: str, most: int) -> State:
    with Archive(file, most) as archive:
        sums = dict(_sums(archive.take(SUMS).decode()))
        members = {name: archive.take(name) for name in list(archive.left())}
    if sums != {name: _sum(data) for name, data in members.items()}:
        raise ValueError(f"its members are not those of {SUMS}")
    head = json.loads(members.pop(HEAD).decode("utf-8", "surrogatepass"))
    if head["format"] > FORMAT:
        raise InvalidInput(
            f"{file.name} was saved by kilter {one_line(head['kilter'], 20)} in format {head['format']:d}; "
            f"this is {kilter.__version__}, which reads up to {FORMAT}: update kilter"
        )
    if head["kind"] != kind:
        raise ValueError(f"it holds a {one_line(head['kind'], 40)}")
    arrays = {name: data for name, data in members.items() if name.startswith("arrays/")}
    texts = {name: data for name, data in members.items() if name.startswith("texts/")}
    if others := members.keys() - arrays.keys() - texts.keys():
        raise ValueError(f"it also holds {one_line(min(others), 40)}")
    return State(
        head["values"],
        {_name(name): read_array(io.BytesIO(data), len(data)) for name, data in arrays.items()},
        {_name(name): data.decode("utf-8", "surrogatepass") for name, data in texts.items()},
    )


def _sum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _sums(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        found, name = line.split("  ")
        yield name, found


def _quoted(name: str) -> str:
    return quote(name, safe="/ ()", errors="surrogatepass")


def _name(member: str) -> str:
    """What `_quoted` made of it, in arrays/NAME.npy or texts/NAME.txt."""
    return unquote(member.partition("/")[2].rpartition(".")[0], errors="surrogatepass")
