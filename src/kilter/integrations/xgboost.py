"""XGBoost: rounds as steps, and trainings that go on where they were paused.

    def objective(trial):
        scores = {}
        xgboost.train(
            {"objective": "binary:logistic", "eval_metric": "auc", **trial.params},
            train,
            num_boost_round=500,
            evals=[(valid, "valid")],
            evals_result=scores,
            callbacks=[TrialCallback(trial)],
        )
        return scores["valid"]["auc"][-1]

    kilter.tune(objective, space, maximize="auc", scheduler="median", n_trials=100)

The callback works in `xgboost.train`, `xgboost.cv` and, given to the constructor, in XGBClassifier and its kind. With
the rounds as a fidelity `resumed` finds the model that the attempt before left with `save`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from kilter.core.errors import needed
from kilter.integrations.rounds import Rounds
from kilter.objective.trial import Trial

with needed("xgboost", "kilter.integrations.xgboost"):
    import xgboost

MODEL = "xgboost.ubj"
"""The model in a trial's checkpoint directory, in XGBoost's own format (JSON in binary)."""

MAXIMIZED = frozenset(("auc", "aucpr", "pre", "map", "ndcg"))
MINIMIZED = frozenset(
    ("rmse", "rmsle", "mae", "mape", "mphe", "logloss", "mlogloss", "error", "merror", "quantile", "expectile")
    + ("poisson-nloglik", "gamma-nloglik", "gamma-deviance", "tweedie-nloglik", "cox-nloglik", "aft-nloglik")
)
"""XGBoost's metrics by the way in which they are better, without "@" and what follows it; it does not tell itself."""


class TrialCallback(xgboost.callback.TrainingCallback):
    """Reports a score to the trial after every so many rounds, and ends the training where the scheduler says so.

    `metric` is a name as XGBoost prints it ("auc", "logloss", or what `custom_metric` returns), `data` the name of a
    set that is scored ("validation_0" in the scikit-learn classes, "test" in `xgboost.cv`). They may be left out where
    one metric of one set is scored, one called "train" or "training" aside. It must be what the objective returns, or
    the two cannot be compared. Several metrics are reported as a dict, for objectives of those names. In `xgboost.cv`
    the mean over the folds is reported.

    The step is the number of rounds of the model, those of an `xgb_model` included. A training that ends so returns as
    usual, with all the rounds that it has, and the trial counts by its last report whatever the objective returns.
    Of several trainings in one trial the first reports; once the trial leaves, the others end after a round. Put an
    EarlyStopping with `save_best` in front of it: XGBoost asks no callback behind one that ends the training.

    Raises InvalidInput, with the names that there are, for a metric or data set that is not scored or is one of
    several, and where XGBoost takes larger values of the metric for better but the study minimizes, or the reverse.

    >>> import kilter, numpy
    >>> rows = numpy.arange(200.0).reshape(100, 2) % 7
    >>> data = xgboost.DMatrix(rows, rows[:, 0] > 3)
    >>> def objective(trial):
    ...     settings = {"objective": "binary:logistic", "nthread": 1, **trial.params}
    ...     table = xgboost.cv(settings, data, 20, callbacks=[TrialCallback(trial, "logloss")], as_pandas=False)
    ...     return table["test-logloss-mean"][-1]
    >>> space = {"learning_rate": kilter.Float(0.01, 0.3, log=True)}
    >>> study = kilter.tune(objective, space, n_trials=2, scheduler="median", storage=None, progress="none")
    >>> study.trials[0].last_step
    20
    """

    def __init__(
        self, trial: Trial, metric: str | Sequence[str] | None = None, data: str | None = None, every: int = 1
    ) -> None:
        super().__init__()
        self._rounds = Rounds(trial, metric, data, every)
        self._before = 0
        """Rounds that the model had when the training began."""

    def before_training(self, model: Any) -> Any:
        """Called by XGBoost; `cv` always begins anew."""
        self._before = model.num_boosted_rounds() if isinstance(model, xgboost.Booster) else 0
        return model

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Called by XGBoost after a round, which ends the training where the answer is True."""
        scores = {data: {metric: _latest(values) for metric, values in of.items()} for data, of in evals_log.items()}
        leaves = self._rounds.leaves(self._before + epoch + 1, scores, _maximizes)
        if leaves and not isinstance(model, xgboost.Booster):
            model.set_attr(best_iteration=str(epoch))  # where `cv` reads how many rounds to return
        return leaves


def save(trial: Trial, model: xgboost.Booster | xgboost.XGBModel) -> None:
    """Keep all rounds of a model in the trial's checkpoint, for `resumed` in an attempt after this one."""
    path = os.path.join(trial.checkpoint_dir, MODEL)
    # Whole or not at all: a process that is killed while it writes must not leave half a model.
    model.save_model(f"{path}.part.ubj")
    os.replace(f"{path}.part.ubj", path)


def resumed(trial: Trial) -> xgboost.Booster | None:
    """The model that an earlier attempt, or the parent of a fork, kept with `save`; None where there is none.

    Give it to the training as `xgb_model`, and ask for `model.num_boosted_rounds()` rounds less. Where no chance is
    involved the result is that of one training without a break: that is, without subsample, colsample_* and dart, whose
    random numbers begin anew: give these a seed for each attempt, such as `"seed": trial.attempt`, or they draw the
    same rows and columns again.
    """
    path = os.path.join(trial.checkpoint_dir, MODEL)
    return xgboost.Booster(model_file=path) if os.path.exists(path) else None


def _maximizes(metric: str) -> bool | None:
    """Whether larger values are better; None for a metric that is not XGBoost's own."""
    name = metric.partition("@")[0].rstrip("-")
    return True if name in MAXIMIZED else False if name in MINIMIZED else None


def _latest(values: list[Any]) -> float:
    """The score of the last round: a number or, in `cv`, the mean over the folds beside the standard deviation."""
    return float(values[-1][0] if isinstance(values[-1], tuple) else values[-1])
