"""kilter check."""

from __future__ import annotations

import math
import os
import shlex
import tempfile
from typing import TYPE_CHECKING

import click

from kilter.cli import group, options, show
from kilter.core.limits import BOUNDS, spoken

if TYPE_CHECKING:
    from kilter.cli.specification import Specification
    from kilter.core.interfaces import Outcome, Running, Task
    from kilter.core.space import Config


@click.command("check")
@click.argument("file", metavar="[FILE|STUDY]", required=False, type=click.Path(), shell_complete=options.names)
@click.option(
    "--dry-run-trial", "dry", is_flag=True, help="Run the program once and show what it yields; nothing is stored."
)
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a setting of the file.")
@click.option(
    "--repair",
    is_flag=True,
    help="Put what is whole in its place, after a copy of the file; or, of a torn file, in a new one.",
)
@options.storage
@options.as_json
@options.debug
def command(
    file: str | None, dry: bool, settings: tuple[str, ...], repair: bool, storage: str | None, as_json: bool
) -> int:
    """Check a study file: the space, the objectives, and the command as one trial would run it.

    Or the log of a study, without a name that of the only one: whether it can be read to its end, and what of it can be
    saved where it cannot.

    \b
    kilter check digits.toml --dry-run-trial
    kilter check digits --repair
    """
    if file is None and (dry or settings):
        raise click.UsageError("--dry-run-trial and --set are of a FILE: name it")
    if file is None or repair or not (os.path.exists(file) or file.endswith(".toml")):
        return _checked_log(file, storage, repair, as_json)
    from dataclasses import replace

    import numpy as np

    from kilter.cli import specification
    from kilter.core.interfaces import Task

    document = specification.read(file)
    specification.put(document, settings)
    document["directory"] = os.getcwd()
    wanted = specification.Specification.of(document)
    problem, space = wanted.problem, wanted.problem.space
    program = wanted.program
    for kind in ("sampler", "scheduler"):
        wanted.plugin(kind)
    wanted.check(problem)
    config = space.draw(np.random.default_rng(wanted.seed), space.plain(space.defaults, partial=True))
    with tempfile.TemporaryDirectory(prefix="kilter-check-") as folder:
        task = Task(0, 1, config, problem, wanted.seed, os.path.join(folder, "0"), may_be_stopped=False)
        task = replace(task, budget=problem.full_budget)
        argv = program.expand(task)
        outcome = _tried(wanted.executor.start(program), task) if dry else None
    failure = outcome.failure if outcome else None
    if as_json:
        tried = outcome and {
            "state": outcome.state.name,
            "metrics": outcome.metrics,
            "failure": failure and {"kind": failure.kind, "message": failure.message, "traceback": failure.traceback},
        }
        show.echo_json(
            {"study": wanted.study, "params": space.whole(config), "argv": argv, "size": space.size, "trial": tried}
        )
    else:
        show.echo_pairs(_described(wanted, config, argv, outcome))
    if failure is None:
        return 0
    show.note(f"error: the trial failed: {failure.kind}: {failure.message}")
    return group.NO_SUCCESS


def _described(wanted: Specification, config: Config, argv: list[str], outcome: Outcome | None) -> dict[str, str]:
    """What a person reads of a file."""
    space, limits = wanted.space, wanted.limits
    size = f", {space.size:,.0f} configurations" if math.isfinite(space.size) else ""
    budget = [f"{spoken(name)} {value}" for name in BOUNDS if (value := getattr(limits, name)) is not None]
    pairs = {
        "study": show.text(wanted.study),
        "objective": ", ".join(f"{way} {metric}" for metric, way in wanted.directions.items()),
        "space": f"{len(space.declared)} parameters{size}",
        "budget": ", ".join(budget) or "until Ctrl-C",
        "params": "  ".join(f"{name}={show.option(value)}" for name, value in space.whole(config).items()),
        "command": argv[0] if wanted.document.get("command", {}).get("shell") else shlex.join(argv),
    }
    if outcome and not outcome.failure:
        pairs["metrics"] = "  ".join(f"{name}={show.text(value)}" for name, value in outcome.metrics.items())
    return pairs


def _checked_log(name: str | None, storage: str | None, repair: bool, as_json: bool) -> int:
    from kilter.api import check_study
    from kilter.core.errors import StorageDamaged
    from kilter.storage.commands import command

    try:
        opened = options.existing(storage)
        found = check_study(study_name=name, storage=opened, repair=repair)
    except StorageDamaged as error:
        if not repair:  # else what it advises is being done
            show.note(f"error: {error}")
        return _checked_file(storage, repair, as_json)
    study = found.study
    if as_json:
        show.echo_json(vars(found))
    elif not found.lost:
        show.echo(f"the log of {study!r} is whole: {found.whole:,} events")
    else:
        show.echo(f"the log of {study!r} is damaged: {found.whole:,} events can be saved, this is lost:")
        for line in found.lost:
            show.echo(f"  {line}")
        if found.waiting:
            show.echo(f"to be run again, since nobody knows what they were: trial {', '.join(map(str, found.waiting))}")
        if found.copy is not None:
            show.echo(f"repaired; what was there is kept in {found.copy}")
        else:
            way = command("check", study, opened.url, "--repair")
            show.echo(f"nothing was changed: {way} saves what is whole")
    if found.failing is not None:
        show.note(f"error: {found.failing}")
        return group.INTERNAL
    return 0 if found.copy is not None or not found.lost else group.STORAGE


def _checked_file(storage: str | None, repair: bool, as_json: bool) -> int:
    """Say, and with `repair` save, what is whole of a file that SQLite cannot read."""
    from kilter.analysis.plain import plain
    from kilter.api import check_file

    found = check_file(storage=storage or options.DEFAULT_STORAGE, repair=repair)
    if as_json:
        show.echo_json(plain(found))
    else:
        show.echo(f"{found.path}: {found.bad_pages} of its pages are damaged, and these events can be saved:")
        for study in found.studies:
            show.echo(f"  {study.whole:,} of {study.study}")
            for line in study.lost:
                show.echo(f"    lost: {line}")
        for line in found.lost or ([] if found.studies else ["there is no event of a study in it"]):
            show.echo(f"  lost: {line}")
        if found.new is not None:
            show.echo(f"saved in {found.new}; the file is as it was. Put the new one in its place to go on.")
    return 0 if found.new is not None else group.STORAGE


def _tried(running: Running, task: Task) -> Outcome:
    from kilter.core.interfaces import Outcome

    try:
        running.submit(task)
        while True:
            for message in running.wait(0.25):
                if isinstance(message, Outcome):
                    return message
    finally:
        running.close()
