"""What `run` and `resume` share: the options of a run, and running it to its exit code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from kilter.cli import group, options, show, specification
from kilter.core.limits import BOUNDS, COUNTS, DURATIONS, SAYS, spoken

if TYPE_CHECKING:
    from kilter.api import Study, StudyView
    from kilter.cli.specification import Specification
    from kilter.core.limits import Limits
    from kilter.executors.command import Program

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Asked:
    """What the options of a run say, beside what it is of."""

    budget: dict[str, Any]
    """Limits and workers, in the words of [budget], as far as they are given."""
    settings: tuple[str, ...]
    if_changed: str
    strict: bool
    progress: str
    as_json: bool
    storage: str | None
    checkpoints: str | None
    notice: float

    def overlay(self, document: dict[str, Any]) -> None:
        """Write them over those of the document."""
        specification.put(document, self.settings)
        if self.budget:
            document["budget"] = {**document.get("budget", {}), **self.budget}


WRITTEN = {"trials": ("-n", "--n-trials", "--trials"), "seconds": ("-t", "--timeout", "--time")}
"""How limits are written that have shorter forms."""


def _limit(name: str) -> Callable[[F], F]:
    kind: dict[str, Any] = {"type": int if name in COUNTS else float}
    if name in DURATIONS:
        kind = {"metavar": "2h30m"}
    says = f"{SAYS[name][:1].upper()}{SAYS[name][1:]}." if name in SAYS else None
    return click.option(*WRITTEN.get(name, (f"--{name}",)), spoken(name), **kind, help=says)


def options_of_a_run(*choices: str, joins: bool = False) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Has a verb take the options that say how long to run, and how, as `asked`; without a limit it runs until Ctrl-C.

    `choices` are what may happen where the program is another one than the study's. Of a run that `joins` others nobody
    asks whether the study reached its target.
    """
    at_once = "How many trials run at once; -1: one per core."
    jobs = click.option("-j", "--workers", "--jobs", "workers", type=int, help=at_once)
    changed = click.option(
        "--if-changed",
        type=click.Choice(choices),
        default="fail",
        help=f"Where the program or its command line has changed since: {', '.join(choices)}.",
    )
    strict = click.option("--strict", is_flag=True, help="Exit with 6 where the target was not reached.")
    change = click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a setting of the file.")
    checkpoints = click.option(
        "--checkpoints",
        envvar="KILTER_CHECKPOINTS",
        metavar="PLACE",
        help="Where trials keep what they save: a folder or URL of this study alone, the same for all workers; "
        "$KILTER_CHECKPOINTS.",
    )
    notice = click.option(
        "--notice",
        type=click.FloatRange(0),
        default=0.0,
        metavar="SECONDS",
        help="How long trials get to save and leave, once SIGTERM comes; 0.",
    )
    budget = (*map(spoken, BOUNDS), "workers")

    def taking(function: Callable[..., int]) -> Callable[..., int]:
        @wraps(function)
        def asked(**given: Any) -> int:
            limits = {key: value for key in budget if (value := given.pop(key)) is not None}
            own = {field.name: given.pop(field.name, False) for field in fields(Asked) if field.name != "budget"}
            return function(asked=Asked(limits, **own), **given)

        shared = (options.progress, options.as_json, options.storage, options.debug)
        whole = [] if joins else [strict]
        for add in reversed([changed, *map(_limit, BOUNDS), jobs, *whole, change, checkpoints, notice, *shared]):
            asked = add(asked)
        return asked

    return taking


def go(study: Study, wanted: Specification, asked: Asked, if_changed: str) -> int:
    """Run the study's programs, print the best, and say by the exit code how it went."""
    from kilter.cli.facts import best_of, why_no_best
    from kilter.core.events import TrialState
    from kilter.engine.ending import EndKind

    limits, program = wanted.limits, wanted.program
    wanted.check(study.problem)
    definition = wanted.definition
    study.check_definition(definition, if_changed)  # before the study remembers another command
    _remarks(study, program, limits)
    if study.user_attrs.get("run") != wanted.document:
        study.set_user_attr("run", wanted.document)
    running = wanted.executor.start(program, study.space)
    ending = study.run(running, limits, progress=asked.progress, definition=definition, if_changed="continue")
    complete = study.get_trials(states=[TrialState.COMPLETE])
    best = best_of(study)
    if asked.as_json:
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
        show.note(f"stopped; everything so far is saved: {show.command(study, 'resume')}")
        return group.INTERRUPTED
    if not complete:
        failed = study.get_trials(states=[TrialState.FAIL])
        look = show.command(study, "trial", str(failed[-1].number)) if failed else show.command(study, "trials")
        show.note(f"error: no trial of {study.study_name!r} succeeded: {why_no_best(study)} ({look})")
        return group.NO_SUCCESS
    if asked.strict and limits.target is not None:
        objective = study.problem.objectives[0]
        if not any(objective.loss(trial.metrics) <= objective.sign * limits.target for trial in best):
            missed = f"{objective.name} = {limits.target:g}"
            show.note(f"error: the target {missed} was not reached: raise the budget, or drop --strict")
            return group.NO_TARGET
    return 0


def _remarks(study: Study, program: Program, limits: Limits) -> None:
    """What a person may not have meant."""
    from kilter.executors.command.template import variable

    unused = program.unused([*study.space.declared, *study.problem.full_budget])
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
        params = {name: show.option(value) for name, value in trial.plain_params.items()}
        longest = max(map(len, [*values, *others, *(f"  {name}" for name in params)]))
        for name, value in {**values, **others, **{f"  {name}": value for name, value in params.items()}}.items():
            show.echo(f"{name:<{longest}}  {value}".rstrip())
        return
    from kilter.cli.listing import columns_of

    show.echo_table(columns_of(study, best), show.width())
