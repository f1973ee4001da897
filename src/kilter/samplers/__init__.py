"""How configurations are chosen. One method, one file; each a frozen dataclass of settings over a state of its own."""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from kilter.core.names import refusal

if TYPE_CHECKING:
    from kilter.samplers.auto import AutoSampler
    from kilter.samplers.cmaes import CmaEsSampler
    from kilter.samplers.de import DESampler
    from kilter.samplers.evolution import EvolutionSampler
    from kilter.samplers.gp import GPSampler
    from kilter.samplers.grid import GridSampler
    from kilter.samplers.nsga2 import NSGA2Sampler
    from kilter.samplers.random import RandomSampler
    from kilter.samplers.sobol import QMCSampler
    from kilter.samplers.tpe import TPESampler
    from kilter.samplers.turbo import TurboSampler

BY_NAME = {
    "auto": "auto:AutoSampler",
    "random": "random:RandomSampler",
    "grid": "grid:GridSampler",
    "sobol": "sobol:QMCSampler",
    "evolution": "evolution:EvolutionSampler",
    "gp": "gp:GPSampler",
    "tpe": "tpe:TPESampler",
    "turbo": "turbo:TurboSampler",
    "cmaes": "cmaes:CmaEsSampler",
    "de": "de:DESampler",
    "nsga2": "nsga2:NSGA2Sampler",
}
"""The file and the class of each name, loaded when it is first used: a random search need not wait for SciPy."""

_HOME = {kind: file for file, _, kind in (place.partition(":") for place in BY_NAME.values())}

_OPTUNAS = ("BaseSampler", "BruteForceSampler", "NSGAIIISampler", "NSGAIISampler", "PartialFixedSampler")
"""Names that only Optuna's users look for; they are in kilter.guests, since they are no samplers of a file here."""

_INSTEAD = {
    "BaseGASampler": "derive from kilter.samplers.BaseSampler, or use NSGA2Sampler or EvolutionSampler",
    "IntersectionSearchSpace": "it is in kilter.search_space",
    "intersection_search_space": "it is in kilter.search_space",
    "nsgaii": "the operators of NSGA2Sampler are fixed; derive from kilter.samplers.BaseSampler for others",
}

__all__ = list(_HOME) + list(_OPTUNAS)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"kilter.samplers.{_HOME[name]}"), name)
    if name in _OPTUNAS:
        return getattr(import_module("kilter.guests"), name)
    hint = f"use sampler='auto', or one of {', '.join(_HOME)}" if name.endswith("Sampler") else ""
    raise refusal(__name__, name, _INSTEAD.get(name, hint))


def __dir__() -> list[str]:
    return list(__all__)
