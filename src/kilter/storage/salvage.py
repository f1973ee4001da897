"""What is left in a damaged SQLite file, read page by page without SQLite, which gives up at the first bad one.

    file    a header, then pages of one size; the -wal beside it has newer copies of pages, each with a checksum
    page    its kind, the count of its cells, and where each begins
    cell    a record, in a leaf and, of an index, in inner pages too; `event` is stored like an index, by its key
    record  the types of its values, then the values; what does not fit goes on in a chain of other pages

Every record is taken that looks like a row of `event` or of `study`, whatever leads to its page.
The format: https://www.sqlite.org/fileformat2.html
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from kilter.core.errors import StorageError
from kilter.engine.repair import Row

MAGIC = b"SQLite format 3\x00"
SIZES = frozenset(1 << power for power in range(9, 17))
USUAL_SIZE = 4096

INNER_INDEX, LEAF_INDEX, LEAF_TABLE = 0x02, 0x0A, 0x0D
HEADERS = {INNER_INDEX: 12, LEAF_INDEX: 8, LEAF_TABLE: 8}
"""Bytes of a page before it says where its cells begin, by its kind."""

WIDTHS = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)
"""Bytes of a value, by its type; from 12 on the type is also the length."""

MOST_COLUMNS = 20
LONGEST_KIND = 20

FRAME = struct.Struct(">6I")
"""Before each page in the -wal: its number, the size of the file where it commits, two salts, two checksums."""


@dataclass
class Salvage:
    """What could be read."""

    names: dict[int, tuple[str, float]] = field(default_factory=dict)
    """The names of the studies, and when they were made."""
    logs: dict[int, dict[int, Row]] = field(default_factory=dict)
    """The rows of each study by their positions."""
    bad: int = 0
    """Pages of which nothing, or not all, could be read."""


def salvage(path: str) -> Salvage:
    """All that is whole in the file at a path, with its -wal; raises StorageError where it cannot be read at all."""
    found = Salvage()
    pages = _Pages(path)
    for number in pages.used():
        try:
            for record in pages.records(number):
                _take(record, found)
        except (IndexError, struct.error, ValueError):
            found.bad += 1
    return found


def _take(record: tuple[int, list[Any]], found: Salvage) -> None:
    rowid, values = record
    match values:
        case [int(study), int(position), bytes(kind), number, int(attempt), key, created, time, bytes(body)]:
            numbers = all(each is None or isinstance(each, int) for each in (number, key, created))
            if position > 0 and len(kind) <= LONGEST_KIND and numbers and isinstance(time, (int, float)):
                row = Row(position, _text(kind), number, attempt, float(time), _text(body))
                found.logs.setdefault(study, {})[position] = row
        case [None, bytes(name), int(created) | float(created)]:
            found.names[rowid] = (_text(name) or "", float(created))


def _text(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


class _Pages:
    """The pages of a file as they were committed last, by their numbers, which begin at 1."""

    def __init__(self, path: str) -> None:
        data, wal = _bytes(path), _bytes(f"{path}-wal") if os.path.exists(f"{path}-wal") else b""
        said = int.from_bytes(wal[8:12] or data[16:18], "big")
        self._size = said if said in SIZES else 65536 if said == 1 else USUAL_SIZE
        self._data, self._newer = data, dict(_frames(wal, self._size))
        first = self[1]
        self._usable = self._size - (int.from_bytes(first[20:21], "big") if first.startswith(MAGIC) else 0)

    def __getitem__(self, number: int) -> bytes:
        if number in self._newer:
            return self._newer[number]
        return self._data[(number - 1) * self._size : number * self._size]

    def used(self) -> list[int]:
        """Those that are not free; where the list of those is damaged, more."""
        most = max([-(-len(self._data) // self._size), *self._newer])
        free = self._free()
        return [number for number in range(1, most + 1) if number not in free]

    def _free(self) -> set[int]:
        free: set[int] = set()
        trunk = int.from_bytes(self[1][32:36], "big")
        while trunk and trunk not in free and len(self[trunk]) == self._size:
            free.add(trunk)
            page = self[trunk]
            trunk, count = struct.unpack(">2I", page[:8])
            free.update(struct.unpack(f">{count}I", page[8 : 8 + 4 * count]) if 8 + 4 * count <= len(page) else ())
        return free

    def records(self, number: int) -> Iterator[tuple[int, list[Any]]]:
        """The records of a page with their row ids, which are 0 where there are none; raises where any is not whole."""
        page, start = self[number], 100 if number == 1 else 0
        kind = page[start] if len(page) > start else 0
        if kind not in HEADERS:
            return
        count = int.from_bytes(page[start + 3 : start + 5], "big")
        begin = start + HEADERS[kind]
        damage: Exception | None = None
        for place in range(begin, begin + 2 * count, 2):
            try:
                yield self._record(page, int.from_bytes(page[place : place + 2], "big"), kind)
            except (IndexError, struct.error, ValueError) as error:
                damage = error  # the others may be whole
        if damage is not None:
            raise damage

    def _record(self, page: bytes, at: int, kind: int) -> tuple[int, list[Any]]:
        at += 4 if kind == INNER_INDEX else 0  # what is below it
        length, at = _varint(page, at)
        rowid, at = _varint(page, at) if kind == LEAF_TABLE else (0, at)
        here = self._local(length, kind)
        payload = page[at : at + here]
        if here < length:
            payload += self._chain(int.from_bytes(page[at + here : at + here + 4], "big"), length - here)
        if len(payload) < length:
            raise ValueError("torn")
        return rowid, _values(payload)

    def _local(self, length: int, kind: int) -> int:
        """How much of a record of this length stands in the page itself."""
        most = self._usable - 35 if kind == LEAF_TABLE else (self._usable - 12) * 64 // 255 - 23
        if length <= most:
            return length
        least = (self._usable - 12) * 32 // 255 - 23
        fits = least + (length - least) % (self._usable - 4)
        return fits if fits <= most else least

    def _chain(self, number: int, left: int) -> bytes:
        parts: list[bytes] = []
        seen: set[int] = set()
        while left > 0 and number and number not in seen:
            seen.add(number)
            page = self[number]
            parts.append(page[4 : 4 + min(left, self._usable - 4)])
            left -= len(parts[-1])
            number = int.from_bytes(page[:4], "big")
        return b"".join(parts)


def _values(payload: bytes) -> list[Any]:
    """The values of a record; texts and blobs are bytes."""
    end, at = _varint(payload, 0)
    types: list[int] = []
    while at < end and len(types) <= MOST_COLUMNS:
        kind, at = _varint(payload, at)
        types.append(kind)
    values: list[Any] = []
    for kind in types:
        width = WIDTHS[kind] if kind < len(WIDTHS) else (kind - 12) // 2
        part = payload[at : at + width]
        if len(part) < width:
            raise ValueError("torn")
        values.append(_value(kind, part))
        at += width
    return values


def _value(kind: int, part: bytes) -> Any:
    if kind == 0:
        return None
    if kind == 7:
        return struct.unpack(">d", part)[0]
    if kind in (8, 9):
        return kind - 8
    return int.from_bytes(part, "big", signed=True) if kind < 7 else part


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of 1 to 9 bytes, seven bits each and eight of the ninth, and where it ends."""
    value = 0
    for place in range(at, at + 8):
        value = value << 7 | data[place] & 0x7F
        if data[place] < 0x80:
            return value, place + 1
    return value << 8 | data[at + 8], at + 9


