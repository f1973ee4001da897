"""The files of the page, built from `web/` into `static`: read once, compressed once, served by name."""

from __future__ import annotations

import gzip
import mimetypes
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

STATIC = Path(__file__).parent / "static"
TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}
"""As they are here; what this machine takes an ending for may be something else."""


@dataclass(frozen=True)
class File:
    """A file of the page."""

    path: Path

    @property
    def media(self) -> str:
        """Its media type."""
        ending = self.path.suffix
        return TYPES.get(ending) or mimetypes.types_map.get(ending, "application/octet-stream")

    @property
    def is_lasting(self) -> bool:
        """Whether its name says what it holds, so that a browser need never ask again."""
        return self.path.parent.name == "assets"

    @cached_property
    def body(self) -> bytes:
        """What it holds."""
        return self.path.read_bytes()

    @cached_property
    def compressed(self) -> bytes:
        """The same, compressed."""
        return gzip.compress(self.body, 9, mtime=0)


@cache
def files() -> dict[str, File]:
    """All files by their address: what is not in here is not served."""
    return {path.relative_to(STATIC).as_posix(): File(path) for path in sorted(STATIC.rglob("*")) if path.is_file()}
