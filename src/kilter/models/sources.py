"""What earlier studies expect of the points of a space, and how well their word has held so far.

    t        an earlier study that matches the space (models/matching.py), with a process of its own trials
    m_t      (n,)  the mean of its process: what it expects, in a unit of its own
    r_t      (n,)  (m_t - least) / (median - least) over its own trials, within [0, 1.5]: 0 as good as its best one
    loss_t   the share of pairs i, j of trials of the study that learns that r_t puts in the wrong order, each pair
             counted |r_t(i) - r_t(j)| times: which of two good ones is better, nobody can know
    w_t      how much it counts: (1 - loss_t / chance)², 0 where it ranks no better than chance

A study made by a good search has few bad trials, so its median is good already; hence the bound on r_t.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from math import inf

import numpy as np

from kilter.core.earlier import EarlierStudy
from kilter.core.history import History
from kilter.core.memo import Memo
from kilter.core.seeds import rng
from kilter.core.space import Space
from kilter.models.encoding import Encoding, encoding_of
from kilter.models.fits import fitted, layout_of
from kilter.models.gp import Posterior
from kilter.models.matching import Matched, matched
from kilter.models.parzen import Parzen
from kilter.models.results import Results
from kilter.models.scaling import Scaling
from kilter.models.transforms import bent, standard

WORST = 1.5
"""A trial counts as no worse than so many times the way from the best to the median."""
CHANCE = 0.5
"""The share of pairs that one who knows nothing puts in the wrong order."""
JUDGED = 64
"""An earlier study is judged by the latest so many trials."""
PAIRS = 2.0
"""So many pairs of trials, as far apart as best and middle, are imagined to have been seen, ..."""
MISTAKEN = 0.3
"""... and this share of them to have been in the wrong order."""
LISTED = 5
"""First trials on the word of earlier studies, at most: three are worse, and ten no better."""
BEST = 5
"""So many trials of each earlier study are candidates for the next one's first trials."""
DRAWN = 256
"""And so many draws from the density that they make."""
LEAST_SPREAD = 1e-9


