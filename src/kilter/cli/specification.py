"""A run as a document: a TOML file, options of the command line, or what a study remembers of its run.

All three are one nested dict with the tables of the file; it is checked here and turned into the arguments of the api.
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import math
import os
import re
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kilter.core.errors import InvalidInput, UnknownName
from kilter.core.limits import BOUNDS, COUNTS, DURATIONS, MISTAKEN, Limits, spoken
from kilter.core.vocabulary import answer, ours

if TYPE_CHECKING:
    from kilter.core.definition import Definition
    from kilter.core.interfaces import Resources
    from kilter.core.problem import Fidelity, Problem
    from kilter.core.space import Space
    from kilter.executors.command import Command, Program

TABLES: dict[str, tuple[str, ...]] = {
    "objective": ("minimize", "maximize", "constraints", "metric", "goal"),
    "budget": (*map(spoken, BOUNDS), "workers", "trial_timeout"),
    "command": ("argv", "env", "cwd", "shell", "gpus_per_trial", "cpus_per_trial", "files"),
}
DESCRIBED = ("tags", "task", "scale")
"""What a study is told of its task."""
TOP = (
    *("study", "storage", "seed", "sampler", "scheduler", "report", "space", "fidelity", "forbidden", "directory"),
    *("transfer", *DESCRIBED),
)
KEYS = (*TOP, *TABLES)

SHORT = {"trials": "n_trials", "time": "timeout", "jobs": "workers"}
"""Shorter words of [budget], from before they were those of `tune`."""

GOALS = {"min": "minimize", "max": "maximize", "minimize": "minimize", "maximize": "maximize"}

UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


def duration(given: Any) -> float:
    """Seconds from 90, "90", "90s", "2h30m" or "1d".

    >>> duration("2h30m")
    9000.0
    """
    text = str(given).strip().lower().replace(" ", "")
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    if isinstance(given, bool) or not re.fullmatch(r"(\d+(\.\d+)?[dhms])+", text):
        raise InvalidInput(f"the duration {given!r} must read like 90s, 10m or 2h30m")
    return sum(float(number) * UNITS[unit] for number, unit in re.findall(r"(\d+(?:\.\d+)?)([dhms])", text))


def loads(text: str, where: str) -> dict[str, Any]:
    """TOML; the parser is Python's own from 3.11 on."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        document: dict[str, Any] = tomllib.loads(text)
        return document
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"{where} is not valid TOML: {error}") from None
    except RecursionError:
        raise InvalidInput(f"{where} is not valid TOML: lists or tables are nested too deeply") from None


