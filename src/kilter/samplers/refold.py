"""The state of another sampler, for one that asks it only now and then: told all that ended, as an engine would.

That the fold is kept between asks changes no answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kilter.core.history import History
from kilter.core.interfaces import Sampler


def refolded(sampler: Sampler, seed: int, history: History, skips: Callable[[int], bool] | None = None) -> Any:
    """The state after all trials that ended, had the space been what it is now from the start.

    Without those whose number `skips`; a history is always asked for with the same rule.
    """
    problem = history.problem
    known: list[tuple[int, Any]] = history.memo(("refolded", repr(sampler), seed), lambda _: [], given=problem.space)
    # Taken out while it changes: what is cut short is not used again, and another thread folds one of its own.
    count, state = known.pop() if known else (0, sampler.start(problem, seed))
    for number in history.finished[count:]:
        if history[number].invalid is None and (skips is None or not skips(number)):
            sampler.tell(state, history[number], problem)
    known[:] = [(len(history.finished), state)]
    return state
