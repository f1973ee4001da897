"""What configurations are truly worth, beyond noise and luck: their own results and those of their neighbours, weighed.

    Y   (c, p)   losses of c configurations on the p parts of an evaluation: folds, seeds or data sets; some may lack
    μ   (p,)     how hard each part is; what all configurations share decides nothing between them
    y   (c,)     seen of each: the mean of Y - μ over its k parts, or of all its trials where there are no parts
    r   (c,)     the variance of its noise, relative to that of a usual trial: 1 / k, or 1 / trials
    u            the variance of noise, where it was seen: what is left of Y beside configurations and parts, or how far
                 repeats of one configuration are apart

What is believed of y without noise is asked of many processes (models/smoothing.py), which know r and u. So the luck of
the best of many is taken back by as much as its neighbours, and the spread of all, say that it is luck. Where nothing
was measured twice the smoothness of the landscape is all that tells noise (docs/decisions/0042).

Trials that a race stopped are learned from, by the parts that they met: those that went on are the lucky ones, too.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf

import numpy as np
from scipy.special import ndtri, stdtr
from scipy.stats import rankdata

from kilter.analysis.configurations import Configuration, configurations, on_parts, stopped
from kilter.analysis.design import Design, design_of
from kilter.core.history import History
from kilter.core.memo import Memo
from kilter.models.encoding import encoding_of
from kilter.models.luck import FEWEST, belief_of_parts, semidefinite
from kilter.models.smoothing import LEAST, UNKNOWN, Belief, Measured, belief
from kilter.models.transforms import Output, far_limit, standard

CANDIDATES = 64
"""The best observed configurations, with the default and those that were repeated, whose merits are what is asked."""
MOST = 512
"""Configurations that merits rest on, at most: those candidates and what lies nearest to them. Half as many where some
were stopped, since those that were not then count twice: by what all have met, and by the rest."""
SHAPE = 0.65
"""Of trials without parts: the weight of values against that of their ranks. Values show the shape of a valley; where
noise has heavy tails, or grows with the value, ranks keep a few wild ones from deciding."""
BEYOND = 4.0
"""Standard deviations of noise, where it was measured, beyond which it does not explain how far a result is from what
its neighbours say: then it is as it was seen. Processes that are everywhere alike would call a default that lies far
behind all that was searched as good as they are."""
QUARTER = 0.75
"""The share of configurations whose luck is no more than what may be usual: half of them may be as good as one."""
STEPS = 50
"""In which the hardness of parts is found, where some configurations lack some."""
SAME = 1e-9
"""The value of a trial is the mean of its parts where they differ by no more than this share of the largest."""
NONE = 1e-4
"""Noise whose variance is below this share of that of the values is none: no model tells more, nor is quite right."""
WIDEST = 1e100
"""Larger losses would have no third powers, and count as this."""


@dataclass(frozen=True, eq=False)
class Merits:
    """What is believed of the expected losses of configurations: normal, with a mean and a covariance."""

    configurations: tuple[Configuration, ...]
    """By number; of many trials only the best, the default, the repeated and their neighbours."""
    observed: np.ndarray
    """(c,), what was seen of each as a loss: the mean of its parts, had it met the same ones as all others, or of its
    trials."""
    mean: np.ndarray
    """(c,), the expected loss."""
    covariance: np.ndarray
    """(c, c), of the expected losses; between configurations only, since the luck that all share is left out."""
    noise: float
    """The standard deviation of one trial's value, in the unit of the objective; 0 where results are exact."""
    is_measured: bool
    """Whether noise was seen, by parts or repeats; else the smoothness of the landscape is all that tells it."""
    freedom: float = inf
    """The degrees of freedom of Student's t in probabilities: contrasts of the parts that all have. How far luck is
    alike among the configurations nobody knows, so more of these add none."""

    def errors(self, i: int) -> np.ndarray:
        """(c,), the standard deviation of how much worse each is than one of them, by its place in `configurations`."""
        own = np.diag(self.covariance)
        errors: np.ndarray = np.sqrt(np.maximum(own[i] + own - 2.0 * self.covariance[i], 0.0))
        return errors

    def error(self, i: int, j: int) -> float:
        """The standard deviation of how much worse one is than another, by their places."""
        return float(self.errors(i)[j])

    def chance(self, i: int, j: int) -> float:
        """The probability that one is truly better than another, by their places; one half where nothing tells."""
        ahead, error = float(self.mean[j] - self.mean[i]), self.error(i, j)
        return float(stdtr(self.freedom, ahead / error)) if error > 0 else 0.5 + 0.5 * float(np.sign(ahead))

    def shown(self, i: int, j: int) -> float | None:
        """The probability that one is truly better than another, by their places, as far as anything shows it.

        None where both were scored once on a single part, as one hold-out: nobody can say how much of that is luck.
        """
        once = all(
            len(each.parts) == len(each.trials) == 1 for each in (self.configurations[i], self.configurations[j])
        )
        return None if once and i != j else self.chance(i, j)


