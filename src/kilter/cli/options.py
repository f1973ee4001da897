"""Options that several verbs share, and how they open a study."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from kilter.api import Study, StudyView
    from kilter.core.interfaces import Storage
    from kilter.engine.replica import Replica
    from kilter.frozen import FrozenTrial
    from kilter.runtime.log import Log

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_STORAGE = "sqlite:///kilter.db"


def names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """For Tab: the studies in the storage, none where there is no storage."""
    from kilter.core.errors import KilterError

    try:
        return [row.name for row in existing(ctx.params.get("storage")).studies() if row.name.startswith(incomplete)]
    except KilterError:
        return []


debug = click.option("--debug", is_flag=True, expose_value=False, hidden=True)
storage = click.option(
    "--storage",
    envvar="KILTER_STORAGE",
    metavar="URL",
    help=f"Where the studies are; $KILTER_STORAGE, else {DEFAULT_STORAGE}.",
)
named = click.option("-s", "--study", "option", metavar="NAME", help="The study, as STUDY.", shell_complete=names)
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
wide = click.option("--wide", is_flag=True, help="All columns, however wide the terminal is.")
progress = click.option(
    "--progress",
    type=click.Choice(["auto", "live", "plain", "none"]),
    default="auto",
    help="What stderr shows meanwhile.",
)


def study(function: F) -> F:
    """A verb about one study: STUDY as argument or -s, --storage and --debug."""
    for add in (debug, storage, named):
        function = add(function)
    return click.argument("name", metavar="[STUDY]", required=False, shell_complete=names)(function)


def chosen(name: str | None, option: str | None) -> str | None:
    """The study's name, given in one place or the other."""
    if name is not None and option is not None and name != option:
        raise click.UsageError(f"two studies are named, {name!r} and {option!r}: name one")
    return name if name is not None else option


def one_storage(what: str | None, storage: str | None) -> str | None:
    """The storage, given as an argument or by --storage; $KILTER_STORAGE gives way to an argument."""
    from kilter.core.text import masked

    if what is None or storage in (None, what):
        return what if storage is None else storage
    source = click.get_current_context().get_parameter_source("storage")
    if source is not click.core.ParameterSource.ENVIRONMENT:
        raise click.UsageError(f"two storages are named, {masked(what)!r} and {masked(storage)!r}: name one")
    return what


def existing(url: str | None) -> Storage:
    """The storage, which must be there: looking must not leave an empty file behind."""
    from kilter.core.errors import StorageError
    from kilter.plugins import open_storage
    from kilter.storage.urls import missing_file

    url = url or DEFAULT_STORAGE
    path = missing_file(url)
    if path is not None:
        raise StorageError(f"there is no file {path}: name the storage with --storage or KILTER_STORAGE, or run first")
    return open_storage(url)


def load(name: str | None, url: str | None, **settings: Any) -> Study:
    """The study of that name; without one, the only one there is. `settings` are those of load_study."""
    from kilter.api import load_study

    return load_study(study_name=name, storage=existing(url), **settings)


def look(name: str | None, url: str | None, checkpoints: str | None = None) -> StudyView:
    """The same to look at: its sampler and its scheduler need not be installed."""
    from kilter.api import read_study

    return read_study(study_name=name, storage=existing(url), checkpoints=checkpoints)


def steered(name: str | None, url: str | None) -> Log[Replica]:
    """The log of that study, to write into what its workers are to do; none of its plug-ins is needed."""
    from kilter import replay
    from kilter.api.studies import only_study

    opened = existing(url)
    return replay.read(only_study(opened) if name is None else name, opened)


def trials(words: tuple[str, ...], option: str | None) -> tuple[str | None, list[int]]:
    """The study and the numbers of trials that words are, as STUDY 3 17; the study's name may be left out."""
    name = words[0] if words and not words[0].isdecimal() else None
    numbers = words if name is None else words[1:]
    wrong = [number for number in numbers if not number.isdecimal()]
    if wrong:
        raise click.UsageError(f"{wrong[0]!r} is not the number of a trial")
    return chosen(name, option), list(map(int, numbers))


def one_trial(words: tuple[str, ...], option: str | None) -> tuple[str | None, str]:
    """The study and the trial, a number or best, that words are, as STUDY 31; the study's name may be left out."""
    if len(words) > 2 or not (words[-1].isdecimal() or words[-1] == "best"):
        raise click.UsageError(f"{' '.join(words)!r} is not a trial: give a number or best, as in kilter trial 31")
    return chosen(words[0] if len(words) == 2 else None, option), words[-1]


def picked(study: StudyView, word: str) -> FrozenTrial:
    """The trial of a study that is meant by a number, or by best."""
    from kilter.cli import show
    from kilter.core.errors import TrialNotFound

    trials = study.trials
    number = study.best_trial.number if word == "best" else int(word)
    if number >= len(trials):
        known = f"the last one is trial {len(trials) - 1}" if trials else "it has none yet"
        raise TrialNotFound(f"no trial {number} in {study.study_name!r}: {known} ({show.command(study, 'trials')})")
    return trials[number]
