"""kilter best."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from kilter.cli import options, show
from kilter.core.text import in_unicode

if TYPE_CHECKING:
    from kilter.api.view import StudyView


@click.command("best")
@options.study
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "yaml", "toml", "args", "env"]),
    default="text",
    help="text, or only the parameters: as a file, as --name value, or as KILTER_PARAM_NAME=value.",
)
@click.option(
    "--recommended",
    is_flag=True,
    help="The winner: under noise the best result is mostly luck, and the default is kept unless it is beaten.",
)
@options.as_json
def command(
    name: str | None, option: str | None, storage: str | None, form: str, recommended: bool, as_json: bool
) -> None:
    """Print the best configuration; with several objectives, the Pareto front.

    Below it stands which one to take, and why, and what to expect of it on new data where results are noisy: the best
    result of many is partly luck. --recommended prints that one.

    \b
    kilter best digits --format toml > best.toml
    python train.py $(kilter best digits --format args)

    In args, a parameter that is true is a flag, and one that is false or None is left out; a list has commas between
    its items, as in the arguments of trials, or is JSON where an item has a comma.
    """
    from kilter.cli.going import echo_best
    from kilter.core.errors import InvalidInput, NotReady

    study = options.look(options.chosen(name, option), storage)
    single = len(study.problem.objective_names) == 1
    if recommended:
        best = [study.recommend()]
    else:
        best = [study.best_trial] if single else study.best_trials
    if not best:
        raise NotReady(f"the study {study.study_name!r} has no successful trial yet")
    if as_json:
        documents = [show.trial_json(trial) for trial in best]
        show.echo_json(documents[0] if single else documents)
    elif form == "text":
        echo_best(study, best)
        if single:
            _echo_judgement(study)
    elif len(best) > 1:
        raise InvalidInput(
            f"the front has {len(best)} trials, --format {form} prints one: use --json, or kilter trials"
        )
    else:
        click.echo(_rendered(form, best[0].plain_params), nl=False)


def _echo_judgement(study: StudyView) -> None:
    """Which configuration to take, why, and what it will truly score."""
    told = study.estimate()
    show.echo(f"\nwinner: {study.winner()}")
    if told.low < told.high and (told.parts or told.value != told.observed):  # else results are exact, for all we know
        show.echo(str(told))


def _rendered(form: str, params: Mapping[str, Any]) -> str:
    from kilter.core.errors import needed
    from kilter.executors.command.files import nested, toml
    from kilter.executors.command.template import plain_text, variable

    if form == "json":
        return in_unicode(json.dumps(nested(show.safe(params)), indent=2, ensure_ascii=False)) + "\n"
    if form == "toml":
        return toml(nested(params))
    if form == "yaml":
        with needed("pyyaml", "--format yaml", "or use --format json"):
            import yaml  # type: ignore[import-untyped, unused-ignore]
        return str(yaml.safe_dump(nested(params), sort_keys=False, allow_unicode=True))
    if form == "env":
        given = {n: v for n, v in params.items() if v is not None}
        return "".join(f"{variable(n)}={shlex.quote(plain_text(v))}\n" for n, v in given.items())
    words = []
    for key, value in params.items():
        if value is True:
            words.append(f"--{key}")
        elif value is not None and value is not False:
            text = plain_text(value)
            words += [f"--{key}", text] if text else [f"--{key}="]  # quotes in $(…) would be part of the value
    line = shlex.join(words)
    if not line.isprintable() and sys.stdout.isatty():
        line = " ".join(map(_visible, words))
    return line + "\n"


def _visible(word: str) -> str:
    r"""The word as bash and zsh read it, with an escape for what is no character to print.

    >>> print(_visible("red \x1b[31m"), _visible("it's"))
    $'red \x1b[31m' 'it'"'"'s'
    """
    if word.isprintable():
        return shlex.quote(word)
    plain = word.replace("\\", "\\\\").replace("'", "\\'")
    return "$'" + "".join(c if c.isprintable() else _escape(ord(c)) for c in plain) + "'"


def _escape(code: int) -> str:
    """A character by its number; \\x would be a byte, which beyond ASCII is only part of one."""
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
