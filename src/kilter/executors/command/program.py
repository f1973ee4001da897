"""A program that is run once per trial, as it is written down: what it is given, and how its metrics are found."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from kilter.core.errors import InvalidInput, UnknownName
from kilter.core.interfaces import Task
from kilter.core.parameter import Parameter
from kilter.core.problem import Problem
from kilter.core.space import Space
from kilter.executors.children import own_group
from kilter.executors.command.files import check_nesting, written, yaml
from kilter.executors.command.findings import Findings, pattern
from kilter.executors.command.template import (
    DOUBLE,
    SPECIALS,
    Piece,
    Template,
    Text,
    Values,
    parsed,
    plain_text,
    variable,
)


@dataclass(frozen=True)
class Program:
    """A program in the place of an objective; `kilter.executors.command.template` lists the placeholders.

    `metric_patterns` maps a metric to a regular expression whose first group (or the group `value`) is the number; a
    group `step` makes it a report, else the last match wins. `files` maps names, relative to the trial's directory, to
    templates that are written there before the program starts. `metrics` are those that must be found; by default the
    ones that the study needs. With `shell`, argv is one text for the shell and values are quoted.

    >>> task = Task(0, 1, {"lr": 0.1}, Problem(), seed=7, directory=None, may_be_stopped=False)
    >>> Program(["train", "--lr", "{lr}"]).expand(task)
    ['train', '--lr', '0.1']
    """

    argv: Sequence[str] | str
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str | None = None
    shell: bool = False
    metric_patterns: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    metrics: Sequence[str] = ()

    def __post_init__(self) -> None:
        self._pieces, self._patterns  # noqa: B018 - what is wrong with them shows here

    # -- looking before running -----------------------------------------------------------------------------------

    def check(self, space: Space, fidelities: Iterable[str] = ()) -> None:
        """Raise UnknownName for a placeholder that is not a parameter or fidelity, InvalidInput for other faults."""
        names = dict.fromkeys((*space.declared, *space.names))
        known = (*names, *fidelities, *SPECIALS)
        for piece in self._pieces:
            if piece.kind == "file":
                check_nesting(list(space.declared))
                if piece.name == "yaml":
                    yaml()
            elif piece.kind in ("value", "flag") and piece.name not in known:
                raise UnknownName.of("placeholder", piece.name, known, f"Where it is text, {DOUBLE}.")
        for name in sorted(self._template.numbers & names.keys()):
            if _has_text(space[name]):
                raise InvalidInput(
                    f"{{{name}}} stands in $((…)), where the shell could run what is in its value, and {name} has text "
                    "among its options: give it numbers, or compute in the program"
                )
        for name, parameter in space.declared.items():
            for item in () if parameter.is_scalar else parameter.values:
                if "," in str(item):
                    raise InvalidInput(
                        f"the item {item!r} of {name} has a comma, and the program, which gets a list with commas "
                        "between its items, would take it for two: rename it"
                    )
        for name in SPECIALS:
            if name in space and any(piece.name == name for piece in self._pieces if piece.kind != "file"):
                raise InvalidInput(f"{{{name}}} is the {name} that kilter gives, but also a parameter: rename that")

    def unused(self, names: Iterable[str]) -> list[str]:
        """Of these parameters and budgets those that no placeholder shows; the environment of the program has them."""
        used = {piece.name for piece in self._pieces if piece.kind in ("value", "flag")}
        whole = any(piece.kind == "file" for piece in self._pieces)
        return [] if whole else [name for name in names if name not in used]

    def expand(self, task: Task) -> list[str]:
        """The arguments of a task, as the program will get them; nothing is written."""
        return self._template.expanded(Values(task, task.directory or "<directory>"))

    # -- running --------------------------------------------------------------------------------------------------

    def begin(self, task: Task, directory: str, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Write the files of a task, and start the program on it, with more in its environment than ours has."""
        values = Values(task, directory)
        self._write_files(values)
        words = self._template.expanded(values)
        return subprocess.Popen(
            words[0] if self.shell else words,
            shell=self.shell,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self._made_folder(values),
            env={**os.environ, **environment, **self._variables(values)},
            **own_group(),
        )

    def findings(self, problem: Problem) -> Findings:
        """What will be known of a run, before there is anything."""
        return Findings(tuple(self.metrics) or problem.metric_names, self._patterns)

    def _write_files(self, values: Values) -> None:
        for piece in self._pieces:
            if piece.kind == "file":
                _write(values.shown(piece), written(piece.name, values.task.arguments))
        for name, text in self._files.items():
            _write(os.path.join(values.directory, name), values.filled(text))

    def _made_folder(self, values: Values) -> str | None:
        if self._folder is None:
            return None
        folder = values.filled(self._folder)
        if any(piece.kind != "text" for piece in self._folder):
            os.makedirs(folder, exist_ok=True)
        return folder

    def _variables(self, values: Values) -> dict[str, str]:
        given = {variable(n): plain_text(v) for n, v in values.task.arguments.items() if v is not None}
        return given | {n: values.filled(text) for n, text in self._environment.items() if not values.is_missing(text)}

    # -- as it is read --------------------------------------------------------------------------------------------

    @cached_property
    def _template(self) -> Template:
        return Template.of(self.argv, self.shell)

    @cached_property
    def _environment(self) -> dict[str, Text]:
        return {name: parsed(str(text)) for name, text in self.env.items()}

    @cached_property
    def _folder(self) -> Text | None:
        return None if self.cwd is None else parsed(self.cwd)

    @cached_property
    def _files(self) -> dict[str, Text]:
        return {name: parsed(text) for name, text in self.files.items()}

    @cached_property
    def _patterns(self) -> dict[str, re.Pattern[str]]:
        return {name: pattern(name, text) for name, text in self.metric_patterns.items()}

    @cached_property
    def _pieces(self) -> list[Piece]:
        texts = [*self._template.arguments, *self._environment.values(), *self._files.values(), self._folder or []]
        return [piece for text in texts for piece in text]


def _has_text(parameter: Parameter) -> bool:
    return not parameter.is_scalar or any(isinstance(label, str) for label in parameter.labels)


def _write(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
