"""Runs any program once per trial: fills in its arguments, and reads its metrics from what it prints or writes.

    {lr}                the value of a parameter, or the budget of a fidelity; an argument whose value is None, or
                        inactive, is left out, with an option that stands directly before it
    {amp:flag=--amp}    the argument --amp where the parameter is true
    {trial} {attempt} {seed} {dir}
    {file:yaml}         the path of a file with all parameters, nested at the dots of their names; also json and toml
    {{ }}               braces

Metrics are looked for as JSON objects, a line each, on stdout and in the file $KILTER_REPORT; by patterns on stdout;
and as a bare number on the last line of stdout.
"""

from __future__ import annotations

import json
import math
import os
import queue
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from kilter.core.actions import Verdict
from kilter.core.border import BITS, as_step, is_step
from kilter.core.errors import InvalidInput, UnknownName, needed
from kilter.core.events import LOST, Failure, Report, TrialState
from kilter.core.interfaces import Message, Outcome, Progress, Resources, Task
from kilter.core.parameter import Parameter, Plain
from kilter.core.problem import Problem
from kilter.core.space import Space
from kilter.executors.children import Watcher, kill_tree, own_group, signal_group, tree_memory, was_killed
from kilter.executors.inline import STOPPED
from kilter.executors.output import Log
from kilter.executors.processes import environments, out_of_memory, out_of_time
from kilter.executors.shell import ShellText
from kilter.executors.threads import UNLIMITED, arrived
from kilter.objective.failures import MESSAGE, TRACEBACK, clipped, failed, failure_of
from kilter.objective.trial import reached

SPECIALS = ("trial", "attempt", "seed", "dir")
FORMATS = ("yaml", "json", "toml")
DOUBLE = 'double a brace to print it, as in {{"lr": {lr}}}'
"""How a program gets JSON as an argument."""

TAIL = 40
"""Lines of stderr that a failure keeps."""

LINE = 2**20
"""Bytes of a line that are read at once: a longer one counts as several."""

GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL."""

TICK = 0.1
"""Seconds between two looks at the report file; memory is weighed at every second one."""


class Command:
    """Runs a program as the objective, in `slots` process groups at once; see the module's first lines.

    `metric_patterns` maps a metric to a regular expression whose first group (or the group `value`) is the number; a
    group `step` makes it a report, else the last match wins. `files` maps names, relative to the trial's directory, to
    templates that are written there before the program starts. `metrics` are those that must be found; by default the
    ones that the study needs. With `shell`, argv is one text for the shell and values are quoted.

    >>> task = Task(0, 1, {"lr": 0.1}, {}, seed=7, directory=None, judged=False)
    >>> Command(["train", "--lr", "{lr}"], 1).expand(task)
    ['train', '--lr', '0.1']
    """

    def __init__(
        self,
        argv: Sequence[str] | str,
        slots: int = 1,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        shell: bool = False,
        metric_patterns: Mapping[str, str] | None = None,
        files: Mapping[str, str] | None = None,
        resources: Resources = UNLIMITED,
        metrics: Sequence[str] = (),
        gpus: Sequence[int | str] | None = None,
        grace: float = GRACE,
    ) -> None:
        self.slots = slots
        self._template = _Template.of(argv, shell)
        self._env = {name: _parsed(str(text)) for name, text in (env or {}).items()}
        self._cwd = _parsed(cwd) if cwd is not None else None
        self._files = {name: _parsed(text) for name, text in (files or {}).items()}
        self._patterns = {name: _pattern(name, text) for name, text in (metric_patterns or {}).items()}
        self._metrics = tuple(metrics)
        self._resources = resources
        self._environments = environments(slots, resources, gpus)
        self._grace = grace
        self._free = list(reversed(range(slots)))
        self._running: dict[int, _Run] = {}
        self._messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._watcher = Watcher()
        self._checked: set[tuple[str, ...]] = set()

    # -- the seam -------------------------------------------------------------------------------------------------

    def submit(self, task: Task) -> None:
        """Start the program on a task. Raises where the template asks for a parameter that the study lacks."""
        problem = Problem.from_json(task.problem)
        if problem.space.names not in self._checked:
            self.check(problem.space, [fidelity.name for fidelity in problem.fidelities])
            self._checked.add(problem.space.names)
        if not self._free:
            raise InvalidInput(f"all {self.slots} slots are taken: wait for an outcome before the next submit")
        slot = self._free.pop()
        run = self._running[task.number] = _Run(self, task, problem, slot)
        run.thread.start()

    def wait(self, timeout: float | None) -> list[Message]:
        """What has happened since; without a timeout, nothing at once where nothing runs."""
        messages = arrived(self._messages, timeout, bool(self._running))
        for message in messages:
            if isinstance(message, Outcome):
                self._free.append(self._running.pop(message.number).slot)
        return messages

    def stop(self, number: int) -> None:
        """Terminate a running program: SIGTERM to its group, and SIGKILL after the grace."""
        if number in self._running:
            self._running[number].end(STOPPED)

    def close(self) -> None:
        """Terminate all programs together and wait until they are gone."""
        for run in self._running.values():
            run.end(STOPPED)
        for run in self._running.values():
            run.thread.join()
        self._watcher.close()

    # -- looking before running -----------------------------------------------------------------------------------

    def check(self, space: Space, fidelities: Sequence[str] = ()) -> None:
        """Raise UnknownName for a placeholder that is not a parameter or fidelity, InvalidInput for other faults."""
        for piece in self._pieces():
            if piece.kind == "file":
                _check_nesting(space.names)
                if piece.name == "yaml":
                    _yaml()
            elif piece.kind in ("value", "flag") and piece.name not in (*space.names, *fidelities, *SPECIALS):
                raise UnknownName.of(
                    "placeholder", piece.name, [*space.names, *fidelities, *SPECIALS], f"Where it is text, {DOUBLE}."
                )
        for name in sorted(self._template.numbers & set(space.names)):
            if _has_text(space[name]):
                raise InvalidInput(
                    f"{{{name}}} stands in $((…)), where the shell could run what is in its value, and {name} has text "
                    "among its options: give it numbers, or compute in the program"
                )
        for name in SPECIALS:
            if name in space and any(piece.name == name for piece in self._pieces() if piece.kind != "file"):
                raise InvalidInput(f"{{{name}}} is the {name} that kilter gives, but also a parameter: rename that")

    def unused(self, names: Iterable[str]) -> list[str]:
        """Of these parameters and budgets those that no placeholder shows; the environment of the program has them."""
        used = {piece.name for piece in self._pieces() if piece.kind in ("value", "flag")}
        whole = any(piece.kind == "file" for piece in self._pieces())
        return [] if whole else [name for name in names if name not in used]

    def expand(self, task: Task) -> list[str]:
        """The arguments of a task, as the program will get them; nothing is written."""
        return self._template.expanded(_Values(task, task.directory or "<directory>"))

    def _pieces(self) -> list[_Piece]:
        texts = [*self._template.arguments, *self._env.values(), *self._files.values(), self._cwd or []]
        return [piece for text in texts for piece in text]


# -- templates ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Piece:
    """A part of a template: kind is text, value, flag or file."""

    kind: str
    name: str
    extra: str = ""


_Text = list[_Piece]


def _parsed(text: str) -> _Text:
    pieces: _Text = []
    for found in re.finditer(r"\{\{|\}\}|\{([^{}]*)\}|([{}])|[^{}]+", text):
        if found[2]:
            raise InvalidInput(f"a brace in {text!r} has no partner: {DOUBLE}")
        if found[1] is not None:
            pieces.append(_placeholder(found[1], text))
        else:
            pieces.append(_Piece("text", {"{{": "{", "}}": "}"}.get(found[0], found[0])))
    return pieces


def _placeholder(inner: str, text: str) -> _Piece:
    name, colon, extra = inner.strip().partition(":")
    if not name:
        raise InvalidInput(f"the placeholder {{{inner}}} in {text!r} names no parameter: {DOUBLE}")
    if name == "file" and colon:
        if extra not in FORMATS:
            raise UnknownName.of("file format", extra, FORMATS)
        return _Piece("file", extra)
    if not colon:
        return _Piece("value", name)
    if extra == "flag" or extra.startswith("flag="):
        return _Piece("flag", name, extra[5:] or f"--{name}")
    raise InvalidInput(f"{{{inner}}} in {text!r}: after the colon comes flag or flag=--option; {DOUBLE}")


@dataclass(frozen=True)
class _Values:
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
        return self.task.arguments.get(name)

    def is_missing(self, text: _Text) -> bool:
        return any(piece.kind == "value" and self.get(piece.name) is None for piece in text)

    def filled(self, text: _Text) -> str:
        return "".join(self.shown(piece) for piece in text)

    def shown(self, piece: _Piece) -> str:
        if piece.kind == "text":
            return piece.name
        if piece.kind == "file":
            return os.path.join(self.directory, f"params.{piece.name}")
        value = self.get(piece.name)
        if piece.kind == "flag":
            return piece.extra if value else ""
        return _plain_text(value)


@dataclass(frozen=True)
class _Template:
    """The arguments of the program, or the one text for the shell."""

    arguments: list[_Text]
    shell: bool
    numbers: frozenset[str] = frozenset()
    """Placeholders within the shell's arithmetic, which runs what is in a text."""

    @classmethod
    def of(cls, argv: Sequence[str] | str, shell: bool) -> _Template:
        if shell:
            if not isinstance(argv, str):
                raise InvalidInput(f"shell=True takes one text, not {argv!r}: join it, or leave shell out")
            pieces = _parsed(argv)
            return cls([pieces], True, _check_for_shell(pieces))
        words = shlex.split(argv) if isinstance(argv, str) else [str(word) for word in argv]
        if not words:
            raise InvalidInput("the command is empty: give the program and its arguments")
        arguments = [_parsed(word) for word in words]
        for word, text in zip(words, arguments):
            if len(text) > 1 and any(piece.kind == "flag" for piece in text):
                raise InvalidInput(f"{word!r}: a flag must be an argument of its own, since it may be left out")
        return cls(arguments, False)

    def expanded(self, values: _Values) -> list[str]:
        return [self._for_shell(values)] if self.shell else self._words(values)

    def _words(self, values: _Values) -> list[str]:
        words: list[str] = []
        before: _Text = []
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

    def _for_shell(self, values: _Values) -> str:
        out = ""
        for piece in self.arguments[0]:
            if piece.kind == "value" and values.get(piece.name) is None:
                out = re.sub(r"(^|(?<=\s))-{1,2}[\w.-]+[ =]+$", "", out)
            elif piece.kind in ("text", "flag"):
                out += values.shown(piece)
            else:
                out += shlex.quote(values.shown(piece))
        return out


