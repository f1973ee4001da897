"""Where the best trials of several studies have the parameters that all of them have, and how far apart that is."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from kilter.analysis.convergence import candidates
from kilter.analysis.objectives import place
from kilter.core.history import History
from kilter.core.numbers import Number
from kilter.core.parameter import Parameter, Plain


@dataclass(frozen=True)
class Optimum:
    """Where the best trials of a study have a parameter: the middle one of a number, the commonest of options."""

    value: Plain
    low: Plain
    high: Plain
    """The range over the runs; of options the commonest, too."""
    share: float
    """How many of the runs have it at that option; 1 for numbers."""


@dataclass(frozen=True)
class Drift:
    """How far the best value of a parameter that all studies have lies apart."""

    name: str
    optima: Mapping[str, Optimum]
    """By study; without those whose best trials do not have it."""
    shift: float
    """From 0, at the same place, to 1, at opposite ends of the range (on a log scale where it is one), or in options
    without overlap."""
    spread: float | None
    """The same among the runs of one study, the largest; None where no study has several."""


def drifts(runs: Mapping[str, Sequence[History]], objective: int | str) -> tuple[Drift, ...]:
    """The parameters that all runs have, the largest shift first; `runs` by study."""
    spaces = [one.problem.space.parameters for each in runs.values() for one in each]
    names = [name for name in spaces[0] if all(name in space for space in spaces)]
    best = {label: [t for one in each if (t := _best(one, objective)) is not None] for label, each in runs.items()}
    found = []
    for name in names:
        plains = {label: [t[name] for t in trials if name in t] for label, trials in best.items()}
        plains = {label: values for label, values in plains.items() if values}
        if len(plains) > 1:
            found.append(_drift(name, [space[name] for space in spaces], plains))
    return tuple(sorted(found, key=lambda drift: -drift.shift))


def _best(history: History, objective: int | str) -> Mapping[str, Plain] | None:
    known = np.flatnonzero(candidates(history))
    if not len(known):
        return None
    return history[int(known[np.argmin(history.values[known, place(history.problem, objective)])])].params


def _drift(name: str, parameters: list[Parameter], plains: Mapping[str, list[Any]]) -> Drift:
    if all(isinstance(parameter, Number) for parameter in parameters):
        return _of_numbers(name, _scale(parameters), plains)
    return _of_options(name, plains)


def _of_numbers(name: str, unit: Callable[[Any], float], plains: Mapping[str, list[Any]]) -> Drift:
    ordered = {label: sorted(values) for label, values in plains.items()}
    optima = {label: Optimum(values[len(values) // 2], values[0], values[-1], 1.0) for label, values in ordered.items()}
    at = [unit(optimum.value) for optimum in optima.values()]
    spreads = (unit(values[-1]) - unit(values[0]) for values in ordered.values() if len(values) > 1)
    return Drift(name, optima, max(at) - min(at), max(spreads, default=None))


def _of_options(name: str, plains: Mapping[str, list[Any]]) -> Drift:
    shares = {label: {repr(v): values.count(v) / len(values) for v in values} for label, values in plains.items()}
    commonest = {label: max(values, key=values.count) for label, values in plains.items()}
    optima = {label: Optimum(v, v, v, shares[label][repr(v)]) for label, v in commonest.items()}
    shift = max(_apart(one, other) for one, other in combinations(shares.values(), 2))
    spreads = (1.0 - optima[label].share for label, values in plains.items() if len(values) > 1)
    return Drift(name, optima, shift, max(spreads, default=None))


def _scale(parameters: Sequence[Any]) -> Callable[[Any], float]:
    """The place of a number in the range that all of the parameters span, from 0 to 1; on a log scale where all are."""
    is_log = all(parameter.log for parameter in parameters)
    low, high = min(p.low for p in parameters), max(p.high for p in parameters)
    if is_log:
        low, high = math.log(low), math.log(high)
    return lambda value: ((math.log(value) if is_log else value) - low) / (high - low) if high > low else 0.0


def _apart(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Half the sum of differences of shares: 0 for equal ones, 1 where no option is in both."""
    return sum(abs(one.get(option, 0.0) - other.get(option, 0.0)) for option in {*one, *other}) / 2.0
