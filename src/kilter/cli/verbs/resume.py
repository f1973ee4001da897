"""kilter resume."""

from __future__ import annotations

import copy

import click

from kilter.cli import going, options, show


@click.command("resume")
@click.argument("name", metavar="[STUDY]", required=False, shell_complete=options.names)
@going.options_of_a_run("fail", "continue")
def command(name: str | None, asked: going.Asked) -> int:
    """Go on with a study that `kilter run` made, as it was run; options change that. A pause is lifted.

    \b
    kilter resume digits -n 400
    """
    from kilter.cli import specification
    from kilter.core.errors import InvalidInput

    study = options.load(name, asked.storage, checkpoints=asked.checkpoints, notice=asked.notice)
    remembered = study.user_attrs.get("run")
    if not isinstance(remembered, dict):
        raise InvalidInput(
            f"{study.study_name!r} was not made by kilter run, so its command is not known: use kilter run"
        )
    document = specification.with_long_words(copy.deepcopy(remembered))
    asked.overlay(document)
    document["study"] = study.study_name
    if study.control == "paused":
        study.unpause()
        show.note("no longer paused")
    return going.go(study, specification.Specification.of(document), asked, asked.if_changed)