def _check_for_shell(pieces: _Text) -> frozenset[str]:
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


def _has_text(parameter: Parameter) -> bool:
    return any(isinstance(label, str) for label in parameter.labels)


def _is_option(text: _Text) -> bool:
    return len(text) == 1 and text[0].kind == "text" and re.fullmatch(r"--?[A-Za-z][\w.-]*", text[0].name) is not None


def variable(name: str) -> str:
    """The environment variable in which the program finds a parameter."""
    return "KILTER_PARAM_" + re.sub(r"[^A-Za-z0-9_]", "_", name).upper()


def _plain_text(value: Plain) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else "" if value is None else str(value)


# -- files of parameters ------------------------------------------------------------------------------------------


def nested(params: Mapping[str, Plain]) -> dict[str, Any]:
    """Parameters as a tree, cut at the dots of their names.

    >>> nested({"optim.lr": 0.1, "optim.name": "sgd", "depth": 3})
    {'optim': {'lr': 0.1, 'name': 'sgd'}, 'depth': 3}
    """
    tree: dict[str, Any] = {}
    for name, value in params.items():
        *parents, leaf = name.split(".")
        branch = tree
        for parent in parents:
            branch = branch.setdefault(parent, {})
        branch[leaf] = value
    return tree


def toml(tree: Mapping[str, Any], path: tuple[str, ...] = ()) -> str:
    """A tree of scalars and lists as TOML, which has no null: those entries are left out."""
    tables = {key: value for key, value in tree.items() if isinstance(value, Mapping)}
    scalars = {key: value for key, value in tree.items() if key not in tables and value is not None}
    lines = [f"{_toml_key(key)} = {_toml_value(value)}\n" for key, value in scalars.items()]
    if path and (lines or not tables):
        lines.insert(0, f"[{'.'.join(map(_toml_key, path))}]\n")
    return "".join(lines) + "".join(toml(table, (*path, key)) for key, table in tables.items())


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _toml_value(key)


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else {math.inf: "inf", -math.inf: "-inf"}.get(value, "nan")
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_toml_value, value))}]"
    # JSON leaves DEL as it is, which TOML forbids.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f") if isinstance(value, str) else str(value)


def _check_nesting(names: Sequence[str]) -> None:
    for name in names:
        parts = name.split(".")
        for i in range(1, len(parts)):
            parent = ".".join(parts[:i])
            if parent in names:
                raise InvalidInput(
                    f"a file cannot hold both {parent!r} and {name!r}: rename the first, as {parent}.name"
                )


