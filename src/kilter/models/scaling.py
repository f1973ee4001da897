"""What studies of other sizes say of the best configuration at this one: one process over all of them, tilted.

    s    (n, k)   doublings: log2 of the sizes of a row's study over those of the study that learns, below 0 if smaller
    e             the exponent of a parameter by a size: its best value is proportional to size ^ e
    b             e / octaves, its tilt: how far along [0, 1] its best value moves with each doubling
    u'   (n, d)   u - s bᵀ: where a row's values would lie if its study were of this size
    σ    (n, k)   how large a row's study is, the smallest at LOW and the largest at HIGH
    p(e)          ∝ p(y | u'(e), σ, θ)^TEMPER p(e), over a grid

The values of all studies are in one unit: a unit for each would have to be guessed from its few trials, and hides how
its best value moves behind which ones it happened to try. The first configuration is
the one that surely does well, on average over what e may be, at the largest size that was seen; the next are those for
e one standard deviation lower and higher. What is not learnt is said, and why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from kilter.core.earlier import EarlierStudy
from kilter.core.numbers import Number
from kilter.core.parameter import Plain
from kilter.core.scaling import Learnt
from kilter.core.seeds import rng
from kilter.core.space import Space
from kilter.models.candidates import mutants
from kilter.models.encoding import encoding_of
from kilter.models.fits import COLD_CALLS, WARM_CALLS, layout_of
from kilter.models.gp import Posterior, fit
from kilter.models.matching import Matched, matched
from kilter.models.transforms import bent

LEAST = 8
"""Trials of a study that tell how a parameter moves."""
ROWS = 128
"""Trials of all studies together that the process rests on."""
LOW, HIGH = 0.25, 0.75
ROOM = 0.5
"""Tilted values may lie so far outside [0, 1]: what is beyond counts as there."""
BORDER = 0.04
OUTER = 3
"""The best so many trials of a study are at the border of a range where their middle is no further from it, or where
fewer trials than that lie between."""
GRID = np.linspace(-2.5, 2.5, 9)
"""Exponents that are tried, in standard deviations round the mean; twice, the second time round what was found."""
TEMPER = 0.25
"""A process that is wrong is so in all trials alike: taken at its word it would be too sure of an exponent by far."""
CAUTION = 2.0
"""Standard deviations that are added to what is expected: a mean alone is best in corners where nobody was."""
POINTS = 1024
"""Points that the first configuration is looked for among; then their neighbours, so many times."""
ROUNDS = 4
BEST = 5
MOST = 500.0
"""Octaves by which a value is moved for one size: what is beyond is outside of any range, and of what floats hold."""
NAMED = 4
"""Studies that a sentence names."""
APART = 0.02
"""Of a range: where the uncertainty of a tilt moves a value by no more, there is nothing to try twice."""
FAR = 4.0
"""Beyond so many doublings, 16 times the size, it is said how far that is."""

Belief = Callable[[np.ndarray], np.ndarray]
"""What points (q, d) surely come to at this size, (q,)."""


@dataclass(frozen=True)
class Tilt:
    """How one parameter moves with one size."""

    parameter: str
    size: str
    exponent: float
    """What is expected."""
    sd: float
    """Its standard deviation; 0 where it was given."""
    octaves: float
    """Doublings of the parameter's value in its range."""
    reason: str | None = None
    """Why it could not be learnt; None where it was, or was given."""

    @property
    def b(self) -> float:
        """How far along [0, 1] the best value moves with each doubling of the size."""
        return self.exponent / self.octaves if self.octaves else 0.0

    def off(self, deviations: float) -> Tilt:
        """The same with an exponent that is so many standard deviations higher."""
        return replace(self, exponent=self.exponent + deviations * self.sd)

    def __str__(self) -> str:
        text = f"{self.parameter} goes as {self.size}^{self.exponent:.2g}"
        if self.sd:
            text += f" ± {self.sd:.1g}"
        return text if self.reason is None else f"{text}, as believed beforehand: {self.reason}"


