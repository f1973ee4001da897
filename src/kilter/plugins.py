"""Names of plug-ins: a literal table first, then the entry points that other packages declare.

Entry-point groups: kilter.samplers and kilter.schedulers, whose names stand for classes that are called without
arguments; kilter.executors, for classes that are called with how many trials are to run at once, or without; and
kilter.storages, whose names are the schemes of URLs, for what makes a storage of a URL.
"""

from __future__ import annotations

import dataclasses
import inspect
import os
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, ClassVar, NoReturn

from kilter import samplers, schedulers
from kilter.core.errors import InvalidInput, StudyNotFound, UnknownName
from kilter.core.history import History, Record
from kilter.core.interfaces import Capabilities, Scheduler, Storage
from kilter.core.problem import Problem
from kilter.guests import adapted
from kilter.storage.urls import as_url, missing_file

SAMPLERS = {name: f"kilter.samplers.{place}" for name, place in samplers.BY_NAME.items()}
SCHEDULERS = {name: f"kilter.schedulers.{place}" for name, place in schedulers.BY_NAME.items()}

STORAGES = {
    "memory": "kilter.storage.urls:memory",
    "sqlite": "kilter.storage.urls:sqlite",
    "postgresql": "kilter.storage.postgres:postgresql",
    "postgres": "kilter.storage.postgres:postgresql",
    "http": "kilter.storage.http:http",
    "https": "kilter.storage.http:http",
}

EXECUTORS = {
    "inline": "kilter.executors.inline:Inline",
    "threads": "kilter.executors.threads:Threads",
    "processes": "kilter.executors.processes:Processes",
    "command": "kilter.executors.command:Command",
    "dask": "kilter.integrations.dask:DaskExecutor",
    "ray": "kilter.integrations.ray.executor:RayExecutor",
}

TABLES = {"sampler": SAMPLERS, "scheduler": SCHEDULERS, "storage": STORAGES, "executor": EXECUTORS}
METHODS = {"sampler": "ask", "scheduler": "judge", "storage": "append", "executor": "start"}
"""By which an object of each kind is known."""
NEEDED = {
    "sampler": ("capabilities", "start", "ask", "tell"),
    "scheduler": ("capabilities", "judges", "start", "started", "reported", "ended", "plan", "judge"),
    "storage": tuple(name for name in (*Storage.__annotations__, *vars(Storage)) if not name.startswith("_")),
    "executor": ("start",),
}
"""What an object of each kind must have."""


def find(kind: str, given: Any, *arguments: Any) -> Any:
    """The plug-in that a user means: an object as it is; a name looked up, and what it stands for called.

    Raises UnknownName, with the nearest known name, for a name that nobody registered.
    """
    return _checked(kind, load(kind, given)(*arguments) if isinstance(given, str) else adapted(given))


def open_storage(given: str | os.PathLike[str] | Storage | None) -> Storage:
    """The storage that a URL, a path, a storage object or None (memory) stands for; the scheme says which.

    >>> type(open_storage(None)).__name__
    'MemoryStorage'
    """
    if given is not None and not isinstance(given, (str, os.PathLike)):
        storage: Storage = _checked("storage", given)
        return storage
    url = as_url(given)
    opened: Storage = load("storage", url.partition("://")[0])(url)
    return opened


def existing_storage(given: str | os.PathLike[str] | Storage | None) -> Storage:
    """The storage, which must be there: looking must not leave an empty file behind."""
    path = missing_file(given)
    if path is not None:
        raise StudyNotFound(f"there is no file {path}, so no study in it: give the storage= that it was made with")
    return open_storage(given)


def _checked(kind: str, given: Any) -> Any:
    if isinstance(given, type) or not callable(getattr(given, METHODS[kind], None)):
        if type(given).__module__.partition(".")[0] == "optuna":
            raise InvalidInput(
                f"{kind}={type(given).__module__.partition('.')[0]}'s {type(given).__name__}: kilter has its own, of "
                f"the same names as in Optuna: see kilter.{kind}s, or give a name ({', '.join(TABLES[kind])})"
            )
        names = "a URL such as 'sqlite:///study.db'" if kind == "storage" else f"a name ({', '.join(TABLES[kind])})"
        raise InvalidInput(f"{kind}={given!r:.80}: give {names} or an object with {METHODS[kind]}()")
    lacking = [name for name in NEEDED[kind] if not hasattr(given, name)]
    if lacking:
        hint = ", or derive from kilter.core.interfaces.Scheduler, which has them" if kind == "scheduler" else ""
        raise InvalidInput(
            f"{type(given).__name__} is no {kind} as it is: it lacks {', '.join(lacking)} (see "
            f"kilter.core.interfaces.{kind.title()}): add what is missing{hint}"
        )
    if kind == "sampler" and not _takes(given.tell, 3):
        raise InvalidInput(f"{type(given).__name__}.tell() is to take (state, trial, problem), the last one is new")
    return given