def _written(fmt: str, params: Mapping[str, Plain]) -> str:
    tree = nested(params)
    if fmt == "toml":
        return toml(tree)
    return json.dumps(tree, indent=2) if fmt == "json" else str(_yaml().safe_dump(tree, sort_keys=False))


def _yaml() -> Any:
    with needed("pyyaml", "{file:yaml}", "or use {file:json} or {file:toml}"):
        import yaml  # type: ignore[import-untyped, unused-ignore]
    return yaml


def _pattern(metric: str, text: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise InvalidInput(f"the pattern {text!r} of {metric!r} is not a regular expression: {error}") from None
    if not set(range(1, pattern.groups + 1)) - {pattern.groupindex.get("step")}:
        raise InvalidInput(f"the pattern {text!r} of {metric!r} has no group for the number: as in 'loss=(\\S+)'")
    return pattern


# -- what a program tells -----------------------------------------------------------------------------------------


@dataclass
class _Findings:
    """The metrics found so far, by where they stood, and the reports that have not been shipped."""

    wanted: tuple[str, ...]
    patterns: Mapping[str, re.Pattern[str]]
    final: dict[str, float] = field(default_factory=dict)
    matched: dict[str, float] = field(default_factory=dict)
    reported: dict[str, float] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)
    last_line: str = ""
    unsent: list[Report] = field(default_factory=list)
    steps: set[int] = field(default_factory=set)

    def read_stdout(self, line: str) -> None:
        if line.strip():
            self.last_line = line.strip()
        if not self.read_json(line):
            self._match(line)

    def read_json(self, line: str) -> bool:
        """Take in a line where it is a JSON object with numbers, and say whether it is an object."""
        line = line.strip()
        if not (line.startswith("{") and line.endswith("}")):
            return False
        try:
            data = json.loads(line)
        except (ValueError, RecursionError):
            return False
        step = data.pop("step", None)
        metrics = {name: float(v) for name, v in data.items() if _is_metric(v)}
        if step is not None:
            self._report(step, metrics)
        elif any(name in metrics for name in self.wanted):  # other objects are the program's log
            self.final = metrics
        return True

    def metrics(self) -> dict[str, float]:
        """All metrics, the explicit over the incidental."""
        bare = _bare_number(self.last_line) if len(self.wanted) == 1 else None
        return {**self.reported, **({} if bare is None else {self.wanted[0]: bare}), **self.matched, **self.final}

    def take_unsent(self) -> tuple[Report, ...]:
        unsent, self.unsent = tuple(self.unsent), []
        return unsent

    def _match(self, line: str) -> None:
        steps: dict[Any, dict[str, float]] = {}
        for name, pattern in self.patterns.items():
            for found in pattern.finditer(line):
                groups = found.groupdict()
                index = pattern.groupindex.get("step")
                text = groups.get("value") or next((g for i, g in enumerate(found.groups(), 1) if i != index and g), "")
                number = _bare_number(text)
                if number is None:
                    continue
                if groups.get("step") is not None:
                    steps.setdefault(groups["step"], {})[name] = number
                else:
                    self.matched[name] = number
        for step, metrics in steps.items():
            self._report(step, metrics)

    def _report(self, step: Any, metrics: dict[str, float]) -> None:
        number = step if type(step) is int else _bare_number(str(step))
        if not is_step(number) or not metrics:  # a line of its log, then
            return
        number = as_step(number)
        self.reported.update(metrics)
        if number not in self.steps:
            self.steps.add(number)
            self.last = metrics
            self.unsent.append(Report(number, metrics))


def _is_metric(value: Any) -> bool:
    return isinstance(value, float) or (isinstance(value, int) and value.bit_length() <= BITS)


def _bare_number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if "_" not in text else None


