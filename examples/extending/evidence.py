"""Evidence of your own: what a model learns from, here the results of this study and of an earlier one of its space.

A surrogate asks evidence for beliefs on the objectives, constraints, failures and durations, and for the points that
were measured. What is not said here comes from the results of the study: left are `objectives`, and `reached`, what
those beliefs expect at the points that there are to beat.

    surrogate = Surrogate(Pooled(Results.of(study.history), pending, points, values))
    scores = surrogate.score(candidates)
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kilter.core.memo import Memo
from kilter.models.evidence import Evidence
from kilter.models.fits import Belief, Fits
from kilter.models.results import Results
from kilter.models.transforms import standard


@dataclass(frozen=True)
class Pooled(Evidence):
    """Results of this study, and an earlier one's, shifted and scaled to the same level; of one objective."""

    results: Results
    pending: np.ndarray
    """Points whose results are awaited, (q, d)."""
    points: np.ndarray
    """What the earlier study tried, (k, d)."""
    values: np.ndarray
    """Its losses, (k,)."""

    def objectives(self) -> list[Belief]:
        """One process on all rows, those of the earlier study first."""
        own = self.results.values[self.results.usable, 0]
        losses = np.concatenate([standard(own).inverse(standard(self.values)(self.values)), own])
        encoding, usable = self.results.encoding, self.results.features[self.results.usable]
        features = np.concatenate([encoding.features(self.points), usable])
        # θ is remembered by the number of rows, which here are not those of the study alone
        fits = replace(Fits.of(self.results), features=lambda rows: features[rows], memory=Memo())
        return [fits.belief("objective 0", losses, np.isfinite(losses), np.arange(len(losses)))]

    def reached(self, objectives: list[Belief]) -> np.ndarray:
        """The points of this study."""
        return objectives[0].posterior.fitted[len(self.values) :, None]