def _takes(function: Callable[..., Any], arguments: int) -> bool:
    """Whether a function can be called with so many arguments."""
    try:
        inspect.signature(function).bind(*range(arguments))
    except TypeError:
        return False
    except ValueError:  # written in C, without a signature
        pass
    return True


def load(kind: str, name: str) -> Callable[..., Any]:
    """What is registered under a name."""
    if name in TABLES[kind]:
        module, _, attribute = TABLES[kind][name].partition(":")
        found: Callable[..., Any] = getattr(import_module(module), attribute)
        return found
    points = _entry_points(kind)
    if name not in points:
        hint = "For example sqlite:///study.db; a package may bring others, as an entry point of kilter.storages"
        raise UnknownName.of(kind, name, [*TABLES[kind], *points], hint if kind == "storage" else "")
    return points[name].load()  # type: ignore[no-any-return]


def _entry_points(kind: str) -> dict[str, Any]:
    """What other packages have registered, by name."""
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=f"kilter.{kind}s")}


def spec(kind: str, plugin: Any) -> dict[str, Any]:
    """How the log keeps a plug-in: its registered name and the settings that differ from the defaults."""
    if isinstance(plugin, (AbsentSampler, AbsentScheduler)):
        return {"name": plugin.name}
    settings = {}
    if dataclasses.is_dataclass(plugin):
        for field in dataclasses.fields(plugin):
            value = getattr(plugin, field.name)
            if value != field.default and _is_plain(value):
                settings[field.name] = value
    name = _name(kind, type(getattr(plugin, "own", plugin)))  # a guest's adaptor is not its name
    return {"name": name, **({"settings": settings} if settings else {})}


def _name(kind: str, made: type) -> str:
    """The name that a class is registered under, else its path."""
    path = f"{made.__module__}:{made.__qualname__}"
    for name, known in TABLES[kind].items():
        if known == path:
            return name
    package = made.__module__.partition(".")[0]
    points = [point for point in _entry_points(kind).values() if point.module.partition(".")[0] == package]
    return next((point.name for point in points if point.load() is made), path)


def from_spec(kind: str, data: Mapping[str, Any]) -> Any:
    """The plug-in that `spec` described; where it is not registered here one that says so once it is asked."""
    try:
        make = load(kind, data["name"])
    except UnknownName:
        return (AbsentSampler if kind == "sampler" else AbsentScheduler)(data["name"])
    return make(**data.get("settings", {}))


@dataclasses.dataclass
class State:
    """Nothing to remember."""


@dataclasses.dataclass(frozen=True)
class AbsentSampler:
    """Stands for a sampler that is not registered here: the study can be read, but not go on."""

    name: str

    capabilities: ClassVar[Capabilities] = Capabilities()

    def start(self, problem: Problem, seed: int) -> State:
        """Nothing to remember."""
        return State()

    def ask(self, state: State, history: History, number: int) -> NoReturn:
        """Raise UnknownName."""
        raise UnknownName(
            f"this study was made with the sampler {self.name!r}, which is not registered here: "
            "give it again, load_study(sampler=…), or choose another, sampler='auto'"
        )

    def tell(self, state: State, trial: Record, problem: Problem) -> None:
        """Nothing to learn."""


@dataclasses.dataclass(frozen=True)
class AbsentScheduler(Scheduler):
    """Stands for a scheduler that is not registered here: the study can be read, but not go on."""

    name: str

    def start(self, problem: Problem, seed: int) -> State:
        """Nothing to remember."""
        return State()

    def plan(self, state: State, history: History) -> NoReturn:
        """Raise UnknownName."""
        raise UnknownName(
            f"this study was made with the scheduler {self.name!r}, which is not registered here: "
            "give it again, load_study(scheduler=…), or choose another, scheduler='auto'"
        )


def _is_plain(value: Any) -> bool:
    if value is None or isinstance(value, (bool, int, float, str)):
        return True
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return isinstance(value, Mapping) and all(isinstance(k, str) and _is_plain(v) for k, v in value.items())