def with_long_words(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document in the words of today: [prune] is `scheduler`, a command may be a text or a list of words.

    >>> with_long_words({"budget": {"trials": 5}, "command": "train {lr}", "prune": {"method": "asha", "eta": 4}})
    {'budget': {'n_trials': 5}, 'command': {'argv': 'train {lr}'}, 'scheduler': {'name': 'asha', 'eta': 4}}
    """
    new = dict(document)
    budget = new.get("budget")
    if isinstance(budget, Mapping):
        for short, long in SHORT.items():
            if short in budget and long in budget:
                raise InvalidInput(f"[budget] has {short} and {long}, which mean the same: keep {long}")
        new["budget"] = {SHORT.get(key, key): value for key, value in budget.items()}
    if isinstance(new.get("command"), (str, list)):
        new["command"] = {"argv": new["command"]}
    if "prune" in new and "scheduler" in new:
        raise InvalidInput("[prune] and scheduler mean the same: keep scheduler")
    if isinstance(new.get("prune"), Mapping):
        given = dict(new.pop("prune"))
        new["scheduler"] = {"name": given.pop("method", None), **given}
    return new


def read(path: str) -> dict[str, Any]:
    """The document in a file, the study named after the file where it names none."""
    try:
        with open(path, encoding="utf-8") as file:
            document = loads(file.read(), path)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        hint = ": put the command after --" if not path.endswith(".toml") else ""
        raise InvalidInput(f"cannot read {path}: {reason}{hint}") from None
    document.setdefault("study", os.path.splitext(os.path.basename(path))[0])
    return with_long_words(document)


def put(document: dict[str, Any], settings: Iterable[str]) -> None:
    """Write KEY=VALUE settings into a document, as in budget.n_trials=50; values are TOML, or else text."""
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key.strip():
            raise InvalidInput(f"--set {setting!r} must read KEY=VALUE, as in budget.n_trials=50")
        try:
            new = loads(f"{key} = {value}", "it")
        except InvalidInput:
            quoted = value.replace("\\", "\\\\").replace('"', '\\"')
            new = loads(f'{key} = "{quoted}"', f"--set {setting!r}")
        _merge(document, with_long_words(new))


def _merge(document: dict[str, Any], new: Mapping[str, Any], depth: int = 0) -> None:
    for key, value in new.items():
        # Below a table lie settings; an entry of [space] given whole replaces the old one.
        if isinstance(value, Mapping) and isinstance(document.get(key), dict) and depth < 2:
            _merge(document[key], value, depth + 1)
        else:
            document[key] = value


def named_after(argv: Iterable[str]) -> str:
    """The name of a study that has none: its program's, or that of the script an interpreter gets."""
    given = list(argv)
    code = next((i for i, word in enumerate(given) if word in ("-c", "-e")), len(given))  # what follows is no file
    words = [word for word in given[:code] if not word.startswith("-")]
    stems = [os.path.splitext(os.path.basename(word))[0] for word in words[:2]]
    if len(stems) > 1 and re.fullmatch(
        r"python[\d.]*|bash|sh|node|Rscript|julia|perl|ruby", os.path.basename(words[0])
    ):
        return stems[1] if "{" not in stems[1] and "/" not in stems[1] else stems[0]
    return stems[0] if stems else "study"


@dataclass(frozen=True)
class Specification:
    """A checked document."""

    document: dict[str, Any]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Specification:
        """Raise for unknown tables and settings, with the nearest known ones."""
        document = with_long_words(document)
        for key in document:
            if key not in KEYS:
                raise _misplaced(key)
        for table, known in TABLES.items():
            given = document.get(table, {})
            if not isinstance(given, Mapping):
                raise InvalidInput(f"{table} = {given!r}: it is a table, [{table}]")
            for key in given:
                if key not in known:
                    raise answer(f"[{table}]", key, known, str)
        if not isinstance(document.get("space", {}), Mapping):
            raise InvalidInput(f"space = {document['space']!r}: it is a table, [space]")
        return cls(dict(document))

    def _table(self, name: str) -> Mapping[str, Any]:
        table: Mapping[str, Any] = self.document.get(name, {})
        return table

    @property
    def study(self) -> str:
        """The study's name."""
        name = self.document.get("study") or named_after(self._words())
        if not isinstance(name, str):
            raise InvalidInput(f"study = {name!r}: a name is text")
        return name

    @property
    def directions(self) -> dict[str, str]:
        """The objectives: {metric: direction}."""
        given = self._table("objective")
        metrics, goals = _listed(given.get("metric")), _listed(given.get("goal"))
        if metrics and not goals:
            raise InvalidInput(f'[objective] names {", ".join(metrics)} but no goal: write goal = "min" or "max"')
        if len(goals) == 1:
            goals = goals * len(metrics)
        if len(goals) != len(metrics):
            raise InvalidInput(f"[objective] has {len(metrics)} metrics and {len(goals)} goals: give one goal each")
        pairs = list(zip(metrics, goals))
        for way in ("minimize", "maximize"):
            pairs += [(metric, way) for metric in _listed(given.get(way))]
        directions: dict[str, str] = {}
        for metric, goal in pairs:
            if goal not in GOALS:
                raise UnknownName.of("goal", goal, GOALS)
            if directions.get(metric, GOALS[goal]) != GOALS[goal]:
                raise InvalidInput(f"the metric {metric!r} cannot be minimised and maximised at once")
            directions[metric] = GOALS[goal]
        if not directions:
            raise InvalidInput(
                "say what to optimise: --minimize or --maximize METRIC, or metric and goal in [objective]"
            )
        return directions

    @property
    def constraints(self) -> dict[str, str]:
        """The bounds: {metric: "<= 20"}."""
        bounds = {}
        for text in _listed(self._table("objective").get("constraints")):
            found = re.fullmatch(r"\s*(.+?)\s*((?:<=|>=).*)", str(text))
            if not found:
                raise InvalidInput(f"the constraint {text!r} must read like 'latency_ms <= 20'")
            if found[1] in bounds:
                raise InvalidInput(f"two constraints bound {found[1]!r}: keep one")
            bounds[found[1]] = found[2]
        return bounds

    @property
    def space(self) -> Space:
        """The parameters and the forbidden combinations."""
        from kilter.cli.dimensions import flattened, parameter
        from kilter.core.space import Space

        entries = flattened(self._table("space"))
        if not entries:
            raise InvalidInput("there is nothing to tune: give --param 'lr=log(1e-5,1e-1)', or a [space] in the file")
        forbidden = self.document.get("forbidden", [])
        if not isinstance(forbidden, list) or not all(isinstance(clause, Mapping) for clause in forbidden):
            raise InvalidInput(f"forbidden = {forbidden!r}: write a list of tables, [{{ opt = 'sgd', amp = true }}]")
        return Space({name: parameter(name, given) for name, given in entries.items()}, forbidden)

    @property
    def fidelities(self) -> list[Fidelity]:
        """The budgets that the program takes: [fidelity] with lines such as epochs = [1, 81]."""
        from kilter.core.problem import Fidelity

        found = []
        for name, given in self._table("fidelity").items():
            ends = given if isinstance(given, list) else str(given).split(",")
            try:
                numbers = [float(end) for end in ends]
            except (TypeError, ValueError):
                numbers = []
            if len(numbers) not in (2, 3):
                raise InvalidInput(
                    f"the fidelity {name} = {given!r} must read like [1, 81], lowest and highest, with eta behind it"
                )
            found.append(Fidelity(name, *numbers))
        return found

    @property
    def problem(self) -> Problem:
        """What is to be optimised, over which space and budgets."""
        from kilter.core.problem import Problem

        return Problem.of(self.space, None, self.directions, self.constraints, self.fidelities)

    @property
    def seed(self) -> int:
        """Where the randomness begins."""
        seed = self.document.get("seed", 0)
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise InvalidInput(f"seed = {seed!r}: it must be a whole number from 0 on")
        return seed

    @property
    def earlier(self) -> dict[str, Any]:
        """Whom the study learns from, and what it is told of its task, as `create_study` takes them."""
        return {"transfer": self._transfer(), **{word: self.document.get(word) for word in DESCRIBED}}

    def _transfer(self) -> Any:
        given = self.document.get("transfer", "auto")
        if given in ("auto", "none"):
            return None if given == "none" else given
        if not isinstance(given, list):
            raise InvalidInput(
                f'transfer = {given!r}: write "auto", "none" or a list of names of studies and files, as in ["cancer"]'
            )
        return [self._earlier(each) if isinstance(each, Mapping) else each for each in given]

    def _earlier(self, table: Mapping[str, Any]) -> Any:
        """An earlier study of which more is known: { study = "cancer", same = true }."""
        from kilter.transfer.given import Earlier

        known = [field.name for field in dataclasses.fields(Earlier)]
        for key in table:
            if key not in known:
                raise answer("an earlier study in transfer", key, known, str)
        if "study" not in table:
            raise InvalidInput(f'transfer has {dict(table)!r}: say which study, as in {{ study = "cancer" }}')
        return Earlier(**table)

    def plugin(self, kind: str) -> Any:
        """The sampler or scheduler: a name, or a table with a name and settings; None where nothing is said."""
        given = self.document.get(kind)
        if given is None:
            return None
        from kilter import plugins

        settings = dict(given) if isinstance(given, Mapping) else {"name": given}
        name = settings.pop("name", None)
        if not isinstance(name, str):
            example = {"sampler": "gp", "scheduler": "asha"}[kind]
            raise InvalidInput(
                f'{kind} = {given!r}: write its name, {kind} = "{example}", or [{kind}] name = "{example}"'
            )
        known = inspect.signature(plugins.load(kind, name)).parameters
        for setting in settings:
            if setting not in known:
                raise UnknownName.of("setting", setting, known, f"It stands in [{kind}].")
        try:
            return plugins.from_spec(kind, {"name": name, "settings": settings})
        except TypeError as error:
            raise InvalidInput(f"[{kind}]: {error}") from None

    @property
    def limits(self) -> Limits:
        """When it is enough; without any limit, when the user stops it."""
        budget = self._table("budget")
        limits = {name: _limit(name, budget.get(spoken(name))) for name in BOUNDS}
        return Limits(**limits, unusable=MISTAKEN)

    @property
    def workers(self) -> int:
        """How many trials run at once."""
        workers = _whole("workers", _number("workers", self._table("budget").get("workers", 1)))
        if workers == -1:
            return os.cpu_count() or 1
        if not workers or workers < 1:
            raise InvalidInput(f"workers = {workers!r}: give a number from 1 on, or -1 for all cores")
        return workers

    @property
    def executor(self) -> Command:
        """What runs the program."""
        from kilter.executors.command import Command

        return Command(self.workers, self.resources)

    @property
    def resources(self) -> Resources:
        """What one trial may use."""
        from kilter.core.interfaces import Resources

        given, timeout = self._table("command"), self._table("budget").get("trial_timeout")
        return Resources(
            cpus=_number("cpus_per_trial", given.get("cpus_per_trial", 1)) or 1,
            gpus=_number("gpus_per_trial", given.get("gpus_per_trial", 0)) or 0,
            seconds=None if timeout is None else duration(timeout),
        )

    @property
    def program(self) -> Program:
        """What is run for each trial."""
        from kilter.executors.command import Program

        given = self._table("command")
        words, shell = given.get("argv"), bool(given.get("shell", False))
        if not words:
            raise InvalidInput(
                "there is no command: put it after --, as in -- python train.py --lr {lr}, or in [command]"
            )
        if shell and isinstance(words, list):
            words = " ".join(words)
        report = {name: pattern for name, pattern in self._table("report").items() if name != "from"}
        for name, pattern in report.items():
            if not isinstance(pattern, str):
                raise InvalidInput(f"[report] {name} = {pattern!r}: give a regular expression as text")
        return Program(
            words,
            env={str(name): str(value) for name, value in dict(given.get("env", {})).items()},
            cwd=self._folder(given.get("cwd")),
            shell=shell,
            metric_patterns=report,
            files=given.get("files") or {},
            metrics=list(dict.fromkeys([*self.directions, *self.constraints])),
        )

    @property
    def definition(self) -> Definition:
        """What the study is of: the command line, the files that it names, and how metrics are read."""
        from kilter.objective.definitions import definition_of_command

        given = self._table("command")
        folder = self._folder(given.get("cwd")) or os.getcwd()
        files = {f"the file {name}": text for name, text in dict(given.get("files", {})).items()}
        read = {f"the pattern of {name}": text for name, text in self._table("report").items()}
        environment = {f"${name}": str(value) for name, value in dict(given.get("env", {})).items()}
        return definition_of_command(given.get("argv", ""), {**files, **read, **environment}, folder)

    def _folder(self, cwd: Any) -> str | None:
        """Where programs run: relative to the folder that the study began in, wherever it is resumed."""
        home = self.document.get("directory")
        if home is None or home == os.getcwd():
            return None if cwd is None else str(cwd)
        return os.path.join(str(home).replace("{", "{{").replace("}", "}}"), str(cwd or ""))

    def _words(self) -> list[str]:
        argv = self._table("command").get("argv", [])
        return argv.split() if isinstance(argv, str) else list(map(str, argv))

    def check(self, problem: Problem) -> None:
        """Raise for whatever a run on this problem would refuse, so that nothing is done before."""
        self.program.check(problem.space, problem.full_budget)
        self._check_folder()
        self._check_program()
        self._check_report()
        _ = self.executor, self.limits

    def _check_report(self) -> None:
        """Raise where the pattern of a metric that is needed seems to stand under a name that is mistyped."""
        report, needed = self._table("report"), [*self.directions, *self.constraints]
        for name in needed:
            near = difflib.get_close_matches(name, [key for key in report if key not in needed], n=1, cutoff=0.8)
            if name not in report and near:
                raise InvalidInput(f"[report] has {near[0]!r}, and nothing for the metric {name!r}: is it the same?")

    def _check_folder(self) -> None:
        """Raise where the folder that programs run in is not on this machine."""
        home = self.document.get("directory")
        if home is not None and not os.path.isdir(str(home)):
            raise InvalidInput(
                f"the programs of {self.study!r} run in {home}, which is not here: make that folder, or name another "
                "one that has what they need, --set directory=FOLDER"
            )

    def _check_program(self) -> None:
        """Raise where the program is plainly not there."""
        given, words = self._table("command"), self._words()
        if given.get("shell") or given.get("cwd") or not words or "{" in words[0]:
            return
        home = self.document.get("directory")
        path = os.path.join(home, words[0]) if home and os.path.dirname(words[0]) else words[0]
        if shutil.which(path) is None:
            remedy = (
                f"make it executable, chmod +x {words[0]}" if os.path.exists(path) else "check the name and the PATH"
            )
            raise InvalidInput(f"the program {words[0]!r} cannot be run: {remedy}")


def _listed(given: Any) -> list[Any]:
    return [] if given is None else list(given) if isinstance(given, (list, tuple)) else [given]


def _number(name: str, given: Any) -> float | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, (int, float)) or math.isnan(given):
        raise InvalidInput(f"{name} = {given!r}: give a number")
    return given


def _misplaced(key: str) -> UnknownName:
    """The error for a key at the top of a file: it may belong into a table, or be another's word."""
    for table, known in TABLES.items():
        meant = ours(SHORT.get(key, key), known)
        if SHORT.get(key, key) in known or meant:
            return UnknownName(
                f"the file has no {key!r} at its top: write it into [{table}], as {(meant or [key])[0]} = …"
            )
    return answer("the file", key, KEYS, str)


def _limit(name: str, given: Any) -> Any:
    """A limit as Limits takes it: durations may be text."""
    word = spoken(name)
    if name in DURATIONS:
        return None if given is None else duration(given)
    number = _number(word, given)
    if name == "trials" and number is not None and number < 1:
        raise InvalidInput(f"{word} = {number:g}: give 1 or more, or leave it out to go on until Ctrl-C")
    return _whole(word, number) if name in COUNTS else number


def _whole(name: str, given: float | None) -> int | None:
    if given is not None and given != int(given):
        raise InvalidInput(f"{name} = {given!r}: give a whole number")
    return None if given is None else int(given)
