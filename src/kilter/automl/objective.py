"""One candidate, fold by fold: fit, predict the fold's rows, score, report, and ask whether to go on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from kilter.automl.budget import Budget
from kilter.automl.candidates import Candidate, Folds, State
from kilter.automl.configurations import TARGET, configuration, member_of
from kilter.automl.encoded import Encoded
from kilter.automl.members import MEMBERS
from kilter.automl.members.member import Fitted, HoldsOut, Left, Member, Rows
from kilter.automl.metrics import Metric
from kilter.automl.schedule import scores
from kilter.automl.target import Scale, Target
from kilter.automl.task import Task
from kilter.core.errors import TrialPruned, UnusableResult
from kilter.core.events import TrialState
from kilter.core.history import History, Record
from kilter.objective.trial import Trial

FIRST, LATER, OPENING = 0.18, 0.9, 0.5
"""What share of the time that is left a fit may take at most: a first look; all the folds that are still to come; and
those of what opens, so that something else follows it."""

PROBABLE = 1e-3
"""So much the sum of probabilities may differ from 1, or one of them be below 0: rounding of float16."""

CONSTANT = -1
"""The number of the constant, which is no trial."""


STOPPED = {TrialState.PAUSED: "put aside", TrialState.PRUNED: "stopped as hopeless"}


@dataclass(frozen=True)
class FoldResult:
    """What came of one fold: the score, the predictions of its rows on the target's own scale, and the model."""

    score: float
    predictions: np.ndarray
    fitted: Fitted
    seconds: float
    is_cut: bool = False
    """Whether the fit ended because its time did."""


class Shelf(Protocol):
    """Keeps what came of folds, by trial, for the whole fit."""

    def get(self, number: int, trial: Trial | None = None) -> list[FoldResult]:
        """What a trial has done so far, in the order of folds; with the trial, also what earlier attempts left."""

    def put(self, trial: Trial, fold: int, result: FoldResult) -> None:
        """Keep the result of a fold."""


class InMemory:
    """A shelf for one process."""

    def __init__(self) -> None:
        self._results: dict[int, list[FoldResult]] = {}

    def get(self, number: int, trial: Trial | None = None) -> list[FoldResult]:
        """See Shelf."""
        return self._results.setdefault(number, [])

    def put(self, trial: Trial, fold: int, result: FoldResult) -> None:
        """See Shelf."""
        self.get(trial.number).append(result)


@dataclass
class Pace:
    """What fits take, by what members guess of it: each guess is corrected by the latest fit of the same member.

    >>> pace = Pace()
    >>> pace.took("mlp", guessed=2.0, seconds=3.0)
    >>> pace.expected("mlp", guessed=4.0), pace.expected("linear", guessed=1.0)
    (6.0, 1.0)
    """

    ratios: dict[str, float] = field(default_factory=dict)

    def expected(self, member: str, guessed: float) -> float:
        """Seconds of a fit."""
        return guessed * self.ratios.get(member, 1.0)

    def took(self, member: str, guessed: float, seconds: float) -> None:
        """Learn from a fit."""
        if guessed > 0:
            self.ratios[member] = seconds / guessed


