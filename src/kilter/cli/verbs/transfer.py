"""kilter transfer."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from kilter.cli import options, show

if TYPE_CHECKING:
    from kilter.analysis.transfer import Transfer
    from kilter.transfer.library import Selection

MOST = 10
"""Studies that are passed over of which the reason is told; JSON has them all."""


@click.command("transfer")
@click.argument("name", metavar="[STUDY|FILE]", required=False, shell_complete=options.names)
@options.named
@options.storage
@options.as_json
@options.debug
def command(name: str | None, option: str | None, storage: str | None, as_json: bool) -> None:
    """Say what a study learns from earlier ones: how right each has been, what it counts, and what is owed to it.

    \b
    kilter transfer wine
    kilter transfer wine.toml

    agreement is 1 for an earlier study that ranks the trials of this one always right, and 0 for one that does it as
    chance would; weight is how much it counts now. Of the file of a study that has not begun, and of a study that
    learns from nobody, it says whom it would learn from now, and who is passed over, and why.
    """
    from kilter.analysis.plain import plain

    what = options.chosen(name, option)
    if what is not None and what.endswith(".toml") and os.path.exists(what):
        study, found, passed = _foreseen(what, storage)
    else:
        study, found, passed = _known(what, storage)
    if as_json:
        told: dict[str, Any] = {"sentence": found.sentence, "would_learn_from": [one.name for one in passed.taken]}
        told |= {"passed_over": dict(passed.passed)}
        show.echo_json({"study": study, **plain(found), **told})
        return
    _tell(found)
    if passed.taken and not found.teachers:
        show.note(f"one like it would learn now from {', '.join(show.text(each.name) for each in passed.taken)}")
    _tell_passed(passed)


def _known(name: str | None, storage: str | None) -> tuple[str, Transfer, Selection]:
    """What a study has of earlier ones; where that is nothing, whom one like it would learn from."""
    from kilter.api.recalling import Recalling, library
    from kilter.transfer.library import Selection

    study = options.look(name, storage)
    found = study.transfer
    if found.teachers:
        return study.study_name, found, Selection()
    tags = dict(tag.split("=", 1) for tag in study.tags if "=" in tag)
    passed = library(study.problem, options.existing(storage), Recalling(tags=tags), but=study.study_name)
    return study.study_name, found, passed


def _foreseen(path: str, storage: str | None) -> tuple[str, Transfer, Selection]:
    """What the study of a file would have of earlier ones if it began now."""
    from kilter.analysis.transfer import transfer
    from kilter.api.recalling import Recalling, library
    from kilter.cli import specification
    from kilter.core.history import History

    wanted = specification.Specification.of({**specification.read(path), "directory": os.getcwd()})
    described = Recalling(**{word: wanted.document.get(word) for word in ("tags", "task", "scale")})
    opened = options.existing(storage or wanted.document.get("storage"))
    passed = library(wanted.problem, opened, described, but=wanted.study)
    history = History(wanted.problem)
    history.earlier = passed.taken
    return wanted.study, transfer(history), passed


def _tell(found: Transfer) -> None:
    each = found.teachers
    if not each:
        show.echo(str(found))
        return
    told = [[None if rate is None else f"{rate:.2f}" for rate in (one.agreement, one.weight)] for one in each]
    show.echo_table(
        [
            show.Column("study", [show.text(one.name) for one in each], 0),
            show.Column("trials used", [f"{one.used} of {one.trials}" for one in each], 1, True),
            show.Column("parameters", [one.parameters for one in each], 2, True),
            show.Column("agreement", [show.text(agreement) for agreement, _ in told], 0, True),
            show.Column("weight", [show.text(weight) for _, weight in told], 0, True),
            show.Column("owed", [str(len(one.owed)) for one in each], 1, True),
            show.Column("", [one.standing for one in each], 0),
        ],
        show.width(),
    )
    for line in (*found.tilts, found.sentence):
        if line:
            show.echo(line)
    for one in each:
        for what, names in (("knows nothing of", one.missing), ("is not asked about its", one.extra)):
            if names and one.reason is None:
                show.note(f"{show.text(one.name)} {what} {', '.join(map(show.text, names))}")


def _tell_passed(seen: Selection) -> None:
    for name, reason in seen.passed[:MOST]:
        show.note(f"{show.text(name)} is passed over: {show.text(reason)}")
    if len(seen.passed) > MOST:
        show.note(f"and {len(seen.passed) - MOST} more are passed over (--json has them all)")
