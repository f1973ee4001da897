"""kilter rm."""

from __future__ import annotations

import click

from kilter.cli import options, show


@click.command("rm")
@click.argument("name", metavar="STUDY", shell_complete=options.names)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@options.storage
@options.debug
def command(name: str, yes: bool, storage: str | None) -> None:
    """Remove a study with all its trials; asks first.

    \b
    kilter rm digits --yes
    """
    from kilter.api import delete_study
    from kilter.core.errors import InvalidInput, StudyNotFound

    opened = options.existing(storage)
    names = [row.name for row in opened.studies()]
    if name not in names:
        raise StudyNotFound.of("study", name, names, f"(in {opened.url})")
    if not yes:
        try:
            agreed = click.confirm(f"Remove the study {name!r} from {opened.url} for good?", err=True)
        except click.Abort:
            raise InvalidInput(f"nobody answered, so {name!r} stays: give --yes to remove it without asking") from None
        if not agreed:
            show.note("nothing was removed")
            return
    delete_study(study_name=name, storage=opened)
    show.note(f"removed {name!r}")
