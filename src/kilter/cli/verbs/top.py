"""kilter top."""

from __future__ import annotations

import sys

import click

from kilter.cli import options, show


@click.command("top")
@click.argument("url", metavar="[STORAGE]", required=False)
@click.option("--once", is_flag=True, help="Print it once, and leave.")
@options.storage
@options.as_json
@options.debug
def command(url: str | None, once: bool, storage: str | None, as_json: bool) -> None:
    """Show all studies of a storage that somebody is at work on, each as its own run shows it.

    \b
    kilter top
    kilter top sqlite:///runs/kilter.db --once

    On a terminal it goes on until q: p pauses a study or lets it go on, s stops it, j and k choose which.
    """
    from kilter.cli.watching import Watch, follow, picture

    watch = Watch(options.existing(url or storage))
    watch.look()
    if as_json:
        show.echo_json([status.document() for status in watch.known.values()])
    elif once or not (sys.stdout.isatty() and sys.stdin.isatty()) or sys.platform == "win32":
        from rich.console import Console

        width = show.width() or 120
        console = Console(width=width, color_system=None)
        with console.capture() as printed:
            console.print(picture(watch, width))
        for line in printed.get().splitlines():
            show.echo(line.rstrip())
    else:
        follow(watch)
