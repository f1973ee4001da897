"""Several seeds: of an objective that has chance in it, or of each fit of another evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from kilter.core.errors import InvalidInput
from kilter.evaluation.data import Fit, is_whole
from kilter.evaluation.evaluations import Evaluation
from kilter.evaluation.objective import ByName
from kilter.evaluation.splitting import OverRows


@dataclass(frozen=True, repr=False)
class Seeds(Evaluation):
    """The seeds 0, 1, … up to `count`, each a part: of a function that takes `seed`.

    With another `evaluation`, each of its parts is scored with all seeds, and its score is their mean: seeds alone do
    not say how much scores differ between rows. Of an estimator they are its random_state, those of its steps included.
    Raises InvalidInput for a count below 1.

    >>> def train(*, lr, seed):
    ...     return (lr - 0.3) ** 2 + seed / 100
    >>> objective = Seeds(5).objective(train)
    >>> objective.design.names
    (0, 1, 2, 3, 4)
    """

    count: int
    evaluation: OverRows | None = None

    def __post_init__(self) -> None:
        if not is_whole(self.count) or self.count < 1:
            raise InvalidInput(f"{self!r}: give a whole number of seeds from 1 on")
        if self.evaluation is not None and not isinstance(self.evaluation, OverRows):
            raise InvalidInput(f"{self!r}: seeds are of fits on rows, as Seeds(3, CrossValidation(5))")

    @property
    def is_reshuffled(self) -> bool:
        """Whether each configuration has splits of its own."""
        return self.evaluation is not None and self.evaluation.is_reshuffled

    def fits(self, data: ByName, number: int = 0) -> list[Fit]:
        """A part for each seed, or those of the other evaluation with all of them."""
        seeds = tuple(range(self.count))
        if self.evaluation is None:
            return [Fit(seeds=(seed,), repeat=seed) for seed in seeds]
        return [replace(fit, seeds=seeds) for fit in self.evaluation.fits(data, number)]

    def _data(self, learner: Any, arrays: Sequence[Any], groups: Any, weights: Any) -> ByName:
        if self.evaluation is not None:
            return super()._data(learner, arrays, groups, weights)
        if arrays or groups is not None or weights is not None:
            raise InvalidInput(f"{self!r} splits no rows: say how they are split, as Seeds(5, CrossValidation(5))")
        return {}
