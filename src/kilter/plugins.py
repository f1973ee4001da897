"""Names of samplers and schedulers: a literal table first, then the entry points that other packages declare.

Entry-point groups: kilter.samplers, kilter.schedulers. Each names a class that is called without arguments.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar, NoReturn

from kilter.core.errors import InvalidInput, UnknownName
from kilter.core.history import History, Record
from kilter.core.interfaces import Capabilities, Scheduler
from kilter.core.problem import Problem
from kilter.guests import adapted

SAMPLERS = {
    "auto": "kilter.samplers.auto:AutoSampler",
    "random": "kilter.samplers.random:RandomSampler",
    "grid": "kilter.samplers.grid:GridSampler",
    "sobol": "kilter.samplers.sobol:QMCSampler",
    "evolution": "kilter.samplers.evolution:EvolutionSampler",
    "gp": "kilter.samplers.gp:GPSampler",
    "tpe": "kilter.samplers.tpe:TPESampler",
    "turbo": "kilter.samplers.turbo:TurboSampler",
    "cmaes": "kilter.samplers.cmaes:CmaEsSampler",
    "de": "kilter.samplers.de:DESampler",
    "nsga2": "kilter.samplers.nsga2:NSGA2Sampler",
}
SCHEDULERS = {
    "auto": "kilter.schedulers.auto:AutoScheduler",
    "fifo": "kilter.schedulers.fifo:FifoScheduler",
    "asha": "kilter.schedulers.asha:ASHAScheduler",
    "hyperband": "kilter.schedulers.hyperband:HyperbandScheduler",
    "pasha": "kilter.schedulers.pasha:PASHAScheduler",
    "median": "kilter.schedulers.median:MedianScheduler",
    "percentile": "kilter.schedulers.median:PercentileScheduler",
    "threshold": "kilter.schedulers.threshold:ThresholdScheduler",
    "patient": "kilter.schedulers.patient:PatientScheduler",
    "curve": "kilter.schedulers.curve:CurveScheduler",
    "race": "kilter.schedulers.race:RaceScheduler",
    "pbt": "kilter.schedulers.pbt:PBTScheduler",
    "pb2": "kilter.schedulers.pb2:PB2Scheduler",
}

TABLES = {"sampler": SAMPLERS, "scheduler": SCHEDULERS}


def find(kind: str, given: Any) -> Any:
    """The plug-in that a user means: an object as it is, a name looked up.

    Raises UnknownName, with the nearest known name, for a name that nobody registered.
    """
    if not isinstance(given, str):
        given = adapted(given)
        method = "ask" if kind == "sampler" else "judge"
        if isinstance(given, type) or not hasattr(given, method):
            raise InvalidInput(
                f"{kind}={given!r}: give a name ({', '.join(TABLES[kind])}) or an object with {method}()"
            )
        return given
    return load(kind, given)()


def load(kind: str, name: str) -> type:
    """The class behind a name."""
    if name in TABLES[kind]:
        module, _, attribute = TABLES[kind][name].partition(":")
        return getattr(import_module(module), attribute)  # type: ignore[no-any-return]
    from importlib.metadata import entry_points

    points = {point.name: point for point in entry_points(group=f"kilter.{kind}s")}
    if name not in points:
        raise UnknownName.of(kind, name, [*TABLES[kind], *points])
    return points[name].load()  # type: ignore[no-any-return]


def spec(kind: str, plugin: Any) -> dict[str, Any]:
    """How the log keeps a plug-in: its registered name and the settings that differ from the defaults."""
    if isinstance(plugin, (AbsentSampler, AbsentScheduler)):
        return {"name": plugin.name}
    kind_of = type(getattr(plugin, "own", plugin))  # a guest's adaptor is not its name
    path = f"{kind_of.__module__}:{kind_of.__qualname__}"
    name = next((name for name, known in TABLES[kind].items() if known == path), path)
    settings = {}
    if dataclasses.is_dataclass(plugin):
        for field in dataclasses.fields(plugin):
            value = getattr(plugin, field.name)
            if value != field.default and _is_plain(value):
                settings[field.name] = value
    return {"name": name, **({"settings": settings} if settings else {})}


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

    def tell(self, state: State, trial: Record) -> None:
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
