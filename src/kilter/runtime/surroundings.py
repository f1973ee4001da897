"""This machine and a storage in figures, and what is wrong with them."""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from kilter.analysis.finding import ACT, LOOK, Finding
from kilter.core.errors import StorageError, StudyNotFound
from kilter.core.interfaces import Described, OnDisk, Storage
from kilter.executors.machine import visible_gpus
from kilter.runtime.leases import this_worker
from kilter.runtime.status import span
from kilter.storage.sharing import is_network

LIBRARIES = ("numpy", "scipy", "psycopg", "httpx", "fsspec", "distributed", "ray", "torch")
"""Of which it matters what is installed, where workers differ."""

ROUNDS = 20
"""How often a read and a write are timed; the median counts."""
MOST_SPENT = 2.0
"""Seconds after which there is no further round."""

SLOW = 0.05
"""Seconds for a write from which on workers wait for the storage: a trial takes two."""
SKEWED = 2.0
"""Seconds between this machine's clock and the storage's that are worth a word."""

FULL, NEARLY = 100e6, 1e9
"""Bytes free on a disk below which nothing can go on, and below which it soon cannot."""
UNMERGED = 64e6
"""Bytes beside an SQLite file, and more than are in it, from which on something keeps them from being merged."""

SHORT_LEASE = 1.0
"""Seconds for which the lease by which a write is timed would hold, were it not given back at once."""


@dataclass(frozen=True)
class Latency:
    """Seconds that a storage takes, as the median of some rounds."""

    read: float
    write: float | None
    """None where there is no study yet, and so nothing that can be written without a trace."""


def machine() -> dict[str, Any]:
    """What runs here."""
    return {
        "kilter": version("kilter"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "host": platform.node(),
        "cores": os.cpu_count(),
        "gpus": visible_gpus(),
        "libraries": dict(_installed()),
        "temporary": {"folder": tempfile.gettempdir(), "free_bytes": _free(tempfile.gettempdir())},
    }


def _installed() -> Iterator[tuple[str, str]]:
    for name in LIBRARIES:
        with suppress(PackageNotFoundError):
            yield name, version(name)


def latency(storage: Storage) -> Latency:
    """How long it takes to read the list of studies, and to write: a lease on the first, which is given back."""
    read = _timed(storage.studies)
    studies = storage.studies()
    if not studies or not storage.is_durable:
        return Latency(read, None)
    study, worker = studies[0].id, this_worker("doctor")
    try:
        return Latency(read, _timed(lambda: storage.renew(study, worker, SHORT_LEASE)))
    finally:
        with suppress(StudyNotFound):
            storage.release(study, worker.id)


def _timed(act: Callable[[], object]) -> float:
    taken: list[float] = []
    while len(taken) < ROUNDS and sum(taken) < MOST_SPENT:
        began = time.perf_counter()
        act()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def keeping(storage: Storage) -> tuple[dict[str, Any], list[Finding]]:
    """What there is to say of a storage as such, and what is wrong with it."""
    facts: dict[str, Any] = {"url": storage.url}
    found: list[Finding] = []
    if isinstance(storage, Described):
        began = time.time()
        facts |= storage.describe()
        if "clock" in facts:
            facts["clock_ahead"] = ahead = facts.pop("clock") - (began + time.time()) / 2
            found += _of_clock(ahead)
    if isinstance(storage, OnDisk):
        facts["free_bytes"] = _free(os.path.dirname(storage.path))
        found += of_disk(facts["free_bytes"], os.path.dirname(storage.path))
    if is_network(facts.get("file_system")):
        found.append(_on_a_network(facts["file_system"]))
    if facts.get("unmerged_bytes", 0) > max(UNMERGED, facts.get("bytes", 0)):
        found.append(_unmerged(facts))
    try:
        took = latency(storage)
        facts |= {"read_seconds": took.read, "write_seconds": took.write}
        found += _of_latency(took, isinstance(storage, OnDisk))
    except StorageError as error:
        found.append(Finding("writing", ACT, f"Nothing can be written: {error}", "No worker can go on before it can."))
    return facts, found


def _on_a_network(kind: str) -> Finding:
    return Finding(
        "network folder",
        LOOK,
        f"The file is on a network ({kind}), where its locks hold among the processes of this machine: that was tried.",
        "Let no other machine use it: for several there are PostgreSQL databases, and kilter serve.",
        {"file_system": kind},
    )


def _of_clock(ahead: float) -> Iterator[Finding]:
    if abs(ahead) > SKEWED:
        way = "behind" if ahead > 0 else "ahead of"
        yield Finding(
            "clock",
            LOOK,
            f"This machine's clock is {span(float(round(abs(ahead))))} {way} that of the storage.",
            "Set it, as NTP does. When trials began and how long they took is told by it; leases go by the storage's.",
            {"seconds": -ahead},
        )


def _of_latency(took: Latency, is_file: bool) -> Iterator[Finding]:
    if took.write is not None and took.write > SLOW:
        where = "Put the file on a local disk" if is_file else "Run the workers nearer to it, or fewer at once"
        yield Finding(
            "latency",
            LOOK,
            f"A write takes {1e3 * took.write:.0f} ms; a trial takes two, and its reports more.",
            f"{where}. kilter serve, beside the storage, writes for many workers at once.",
            {"seconds": took.write},
        )


def _unmerged(facts: dict[str, Any]) -> Finding:
    return Finding(
        "unmerged",
        LOOK,
        f"{facts['unmerged_bytes'] / 1e6:.0f} MB stand beside the file and cannot be merged into it.",
        "A process that reads and never ends holds them: look for one, with lsof or fuser, and end it.",
    )


def of_disk(free: float, folder: str) -> Iterator[Finding]:
    """What is wrong with so many bytes free where a folder is."""
    if free < NEARLY:
        yield Finding(
            "disk",
            ACT if free < FULL else LOOK,
            f"{free / 1e6:,.0f} MB are free at {folder}.",
            "Free some: where a disk is full workers end, and trials lose their checkpoints.",
            {"free_bytes": free},
        )


def _free(folder: str) -> int:
    return shutil.disk_usage(folder).free
