"""kilter retry."""

from __future__ import annotations

import time

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
    """Queue failed and invalidated trials to be run again; the next run begins with them.

    \b
    kilter retry digits --failed
    kilter retry digits 3 17

    The new trials stand in the place of the old ones, which use up no budget any more.
    """
    from kilter.core.events import TrialState
    from kilter.runtime import steering

    name, numbers = options.trials(words, option)
    if bool(numbers) is failed:
        raise click.UsageError("name the trials, as in kilter retry STUDY 3 17, or give --failed for all that failed")
    log = options.steered(name, storage)
    if failed:
        numbers = [t.number for t in log.replica.history.with_state(TrialState.FAIL) if not t.forgiven]
    queued = steering.retry(log, numbers, time.time())
    if as_json:
        show.echo_json({"study": log.name, "queued": queued})
    elif queued:
        click.echo(f"{len(queued)} queued again: {', '.join(f'trial {number}' for number in queued[:10])}")
        by_hand = not isinstance(log.replica.attrs.get("run"), dict)
        way = "start your script again" if by_hand else log.command("resume")
        show.note(f"run them: {way}")
    else:
        click.echo("no trial has failed")
