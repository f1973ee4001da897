"""What a fit has tried: each configuration with its models by fold and what they predict of rows they have not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from kilter.automl.members.member import Fitted
from kilter.automl.target import Target

Folds = Sequence[tuple[np.ndarray, np.ndarray]]
"""Places of rows to train on and to predict, for each fold; every candidate meets the same ones, in this order."""

State = Literal["complete", "stopped", "failed"]


@dataclass(frozen=True)
class Candidate:
    """One configuration of a member, as far as it got.

    `number` is that of its trial; `params` are the member's own. `scores` (larger is better) and `fitted` are by fold,
    as many as were done. `out_of_fold` (n,) or (n, k) holds what the model of each fold predicts of that fold's rows,
    on the target's own scale, NaN for rows that are in none. `reason` says why it was stopped, or how it failed;
    `is_cut` whether the time ended one of its fits.
    """

    number: int
    member: str
    params: Mapping[str, Any]
    target: Target
    scores: tuple[float, ...]
    out_of_fold: np.ndarray
    fitted: tuple[Fitted, ...]
    seconds: float
    state: State
    reason: str = ""
    is_cut: bool = False

    @property
    def score(self) -> float:
        """The mean over the folds that were done; minus infinity before the first."""
        return float(np.mean(self.scores)) if self.scores else -np.inf

    def first(self, count: int, folds: Folds) -> Candidate:
        """As it is where there are no other folds than the first so many of these: then it is complete."""
        met = np.zeros(len(self.out_of_fold), bool)
        met[np.concatenate([held for _, held in folds[:count]])] = True
        predictions = self.out_of_fold.copy()
        predictions[~met] = np.nan
        return replace(
            self,
            scores=self.scores[:count],
            out_of_fold=predictions,
            fitted=self.fitted[:count],
            seconds=self.seconds * count / len(self.fitted),
            state="complete",
            reason="",
        )


def in_part(every: Sequence[Candidate], folds: Folds) -> list[Candidate]:
    """Where none is whole, those that have met some folds as if there were no others: so they can be weighed."""
    met = [len(each.fitted) for each in every if each.state == "stopped" and each.fitted]
    if not met:
        return list(every)
    count = min(met)
    return [each.first(count, folds) if each.state == "stopped" and each.fitted else each for each in every]
