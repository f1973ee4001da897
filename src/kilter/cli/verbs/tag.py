"""kilter tag."""

from __future__ import annotations

import time

import click

from kilter.cli import options, show


@click.command("tag")
@click.argument("words", nargs=-1, metavar="[STUDY] [NAME...]")
@click.option("--remove", is_flag=True, help="Take the tags away.")
@options.named
@options.storage
@options.as_json
@options.debug
def command(words: tuple[str, ...], remove: bool, option: str | None, storage: str | None, as_json: bool) -> None:
    """Give a study tags; without one, show those that it has.

    \b
    kilter tag digits baseline paper
    kilter tag digits paper --remove
    """
    from kilter.runtime import steering

    study, names = (option, words) if option is not None else (words[0] if words else None, words[1:])
    log = options.steered(study, storage)
    steering.tag(log, names, time.time(), has=not remove)
    if as_json:
        show.echo_json({"study": log.name, "tags": log.replica.tags})
        return
    for name in log.replica.tags:
        show.echo(show.text(name))
