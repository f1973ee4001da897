"""The best few once more on all folds, and what the chosen one is worth: not the score that it was chosen for.

    study.optimize(objective, n_trials=200)             # over_folds(trial, splits, score, first=1): a single fold
    confirmation = confirm(study, objective, k=10)      # the best ten on the other folds too
    confirmation.choice.params, confirmation.estimate, confirmation.interval

The best of many scores is mostly a lucky one. What is chosen, and what to expect of it, is what the study says once the
confirmations are in it: its winner (analysis/winner.py) and its estimate (analysis/estimate.py), which weigh the scores
of all trials, parts and repeats, those that picked the candidates included. So there is one number.

With `reuse` False the objective has other splits, and only scores on these count. The choice is then made anew for each
fold f by the folds other than f,

    e_f = score of  argmin_c mean of c over the folds but f   on fold f            estimate = mean of e_f

so no score both chooses and is counted (cross-validated selection; the idea of the bootstrap of Tsamardinos, Greasidou
and Borboudakis 2018, Machine Learning 107, with folds in place of rows). Scores of folds share training rows, so the
variance of their mean is more than a share of theirs: it is (1/k + overlap) s² after Nadeau and Bengio (2003, Machine
Learning 52), with test rows / training rows, 1 / (K - 1) in K-fold cross-validation, as the overlap. Where the study
maximises, all signs are turned for the argmin.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite, sqrt
from typing import Any, Protocol, Union, runtime_checkable

import numpy as np

from kilter.analysis.design import Design
from kilter.analysis.estimate import LEVEL, Estimate
from kilter.analysis.finding import share
from kilter.analysis.merits import merits
from kilter.analysis.uncertainty import interval, standard_error
from kilter.analysis.winner import Winner
from kilter.core.attributes import CONFIRMS, KNOWN, confirmed_by
from kilter.core.errors import InvalidInput, NotReady
from kilter.core.events import TrialState
from kilter.core.history import History
from kilter.core.problem import Objective, Problem
from kilter.frozen import FrozenTrial

Fold = Union[int, str]


@dataclass(frozen=True)
class Candidate:
    """A trial of the search that was scored on all folds."""

    number: int
    """The trial of the search."""
    confirmed_by: int
    """The trial that scored it again."""
    params: dict[str, Any]
    earlier: float
    """The value by which it was picked."""
    earlier_folds: tuple[Fold, ...]
    """The folds that this value is the mean of; none where none were reported."""
    folds: dict[Fold, float]
    """The score of every fold; none where the objective reports none."""
    mean: float
    standard_error: float
    """Of the mean, corrected for folds that share training rows; NaN with a single fold. Without folds, mean and error
    are those that are expected of the configuration by all results."""


@dataclass(frozen=True)
class Confirmation:
    """What `confirm` found: the candidates, best first, and what to expect of the chosen one on new data."""

    candidates: tuple[Candidate, ...]
    estimate: float
    """The score to expect, corrected for the selection: what the study's `estimate` says, or with `reuse` False the new
    splits alone."""
    interval: tuple[float, float]
    """90 %, likewise; infinite of a single fold."""
    told: str
    """Both in words."""
    winner: Winner
    """What the study's `winner` is now, and why."""

    @property
    def choice(self) -> Candidate:
        """The winner; the candidate with the best mean where another trial that was not confirmed is that."""
        return next((each for each in self.candidates if each.number == self.winner.number), self.candidates[0])

    def __str__(self) -> str:
        choice = self.choice
        on = f"on {len(choice.folds)} folds" if choice.folds else "expected by all results"
        rows = [f"{'trial':>6} {'searched':>10}{self._folds('folds')} {'confirmed':>10}   ± standard error"]
        for c in self.candidates:
            searched = f"{c.earlier:10.4g}{self._folds(len(c.earlier_folds))}"
            rows.append(f"{c.number:>6} {searched} {c.mean:10.4g}   {c.standard_error:.2g}")
        rows.append(f"choice: trial {choice.number}, {choice.mean:.4g} {on}")
        return "\n".join([*rows, f"winner: {self.winner}", self.told])

    def _folds(self, cell: int | str) -> str:
        """A column on how many folds were searched; none where there are none."""
        return f" {cell:>6}" if any(candidate.folds for candidate in self.candidates) else ""


