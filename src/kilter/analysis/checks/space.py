"""Whether the space fits: best at a bound, configurations that were tried again, parameters that do not matter."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from kilter.analysis.beliefs import believed
from kilter.analysis.finding import ACT, LOOK, NAME, Finding, Subject, times
from kilter.core.events import RETRIES, TrialState
from kilter.core.numbers import Number
from kilter.core.options import Ordinal
from kilter.core.parameter import Parameter
from kilter.core.text import one_line
from kilter.models.gp import Posterior

EDGE = 0.02
"""A value so near to a bound, as a share of the range on its own scale, is at it."""
GROUP = (5, 20)
"""The best tenth of the trials is looked at, at least and at most so many of them."""
PART = 0.5
"""Of these at least so many have to be at the bound, the best one among them, ..."""
SURE = 1e-3
"""... which has to be less likely than this if they lay anywhere in the range."""
WITHIN = 0.1
"""How far within its results are compared with those at a bound, as a share of the range, ..."""
DOUBT = 1.645
"""... which have to be better by so many standard deviations of the surrogate: 5 % if they were not."""
DECADE = 10.0
"""A log scale is widened by a third of what it spans, but by no more than this factor; another one by a half."""
LARGEST = 1e150
"""Values beyond have no square."""
STEADY = 1e-4
"""Of the signal's variance: so much noise at least lets many equal points be solved for."""
SHOWN = 5
"""Trials that a finding names."""


