"""Columns as a browser reads them, by the words of the format alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass
class Decoded:
    """A header and its columns by key."""

    header: dict[str, Any]
    rows: np.ndarray | None
    columns: dict[str, np.ndarray]

    def option(self, key: str, number: int) -> str | None:
        """The text of an option; None where there is none."""
        [options] = [column["options"] for column in self.header["columns"] if column["key"] == key]
        place = int(self.columns[key][number])
        return options[place] if place < len(options) else None

    def laid_over(self, before: Decoded) -> dict[str, np.ndarray]:
        """The columns after a delta, where those before it are known."""
        if self.rows is None:
            return self.columns
        whole = {}
        for key, change in self.columns.items():
            old = before.columns.get(key, change[:0])
            numbers = np.full(self.header["trials"], np.nan if change.dtype.kind == "f" else -1).astype(change.dtype)
            numbers[: len(old)] = old
            numbers[self.rows] = change
            whole[key] = numbers
        return whole


def decoded(data: bytes) -> Decoded:
    """Read what the server sends."""
    size = int.from_bytes(data[:4], "little")
    start = 4 + size
    assert start % 8 == 0
    header = json.loads(data[4:start])

    def array(dtype: str, place: dict[str, int]) -> np.ndarray:
        assert place["offset"] % 8 == 0
        return np.frombuffer(data, f"<{dtype}", place["length"], start + place["offset"])

    rows = None if header["rows"] is None else array("i4", header["rows"])
    return Decoded(header, rows, {column["key"]: array(column["dtype"], column) for column in header["columns"]})