@runtime_checkable
class OfParts(Protocol):
    """An objective that an evaluation made."""

    design: Design
    """Its parts."""

    def beside(self, noted: Design | None, *, confirms: bool = False) -> Any:
        """The same for a study that has noted a design: parts of other rows have names that it does not have."""


class Confirmable(Protocol):
    """What is asked of a study that is confirmed; kilter.Study is one."""

    study_name: str

    @property
    def problem(self) -> Problem:
        """What it is of."""

    @property
    def trials(self) -> list[FrozenTrial]:
        """All trials, as they are now."""

    @property
    def history(self) -> History:
        """All trials, as analyses have them."""

    @property
    def design(self) -> Design | None:
        """What its evaluation is made of."""

    def winner(self) -> Winner:
        """Which configuration to take."""

    def estimate(self) -> Estimate:
        """What it is expected to score."""

    def enqueue_trial(
        self,
        params: Mapping[str, Any],
        user_attrs: Mapping[str, Any] | None = None,
        skip_if_exists: bool = False,
        *,
        judged: bool = True,
    ) -> int:
        """Have a configuration tried next; its number."""

    def optimize(
        self, func: Callable[..., Any], n_trials: int | None = None, *, n_jobs: int = 1, progress: str = "auto"
    ) -> None:
        """Run so many trials."""


def confirm(
    study: Confirmable,
    objective: Callable[..., Any],
    k: int = 10,
    *,
    reuse: bool = True,
    overlap: float | None = None,
    n_jobs: int = 1,
) -> Confirmation:
    """Score the best `k` complete, feasible trials of a study, and the default, on all folds, and say which to take.

    Each becomes a new trial with the same parameters and the attribute "confirms", which no race judges; objectives
    of an evaluation, or that use `over_folds`, run only the folds that are missing, all others run whole. Calling it
    again after a crash goes on where it stopped. They are trials of the study like all others, and count in its
    `n_trials`. With `reuse` False everything is scored anew, for an objective with fresh splits; pass that objective.
    `overlap` is test rows / training rows, by default that of the evaluation, else 1 / (folds - 1); 0 for seeds and
    instances. A noisy objective without folds is called once more for each.

    Raises NotReady where there is nothing to confirm or no confirmation was completed, and InvalidInput for several
    objectives, fidelities, a k below 1, an evaluation whose parts the best trials have met all, and an objective that
    reports no folds and has no noise.
    """
    _check(study, k, overlap)
    parts: tuple[Fold, ...] | None = None
    if isinstance(objective, OfParts):
        objective = objective.beside(study.design, confirms=True)
        parts = None if _has_splits_of_its_own(objective) else objective.design.names
        overlap = objective.design.overlap if overlap is None else overlap
    trials = study.trials
    picked = _best(trials, k, study.problem.objectives[0])
    if not picked:
        raise NotReady(f"{study.study_name!r} has no complete, feasible trial to confirm: run optimize() first")
    if reuse and parts:
        _check_unmet(parts, picked)
    default = study.winner().default
    if default is not None and all(trial.params != trials[default].params for trial in picked):
        picked.append(trials[default])
    done = _confirming(trials, parts) if reuse else {}
    numbers: dict[int, int] = {}
    # Where the search has no folds the first confirmation shows, before the others run, whether it tells anything.
    for some in [picked] if any(trial.folds for trial in picked) else [picked[:1], picked[1:]]:
        for trial in some:
            numbers[trial.number] = done[trial.number] if trial.number in done else _enqueue(study, trial, reuse, parts)
        _run(study, objective, list(numbers.values()), n_jobs)
        trials = study.trials
        _check_telling([trials[number] for number in numbers.values()], trials)
    pairs = [(trial, trials[numbers[trial.number]]) for trial in picked]
    confirmed = [(trial, by) for trial, by in pairs if by.state is TrialState.COMPLETE]
    if not confirmed:
        failures = {by.failure.line for _, by in pairs if by.failure}
        raise NotReady(f"none of {len(pairs)} confirmations is complete: {'; '.join(failures) or 'they still run'}")
    on_folds = [(trial, by) for trial, by in confirmed if by.folds]
    if len({tuple(by.folds) for _, by in on_folds}) != 1:  # none, or rows of their own
        return _called_again(study, confirmed)
    return _weighed(study, on_folds, reuse, overlap)


