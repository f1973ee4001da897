"""kilter report."""

from __future__ import annotations

import click

from kilter.cli import options, show


@click.command("report")
@options.study
@click.option("-o", "--output", metavar="FILE", help="Where to; STUDY.html otherwise.")
@click.option("--redact", is_flag=True, help="Leave out attributes, notes, messages, and names of workers and hosts.")
def command(name: str | None, option: str | None, storage: str | None, output: str | None, redact: bool) -> None:
    """Write a study as one HTML file, which needs no server.

    \b
    kilter report digits -o digits.html
    kilter report digits --redact
    """
    from kilter.dashboard.export import file_name

    study = options.look(options.chosen(name, option), storage)
    path = output or f"{file_name(study.study_name)}.html"
    study.report(path, redact=redact)
    show.note(f"{len(study.history)} trials in {path}")
