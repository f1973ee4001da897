"""kilter invalidate."""

from __future__ import annotations

import time

import click

from kilter.cli import options, show


@click.command("invalidate")
@click.argument("words", nargs=-1, metavar="[STUDY] TRIAL...", required=True)
@click.option("-m", "--reason", required=True, help="Why its result shall not count.")
@options.named
@options.storage
@options.as_json
@options.debug
def command(words: tuple[str, ...], reason: str, option: str | None, storage: str | None, as_json: bool) -> None:
    """Have the results of finished trials count no more: for the best, the sampler, the scheduler, the budget.

    \b
    kilter invalidate digits 3 17 -m "trained on the wrong data"

    They stay in the log, as failed with the reason, and kilter retry runs them again.
    """
    from kilter.runtime import steering

    name, numbers = options.trials(words, option)
    if not numbers:
        raise click.UsageError("name the trials, as in kilter invalidate STUDY 3 17 -m REASON")
    log = options.steered(name, storage)
    done = [number for number in numbers if steering.invalidate(log, number, reason, time.time())]
    if as_json:
        show.echo_json({"study": log.name, "invalidated": done})
        return
    listed = ", ".join(f"trial {number}" for number in done)
    show.echo(f"{listed} no longer counts" if len(done) == 1 else f"{listed} no longer count" if done else "no news")
    best = log.replica.ledger.best_number
    if done and best is not None and len(log.replica.problem.objectives) == 1:
        show.note(f"the best is trial {best} now")
