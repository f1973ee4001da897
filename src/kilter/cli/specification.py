"""A run as a document: a TOML file, options of the command line, or what a study remembers of its run.

All three are one nested dict with the tables of the file; it is checked here and turned into the arguments of the api.
"""

from __future__ import annotations

import math
import os
import re
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kilter.core.errors import InvalidInput, UnknownName

if TYPE_CHECKING:
    from kilter.core.problem import Fidelity
    from kilter.core.space import Space
    from kilter.engine.limits import Limits
    from kilter.executors.command import Command

TABLES: dict[str, tuple[str, ...]] = {
    "objective": ("metric", "goal", "minimize", "maximize", "constraints"),
    "budget": ("trials", "time", "jobs", "trial_timeout", "target", "patience", "cost", "steps", "gain"),
    "command": ("argv", "env", "cwd", "shell", "gpus_per_trial", "cpus_per_trial", "files"),
    "prune": ("method",),
}
TOP = ("study", "storage", "seed", "sampler", "report", "space", "fidelity", "forbidden", "directory", *TABLES)

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
        raise InvalidInput(f"{where} is no TOML: {error}") from None


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
    return document


def put(document: dict[str, Any], settings: Iterable[str]) -> None:
    """Write KEY=VALUE settings into a document, as in budget.trials=50; values are TOML, or else text."""
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key.strip():
            raise InvalidInput(f"--set {setting!r} must read KEY=VALUE, as in budget.trials=50")
        try:
            _merge(document, loads(f"{key} = {value}", "it"))
        except InvalidInput:
            quoted = value.replace("\\", "\\\\").replace('"', '\\"')
            _merge(document, loads(f'{key} = "{quoted}"', f"--set {setting!r}"))


def _merge(document: dict[str, Any], new: Mapping[str, Any], depth: int = 0) -> None:
    for key, value in new.items():
        # Below a table lie settings; an entry of [space] given whole replaces the old one.
        if isinstance(value, Mapping) and isinstance(document.get(key), dict) and depth < 2:
            _merge(document[key], value, depth + 1)
        else:
            document[key] = value


def named_after(argv: Iterable[str]) -> str:
    """The name of a study that has none: its program's, or that of the script an interpreter gets."""
    words = [word for word in argv if not word.startswith("-")]
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
        for key in document:
            if key not in TOP:
                raise UnknownName.of("setting", key, TOP, "It stands at the top of the file.")
        for table, known in TABLES.items():
            given = document.get(table, {})
            if not isinstance(given, Mapping):
                raise InvalidInput(f"{table} = {given!r}: it is a table, [{table}]")
            for key in given:
                if key not in known and table != "prune":  # the rest of [prune] are the settings of its method
                    raise UnknownName.of("setting", key, known, f"It stands in [{table}].")
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
    def seed(self) -> int:
        """Where the randomness begins."""
        seed = self.document.get("seed", 0)
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise InvalidInput(f"seed = {seed!r}: it must be a whole number from 0 on")
        return seed

    @property
    def scheduler(self) -> Any:
        """What [prune] asks for, if anything."""
        given = dict(self._table("prune"))
        if not given:
            return None
        from kilter import plugins

        method = given.pop("method", None)
        if not isinstance(method, str):
            raise InvalidInput('[prune] needs a method, as in method = "asha"')
        try:
            return plugins.from_spec("scheduler", {"name": method, "settings": given})
        except TypeError as error:
            raise InvalidInput(f"[prune]: {error}") from None

    @property
    def limits(self) -> Limits:
        """When it is enough; raises where nothing says so."""
        from kilter.engine.limits import Limits

        budget = self._table("budget")
        numbers = {key: _number(key, budget.get(key)) for key in ("trials", "steps", "target", "patience", "gain")}
        spans = {key: None if budget.get(key) is None else duration(budget[key]) for key in ("time", "cost")}
        limits = Limits(
            trials=_whole("trials", numbers["trials"]),
            seconds=spans["time"],
            cost=spans["cost"],
            steps=_whole("steps", numbers["steps"]),
            target=numbers["target"],
            patience=_whole("patience", numbers["patience"]),
            gain=numbers["gain"],
        )
        if not limits.are_given:
            raise InvalidInput("nothing says when to stop: give -n TRIALS, -t TIME or --target, or a [budget]")
        return limits

    @property
    def jobs(self) -> int:
        """How many trials run at once."""
        jobs = _whole("jobs", _number("jobs", self._table("budget").get("jobs", 1)))
        if jobs == -1:
            return os.cpu_count() or 1
        if not jobs or jobs < 1:
            raise InvalidInput(f"jobs = {jobs!r}: give a number from 1 on, or -1 for all cores")
        return jobs

    def command(self) -> Command:
        """The executor."""
        from kilter.core.interfaces import Resources
        from kilter.executors.command import Command

        given, budget = self._table("command"), self._table("budget")
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
        timeout = budget.get("trial_timeout")
        return Command(
            words,
            self.jobs,
            env={str(name): str(value) for name, value in dict(given.get("env", {})).items()},
            cwd=self._folder(given.get("cwd")),
            shell=shell,
            metric_patterns=report,
            files=given.get("files"),
            resources=Resources(
                cpus=_number("cpus_per_trial", given.get("cpus_per_trial", 1)) or 1,
                gpus=_number("gpus_per_trial", given.get("gpus_per_trial", 0)) or 0,
                seconds=None if timeout is None else duration(timeout),
            ),
            metrics=list(dict.fromkeys([*self.directions, *self.constraints])),
        )

    def _folder(self, cwd: Any) -> str | None:
        """Where programs run: relative to the folder that the study began in, wherever it is resumed."""
        home = self.document.get("directory")
        if home is None or home == os.getcwd():
            return None if cwd is None else str(cwd)
        return os.path.join(str(home).replace("{", "{{").replace("}", "}}"), str(cwd or ""))

    def _words(self) -> list[str]:
        argv = self._table("command").get("argv", [])
        return argv.split() if isinstance(argv, str) else list(map(str, argv))

    def check_program(self) -> None:
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


def _whole(name: str, given: float | None) -> int | None:
    if given is not None and given != int(given):
        raise InvalidInput(f"{name} = {given!r}: give a whole number")
    return None if given is None else int(given)
