"""How configurations are chosen. One method, one file; each a frozen dataclass of settings over a state of its own."""

from typing import NoReturn

from kilter.samplers.auto import AutoSampler
from kilter.samplers.evolution import EvolutionSampler
from kilter.samplers.grid import GridSampler
from kilter.samplers.random import RandomSampler
from kilter.samplers.sobol import QMCSampler

__all__ = ["AutoSampler", "EvolutionSampler", "GridSampler", "QMCSampler", "RandomSampler"]


def __getattr__(name: str) -> NoReturn:
    hint = f": use sampler='auto', or one of {', '.join(__all__)}" if name.endswith("Sampler") else ""
    raise AttributeError(f"module 'kilter.samplers' has no attribute {name!r}{hint}")
