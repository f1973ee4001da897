"""A fit: read the table, open a study of candidates, run it within the time, and weigh what came of it."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from kilter.api.running import in_this_process
from kilter.api.studies import create_study
from kilter.automl import honesty, weights
from kilter.automl.assembly import Assembly
from kilter.automl.budget import Budget, clock
from kilter.automl.calibration import Calibration, calibrated
from kilter.automl.candidates import Candidate, in_part
from kilter.automl.configurations import configuration, on_scales, space_of
from kilter.automl.data import Data, prepared
from kilter.automl.encoded import Encoded
from kilter.automl.honesty import ScoreEstimate
from kilter.automl.members import DEFAULT, MEMBERS, member
from kilter.automl.members.member import Member
from kilter.automl.model import Model
from kilter.automl.objective import CONSTANT, InMemory, Objective, Shelf
from kilter.automl.portfolio import portfolio
from kilter.automl.proposals import PortfolioSampler
from kilter.automl.schedule import FoldScheduler
from kilter.automl.settings import Settings
from kilter.automl.shelf import OnDisk
from kilter.automl.target import Scale, Target, targets
from kilter.core.errors import InvalidInput, MissingLibrary, StudyAborted
from kilter.core.limits import Limits
from kilter.core.text import one_line
from kilter.runtime.blas import single_threaded

if TYPE_CHECKING:
    from kilter.api.study import Study

log = logging.getLogger("kilter")

LOOKS = 0.4
"""The share of the time, after what opens, that first looks may take."""

KEPT = 40
"""So many of the best candidates are weighed: more of them cost memory and gain nothing."""

WITH_REFITS, LAST = 0.12, 0.02
"""The shares of the time that are kept where heavy candidates are fitted again on all rows, and after that."""

PROBABILITIES, HALF = 4e-7, 0.5
"""Seconds that weights, calibration and estimate take for each row and class, and the most that is kept for them."""

ONE_SIDED = 0.97
"""Share of the rows with one and the same prediction that is told of, where not as many have that label."""

MISSING = "MissingLibrary: "

DATA = "automl: data"
"""The attribute of a study that tells of which data it is."""
SEED = "automl: random_state"
"""The attribute that tells by which chance its folds were fitted."""


@dataclass(frozen=True)
class Outcome:
    """What a fit has come to. `weights` (m,) are those of `candidates`; `notices` are what its user should know."""

    model: Model
    candidates: Sequence[Candidate]
    weights: np.ndarray
    estimate: ScoreEstimate
    data: Data
    study: Study
    seconds: float
    notices: tuple[str, ...]
    course: Course


def fit(
    X: Any,  # noqa: N803
    y: Any,
    settings: Settings,
    sample_weight: Any = None,
    groups: Any = None,
) -> Outcome:
    """Fit within the settings' time, or so many models; raises InvalidInput for what cannot be learned from."""
    budget = Budget(math.inf if settings.time_limit is None else settings.time_limit, clock)
    return Course(prepared(X, y, settings, sample_weight, groups), settings).run(budget, settings.n_models)


def refine(outcome: Outcome, seconds: float) -> Outcome:
    """Go on for so many more seconds where a fit has stopped, and weigh anew."""
    return outcome.course.run(Budget(seconds, clock))


