"""What a parameter does: the partial dependence of the surrogate, with what it does not know, and where trials were.

The surrogate's mean is averaged over what other parameters had in the trials. The average of a Gaussian process is
normal, so its interval says how well it is known, not how much trials vary about it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kilter.analysis.beliefs import Believed, believed
from kilter.analysis.explanation import LIKELY, filled
from kilter.core.errors import InvalidInput, NotReady, UnknownName
from kilter.core.history import History
from kilter.core.seeds import rng

VALUES = 24
"""Values of a parameter that an effect is told at, at most."""
SQUARE = 12
"""The same for each of two parameters."""
BACKGROUND = 40
"""Trials that an effect is averaged over, at most."""
NEAR = 0.05
"""Trials within this share of a number's range support what is said of a value."""


@dataclass(frozen=True, eq=False)
class Effect:
    """What is expected of trials at each value of a parameter, others being as they were."""

    objective: str
    parameter: str
    grid: tuple[Any, ...]
    """(g,), plain values in order."""
    is_log: bool
    """Whether values are spread evenly on a logarithmic scale."""
    is_option: bool
    mean: np.ndarray
    """(g,), in the objective's own unit, as all that follow."""
    low: np.ndarray
    """(g,)"""
    high: np.ndarray
    """(g,). The mean lies between `low` and `high` with probability 0.8, as the model believes."""
    support: np.ndarray
    """(g,), how many trials had this option, or a number within a twentieth of the range of this one; 0 is a guess."""
    trials: int
    """In how many trials the parameter was active, of those that the surrogate rests on."""


@dataclass(frozen=True, eq=False)
class Interaction:
    """What is expected of trials at each pair of values of two parameters."""

    objective: str
    parameters: tuple[str, str]
    grids: tuple[tuple[Any, ...], tuple[Any, ...]]
    """Plain values of both, (g,) and (h,)."""
    is_log: tuple[bool, bool]
    is_option: tuple[bool, bool]
    mean: np.ndarray
    """(g, h), in the objective's own unit."""
    low: np.ndarray
    """(g, h)"""
    high: np.ndarray
    """(g, h), as in `Effect`."""
    support: np.ndarray
    """(g, h), how many trials had both values, or numbers near them."""
    strength: float
    """The share of the variance over this table that neither parameter explains alone, 0 to 1, in the surrogate's
    scale (the square of H, Friedman & Popescu 2008)."""


def effect(history: History, name: str, objective: int | str = 0, seed: int = 0) -> Effect:
    """The effect of a dimension of the space: a parameter, or a part of a compound, by name.

    Raises UnknownName for another name, and NotReady where fewer than three trials are complete, or the parameter was
    active in none of them.

    >>> from kilter import Float, create_study
    >>> study = create_study(space={"x": Float(0, 1), "y": Float(0, 1)}, seed=0, sampler="random")
    >>> study.optimize(lambda x, y: 3 * x + y, n_trials=40, progress="none")
    >>> found = effect(study.history, "x")
    >>> float((found.mean[-1] - found.mean[0]).round(1)), found.grid[0], found.grid[-1]
    (3.0, 0.0, 1.0)
    """
    model = believed(history, objective, seed)
    axis = _Axis.of(history, model, name, VALUES)
    mean, deviation = _averages(model, [axis], seed)
    low, high = model.interval(mean, LIKELY * deviation)
    return Effect(
        objective=model.objective.name,
        parameter=name,
        grid=axis.grid,
        is_log=axis.is_log,
        is_option=axis.is_option,
        mean=model.own(mean),
        low=low,
        high=high,
        support=axis.near.sum(axis=0),
        trials=int(axis.active.sum()),
    )


def interaction(history: History, a: str, b: str, objective: int | str = 0, seed: int = 0) -> Interaction:
    """The joint effect of two dimensions; raises as `effect`, and InvalidInput where both are one."""
    if a == b:
        raise InvalidInput(f"{a!r} does not interact with itself: name two parameters")
    model = believed(history, objective, seed)
    first, second = (_Axis.of(history, model, name, SQUARE) for name in (a, b))
    mean, deviation = _averages(model, [first, second], seed)
    low, high = model.interval(mean, LIKELY * deviation)
    spread, rest = float(mean.var()), mean - mean.mean(axis=0) - mean.mean(axis=1, keepdims=True) + mean.mean()
    return Interaction(
        objective=model.objective.name,
        parameters=(a, b),
        grids=(first.grid, second.grid),
        is_log=(first.is_log, second.is_log),
        is_option=(first.is_option, second.is_option),
        mean=model.own(mean),
        low=low,
        high=high,
        support=first.near.T.astype(int) @ second.near.astype(int),
        strength=float((rest**2).mean()) / spread if spread > 0 else 0.0,
    )


@dataclass(frozen=True, eq=False)
class _Axis:
    """The values of a dimension that effects are told at."""

    column: int
    grid: tuple[Any, ...]
    places: np.ndarray
    """Where points have them, (g,)."""
    is_log: bool
    is_option: bool
    active: np.ndarray
    """In which trials it has a value, (n,)."""
    near: np.ndarray
    """Which trials are near which value, (n, g)."""

    @classmethod
    def of(cls, history: History, model: Believed, name: str, most: int) -> _Axis:
        space = history.problem.space
        if name not in space.parameters:
            raise UnknownName.of("parameter", name, space.parameters)
        column, parameter = space.names.index(name), space.parameters[name]
        is_option, is_log = not parameter.is_ordered, bool(getattr(parameter, "log", False))
        grid = parameter.grid(most)
        places = parameter.places(parameter.units(grid)) if is_option else parameter.units(grid)
        values = model.points[:, column]
        near = np.abs(values[:, None] - places) <= (0.0 if is_option else NEAR)
        return cls(column, tuple(grid), places, is_log, is_option, ~np.isnan(values), near)


def _averages(model: Believed, axes: list[_Axis], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation, in the surrogate's scale, of the average over trials at each cell of a grid."""
    rows = np.flatnonzero(np.all([axis.active for axis in axes], axis=0))
    if not len(rows):
        names = " and ".join(repr(model.encoding.space.names[axis.column]) for axis in axes)
        raise NotReady(f"no complete trial had a value of {names}: there is nothing to tell of it yet")
    stream = rng(seed, "effects")
    background = filled(model.points, stream)[np.sort(stream.permutation(rows)[:BACKGROUND])]
    shape = tuple(len(axis.places) for axis in axes)
    mean, variance = np.empty(shape), np.empty(shape)
    for cell in np.ndindex(*shape):
        points = background.copy()
        for axis, place in zip(axes, cell):
            points[:, axis.column] = axis.places[place]
        features = model.encoding.features(model.encoding.canonical(model.encoding.snapped(points)))
        averages = model.belief.posterior.averages(features[None])
        mean[cell], variance[cell] = averages[0][0], averages[1][0, 0]
    return mean, np.sqrt(np.maximum(variance, 0.0))
