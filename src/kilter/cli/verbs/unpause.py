"""kilter unpause."""

from __future__ import annotations

import time

import click

from kilter.cli import options, show


@click.command("unpause")
@options.study
@options.as_json
def command(name: str | None, option: str | None, storage: str | None, as_json: bool) -> None:
    """Have trials begin again in a study that is paused or stopped.

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
    news = {"paused": "its workers go on", "stopped": "it is stopped no more: workers that are started go on"}
    show.echo(news.get(before, "it was neither paused nor stopped"))