@dataclass(frozen=True, eq=False)
class Course:
    """The study of one fit with all that its trials share; it can go on when it has run."""

    data: Data
    settings: Settings

    @cached_property
    def members(self) -> dict[str, Member]:
        """The members that take part, by name, in the order in which they are named."""
        names = DEFAULT if self.settings.members == "auto" else self.settings.members
        found = [member(each) for each in names]
        return {each.name: each for each in found}

    @cached_property
    def targets(self) -> Mapping[Scale, Target]:
        """The scales of the target that are tried."""
        return targets(self.data.task, self.data.y)

    @cached_property
    def entries(self) -> list[dict[str, Any]]:
        """The portfolio as configurations, as far as its members take part; members that it lacks come second."""
        data = self.data
        some = [
            each for each in portfolio(data.task, len(data.y), len(data.reading.columns)) if each[0] in self.members
        ]
        named = {name for name, _ in some}
        for name in reversed([name for name in self.members if name not in named]):
            some.insert(1, (name, {}))
        return on_scales([configuration(*each) for each in some], list(self.targets))

    @cached_property
    def encoded(self) -> Encoded:
        """The matrices of all folds."""
        views = sorted({each.view for each in (*self.members.values(), MEMBERS["constant"])})
        data = self.data
        seed, target = self.settings.random_state, self.targets["identity"]
        return Encoded(data.table, data.y, data.task, data.folds, views, seed, data.learning, target)

    @cached_property
    def study(self) -> Study:
        """The study, new or, where one of this name is stored, the one that there is."""
        settings = self.settings
        study = create_study(
            storage=settings.storage,
            study_name=settings.study_name,
            load_if_exists=True,
            direction="maximize",
            space=space_of(self.members, self.data.task, list(self.targets)),
            sampler=PortfolioSampler(self.entries),
            scheduler=FoldScheduler(len(self.data.folds)),
            transfer=None,
            seed=settings.random_state,
            keep_checkpoints=10_000,
        )
        for what, ours in ((DATA, self.data.digest), (SEED, settings.random_state)):
            known = study.user_attrs.get(what)
            if known is None:
                study.set_user_attr(what, ours)
            elif known != ours:
                other = "other data" if what == DATA else f"random_state={known}, not {ours}"
                raise InvalidInput(f"the study {study.study_name!r} is of {other}: choose another study_name")
        return study

    @cached_property
    def shelf(self) -> Shelf:
        """Where results of folds are kept: in this process or, with a storage, beside the study."""
        study = self.study
        return InMemory() if self.settings.storage is None else OnDisk(self.members, study.checkpoint_dir)

    def run(self, budget: Budget, models: int | None = None) -> Outcome:
        """Go on for this budget, or until so many models are made; then weigh what there is."""
        budget = budget.reserving(self._kept(budget))
        objective = self.objective(budget)
        with single_threaded():
            if not self.data.is_constant:
                self._tried(objective, budget, models)
            every = self._candidates(objective)
            return self.weighed(every, budget)

    def _kept(self, budget: Budget) -> float:
        """The share of the time that is kept for the end."""
        if self.data.task.is_regression:
            return WITH_REFITS
        many = PROBABILITIES * len(self.data.y) * self.data.task.width / budget.seconds if budget.seconds else 0.0
        return min(max(budget.reserved, many), HALF)

    def _tried(self, objective: Objective, budget: Budget, models: int | None) -> None:
        """Run the study as long as something fits into the budget."""
        study, opening = self.study, self._opening
        sampler = PortfolioSampler(self.entries, self._beyond, lambda config: budget.allows(objective.expected(config)))
        study.sampler = sampler
        study.scheduler = FoldScheduler(
            folds=len(self.data.folds),
            opening=opening,
            looks=LOOKS * budget.left() * self.settings.n_jobs,
            models=models or 0,
            perfect=self.data.fold_metric.perfect,
            allows=budget.allows,
            listed=lambda history: sampler.next(history) is not None,
            encodes=lambda: self.encoded.to_come,
        )
        progress = "auto" if self.settings.verbose else "none"
        try:
            # The study knows its data by their digest; what an objective reads besides, as seconds, may change.
            study.run(in_this_process(self.settings.n_jobs).start(objective, study.space), Limits(), progress=progress)
        except StudyAborted as error:
            log.warning("%s; what there is is weighed", error)

    def _candidates(self, objective: Objective) -> list[Candidate]:
        """What all trials of the study have come to; with the constant where none can be weighed."""
        history = self.study.history
        every = [objective.candidate(number, history) for number in range(len(history))]
        if not any(each.state == "complete" for each in every):
            if every and all(each.reason.startswith(MISSING) for each in every):
                raise MissingLibrary(every[0].reason.removeprefix(MISSING))
            every = in_part(every, self.data.folds)
        return every if any(each.state == "complete" for each in every) else [*every, objective.constant()]

    @property
    def _opening(self) -> int:
        """How many trials meet all folds at once: on which scale to learn cannot be told from one fold."""
        return len(self.targets) if len(self.targets) > 1 else 0

    @property
    def _beyond(self) -> str:
        """Which sampler goes on after the portfolio: where a result is to be reproduced, one that learns nothing."""
        return "auto" if self.settings.n_models is None else "random"

    def objective(self, budget: Budget) -> Objective:
        """What the study is of."""
        return Objective(
            self.encoded,
            self.members,
            self.targets,
            self.data.fold_metric,
            self.data.weight,
            budget,
            self.shelf,
            self.settings.random_state,
            self._opening,
        )

    def weighed(self, every: Sequence[Candidate], budget: Budget) -> Outcome:
        """Weights of those candidates that are complete, the model that they make, and what it is worth."""
        complete = [each for each in every if each.state == "complete"]
        met = len(complete[0].fitted)
        data, encoded = self.data.first(met), self.encoded.first(met)
        best = sorted(complete, key=lambda each: (-each.score, each.number))[:KEPT]
        predictions = np.stack([each.out_of_fold for each in best])
        families = [each.member for each in best]
        shares = weights.greedy(predictions, data.y, data.metric, families, data.weight)
        estimate = honesty.estimate(
            predictions,
            shares,
            data.y,
            data.folds,
            data.metric,
            families,
            data.weight,
            data.groups,
            len(complete),
            self.settings.threshold,
        )
        of_number = {each.number: share for each, share in zip(best, shares.tolist(), strict=True)}
        found = np.array([of_number.get(each.number, 0.0) for each in every])
        mixture = weights.mixed(shares, predictions)
        learned = self._calibration(mixture)
        assembly = Assembly(encoded, data.reading, MEMBERS | self.members, budget.reserving(LAST))
        model = assembly.model(list(zip(shares.tolist(), best, strict=True)), learned)
        notices = (
            *data.warnings,
            *_without_models(every, data),
            *_in_part(len(complete), data, self.data),
            *_cut(shares, best),
            *_failed(every),
            *_one_sided(learned.scored(mixture, data.metric), data),
        )
        return Outcome(model, every, found, estimate, data, self.study, budget.spent(), notices, self)

    def _calibration(self, mixture: np.ndarray) -> Calibration:
        """How sure the ensemble is to be, and the threshold, which the user may have said."""
        data = self.data
        rows = np.flatnonzero(weights.seen(mixture[None]))
        weight = None if data.weight is None else data.weight[rows]
        return calibrated(mixture[rows], data.y[rows], data.metric, weight, len(data.folds), self.settings.threshold)