@dataclass(frozen=True, eq=False)
class Objective:
    """The mean score of a configuration over the folds; each fold is reported, and its model kept on the shelf."""

    encoded: Encoded
    members: Mapping[str, Member]
    targets: Mapping[Scale, Target]
    metric: Metric
    weight: np.ndarray | None
    budget: Budget
    shelf: Shelf
    seed: int
    opening: int
    pace: Pace = field(default_factory=Pace)

    @property
    def folds(self) -> Folds:
        """The folds, the same for all candidates."""
        return self.encoded.folds

    def __call__(self, trial: Trial) -> float:
        """Go through the folds that this trial has not met; raises TrialPruned where the scheduler says so."""
        done = list(self.shelf.get(trial.number, trial))
        for fold, result in enumerate(done):
            trial.report(result.score, fold=fold)
        for fold in range(len(done), len(self.folds)):
            result = self.fit(trial.number, trial.params, fold)
            self.shelf.put(trial, fold, result)
            done.append(result)
            trial.report(result.score, fold=fold)
            if fold + 1 < len(self.folds) and trial.should_prune():
                raise TrialPruned
        return float(np.mean([result.score for result in done]))

    def fit(self, number: int, params: Mapping[str, Any], fold: int) -> FoldResult:
        """The result of one configuration on one fold; a function of both, unless the time runs out."""
        name, own = member_of(params)
        member, target = self.members[name], self.target(params)
        y = self.encoded.y
        train, valid = self.encoded.rows(fold, member.view, target.learned(y))
        began = self.budget.spent()
        left = self._allowance(number, fold)
        given = (own, train, valid, self.encoded.task, self.seed + fold, left)
        if isinstance(member, HoldsOut):
            fitted, found = member.fit_and_hold_out(*given)
        else:
            fitted = member.fit(*given)
            found = fitted.predict(valid.matrix)
        is_cut = left() <= 0
        predictions = target.predicted(checked(name, found, valid, self.encoded.task))
        places = self.folds[fold][1]
        score = self.metric.score(y[places], predictions, None if self.weight is None else self.weight[places])
        seconds = self.budget.spent() - began
        self.pace.took(name, member.work(own, self.encoded.shape(fold, member.view)), seconds)
        return FoldResult(score, predictions, fitted, seconds, is_cut)

    def target(self, params: Mapping[str, Any]) -> Target:
        """The scale on which a configuration learns."""
        return self.targets[params.get(TARGET, "identity")]

    def expected(self, config: Mapping[str, Any]) -> float:
        """Seconds that a configuration is expected to take on all folds."""
        name, own = member_of(config)
        guessed = self.members[name].work(own, self.encoded.shape(0, self.members[name].view))
        return len(self.folds) * self.pace.expected(name, guessed)

    def _allowance(self, number: int, fold: int) -> Left:
        to_come = len(self.folds) - fold
        if number < self.opening:
            return self.budget.share(OPENING / to_come)
        return self.budget.share(LATER / to_come if fold or to_come == 1 else FIRST)

    def candidate(self, number: int, history: History) -> Candidate:
        """What a trial of the study has come to; of one that was stopped the models may be gone."""
        trial = history[number]
        known = scores(number, history)
        state, reason = told(trial, len(known), len(self.folds))
        return replace(self._made(number, trial.params, self.shelf.get(number), state, reason), scores=tuple(known))

    def constant(self) -> Candidate:
        """What there is where nothing else is: a model that needs no time."""
        params = configuration("constant", {})
        with_it = replace(self, members=MEMBERS)
        done = [with_it.fit(CONSTANT, params, fold) for fold in range(len(self.folds))]
        made = self._made(CONSTANT, params, done, "complete", "")
        # Constants of several folds differ, by which rows they were made of: that is no order of rows.
        seen = np.isfinite(made.out_of_fold)
        mean = np.mean(made.out_of_fold, axis=0, where=seen)
        return replace(made, out_of_fold=np.where(seen, mean, np.nan).astype(made.out_of_fold.dtype))

    def _made(
        self, number: int, params: Mapping[str, Any], done: Sequence[FoldResult], state: State, reason: str
    ) -> Candidate:
        name, own = member_of(params)
        predictions = self.encoded.task.blank(len(self.encoded.y))
        for (_, places), result in zip(self.folds, done, strict=False):
            predictions[places] = result.predictions
        return Candidate(
            number,
            name,
            own,
            self.target(params),
            tuple(result.score for result in done),
            predictions,
            tuple(result.fitted for result in done),
            math.fsum(result.seconds for result in done),
            state,
            reason,
            any(result.is_cut for result in done),
        )


def checked(member: str, predictions: np.ndarray, rows: Rows, task: Task) -> np.ndarray:
    """The predictions of a member; raises UnusableResult where they are no values, or no probabilities."""
    shape = (len(rows.y),) if task.is_regression else (len(rows.y), task.width)
    wanted = "one value for each row" if task.is_regression else f"{task.width} probabilities for each row"
    if np.shape(predictions) != shape:
        raise UnusableResult(f"the member {member!r} predicts the shape {np.shape(predictions)}: {wanted}")
    if not np.isfinite(predictions).all():
        raise UnusableResult(f"the member {member!r} predicts NaN or infinity: {wanted}")
    if not task.is_regression:
        off = np.maximum(np.abs(predictions.sum(axis=1) - 1), -predictions.min(axis=1))
        if (off > PROBABLE).any():
            row = np.round(predictions[off.argmax()], 3).tolist()
            raise UnusableResult(f"the member {member!r} predicts {row} of a row: probabilities from 0 on, of sum 1")
    return predictions


def told(trial: Record, done: int, folds: int) -> tuple[State, str]:
    """How a trial ended, and why."""
    if trial.failure is not None:
        return "failed", trial.failure.line
    if done == folds:
        return "complete", ""
    return "stopped", f"{STOPPED.get(trial.state, 'broken off')} after {done} of {folds} folds"
