"""kilter import."""  # noqa: N999  # verbs are found by the names of their files

from __future__ import annotations

import click

from kilter.cli import options, show


@click.command("import")
@click.argument("source", metavar="OPTUNA")
@click.argument("names", metavar="[STUDY]...", nargs=-1)
@click.option("--all", "every", is_flag=True, help="All studies that are not here yet.")
@options.storage
@options.debug
def command(source: str, names: tuple[str, ...], every: bool, storage: str | None) -> None:
    """Import Optuna studies, with all that is known of their trials.

    \b
    kilter import sqlite:///optuna.db resnet
    kilter import journal.log --all

    OPTUNA is the URL of its database, or an SQLite or journal file. Without a name, the only study there is; where
    there are several, they are listed.
    """
    from kilter.core.errors import StudyExists
    from kilter.core.text import masked
    from kilter.integrations.optuna import import_study, study_names

    if every and names:
        raise click.UsageError("--all takes every study: name some, or give --all")
    url = storage or options.DEFAULT_STORAGE
    for name in study_names(source) if every else names or (None,):
        try:
            study = import_study(source, url, name)
        except StudyExists:
            if not every:
                raise
            show.note(f"{name!r} is in {masked(url)} already")
        else:
            show.note(f"{len(study.trials)} trials of {study.study_name!r} are in {masked(url)} now")
