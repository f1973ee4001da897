"""kilter transfer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kilter.cli import options, show

if TYPE_CHECKING:
    from kilter.analysis.transfer import Transfer


@click.command("transfer")
@options.study
@options.as_json
def command(name: str | None, option: str | None, storage: str | None, as_json: bool) -> None:
    """Say what a study learns from earlier ones: how right each has been, what it counts, and what is owed to it.

    \b
    kilter transfer wine

    agreement is 1 for an earlier study that ranks the trials of this one always right, and 0 for one that does it as
    chance would; weight is how much it counts now.
    """
    from kilter.analysis.plain import plain

    study = options.look(options.chosen(name, option), storage)
    found = study.transfer
    if as_json:
        show.echo_json({"study": study.study_name, **plain(found), "sentence": found.sentence})
    else:
        _tell(found)


def _tell(found: Transfer) -> None:
    each = found.teachers
    if not each:
        show.echo(str(found))
        return
    show.echo_table(
        [
            show.Column("study", [show.text(one.name) for one in each], 0),
            show.Column("trials used", [f"{one.used} of {one.trials}" for one in each], 1, True),
            show.Column("parameters", [one.parameters for one in each], 2, True),
            show.Column(
                "agreement", ["" if one.agreement is None else f"{one.agreement:+.2f}" for one in each], 0, True
            ),
            show.Column("weight", ["" if one.weight is None else f"{one.weight:.2f}" for one in each], 0, True),
            show.Column("owed", [str(len(one.owed)) for one in each], 1, True),
            show.Column("", [one.standing for one in each], 0),
        ],
        show.width(),
    )
    if found.sentence:
        show.echo(found.sentence)
    for one in each:
        for what, names in (("knows nothing of", one.missing), ("is not asked about its", one.extra)):
            if names and one.reason is None:
                show.note(f"{show.text(one.name)} {what} {', '.join(map(show.text, names))}")
