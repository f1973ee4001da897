"""Files that belong to a trial or a study, in Optuna's words; `trial.checkpoint_dir` does without them.

    store = FileSystemArtifactStore("artifacts")
    name = upload_artifact(artifact_store=store, file_path="model.bin", study_or_trial=trial)
    download_artifact(artifact_store=store, file_path="copy.bin", artifact_id=name)

A file is copied into the folder of the store under a name drawn at random; the study keeps that name, and what the file
was called, in a system attribute.
"""

from __future__ import annotations

import mimetypes
import os
import re
import shutil
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kilter.core.errors import InvalidInput, UnknownName
from kilter.core.names import refusing
from kilter.objective.trial import Trial

__all__ = [
    "ArtifactMeta",
    "Backoff",
    "FileSystemArtifactStore",
    "download_artifact",
    "get_all_artifact_meta",
    "upload_artifact",
]

PREFIX = "artifacts:"


@dataclass(frozen=True)
class ArtifactMeta:
    """What is known of an artifact: its name in the store, and what the file was."""

    artifact_id: str
    filename: str
    mimetype: str
    encoding: str | None


class FileSystemArtifactStore:
    """A folder of artifacts. The folder has to exist, or InvalidInput is raised."""

    def __init__(self, base_path: str | os.PathLike[str]) -> None:
        self.base_path = Path(base_path)
        if not self.base_path.is_dir():
            raise InvalidInput(f"base_path={str(base_path)!r}: there is no such folder; make it first")

    def path(self, artifact_id: str) -> Path:
        """Where an artifact lies; raises UnknownName for what is no name of one."""
        if not re.fullmatch(r"[0-9a-f-]{1,64}", artifact_id):
            raise UnknownName(f"{artifact_id!r} is not the name of an artifact: give what upload_artifact() returned")
        return self.base_path / artifact_id

    def remove(self, artifact_id: str) -> None:
        """Delete an artifact."""
        self.existing(artifact_id).unlink()

    def existing(self, artifact_id: str) -> Path:
        """The file of an artifact; raises UnknownName where there is none."""
        path = self.path(artifact_id)
        if not path.is_file():
            raise UnknownName(f"no artifact {artifact_id!r} in {self.base_path}")
        return path


def Backoff(backend: FileSystemArtifactStore, **_: Any) -> FileSystemArtifactStore:  # noqa: N802
    """The store itself: a folder needs no second try."""
    return backend


def upload_artifact(
    *,
    artifact_store: FileSystemArtifactStore,
    file_path: str | os.PathLike[str],
    study_or_trial: Any,
    storage: Any = None,
    mimetype: str | None = None,
    encoding: str | None = None,
) -> str:
    """Copy a file into a store, note it with a trial of an objective or with a study, and return its name there.

    The trials of `study.trials` are over and cannot take one: their name in the note would be lost.
    """
    if not isinstance(study_or_trial, Trial) and not hasattr(study_or_trial, "optimize"):
        raise InvalidInput(f"{study_or_trial!r} takes no artifact: give the trial of an objective, or the study")
    name = str(uuid.uuid4())
    guessed, packed = mimetypes.guess_type(os.fspath(file_path))
    meta = ArtifactMeta(name, os.path.basename(file_path), mimetype or guessed or "application/octet-stream", packed)
    shutil.copyfile(file_path, artifact_store.path(name))
    noted = asdict(meta) if encoding is None else {**asdict(meta), "encoding": encoding}
    study_or_trial.set_system_attr(f"{PREFIX}{name}", noted)
    return name


def download_artifact(
    *, artifact_store: FileSystemArtifactStore, file_path: str | os.PathLike[str], artifact_id: str
) -> None:
    """Copy an artifact out of a store.

    Raises UnknownName where it is not there, and InvalidInput where a file would be written over.
    """
    if os.path.exists(file_path):
        raise InvalidInput(f"file_path={str(file_path)!r} is there already: give another one, or remove it")
    shutil.copyfile(artifact_store.existing(artifact_id), file_path)


def get_all_artifact_meta(study_or_trial: Any, *, storage: Any = None) -> list[ArtifactMeta]:
    """What is known of the artifacts of a trial or a study, in the order in which they came."""
    attrs = study_or_trial.system_attrs.items()
    return [ArtifactMeta(**noted) for name, noted in attrs if name.startswith(PREFIX)]


_FOLDER = "use trial.log_artifact with checkpoints='s3://…' or the like, or FileSystemArtifactStore on a mounted folder"
__getattr__ = refusing(__name__, {"Boto3ArtifactStore": _FOLDER, "GCSArtifactStore": _FOLDER})


def __dir__() -> list[str]:
    return list(__all__)
