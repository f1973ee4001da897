"""How configurations are chosen. One method, one file; each a frozen dataclass of settings over a state of its own."""

from kilter.samplers.auto import AutoSampler
from kilter.samplers.evolution import EvolutionSampler
from kilter.samplers.grid import GridSampler
from kilter.samplers.random import RandomSampler
from kilter.samplers.sobol import QMCSampler

__all__ = ["AutoSampler", "EvolutionSampler", "GridSampler", "QMCSampler", "RandomSampler"]
