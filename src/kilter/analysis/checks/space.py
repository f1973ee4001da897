"""Whether the space fits: best at a bound, configurations that were tried again, parameters that do not matter."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from kilter.analysis.finding import ACT, LOOK, NAME, Finding, Subject, times
from kilter.core.events import RETRIES, TrialState
from kilter.core.numbers import Number
from kilter.core.options import Ordinal
from kilter.core.parameter import Parameter
from kilter.core.text import one_line

EDGE = 0.02
"""A value so near to a bound, as a share of the range on its own scale, is at it."""
GROUP = (5, 20)
"""The best tenth of the trials is looked at, at least and at most so many of them."""
PART = 0.5
"""Of these at least so many have to be at the bound, the best one among them, ..."""
SURE = 1e-3
"""... which has to be less likely than this if they lay anywhere in the range."""
SHOWN = 5
"""Trials that a finding names."""


def bounds(subject: Subject) -> Iterator[Finding]:
    """Parameters of which several of the best trials lie at one bound."""
    count = min(max(len(subject.best) // 10, GROUP[0]), GROUP[1])
    top = subject.best[:count]
    if len(subject.best) < 2 * GROUP[0]:
        return
    space = subject.history.problem.space
    units = subject.history.matrix[top]
    for column, (name, parameter) in enumerate(space.parameters.items()):
        if name in space.declared and isinstance(parameter, (Number, Ordinal)) and parameter.size > 2:
            for is_upper in (False, True):
                yield from _at_bound(name, parameter, units[:, column], top, is_upper)


def _at_bound(name: str, parameter: Parameter, units: np.ndarray, top: np.ndarray, is_upper: bool) -> Iterator[Finding]:
    """A finding where several of the best, whose places (k,) these are, lie at this bound."""
    active = ~np.isnan(units)
    ends = [parameter.unit(p) for p in _ends(parameter)]
    end = ends[is_upper]
    width = max(EDGE, 0.0 if parameter.is_continuous else 1e-9)
    near = active & (np.abs(units - end) <= width)
    k, n = int(near.sum()), int(active.sum())
    mass = EDGE if parameter.size > 1 / EDGE else 1.0 / parameter.size
    if n < GROUP[0] or not near[0] or k < PART * n or _tail(k, n, mass) >= SURE:
        return
    bound = _ends(parameter)[is_upper]
    side, label, value = "upper" if is_upper else "lower", one_line(name, NAME), _shown(bound)
    wider, can = _wider(parameter, is_upper)
    yield Finding(
        "bound",
        ACT if can else LOOK,
        f"The best {label} is at its {side} bound, {value}: so are {k} of the {n} best trials.",
        wider.format(label),
        {"bound": bound, "side": side, "at_bound": k, "of": n},
        (name,),
        tuple(top[near][:SHOWN].tolist()),
    )


def _ends(parameter: Any) -> tuple[Any, Any]:
    return (
        (parameter.low, parameter.high)
        if isinstance(parameter, Number)
        else (parameter.labels[0], parameter.labels[-1])
    )


def _wider(parameter: Any, is_upper: bool) -> tuple[str, bool]:
    """What to do, with a place for the name, and whether the range can be thought wider."""
    if not isinstance(parameter, Number):
        return f"Add values {'after' if is_upper else 'before'} {_shown(_ends(parameter)[is_upper])} to {{}}.", True
    low, high = parameter.low, parameter.high
    if parameter.log:
        factor = max(math.sqrt(high / low), 2.0)
        new = high * factor if is_upper else low / factor
    else:
        new = high + (high - low) / 2 if is_upper else low - (high - low) / 2
    if isinstance(low, int):
        new = math.ceil(new) if is_upper else math.floor(new)
        new = max(new, 1) if parameter.log else new
    # Zero and one are often the ends of what makes sense: no rate is below the one, no share above the other.
    is_natural = (not is_upper and low >= 0 > new) or (is_upper and high == 1 and low >= 0) or new == low
    if is_natural:
        return f"Widen {{}} beyond {_shown(high if is_upper else low)}, if such values make sense.", False
    return f"Widen {{}} to {_shown(new)}: the optimum may lie beyond.", True


def _shown(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else one_line(value, NAME)


def _tail(k: int, n: int, p: float) -> float:
    """That k or more of n independent events of probability p happen."""
    return sum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k, n + 1))


def duplicates(subject: Subject) -> Iterator[Finding]:
    """Configurations that were tried more than once, though nobody asked for it."""
    groups = repeated(subject)
    again = sum(len(group) - 1 for group in groups)
    tried = sum(t.attempt > 0 for t in subject.history)
    size = subject.history.problem.space.size
    if again < 3 or again < 0.05 * tried:
        return
    largest = max(groups, key=len)
    exhausted = math.isfinite(size) and size <= 1.2 * (tried - again)
    why = f" The space has {size:.0f} configurations." if math.isfinite(size) and size < 10 * tried else ""
    yield Finding(
        "duplicates",
        ACT if exhausted else LOOK,
        f"{times(again, 'trial')} of {tried} repeat a configuration that was tried before.{why}",
        "Stop: there is nothing new to try."
        if exhausted
        else "If results are exact, let the sampler propose something new, or make the space finer; "
        "if they are noisy, repeats are worth their time only at the best.",
        {"repeats": again, "trials": tried, "share": again / tried, "size": size, "largest": len(largest)},
        (),
        tuple(largest[:SHOWN]),
    )


def repeated(subject: Subject) -> list[list[int]]:
    """Numbers of the trials of each configuration that was tried more than once; retries and forks do not count."""
    matrix, groups = subject.history.matrix, dict[bytes, list[int]]()
    for trial in subject.history:
        if (
            trial.attempt
            and trial.judged
            and trial.parent is None
            and RETRIES not in trial.attrs
            and not trial.forgiven
        ):
            groups.setdefault(matrix[trial.number].tobytes(), []).append(trial.number)
    return [group for group in groups.values() if len(group) > 1] if len(subject.history.problem.space) else []


def repeat_noise(subject: Subject) -> tuple[float, int] | None:
    """Standard deviation of the first objective at configurations that were repeated, and its degrees of freedom."""
    history, squares, freedom = subject.history, 0.0, 0
    for group in repeated(subject):
        values = history.values[[n for n in group if history[n].state is TrialState.COMPLETE], 0]
        values = values[np.isfinite(values)]
        if len(values) > 1:
            squares, freedom = squares + float(((values - values.mean()) ** 2).sum()), freedom + len(values) - 1
    return (math.sqrt(squares / freedom), freedom) if freedom else None


CHECKS = (bounds, duplicates)
