"""What the callbacks of LightGBM, XGBoost and CatBoost share: a round of boosting is a step, one score is what counts.

No library is imported here; each callback says what was scored, as {data set: {metric: value}}, which metrics are to be
maximized, and how to stop.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from kilter.core.errors import InvalidInput, UnknownName
from kilter.objective.trial import Trial

Scores = Mapping[str, Mapping[str, float]]
"""Data set -> metric -> value, in the order in which the library scores them."""

Maximizes = Callable[[str], bool | None]
"""Whether larger values of a metric are better, as the library has it; None where it does not know the metric."""

TRAINING = ("training", "train", "learn")
"""What the libraries call the rows that they train on, which say little about new ones."""


class Rounds:
    """Reports a score of a training every so many rounds, and says when the trial leaves.

    `metric` is one that the library computes, or several, which are reported as a dict; `data` the set of rows that
    they are computed on, any but the training's own unless it is named. What is left out must be the only one there is.
    Raises InvalidInput unless `every` is at least 1.
    """

    def __init__(self, trial: Trial, metric: str | Sequence[str] | None, data: str | None, every: int) -> None:
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise InvalidInput(f"every={every!r}: the rounds between two reports must be a whole number above 0")
        self.trial = trial
        self.metric = metric
        self.data = data
        self.every = every
        self._is_checked = False
        self._comes_second = False
        """After another training of the trial, which has reported these steps."""

    def leaves(self, done: int, scores: Scores, maximizes: Maximizes) -> bool:
        """Whether the trial leaves after `done` rounds; with `scores` of every so many rounds it reports first.

        Of several trainings in one trial, as of folds one by one, the first reports: the curves of two are not one. A
        trial that has left stays so, and the rest end after a round.
        """
        if self.trial.has_left:
            return True
        last = self.trial.last_report
        if last is not None and (last.fold is not None or done < last.step):
            self._comes_second = True
        if self._comes_second or done % self.every:
            return False
        self.trial.report(self._value(scores), step=done)
        if not self._is_checked:
            self._check(scores, maximizes)
        return self.trial.leaves()

    def _value(self, scores: Scores) -> float | dict[str, float]:
        if self.metric is None or isinstance(self.metric, str):
            _, value = picked(scores, self.metric, self.data)
            return value
        return {name: picked(scores, name, self.data)[1] for name in self.metric}

    def _check(self, scores: Scores, maximizes: Maximizes) -> None:
        """Raises InvalidInput where the study looks for the wrong end of a metric, or for none of them."""
        if self.metric is None or isinstance(self.metric, str):
            reported = {picked(scores, self.metric, self.data)[0]: self.trial.objectives[0]}
        else:
            reported = {
                objective.name: objective for objective in self.trial.objectives if objective.name in self.metric
            }
        if not reported:
            names = _listed([objective.name for objective in self.trial.objectives])
            raise InvalidInput(
                f"metric={self.metric!r} has no objective of the study in it, {names}: no trial could be judged by it; "
                "call the objective as the metric, as in maximize='auc'"
            )
        for name, objective in reported.items():
            is_maximized = maximizes(name)
            if is_maximized is not None and is_maximized != (objective.direction == "maximize"):
                raise InvalidInput(
                    f"{'larger' if is_maximized else 'smaller'} values of {name!r} are better, but the study "
                    f"{objective.direction}s {objective.name!r}: turn its direction round, or name the metric that the "
                    "objective returns"
                )
        self._is_checked = True


def picked(scores: Scores, metric: str | None = None, data: str | None = None) -> tuple[str, float]:
    """The metric that is meant, with its score; raises InvalidInput, with the names that there are, unless it is one.

    >>> picked({"train": {"auc": 0.9}, "valid": {"logloss": 0.4, "auc": 0.8}}, "auc")
    ('auc', 0.8)
    """
    if not any(scores.values()):
        raise InvalidInput("nothing is scored while the model trains: give the training a validation set")
    if data is not None and data not in scores:
        raise InvalidInput(str(UnknownName.of("data set with scores", data, scores)))
    candidates = {name: of for name, of in scores.items() if (name not in TRAINING if data is None else name == data)}
    if not candidates:
        raise InvalidInput(
            f"only the training's own rows are scored, as {_listed(scores)}: give a validation set, or say data="
        )
    known = {name: of for name, of in candidates.items() if metric is None or metric in of}
    if metric is not None and not known:
        names = {name for of in candidates.values() for name in of}
        raise InvalidInput(str(UnknownName.of(f"metric of {' and '.join(candidates)}", metric, names)))
    of = known[_only("data", known)]
    name = _only("metric", of) if metric is None else metric
    return name, float(of[name])


def _only(argument: str, names: Collection[str]) -> str:
    """The one name; raises InvalidInput, with the argument that says which is meant, where there are several."""
    if len(names) > 1:
        raise InvalidInput(
            f"there are scores of {_listed(names)}: name the one that the objective returns as {argument}="
        )
    return next(iter(names))


def _listed(names: Collection[str]) -> str:
    return ", ".join(map(repr, names))