class Source:
    """One earlier study that matches a space."""

    def __init__(self, study: EarlierStudy, seen: Matched, encoding: Encoding) -> None:
        self.study, self.seen, self.encoding = study, seen, encoding
        self.unknown = np.isnan(seen.matrix).all(axis=0)
        """Which parameters it knows nothing of: its word does not depend on them."""

    @cached_property
    def features(self) -> np.ndarray:
        """Its trials as kernels see them, what is not known of them left out; (n, p)."""
        return self.encoding.features(*self.encoding.known(self.seen.matrix))

    @cached_property
    def _shape(self) -> tuple[np.ndarray, float | None]:
        return fitted(layout_of(self.encoding), self.features, self.seen.losses)

    @property
    def theta(self) -> np.ndarray:
        """θ of its process."""
        return self._shape[0]

    @cached_property
    def values(self) -> np.ndarray:
        """Its losses as its process has them: of mean 0 and standard deviation 1, bent where that is likelier; (n,)."""
        losses, power = self.seen.losses, self._shape[1]
        output = standard(losses) if power is None else bent(losses, power)[0]
        return output(losses)

    @cached_property
    def posterior(self) -> Posterior:
        """The process of its trials."""
        return Posterior(layout_of(self.encoding), self.theta, self.features, self.values)

    @cached_property
    def order(self) -> np.ndarray:
        """Its trials by what it expects of them, best first: of a lucky value less is expected; (n,)."""
        return np.argsort(self.posterior.fitted, kind="stable")

    def expected(self, points: np.ndarray) -> np.ndarray:
        """m_t at points (q, d), whatever they have where it knows nothing; (q,)."""
        matrix = self.encoding.matrix(points)
        matrix[:, self.unknown] = np.nan
        return self.posterior.predict(self.encoding.features(*self.encoding.known(matrix)))[0]

    def regret(self, points: np.ndarray) -> np.ndarray:
        """r_t at points (q, d), (q,)."""
        own = self.posterior.fitted
        least = float(own.min())
        spread = max(float(np.median(own)) - least, LEAST_SPREAD)
        regret: np.ndarray = np.clip((self.expected(points) - least) / spread, 0.0, WORST)
        return regret

    def points(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """Trials of its as points of the space, (k, d): what it does not know as the defaults and priors have it."""
        return completed(self.encoding, self.seen.matrix[rows])


class Sources:
    """The earlier studies of one history that match its space; `Sources.of` has them."""

    def __init__(self, studies: Sequence[EarlierStudy], space: Space) -> None:
        self.encoding = encoding_of(space)
        self.scaling = Scaling(studies, space)
        """What those of other sizes say of this one."""
        self.matched = [(study, matched(study, space)) for study in map(self.scaling.moved, studies)]
        """All of them, with what of each is of the space."""
        fitting = [(study, seen) for study, seen in self.matched if seen.reason is None]
        self.teaching = [Source(study, seen, self.encoding) for study, seen in fitting if study.losses]
        """Those that have values."""
        self._given = [(study, completed(self.encoding, seen.matrix)) for study, seen in fitting if not study.losses]
        only = [points for _, points in self._given]
        self.given = np.concatenate([np.empty((0, self.encoding.d)), *only, self.scaling.points])
        """The points of those that are only to be tried, in their order, then the best at this size, (g, d)."""
        self._given += [(study, self.scaling.points) for study in self.scaling.studies]
        self.most = sum(map(len, only)) + (min(LISTED, 2 * len(self.teaching) + 1) if self.teaching else 0)
        """How many trials open a study that learns from these, at most."""
        self._regrets = Memo()

    @classmethod
    def of(cls, history: History) -> Sources:
        """Those of this history, matched to the space as it is now."""
        space = history.problem.space
        return history.memo(cls, lambda _: cls(history.earlier, space), given=space)

    @cached_property
    def candidates(self) -> np.ndarray:
        """Points that may do well: the BEST trials of each teaching study, and draws from their density; (c, d).

        None of them failed in any earlier study. What one study tried and what another found good go together in
        draws; of few studies, or of those that tried little, the best trials alone are far from what is best.
        """
        encoding = self.encoding
        found = [source.points(source.order[:BEST]) for source in self.teaching]
        points = np.concatenate([np.empty((0, encoding.d)), *found])
        drawn = Parzen(encoding, points, encoding.active(points)).draw(rng(0, "candidates"), DRAWN)
        return self._proposable(np.concatenate([points, drawn]))

    def _proposable(self, points: np.ndarray) -> np.ndarray:
        """Those of the points that failed in no earlier study, no two alike, as the log has them; (k, d)."""
        encoding = self.encoding
        configs = [encoding.config(point) for point in points]
        points = encoding.points(encoding.space.encode(configs))  # a log keeps fewer digits
        points = points[np.sort(np.unique(points, axis=0, return_index=True)[1])]
        failed = {p.tobytes() for _, seen in self.matched for p in completed(encoding, seen.failed)}
        return points[[point.tobytes() not in failed for point in points] & ~encoding.is_forbidden(points)]

    @cached_property
    def candidate_regrets(self) -> np.ndarray:
        """r_t of the candidates, (t, c)."""
        return np.array([source.regret(self.candidates) for source in self.teaching])

    def why(self, point: np.ndarray) -> str:
        """Why a given point (d,) is tried."""
        if (self.scaling.points == point).all(axis=1).any():
            return self.scaling.why(point)
        return f"the next of the configurations to try first: {', '.join(study.name for study in self.owed(point))}"

    @cached_property
    def known(self) -> np.ndarray:
        """All trials of the teaching studies as points, (k, d)."""
        found = [source.points(source.order) for source in self.teaching]
        return self._proposable(np.concatenate([np.empty((0, self.encoding.d)), *found]))

    @cached_property
    def known_regrets(self) -> np.ndarray:
        """r_t of those, (t, k)."""
        return np.array([source.regret(self.known) for source in self.teaching])

    def owed(self, point: np.ndarray) -> list[EarlierStudy]:
        """Whose a point (d,) of the opening is: those that are only tried have it, of others who expects most of it."""
        if (self.given == point).all(axis=1).any():
            return [study for study, points in self._given if (points == point).all(axis=1).any()]
        if not len(of := np.flatnonzero((self.candidates == point).all(axis=1))):
            return []
        regrets = self.candidate_regrets[:, of[0]]
        return [source.study for source, regret in zip(self.teaching, regrets) if regret == regrets.min()]

    def regrets(self, points: np.ndarray) -> np.ndarray:
        """r_t of each teaching study at points (q, d), (t, q); what was asked before is remembered."""
        regrets = np.empty((len(self.teaching), len(points)))
        for i, point in enumerate(points):
            regrets[:, i] = self._regrets.of(point.tobytes(), partial(self._regret, point))
        return regrets

    def _regret(self, point: np.ndarray) -> np.ndarray:
        return np.array([source.regret(point[None])[0] for source in self.teaching])

    def agreement(self, results: Results) -> tuple[np.ndarray, int]:
        """The share of pairs that each teaching study puts in the wrong order, (t,), and how many pairs there are.

        Pairs are those of trials that got to their end and have different values; CHANCE where there is none.
        """
        apart, order = self._pairs(results)
        if not len(order):
            return np.full(len(self.teaching), CHANCE), 0
        wrong: np.ndarray = np.where(apart == 0, CHANCE, np.sign(apart) != order).mean(axis=1)
        return wrong, len(order)

    def weights(self, results: Results) -> np.ndarray:
        """w_t of each teaching study, (t,)."""
        apart, order = self._pairs(results)
        told = np.abs(apart)
        wrong = (told * (np.sign(apart) != order)).sum(axis=1)
        loss = (wrong + MISTAKEN * PAIRS) / (told.sum(axis=1) + PAIRS)
        own = np.array([source.study.weight for source in self.teaching])
        weights: np.ndarray = own * np.maximum(1.0 - loss / CHANCE, 0.0) ** 2
        return weights

    def _pairs(self, results: Results) -> tuple[np.ndarray, np.ndarray]:
        """r_t(i) - r_t(j) of each pair of trials i, j, (t, pairs), and the sign of y_i - y_j, (pairs,)."""
        rows = np.flatnonzero(results.usable & (results.reach == inf))[-JUDGED:]
        y, regrets = results.values[rows, 0], self.regrets(results.points[rows])
        i, j = np.triu_indices(len(rows), 1)
        differ = y[i] != y[j]
        i, j = i[differ], j[differ]
        return regrets[:, i] - regrets[:, j], np.sign(y[i] - y[j])


def completed(encoding: Encoding, matrix: np.ndarray) -> np.ndarray:
    """Rows of a history as points (n, d), with the middle of the prior where a value is not known."""
    middle = encoding.matrix(encoding.from_uniforms(np.full((1, encoding.d), 0.5)))
    return encoding.points(np.where(np.isnan(matrix), middle, matrix))
