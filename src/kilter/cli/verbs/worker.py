"""kilter worker."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from kilter.cli import going, group, options, show
from kilter.cli.specification import Specification, with_long_words

if TYPE_CHECKING:
    from kilter.api import Study
    from kilter.core.definition import Definition
    from kilter.core.interfaces import Running

JOINED = "trial_timeout"
"""What a worker takes over of a run's [budget], beside what the study is asked for as a whole."""


@click.command("worker")
@click.argument("name", metavar="[STUDY]", required=False, shell_complete=options.names)
@click.option(
    "--objective",
    metavar="PLACE:NAME",
    help="A Python function of a module or a file, as in train.py:loss, where the study is not of a program.",
)
@click.option(
    "--name",
    "worker",
    envvar="KILTER_WORKER",
    metavar="NAME",
    help="What to call this worker; $KILTER_WORKER. One that is started again by its name goes on with its trials.",
)
@going.options_of_a_run("fail", "continue", joins=True)
def command(name: str | None, objective: str | None, worker: str | None, asked: going.Asked) -> int:
    """Run trials of a study that exists, beside all others who do: on this machine, or wherever its storage is reached.

    \b
    kilter worker digits --storage postgresql://db/studies
    kilter worker digits --objective train.py:loss -j 4

    Start as many as you like, whenever you like, and end them at any time: what one of them ran goes on elsewhere. All
    together run as many trials as the study is asked for, by whoever began it or by -n here. A worker obeys `kilter
    pause`, `stop` and `budget`, and does not let a study go on that was stopped.
    """
    from kilter.api.evaluated import Evaluated
    from kilter.cli.objectives import imported
    from kilter.engine.ending import EndKind

    study = options.load(name, asked.storage, worker=worker, checkpoints=asked.checkpoints, notice=asked.notice)
    wanted = _wanted(study, asked)
    function = None if objective is None else imported(objective)
    if isinstance(function, Evaluated):
        function = function.beside(study.design)
    running, definition = _program(study, wanted) if function is None else _function(study, wanted, function)
    if not replace(wanted.limits, seconds=None).are_given:
        ends = "Ctrl-C, or `kilter stop`" if wanted.limits.seconds is None else "its time is up"
        show.note(f"nobody said how many trials the study is to have (-n does), so this works until {ends}")
    ended: list[int] = []
    ending = study.run(
        running,
        wanted.limits,
        callbacks=[lambda _, trial: ended.append(trial.number)],
        progress=asked.progress,
        definition=definition,
        if_changed=asked.if_changed,
        joins=True,
        evaluated=function if isinstance(function, Evaluated) else None,
    )
    if asked.as_json:
        show.echo_json({"study": study.study_name, "reason": str(ending), "trials": ended})
    is_own = ending.kind is EndKind.STOPPED and study.control != "stopped"
    return group.INTERRUPTED if is_own else 0


def _wanted(study: Study, asked: going.Asked) -> Specification:
    """What the study is asked for as a whole and, of a program, how it is run; options change that for this worker."""
    from kilter.core.limits import spoken
    from kilter.engine.asked import noted

    known = study.user_attrs.get("run")
    document = with_long_words(copy.deepcopy(known)) if isinstance(known, dict) else {}
    kept = {key: value for key, value in document.get("budget", {}).items() if key == JOINED}
    total = {spoken(name): value for name, value in noted(study.asked).items() if name != "seconds"}
    document |= {"study": study.study_name, "budget": {**kept, **total}}
    asked.overlay(document)
    return Specification.of(document)


def _program(study: Study, wanted: Specification) -> tuple[Running, Definition]:
    """The study's program, ready to run."""
    from kilter.core.errors import InvalidInput

    if "command" not in wanted.document:
        raise InvalidInput(
            f"{study.study_name!r} was not made by kilter run, so its trials call a Python function: name it, as in "
            "--objective train.py:loss"
        )
    wanted.check(study.problem)
    return wanted.executor.start(wanted.program, study.space), wanted.definition


def _function(study: Study, wanted: Specification, objective: Callable[..., Any]) -> tuple[Running, Definition]:
    """A Python function, ready to run."""
    from kilter.api.running import executor_of
    from kilter.objective.definitions import definition_of
    from kilter.objective.signature import check_objective

    check_objective(objective, study.problem)
    executor = executor_of(None, wanted.workers, wanted.resources)
    return executor.start(objective, study.space), definition_of(objective)