@dataclass(frozen=True)
class _Rows:
    """The trials that the process rests on: points (n, d), what of them is known, and losses (n,)."""

    points: np.ndarray
    known: np.ndarray
    losses: np.ndarray
    doublings: dict[str, np.ndarray]
    """By size, (n,)."""


class Scaling:
    """Studies of other sizes, and what they say at the size of the study that learns.

    >>> from kilter.core.numbers import Float
    >>> space = Space({"lr": Float(1e-4, 1.0, log=True).scaling(width=-1.0)})
    >>> study = EarlierStudy("small", ({"lr": 0.1}, {"lr": 0.2}, {"lr": 0.4}), (1.0, 2.0, 3.0), doublings={"width": -3})
    >>> Scaling([study], space).moved(study).configs[0]
    {'lr': 0.0125}
    """

    def __init__(self, studies: Sequence[EarlierStudy], space: Space) -> None:
        self.space, self.encoding = space, encoding_of(space)
        pairs = [(study, matched(study, space)) for study in studies if is_of_another_size(study) and study.losses]
        self._pairs = [(study, seen) for study, seen in pairs if seen.reason is None]
        self._sizes = sorted({size for study, _ in self._pairs for size in study.doublings})
        self._layout = layout_of(self.encoding)
        for _ in self._sizes:
            self._layout = self._layout.with_one_more
        self._columns = {name: j for j, name in enumerate(space.names)}

    @property
    def studies(self) -> list[EarlierStudy]:
        """Those that it rests on."""
        return [study for study, _ in self._pairs]

    # -- how parameters move --------------------------------------------------------------------------------------

    @cached_property
    def tilts(self) -> tuple[Tilt, ...]:
        """How each parameter with exponents moves with each size that the studies name."""
        tilts = [
            self._believed(name, size)
            for name, parameter in self.space.parameters.items()
            for size in _exponents(parameter)
            if size in self._sizes
        ]
        learnt = [i for i, tilt in enumerate(tilts) if tilt.sd and tilt.reason is None]
        for _ in range(min(len(learnt), 2)):  # each depends on the others
            for i in learnt:
                tilts[i] = self._learnt(tilts, i)
        return tuple(tilts)

    def _believed(self, name: str, size: str) -> Tilt:
        """A tilt before the studies were looked at."""
        parameter = self.space[name]
        assert isinstance(parameter, Number)
        exponent = parameter.exponents[size]
        if not isinstance(exponent, Learnt):
            return Tilt(name, size, exponent, 0.0, parameter.octaves)
        return Tilt(name, size, exponent.mean, exponent.sd, parameter.octaves, self._unlearnable(name, size))

    def _unlearnable(self, name: str, size: str) -> str | None:
        """Why the exponent of a parameter is not to be had from the studies; None where it is."""
        telling, at_border = set(), []
        for study, seen in self._pairs:
            column = seen.matrix[:, self._columns[name]]
            if np.isfinite(column).sum() < LEAST:
                continue
            if _is_at_border(column, seen.losses):
                at_border.append(study.name)
            else:
                telling.add(study.doublings.get(size, 0.0))
        if len(telling) > 1:
            return None
        if at_border:
            return f"the best {name} of {_listed(at_border)} lies at the border of its range, so widen that"
        return f"that it is learnt takes studies of two sizes, with {LEAST} trials each"

    def _learnt(self, tilts: list[Tilt], i: int) -> Tilt:
        """A tilt as the rows have it, the others as they are."""
        believed = self._believed(tilts[i].parameter, tilts[i].size)
        theta, found = self._fitted(tilts, self._layout.start(), COLD_CALLS)[0], believed
        for _ in range(2):
            tried = [found.off(deviations) for deviations in GRID]
            costs = [self._fitted([*tilts[:i], tilt, *tilts[i + 1 :]], theta, WARM_CALLS)[1] for tilt in tried]
            exponents = np.array([tilt.exponent for tilt in tried])
            cost = TEMPER * np.array(costs) + 0.5 * ((exponents - believed.exponent) / believed.sd) ** 2
            weights = np.exp(cost.min() - cost)
            weights /= weights.sum()
            mean = float(weights @ exponents)
            spread = max(float(np.sqrt(weights @ (exponents - mean) ** 2)), found.sd * float(GRID[1] - GRID[0]) / 4.0)
            found = replace(found, exponent=mean, sd=min(spread, believed.sd))
        return found

    # -- the process ----------------------------------------------------------------------------------------------

    @cached_property
    def _rows(self) -> _Rows:
        kept = [_spread(seen, ROWS // len(self._pairs)) for _, seen in self._pairs]
        matrix = np.concatenate([seen.matrix[rows] for rows, (_, seen) in zip(kept, self._pairs)])
        losses = np.concatenate([seen.losses[rows] for rows, (_, seen) in zip(kept, self._pairs)])
        counts = [len(rows) for rows in kept]
        doublings = {
            size: np.repeat([study.doublings.get(size, 0.0) for study in self.studies], counts) for size in self._sizes
        }
        return _Rows(*self.encoding.known(matrix), bent(losses)[0](losses), doublings)

    def _tilted(self, tilts: Sequence[Tilt], points: np.ndarray, doublings: Mapping[str, np.ndarray]) -> np.ndarray:
        """Points (n, d) with those numbers that tilt moved to this size, and room on both sides."""
        points = points.copy()
        for tilt in tilts:
            points[:, self._columns[tilt.parameter]] -= tilt.b * doublings[tilt.size]
        columns = sorted({self._columns[tilt.parameter] for tilt in tilts})
        points[:, columns] = (np.clip(points[:, columns], -ROOM, 1.0 + ROOM) + ROOM) / (1.0 + 2.0 * ROOM)
        return points

    def _features(self, tilts: Sequence[Tilt]) -> np.ndarray:
        rows = self._rows
        features = self.encoding.features(self._tilted(tilts, rows.points, rows.doublings), rows.known)
        return np.column_stack([features, *(_between(rows.doublings[size]) for size in self._sizes)])

    def _fitted(self, tilts: Sequence[Tilt], start: np.ndarray, calls: int) -> tuple[np.ndarray, float]:
        return fit(self._layout, self._features(tilts), self._rows.losses, start, calls)

    def _belief(self, tilts: Sequence[Tilt], theta: np.ndarray) -> Belief:
        """What the process believes of points at this size."""
        posterior = Posterior(self._layout, theta, self._features(tilts), self._rows.losses)
        here = dict.fromkeys(self._sizes, np.zeros(1))

        def belief(points: np.ndarray) -> np.ndarray:
            features = self.encoding.features(self._tilted(tilts, points, here))
            mean, variance = posterior.predict(
                np.column_stack([features, np.full((len(points), len(self._sizes)), HIGH)])
            )
            surely: np.ndarray = mean + CAUTION * np.sqrt(variance)
            return surely

        return belief

    # -- what is tried first --------------------------------------------------------------------------------------

    @cached_property
    def points(self) -> np.ndarray:
        """The configuration that is tried first at this size, and those beside it; at most three, (q, d)."""
        if not self._pairs:
            return np.empty((0, self.encoding.d))
        tilts = list(self.tilts)
        theta = self._fitted(tilts, self._layout.start(), COLD_CALLS)[0]
        sides = [
            self._belief([tilt.off(way) if tilt is other else other for other in tilts], theta)
            for tilt in self._uncertain
            for way in (-1, 1)
        ]
        beliefs = [*[self._belief(tilts, theta)] * 2, *sides]
        found = [self._best(lambda points: np.mean([belief(points) for belief in beliefs], axis=0))]
        found += [self._best(side) for side in sides[:2]]
        configs = [self.encoding.config(point) for point in found]
        points = self.encoding.points(self.space.encode(configs))  # as the log has them, which keeps fewer digits
        return points[np.sort(np.unique(points, axis=0, return_index=True)[1])]

    @cached_property
    def _uncertain(self) -> list[Tilt]:
        """The tilts that matter, the most uncertain first."""
        return sorted((tilt for tilt in self.tilts if self._shift(tilt) > APART), key=lambda tilt: -self._shift(tilt))

    def _shift(self, tilt: Tilt) -> float:
        """By how much of the range the uncertainty of a tilt moves the best value at this size."""
        nearest = min(abs(study.doublings.get(tilt.size, 0.0)) for study in self.studies)
        return abs(replace(tilt, exponent=tilt.sd).b) * nearest

    def _best(self, belief: Belief) -> np.ndarray:
        """The best point (d,) that could be found."""
        stream = rng(0, "scaling")
        points = self._allowed(self.encoding.from_uniforms(stream.random((POINTS, self.encoding.d))))
        for _ in range(ROUNDS):
            best = points[np.argsort(belief(points), kind="stable")[:BEST]]
            points = self._allowed(np.concatenate([best, mutants(self.encoding, best, POINTS // 4, stream)]))
        point: np.ndarray = points[np.argmin(belief(points))]
        return point

    def _allowed(self, points: np.ndarray) -> np.ndarray:
        allowed: np.ndarray = points[~self.encoding.is_forbidden(points)]
        return allowed

    def why(self, point: np.ndarray) -> str:
        """What one of the points rests on, in words."""
        names = _listed([study.name for study in self.studies])
        if not (point == self.points[0]).all():
            return f"what may be best at this size by {names}: how {self._uncertain[0].parameter} moves is uncertain"
        text = f"the best at this size by {names}" + "".join(f"; {tilt}" for tilt in self.tilts)
        for size in self._sizes:
            away = min((study.doublings.get(size, 0.0) for study in self.studies), key=abs)
            if abs(away) > FAR:
                ratio = f"{2.0 ** abs(away):.0f} times as {'large' if away < 0 else 'small'}"
                text += f"; {size} is {ratio} as any of theirs"
        return text

    # -- what the studies are at this size ------------------------------------------------------------------------

    def moved(self, study: EarlierStudy) -> EarlierStudy:
        """A study as it would be at this size: its values moved by the exponents that are expected."""
        if not is_of_another_size(study):
            return study
        factors: dict[str, float] = {}
        for tilt in self.tilts:
            octaves = -tilt.exponent * study.doublings.get(tilt.size, 0.0)
            factors[tilt.parameter] = factors.get(tilt.parameter, 1.0) * 2.0 ** min(max(octaves, -MOST), MOST)
        configs, failed = (tuple(_times(c, factors) for c in given) for given in (study.configs, study.failed))
        return replace(study, configs=configs, failed=failed)


def is_of_another_size(study: EarlierStudy) -> bool:
    """Whether a study is of another size than the one that learns."""
    return any(study.doublings.values())


def _exponents(parameter: object) -> Mapping[str, object]:
    return parameter.exponents if isinstance(parameter, Number) else {}


def _listed(names: Sequence[str]) -> str:
    """Names in a sentence, of many the first ones."""
    if len(names) > NAMED:
        return f"{', '.join(names[:NAMED])} and {len(names) - NAMED} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _is_at_border(column: np.ndarray, losses: np.ndarray) -> bool:
    """Whether the best trials of a study are at the border of a range, or hardly any lies between them and it."""
    best = float(np.nanmedian(column[np.argsort(losses, kind="stable")[:OUTER]]))
    beyond = min((column < best).sum(), (column > best).sum())
    return min(best, 1.0 - best) < BORDER or beyond < OUTER


def _times(config: Mapping[str, Plain], factors: Mapping[str, float]) -> dict[str, Plain]:
    """A configuration with some of its numbers multiplied."""
    return {
        name: value * factors[name] if name in factors and isinstance(value, (int, float)) else value
        for name, value in config.items()
    }


def _spread(seen: Matched, most: int) -> np.ndarray:
    """Which rows of a study are kept: the better half of `most`, the others evenly by rank."""
    order = np.argsort(seen.losses, kind="stable")
    if len(order) > most:
        rest = np.linspace(most // 2, len(order) - 1, most - most // 2).round().astype(int)
        order = order[np.concatenate([np.arange(most // 2), rest])]
    return order


def _between(doublings: np.ndarray) -> np.ndarray:
    """σ of one size, (n,)."""
    low, width = doublings.min(), np.ptp(doublings)
    return LOW + (HIGH - LOW) * (doublings - low) / width if width else np.full(len(doublings), HIGH)