class _Run:
    """One run of the program, in a thread of its own; `end` asks it to terminate the program."""

    def __init__(self, command: Command, task: Task, problem: Problem, slot: int) -> None:
        self.slot = slot
        self.thread = threading.Thread(target=self._run, name=f"kilter-trial-{task.number}", daemon=True)
        self._command = command
        self._task = task
        self._problem = problem
        self._findings = _Findings(command._metrics or problem.metric_names, command._patterns)
        self._stderr: deque[str] = deque(maxlen=TAIL)
        self._log = Log(task.log)
        self._events: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._reason: Failure | Verdict | None = None
        self._weighed = 0.0

    def end(self, reason: Failure | Verdict) -> None:
        """End the program: with a failure, or at the scheduler's wish."""
        self._events.put(("end", reason))

    def _run(self) -> None:
        task = self._task
        temporary = None if task.directory is not None else tempfile.mkdtemp(prefix="kilter-trial-")
        directory = os.path.abspath(task.directory or temporary or "")
        try:
            os.makedirs(directory, exist_ok=True)
            outcome = self._outcome(directory)
        except BaseException as error:
            outcome = failed(task, failure_of(error), error)
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
        self._command._messages.put(outcome)

    def _outcome(self, directory: str) -> Outcome:
        task, command = self._task, self._command
        values = _Values(task, directory)
        report = os.path.join(directory, f"report-{task.attempt}.jsonl")
        self._write_files(values)
        process = self._start(values, report)
        readers = [
            self._reader(process.stdout, "stdout", directory),
            self._reader(process.stderr, "stderr", directory),
        ]
        tail = _Tail(report)
        try:
            self._watch(process, tail)
        finally:
            kill_tree(process.pid) if process.poll() is None else _kill_group(process.pid)
            process.wait()
            for reader in readers:
                reader.join(command._grace)
            self._log.close()
        self._drain()
        for line in tail.lines(final=True):
            self._findings.read_json(line)
        return self._judged(process.returncode)

    # -- starting -------------------------------------------------------------------------------------------------

    def _write_files(self, values: _Values) -> None:
        for piece in self._command._pieces():
            if piece.kind == "file":
                _write(values.shown(piece), _written(piece.name, self._task.arguments))
        for name, text in self._command._files.items():
            _write(os.path.join(values.directory, name), values.filled(text))

    def _start(self, values: _Values, report: str) -> subprocess.Popen[bytes]:
        command = self._command
        cwd = None
        if command._cwd is not None:
            cwd = values.filled(command._cwd)
            if any(piece.kind != "text" for piece in command._cwd):
                os.makedirs(cwd, exist_ok=True)
        words = command._template.expanded(values)
        return subprocess.Popen(
            words[0] if command._template.shell else words,
            shell=command._template.shell,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=self._environment(values, report),
            **own_group(),
        )

    def _environment(self, values: _Values, report: str) -> dict[str, str]:
        task, command = self._task, self._command
        env = {**os.environ, **command._environments[self.slot], **command._watcher.mark()}
        env.update(KILTER_TRIAL=str(task.number), KILTER_ATTEMPT=str(task.attempt), KILTER_REPORT=report)
        env["KILTER_CHECKPOINT_DIR"] = values.directory
        for name, value in task.arguments.items():
            if value is not None:
                env[variable(name)] = _plain_text(value)
        for name, text in command._env.items():
            if not values.is_missing(text):
                env[name] = values.filled(text)
        return env

    # -- watching -------------------------------------------------------------------------------------------------

    def _reader(self, stream: IO[bytes] | None, name: str, directory: str) -> threading.Thread:
        """A thread that takes in the lines of a stream, and keeps them in the trial's directory."""

        def read() -> None:
            if stream is None:
                return
            log = Log(os.path.join(directory, f"{name}.log"))
            with stream:
                while line := stream.readline(LINE):
                    log.write(line)
                    self._log.write(line)
                    self._events.put((name, line.decode(errors="replace")))
            log.close()
            self._events.put(("eof", None))

        thread = threading.Thread(target=read, name=f"kilter-{name}", daemon=True)
        thread.start()
        return thread

    def _watch(self, process: subprocess.Popen[bytes], tail: _Tail) -> None:
        """Follow the program until it has ended, by itself or because we ended it."""
        began = time.monotonic()
        kill_at = math.inf
        open_streams = 2
        while process.poll() is None:
            try:
                # With both streams closed only the exit is left to come, which nothing announces.
                kind, content = self._events.get(timeout=TICK if open_streams else TICK / 10)
                open_streams -= kind == "eof"
                self._take(kind, content)
                self._drain_ready()
            except queue.Empty:
                pass
            for line in tail.lines():
                self._findings.read_json(line)
            self._ship()
            now = time.monotonic()
            self._enforce(process, now - began)
            if self._reason is not None and kill_at == math.inf:
                kill_at = now + (0 if getattr(self._reason, "kind", "") == "memory" else self._command._grace)
                _terminate(process)
            if now >= kill_at:
                kill_tree(process.pid)

    def _take(self, kind: str, content: Any) -> None:
        if kind == "stdout":
            self._findings.read_stdout(content)
        elif kind == "stderr":
            self._stderr.append(content)
        elif kind == "end":
            self._reason = self._reason or content

    def _drain_ready(self) -> None:
        """Take what is there already, but no endless flow, during which no limit would be looked at."""
        for _ in range(1000):
            if self._events.empty():
                return
            self._take(*self._events.get())

    def _drain(self) -> None:
        while not self._events.empty():
            self._take(*self._events.get())

    def _ship(self) -> None:
        reports = self._findings.take_unsent()
        if reports:
            task = self._task
            reply = self._reply if task.judged else None
            self._command._messages.put(Progress(task.number, task.attempt, reports, reply))

    def _reply(self, verdict: Verdict) -> None:
        if verdict:
            self.end(verdict)

    def _enforce(self, process: subprocess.Popen[bytes], elapsed: float) -> None:
        limits = self._command._resources
        if self._reason is None and limits.seconds is not None and elapsed >= limits.seconds:
            self._reason = out_of_time(limits.seconds)
        if self._reason is None and limits.memory is not None and elapsed - self._weighed >= 2 * TICK:
            self._weighed = elapsed
            used = tree_memory(process.pid)
            if used > limits.memory:
                self._reason = out_of_memory(used, limits.memory)

    # -- judging --------------------------------------------------------------------------------------------------

    def _judged(self, code: int) -> Outcome:
        task, findings = self._task, self._findings
        reports = findings.take_unsent()
        if isinstance(self._reason, Failure):
            return Outcome(task.number, task.attempt, TrialState.FAIL, {}, reports, failure=self._reason)
        if self._reason is not None:
            state = TrialState.PAUSED if self._reason is Verdict.PAUSE else TrialState.PRUNED
            return Outcome(task.number, task.attempt, state, dict(findings.last), reports)
        metrics = findings.metrics()
        failure = self._failure(code, metrics)
        if failure is not None:
            return Outcome(task.number, task.attempt, TrialState.FAIL, {}, reports, failure=failure)
        state, last = reached(self._problem, task, metrics, findings.steps)
        return Outcome(task.number, task.attempt, state, metrics, reports + last)

    @property
    def _tail(self) -> str:
        return clipped("".join(self._stderr), TRACEBACK)

    def _failure(self, code: int, metrics: dict[str, float]) -> Failure | None:
        if code != 0:
            said = next((line.strip() for line in reversed(self._stderr) if line.strip()), "nothing on stderr")
            how = f"exit code {code}" if code > 0 else f"ended by {_signal_name(-code)}"
            kind = LOST if was_killed(code) else "exit"
            return Failure(kind, clipped(f"{how}: {said}", MESSAGE), self._tail)
        missing = [name for name in self._findings.wanted if name not in metrics]
        if missing:
            return Failure("return", self._not_found(missing), self._tail)
        for name in self._findings.wanted:
            if math.isnan(metrics[name]):
                return Failure("nan", f"the metric {name!r} is NaN")
        return None

    def _not_found(self, missing: Sequence[str]) -> str:
        places = ["JSON lines on stdout", "JSON lines in $KILTER_REPORT"]
        places += [f"the pattern {p.pattern!r}" for name, p in self._command._patterns.items() if name in missing]
        if len(self._findings.wanted) == 1:
            places.append("a number as the last line of stdout")
        last = self._findings.last_line
        seen = f"; the last line was {last[:80]!r}" if last else "; stdout was empty"
        names = ", ".join(map(repr, missing))
        looked = ", ".join(places)
        return f'the program printed no {names}; looked in {looked}{seen}. Print a line {{"{missing[0]}": 0.5}}'


class _Tail:
    """The complete lines that have been added to a file."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._offset = 0

    def lines(self, final: bool = False) -> list[str]:
        """The new lines; with `final`, also a last one that is not terminated."""
        try:
            with open(self._path, "rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return []
        if not final:
            data = data[: data.rfind(b"\n") + 1]
        self._offset += len(data)
        return data.decode(errors="replace").splitlines()


def _write(path: str, text: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def _terminate(process: subprocess.Popen[bytes]) -> None:
    if os.name == "posix":
        signal_group(process.pid, signal.SIGTERM)
    else:
        process.terminate()


def _kill_group(pid: int) -> None:
    """Kill what a program that has ended left behind in its group."""
    signal_group(pid, getattr(signal, "SIGKILL", signal.SIGTERM))


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
