"""kilter unpause."""

from __future__ import annotations

import time

import click

from kilter.cli import options, show


@click.command("unpause")
@options.study
@options.as_json
def command(name: str | None, option: str | None, storage: str | None, as_json: bool) -> None:
    """Have trials begin again in a study that is paused: its workers go on.

    \b
    kilter unpause digits
    """
    from kilter.runtime import steering

    log = options.steered(options.chosen(name, option), storage)
    before = log.replica.control
    steering.unpause(log, time.time())
    if as_json:
        show.echo_json({"study": log.name, "control": log.replica.control})
        return
    show.echo("its workers go on" if before == "paused" else f"it was not paused, it is {before}")
