"""CatBoost: rounds as steps, and trainings that go on exactly where they were paused.

    def objective(trial):
        model = catboost.CatBoostClassifier(**trial.params, eval_metric="AUC", verbose=0)
        model.fit(train, eval_set=valid, callbacks=[TrialCallback(trial, "AUC")])
        return model.get_evals_result()["validation"]["AUC"][-1]

    kilter.tune(objective, kilter.spaces.catboost(), maximize="auc", scheduler="median", n_trials=100)

With the rounds as a fidelity `fit(…, **snapshot(trial))` goes on from where the attempt before has stopped.
`catboost.cv` takes no callbacks: train on the folds one by one, and report each with
`trial.report(score, fold=number)`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from kilter.core.errors import needed
from kilter.integrations.rounds import Rounds
from kilter.objective.trial import Trial

with needed("catboost", "kilter.integrations.catboost"):
    import catboost
    from catboost.core import is_maximizable_metric, is_minimizable_metric

SNAPSHOT = "catboost.snapshot"
"""CatBoost's own file in a trial's checkpoint directory."""


class TrialCallback:
    """Reports a score to the trial after every so many rounds, and ends the training where the scheduler says so.

    `metric` is a name as CatBoost prints it ("AUC", "Logloss"), `data` the name of a set that is scored ("validation",
    or "validation_0" and so on where there are several). They may be left out where one metric of one such set is
    scored; beside an `eval_metric` CatBoost scores the loss. It must be what the objective returns, or the two cannot
    be compared. Several metrics are reported as a dict, for objectives of those names. Rounds that a `metric_period`
    leaves out are not reported.

    The step is the number of rounds of this training; of those that began with a `snapshot`, of all together. A
    training that ends so returns as usual, and the trial counts by its last report whatever the objective returns.
    CatBoost keeps the rounds up to the best one by itself; give `use_best_model=False` to keep all.
    Of several trainings in one trial the first reports; once the trial leaves, the others end after a round.

    Raises InvalidInput, with the names that there are, for a metric or data set that is not scored or is one of
    several, and where CatBoost takes larger values of the metric for better but the study minimizes, or the reverse.
    CatBoost wraps it in an error of its own, which has that text in its message or its cause.

    >>> import kilter, catboost, numpy
    >>> rows = numpy.arange(200.0).reshape(100, 2) % 7
    >>> def objective(trial):
    ...     model = catboost.CatBoostRegressor(
    ...         iterations=20, thread_count=1, verbose=0, allow_writing_files=False, **trial.params
    ...     )
    ...     model.fit(rows[:70], rows[:70, 0], eval_set=(rows[70:], rows[70:, 0]), callbacks=[TrialCallback(trial)])
    ...     return model.get_evals_result()["validation"]["RMSE"][-1]
    >>> space = {"learning_rate": kilter.Float(0.01, 0.3, log=True)}
    >>> study = kilter.tune(objective, space, n_trials=2, scheduler="median", storage=None, progress="none")
    >>> study.trials[0].last_step
    20
    """

    def __init__(
        self, trial: Trial, metric: str | Sequence[str] | None = None, data: str | None = None, every: int = 1
    ) -> None:
        self._rounds = Rounds(trial, metric, data, every)
        self._length = 0
        """Of the curves that CatBoost shows, when it last called."""

    def after_iteration(self, info: Any) -> bool:
        """Called by CatBoost after a round, which ends the training where the answer is False."""
        length = max((len(values) for of in info.metrics.values() for values in of.values()), default=0)
        is_scored, self._length = length != self._length or length == 0, length
        if not is_scored:  # the last score is that of an earlier round
            return not self._rounds.trial.has_left
        scores = {data: {metric: values[-1] for metric, values in of.items()} for data, of in info.metrics.items()}
        return not self._rounds.leaves(info.iteration, scores, _maximizes)


def _maximizes(metric: str) -> bool | None:
    """Whether larger values are better; None for a metric that is not CatBoost's own."""
    for name in (metric, metric.partition(":")[0]):  # some parameters are refused where the loss is not known
        try:
            return True if is_maximizable_metric(name) else False if is_minimizable_metric(name) else None
        except catboost.CatBoostError:
            continue
    return None


def snapshot(trial: Trial) -> dict[str, Any]:
    """The arguments of `fit` by which CatBoost keeps its state in the trial's checkpoint, and goes on from one there.

    It is written at the end, and every ten minutes in case the process is killed; add `snapshot_interval=60` for each
    minute. The result is bit by bit that of one training without a break, sampling and ordered boosting included: a
    snapshot holds the random numbers too. `iterations` is the number of rounds in all. The data and all other settings
    must stay as they were, so give a `learning_rate` (CatBoost's automatic one depends on `iterations`), and leave
    `allow_writing_files` at True, with `train_dir=trial.checkpoint_dir` to keep its logs out of the current folder.
    """
    return {"save_snapshot": True, "snapshot_file": os.path.join(trial.checkpoint_dir, SNAPSHOT)}
