"""A problem to race on: what a sampler sees of it, what an evaluation yields, and how good is good.

values     {name: Python value} of the active parameters, as an objective receives them
metrics    {name: float}, objectives and constrained metrics
best       the optimum's value in the objective's own direction; of several objectives, the front's hypervolume
typical    what ten random draws reach: the median of their best
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from kilter.core.errors import InvalidInput
from kilter.core.problem import Problem
from kilter.core.seeds import rng

Values = Mapping[str, Any]
Metrics = Mapping[str, float]

DRAWS = 10
"""Random configurations of which `typical` takes the best: what anybody gets without a method."""
REPEATS = 101
"""Sets of draws whose median is `typical`; its standard error is then a tenth of their spread. Odd, so one of them."""
ATTEMPTS = 1000
"""Draws in search of a feasible configuration before the worst there is stands for it."""


@dataclass(frozen=True)
class BenchProblem:
    """A problem with its function; wrappers make others of it.

    `function` gives the metrics without noise; `observe`, where given, is one evaluation with all that can happen to
    it: noise, NaN, an exception. With several objectives `reference` bounds the hypervolume (one number an objective,
    smaller is better: that of a maximised one is negated), and `optimum` holds the parameters that are alike on all of
    the front. `cost` is how many simulated seconds an evaluation takes.

    >>> from kilter.bench.problems import PROBLEMS
    >>> branin = PROBLEMS["branin"]()
    >>> round(branin.noiseless({"x1": 9.424778, "x2": 2.475})["value"], 6), round(branin.best, 6)
    (0.397887, 0.397887)
    """

    name: str
    problem: Problem
    function: Callable[[Values], Metrics]
    best: float | None = None
    optimum: Values | None = None
    reference: tuple[float, ...] | None = None
    observe: Callable[[Values, np.random.Generator], Metrics] | None = None
    cost: Callable[[Values], float] | None = None
    tags: frozenset[str] = field(default_factory=frozenset)

    @property
    def is_noisy(self) -> bool:
        """Whether two evaluations of one configuration differ."""
        return "noisy" in self.tags

    def noiseless(self, values: Values) -> dict[str, float]:
        """The metrics that the configuration is scored by."""
        return dict(self.function(values))

    def evaluate(self, values: Values, rng: np.random.Generator) -> dict[str, float]:
        """The metrics that a sampler gets to see; may be NaN or raise where the problem can fail."""
        return dict(self.observe(values, rng)) if self.observe is not None else self.noiseless(values)

    def seconds(self, values: Values) -> float:
        """Simulated seconds of an evaluation; 1 where the problem does not say."""
        return 1.0 if self.cost is None else float(self.cost(values))

    @cached_property
    def typical(self) -> float | None:
        """What ten random draws reach: of `REPEATS` sets the median; feasible ones where there are constraints.

        In the objective's own direction; with several objectives a hypervolume. None where that has no reference.
        """
        objectives = self.problem.objectives
        if len(objectives) > 1 and self.reference is None:
            return None
        stream = rng(0, "typical")
        points = np.array([[self._drawn(stream) for _ in range(DRAWS)] for _ in range(REPEATS)])
        if len(objectives) > 1:
            return float(np.median([hypervolume(front, self.reference or ()) for front in points]))
        return objectives[0].sign * float(np.median(points[:, :, 0].min(axis=1)))

    def _drawn(self, stream: np.random.Generator) -> np.ndarray:
        """The losses of a random feasible configuration."""
        space = self.problem.space
        for _ in range(ATTEMPTS):
            standing = self.problem.standing(self.noiseless(space.values(space.draw(stream))))
            if standing.is_feasible:
                return np.array(standing.losses)
        return np.full(len(self.problem.objectives), np.inf)


def hypervolume(points: np.ndarray, reference: Sequence[float]) -> float:
    """The volume that points (n, m) dominate below a reference (m,); 0 for none."""
    from kilter.models.hypervolume import hypervolume as volume

    return float(volume(np.asarray(points, dtype=float), np.asarray(reference, dtype=float))) if len(points) else 0.0


def own(name: str, problem: Problem, objective: Callable[..., Any]) -> BenchProblem:
    """A user's objective, called with the configuration as keywords; its optimum is not known.

    It returns what `kilter.tune` takes: a number, or {metric: number}. What it returns is what it is scored by, so a
    noisy objective flatters the samplers that try most.

    >>> from kilter import Float
    >>> from kilter.core.space import Space
    >>> own("square", Problem(Space({"x": Float(-1, 1)})), lambda x: x * x).noiseless({"x": 0.5})
    {'value': 0.25}
    """
    if not len(problem.space):
        raise InvalidInput(f"{name} has no parameters: declare a space, as a race asks before it evaluates")
    return BenchProblem(name, problem, Called(problem, objective), tags=frozenset({"own"}))


@dataclass(frozen=True)
class Called:
    """An objective as a function of its values."""

    problem: Problem
    objective: Callable[..., Any]

    def __call__(self, values: Values) -> dict[str, float]:
        return self.problem.metrics(self.objective(**values))
