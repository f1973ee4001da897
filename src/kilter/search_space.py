"""The parameters that all trials share, for samplers that were written for Optuna."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kilter.core.events import TrialState
from kilter.core.parameter import Parameter
from kilter.frozen import FrozenTrial

if TYPE_CHECKING:
    from kilter.api import Study

__all__ = ["IntersectionSearchSpace", "intersection_search_space"]


def intersection_search_space(trials: Iterable[FrozenTrial], include_pruned: bool = False) -> dict[str, Parameter]:
    """The parameters that every complete trial has, by name; with `include_pruned` pruned trials count too.

    >>> from kilter import create_study
    >>> study = create_study(seed=0)
    >>> study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2, progress="none")
    >>> intersection_search_space(study.trials)
    {'x': Float(0.0, 1.0)}
    """
    states = {TrialState.COMPLETE, TrialState.PRUNED} if include_pruned else {TrialState.COMPLETE}
    spaces = [trial.distributions for trial in trials if trial.state in states]
    if not spaces:
        return {}
    shared = [name for name in spaces[0] if all(name in space for space in spaces)]
    return {name: spaces[-1][name] for name in sorted(shared)}


class IntersectionSearchSpace:
    """The same as an object with a method, as Optuna has it."""

    def __init__(self, include_pruned: bool = False) -> None:
        self._include_pruned = include_pruned

    def calculate(self, trials: Iterable[FrozenTrial] | Study) -> dict[str, Parameter]:
        """The parameters that every complete trial of a study, or of a list of trials, has."""
        given: Iterable[FrozenTrial] = getattr(trials, "trials", trials)  # type: ignore[arg-type]
        return intersection_search_space(given, self._include_pruned)


def __dir__() -> list[str]:
    return list(__all__)
