"""What samplers with a state of their own and a single objective share.

`tell` is not handed the problem, so the state remembers it as text. When the space has grown since, what was learnt is
folded anew from the history, in the space as it is now: a function of settings, seed, space and history alone. That the
fold is kept between asks changes no answer.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from kilter.core.events import TrialState
from kilter.core.history import History, Record
from kilter.core.interfaces import Sampler
from kilter.core.problem import Constraint, Problem
from kilter.core.space import Config, Space
from kilter.samplers.sobol import known_defaults

Key = list[float]
"""[violation, loss]: what trials are ranked by, smaller is better; [inf, inf] where there is nothing to learn."""


def problem_text(problem: Problem) -> str:
    """The problem as a state remembers it."""
    return json.dumps(problem.to_json())


@lru_cache(maxsize=16)
def problem_from(text: str) -> Problem:
    """The problem that `problem_text` wrote."""
    return Problem.from_json(json.loads(text))


def fits(space: Space, config: Config) -> bool:
    """Whether the space, which may be older than the configuration, knows all of its names and values."""
    return all(name in space and space[name].contains(value) for name, value in config.items())


def with_defaults(space: Space, config: Config) -> Config:
    """The defaults that were given, completed from a configuration."""
    return space.from_uniforms([0.5] * len(space), {**config, **known_defaults(space)})


def key_of(problem: Problem, trial: Record) -> Key:
    """What a trial is ranked by: how much it misses the constraints, then its loss.

    A pruned trial counts with its last value. A failed one, NaN and an infinite loss are worst.
    """
    objective = problem.objectives[0]
    loss = objective.sign * trial.metrics.get(objective.name, math.nan)
    if trial.state is TrialState.FAIL or math.isnan(loss) or loss == math.inf:
        return [math.inf, math.inf]
    return [sum((_excess(constraint, trial.metrics) for constraint in problem.constraints), 0.0), loss]


def _excess(constraint: Constraint, metrics: Mapping[str, float]) -> float:
    """By how much a constraint is missed, in units of its bound so that several can be added up."""
    over = constraint.beyond(metrics)
    return math.inf if math.isnan(over) else max(0.0, over) / (abs(constraint.bound) or 1.0)


def spread(keys: Sequence[Sequence[float]]) -> float:
    """Largest less smallest of the finite losses; 0 where there is none."""
    finite = [key[1] for key in keys if math.isfinite(key[1])]
    return min(max(finite) - min(finite), sys.float_info.max) if finite else 0.0


def refolded(sampler: Sampler, seed: int, history: History, skips: Callable[[int], bool] | None = None) -> Any:
    """The state after all trials that ended, had the space been what it is now from the start.

    Without those whose number `skips`; a history is always asked for with the same rule.
    """
    known: list[tuple[int, Any]] = history.memo((sampler, seed), lambda _: [], given=history.problem.space)
    # Taken out while it changes: what is cut short is not used again, and another thread folds one of its own.
    count, state = known.pop() if known else (0, sampler.start(history.problem, seed))
    for number in history.finished[count:]:
        if skips is None or not skips(number):
            sampler.tell(state, history[number])
    known[:] = [(len(history.finished), state)]
    return state
