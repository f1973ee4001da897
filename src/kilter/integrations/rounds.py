"""What the callbacks of LightGBM, XGBoost and CatBoost share: a round of boosting is a step, one score is what counts.

No library is imported here; each callback says what was scored, as {data set: {metric: value}}, and how to stop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kilter.core.errors import InvalidInput, UnknownName
from kilter.trial import Trial

Scores = Mapping[str, Mapping[str, float]]
"""Data set -> metric -> value, in the order in which the library scores them."""

TRAINING = ("training", "train", "learn")
"""What the libraries call the rows that they train on, which say little about new ones."""


class Rounds:
    """Reports a score of a training every so many rounds, and says when the trial leaves.

    `metric` is one that the library computes, or several, which are reported as a dict; `data` the set of rows that
    they are computed on. Left out they are the first metric of the first set that is not the training's own. Raises
    InvalidInput unless `every` is at least 1.
    """

    def __init__(self, trial: Trial, metric: str | Sequence[str] | None, data: str | None, every: int) -> None:
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise InvalidInput(f"every={every!r}: the rounds between two reports must be a whole number above 0")
        self.trial = trial
        self.metric = metric
        self.data = data
        self.every = every

    def leaves(self, done: int, scores: Scores) -> bool:
        """Whether the trial leaves after `done` rounds; with `scores` of every so many rounds it reports first.

        A trial that has left stays so: of several trainings, as of folds one by one, the rest end after a round.
        """
        if not self.trial.has_left and done % self.every == 0:
            self.trial.report(self._value(scores), step=done)
            return self.trial.leaves()
        return self.trial.has_left

    def _value(self, scores: Scores) -> float | dict[str, float]:
        if self.metric is None or isinstance(self.metric, str):
            return picked(scores, self.metric, self.data)
        return {name: picked(scores, name, self.data) for name in self.metric}


def picked(scores: Scores, metric: str | None = None, data: str | None = None) -> float:
    """The score that is meant; raises InvalidInput, with the names that there are, where there is none.

    >>> picked({"train": {"auc": 0.9}, "valid": {"logloss": 0.4, "auc": 0.8}}, "auc")
    0.8
    """
    if not any(scores.values()):
        raise InvalidInput("nothing is scored while the model trains: give the training a validation set")
    candidates = {name: of for name, of in scores.items() if name not in TRAINING} or scores
    if data is not None:
        if data not in scores:
            raise InvalidInput(str(UnknownName.of("data set with scores", data, scores)))
        candidates = {data: scores[data]}
    for known in candidates.values():
        if metric is None or metric in known:
            return float(known[metric] if metric is not None else next(iter(known.values())))
    names = {name for known in candidates.values() for name in known}
    raise InvalidInput(str(UnknownName.of(f"metric of {' and '.join(candidates)}", metric, names)))
