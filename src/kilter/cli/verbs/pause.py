"""kilter pause."""

from __future__ import annotations

import time

import click

from kilter.cli import options, show


@click.command("pause")
@options.study
@options.as_json
def command(name: str | None, option: str | None, storage: str | None, as_json: bool) -> None:
    """Have no trial begin anywhere; what runs goes on, and workers wait.

    \b
    kilter pause digits
    """
    from kilter.runtime import steering

    log = options.steered(options.chosen(name, option), storage)
    is_news = steering.pause(log, time.time())
    if as_json:
        show.echo_json({"study": log.name, "control": log.replica.control})
        return
    running = len(log.replica.history.running)
    show.echo("paused" if is_news else "it was paused already")
    show.note(f"{running} running; {log.command('unpause')} lets it go on")
