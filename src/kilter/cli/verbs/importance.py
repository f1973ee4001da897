"""kilter importance."""

from __future__ import annotations

import click

from kilter.cli import options, show

BELIEVED = 0.3
"""With less of the variance explained shares say little, ..."""
FEW = 10
"""... as they do with fewer trials."""
REST = "(noise and the rest)"
"""The row of what neither parameters nor pairs of them explain."""


@click.command("importance")
@options.study
@click.option("--objective", metavar="NAME", help="Of several objectives this one; else the first.")
@click.option("--method", default="auto", metavar="METHOD", help="auto, surrogate, fanova or pedanova.")
@options.as_json
def command(
    name: str | None, option: str | None, storage: str | None, objective: str | None, method: str, as_json: bool
) -> None:
    """Say which parameters matter, and how much: the share of what differs between trials that each explains.

    \b
    kilter importance digits
    kilter importance digits --objective latency --method fanova
    """
    from kilter.analysis.importance import importance
    from kilter.analysis.plain import plain
    from kilter.models.results import LEAST

    study = options.look(options.chosen(name, option), storage)
    wanted = 0 if objective is None else objective
    found = importance(study.history, wanted, method=method, seed=study.seed)
    if as_json:
        show.echo_json({"study": study.study_name, **plain(found)})
        return
    rows = [([each.parameter], each) for each in found.shares] + [
        (list(pair.parameters), pair) for pair in found.pairs if pair.low > 0
    ]
    cells = [
        (" × ".join(map(show.text, names)), f"{one.share:.0%}", f"{one.low:.0%} to {one.high:.0%}", show.bar(one.share))
        for names, one in rows
    ]
    if found.trials >= LEAST:
        cells.append((REST, f"{found.rest:.0%}", "", show.bar(found.rest)))
    show.echo_table(
        [
            show.Column("parameter", [name for name, *_ in cells], 0),
            show.Column("share", [share for _, share, *_ in cells], 0, True),
            show.Column("80 % within", [within for *_, within, _ in cells], 2, True),
            show.Column("", [bar for *_, bar in cells], 3),
        ],
        show.width(),
    )
    if found.trials < LEAST:
        show.note(f"nothing is known yet: it takes {LEAST} trials that ended, and with different values")
    elif found.trials < FEW or (found.explained is not None and found.explained < BELIEVED):
        show.note("this is not to be believed yet: run more trials")
    of = f"{found.sampled} of {found.trials}" if found.sampled < found.trials else f"{found.trials}"
    fit = "" if found.explained is None else f", which explains {max(found.explained, 0):.0%} of what it has not seen"
    show.note(f"by {found.method}{fit}; from {of} trials")
