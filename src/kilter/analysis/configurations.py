"""The configurations of a study, each with all that was measured of it: by the trial that tried it, and by repeats."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kilter.analysis.design import Name
from kilter.core.attributes import DEFAULT
from kilter.core.events import TrialState
from kilter.core.history import History, Record
from kilter.core.parameter import Plain


@dataclass(frozen=True, eq=False)
class Configuration:
    """One configuration. Losses are smaller where they are better, whichever the direction of the study."""

    number: int
    """The first trial that completed it."""
    trials: tuple[int, ...]
    """All trials that completed it, in their order."""
    params: Mapping[str, Plain]
    losses: np.ndarray
    """(len(trials),), the value of each trial as a loss."""
    parts: Mapping[Name, float]
    """The loss on each part, a fold, a seed or a data set, that was reported of it; the latest counts."""
    is_default: bool
    """Whether it is what there would be without tuning."""


def configurations(history: History) -> list[Configuration]:
    """Of all complete, feasible trials with finite values of a study with one objective, in order of their numbers."""
    return _grouped(
        history,
        (t for t in history if t.state is TrialState.COMPLETE and history.is_candidate(t.number)),
    )


def stopped(history: History) -> list[Configuration]:
    """Of all trials that were stopped early after some parts: what these say of configurations that are none to choose.

    Those that another trial has completed are left out. Losses of the trials say nothing.
    """
    complete = {_key(each.params) for each in configurations(history)}
    early = (t for t in history if t.state is TrialState.PRUNED and _key(t.params) not in complete)
    return [each for each in _grouped(history, early) if each.parts]


def _key(params: Mapping[str, Plain]) -> tuple[tuple[str, Plain], ...]:
    return tuple(sorted(params.items()))


def _grouped(history: History, trials: Iterable[Record]) -> list[Configuration]:
    """One configuration for all trials with the same params."""
    objective = history.problem.objectives[0]
    groups: dict[tuple[tuple[str, Plain], ...], list[Record]] = {}
    for trial in trials:
        groups.setdefault(_key(trial.params), []).append(trial)
    default = default_of(history)
    return [
        Configuration(
            same[0].number,
            tuple(trial.number for trial in same),
            same[0].params,
            history.values[[trial.number for trial in same], 0].copy(),
            {
                part: objective.sign * score
                for trial in same
                for part, score in history.reports.folds(trial.number, objective.name).items()
            },
            default is not None and default.params == same[0].params,
        )
        for same in groups.values()
    ]


def default_of(history: History) -> Record | None:
    """The trial of the default configuration: the one that says so, else the first one with the space's defaults.

    None where none was tried, and where the space declares no defaults.
    """
    marked = [trial for trial in history if trial.attrs.get(DEFAULT) is True]
    if marked:
        return marked[0]
    space = history.problem.space
    if not space.defaults:
        return None
    config = space.with_defaults({})
    return next((trial for trial in history if trial.params == config), None)


def on_parts(found: Sequence[Configuration], names: Sequence[Name]) -> np.ndarray:
    """Losses of configurations (c) on parts (p), as a matrix (c, p); NaN where one was not scored."""
    return np.array([[each.parts.get(name, np.nan) for name in names] for each in found]).reshape(
        len(found), len(names)
    )