def _frames(wal: bytes, size: int) -> Mapping[int, bytes]:
    """The pages that were committed in a -wal, in the order of writing, up to where it is whole."""
    committed: dict[int, bytes] = {}
    if len(wal) < 32:
        return committed
    order = ">" if wal[3] & 1 else "<"
    salts, sums = wal[16:24], _summed(wal[:24], (0, 0), order)
    pending: dict[int, bytes] = {}
    for at in range(32, len(wal) - FRAME.size - size + 1, FRAME.size + size):
        number, commits, _, _, first, second = FRAME.unpack_from(wal, at)
        page = wal[at + FRAME.size : at + FRAME.size + size]
        sums = _summed(page, _summed(wal[at : at + 8], sums, order), order)
        if wal[at + 8 : at + 16] != salts or sums != (first, second):
            break
        pending[number] = page
        if commits:
            committed |= pending
            pending = {}
    return committed


def _summed(data: bytes, sums: tuple[int, int], order: str) -> tuple[int, int]:
    """The checksum of a -wal, carried on over more bytes."""
    one, two = sums
    for first, second in struct.iter_unpack(f"{order}2I", data):
        one = (one + first + two) & 0xFFFFFFFF
        two = (two + second + one) & 0xFFFFFFFF
    return one, two


def _bytes(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}") from error
