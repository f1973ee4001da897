"""kilter enqueue."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from kilter.cli import options, show

if TYPE_CHECKING:
    from kilter.core.parameter import Parameter


@click.command("enqueue")
@click.argument("words", nargs=-1, metavar="[STUDY] NAME=VALUE...")
@click.option("-p", "--param", "params", multiple=True, metavar="NAME=VALUE", help="A value, as NAME=VALUE alone.")
@options.named
@options.storage
@options.as_json
@options.debug
def command(
    words: tuple[str, ...], params: tuple[str, ...], option: str | None, storage: str | None, as_json: bool
) -> None:
    """Have a configuration tried next; the sampler fills in what is missing.

    \b
    kilter enqueue digits lr=0.01 depth=3
    """
    from kilter.core.errors import InvalidInput, UnknownName

    name = words[0] if words and "=" not in words[0] else None
    study = options.load(options.chosen(name, option), storage)
    config: dict[str, Any] = {}
    for word in (*(words[1:] if name is not None else words), *params):
        key, equals, value = word.partition("=")
        if not equals:
            raise InvalidInput(f"{word!r} must read NAME=VALUE, as in lr=0.01")
        if key not in study.space:
            raise UnknownName.of("parameter", key, study.space.declared)
        config[key] = _parsed(key, study.space[key], value)
    if not config:
        raise InvalidInput("give at least one NAME=VALUE, as in lr=0.01")
    number = study.enqueue_trial(config)
    trial = study.trials[number]
    dropped = [key for key in config if key not in trial.params]
    if dropped:
        show.note(f"{', '.join(dropped)}: not active in this configuration, so left out")
    if as_json:
        show.echo_json(show.trial_json(trial))
    else:
        click.echo(f"trial {number}")
        show.note(f"run it: {show.command(study, 'resume')}, or call tune() or optimize() again")


def _parsed(key: str, parameter: Parameter, text: str) -> Any:
    """The value that a text stands for: an option's label, a list of a compound, else a JSON scalar, else the text."""
    from kilter.cli.dimensions import scalar
    from kilter.core.errors import InvalidInput

    for label in parameter.labels:
        if text in (str(label), show.text(label)):
            return parameter.value(label)
    value = scalar(text) if parameter.is_scalar else _list(parameter, text)
    try:
        parameter.plain(value)
    except InvalidInput as error:
        raise InvalidInput(f"{key}: {error}") from None
    return value


def _list(parameter: Parameter, text: str) -> list[Any]:
    """A list as JSON, or with commas between its items."""
    from kilter.cli.dimensions import scalar, words

    try:
        given = json.loads(text)
    except ValueError:
        given = None
    if parameter.contains(given) and isinstance(given, list):
        return given
    return [scalar(word) for word in words(text, text)]
