"""kilter retry."""

from __future__ import annotations

import click

from kilter.cli import options, show


@click.command("retry")
@click.argument("words", nargs=-1, metavar="[STUDY] [TRIAL...]")
@click.option("--failed", is_flag=True, help="All trials that failed.")
@options.named
@options.storage
@options.as_json
@options.debug
def command(words: tuple[str, ...], failed: bool, option: str | None, storage: str | None, as_json: bool) -> None:
    """Queue failed trials to be run again; the next run begins with them.

    \b
    kilter retry digits --failed
    kilter retry digits 3 17

    The new trials stand in the place of the old ones, which use up no budget any more.
    """
    name = words[0] if words and not words[0].isdecimal() else None
    numbers = words if name is None else words[1:]
    if bool(numbers) is failed:
        raise click.UsageError("name the trials, as in kilter retry STUDY 3 17, or give --failed for all that failed")
    wrong = [number for number in numbers if not number.isdecimal()]
    if wrong:
        raise click.UsageError(f"{wrong[0]!r} is not the number of a trial")
    study = options.load(options.chosen(name, option), storage)
    queued = study.retry(failed=True) if failed else [new for number in numbers for new in study.retry(int(number))]
    if as_json:
        show.echo_json({"study": study.study_name, "queued": queued})
    elif queued:
        click.echo(f"{len(queued)} queued again: {', '.join(f'trial {number}' for number in queued[:10])}")
        by_hand = not isinstance(study.user_attrs.get("run"), dict)
        show.note("run them: start your script again" if by_hand else f"run them: kilter resume {study.study_name}")
    else:
        click.echo("no trial has failed")
