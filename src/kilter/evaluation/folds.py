"""Scoring a trial fold by fold, on splits that are the same for all trials of a study.

    splits = frozen_splits(len(y), folds=5, stratify=y)          # once, outside of the objective

    def objective(trial):
        model = build(trial.params)
        return over_folds(trial, splits, lambda train, test: score(clone(model).fit(x[train], y[train]), test))

Each fold is reported by its number and asked about, so `scheduler="race"` can end a trial that is clearly worse than
the best one on the folds that both have done. The mean so far is reported as well, at the step that counts the folds:
schedulers that compare steps see the mean over the same folds of every trial.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from math import fsum, isnan, nan
from typing import Any, Protocol, Union

import numpy as np

from kilter.analysis.design import Name
from kilter.core.attributes import KNOWN, confirmed_by, known_parts
from kilter.core.errors import InvalidInput, TrialPruned
from kilter.core.problem import Objective
from kilter.core.seeds import rng
from kilter.evaluation.data import codes

SAVE_SECONDS = 1.0
"""Scores wait at most about this long before they are saved, so that a killed worker loses little; a save takes about
a millisecond, which folds of a few milliseconds would feel."""

BUDGET = "budget"
"""Of saved scores: for how far they were trained."""

Splits = list[tuple[np.ndarray, np.ndarray]]
"""Row numbers to train on and to test on, for each fold."""

Score = Union[float, Mapping[str, float]]
"""Of a part: a number, or several metrics by name."""


class FoldTrial(Protocol):
    """What is needed of a trial."""

    number: int
    user_attrs: dict[str, Any]

    @property
    def params(self) -> dict[str, Any]:
        """The configuration."""

    @property
    def budget(self) -> dict[str, float]:
        """How far to go along each fidelity."""

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What the study wants of the metrics."""

    def report(self, value: Any, step: int | None = None, *, fold: int | str | None = None) -> None:
        """Tell a score of a fold, or the mean so far at a step."""

    def should_prune(self) -> bool:
        """Whether the trial should end or pause now."""

    def set_user_attr(self, key: str, value: Any) -> None:
        """Keep a value beside the trial."""

    def save(self, state: Any) -> None:
        """Keep the scores."""

    def load(self) -> Any:
        """What an earlier attempt kept."""


def over_folds(
    trial: FoldTrial,
    splits: Sequence[Any],
    score: Callable[..., Union[float, Any]],
    *,
    first: int | None = None,
) -> float:
    """The mean of `score` over the splits, each reported as a fold; raises TrialPruned where the scheduler says stop.

    A split that is a pair, as (train, test), is handed over as two arguments, anything else as one: an instance, a
    seed. A trial meets the splits in their order, so all trials have the first ones in common. With `first`, a trial
    is scored on so many of them only, and `kilter.evaluation.confirmation.confirm` scores the best ones on the rest.

    Scores of an earlier attempt, before a pause or a crash, are not computed again; for that they are kept with
    trial.save, so an objective that uses it for something else has to write its own loop. A score may be NaN: then so
    is the mean, and the trial fails, if no scheduler ends it before. Raises InvalidInput for splits that are not a
    list, and for a `first` that is not from 1 to their number.
    """
    if hasattr(splits, "split") or not hasattr(splits, "__getitem__") or not len(splits):
        raise InvalidInput(
            f"splits={splits!r:.60}: give a list that is the same for all trials, made once outside of the objective, "
            "as frozen_splits(...) or list(KFold(5).split(x, y))"
        )
    parts = range(len(splits))
    mean: float = over_parts(trial, parts, lambda part: float(_call(score, splits[part])), first=first)
    return mean


def over_parts(
    trial: FoldTrial,
    parts: Sequence[Name],
    score: Callable[[Any], Any],
    *,
    first: int | None = None,
    reuses: bool = True,
    stops: bool = True,
    summary: Callable[[Sequence[Name], Sequence[float]], float] = lambda parts, scores: fsum(scores) / len(scores),
) -> Any:
    """What `score`, a number or metrics by name, comes to over the parts of an evaluation; see over_folds.

    Parts are reported by their names, and at step n the `summary` of the scores of the first n. What is known of the
    trial that this one confirms counts if it `reuses` that. It `stops` where the scheduler says so.
    """
    if first is not None and not 1 <= first <= len(parts):
        raise InvalidInput(f"first={first!r}: give a number from 1 to {len(parts)}, the number of parts")
    known, met = _known(trial, reuses), parts if first is None or _confirms(trial) else parts[:first]
    scores: dict[Name, Any] = {}
    saved = time.monotonic()
    for part in met:
        scores[part] = known[part] if part in known else score(part)
        trial.report(scores[part], fold=part)
        trial.report(_summed(scores, summary), len(scores))
        if part in known or len(scores) == len(met):
            continue
        leaves = stops and trial.should_prune()
        if leaves or time.monotonic() - saved > SAVE_SECONDS:
            trial.save({KNOWN: list(scores.items()), BUDGET: trial.budget})
            saved = time.monotonic()
        if leaves:
            raise TrialPruned
    return _summed(scores, summary)