def merits(history: History, design: Design | None = None) -> Merits | None:
    """The merits of a study's configurations; None with several objectives, and before one is complete and feasible.

    Without a design that of the history is inferred. What was found is remembered.

    >>> from kilter import Float, Space
    >>> from kilter.core.problem import Problem
    >>> merits(History(Problem(Space({"x": Float(0, 1)})))) is None
    True
    """
    if len(history.problem.objectives) > 1:
        return None
    design = design_of(history, {}) if design is None else design
    known: Memo = history.memo(Merits, lambda _: Memo(8), given=history.problem.space)
    key = (len(history.finished), history.forgiven, design)
    return known.of(key, lambda: _merits(history, design))


def _merits(history: History, design: Design | None) -> Merits | None:
    found = configurations(history)
    if not found:
        return None
    whole = len(found)
    found, seen = _seen(found, history, design)
    encoding = encoding_of(history.problem.space)
    features = encoding.features(*encoding.known(history.matrix[[each.number for each in found]]))
    most = MOST if len(found) == whole else MOST // 2
    near = _near(features, _candidates(found[:whole], seen.values[:whole]), most)
    found, seen = [found[row] for row in near], seen.of(near)
    output = standard(seen.values, seen.alike)
    believed = seen.believed(output, features[near], max(encoding.mean_active, 1.0))
    first = slice(int((near < whole).sum()))  # the others were stopped: they are learned from, and not to be chosen
    observed, covariance = seen.values[first], output.scale**2 * believed.covariance[first, first]
    if believed.noise <= NONE:
        return Merits(tuple(found[first]), observed, observed, np.zeros_like(covariance), 0.0, seen.is_measured)
    # Those that are far worse than most were drawn in, lest they say what is alike among the others.
    mean, doubt = observed - output.scale * (output(seen.values) - believed.mean)[first], seen.doubt[first]
    noise = output.scale * float(np.sqrt(believed.noise))
    alone = np.abs(observed - mean) > BEYOND * noise * doubt
    covariance = np.where(alone[:, None] | alone, 0.0, covariance)
    covariance[alone, alone] = (noise * doubt[alone]) ** 2
    mean = np.where(alone, observed, mean)
    usual = noise * seen.usual(first)
    return Merits(tuple(found[first]), observed, mean, covariance, usual, seen.is_measured, seen.freedom)


