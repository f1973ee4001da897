"""Where Optuna keeps its studies: its storages, their URLs and files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import optuna
from optuna.storages.journal import JournalFileBackend

from kilter.core.errors import InvalidInput, StorageError, StudyNotFound
from kilter.core.text import masked


def place_of(study: Any) -> tuple[Any, int]:
    """The storage of a study of Optuna's, and what that calls it, which Optuna shows to nobody else."""
    return study._storage, study._study_id


def study_names(source: Any) -> list[str]:
    """The names of the studies in a storage of Optuna's, which is given as for `import_study`."""
    return optuna.get_all_study_names(_opened(source))


def study_of(source: Any, study_name: str | None) -> Any:
    """The study of this name, or the only one."""
    if isinstance(source, optuna.Study):
        return source
    storage = _opened(source)
    names = optuna.get_all_study_names(storage)
    if study_name is None and not names:
        raise StudyNotFound(f"{source} has no studies")
    if study_name is None and len(names) > 1:
        raise StudyNotFound(f"{source} has {len(names)} studies: name one of {', '.join(names)}")
    if study_name is not None and study_name not in names:
        raise StudyNotFound.of("study", study_name, names, f"(in {source})")
    return optuna.load_study(study_name=study_name or names[0], storage=storage)


def _opened(source: Any) -> Any:
    """A storage of Optuna's that exists. Optuna itself would make the file, or its tables in one of another program."""
    if isinstance(source, optuna.storages.BaseStorage):
        return source
    if not isinstance(source, (str, os.PathLike)):
        raise InvalidInput(
            f"source={source!r}: give a study of Optuna's, its storage, a URL such as 'sqlite:///o.db', or a file"
        )
    url = os.fspath(source)
    path = sqlite_path(url)
    if "://" not in url or url.startswith("sqlite:///"):
        if not path.is_file():
            raise StorageError(f"there is no file {path}, from which to take studies of Optuna: check the path")
        with path.open("rb") as file:
            is_journal = file.read(1) == b"{"
        if is_journal:
            return optuna.storages.JournalStorage(JournalFileBackend(str(path)))
        url = url if "://" in url else f"sqlite:///{url}"
    return database(url, skip_table_creation=True)


def database(url: str, **settings: Any) -> Any:
    """A storage of Optuna's at a URL."""
    try:
        return optuna.storages.get_storage(optuna.storages.RDBStorage(url, **settings))
    except Exception as error:  # SQLAlchemy has many kinds, and each database more
        why = str(error.__cause__ or error).partition("\n")[0].replace(url, masked(url))
        raise StorageError(f"{masked(url)} cannot be used as a storage of Optuna's: {why}") from error


def sqlite_path(url: str) -> Path:
    """The file of a URL."""
    return Path(url.removeprefix("sqlite:///").partition("?")[0])
