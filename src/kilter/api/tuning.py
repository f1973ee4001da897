"""`tune`: the best configuration of an objective in one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kilter.api.arguments import DEFAULT_STORAGE, SpaceLike, as_space, at_once, check_functions
from kilter.api.studies import open_study
from kilter.api.study import Study
from kilter.core.errors import InvalidInput
from kilter.core.interfaces import Observer, Resources, Stopper, Storage
from kilter.core.problem import DEFAULT_METRIC, Fidelity, Problem
from kilter.core.space import Space
from kilter.core.vocabulary import answers_other_words
from kilter.engine.limits import MISTAKEN, Limits
from kilter.frozen import FrozenTrial
from kilter.objective.definitions import definition_of
from kilter.objective.signature import check_objective


@answers_other_words
def tune(
    objective: Callable[..., Any],
    space: SpaceLike = None,
    *,
    minimize: str | Sequence[str] | bool | None = None,
    maximize: str | Sequence[str] | bool | None = None,
    subject_to: Mapping[str, str] | None = None,
    n_trials: int | None = None,
    timeout: float | None = None,
    workers: int = 1,
    gpus_per_trial: float = 0,
    resources: Resources | None = None,
    fidelity: Fidelity | Sequence[Fidelity] | None = None,
    sampler: Any = None,
    scheduler: Any = None,
    seed: int | None = 0,
    study_name: str | None = None,
    storage: str | Storage | None = DEFAULT_STORAGE,
    target: float | None = None,
    patience: int | None = None,
    cost: float | None = None,
    steps: int | None = None,
    gain: float | None = None,
    stoppers: Sequence[Stopper] = (),
    progress: str = "auto",
    callbacks: Sequence[Callable[[Study, FrozenTrial], None]] = (),
    observers: Sequence[Observer] = (),
    if_changed: str = "fail",
) -> Study:
    """Find the best configuration of an objective; runs again where it was left off when it is called again.

    `minimize` and `maximize` name metrics that the objective returns; without either the number that it returns is
    minimised, and with maximize=True it is maximised. More than one worker (-1 means one per core), a GPU or limits in
    `resources` run trials in processes of their own. Without a `space` the objective's annotations declare it, or the
    objective suggests it. The study's name is the objective's, unless one is given; those of lambdas, partials and
    objects end in characters that tell them apart.

    The study remembers what it is of: the objective's code, plain defaults and values that it reads, its space and
    metrics. The same goes on, and so does what only reads differently or never succeeded. Where anything else has
    changed, `if_changed` says what happens: "fail" raises StudyChanged, which names the difference; "continue" goes on
    with the old results; "new" begins another study beside it, whose name ends in -2 (or goes on with that).

    It ends at the first of these that is given and reached. Over all calls and workers: `n_trials`; `cost`, in seconds
    of trials; `steps`, the last step (epoch, say) that each trial reported, summed; `target`, a value of the first
    objective; `patience`, in finished trials without a better one; `gain`, where the next hour is expected to improve
    the only objective by less than this, or by less than the noise of the best result; `stoppers`, functions of
    (history, now) that return a reason or None. And `timeout` seconds of this call: the trials that run then are cut,
    and wait with their checkpoints for the next call to go on with them. Where only that ends the study the default
    sampler looks for improvement per second of a trial's duration. `observers` are told what happens, as trackers are.

    Raises StudyAborted where all trials of this call failed, after ten in a row that failed in the same way, and where
    the first two return what cannot be used: no number, or no metric of the name that was asked for.

    >>> from kilter import Choice
    >>> study = tune(lambda x: (x - 2) ** 2, {"x": Choice([0, 1, 2, 3, 4])}, n_trials=30, storage=None, progress="none")
    >>> study.best_params
    {'x': 2}
    """
    limits = Limits(n_trials, timeout, cost, steps, target, patience, gain, unusable=MISTAKEN)
    if not limits.are_given and not stoppers:
        raise InvalidInput(
            "tune() needs to know when to stop: give n_trials=, timeout=, cost=, steps=, target=, patience=, gain= "
            "or stoppers="
        )
    if sampler is None and timeout is not None and n_trials is None:
        from kilter.samplers.auto import AutoSampler

        sampler = AutoSampler(per_second=True)
    check_functions(callbacks=callbacks, observers=observers, stoppers=stoppers)
    asked, slots = resources or Resources(gpus=gpus_per_trial), at_once("workers", workers)
    directions, declared = _directions(minimize, maximize), as_space(space)
    if space is None and callable(objective):
        declared = _declared_space(objective) or declared
    problem = Problem.of(declared, None, directions, subject_to, fidelity)
    check_objective(objective, problem)  # before there is a study
    definition = definition_of(objective)
    study = open_study(
        definition,
        if_changed,
        n_trials,
        storage=storage,
        sampler=sampler,
        scheduler=scheduler,
        study_name=study_name or definition.name,
        directions=directions,
        space=declared,
        subject_to=subject_to,
        fidelity=fidelity,
        seed=seed,
    )
    if slots == 1 and asked == Resources():
        executor = study._threads(objective, 1)
    else:
        from kilter.executors.processes import Processes

        executor = Processes(slots, asked).start(objective, study.space)
    with study.observed(*observers):
        study.run(executor, limits, None, (BaseException,), callbacks, progress, stoppers, definition, "continue")
    study._check_success()
    return study


def _directions(
    minimize: str | Sequence[str] | bool | None, maximize: str | Sequence[str] | bool | None
) -> dict[str, str] | None:
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
