"""How configurations are chosen. One method, one file; each a frozen dataclass of settings over a state of its own."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

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

_HOME = {
    "AutoSampler": "auto",
    "CmaEsSampler": "cmaes",
    "DESampler": "de",
    "EvolutionSampler": "evolution",
    "GPSampler": "gp",
    "GridSampler": "grid",
    "NSGA2Sampler": "nsga2",
    "QMCSampler": "sobol",
    "RandomSampler": "random",
    "TPESampler": "tpe",
    "TurboSampler": "turbo",
}
"""The file of each name, loaded when it is first used: a random search need not wait for SciPy."""

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"kilter.samplers.{_HOME[name]}"), name)
    hint = f": use sampler='auto', or one of {', '.join(__all__)}" if name.endswith("Sampler") else ""
    raise AttributeError(f"module 'kilter.samplers' has no attribute {name!r}{hint}")


def __dir__() -> list[str]:
    return list(__all__)
