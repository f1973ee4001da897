"""kilter note."""

from __future__ import annotations

import time

import click

from kilter.cli import options, show


@click.command("note")
@click.argument("words", nargs=-1, metavar="[STUDY] [TRIAL]")
@click.option("-m", "--text", help='What to note, in the place of what was noted before; "" removes that.')
@options.named
@options.storage
@options.as_json
@options.debug
def command(words: tuple[str, ...], text: str | None, option: str | None, storage: str | None, as_json: bool) -> None:
    """Note something on a study or on one of its trials; without a text, show what was noted.

    \b
    kilter note digits -m "third try, with the cleaned data"
    kilter note digits 17 -m "look at its curve"
    """
    from kilter.runtime import steering

    name, numbers = options.trials(words, option)
    if len(numbers) > 1:
        raise click.UsageError("a note is on one trial, or on the study")
    log = options.steered(name, storage)
    number = numbers[0] if numbers else None
    if text is not None:
        steering.note(log, number, text, time.time())
    noted = {of: said for of, said in log.replica.notes.items() if number is None or of == number}
    if as_json:
        trials = {of: said for of, said in noted.items() if of is not None}
        show.echo_json({"study": log.name, "note": noted.get(None, ""), "trials": trials})
        return
    for of, said in noted.items():
        show.echo(f"{'study' if of is None else f'trial {of}'}: {show.text(said)}")