def _confirms(trial: FoldTrial) -> bool:
    return confirmed_by(trial.user_attrs, trial.number) is not None


def _known(trial: FoldTrial, reuses: bool) -> dict[Name, Any]:
    """Scores from the trial that this one confirms, and from earlier attempts."""
    saved = trial.load()
    is_alike = isinstance(saved, dict) and saved.get(BUDGET, trial.budget) == trial.budget
    kept = saved.get(KNOWN, []) if is_alike else []
    return dict([*(known_parts(trial.user_attrs) if reuses else []), *kept])


def _call(score: Callable[..., Any], split: Any) -> Any:
    return score(*split) if isinstance(split, (tuple, list)) else score(split)


def _summed(scores: Mapping[Name, Any], summary: Callable[[Sequence[Name], Sequence[float]], float]) -> Any:
    """The summary of a number, or of each of several metrics; NaN where there is one among the scores."""
    parts, values = list(scores), list(scores.values())
    if isinstance(values[0], Mapping):
        return {name: _summed({part: of[name] for part, of in scores.items()}, summary) for name in values[0]}
    return nan if any(map(isnan, values)) else summary(parts, values)


def frozen_splits(
    rows: int,
    folds: int = 5,
    seed: int = 0,
    *,
    stratify: Sequence[Any] | np.ndarray | None = None,
    groups: Sequence[Any] | np.ndarray | None = None,
    repeat: int = 0,
) -> Splits:
    """Cross-validation's pairs of row numbers, shuffled, the same for the same arguments in any process.

    Each row is tested once; sizes of folds are as equal as can be. With `stratify`, labels of shape (rows,), each fold
    has its share of each label; with `groups`, of shape (rows,), a group is never on both sides. Both together do what
    can be done. Each `repeat` is another cross-validation of the same rows. Raises InvalidInput where there are fewer
    than two folds, or fewer rows or groups than folds.

    >>> [(train.tolist(), test.tolist()) for train, test in frozen_splits(4, folds=2, stratify=["a", "b", "a", "b"])]
    [([1, 2], [0, 3]), ([0, 3], [1, 2])]
    """
    stream = rng(seed, "splits", repeat)
    if folds < 2 or rows < folds:
        raise InvalidInput(f"frozen_splits({rows}, folds={folds}): needs at least two folds, and a row for each")
    labels = np.zeros(rows, dtype=int) if stratify is None else _codes("stratify", stratify, rows)
    if groups is None:
        of_row = _dealt(labels, folds, stream)
    else:
        of_group = _codes("groups", groups, rows)
        if of_group.max() + 1 < folds:
            raise InvalidInput(f"{of_group.max() + 1} groups for {folds} folds: take fewer folds")
        of_row = _placed(of_group, labels, folds, stream)[of_group]
    return [(np.flatnonzero(of_row != fold), np.flatnonzero(of_row == fold)) for fold in range(folds)]


def _codes(name: str, values: Any, rows: int) -> np.ndarray:
    """Labels as whole numbers from 0 on."""
    array = np.asarray(values)
    if array.shape != (rows,):
        raise InvalidInput(f"{name} has the shape {array.shape}: give one label for each of the {rows} rows")
    return codes(name, array)


def _dealt(labels: np.ndarray, folds: int, stream: np.random.Generator) -> np.ndarray:
    """The fold of each row: rows are dealt in turn, label by label, so that labels and sizes differ by one at most."""
    order = stream.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    of_row = np.empty(len(labels), dtype=int)
    of_row[order] = np.arange(len(labels)) % folds
    return of_row


def _placed(of_group: np.ndarray, labels: np.ndarray, folds: int, stream: np.random.Generator) -> np.ndarray:
    """The fold of each group: the largest first, each to the fold that it leaves the most even; none stays empty."""
    counts = np.zeros((of_group.max() + 1, labels.max() + 2))
    np.add.at(counts, (of_group, labels), 1)
    counts[:, -1] = counts.sum(axis=1)  # the size is to be even as each label is
    share = counts.sum(axis=0)  # a rare label weighs as much as a common one
    order = stream.permutation(len(counts))
    order = order[np.argsort(-counts[order, -1], kind="stable")]
    filled = np.zeros((folds, counts.shape[1]))
    placed = np.empty(len(counts), dtype=int)
    for left, group in zip(range(len(order), 0, -1), order):
        # What squares of shares grow by, so that the sum over folds is least where all are even.
        growth = ((2 * filled + counts[group]) * counts[group] / share**2).sum(axis=1)
        is_empty = filled[:, -1] == 0
        if is_empty.sum() == left:
            growth[~is_empty] = np.inf
        placed[group] = growth.argmin()
        filled[placed[group]] += counts[group]
    return placed