def bounds(subject: Subject) -> Iterator[Finding]:
    """Parameters of which several of the best trials lie at one bound, though the model does not speak against it."""
    count = min(max(len(subject.best) // 10, GROUP[0]), GROUP[1])
    top = subject.best[:count]
    if len(subject.best) < 2 * GROUP[0]:
        return
    space, units = subject.history.problem.space, subject.history.matrix[top]
    for column, (name, parameter) in enumerate(space.parameters.items()):
        if name in space.declared and isinstance(parameter, (Number, Ordinal)) and parameter.size > 2:
            for is_upper in (False, True):
                near, active = _at_bound(parameter, units[:, column], is_upper)
                if near.any() and _improves(subject, column, top[near], is_upper):
                    yield _bound(subject, name, parameter, top[near], active, is_upper)


def _at_bound(parameter: Parameter, units: np.ndarray, is_upper: bool) -> tuple[np.ndarray, int]:
    """Which of the best, whose places (k,) these are, lie at this bound, and how many have a place.

    None where these are few, or as many as chance brings there.
    """
    active = ~np.isnan(units)
    near = active & (np.abs(units - parameter.unit(_ends(parameter)[is_upper])) <= EDGE)
    k, n, mass = int(near.sum()), int(active.sum()), max(EDGE, 1.0 / parameter.size)
    if n < GROUP[0] or not near[0] or k < PART * n or _tail(k, n, mass) >= SURE:
        return np.zeros(len(units), dtype=bool), n
    return near, n


def _improves(subject: Subject, column: int, numbers: np.ndarray, is_upper: bool) -> bool:
    """Whether these trials are better at the bound than they would be a little within, as the surrogate has it.

    Samplers like corners where results are noisy: that many trials are there is no sign that it is good there. Of
    several objectives nobody can say so, since a front reaches to bounds.
    """
    if not subject.is_single:
        return True
    model = believed(subject.history, 0, subject.seed)
    space, encoding = subject.history.problem.space, model.encoding
    parameter = space.parameters[space.names[column]]
    step = max(WITHIN, 1.0 / parameter.size)
    end = parameter.unit(_ends(parameter)[is_upper])
    moved = np.repeat(encoding.points(subject.history.matrix[numbers])[None], 2, axis=0)
    moved[:, :, column] = [[end], [end - step if is_upper else end + step]]
    features = np.array([encoding.features(encoding.canonical(encoding.snapped(points))) for points in moved])
    gain, deviation = _difference(model.belief.posterior, features)
    return gain > DOUBT * deviation


def _difference(posterior: Posterior, features: np.ndarray) -> tuple[float, float]:
    """The belief on the mean over the second of two sets of points, (2, b, p), less that over the first.

    Where a search has come to a bound, many trials are at one point, and what the posterior has inverted of their
    covariance has lost all digits: so it is solved here with a little more noise.
    """
    b, known = features.shape[1], posterior.features
    noise = max(posterior.noise, STEADY * posterior.signal)
    weights = np.repeat([-1.0, 1.0], b) / b
    points = features.reshape(2 * b, -1)
    cross = weights @ posterior.covariance(points, known)
    covariance = posterior.covariance(known, known) + noise * np.eye(len(known))
    mean, shrunk = np.linalg.solve(covariance, np.column_stack([posterior.y, cross])).T @ cross
    variance = weights @ posterior.covariance(points, points) @ weights - shrunk
    return float(mean), math.sqrt(max(float(variance), 0.0))


def _bound(subject: Subject, name: str, parameter: Parameter, numbers: np.ndarray, of: int, is_upper: bool) -> Finding:
    bound = _ends(parameter)[is_upper]
    side, label = "upper" if is_upper else "lower", one_line(name, NAME)
    wider, can = _wider(parameter, is_upper)
    return Finding(
        "bound",
        ACT if can and subject.is_single else LOOK,
        f"The best {label} is at its {side} bound, {_shown(bound)}: so are {len(numbers)} of the {of} best trials.",
        wider.format(label),
        {"bound": bound, "side": side, "at_bound": len(numbers), "of": of},
        (name,),
        tuple(numbers[:SHOWN].tolist()),
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
    low, high, new = parameter.low, parameter.high, _beyond(parameter, is_upper)
    # Zero and one are often the ends of what makes sense: no rate is below the one, no share above the other.
    is_natural = (not is_upper and low >= 0 > new) or (is_upper and high == 1 and low >= 0)
    if is_natural or low <= new <= high or not math.isfinite(new):
        return f"Widen {{}} beyond {_shown(high if is_upper else low)}, if such values make sense.", False
    return f"Widen {{}} to {_shown(new)}: the optimum may lie beyond.", True


def _beyond(parameter: Number, is_upper: bool) -> float:
    """A bound further out, in two digits where these are further out, too."""
    low, high = parameter.low, parameter.high
    if parameter.log:
        factor = min(max((high / low) ** (1 / 3), 2.0), DECADE)
        new = high * factor if is_upper else low / factor
    else:
        new = high + (high - low) / 2 if is_upper else low - (high - low) / 2
    rounded = float(f"{new:.2g}")
    new = rounded if (rounded > high if is_upper else rounded < low) else new
    if not isinstance(low, int) or not math.isfinite(new):
        return new
    whole = math.ceil(new) if is_upper else math.floor(new)
    return max(whole, 1) if parameter.log else whole


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else one_line(value, NAME)


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
    """Numbers of the trials of each configuration that was tried more than once.

    Retries and forks do not count, nor what was stopped: to let that go further is no repetition.
    """
    if not len(subject.history.problem.space):
        return []
    matrix, groups = subject.history.matrix, dict[bytes, list[int]]()
    for trial in subject.history:
        is_asked_for = not trial.judged or trial.parent is not None or RETRIES in trial.attrs or trial.forgiven
        if trial.attempt and not is_asked_for and trial.state is not TrialState.PRUNED:
            groups.setdefault(matrix[trial.number].tobytes(), []).append(trial.number)
    return [group for group in groups.values() if len(group) > 1]


def repeat_noise(subject: Subject) -> tuple[float, int] | None:
    """Standard deviation of the first objective at configurations that were repeated, and its degrees of freedom."""
    history, squares, freedom = subject.history, 0.0, 0
    for group in repeated(subject):
        values = history.values[[n for n in group if history[n].state is TrialState.COMPLETE], 0]
        values = values[np.abs(values) < LARGEST]
        if len(values) > 1:
            squares, freedom = squares + float(((values - values.mean()) ** 2).sum()), freedom + len(values) - 1
    return (math.sqrt(squares / freedom), freedom) if freedom else None


CHECKS = (bounds, duplicates)