def _without_models(every: Sequence[Candidate], data: Data) -> Iterator[str]:
    """That a constant is all there is, and why."""
    if every[-1].number == CONSTANT and not data.is_constant:
        reasons = sorted({each.reason for each in every if each.reason})
        yield f"no candidate is whole, so a constant predicts: {'; '.join(reasons) or 'there was no time for any'}"


def _failed(every: Sequence[Candidate]) -> Iterator[str]:
    """Members of which nothing came, where others are there."""
    if every[-1].number != CONSTANT:
        for name in dict.fromkeys(each.member for each in every):
            own = [each for each in every if each.member == name]
            if all(each.state == "failed" for each in own):
                yield f"no {name} is among the models: {own[0].reason}"


def _one_sided(decided: np.ndarray, data: Data) -> Iterator[str]:
    """That the label is nearly always the same without need, which a metric such as recall asks for."""
    if data.metric.needs_labels:
        rows = np.flatnonzero(weights.seen(decided[None]))
        said, was = (np.bincount(each, minlength=data.task.width) for each in (decided[rows].argmax(1), data.y[rows]))
        most = int(said.argmax())
        if said[most] >= ONE_SIDED * len(rows) > was[most]:
            name = one_line(data.task.classes[most], 50)
            yield (
                f"{said[most] / len(rows):.0%} of the rows are predicted to be {name!r}, as {data.metric.name} is best "
                "by: f1, balanced_accuracy or threshold=0.5 weigh both sides"
            )


def _in_part(weighed: int, data: Data, whole: Data) -> Iterator[str]:
    """That there was no time for all folds, and what a score rests on."""
    if len(data.folds) < len(whole.folds):
        rows = len(np.unique(np.concatenate([held for _, held in data.folds])))
        yield (
            f"no candidate has met all {len(whole.folds)} folds: {weighed} are weighed by the first "
            f"{len(data.folds)}, and their score rests on {rows} of {len(data.y)} rows"
        )


def _cut(shares: np.ndarray, best: Sequence[Candidate]) -> Iterator[str]:
    """Which models the time has ended before they had learned what they could, where these make most of the whole."""
    cut = [(share, each) for share, each in zip(shares.tolist(), best, strict=True) if share and each.is_cut]
    if sum(share for share, _ in cut) > 0.5:
        names = ", ".join(f"{each.member} (number {each.number})" for _, each in cut[:3])
        more = f" and {len(cut) - 3} more" if len(cut) > 3 else ""
        yield f"time was up before {names}{more} had learned all they could: a longer time_limit may well score better"
