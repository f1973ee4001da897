"""kilter portfolio."""

from __future__ import annotations

import click

from kilter.cli import options, show


@click.command("portfolio")
@click.argument("words", nargs=-1, metavar="STUDY...", required=True, shell_complete=options.names)
@click.option("-n", "n", type=int, default=5, show_default=True, metavar="N", help="How many configurations.")
@options.storage
@options.as_json
@options.debug
def command(words: tuple[str, ...], n: int, storage: str | None, as_json: bool) -> None:
    """Choose the few configurations of which one is good on the data of each study: what to try first on new data.

    \b
    kilter portfolio "svm-*" -n 5
    kilter portfolio wine cancer digits -n 1

    Each study is of other data; * stands for anything. Configurations are of the space of the first study, with their
    loss on the studies at hand and on data that is not among them.
    """
    from kilter.analysis.plain import plain
    from kilter.api import portfolio

    made = portfolio(words, n, storage=options.existing(storage))
    if as_json:
        show.echo_json(plain(made))
    else:
        show.echo(str(made))
