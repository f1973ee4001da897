"""kilter budget."""

from __future__ import annotations

import time

import click

from kilter.cli import options, show


@click.command("budget")
@options.study
@click.option("-n", "--n-trials", "--trials", "trials", type=int, default=0, help="How many trials more, in all.")
@click.option("-t", "--timeout", "--time", "span", metavar="2h30m", help="How much longer its runs may last.")
@options.as_json
def command(
    name: str | None, option: str | None, storage: str | None, trials: int, span: str | None, as_json: bool
) -> None:
    """Add to the budget of a study: trials, which its workers share, and time for the runs that there are.

    \b
    kilter budget digits -n 20
    kilter budget digits -t 30m
    """
    from kilter.cli.specification import duration
    from kilter.runtime import steering

    log = options.steered(options.chosen(name, option), storage)
    seconds = 0.0 if span is None else duration(span)
    steering.add_budget(log, time.time(), trials=trials, seconds=seconds)
    if as_json:
        show.echo_json({"study": log.name, "trials": trials, "seconds": seconds})
        return
    added = [f"{trials} trials"] * bool(trials) + [show.span(seconds)] * bool(seconds)
    show.echo(f"{' and '.join(added)} more")
    if not log.replica.history.running:
        show.note("nothing runs: the next run has the trials that were added, beside those that it is asked for")
