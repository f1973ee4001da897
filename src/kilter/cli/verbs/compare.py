"""kilter compare."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kilter.cli import options, show

if TYPE_CHECKING:
    from kilter.analysis.comparison import Comparison
    from kilter.core.interfaces import Storage


@click.command("compare")
@click.argument("words", nargs=-1, metavar="STUDY... | LABEL=STUDY,STUDY...", required=True)
@click.option("--objective", metavar="NAME", help="Of several objectives this one; else the first.")
@click.option(
    "--against",
    type=click.Choice(["trials", "time", "cost"]),
    default="trials",
    help="What they had equally much of: trials, time since the start, or time of trials.",
)
@options.storage
@options.as_json
@options.debug
def command(words: tuple[str, ...], objective: str | None, against: str, storage: str | None, as_json: bool) -> None:
    """Say which of several studies did better with the same budget, and whether that is more than chance.

    \b
    kilter compare auto tpe
    kilter compare "auto=auto-*" "tpe=tpe-*" --against time

    Of a study that was run with several seeds, name all runs behind a label, in the same order; * stands for anything.
    """
    from kilter.analysis.comparison import compare
    from kilter.analysis.plain import plain
    from kilter.api import read_study

    opened = options.existing(storage)
    groups = {label: names for word in words for label, names in [_group(word, opened)]}
    runs = {
        label: [read_study(study_name=name, storage=opened).history for name in names]
        for label, names in groups.items()
    }
    found = compare(runs, 0 if objective is None else objective, against=against)
    if as_json:
        show.echo_json({"studies": groups, **plain(found)})
    else:
        _tell(found)


def _group(word: str, storage: Storage) -> tuple[str, list[str]]:
    """The label that a word stands for, and its studies, in the order in which they were made where it has a *."""
    from kilter.runtime.log import names_like

    label, equals, listed = word.partition("=")
    if not equals or word in (row.name for row in storage.studies()):
        return word, [word]
    return label, [name for pattern in listed.split(",") for name in names_like(pattern, storage)]


def _tell(found: Comparison) -> None:
    unit = "trials" if found.against == "trials" else "seconds"
    show.echo(f"{found.direction} {show.text(found.objective)}, after {found.budget:g} {unit}")
    each = found.contestants
    show.echo_table(
        [
            show.Column("study", [show.text(one.label) for one in each], 0),
            show.Column("rank", [f"{one.rank:.2g}" for one in each], 1, True),
            show.Column("median", [show.text(one.median) for one in each], 0, True),
            show.Column("quartiles", [f"{show.text(one.low)} to {show.text(one.high)}" for one in each], 3, True),
            show.Column("runs", [str(one.runs) for one in each], 2, True),
            show.Column("trials", [", ".join(map(str, one.trials)) for one in each], 4, True),
        ],
        show.width(),
    )
    for duel in found.duels:
        show.echo(duel.verdict)
    for drift in found.parameters[:3]:
        if drift.shift > 0.2 and drift.shift > (drift.spread or 0.0):
            places = ", ".join(f"{show.text(best.value)} ({show.text(label)})" for label, best in drift.optima.items())
            show.echo(f"the best {show.text(drift.name)} differs: {places}")
    for assumption in found.assumptions:
        show.note(assumption)
