"""How well the trials of a study cover its space, parameter by parameter."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from kilter.core.events import TrialState
from kilter.core.history import History
from kilter.core.parameter import Parameter, Plain

BINS = 24
"""Parts of a range in which trials are counted."""
TOP = 0.1
"""The share of the trials that are the best ones."""


@dataclass(frozen=True, eq=False)
class Coverage:
    """Where the values of one parameter lie, in all trials where it is active and in the best tenth of them."""

    name: str
    log: bool
    edges: np.ndarray | None
    """Borders of the parts of a range, in its own unit, (b + 1,); None for options."""
    options: tuple[Plain, ...]
    """In order; empty for a range."""
    counts: np.ndarray
    """Trials in each part or with each option, (b,)."""
    best: np.ndarray
    """Of the best tenth, (b,)."""
    active: int
    """Trials in which the parameter is active."""
    conditional: bool
    """Whether it is active in part of the space only."""


def coverage(history: History) -> tuple[Coverage, ...]:
    """How often the values of each dimension of the space were tried, in the order in which they are declared.

    The best trials are those that are complete and feasible with the least first objective.

    >>> from kilter import Choice, create_study
    >>> study = create_study(space={"kernel": Choice(["rbf", "linear"])}, seed=0)
    >>> study.optimize(lambda kernel: 0.0, n_trials=6, progress="none")
    >>> coverage(study.history)[0].counts.tolist()
    [1, 1]
    """
    best = _best(history)
    matrix = history.matrix
    return tuple(
        _covered(name, parameter, matrix[:, column], best)
        for column, (name, parameter) in enumerate(history.problem.space.parameters.items())
    )


def _best(history: History) -> np.ndarray:
    """Which trials are among the best, (n,)."""
    counts = (history.states == TrialState.COMPLETE) & (history.violations == 0.0)
    losses = np.where(counts, history.values[:, 0], np.nan)
    known = np.flatnonzero(np.isfinite(losses))
    chosen = known[np.argsort(losses[known], kind="stable")][: math.ceil(TOP * len(known))]
    return np.isin(np.arange(len(history)), chosen)


def _covered(name: str, parameter: Parameter, units: np.ndarray, best: np.ndarray) -> Coverage:
    active = np.isfinite(units)
    parts = min(int(parameter.size), BINS) if not parameter.labels and parameter.size <= BINS else BINS
    parts = len(parameter.labels) or parts
    places = np.clip((units[active] * parts).astype(int), 0, parts - 1)
    counts = np.bincount(places, minlength=parts)
    top = np.bincount(places[best[active]], minlength=parts)
    return Coverage(
        name,
        bool(getattr(parameter, "log", False)),
        None if parameter.labels else _edges(parameter, parts),
        parameter.labels,
        counts,
        top,
        int(active.sum()),
        bool(parameter.conditions),
    )


def _edges(parameter: Parameter, parts: int) -> np.ndarray:
    """The values at the borders of equal parts of the unit interval."""
    return np.array([float(parameter.from_unit(i / parts)) for i in range(parts + 1)])  # type: ignore[arg-type]
