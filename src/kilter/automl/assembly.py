"""What a fit has found, put together: a bag of fold models for each candidate with weight, and refits beside the heavy.

A model of all rows has seen more than each model of a fold, and is another one. For numbers the mean of both is better
than either (docs/decisions/0048); of classes a bag alone is, unless it is of a single fold. Where folds grow, as by
time, the earlier models know the oldest rows alone: the refit stands for the bag, or the model of the most rows does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kilter.automl.budget import Budget
from kilter.automl.calibration import Calibration
from kilter.automl.candidates import Candidate
from kilter.automl.encoded import Encoded
from kilter.automl.encoding import Encoder
from kilter.automl.members.member import Fitted, Matrix, Member, Refits, Rows
from kilter.automl.model import Model, Part
from kilter.automl.reading import Reading
from kilter.automl.splits import is_growing

HEAVY = 0.1
"""From this weight on a candidate is worth a refit."""
HALF = 0.5
"""What a refit counts beside its bag."""

Weighed = Sequence[tuple[float, Candidate]]


@dataclass(frozen=True)
class Assembly:
    """Makes models of candidates; refits have what is left of the budget."""

    encoded: Encoded
    reading: Reading
    members: Mapping[str, Member]
    budget: Budget

    def model(self, weighed: Weighed, learned: Calibration) -> Model:
        """The model of candidates with their weights, the heaviest first."""
        weighed = sorted((pair for pair in weighed if pair[0] > 0), key=lambda pair: -pair[0])
        views = sorted({self.members[each.member].view for _, each in weighed})
        encoders = [self.encoded.encoder(fold, views) for fold in range(len(self.encoded.folds))]
        parts = [
            Part(
                each.member,
                self.members[each.member].view,
                share,
                each.target,
                each.fitted,
                each.params,
                self._shares(len(each.fitted)),
            )
            for share, each in weighed
        ]
        task = self.encoded.task
        if task.is_regression or len(encoders) == 1 or self._is_growing:
            encoder, parts = self._with_refits(parts, weighed, views)
            encoders += encoder
        return Model(task, self.reading, encoders, parts, learned.temperature, learned.threshold)

    def _with_refits(
        self, parts: list[Part], weighed: Weighed, views: Sequence[str]
    ) -> tuple[list[Encoder], list[Part]]:
        """Parts with refits, and the encoder of all rows that goes with them, where there was time for any."""
        wanted = [place for place, (share, each) in enumerate(weighed) if share >= HEAVY and self._can_refit(each)]
        seconds = {place: self._expected(weighed[place][1]) for place in wanted}
        if not wanted or not self.budget.allows(self.encoded.seconds + min(seconds.values())):
            return [], parts
        encoder, matrices = self.encoded.whole(views)
        found = {}
        for place in wanted:
            if self.budget.allows(seconds[place]):
                found[place] = self._refit(weighed[place][1], matrices[parts[place].view])
        return [encoder], [self._beside(part, found.get(place)) for place, part in enumerate(parts)]

    @property
    def _is_growing(self) -> bool:
        return is_growing(self.encoded.folds)

    def _shares(self, models: int) -> tuple[float, ...]:
        """What the model of each fold counts: as much as others do, or all where it has learned from the most rows."""
        sizes = np.array([len(train) for train, _ in self.encoded.folds[:models]])
        counts = sizes == sizes.max() if self._is_growing else np.ones(len(sizes))
        return tuple((counts / counts.sum()).tolist())

    def _beside(self, part: Part, refit: Fitted | None) -> Part:
        """The part with a refit beside its bag, or with nothing behind the encoder of all rows."""
        share = 0.0 if refit is None else 1.0 if self._is_growing else HALF
        shares = (*((1 - share) * own for own in self._shares(len(part.fitted))), share)
        return replace(part, shares=shares, fitted=part.fitted if refit is None else (*part.fitted, refit))

    def _can_refit(self, candidate: Candidate) -> bool:
        return isinstance(self.members[candidate.member], Refits)

    def _expected(self, candidate: Candidate) -> float:
        """Seconds of a fit on all rows, by those of its folds."""
        share = len(self.encoded.folds[0][0]) / len(self.encoded.y)
        return candidate.seconds / len(candidate.fitted) / share

    def _refit(self, candidate: Candidate, matrix: Matrix) -> Fitted:
        member = self.members[candidate.member]
        assert isinstance(member, Refits)
        rows = Rows(matrix, candidate.target.learned(self.encoded.y), self.encoded.weight)
        seed = self.encoded.seed + len(candidate.fitted)
        return member.refit(candidate.params, candidate.fitted, rows, self.encoded.task, seed, self.budget.share(1.0))
