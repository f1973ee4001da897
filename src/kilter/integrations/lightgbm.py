"""LightGBM: rounds as steps, and trainings that go on where they were paused.

    def objective(trial):
        scores = {}
        model = lightgbm.train(
            {"objective": "binary", "metric": "auc", **trial.params},
            train,
            valid_sets=[valid],
            callbacks=[TrialCallback(trial), lightgbm.record_evaluation(scores)],
        )
        return scores["valid_0"]["auc"][-1]

    kilter.tune(objective, kilter.spaces.lightgbm(), maximize="auc", scheduler="median", n_trials=100)

The callback works in `lightgbm.train`, `lightgbm.cv` and the `fit` of LGBMClassifier and its kind. With the rounds as a
fidelity `resumed` finds the model that the attempt before left with `save`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from kilter.core.errors import needed
from kilter.integrations.rounds import Maximizes, Rounds, Scores
from kilter.objective.trial import Trial

with needed("lightgbm", "kilter.integrations.lightgbm"):
    import lightgbm

MODEL = "lightgbm.txt"
"""The model in a trial's checkpoint directory, as LightGBM's text."""


class TrialCallback:
    """Reports a score to the trial after every so many rounds, and ends the training where the scheduler says so.

    `metric` is a name as LightGBM prints it ("auc", "binary_logloss", or what `feval` returns), `data` the name of a
    validation set ("valid_0"; "valid" in `lightgbm.cv`). They may be left out where one metric of one validation set
    is scored. It must be what the objective returns, or the two cannot be compared. Several metrics are reported as a
    dict, for objectives of those names. In `lightgbm.cv` the mean over the folds is reported.

    The step is the number of rounds of the model, those of an `init_model` included. A training that ends so returns
    as usual, with all the rounds that it has, and the trial counts by its last report whatever the objective returns.
    Of several trainings in one trial the first reports; once the trial leaves, the others end after a round.

    Raises InvalidInput, with the names that there are, for a metric or data set that is not scored or is one of
    several, and where LightGBM takes larger values of the metric for better but the study minimizes, or the reverse.

    >>> import kilter, numpy
    >>> rows = numpy.arange(200.0).reshape(100, 2) % 7
    >>> def objective(trial):
    ...     train = lightgbm.Dataset(rows[:70], rows[:70, 0] > 3)
    ...     settings = {"objective": "binary", "verbosity": -1, "num_threads": 1, **trial.params}
    ...     valid = train.create_valid(rows[70:], rows[70:, 0] > 3)
    ...     model = lightgbm.train(settings, train, 20, [valid], callbacks=[TrialCallback(trial, "binary_logloss")])
    ...     return model.best_score["valid_0"]["binary_logloss"]
    >>> space = {"learning_rate": kilter.Float(0.01, 0.3, log=True)}
    >>> study = kilter.tune(objective, space, n_trials=2, scheduler="median", storage=None, progress="none")
    >>> study.trials[0].last_step
    20
    """

    def __init__(
        self, trial: Trial, metric: str | Sequence[str] | None = None, data: str | None = None, every: int = 1
    ) -> None:
        self._rounds = Rounds(trial, metric, data, every)
        self.order = 25
        """After scores are logged and recorded (10 and 20), before early stopping (30), which would hide the last."""

    def __call__(self, env: Any) -> None:
        """Called by LightGBM after a round; raises EarlyStopException, by which LightGBM's own callbacks end it."""
        results = [tuple(result) for result in env.evaluation_result_list or []]
        if self._rounds.leaves(env.iteration + 1, *_scores(results)):
            raise lightgbm.callback.EarlyStopException(env.iteration, env.evaluation_result_list)


def save(trial: Trial, model: lightgbm.Booster | lightgbm.LGBMModel) -> None:
    """Keep all rounds of a model in the trial's checkpoint, for `resumed` in an attempt after this one."""
    booster = getattr(model, "booster_", model)
    path = os.path.join(trial.checkpoint_dir, MODEL)
    # Whole or not at all: a process that is killed while it writes must not leave half a model.
    booster.save_model(f"{path}.part", num_iteration=-1)
    os.replace(f"{path}.part", path)


def resumed(trial: Trial) -> lightgbm.Booster | None:
    """The model that an earlier attempt, or the parent of a fork, kept with `save`; None where there is none.

    Give it to the training as `init_model`, and ask for `model.current_iteration()` rounds less. Where no chance is
    involved the result is that of one training without a break: that is, without bagging, feature_fraction, extra_trees
    and dart, whose random numbers begin anew: give these a seed for each attempt, such as `"seed": trial.attempt`, or
    they draw the same rows and columns again, which makes a worse model than one training.
    """
    path = os.path.join(trial.checkpoint_dir, MODEL)
    return lightgbm.Booster(model_file=path) if os.path.exists(path) else None


def _scores(results: list[tuple[Any, ...]]) -> tuple[Scores, Maximizes]:
    """What LightGBM scored; before 4.7 the names that `cv` gives are "cv_agg" and "valid auc"."""
    scores: dict[str, dict[str, float]] = {}
    maximized: dict[str, bool] = {}
    for data, metric, value, is_maximized, *_ in results:
        if data == "cv_agg":
            data, metric = metric.split(" ", 1)
        scores.setdefault(data, {})[metric] = value
        maximized[metric] = bool(is_maximized)
    return scores, maximized.get
