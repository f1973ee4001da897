"""kilter run."""

from __future__ import annotations

import os
from typing import Any

import click

from kilter.cli import going
from kilter.core.errors import InvalidInput
from kilter.core.vocabulary import ours


class _WithProgram(click.Command):
    """Keeps what stands after -- apart: it is the program's."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        program: list[str] = []
        if "--" in args:
            place = args.index("--")
            args, program = args[:place], args[place + 1 :]
        ctx.meta["kilter.program"] = program
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            known = [word[2:].replace("-", "_") for option in self.params for word in option.opts if word[:2] == "--"]
            meant = ours(error.option_name.lstrip("-").replace("-", "_"), known)
            if meant:
                raise click.UsageError(f"no {error.option_name}: it is called {_option(meant)}", ctx) from None
            raise click.UsageError(f"{error.format_message()} The program's own stand after --", ctx) from None
        except click.UsageError as error:
            if program or "extra argument" not in error.message:
                raise
            raise click.UsageError(f"{error.message}: put the program after --", ctx) from None

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "[-- PROGRAM ARG...]"]


def _option(words: list[str]) -> str:
    return " or ".join(f"--{word.replace('_', '-')}" for word in words)


@click.command("run", cls=_WithProgram)
@click.argument("file", required=False, type=click.Path())
@click.option(
    "-p", "--param", "params", multiple=True, metavar="NAME=KIND", help="A parameter, such as 'lr=log(1e-5,1e-1)'."
)
@click.option("--minimize", multiple=True, metavar="METRIC", help="A metric of which less is better.")
@click.option("--maximize", multiple=True, metavar="METRIC", help="A metric of which more is better.")
@click.option(
    "--subject-to", "constraints", multiple=True, metavar="BOUND", help="A constraint, such as 'latency <= 20'."
)
@click.option("-s", "--study", metavar="NAME", help="The study's name; the file's or the program's otherwise.")
@click.option("--seed", type=int, help="The random seed; 0.")
@click.option("--sampler", help="What proposes configurations; auto.")
@click.option("--scheduler", help="What stops, pauses and resumes trials; auto.")
@click.option(
    "--fidelity",
    "fidelities",
    multiple=True,
    metavar="NAME=LOW,HIGH",
    help="A budget, such as 'epochs=1,81', for {NAME}.",
)
@click.option(
    "--transfer",
    multiple=True,
    metavar="NAME",
    help="An earlier study, or an exported file, to learn from; auto takes those of the storage, none nobody.",
)
@click.option("--tag", "tags", multiple=True, metavar="NAME=VALUE", help="Studies of another value do not teach it.")
@click.option("--task", multiple=True, metavar="NAME=VALUE", help="What may differ between studies, as data=wine.")
@click.option("--scale", multiple=True, metavar="NAME=SIZE", help="How large what is tuned is, as width=1024.")
@going.options_of_a_run("fail", "continue", "new")
@click.pass_context
def command(
    ctx: click.Context,
    file: str | None,
    params: tuple[str, ...],
    minimize: tuple[str, ...],
    maximize: tuple[str, ...],
    constraints: tuple[str, ...],
    study: str | None,
    seed: int | None,
    sampler: str | None,
    scheduler: str | None,
    fidelities: tuple[str, ...],
    transfer: tuple[str, ...],
    tags: tuple[str, ...],
    task: tuple[str, ...],
    scale: tuple[str, ...],
    asked: going.Asked,
) -> int:
    """Tune a program: create a study, or go on with it where it exists.

    \b
    kilter run digits.toml -n 200 -j 4
    kilter run -p 'lr=log(1e-5,1e-1)' --minimize loss -- ./train.sh {lr}

    Without a limit it runs until Ctrl-C: once lets the running trials finish, twice stops them, and the same command
    goes on afterwards. The storage is --storage or $KILTER_STORAGE, else the file's. `kilter init` writes a FILE.

    \b
    Parameters (-p), in quotes:
      lr=log(1e-5,1e-1)  drop=float(0,0.5)  units=int(16,512,log)
      opt={adam,sgd}     batch=ordinal(16,32,64)   amp=bool
      beta=float(0,1) if opt == 'sgd'     only where that holds
      also step=, default=, as in int(1,9,step=2,default=3)

    \b
    In the program's arguments:
      {lr}             the value; left out, with its option, if inactive
      {amp:flag=--amp} --amp where amp is true
      {file:yaml}      the path of a file with all of them (json, toml)
      {dir} {seed} {trial} {attempt}
      {{ and }}        braces

    The program prints its metrics as a JSON line, {"loss": 0.5}, or the only one as a bare number on its last line. A
    line with "step" in it is a report. It also finds parameters in its environment, as $KILTER_PARAM_LR.
    """
    from kilter.api import open_study
    from kilter.cli import options, specification

    document: dict[str, Any] = specification.read(file) if file is not None else {}
    asked.overlay(document)
    given = {"study": study, "seed": seed, "sampler": sampler, "scheduler": scheduler}
    document |= {key: value for key, value in given.items() if value is not None}
    _overlay(document, "space", _parameters(params))
    if minimize or maximize:
        document["objective"] = {"minimize": list(minimize), "maximize": list(maximize)}
    _overlay(document, "objective", {"constraints": list(constraints)} if constraints else {})
    _overlay(document, "fidelity", {name: ends for name, _, ends in (text.partition("=") for text in fidelities)})
    if transfer:
        document["transfer"] = transfer[0] if transfer in (("auto",), ("none",)) else list(transfer)
    for table, words in (("tags", tags), ("task", task), ("scale", scale)):
        _overlay(document, table, dict(map(_named, words)))
    _overlay(document, "command", {"argv": argv} if (argv := ctx.meta["kilter.program"]) else {})
    if not {"command", "space", "objective"} & document.keys():
        raise click.UsageError(
            "nothing says what to run: give a FILE, or a program after --; kilter resume STUDY goes on with a study",
            ctx,
        )
    document["directory"] = os.getcwd()
    where = asked.storage or document.pop("storage", None) or options.DEFAULT_STORAGE
    document.pop("storage", None)
    wanted = specification.Specification.of(document)
    problem = wanted.problem
    wanted.check(problem)  # before there is a study, or what failed in it is removed
    made = open_study(
        wanted.definition,
        problem,
        asked.if_changed,
        wanted.limits.trials,
        storage=where,
        sampler=wanted.plugin("sampler"),
        scheduler=wanted.plugin("scheduler"),
        study_name=wanted.study,
        seed=wanted.seed,
        checkpoints=asked.checkpoints,
        notice=asked.notice,
        **wanted.earlier,
    )
    return going.go(made, wanted, asked, "continue")


def _overlay(document: dict[str, Any], table: str, given: dict[str, Any]) -> None:
    """Write what was given over the entries of a table."""
    if given:
        document[table] = {**document.get(table, {}), **given}


def _named(text: str) -> tuple[str, Any]:
    """A name and its value, which is a number where it reads as one."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise InvalidInput(f"{text!r} must read NAME=VALUE, as in data=wine")
    try:
        number = float(value)
    except ValueError:
        return name.strip(), value
    return name.strip(), int(number) if number.is_integer() else number


def _parameters(params: tuple[str, ...]) -> dict[str, Any]:
    """The entries of [space] that were given by -p."""
    from kilter.cli import dimensions

    given = list(map(dimensions.parse, params))
    names = [name for name, _ in given]
    for name in names:
        if names.count(name) > 1:
            raise InvalidInput(f"the parameter {name!r} is given twice: give each -p once")
    return dict(given)
