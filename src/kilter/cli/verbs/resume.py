"""kilter resume."""

from __future__ import annotations

import copy

import click

from kilter.cli import going, options


@click.command("resume")
@click.argument("name", metavar="[STUDY]", required=False, shell_complete=options.names)
@going.if_changed("fail", "continue")
@going.budget
def command(
    name: str | None,
    trials: int | None,
    time: str | None,
    jobs: int | None,
    steps: int | None,
    target: float | None,
    gain: float | None,
    if_changed: str,
    strict: bool,
    settings: tuple[str, ...],
    progress: str,
    as_json: bool,
    storage: str | None,
) -> int:
    """Go on with a study that `kilter run` made, as it was run; options change that.

    \b
    kilter resume digits -n 400
    """
    from kilter.cli import specification
    from kilter.core.errors import InvalidInput

    study = options.load(name, storage)
    remembered = study.user_attrs.get("run")
    if not isinstance(remembered, dict):
        raise InvalidInput(
            f"{study.study_name!r} was not made by kilter run, so its command is not known: use kilter run"
        )
    document = specification.with_long_words(copy.deepcopy(remembered))
    specification.put(document, settings)
    going.overlay(document, trials=trials, time=time, jobs=jobs, steps=steps, target=target, gain=gain)
    document["study"] = study.study_name
    return going.go(study, specification.Specification.of(document), progress, strict, as_json, if_changed)