def _check(study: Confirmable, k: int, overlap: float | None) -> None:
    if len(study.problem.objectives) > 1:
        raise InvalidInput("confirm compares one objective; this study has several: read study.best_trials")
    if study.problem.fidelities:
        raise InvalidInput(
            "confirm scores folds, not fidelities: a study with a fidelity has run its best at full budget"
        )
    if not hasattr(k, "__index__") or k < 1:
        raise InvalidInput(f"k={k!r}: give a whole number of trials to confirm, from 1 on")
    if overlap is not None and not (isinstance(overlap, (int, float)) and 0 <= overlap < inf):
        raise InvalidInput(
            f"overlap={overlap!r}: give test rows / training rows, as 0.25, or 0 for seeds and instances"
        )


def _has_splits_of_its_own(objective: Any) -> bool:
    """Whether each trial of an evaluation is scored on other rows."""
    return bool(getattr(getattr(objective, "evaluation", None), "is_reshuffled", False))


def _check_unmet(parts: Sequence[Fold], picked: Sequence[FrozenTrial]) -> None:
    """Raise InvalidInput where an evaluation has no part that one of these trials was not scored on."""
    if all(trial.folds.keys() >= set(parts) for trial in picked):
        met = f"all {len(parts)} parts" if len(parts) > 1 else "the only part"
        raise InvalidInput(
            f"the best trials were scored on {met} of the evaluation already, and would score the same again: "
            "study.winner() and study.estimate() weigh what there is. Confirm by another evaluation, as "
            "study.confirm(CrossValidation(5, seed=1).objective(…)), or keep parts back from the start of a study: "
            "Repeated(CrossValidation(5), 3).objective(…, first=5), or of seeds Seeds(20).objective(…, first=5)"
        )


def _check_telling(confirmations: Sequence[FrozenTrial], trials: Sequence[FrozenTrial]) -> None:
    for by in confirmations:
        if by.state is TrialState.COMPLETE and not _tells(by, trials):
            raise InvalidInput(
                f"the objective reports no folds and returns the same again (it ran once, as trial {by.number}), so "
                "there is nothing to weigh: make it by kilter.evaluation.CrossValidation(5).objective(…), or call "
                "trial.report(score, fold=k)"
            )


def _tells(by: FrozenTrial, trials: Sequence[FrozenTrial]) -> bool:
    """Whether a complete confirmation says more than the trial that it confirms."""
    return bool(by.folds) or by.value != trials[confirmed_by(by.user_attrs, by.number) or 0].value


def _best(trials: Sequence[FrozenTrial], k: int, objective: Objective) -> list[FrozenTrial]:
    """The best trials of the search, each configuration once."""
    ended = [
        t
        for t in trials
        if t.state is TrialState.COMPLETE and t.is_feasible and confirmed_by(t.user_attrs, t.number) is None
    ]
    ended = [t for t in ended if t.value is not None and isfinite(t.value)]
    # Of trials that ran on different numbers of folds, those with the most come first: others were cheap looks.
    ended.sort(key=lambda t: (-len(t.folds), objective.loss(t.metrics), t.number))
    picked: list[FrozenTrial] = []
    for trial in ended:
        if len(picked) < k and all(trial.params != other.params for other in picked):
            picked.append(trial)
    return picked


def _confirming(trials: Sequence[FrozenTrial], parts: Sequence[Fold] | None) -> dict[int, int]:
    """The trial that confirms each, where there is one that did not fail and tells something, if it is complete.

    That is a score on each of the parts, where these are known.
    """
    found = {}
    for trial in trials:
        earlier = confirmed_by(trial.user_attrs, trial.number)
        if earlier is None or trial.state in (TrialState.FAIL, TrialState.PRUNED):
            continue
        tells = _tells(trial, trials) and set(parts or ()) <= trial.folds.keys()
        if trial.state is not TrialState.COMPLETE or tells:
            found[earlier] = trial.number
    return found


