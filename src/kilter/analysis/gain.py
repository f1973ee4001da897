"""What going on is worth: the improvement to expect of the next hour, beside the noise of results.

Two witnesses, whose mean is taken, since each errs where the other does not. The model knows what it does not know, but
neither that errors are never negative, say, nor what it has not imagined; the past knows nothing of what is left.

    K            trials of the time ahead, at the study's pace
    e            expected improvement of the best next trial, by the model
    g            expected improvement of the best of all candidates, were each of them known: what the model deems left
    model        g (1 - exp(-K e / g)): e per trial at first, g in the end
    past         2 (worth of the best at n/2 - at n) K / (n + K): each doubling of the trials brings half as much as the
                 last. Worth is what is expected of a configuration, where noise was measured, not what was observed,
                 which luck makes ever better (analysis/overtuning.py)

A study is not worth it any more where that falls below a tolerance, or is lost in the noise of its results (Makarova et
al. 2022, "Automatic termination for hyperparameter optimization"). They stop below the noise of one result; but trials
that lie near one another tell together what one alone does not, and a quarter of it is what the choice cannot use any
more (docs/decisions/0045).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from kilter.analysis.overtuning import Overtuning, overtuning
from kilter.analysis.pace import pace
from kilter.core.errors import InvalidInput
from kilter.core.history import History
from kilter.core.memo import Memo
from kilter.core.seeds import rng
from kilter.models.candidates import mutants
from kilter.models.evidence import SingleFidelity
from kilter.models.gp import Posterior
from kilter.models.results import Results
from kilter.models.surrogate import Surrogate

HOUR = 3600.0
CANDIDATES = 96
"""Uniform points, and as many neighbours of the best ones, at which the model is asked."""
DRAWN = 64
"""Of those the most promising, at which functions are drawn from it."""
DRAWS = 128
"""Functions that are drawn from the model."""
MUTE = 0.5
"""Where nothing was measured twice, and the model calls more than this share of the variance noise, it has understood
nothing, the noise included."""
FEWEST = 20
"""Trials before which nobody may say that going on is not worth it, ..."""
PER_PARAMETER = 3
"""... and so many for each parameter of the space."""
LOST = 0.25
"""A gain below this share of the noise of one trial is lost in it."""
GROWTH = 1.3
"""From one look to the next the number of finished trials grows by this factor, ..."""
STEP = 5
"""... and by so many at least, so that looking costs little beside what the default sampler takes."""


@dataclass(frozen=True)
class Gain:
    """What is expected of the time ahead, in the unit of the first objective; a gain whichever the direction."""

    value: float
    """How much better the best result becomes, expected; 0 or more."""
    noise: float
    """The standard deviation of one result around what its configuration is worth; 0 where results are exact, or where
    nothing is known of their noise."""
    trials: float
    """How many trials end in that time, at the pace of the latest."""
    seconds: float
    """The time ahead."""

    @property
    def lost_below(self) -> float:
        """A smaller gain than this, a quarter of the noise, is lost in it: nobody could tell what brought it."""
        return LOST * self.noise


def expected_gain(history: History, seed: int, seconds: float = HOUR) -> Gain | None:
    """The improvement of the best result that the next `seconds` promise, from all trials that have finished.

    None where there is no telling: with several objectives, and before some trials are complete and feasible.
    Raises InvalidInput where `seconds` is not positive.

    `Study.expected_gain` is this for a study's user.
    """
    if not seconds > 0:
        raise InvalidInput(f"seconds={seconds!r} of expected_gain: the time ahead must be positive")
    return _gain(history, len(history.finished), seed, seconds)


@dataclass(frozen=True)
class NotWorthIt:
    """A stopper: the next `seconds` are expected to improve the objective by less than `tolerance`, or noise.

    Where results are exact no gain is lost in noise: with a tolerance of 0 such a study goes on.
    Never before 20 trials, and 3 for each parameter, have finished; it has to be so at two looks in a row, and looks
    are made at counts of finished trials that grow by 30 %, at those alone: whoever reads the same log stops at the
    same trial. Raises InvalidInput for a negative tolerance, and when it is asked about several objectives.

    >>> from kilter import Float, create_study
    >>> study = create_study(space={"x": Float(0, 1)}, seed=1)
    >>> study.optimize(lambda x: (x - 0.3) ** 2, n_trials=500, stoppers=[NotWorthIt(0.01)], progress="none")
    >>> len(study.trials)
    26
    """

    tolerance: float = 0.0
    seconds: float = HOUR
    seed: int = 0

    def __post_init__(self) -> None:
        if not (self.tolerance >= 0 and self.seconds > 0):
            raise InvalidInput(
                f"NotWorthIt({self.tolerance!r}, seconds={self.seconds!r}): a tolerance from 0 on, for a positive time"
            )

    def __call__(self, history: History, now: float, /) -> str | None:
        """The reason to stop, or None."""
        if len(history.problem.objectives) > 1:
            raise InvalidInput("gain is about one objective, this study has several: bound it by trials, time or cost")
        looks = _looks_before(len(history.finished), len(history.problem.space))
        if len(looks) < 2:
            return None
        gains = [self._look(history, count) for count in looks[-2:]]
        if any(gain is None or gain.value >= max(self.tolerance, gain.lost_below) for gain in gains):
            return None
        last = gains[-1]
        assert last is not None
        noise = f"a quarter of the noise of a trial, {last.noise:.2g}"
        bound = f"{self.tolerance:g}" if last.value < self.tolerance else noise
        return f"not worth it: {last.value:.2g} is expected of the next {_spelled(self.seconds)}, less than {bound}"

    def _look(self, history: History, count: int) -> Gain | None:
        looks = history.memo(NotWorthIt, lambda _: Memo())
        return looks.of((count, self.seed, self.seconds), lambda: _gain(history, count, self.seed, self.seconds))


def _spelled(seconds: float) -> str:
    return "hour" if seconds == HOUR else f"{seconds:g} s"


def fewest(parameters: int) -> int:
    """How many trials must have finished before there is a gain to speak of."""
    return max(FEWEST, PER_PARAMETER * parameters)


def _looks_before(finished: int, parameters: int) -> list[int]:
    """The counts of finished trials, not above this one, at which looks are made."""
    looks, count = [], fewest(parameters)
    while count <= finished:
        looks.append(count)
        count = max(count + STEP, int(GROWTH * count))
    return looks


def gains(history: History, seed: int, seconds: float = HOUR) -> list[tuple[int, Gain]]:
    """What was expected of the next `seconds` at each look: how many trials had finished, and the gain.

    Looks are those of NotWorthIt, and one at all that have finished; those that had too little to go by are left out.
    """
    finished = len(history.finished)
    looks = dict.fromkeys([*_looks_before(finished, len(history.problem.space)), finished])
    found = ((count, _gain(history, count, seed, seconds)) for count in looks)
    return [(count, gain) for count, gain in found if gain is not None]


# -- the estimate -------------------------------------------------------------------------------------------------


def _gain(history: History, count: int, seed: int, seconds: float) -> Gain | None:
    """As it was after so many trials had finished."""
    past = Results.of(history).until(count)
    seen = overtuning(history if count == len(history.finished) else history.until(count))
    if seen is None or not past.suffices:
        return None
    nothing = np.empty((0, past.encoding.d))
    surrogate = Surrogate(SingleFidelity(past, nothing, rng(seed, "active set", count)))
    trials = seconds * pace(history, history.finished[:count])
    value = 0.5 * (_by_model(surrogate, trials, seed) + _by_past(seen, history.problem.objectives[0].sign, trials))
    is_told = seen.is_measured or surrogate.objectives[0].posterior.noise <= MUTE
    return Gain(value, seen.noise if is_told else 0.0, trials, seconds)


def _by_past(seen: Overtuning, sign: float, trials: float) -> float:
    """The past's word, by what choices are worth, where noise was measured; see the module's first lines."""
    course = seen.course
    known = np.where(np.isnan(course.expected) | (not seen.is_measured), course.observed, course.expected)
    worth = np.minimum.accumulate(sign * known)
    first, last = int(course.trials[0]), int(course.trials[-1])
    n = last - first + 1
    half = int(np.searchsorted(course.trials, first + (n - 1) // 2, side="right")) - 1
    return 2.0 * float(worth[half] - worth[-1]) / (1.0 + n / trials)


def _by_model(surrogate: Surrogate, trials: float, seed: int) -> float:
    """The model's word, g (1 - exp(-K e / g)); see the module's first lines."""
    stream = rng(seed, "gain", surrogate.results.count)
    encoding, belief = surrogate.encoding, surrogate.objectives[0]
    uniform = encoding.from_uniforms(stream.random((CANDIDATES, encoding.d)))
    points = np.concatenate([uniform, mutants(encoding, surrogate.best_points, CANDIDATES, stream)])
    scores = surrogate.score(points)
    likely = points[np.argsort(-scores, kind="stable")[:DRAWN]]
    best = float(surrogate.best[0])
    least = np.minimum(_draws(belief.posterior, encoding.features(likely), stream).min(axis=1), best)
    after_next = best - math.exp(min(float(scores.max()), 700.0))
    y = belief.output.inverse(np.concatenate([[best, after_next], least]))
    next_trial, left = float(y[0] - y[1]), float((y[0] - y[2:]).mean())
    if not (left > 0 and next_trial > 0):
        return 0.0
    return left * -math.expm1(-trials * next_trial / left)


def _draws(posterior: Posterior, features: np.ndarray, stream: np.random.Generator) -> np.ndarray:
    """Functions drawn from a process, at points with these features (q, p); (DRAWS, q)."""
    cross = posterior.covariance(features, posterior.features)
    covariance = posterior.covariance(features, features) - cross @ posterior.inverse @ cross.T
    variances, axes = np.linalg.eigh(covariance)  # of a matrix that is singular to rounding, as no Cholesky factor is
    root = axes * np.sqrt(np.maximum(variances, 0.0))
    drawn: np.ndarray = cross @ posterior.alpha + stream.standard_normal((DRAWS, len(features))) @ root.T
    return drawn
