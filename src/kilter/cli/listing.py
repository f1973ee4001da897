"""Trials as the columns of a table, and the order in which people want them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kilter.cli import show
from kilter.core.errors import UnknownName

if TYPE_CHECKING:
    from kilter.api import StudyView
    from kilter.frozen import FrozenTrial


def columns_of(study: StudyView, trials: Sequence[FrozenTrial]) -> list[show.Column]:
    """Number, state, objectives, other metrics, parameters, duration, worker."""
    params = [trial.plain_params for trial in trials]
    objectives = study.problem.objective_names
    states = {trial.state for trial in trials}  # one that all share says little, so it may go
    others = list(dict.fromkeys(name for trial in trials for name in trial.metrics if name not in objectives))
    columns = [
        show.Column("trial", [str(trial.number) for trial in trials], 0, True),
        show.Column("state", [show.state(trial.state.name) for trial in trials], 2 if len(states) > 1 else 900),
    ]
    columns += [_metric(name, trials, 1) for name in objectives]
    for i, name in enumerate(study.space.declared):
        right = any(isinstance(p.get(name), (int, float)) and not isinstance(p.get(name), bool) for p in params)
        columns.append(
            show.Column(show.text(name), [show.option(p[name]) if name in p else "" for p in params], 4 + i, right)
        )
    columns += [_metric(name, trials, 1000 + i) for i, name in enumerate(others)]
    columns.append(show.Column("time", [show.span(show.seconds(trial)) for trial in trials], 901, True))
    columns.append(show.Column("worker", [show.text(trial.worker) for trial in trials], 902))
    return columns


def _metric(name: str, trials: Sequence[FrozenTrial], rank: int) -> show.Column:
    return show.Column(show.text(name), [show.text(trial.metrics.get(name)) for trial in trials], rank, True)


def ordered(study: StudyView, trials: Sequence[FrozenTrial], by: str) -> list[FrozenTrial]:
    """The trials by number, duration, value (best first), or any metric or parameter; those without it last.

    A column after a minus stands for the largest first.
    """
    objectives = {objective.name: objective for objective in study.problem.objectives}
    falls = by.startswith("-") and by not in study.space
    by = by[1:] if falls else by
    name = study.problem.objective_names[0] if by == "value" and by not in study.space else by
    known = {"number", "duration", "value", *objectives, *study.space.declared, *(n for t in trials for n in t.metrics)}
    if name not in known:
        raise UnknownName.of("column", by, known)

    def value(trial: FrozenTrial) -> Any:
        if name == "number":
            return trial.number
        if name == "duration":
            return show.seconds(trial)
        if name not in objectives:
            return trial.metrics.get(name, trial.plain_params.get(name))
        if trial.values is None:
            return None
        return trial.metrics[name] if falls else objectives[name].loss(trial.metrics)

    def place(trial: FrozenTrial) -> int:
        if _is_missing(value(trial)):
            return 3
        if name not in objectives:
            return 0
        return (trial.state.name != "COMPLETE") + (not trial.is_feasible)  # behind those that count

    return sorted(sorted(trials, key=lambda trial: _size(value(trial)), reverse=falls), key=place)


def _size(value: Any) -> tuple[Any, ...]:
    """What a value is sorted by: numbers before texts before lists, which are compared item by item."""
    if isinstance(value, list):
        return 0.0, "", tuple(map(_size, value))
    return (0.0, value, ()) if isinstance(value, str) else (0.0 if _is_missing(value) else float(value), "", ())


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
