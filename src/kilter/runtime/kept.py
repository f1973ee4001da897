"""Where a study keeps what its trials save: where its user says, where the study knows from then on, or by default."""

from __future__ import annotations

import hashlib
import logging
import os
from typing import TYPE_CHECKING, Any

from kilter.core.errors import InvalidInput
from kilter.core.events import SYSTEM, Noted
from kilter.core.interfaces import CheckpointStore, OnDisk
from kilter.core.text import is_url, masked
from kilter.engine.replica import Replica
from kilter.runtime.folders import Folders, OfThisMachine, cache, temporary
from kilter.runtime.log import Log, created

if TYPE_CHECKING:
    from kilter.runtime.bucket import Bucket

log = logging.getLogger("kilter")

Given = str | os.PathLike[str] | CheckpointStore | None
"""What users say: a URL, a folder, a store of their own, or nothing."""

PLACE = f"{SYSTEM}checkpoints"
"""The attribute of a study with the folder or URL that was first said to be its own."""


def store_of(given: Given, study: Log[Replica]) -> CheckpointStore:
    """The store that is meant: where it was said, here or to the study before, or else the default.

    That is beside a storage that is a file, in the user's folder for caches where the storage is elsewhere, so that it
    outlives the process, and in a temporary folder for a study in memory. Raises StorageUnreachable where a URL cannot
    be reached.
    """
    if given is None:
        return _known(study) or _default(study)
    return _opened(given)


def to_work_in(given: Given, study: Log[Replica]) -> CheckpointStore:
    """The same, to write to: a folder has the mark of its study from then on. Raises InvalidInput where it cannot."""
    store = store_of(given, study)
    if isinstance(store, OfThisMachine):
        try:
            os.makedirs(os.path.dirname(store.root), mode=0o700, exist_ok=True)
        except OSError as error:
            log.warning("%s cannot be made (%s): what trials save goes with this process", store, error)
            return temporary()
    if isinstance(store, Folders) and study.storage.is_durable and store is not given:
        try:
            if given is not None or store.root == _place(study):
                store.mark(_name_of(study))
        except OSError as error:
            raise InvalidInput(
                f"{study.name!r} keeps what its trials save in {store}, which cannot be written to here: {error}; "
                "say another place with checkpoints= (--checkpoints)"
            ) from error
    return store


def note_place(given: Given, study: Log[Replica], now: float) -> None:
    """Have the study know where it keeps what trials save, for who opens it without saying; the first word counts."""
    if not isinstance(given, (str, os.PathLike)) or not study.storage.is_durable:
        return
    place, known = _spoken(given), _place(study)
    if known == place:
        return
    if known is not None:
        log.warning(
            "%s: it keeps what trials save in %s, as was said first; here that is %s, and who is not told so does not "
            "find it there (study.set_system_attr('checkpoints', …) says another place to all)",
            *(study.name, known, masked(place)),
        )
    elif _has_secrets(place):
        log.warning(
            "%s: the place %s has credentials in it, so the study does not note it: say it to each worker, or keep the "
            "credentials where fsspec looks for them, in the environment for instance",
            *(study.name, masked(place)),
        )
    else:
        study.write(Noted(None, {PLACE: place}, now))


def folder_of(study: Log[Replica]) -> Folders | None:
    """The folders of a study that are on this machine without asking anybody; None where there are none."""
    if is_url(_place(study) or ""):
        return None
    store = store_of(None, study) if study.storage.is_durable else None
    return store if isinstance(store, Folders) else None


def _bucket(url: str) -> Bucket:
    """What is kept at a URL: loaded where one is used, since most studies use none."""
    from kilter.runtime.bucket import Bucket

    return Bucket(url)


def _opened(given: Any) -> CheckpointStore:
    if isinstance(given, str) and is_url(given):
        bucket = _bucket(given)
        bucket.reach()
        return bucket
    return Folders(given) if isinstance(given, (str, os.PathLike)) else given


def _known(study: Log[Replica]) -> CheckpointStore | None:
    """Where the study says, unless somebody else's things are there: a log is data, and what is kept is deleted too."""
    place = _place(study)
    if place is None:
        return None
    if is_url(place):
        is_its_own = _bucket(place).is_of_kilter()
    else:
        folders = Folders(place)
        is_its_own = folders.owner == _name_of(study) or not os.path.isdir(place) or not os.listdir(place)
    if is_its_own:
        return _opened(place)
    log.warning(
        "%s: its log says that it keeps what trials save in %s, but what is there is not marked as this study's: it is "
        "left alone; where it is, say so with checkpoints= (--checkpoints)",
        *(study.name, masked(place)),
    )
    return None


def _default(study: Log[Replica]) -> CheckpointStore:
    if isinstance(study.storage, OnDisk):
        return Folders(os.path.join(f"{study.storage.path}.trials", str(study.study)))
    if not study.storage.is_durable:
        return temporary()
    return OfThisMachine(os.path.join(cache(), "trials", _name_of(study, study.storage.url)))


def _place(study: Log[Replica]) -> str | None:
    place = study.replica.attrs.get(PLACE)
    return place if isinstance(place, str) and place else None


def _name_of(study: Log[Replica], *beside: str) -> str:
    """What stands for this study wherever it is opened, and for no other, such as one of the same name before it."""
    first = created(study.storage, study.study)
    what = repr((study.name, first.seed, float(first.time), *beside))
    return hashlib.sha256(what.encode()).hexdigest()[:32]


def _spoken(given: str | os.PathLike[str]) -> str:
    place = os.fspath(given)
    return place.rstrip("/") if is_url(place) else os.path.abspath(place)


def _has_secrets(place: str) -> bool:
    """Whether a URL has credentials, or anything that is not certain to be none."""
    if not is_url(place):
        return False
    scheme, _, rest = place.partition("://")
    return masked(place) != place or ("@" in rest.partition("/")[0] and scheme not in ("sftp", "ssh"))
