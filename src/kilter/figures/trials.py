"""What figures of trials share: by which value a trial is drawn, which trials are, and what a state looks like."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from kilter.core.declared import expanded
from kilter.core.errors import InvalidInput, UnknownName
from kilter.core.events import TrialState
from kilter.core.history import History, Record
from kilter.core.parameter import Parameter
from kilter.core.seeds import rng
from kilter.figures import theme
from kilter.figures.axes import name_of, of_values, positions
from kilter.figures.figure import Axis, Points, Scale, clipped

MOST = 5_000
"""So many trials a figure draws at most: the best and a sample of the others. It says so."""
BEST = 1_000
"""How many of the best are among them."""


@dataclass(frozen=True)
class Target:
    """What trials are drawn by: a value for each, NaN where it has none, in the user's unit."""

    name: str
    values: np.ndarray
    """Shape (n,), by trial number."""
    good: str | None
    """Which end is the better one, low or high; None where nobody said."""
    objective: int | None = None
    """The place of the objective that it is; None for anything else."""

    def of(self, trial: Record) -> float:
        """What a trial is drawn by, smaller is better: the same, for an analysis that asks trial by trial."""
        return float(self.losses[trial.number])

    @property
    def losses(self) -> np.ndarray:
        """The values, smaller is better, shape (n,); where nobody said as they are."""
        return -self.values if self.good == "high" else self.values

    def scale_of(self, numbers: np.ndarray) -> Scale:
        """Colours for the values of these trials: those that are far off have the colour of the end."""
        axis = of_values(self.name, self.values[numbers])
        low, high = self.values_within(axis, numbers)
        return Scale(self.name, low, high, self.good or "low", axis.scale == "log")

    def values_within(self, axis: Axis, numbers: np.ndarray) -> tuple[float, float]:
        """The smallest and largest value of these trials on an axis; the ends of the axis where there is none."""
        values = self.values[numbers]
        inside = values[(values >= axis.low) & (values <= axis.high)]
        return (float(inside.min()), float(inside.max())) if len(inside) else (axis.low, axis.high)


def objective(history: History, index: int = 0) -> Target:
    """The values of an objective; of trials that ended without one NaN."""
    chosen = history.problem.objectives[index]
    good = "low" if chosen.direction == "minimize" else "high"
    return Target(name_of(chosen.name), chosen.sign * history.values[:, index], good, index)


def parameters(history: History, names: Sequence[str] | None) -> dict[str, Parameter]:
    """The parameters of these names, all of them for None, compounds as their parts; raises UnknownName."""
    space = history.problem.space
    if names is None:
        return dict(space.parameters)
    if isinstance(names, str):
        raise InvalidInput(f"params={names!r}: give a list, as in params=[{names!r}]")
    for name in names:
        if name not in space:
            raise UnknownName.of("parameter", name, space.declared)
    return expanded({name: space[name] for name in names})


def complete(history: History, target: Target) -> np.ndarray:
    """The numbers of complete trials with a finite value."""
    is_complete = history.states == TrialState.COMPLETE
    return np.flatnonzero(is_complete & np.isfinite(target.values))


def thinned(numbers: np.ndarray, target: Target, most: int = MOST) -> np.ndarray:
    """At most so many of the numbers, in order: the best of them and a sample of the others."""
    if len(numbers) <= most:
        return numbers
    ranked = numbers[np.argsort(target.losses[numbers], kind="stable")]
    best = min(BEST, most // 2)
    others = rng(0, "thinned", len(numbers)).choice(ranked[best:], most - best, replace=False)
    return np.sort(np.concatenate([ranked[:best], others]))


def thinned_note(drawn: int, of: int) -> str:
    """That not all trials are drawn, where that is so."""
    return f"{drawn:,} of {of:,} trials drawn" if drawn < of else ""


def note(parts: Iterable[str]) -> str:
    """What there is to say of a panel, in one line."""
    return " · ".join(part for part in parts if part)


def outliers(count: int) -> str:
    """How many values are beyond the edge."""
    return f"{count:,} outlier{'s' * (count > 1)} at the edge" if count else ""


def column(history: History, name: str, parameter: Parameter, numbers: np.ndarray) -> np.ndarray:
    """Where the values of a parameter lie on its axis, shape (k,) for these trials; NaN where it is not active."""
    return positions(parameter, [history[number].params.get(name) for number in numbers.tolist()])


def by_state(
    history: History, numbers: np.ndarray, x: np.ndarray, y: np.ndarray, axes: tuple[Axis, Axis]
) -> list[Points]:
    """Trials as points at x and y, both of shape (n,) by number: a shape and colour for each state."""
    states, violations = history.states[numbers], history.violations[numbers]
    is_infeasible = (states == TrialState.COMPLETE) & (violations > 0)
    kinds = [("infeasible", "ring", is_infeasible)]
    kinds += [
        (theme.WORDS[state], theme.SHAPES[state], (states == state) & ~is_infeasible)
        for state in (TrialState.RUNNING, TrialState.PAUSED, TrialState.PRUNED, TrialState.COMPLETE)
    ]
    marks: list[Points] = []
    for word, shape, chosen in kinds:
        which = numbers[chosen]
        if len(which):
            points = Points(x[which], y[which], word, shape, word, numbers=which, opacity=0.8)
            marks += clipped(points, *axes)
    return marks


def foremost(history: History, target: Target, most: int = 4) -> dict[str, Parameter]:
    """The parameters that matter most, so many at most; of compounds their parts."""
    every = parameters(history, None)
    if len(every) <= most:
        return every
    from kilter.analysis.importance import importance  # loads SciPy

    of = None if target.objective is not None else target.of
    shares = importance(history, target.objective, target=of).shares
    return dict(list(parameters(history, [share.parameter for share in shares]).items())[:most])
