"""What is wrong with a storage, this machine, and all who work on the studies there: `kilter doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kilter import replay
from kilter.analysis.finding import ACT, SEVERITIES, Finding
from kilter.api.arguments import DEFAULT_STORAGE
from kilter.core.errors import NAME, KilterError, LogDamaged
from kilter.core.interfaces import Storage
from kilter.core.text import one_line
from kilter.engine.asked import standing
from kilter.plugins import existing_storage
from kilter.runtime.checkup import CHECKS, Scene
from kilter.runtime.log import id_of
from kilter.runtime.surroundings import keeping, machine, of_disk
from kilter.storage.commands import command

MOST = 50
"""Studies that are looked at, the latest ones, unless one is named."""


@dataclass(frozen=True)
class Checkup:
    """What a look around found."""

    machine: dict[str, Any]
    """This machine: versions, cores, GPUs, what is installed."""
    storage: dict[str, Any]
    """The storage: what keeps it, how long it takes, how much room it has."""
    studies: tuple[dict[str, Any], ...]
    """Each study that was looked at: its name, how it stands, its trials and its workers."""
    findings: tuple[Finding, ...]
    """What is wrong or worth a look, what calls for action first."""


def examine(*, storage: str | Storage = DEFAULT_STORAGE, study_name: str | None = None) -> Checkup:
    """Look after a storage, this machine, and the workers and trials of the studies there, or of the one that is named.

    Nothing is changed: of a write only the time is taken, with a lease that is given back. Raises StudyNotFound, and
    StorageError where the storage cannot be reached.

    >>> import tempfile, kilter
    >>> url = f"sqlite:///{tempfile.mkdtemp()}/studies.db"
    >>> with kilter.create_study(study_name="digits", storage=url, seed=0) as study:
    ...     study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3, progress="none")
    >>> found = examine(storage=url)
    >>> [(study["name"], study["standing"], study["trials"]) for study in found.studies]
    [('digits', 'idle', 3)]
    """
    opened = existing_storage(storage)
    here = machine()
    kept, found = keeping(opened)
    temporary = here["temporary"]
    found += of_disk(temporary["free_bytes"], temporary["folder"])
    names = [row.name for row in opened.studies()][-MOST:] if study_name is None else [study_name]
    studies = [_examined(name, opened, found) for name in names]
    if opened is not storage:
        opened.close()
    found.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return Checkup(here, kept, tuple(studies), tuple(found))


def _examined(name: str, storage: Storage, found: list[Finding]) -> dict[str, Any]:
    """What there is to say of a study; what is wrong with it is added to what was found."""
    id_of(storage, name)
    try:
        scene = Scene.of(replay.read(name, storage))
    except KilterError as error:
        action = (
            f"{command('check', name, storage.url)} says what can be saved." if isinstance(error, LogDamaged) else ""
        )
        found.append(Finding("unreadable", ACT, f"{one_line(name, NAME)} cannot be read: {one_line(error)}", action))
        return {"name": name, "standing": "unreadable", "trials": None, "workers": []}
    for check in CHECKS:
        found.extend(check(scene))
    workers = [
        {"name": w.name, "id": w.id, "host": w.machine, "pid": w.pid, "lease": left, "alive": w.id in scene.alive}
        for w, left in scene.leases
    ]
    replica = scene.log.replica
    return {
        "name": name,
        "standing": standing(replica, len(scene.alive)),
        "trials": len(replica.history),
        "running": len(replica.history.running),
        "workers": workers,
    }
