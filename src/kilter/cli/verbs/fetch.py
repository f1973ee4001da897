"""kilter fetch."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import click

from kilter.cli import group, options, show

if TYPE_CHECKING:
    from kilter.api import StudyView
    from kilter.frozen import FrozenTrial


@click.command("fetch")
@click.argument("words", nargs=-1, required=True, metavar="[STUDY] NUMBER|best")
@click.option("--to", metavar="FOLDER", help="Where to, a new folder; else trial-NUMBER here.")
@click.option(
    "--checkpoints",
    envvar="KILTER_CHECKPOINTS",
    metavar="PLACE",
    help="The folder or URL that the study was given as checkpoints=; $KILTER_CHECKPOINTS.",
)
@options.named
@options.storage
@options.as_json
@options.debug
def command(
    words: tuple[str, ...],
    to: str | None,
    checkpoints: str | None,
    option: str | None,
    storage: str | None,
    as_json: bool,
) -> int:
    """Copy what a trial has kept into a folder: its artifacts, and what it left in its checkpoint.

    \b
    kilter fetch best --to model
    kilter fetch digits 31 --checkpoints s3://team/digits
    """
    from kilter.core.errors import InvalidInput

    name, picked = options.one_trial(words, option)
    study = options.look(name, storage, checkpoints)
    trial = options.picked(study, picked)
    folder = to or f"trial-{trial.number}"
    if os.path.lexists(folder):
        raise InvalidInput(f"{folder!r} is there already: give another folder with --to, or remove it")
    fetched = _fetched(study, trial, folder)
    if as_json:
        show.echo_json({"study": study.study_name, "trial": trial.number, "folder": folder, "files": fetched})
        return 0 if fetched else group.NOT_FOUND
    for path, size in fetched.items():
        show.echo(f"{show.text(os.path.join(folder, path))}  {size:,} bytes")
    if not fetched:
        show.note(
            f"trial {trial.number} has kept nothing here: it saved nothing, is not among the best, or keeps it where "
            "--checkpoints is to say"
        )
    return 0 if fetched else group.NOT_FOUND


def _fetched(study: StudyView, trial: FrozenTrial, folder: str) -> dict[str, int]:
    """Copy all of it; the paths in the folder, with bytes."""
    artifacts = {artifact.name: study.fetch_artifact(trial, artifact.name) for artifact in trial.artifacts}
    left = study.checkpoint_dir(trial)
    if left is not None:
        shutil.copytree(left, os.path.join(folder, "checkpoint"))
    for name, path in artifacts.items():
        target = os.path.join(folder, "artifacts", name)
        try:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copyfile(path, target)
        except (FileExistsError, IsADirectoryError, NotADirectoryError):
            show.note(
                f"{name!r} is not copied, since a folder and a file would have one name: "
                f"study.fetch_artifact({trial.number}, {name!r}) gives it"
            )
    paths = (os.path.join(place, name) for place, _, names in os.walk(folder) for name in names)
    return {os.path.relpath(path, folder): os.path.getsize(path) for path in sorted(paths)}
