"""Archives of NumPy arrays, read as what they are: data that anybody may have written.

An archive is a zip file of .npy and other members, kept as they are, as `numpy.savez` writes it. No member takes more
memory than the archive has bytes, or than its reader allows where members may be compressed, whatever it says of
itself, and nothing but numbers, text and bytes comes out of it.
"""

from __future__ import annotations

import ast
import io
import math
import zipfile
from collections.abc import Collection
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np

MAX_HEADER = 2**20
"""Bytes of an array's header: NumPy's own limit of 10,000 refuses structured types of some hundred fields."""

PLAIN = "biufcmMSUV"
"""Kinds of dtypes whose values are their bytes. Those of objects and of strings of any length hold pointers."""

MOST_EMPTY = 2**16
"""Elements of an array whose elements have no bytes."""


class Archive:
    """The members of an archive, each of which can be taken once; raises whatever zipfile and NumPy do, or ValueError.

    `most`: bytes that they may have in all, and may then be deflated; by default none is compressed.

    >>> import io
    >>> np.savez(file := io.BytesIO(), x=np.arange(3.0))
    >>> with Archive(file) as archive:
    ...     archive.array("x.npy")
    array([0., 1., 2.])
    """

    def __init__(self, file: BinaryIO, most: int | None = None) -> None:
        size = file.seek(0, io.SEEK_END)
        self._zip = zipfile.ZipFile(file)
        members = self._zip.infolist()
        kinds = (zipfile.ZIP_STORED,) if most is None else (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        if any(member.compress_type not in kinds for member in members):
            raise ValueError("a part of it is compressed in a way that kilter never does")
        if sum(member.file_size for member in members) > (size if most is None else most):  # they may overlap
            raise ValueError("its parts are larger than it is" if most is None else f"it has more than {most:,} bytes")
        # Before anything is made of it: reading an array stops where its header says, which may be before the CRC.
        damaged = self._zip.testzip()
        if damaged is not None:
            raise ValueError(f"its part {damaged} does not fit its checksum")
        self._left = {member.filename: member for member in members}

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._zip.close()

    def take(self, name: str) -> bytes:
        """The bytes of a member."""
        found = self._left.pop(name)
        with self._zip.open(found) as member:
            return member.read(found.file_size)  # without a number it would inflate what lies beyond as well

    def array(self, name: str) -> np.ndarray:
        """The array of a .npy member."""
        found = self._left.pop(name)
        with self._zip.open(found) as member:
            return read_array(member, found.file_size)  # type: ignore[arg-type]  # it can be read, and read again

    def left(self) -> Collection[str]:
        """The names of members that have not been taken."""
        return self._left.keys()


def read_array(file: BinaryIO, size: int) -> np.ndarray:
    """The array of a .npy file of so many bytes, whoever wrote it; raises whatever NumPy does, or ValueError."""
    _check_header(file, size)
    file.seek(0)
    array: np.ndarray = np.lib.format.read_array(file, allow_pickle=False, max_header_size=MAX_HEADER)
    return array


def plain_dtype(descr: Any) -> np.dtype[Any]:
    """The dtype that a literal of the .npy format says; raises ValueError where its values hold pointers."""
    dtype: np.dtype[Any] = np.lib.format.descr_to_dtype(descr)
    if dtype.hasobject or not _is_plain(dtype):
        raise ValueError(f"values of the dtype {dtype} are more than their bytes")
    return dtype


def _is_plain(dtype: np.dtype[Any]) -> bool:
    if dtype.subdtype is not None:
        return _is_plain(dtype.subdtype[0])
    if dtype.fields is not None:
        return all(_is_plain(field[0]) for field in dtype.fields.values())
    return dtype.kind in PLAIN


def _check_header(file: BinaryIO, size: int) -> None:
    """Raise ValueError where the array takes more or fewer bytes than the member has; reads its header only."""
    version = np.lib.format.read_magic(file)
    length = int.from_bytes(file.read(2 if version == (1, 0) else 4), "little")
    if length > MAX_HEADER:
        raise ValueError(f"a header of {length:,} bytes, at most {MAX_HEADER:,}")
    header = ast.literal_eval(file.read(length).decode("utf-8" if version >= (3, 0) else "latin1"))
    dtype, shape = plain_dtype(header["descr"]), header["shape"]
    if not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"an array of the shape {shape!r:.80}")
    count, begun = math.prod(shape), np.lib.format.MAGIC_LEN + (2 if version == (1, 0) else 4) + length
    if count * dtype.itemsize != size - begun or (not dtype.itemsize and count > MOST_EMPTY):
        raise ValueError(f"an array of the shape {shape!r:.80} and the dtype {dtype} is no {size - begun:,} bytes")
