"""Optuna's plots by their arguments, as descriptions of figures, which either backend draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kilter.core.errors import InvalidInput
from kilter.core.events import TrialState
from kilter.core.history import History
from kilter.figures.axes import name_of
from kilter.figures.curves import curves
from kilter.figures.edf import edf as edf_of
from kilter.figures.figure import Figure
from kilter.figures.history import histories, history
from kilter.figures.hypervolume import hypervolume
from kilter.figures.pairs import contour as contour_of
from kilter.figures.pairs import ranks
from kilter.figures.parallel import parallel
from kilter.figures.pareto import pareto
from kilter.figures.slice import slices
from kilter.figures.timeline import timeline as timeline_of
from kilter.figures.trials import Target, complete, objective
from kilter.frozen import FrozenTrial

if TYPE_CHECKING:
    from kilter.api import StudyView

VALUE = "Objective Value"
"""Optuna's name of a value; where nobody gave another one, the objective's own is shown."""

Value = Callable[[FrozenTrial], float]


def optimization_history(
    study: StudyView | Sequence[StudyView],
    *,
    target: Value | None = None,
    target_name: str = VALUE,
    error_bar: bool = False,
) -> Figure:
    """The value of each trial by its number, and the best so far; of several studies a colour each.

    `target` says what a trial counts by, where that is not its value; with `error_bar` several studies are drawn as
    mean and deviation. Raises InvalidInput for several objectives without a target.
    """
    found = _studies(study, target, target_name)
    if len(found) == 1 and not error_bar:
        return history(found[0][1], found[0][2])
    return histories(found, error_bar)


def param_importances(
    study: StudyView,
    evaluator: Any = None,
    params: list[str] | None = None,
    *,
    target: Value | None = None,
    target_name: str = VALUE,
) -> Figure:
    """The share of the variance that each parameter explains on its own, of several objectives for each.

    Without an `evaluator` of kilter.importance there is an interval, too. Raises UnknownName for unknown parameters.
    """
    from kilter.figures.importance import Weights, importances, weights  # loads SciPy

    read = _history(study)
    places = range(len(study.directions))
    targets = (
        [_target(study, target, target_name)] if target or len(places) == 1 else [objective(read, i) for i in places]
    )
    if evaluator is None:
        found = weights(read, targets, params, seed=study.seed)
    else:
        shares = (evaluator.evaluate(study, params, target=_value(one)) for one in targets)
        found = [Weights(one.name, share, {}, type(evaluator).__name__) for one, share in zip(targets, shares)]
    return importances(found, len(complete(read, targets[0])))


def _value(target: Target) -> Value:
    """A target as an evaluator asks for it, smaller is better."""
    return lambda trial: float(target.losses[trial.number])


def parallel_coordinate(
    study: StudyView, params: list[str] | None = None, *, target: Value | None = None, target_name: str = VALUE
) -> Figure:
    """A line for each trial across its values and its parameters; below an axis where a parameter is not active."""
    targets = () if target is None else (_target(study, target, target_name),)
    return parallel(_history(study), params, targets)


def slice(  # noqa: A001 - as in Optuna
    study: StudyView, params: list[str] | None = None, *, target: Value | None = None, target_name: str = VALUE
) -> Figure:
    """A panel for each parameter with the values of the trials in which it is active."""
    return slices(_history(study), params, _target(study, target, target_name))


def contour(
    study: StudyView, params: list[str] | None = None, *, target: Value | None = None, target_name: str = VALUE
) -> Figure:
    """Each pair of parameters, over the mean of the values around; without names the four that matter most."""
    return contour_of(_history(study), params, _target(study, target, target_name))


def rank(
    study: StudyView, params: list[str] | None = None, *, target: Value | None = None, target_name: str = VALUE
) -> Figure:
    """Each pair of parameters, coloured by the share of trials that are better; without names the four foremost."""
    return ranks(_history(study), params, _target(study, target, target_name))


def edf(study: StudyView | Sequence[StudyView], *, target: Value | None = None, target_name: str = VALUE) -> Figure:
    """The share of complete trials of each study with a value up to x."""
    return edf_of(_studies(study, target, target_name))


def intermediate_values(study: StudyView) -> Figure:
    """What trials reported by step: bands of all, and the best ones."""
    return curves(_history(study))


def pareto_front(
    study: StudyView,
    *,
    target_names: list[str] | None = None,
    include_dominated_trials: bool = True,
    constraints_func: Callable[[FrozenTrial], Sequence[float]] | None = None,
    targets: Callable[[FrozenTrial], Sequence[float]] | None = None,
) -> Figure:
    """Each pair of objectives with the front among all trials, and its knee.

    `targets` says what is drawn instead of the objectives; `constraints_func` which trials are infeasible, by a number
    above 0. Raises InvalidInput for a single objective without targets, and for names of another count.
    """
    read = _history(study)
    drawn = _drawn(study, read, targets)
    if target_names is not None:
        if len(target_names) != len(drawn):
            raise InvalidInput(f"target_names={target_names!r}: give {len(drawn)} names")
        drawn = [replace(each, name=name_of(name)) for each, name in zip(drawn, target_names)]
    violations = None
    if constraints_func is not None:
        missed = [
            sum(max(c, 0.0) for c in constraints_func(trial)) if _is_done(trial) else np.nan for trial in study.trials
        ]
        violations = np.array(missed, dtype=float)
    return pareto(read, drawn, include_dominated_trials, violations)


def timeline(study: StudyView, n_recent_trials: int | None = None) -> Figure:
    """Which worker ran which trial when; raises InvalidInput for no trials or fewer."""
    import time

    if n_recent_trials is not None and n_recent_trials <= 0:
        raise InvalidInput(f"n_recent_trials={n_recent_trials!r}: give a whole number above 0, or None for all")
    return timeline_of(_history(study), time.time(), n_recent_trials)


def hypervolume_history(study: StudyView, reference_point: Sequence[float]) -> Figure:
    """How the volume that the front dominates grew, from a point in the objectives' own units.

    Raises InvalidInput for a single objective, and where the point has not a number for each.
    """
    if len(study.directions) < 2:
        raise InvalidInput("this study has one objective: a volume needs two or more")
    return hypervolume(_history(study), reference_point)


def terminator_improvement(
    study: StudyView,
    plot_error: bool = False,
    improvement_evaluator: Any = None,
    error_evaluator: Any = None,
    min_n_trials: int = 20,
) -> Figure:
    """The gain that the next hour was expected to bring, by `study.expected_gain`; with `plot_error` beside the noise.

    With a BestValueStagnationEvaluator how many trials are left without a better one; a StaticErrorEvaluator draws its
    constant instead of the noise. Trials before `min_n_trials` are rings. Raises InvalidInput for several objectives.
    """
    from kilter.figures.improvement import improvement, stagnation  # loads SciPy

    if len(study.directions) > 1:
        raise InvalidInput("this study has several objectives: what it may gain is not known")
    read, patience = _history(study), getattr(improvement_evaluator, "max_stagnation_trials", None)
    if patience is not None:
        return stagnation(read, patience)
    return improvement(read, study.seed, plot_error, getattr(error_evaluator, "constant", None), min_n_trials)


def _history(study: StudyView) -> History:
    """The history with what others wrote since."""
    study.get_trials(states=())
    return study.history


def _is_done(trial: FrozenTrial) -> bool:
    return trial.state is TrialState.COMPLETE


def _target(study: StudyView, target: Value | None, name: str) -> Target:
    read = _history(study)
    if target is not None:
        values = [float(target(trial)) if _is_done(trial) else np.nan for trial in study.trials]
        return Target(name_of(name), np.array(values, dtype=float), None)
    if len(study.directions) > 1:
        raise InvalidInput("this study has several objectives: say which, target=lambda trial: trial.values[0]")
    found = objective(read)
    return found if name == VALUE else replace(found, name=name_of(name))


def _studies(
    study: StudyView | Sequence[StudyView], target: Value | None, name: str
) -> list[tuple[str, History, Target]]:
    listed: Sequence[StudyView] = study if isinstance(study, Sequence) else [study]
    return [(each.study_name, _history(each), _target(each, target, name)) for each in listed]


def _drawn(study: StudyView, read: History, targets: Callable[[FrozenTrial], Sequence[float]] | None) -> list[Target]:
    """What a trade-off is drawn by: the objectives, or what `targets` says of each complete trial."""
    if targets is None:
        if len(study.directions) < 2:
            raise InvalidInput("this study has one objective: a front needs two, or say targets=lambda trial: (…, …)")
        return [objective(read, place) for place in range(len(study.directions))]
    rows = [list(targets(trial)) if _is_done(trial) else None for trial in study.trials]
    width = max((len(row) for row in rows if row is not None), default=2)
    table = np.array([row or [np.nan] * width for row in rows], dtype=float).reshape(-1, width)
    return [Target(f"Objective {place}", column, None) for place, column in enumerate(table.T)]
