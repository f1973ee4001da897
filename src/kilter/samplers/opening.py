"""What samplers share that compute everything from the history: their first trials, and where they end."""

from __future__ import annotations

from kilter.core.history import History
from kilter.core.interfaces import Explanation
from kilter.core.seeds import rng
from kilter.core.space import Config
from kilter.models.controls import CONTROLLED, is_control
from kilter.models.readings import Readings
from kilter.models.results import Results
from kilter.models.tried import Tried
from kilter.samplers.sobol import QMCSampler

INITIAL = 6
"""Trials before the first that builds on a Gaussian process, whatever the dimension is: more of them cost more."""


def is_early(history: History, number: int, initial: int = INITIAL) -> bool:
    """Whether too little is known to build on; controls build on what got to the largest step alone."""
    if is_control(number) and (readings := Readings.of(history)) is not None and readings.wholes < CONTROLLED:
        return True
    return history.sampled_before(number) < initial or not Results.of(history).suffices


def opening(seed: int, history: History, number: int) -> Config | None:
    """The defaults, then points of the Sobol sequence, or others where those were tried; None where none is left."""
    tried = Tried.of(history)
    config = QMCSampler().ask(QMCSampler().start(history.problem, seed), history, number)
    if config is not None and not tried.has(config):
        return config
    point = tried.by_chance(rng(seed, "opening", number))
    return None if point is None else tried.encoding.config(point)


def when_exhausted(seed: int, history: History, number: int) -> Config | None:
    """The answer where every known point has been tried: None, or any one again where the space may still grow."""
    return history.problem.space.draw(rng(seed, "again", number)) if history.problem.is_open else None


def explained(history: History, number: int) -> Explanation:
    """Why a trial was opened with."""
    if history.sampled_before(number) == 0 and history.problem.space.defaults:
        return Explanation("sobol", "the first trial takes the defaults")
    return Explanation("sobol", "too little is known for a model, so the space is covered evenly")
