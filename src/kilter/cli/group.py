"""A click group that loads its verbs when they are called, and turns errors into a sentence and an exit code."""

from __future__ import annotations

import difflib
import io
import os
import re
import sys
import traceback
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, NoReturn

import click

from kilter.core.errors import (
    LONGEST,
    KilterError,
    NotReady,
    StorageError,
    StudyAborted,
    StudyNotFound,
    TrialNotFound,
)
from kilter.core.text import one_line, printable

INTERNAL, USAGE, NOT_FOUND, NO_SUCCESS, STORAGE, NO_TARGET = 1, 2, 3, 4, 5, 6
INTERRUPTED, BROKEN_PIPE, TERMINATED = 130, 141, 143

CODES: tuple[tuple[tuple[type[BaseException], ...], int], ...] = (
    ((StudyNotFound, TrialNotFound), NOT_FOUND),
    ((NotReady, StudyAborted), NO_SUCCESS),
    ((StorageError,), STORAGE),
    ((KilterError,), USAGE),
)

SPOKEN = {
    r"if_changed='(\w+)'": r"--if-changed \1",
    r"another study_name": "another name with --study",
    r"study_name=": "--study ",
    r"read (study)?\.best_trials": "kilter best shows the front",
}
"""What messages of the api say of its arguments, as patterns, and what that is in a shell."""


class Verbs(click.Group):
    """The group; `verbs` maps names to their lines in the help, so that the help loads none of them."""

    def __init__(self, *args: Any, verbs: Mapping[str, str], **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.verbs = dict(verbs)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.verbs:
            return None
        command: click.Command = import_module(f"kilter.cli.verbs.{cmd_name}").command
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        verb = next((word for word in args if word in self.verbs), None)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if verb is None:
                raise
            hint = f"{error.format_message()} Options of a verb stand after it: kilter {verb} {error.option_name}"
            raise click.UsageError(hint, ctx) from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in self.verbs and not name.startswith("-"):
            near = difflib.get_close_matches(name, self.verbs, n=1)
            question = f": did you mean {near[0]!r}?" if near else f". Known: {', '.join(self.verbs)}"
            raise click.UsageError(f"no verb {name!r}{question}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl(list(self.verbs.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except BrokenPipeError:  # as in `kilter trials | head`; click would make it 1, which is an internal error
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # else the flush at exit would complain
            return BROKEN_PIPE

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, *_: Any, **extra: Any) -> NoReturn:
        """Run, and exit with a code that says how it went."""
        words = list(sys.argv[1:] if args is None else args)
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")  # a terminal without UTF-8 is no reason to fail
        extra.update(standalone_mode=False, color=_wants_color())
        try:
            code = super().main(words, "kilter", **extra)
            sys.stdout.flush()
        except BaseException as error:
            code = _explained(error, _wants_traceback(words))
        sys.exit(code if isinstance(code, int) else 0)


def _wants_color() -> bool | None:
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return True if os.environ.get("FORCE_COLOR") else None


def _wants_traceback(words: Sequence[str]) -> bool:
    own = words[: words.index("--")] if "--" in words else words
    return "--debug" in own or os.environ.get("KILTER_DEBUG", "") not in ("", "0")


def _explained(error: BaseException, debug: bool) -> int:
    """Say what went wrong, on stderr; the exit code for it."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else INTERNAL
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return USAGE
    if debug and not isinstance(error, click.ClickException):
        shown = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        click.echo(printable(shown), err=True, nl=False)
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        return _say("interrupted; everything so far is saved", INTERRUPTED)
    if type(error).__name__ == "Terminated":  # by name: its module loads NumPy
        return _say("terminated; everything so far is saved", TERMINATED)
    if isinstance(error, click.UsageError):
        where = error.ctx.command_path if error.ctx else "kilter"
        return _fail(f"{error.format_message()} ({where} --help)", USAGE)
    if isinstance(error, click.ClickException):
        return _fail(error.format_message(), USAGE)
    for kinds, code in CODES:
        if isinstance(error, kinds):
            return _fail(_in_words_of_the_shell(str(error)), code)
    hint = "" if debug else " (--debug shows where; please report it)"
    return _fail(f"internal: {type(error).__name__}: {error}{hint}", INTERNAL)


def _in_words_of_the_shell(message: str) -> str:
    """A message of the api with its arguments as the options that they are here."""
    for ours, theirs in SPOKEN.items():
        message = re.sub(ours, theirs, message)
    return message


def _fail(message: str, code: int) -> int:
    click.echo(click.style("error: ", fg="red", bold=True) + one_line(message, LONGEST), err=True, color=_wants_color())
    return code


def _say(message: str, code: int) -> int:
    click.echo(message, err=True)
    return code
