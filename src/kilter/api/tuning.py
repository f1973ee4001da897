"""`tune`: the best configuration of an objective in one call."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kilter.api.arguments import (
    DEFAULT_STORAGE,
    SpaceLike,
    StudyOptions,
    as_space,
    check_functions,
    check_settings,
)
from kilter.api.evaluated import Evaluated
from kilter.api.running import executor_of
from kilter.api.studies import create_study, open_study
from kilter.api.study import Study
from kilter.core.errors import InvalidInput
from kilter.core.interfaces import Executor, Observer, Resources, Stopper
from kilter.core.limits import MISTAKEN, Limits
from kilter.core.problem import DEFAULT_METRIC, Problem
from kilter.core.space import Space
from kilter.core.vocabulary import answering
from kilter.frozen import FrozenTrial
from kilter.objective.definitions import definition_of
from kilter.objective.signature import check_objective

if TYPE_CHECKING:
    from typing_extensions import Unpack


DEFAULTS = {"storage": DEFAULT_STORAGE, "seed": 0}
"""Of what says which study it is, where they are not those of `create_study`."""

OPTIONS = {
    name: parameter.replace(default=DEFAULTS.get(name, parameter.default))
    for name, parameter in inspect.signature(create_study).parameters.items()
    if name in StudyOptions.__annotations__
}


@answering(OPTIONS)
def tune(
    objective: Callable[..., Any],
    space: SpaceLike = None,
    *,
    minimize: str | Sequence[str] | bool | None = None,
    maximize: str | Sequence[str] | bool | None = None,
    n_trials: int | None = None,
    timeout: float | None = None,
    limits: Limits | None = None,
    stoppers: Sequence[Stopper] = (),
    workers: int = 1,
    resources: Resources | None = None,
    executor: Executor | str | None = None,
    progress: str = "auto",
    callbacks: Sequence[Callable[[Study, FrozenTrial], None]] = (),
    observers: Sequence[Observer] = (),
    if_changed: str = "fail",
    **study: Unpack[StudyOptions],
) -> Study:
    """Find the best configuration of an objective; runs again where it was left off when it is called again.

    `minimize` and `maximize` name metrics that the objective returns; without either the number that it returns is
    minimised, and with maximize=True it is maximised. Without a `space` the objective's annotations declare it, or the
    objective suggests it. More than one of the `workers` (-1 means one per core), a GPU or limits in `resources` run
    trials in processes of their own. The `executor` is another place: a name, as "threads", for so many workers, or one
    with settings, as kilter.executors.Threads(4).

    All other arguments say what the study is, as those of `create_study`: `subject_to`, `fidelity`, `sampler`,
    `scheduler`, `seed`, which is 0, `storage`, which is sqlite:///kilter.db, `study_name`, `keep_checkpoints` and
    `checkpoints`. The name is the objective's, unless one is given; those of lambdas, partials and objects end in
    characters that tell them apart.

    The study remembers what it is of: the objective's code, plain defaults and values that it reads, its space and
    metrics. The same goes on, and so does what only reads differently or never succeeded. Where anything else has
    changed, `if_changed` says what happens: "fail" raises StudyChanged, which names the difference; "continue" goes on
    with the old results; "new" begins another study beside it, whose name ends in -2 (or goes on with that).

    It ends at the first of these that is reached: `n_trials`, over all calls and workers; `timeout` seconds of this
    call, after which the trials that run are cut, and wait with their checkpoints for the next call to go on with them;
    any of `limits`, as in kilter.Limits(target=0.01, patience=50); `stoppers`, functions of (history, now) that return
    a reason or None. Where only the timeout ends the study the default sampler looks for improvement per second of a
    trial's duration. `callbacks` are functions of (study, trial), called when a trial has ended; `observers` are told
    what happens, as trackers are.

    Raises StudyAborted where all trials of this call failed, after ten in a row that failed in the same way, and where
    the first two return what cannot be used: no number, or no metric of the name that was asked for.

    >>> from kilter import Choice
    >>> study = tune(lambda x: (x - 2) ** 2, {"x": Choice([0, 1, 2, 3, 4])}, n_trials=30, storage=None, progress="none")
    >>> study.best_params
    {'x': 2}
    """
    check_settings(Limits, limits=limits)
    check_settings(Resources, resources=resources)
    bounds = (limits or Limits()).with_(trials=n_trials, seconds=timeout)
    if not bounds.are_given and not stoppers:
        raise InvalidInput(
            "tune() needs to know when to stop: give n_trials=, timeout=, limits=kilter.Limits(…), which has cost=, "
            "steps=, target=, patience= and gain=, or stoppers="
        )
    if bounds.unusable is None:
        bounds = bounds.with_(unusable=MISTAKEN)
    check_functions(callbacks=callbacks, observers=observers, stoppers=stoppers)
    runs_on = executor_of(executor, workers, resources)
    directions, declared = directions_of(minimize, maximize), as_space(space)
    if directions is None and isinstance(objective, Evaluated):
        directions = objective.directions
    if space is None and callable(objective):
        declared = _declared_space(objective) or declared
    problem = Problem.of(declared, None, directions, study.pop("subject_to", None), study.pop("fidelity", None))
    untaken = check_objective(objective, problem)  # before there is a study
    definition = definition_of(objective)
    options: dict[str, Any] = {
        **DEFAULTS,
        **study,
        "study_name": study.get("study_name") or definition.name,
    }
    if options.get("sampler") is None and bounds.seconds is not None and bounds.trials is None:
        from kilter.samplers.auto import AutoSampler

        options["sampler"] = AutoSampler(per_second=True)
    made = open_study(definition, problem, if_changed, bounds.trials, **options)
    made._runner.tell_untaken(untaken)
    with made.observed(*observers):
        made.optimize(
            objective,
            callbacks=callbacks,
            progress=progress,
            limits=bounds,
            stoppers=stoppers,
            executor=runs_on,
            if_changed="continue",
        )
    made._check_success()
    return made


def directions_of(
    minimize: str | Sequence[str] | bool | None, maximize: str | Sequence[str] | bool | None
) -> Mapping[str, str] | None:
    """{metric: direction}; True stands for the only number that the objective returns."""
    named: dict[str, str] = {}
    for direction, metrics in (("minimize", minimize), ("maximize", maximize)):
        for metric in _metrics(direction, metrics):
            if metric in named:
                raise InvalidInput(f"the metric {metric!r} cannot be minimised and maximised at once")
            named[metric] = direction
    if True in (minimize, maximize) and len(named) > 1:
        raise InvalidInput("several objectives need names: minimize='loss', maximize=['accuracy', 'recall']")
    return named or None


def _metrics(direction: str, given: str | Sequence[str] | bool | None) -> Sequence[str]:
    if given is None or given is False:
        return ()
    if given is True:
        return (DEFAULT_METRIC,)
    metrics = [given] if isinstance(given, str) else given
    if not isinstance(metrics, (list, tuple)) or not all(isinstance(metric, str) for metric in metrics):
        raise InvalidInput(
            f"{direction}={given!r}: give the name of a metric that the objective returns, as in {direction}='loss', a "
            f"list of names, or {direction}=True for the number that it returns"
        )
    return metrics


def _declared_space(objective: Callable[..., Any]) -> Space | None:
    try:
        return Space.from_signature(objective)
    except InvalidInput:
        return None
