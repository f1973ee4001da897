"""Templates: arguments, environment, folders and files of a program, with placeholders for the values of a trial.

{lr}                the value of a parameter, or the budget of a fidelity; an argument whose value is None, or
inactive, is left out, with an option that stands directly before it
{amp:flag=--amp}    the argument --amp where the parameter is true
{trial} {attempt} {seed} {dir}
{file:yaml}         the path of a file with all parameters, nested at the dots of their names; also json and toml
{{ }}               braces
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from kilter.core.errors import InvalidInput, UnknownName
from kilter.core.interfaces import Task
from kilter.core.parameter import Plain
from kilter.executors.shell import ShellText

SPECIALS = ("trial", "attempt", "seed", "dir")
FORMATS = ("yaml", "json", "toml")
DOUBLE = 'double a brace to print it, as in {{"lr": {lr}}}'
"""How a program gets JSON as an argument."""


@dataclass(frozen=True)
class Piece:
    """A part of a template: kind is text, value, flag or file."""

    kind: str
    name: str
    extra: str = ""


Text = list[Piece]


def parsed(text: str) -> Text:
    """The pieces of a text; raises InvalidInput for a placeholder that is none."""
    pieces: Text = []
    for found in re.finditer(r"\{\{|\}\}|\{([^{}]*)\}|([{}])|[^{}]+", text):
        if found[2]:
            raise InvalidInput(f"a brace in {text!r} has no partner: {DOUBLE}")
        if found[1] is not None:
            pieces.append(_placeholder(found[1], text))
        else:
            pieces.append(Piece("text", {"{{": "{", "}}": "}"}.get(found[0], found[0])))
    return pieces


def _placeholder(inner: str, text: str) -> Piece:
    name, colon, extra = inner.strip().partition(":")
    if not name:
        raise InvalidInput(f"the placeholder {{{inner}}} in {text!r} names no parameter: {DOUBLE}")
    if name == "file" and colon:
        if extra not in FORMATS:
            raise UnknownName.of("file format", extra, FORMATS)
        return Piece("file", extra)
    if not colon:
        return Piece("value", name)
    if extra == "flag" or extra.startswith("flag="):
        return Piece("flag", name, extra[5:] or f"--{name}")
    raise InvalidInput(f"{{{inner}}} in {text!r}: after the colon comes flag or flag=--option; {DOUBLE}")


@dataclass(frozen=True)
class Values:
    """What the placeholders of one task stand for."""

    task: Task
    directory: str

    def get(self, name: str) -> Plain:
        if name in SPECIALS:
            task = self.task
            known: dict[str, Plain] = {
                "trial": task.number,
                "attempt": task.attempt,
                "seed": task.seed,
                "dir": self.directory,
            }
            return known[name]
        return self.task.arguments.get(name, self.task.params.get(name))

    def is_missing(self, text: Text) -> bool:
        return any(piece.kind == "value" and self.get(piece.name) is None for piece in text)

    def filled(self, text: Text) -> str:
        return "".join(self.shown(piece) for piece in text)

    def shown(self, piece: Piece) -> str:
        if piece.kind == "text":
            return piece.name
        if piece.kind == "file":
            return os.path.join(self.directory, f"params.{piece.name}")
        value = self.get(piece.name)
        if piece.kind == "flag":
            return piece.extra if value else ""
        return plain_text(value)


@dataclass(frozen=True)
class Template:
    """The arguments of a program, or the one text for the shell."""

    arguments: list[Text]
    shell: bool
    numbers: frozenset[str] = frozenset()
    """Placeholders within the shell's arithmetic, which runs what is in a text."""

    @classmethod
    def of(cls, argv: Sequence[str] | str, shell: bool) -> Template:
        if shell:
            if not isinstance(argv, str):
                raise InvalidInput(f"shell=True takes one text, not {argv!r}: join it, or leave shell out")
            pieces = parsed(argv)
            return cls([pieces], True, _check_for_shell(pieces))
        words = shlex.split(argv) if isinstance(argv, str) else [str(word) for word in argv]
        if not words:
            raise InvalidInput("the command is empty: give the program and its arguments")
        arguments = [parsed(word) for word in words]
        for word, text in zip(words, arguments):
            if len(text) > 1 and any(piece.kind == "flag" for piece in text):
                raise InvalidInput(f"{word!r}: a flag must be an argument of its own, since it may be left out")
        return cls(arguments, False)

    def expanded(self, values: Values) -> list[str]:
        return [self._for_shell(values)] if self.shell else self._words(values)

    def _words(self, values: Values) -> list[str]:
        words: list[str] = []
        before: Text = []
        for text in self.arguments:
            if values.is_missing(text):
                # "--lr {lr}" goes as a pair; a lone "--" ends the options and is none itself.
                if len(text) == 1 and words and _is_option(before):
                    words.pop()
                before = []
                continue
            flag = text[0] if text and text[0].kind == "flag" else None
            if flag is None or values.shown(flag):
                words.append(values.filled(text))
            before = text
        return words

    def _for_shell(self, values: Values) -> str:
        out = ""
        for piece in self.arguments[0]:
            if piece.kind == "value" and values.get(piece.name) is None:
                out = re.sub(r"(^|(?<=\s))-{1,2}[\w.-]+[ =]+$", "", out)
            elif piece.kind in ("text", "flag"):
                out += values.shown(piece)
            else:
                out += shlex.quote(values.shown(piece))
        return out


def _check_for_shell(pieces: Text) -> frozenset[str]:
    """Refuse a value where the shell would take its quotes apart, and run what is in it.

    Returns the names within $((…)), where quotes do not help: those parameters must have numbers only.
    """
    text, before, numbers = ShellText(), "", set()
    for piece in pieces:
        if piece.kind not in ("value", "file"):
            literal = piece.name if piece.kind == "text" else piece.extra
            text.read(literal)
            before += literal
            continue
        if before.count("$((") > before.count("))"):
            numbers.add(piece.name)
        if text.place:
            word = f"{{{piece.name}}}" if piece.kind == "value" else f"{{file:{piece.name}}}"
            raise InvalidInput(
                f"{word} stands {text.place}, where the shell could run what is in its value. kilter quotes values "
                f"itself: write {word} alone, or for text around it 'before '{word}' after'"
            )
        text.skip()
    return frozenset(numbers)


def _is_option(text: Text) -> bool:
    return len(text) == 1 and text[0].kind == "text" and re.fullmatch(r"--?[A-Za-z][\w.-]*", text[0].name) is not None


def variable(name: str) -> str:
    """The environment variable in which the program finds a parameter."""
    return "KILTER_PARAM_" + re.sub(r"[^A-Za-z0-9_]", "_", name).upper()


def plain_text(value: Plain | list[Plain]) -> str:
    """A value as a program reads it, a list as `joined` writes it."""
    if isinstance(value, list):
        return joined(value, plain_text)
    return ("true" if value else "false") if isinstance(value, bool) else "" if value is None else str(value)


def joined(items: list[Plain], text: Callable[[Any], str]) -> str:
    """Items with commas between them or, where one has a comma itself, as JSON."""
    texts = list(map(text, items))
    return json.dumps(items, ensure_ascii=False) if any("," in one for one in texts) else ",".join(texts)