@dataclass(frozen=True, eq=False)
class _Trials:
    """What whole trials have shown of configurations."""

    values: np.ndarray
    relative: np.ndarray
    noise: Measured
    alike = 0.0
    """How far noise puts values apart is not known yet."""
    freedom = inf
    """Processes are weighed by what they say of noise."""

    @property
    def is_measured(self) -> bool:
        """Whether noise was seen."""
        return self.noise.freedom > 0

    def of(self, rows: np.ndarray) -> _Trials:
        """Of these configurations alone."""
        return replace(self, values=self.values[rows], relative=self.relative[rows])

    @property
    def doubt(self) -> np.ndarray:
        """(c,), the standard deviation of noise relative to that of a usual trial; infinite where none was measured."""
        return np.sqrt(self.relative) if self.noise.freedom > 0 else np.full(len(self.values), np.inf)

    def usual(self, rows: slice) -> float:
        """The standard deviation of noise of a usual trial: all is relative to that."""
        return 1.0

    def believed(self, output: Output, features: np.ndarray, active: float) -> Belief:
        """In units of the output: by the values, and by what their ranks would be of a normal distribution."""
        measured = self.noise._replace(variance=self.noise.variance / output.scale / output.scale)
        shown = belief(features, output(self.values), active, self.relative, measured)
        if self.noise.freedom > 0 and self.noise.variance == 0:  # what was measured twice came out the same
            return replace(shown, noise=0.0)
        scores = ndtri((rankdata(self.values) - 0.5) / len(self.values))
        if len(scores) < FEWEST:  # they are what they are, and have no shape
            return shown
        ranked = belief(features, scores / max(scores.std(), LEAST), active, self.relative)
        mean = SHAPE * shown.mean + (1.0 - SHAPE) * ranked.mean
        return Belief(mean, SHAPE * shown.covariance + (1.0 - SHAPE) * ranked.covariance, shown.noise)


@dataclass(frozen=True, eq=False)
class _Parts:
    """What scores on parts have shown: by how much each is above (c, p) what the configuration has on average."""

    values: np.ndarray
    above: np.ndarray
    shared: np.ndarray
    """(p, p), the correlation of luck on the parts: they share rows."""
    alike: float
    """By how much values may differ and be no further apart than luck puts them. What is drawn in tells less than it
    seems to, for how far it is behind would be taken for known."""
    is_measured = True

    @property
    def freedom(self) -> float:
        """Contrasts of the parts that all have, one at least."""
        return max(float(np.isfinite(self.above).all(axis=0).sum()) - 1.0, 1.0)

    def of(self, rows: np.ndarray) -> _Parts:
        """Of these configurations alone."""
        return replace(self, values=self.values[rows], above=self.above[rows])

    @property
    def doubt(self) -> np.ndarray:
        """(c,), the standard deviation of noise relative to that of a mean over the parts that all have.

        Infinite where others met more parts: the luck on one split is alike for all, and only those others show it.
        """
        counts = np.isfinite(self.above).sum(axis=1)
        return np.where(counts == counts.max(), np.sqrt(self._relative), np.inf)

    def usual(self, rows: slice) -> float:
        """The standard deviation of noise of a usual one of these, likewise, without the luck of rows in common."""
        known = np.isfinite(self.above)
        common = known.all(axis=0) if known.all(axis=0).any() else known[0]
        in_mean, in_common = float(self.shared[np.ix_(common, common)].mean()), float(self.shared[0, 0]) - 1.0
        return float(np.sqrt(np.median(self._relative[rows]) * (in_mean - in_common) / in_mean))

    @property
    def _relative(self) -> np.ndarray:
        """(c,), the variance of noise likewise."""
        known = np.isfinite(self.above)
        common = known.all(axis=0) if known.all(axis=0).any() else known[0]
        means = np.vstack([known, common]) / np.vstack([known, common]).sum(axis=1, keepdims=True)
        variances = np.einsum("cp,pq,cq->c", means, self.shared, means)
        relative: np.ndarray = variances[:-1] / variances[-1]
        return relative

    def believed(self, output: Output, features: np.ndarray, active: float) -> Belief:
        """In units of the output."""
        return belief_of_parts(features, self.above / output.scale + output(self.values)[:, None], active, self.shared)


def _seen(
    found: Sequence[Configuration], history: History, design: Design | None
) -> tuple[list[Configuration], _Trials | _Parts]:
    """What was seen, and of which configurations; where there are parts, those that were stopped come last."""
    if design is None or design.is_reshuffled or not _are_summaries(found, design):
        return list(found), _by_trials(found)
    told = [*found, *stopped(history)]
    losses = _within_data(_parts(told, design), design)
    met = np.flatnonzero(np.isfinite(losses).any(axis=1))
    parts = np.flatnonzero(np.isfinite(losses).any(axis=0))
    return [told[row] for row in met], _by_parts(losses[met][:, parts], _shared(design)[np.ix_(parts, parts)])