def _enqueue(study: Confirmable, trial: FrozenTrial, reuse: bool, parts: Sequence[Fold] | None) -> int:
    alone = {study.problem.objectives[0].name}
    scores = [
        [fold, found if found.keys() != alone else trial.folds[fold]]
        for fold, found in trial.fold_metrics.items()
        if parts is None or fold in parts
    ]
    known = {KNOWN: scores} if reuse else {}
    return study.enqueue_trial(trial.params, {CONFIRMS: trial.number, **known}, judged=False)


def _run(study: Confirmable, objective: Callable[..., Any], numbers: Sequence[int], n_jobs: int) -> None:
    """Run the queue until these trials have ended or run elsewhere, or nothing that is done here brings them on."""
    left: list[int] = []
    while True:
        trials = study.trials
        halted = (TrialState.WAITING, TrialState.PAUSED)
        before, left = left, [number for number in numbers if trials[number].state in halted]
        if not left or left == before:
            return
        study.optimize(objective, n_trials=len(left), n_jobs=n_jobs, progress="none")


def _weighed(
    study: Confirmable,
    confirmed: Sequence[tuple[FrozenTrial, FrozenTrial]],
    reuse: bool,
    overlap: float | None,
) -> Confirmation:
    """The result: that of the study, or of the new splits alone."""
    sign = study.problem.objectives[0].sign
    folds = list(confirmed[0][1].folds)
    overlap = (1 / (len(folds) - 1) if len(folds) > 1 else 0.0) if overlap is None else overlap
    candidates = []
    for trial, by in confirmed:
        scores = np.array([by.folds.get(fold, np.nan) for fold in folds])
        candidates.append(
            Candidate(
                trial.number,
                by.number,
                trial.params,
                float(trial.value or 0.0),
                tuple(trial.folds),
                by.folds,
                float(scores.mean()),
                standard_error(scores, overlap),
            )
        )
    candidates.sort(key=lambda c: (sign * c.mean if isfinite(c.mean) else inf, c.number))
    if reuse:
        return _as_told(study, candidates)
    scores = np.array([[each.folds.get(fold, np.nan) for fold in folds] for each in candidates])
    values = chosen(sign * scores[np.isfinite(scores).all(axis=1)], range(len(folds))) * sign
    expected = float(values.mean())
    low, high = within = interval(expected, standard_error(values, overlap), len(values), LEVEL)
    sure = f"{share(LEVEL)} sure between {low:.4g} and {high:.4g}"
    told = f"to expect on new data: {expected:.4g}, {sure}, by the {len(folds)} new folds alone"
    return Confirmation(tuple(candidates), expected, within, told, study.winner())


def _as_told(study: Confirmable, candidates: Sequence[Candidate]) -> Confirmation:
    """What the study says of itself, now that the candidates are confirmed."""
    told = study.estimate()
    return Confirmation(tuple(candidates), told.value, (told.low, told.high), str(told), study.winner())


def _called_again(study: Confirmable, confirmed: Sequence[tuple[FrozenTrial, FrozenTrial]]) -> Confirmation:
    """The result where there are no folds: what all calls say, weighed by what is known of noise and neighbours."""
    known = merits(study.history)
    assert known is not None, "a confirmed trial is complete and feasible"
    sign = study.problem.objectives[0].sign
    places = {number: place for place, each in enumerate(known.configurations) for number in each.trials}
    candidates = []
    for trial, by in sorted(confirmed, key=lambda pair: float(known.mean[places[pair[0].number]])):
        place = places[trial.number]
        error = sqrt(max(float(known.covariance[place, place]), 0.0))
        earlier, mean = float(trial.value or 0.0), sign * float(known.mean[place])
        candidates.append(Candidate(trial.number, by.number, trial.params, earlier, (), {}, mean, error))
    return _as_told(study, candidates)


def chosen(scores: np.ndarray, counted: Sequence[int]) -> np.ndarray:
    """For each counted fold, the score on it of the row that is best, smallest, by the mean over the other folds.

    `scores` (c, K), result (len(counted),); with a single fold, the best score itself.

    >>> chosen(np.array([[1.0, 1.0, 9.0], [2.0, 2.0, 2.0]]), [0, 1, 2]).tolist()
    [2.0, 2.0, 9.0]
    """
    folds = scores.shape[1]
    others = scores if folds == 1 else scores.sum(axis=1, keepdims=True) - scores
    columns = list(counted)
    picked: np.ndarray = scores[others[:, columns].argmin(axis=0), columns]
    return picked
