"""kilter stop."""

from __future__ import annotations

import time

import click

from kilter.cli import options, show


@click.command("stop")
@options.study
@click.option("--now", "cuts", is_flag=True, help="Cut what runs; it waits for the next run to go on with it.")
@options.as_json
def command(name: str | None, option: str | None, storage: str | None, cuts: bool, as_json: bool) -> None:
    """End all runs of a study, on whichever host, once their trials have ended; later runs are not stopped.

    \b
    kilter stop digits
    kilter stop digits --now
    """
    from kilter.runtime import steering

    log = options.steered(options.chosen(name, option), storage)
    steering.stop(log, time.time(), cuts=cuts)
    running = len(log.replica.history.running)
    if as_json:
        show.echo_json({"study": log.name, "control": log.replica.control, "running": running})
        return
    what = "nothing runs" if not running else f"{running} running: " + ("they are cut" if cuts else "they end first")
    show.echo(f"stopped; {what}")