def _shared(design: Design) -> np.ndarray:
    """The correlation of luck on parts (p, p), and beside it what all have in common.

    Folds share training rows, by which they err together, and no contrast shows it (Bengio and Grandvalet 2004). So it
    is taken to be as large as Nadeau and Bengio (2003) have it. Data sets share none.
    """
    within = len(design.parts) > len({(part.data, part.repeat) for part in design.parts})
    in_common = design.overlap / len(_columns(design)) if within else 0.0
    return semidefinite(design.correlation(design.names)) + in_common


def _parts(found: Sequence[Configuration], design: Design) -> np.ndarray:
    """Losses (c, p)."""
    losses = on_parts(found, design.names)
    clipped: np.ndarray = np.clip(np.where(np.isfinite(losses), losses, np.nan), -WIDEST, WIDEST)
    return clipped


def _columns(design: Design) -> list[list[int]]:
    """The parts of each data set."""
    data = [part.data for part in design.parts]
    return [[j for j, name in enumerate(data) if name == one] for one in dict.fromkeys(data)]


def _means(losses: np.ndarray, design: Design) -> np.ndarray:
    """Of losses (c, p) on parts, over those of each data set that were met, (c, d)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a data set that was not met has no mean
        means: np.ndarray = np.array([np.nanmean(losses[:, some], axis=1) for some in _columns(design)]).T
    return means


def _within_data(losses: np.ndarray, design: Design) -> np.ndarray:
    """Losses (c, p) that differ between parts by luck alone, whose means are the summaries over data sets.

    Which data sets are met is no luck: a configuration that is good on one and bad on another is so for sure. What
    differs within data sets is, so their means are taken away, and the rest is widened by so much that it tells the
    error of the summary: of the worst data set that of its own mean, for small errors change not which is the worst.
    Configurations that have not met all data sets are left out. Where too few have two parts of each, losses stay what
    they are: data sets then are all that tells luck.
    """
    columns = _columns(design)
    if len(columns) < 2 or not _tells_within(losses, design):
        return losses
    whole = np.isfinite(losses).all(axis=1)
    p, above = losses.shape[1], np.full_like(losses, np.nan)
    told = losses.copy()
    for some in columns:  # what is hard in each data set, but for the mean
        hard = losses[np.ix_(whole, some)].mean(axis=0)
        told[:, some] -= hard - hard.mean()
    means = _means(told, design)
    weights = design.weights(means)
    for d, some in enumerate(columns):
        wider = np.sqrt(p * (p - 1) / (len(some) * (len(some) - 1))) * weights[:, d, None]
        above[:, some] = wider * (told[:, some] - means[:, d, None])
    met = np.isfinite(means).all(axis=1, keepdims=True)
    return np.where(met, np.nansum(weights * means, axis=1)[:, None] + above, np.nan)


def _tells_within(losses: np.ndarray, design: Design) -> bool:
    """Whether enough configurations have two parts or more of each data set to tell luck."""
    return min(map(len, _columns(design))) > 1 and int(np.isfinite(losses).all(axis=1).sum()) >= FEWEST


def _are_summaries(found: Sequence[Configuration], design: Design) -> bool:
    """Whether each has parts, and its value is their summary, as far as a single trial shows, whose luck parts tell."""
    losses = _parts(found, design)
    counts = np.isfinite(losses).sum(axis=1)
    if not counts.size or not counts.all() or not (design.is_mean or _tells_within(losses, design)):
        return False
    single = np.array([len(each.trials) == 1 for each in found])
    means = _means(losses[single], design)
    values = np.array([each.losses[0] for each in found])[single]
    means = np.nansum(design.weights(means) * means, axis=1)
    # By how large scores are: those of folds that cancel have a mean of 0, and rounding of any share of that.
    return bool((np.abs(values - means) <= SAME * np.nanmax(np.abs(losses[single]), axis=1)).all())


def _by_trials(found: Sequence[Configuration]) -> _Trials:
    """All trials of a configuration count the same."""
    counts = np.array([len(each.losses) for each in found])
    losses = [np.clip(each.losses, -WIDEST, WIDEST) for each in found]
    means = np.array([each.mean() for each in losses])
    squares = sum(float(((each - mean) ** 2).sum()) for each, mean in zip(losses, means))
    freedom = float((counts - 1).sum())
    return _Trials(means, 1.0 / counts, Measured(squares / freedom, freedom) if freedom else UNKNOWN)


def _by_parts(losses: np.ndarray, shared: np.ndarray) -> _Trials | _Parts:
    """From losses on parts (c, p), each met by somebody. Too few of them show no luck, which is left to neighbours."""
    counts = np.isfinite(losses).sum(axis=1)
    usual = np.nanmedian(losses, axis=0)
    rough = np.nanmean(losses - usual, axis=1)
    # Those that are far worse than most, as what diverged, say nothing of what is hard for the others, nor of luck.
    alike = _alike(losses - usual - rough[:, None], shared)
    limit = max(far_limit(rough), float(rough.min()) + alike)
    far = rough > limit
    near = np.where(far[:, None], np.minimum(losses, usual + limit), losses)
    kept = ~far | (counts > np.median(counts))
    hardness = _hardness(near[kept] if np.isfinite(near[kept]).any(axis=0).all() else near)
    values = np.nanmean(losses - hardness, axis=1) + hardness.mean()
    above = losses - values[:, None]
    beside = above - (hardness - hardness.mean())
    widest = np.nanmax(np.abs(beside[~far]))
    above[far] = np.clip(beside[far], -widest, widest) + (hardness - hardness.mean())
    p = losses.shape[1]
    if p > 1 and (counts == p).sum() >= FEWEST:
        return _Parts(values, above, shared, alike)
    return _Trials(values, np.median(counts) / counts, UNKNOWN)


def _alike(beside: np.ndarray, shared: np.ndarray) -> float:
    """How far luck puts means over parts, as what is left on parts (c, p) shows: a quarter of it may have diverged."""
    counts = np.isfinite(beside).sum(axis=1)
    squares = np.nansum(beside**2, axis=1)[counts > 1] / (counts[counts > 1] - 1)
    return BEYOND * float(np.sqrt(np.quantile(squares, QUARTER) * shared.mean())) if len(squares) else 0.0


def _hardness(losses: np.ndarray) -> np.ndarray:
    """The hardness of parts (p,), each met by somebody, from losses (c, p).

    Configurations that met more parts did so because they looked good, by luck too. How good they are is therefore
    drawn in towards all others by as much as noise says, or the parts that they alone met would look hard.
    """
    counts = np.isfinite(losses).sum(axis=1)
    hardness, drawn_in = np.zeros(losses.shape[1]), np.zeros(len(losses))
    for _ in range(STEPS):
        hardness = np.nanmean(losses - drawn_in[:, None], axis=0)
        means = np.nanmean(losses - hardness, axis=1)
        left = losses - hardness - means[:, None]
        noise = float(np.nansum(left**2)) / max(counts.sum() - len(losses) - losses.shape[1] + 1, 1) / counts
        true = max(float(means.var() - noise.mean()), 0.0)
        drawn_in = means.mean() + (means - means.mean()) * true / np.maximum(true + noise, np.finfo(float).tiny)
    return hardness


def _candidates(found: Sequence[Configuration], values: np.ndarray) -> np.ndarray:
    best = np.zeros(len(found), dtype=bool)
    best[np.argsort(values, kind="stable")[:CANDIDATES]] = True
    return np.flatnonzero(best | [each.is_default or len(each.trials) > 1 for each in found])


def _near(features: np.ndarray, candidates: np.ndarray, most: int) -> np.ndarray:
    """The rows nearest to any of the candidates, so many of them at most, in their order."""
    if len(features) <= most:
        return np.arange(len(features))
    distance = np.min([np.abs(features - features[row]).sum(axis=1) for row in candidates], axis=0)
    distance[candidates] = -1.0
    return np.sort(np.argsort(distance, kind="stable")[:most])
