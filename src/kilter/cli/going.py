"""What `run` and `resume` share: the options of a run, and running it to its exit code."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kilter.cli import group, options, show
from kilter.cli.specification import with_long_words

if TYPE_CHECKING:
    from kilter.api import Study, StudyView
    from kilter.cli.specification import Specification
    from kilter.engine.limits import Limits
    from kilter.executors.command import Program

F = TypeVar("F", bound=Callable[..., Any])


def budget(function: F) -> F:
    """The options that say how long to run, and how; without any limit it runs until Ctrl-C."""
    for add in reversed(
        [
            click.option(
                "-n", "--n-trials", "--trials", "trials", type=int, help="How many trials the study gets in total."
            ),
            click.option(
                "-t",
                "--timeout",
                "--time",
                "time",
                metavar="2h30m",
                help="How long this run may last; what runs then is cut and goes on next time.",
            ),
            click.option(
                "-j", "--workers", "--jobs", "jobs", type=int, help="How many trials run at once; -1: one per core."
            ),
            click.option(
                "--steps", type=int, help="How many reported steps (epochs, say) the study may spend in total."
            ),
            click.option("--target", type=float, help="Stop once the objective is this good."),
            click.option(
                "--gain", type=float, help="Stop once the next hour is expected to bring less than this, or than noise."
            ),
            click.option("--strict", is_flag=True, help="Exit with 6 where the target was not reached."),
            click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a setting of the file."),
            options.progress,
            options.as_json,
            options.storage,
            options.debug,
        ]
    ):
        function = add(function)
    return function


def if_changed(*choices: str) -> Callable[[F], F]:
    """The option for what happens where the program is another one than the study's."""
    return click.option(
        "--if-changed",
        type=click.Choice(choices),
        default="fail",
        help=f"Where the program or its command line has changed since: {', '.join(choices)}.",
    )


def overlay(document: dict[str, Any], **given: Any) -> None:
    """Write the options of `budget` that were given over those of the document."""
    changes = with_long_words({"budget": {key: value for key, value in given.items() if value is not None}})["budget"]
    if changes:
        document["budget"] = {**document.get("budget", {}), **changes}


def go(study: Study, wanted: Specification, progress: str, strict: bool, as_json: bool, if_changed: str) -> int:
    """Run the study's programs, print the best, and say by the exit code how it went."""
    from kilter.cli.facts import best_of, why_no_best
    from kilter.core.events import TrialState
    from kilter.engine.ending import EndKind

    limits, program = wanted.limits, wanted.program
    program.check(study.space, study.problem.full_budget)
    wanted.check_program()
    definition = wanted.definition
    study.check_definition(definition, if_changed)  # before the study remembers another command
    _remarks(study, program, limits)
    if study.user_attrs.get("run") != wanted.document:
        study.set_user_attr("run", wanted.document)
    running = wanted.executor.start(program, study.space)
    ending = study.run(running, limits, progress=progress, definition=definition, if_changed="continue")
    complete = study.get_trials(states=[TrialState.COMPLETE])
    best = best_of(study)
    if as_json:
        show.echo_json(
            {
                "study": study.study_name,
                "reason": str(ending),
                "trials": len(study.trials),
                "best": [show.trial_json(trial) for trial in best],
            }
        )
    elif best:
        echo_best(study, best)
    if ending.kind is EndKind.STOPPED:
        show.note(f"stopped; everything so far is saved: kilter resume {study.study_name}")
        return group.INTERRUPTED
    if not complete:
        show.note(f"error: no trial of {study.study_name!r} succeeded: {why_no_best(study)} (kilter trials)")
        return group.NO_SUCCESS
    if strict and limits.target is not None:
        sign = study.problem.objectives[0].sign
        name = study.problem.objective_names[0]
        if not any(sign * trial.metrics[name] <= sign * limits.target for trial in best):
            show.note(
                f"error: the target {name} = {limits.target:g} was not reached: raise the budget, or drop --strict"
            )
            return group.NO_TARGET
    return 0


def _remarks(study: Study, program: Program, limits: Limits) -> None:
    """What a person may not have meant."""
    from kilter.executors.command.template import variable

    unused = program.unused([*study.space.names, *study.problem.full_budget])
    if unused:
        variables = ", ".join(f"${variable(name)}" for name in unused)
        places = " ".join(f"{{{name}}}" for name in unused)
        show.note(f"warning: the command has no {places}; the program finds it in {variables} alone")
    if not limits.are_given:
        show.note("no limit is given, so this runs until Ctrl-C; -n 50 makes it 50 trials")


def echo_best(study: StudyView, best: list[Any]) -> None:
    """The best trial, or the front, as a person reads it."""
    if len(best) == 1:
        trial = best[0]
        values = {
            **{f"{name}": show.text(trial.metrics[name]) for name in study.problem.objective_names},
            "trial": str(trial.number),
        }
        others = {n: show.text(v) for n, v in trial.metrics.items() if n not in values}
        params = {name: show.text(value) for name, value in show.plain_params(trial).items()}
        longest = max(map(len, [*values, *others, *(f"  {name}" for name in params)]))
        for name, value in {**values, **others, **{f"  {name}": value for name, value in params.items()}}.items():
            show.echo(f"{name:<{longest}}  {value}".rstrip())
        return
    from kilter.cli.listing import columns_of

    show.echo_table(columns_of(study, best), show.width())
