"""How a learning curve goes on: a belief about its value at a later step, from its start and from curves run before.

    x       (n,)      steps counted from one reporting interval before the first report, so that log x is defined
    u       (g,)      mean of log x in each of at most `BINS` bins of equal width
    z       (g, m)    mean values in the bins minus the last one, in units of the typical change between bins;
                      column 0 is the curve in question, the others are earlier curves cut at the same step
    phi     (k, g)    trends: x^-c, exp(-c x), -log x, none; each in units of its typical change between bins
    D       (g, g)    covariance of what no trend explains: a random walk in log x, and noise of single reports

Each trend with each kind of D is a Bayesian regression z = a + b phi + walk + noise with a free a, b ~ N(0, SLOPE² s²)
and a conjugate prior of s². Their predictions are averaged by marginal likelihood, in the spirit of Domhan,
Springenberg and Hutter (2015), who sampled the parameters of eleven trends; here all but the exponents is closed form.
The same computation at the same step of the study's earlier curves, whose ends are known, says how far such predictions
are off: a small Bayesian regression of their errors corrects the mean and the width, and gives Student's t.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Union

import numpy as np
from scipy.special import stdtr, stdtrit

POWERS = np.array([0.25, 0.5, 1.0, 2.0])
"""Exponents c of the trends x^-c."""
RATES = np.array([0.5, 2.0, 6.0])
"""Rates c of the trends exp(-c x / x_n), relative to the last step x_n."""
SLOW_RATES = np.array([1.0, 4.0])
"""Rates c of the trends exp(-c x / target): for slow learners, whose beginning is a straight line."""
TRENDS = np.array([-0.3, -0.3, 1.0, 1.0, 0.3, 2.9, 2.9, 0.4, 0.4, 0.0, 0.7])[:, None]
"""Log prior weights of the trends: powers, rates, slow rates, logarithm, none. These and the other numbers down to
`ERROR_SD` were chosen for the log score and the coverage of 80 % intervals on real curves (calibration/ in
tests/data/curves.npz), with and without earlier curves; they are round because the optimum is flat."""
KINDS = np.array([(1.0, 0.1), (0.3, 0.3), (0.1, 1.0), (0.02, 1.0)])
"""Variance of the random walk per bin, and of the noise of bins, in squared units of the typical change."""
KIND_WEIGHTS = np.array([1.5, 0.5, 0.0, -0.3])[:, None, None]
"""Log prior weights of the kinds."""
SLOPE = 4.0
"""Standard deviation of a trend's coefficient, in typical changes per typical change."""
FREEDOM = 0.5
"""Degrees of freedom of the prior that puts s² near 1."""
WIDTH = 0.65
"""Factor on the standard deviation of the average, at a distance of 1 in log x. Below 1, as the variances of models
with few points and heavy tails count fully in that average."""
WIDENING = 0.2
"""Power of the distance in log x that widens it further: schedules and overfitting are in none of the trends."""
NEARBY = 0.1
"""Added to that distance, so that something is left of the width at the horizon itself."""
DESCENT = 0.1
"""How many standard deviations per unit of log x curves fall below what the trends say."""
FARTHEST = 3.0
"""Beyond this distance in log x both grow no more."""
FREEDOM_OF_ENDS = 3.0
"""Degrees of freedom of Student's t for the end of a curve."""
ERROR_FREEDOM = 8.0
"""So many earlier curves weigh as much as the prior that errors are as wide as predicted."""
ERROR_MEAN = np.array([0.2, 0.25, 0.0])
"""Prior mean of the regression of errors: constant, predicted change, distance from the median of the curves."""
ERROR_SD = np.array([0.45, 0.5, 0.3])
"""Prior standard deviations of the same."""
SURPRISE = 1.5
"""Where most earlier curves ended farther than so many scales from what was predicted, all scales grow until it is so
many: smooth curves can turn out all wrong together, as where a schedule lowers every trial's learning rate late."""
BOUND = 4.0
"""Errors and what explains them are clipped to so many scales: a diverged curve says little about the others."""
SQUARE = 1.2
"""Mean square of errors in scales, where these are right: Student's t has more than 1, even clipped."""
EARLIER = 16
"""So many of a study's latest complete curves are worth their time."""
BINS = 12
"""More bins cost time and say no more: a curve's shape in log x is smooth."""
POINTS = 128
"""Of longer curves so many points are used, spread evenly in log x."""
REACH = 0.9
"""An earlier curve tells about the horizon where it was followed for this share of it."""
WINDOW = 5
"""A report is compared with the median of so many neighbours."""
SPIKE = 6.0
"""A report farther from that median than the curve's own width (between its first and last decile) plus so many
median distances is a spike, replaced by the median."""
TIE = 1e-9
"""What differs by less than this share is equal: reports of few digits lie exactly on borders, and on which side of one
must not hang on the last bits of a processor's arithmetic."""
ROUNDING = 1e-12
"""A curve whose bins differ by less than this share of its largest value stands still."""
FLAT = 0.05
"""Where a curve has not moved at all, its scale is this share of its value: an error of 0.9 may yet begin to fall."""
ALONE = 0.5
"""The same for a single report."""
NARROWEST = 1e-9
"""No belief is narrower than this share of the largest distance between values of the curve."""
FAR = 1e6
"""Earlier curves are clipped to so many times that distance."""
LARGEST = 1e300
"""Values are clipped to ±1e300, so that differences of two remain floats."""

Steps = Union[Sequence[float], np.ndarray]


class Curve(NamedTuple):
    """A curve with steps (k,) that ascend, finite values (k,) where smaller is better, and the value it ended with.

    The end may differ from the last value, as when an objective reports each epoch and returns the best.
    """

    steps: np.ndarray
    values: np.ndarray
    end: float

    @classmethod
    def of(cls, steps: Steps, values: Steps, end: float | None = None, points: int = POINTS) -> Curve | None:
        """The curve of steps and values (n,) in any order; None without a finite value, or with an end that is not.

        Of a step given twice the later value counts; what is not finite is left out. Of more than `points` as many
        are kept, spread evenly in log x. The end is the last value where it is not given.

        >>> Curve.of([3, 1, 2, 3], [0.5, 0.9, math.nan, 0.4])
        Curve(steps=array([1., 3.]), values=array([0.9, 0.4]), end=0.4)
        """
        t, y = np.asarray(steps, dtype=float), np.asarray(values, dtype=float)
        finite = np.isfinite(y)
        if not finite.all():
            t, y = t[finite], y[finite]
        if not len(y) or not (end is None or math.isfinite(end)):
            return None
        if not (t[1:] > t[:-1]).all():
            t, first = np.unique(t[::-1], return_index=True)
            y = y[::-1][first]
        if len(t) > points:
            x = t - _origin(t)
            kept = np.unique(np.searchsorted(x, np.geomspace(x[0], x[-1], points)).clip(max=len(x) - 1))
            t, y = t[kept], y[kept]
        y = np.clip(y, -LARGEST, LARGEST)
        return cls(t, y, float(y[-1] if end is None else np.clip(end, -LARGEST, LARGEST)))


def _origin(t: np.ndarray) -> float:
    """The step one reporting interval before the first of steps (n,); not below 0 where they are positive."""
    first = float(t[0])
    interval = float(t[1]) - first if len(t) > 1 else math.inf
    if first > 0:
        return first - min(interval, first)
    return first - (interval if interval < math.inf else 1.0)


@dataclass(frozen=True)
class Prediction:
    """Student's t: location `mean`, width `scale`, and degrees of freedom (above 2)."""

    mean: float
    scale: float
    freedom: float

    @property
    def sd(self) -> float:
        """The standard deviation."""
        return self.scale * float(np.sqrt(self.freedom / (self.freedom - 2.0)))

    def probability_below(self, threshold: float) -> float:
        """The probability that the value is below the threshold."""
        return float(stdtr(self.freedom, (threshold - self.mean) / self.scale))

    def quantile(self, probability: float) -> float:
        """The value that is undercut with this probability in (0, 1)."""
        return self.mean + self.scale * float(stdtrit(self.freedom, probability))


def predict(curve: Curve, horizon: float, earlier: Sequence[Curve] = ()) -> Prediction:
    """What is believed of the value with which a curve ends at step `horizon`.

    Earlier curves of the study that came near the horizon sharpen the belief; others are left aside.

    >>> steps = np.arange(1, 31)
    >>> belief = predict(Curve.of(steps, 0.2 + 0.8 / steps), 100)
    >>> f"{belief.mean:.2f}, with probability 0.8 in {belief.quantile(0.1):.2f} to {belief.quantile(0.9):.2f}"
    '0.21, with probability 0.8 in 0.09 to 0.34'
    """
    origin = _origin(curve.steps)
    x = curve.steps - origin
    logs = np.log(x)
    target = max(float(horizon) - origin, float(x[-1]))
    far = max(REACH * horizon, float(curve.steps[-1]))
    others = [other for other in earlier if other.steps[-1] >= far]
    rows = [np.interp(curve.steps, other.steps, other.values) for other in others]
    y, end = np.array([curve.values, *rows]), np.array([math.nan, *(other.end for other in others)])
    zero = float(np.median(curve.values))
    y, end = _without_spikes(y - zero), end - zero
    unit = float(np.abs(y[0]).max()) or abs(zero) or float(np.abs(y).max()) or 1.0
    with np.errstate(over="ignore"):
        y, end = (y / unit).clip(-FAR, FAR), (end / unit).clip(-FAR, FAR)
    mean, scale, level = _extrapolated(logs, y, math.log(target))
    moving = scale[scale > 0]
    still = float(np.median(moving)) if len(moving) else abs(zero) / unit * (FLAT if len(x) > 1 else ALONE)
    scale = np.maximum(np.where(scale > 0, scale, still), NARROWEST)
    location, width = _corrected(mean, scale, level, end)
    return Prediction(float(zero + unit * location), float(unit * width), FREEDOM_OF_ENDS)


def _without_spikes(y: np.ndarray) -> np.ndarray:
    """Curves (m, n) in which single reports far from their neighbours are replaced by the neighbours' median."""
    n = y.shape[1]
    if n < WINDOW:
        return y
    side = WINDOW // 2
    windows = np.lib.stride_tricks.sliding_window_view(y, WINDOW, axis=1)
    medians = np.sort(windows, axis=2)[:, :, side]
    medians = np.concatenate([medians[:, :1].repeat(side, 1), medians, medians[:, -1:].repeat(side, 1)], axis=1)
    distance = np.abs(y - medians)
    ordered, distances = np.sort(y, axis=1), np.sort(distance, axis=1)
    width = ordered[:, -1 - n // 10] - ordered[:, n // 10]
    limit = width + SPIKE * distances[:, n // 2]
    return np.where(distance > (1.0 + TIE) * limit[:, None], medians, y)


def _extrapolated(logs: np.ndarray, y: np.ndarray, ahead: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and standard deviation at log x = `ahead` of curves y (m, n) at log x (n,), and levels now.

    Each (m,), and from the curve itself alone. The level is the mean of the last bin: one report does not decide.
    """
    last = logs[-1]
    if not last > logs[0]:
        return y[:, -1], np.zeros(len(y)), y[:, -1]
    u, means, count = _binned(logs, y)
    scale = np.sqrt((np.diff(means, axis=1) ** 2).mean(axis=1))
    scale[scale <= ROUNDING * np.abs(means).max(axis=1)] = 0.0
    z = ((means - means[:, -1:]) / np.where(scale > 0, scale, 1.0)[:, None]).T
    evidence, predicted, variance = _regressions(u - u[0], z, count, *_trends(u - last, ahead - last), ahead - u[0])
    weights = np.exp(evidence - evidence.max(axis=(0, 1)))
    weights /= weights.sum(axis=(0, 1))
    average_ahead = (weights * predicted).sum(axis=(0, 1))
    spread = (weights * (variance + (predicted - average_ahead) ** 2)).sum(axis=(0, 1))
    distance = min(ahead - last, FARTHEST)
    sd = np.sqrt(spread) * scale * WIDTH * (NEARBY + distance) ** WIDENING
    return means[:, -1] + average_ahead * scale - DESCENT * distance * sd, sd, means[:, -1]


def _binned(logs: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean log x (g,), mean values (m, g) and the number of reports (g,) in each bin that has some."""
    place = ((logs - logs[0]) * (BINS / (logs[-1] - logs[0])) + TIE).astype(int).clip(max=BINS - 1)
    count = np.bincount(place, minlength=BINS)
    average = (place[:, None] == np.arange(BINS))[:, count > 0] / count[count > 0]
    return logs @ average, y @ average, count[count > 0]


def _regressions(
    since: np.ndarray, z: np.ndarray, count: np.ndarray, phi: np.ndarray, phi_ahead: np.ndarray, until: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log evidence, mean and variance at the target of each kind of D, trend and curve, (kinds, k, m).

    `since` (g,) and `until` are log x of the bins and of the target relative to the first bin.
    """
    g, m = z.shape
    step, noise = since[-1] / (g - 1), np.sqrt(count.mean())
    walking, noisy = KINDS[:, 0] / step, KINDS[:, 1] * noise
    D = walking[:, None, None] * np.minimum(since[:, None], since) + noisy[:, None, None] * np.diag(1.0 / count)
    cross = walking[:, None] * since  # covariance with the walk at the target
    # Inner products <f, g> = f' D^-1 g of curves, constant and trends, a matrix for each kind.
    F = np.column_stack([z, np.ones(g), phi])
    inverse = np.linalg.inv(D)
    products = F.T @ inverse @ F
    weighed = (cross[:, None] @ inverse)[:, 0]
    onward = weighed @ F
    onward_variance = (weighed * cross).sum(axis=1)
    diagonal = products.diagonal(axis1=1, axis2=2)
    constant = products[:, m, m, None]
    of_curves, of_trends = products[:, m, :m], products[:, m, m + 1 :]
    yy = diagonal[:, :m] - of_curves**2 / constant  # after elimination of the constant
    py = products[:, m + 1 :, :m] - (of_trends / constant)[:, :, None] * of_curves[:, None]
    pp = np.maximum(diagonal[:, m + 1 :] - of_trends**2 / constant, 0.0) + SLOPE**-2.0
    b = py / pp[:, :, None]
    a = (of_curves[:, None] - b * of_trends[:, :, None]) / constant[:, :, None]
    residual = FREEDOM + np.maximum(yy[:, None] - b * py, 0.0)
    freedom = FREEDOM + g - 1
    penalty = np.linalg.slogdet(D)[1][:, None] + np.log(constant) + np.log(pp)
    evidence = KIND_WEIGHTS + TRENDS - 0.5 * (penalty[:, :, None] + freedom * np.log(residual))
    one_ahead = 1.0 - onward[:, m, None]
    trend_ahead = phi_ahead - onward[:, m + 1 :]
    predicted = b * trend_ahead[:, :, None] + a * one_ahead[:, :, None] + onward[:, None, :m]
    walked = (walking * until - onward_variance + noisy)[:, None] + one_ahead**2 / constant
    walked = walked + (trend_ahead - one_ahead * of_trends / constant) ** 2 / pp
    return evidence, predicted, walked[:, :, None] * residual / max(freedom - 2.0, 1.0)


def _trends(s: np.ndarray, ahead: float) -> tuple[np.ndarray, np.ndarray]:
    """The trends (g, k) at log x = s relative to the last step, and (k,) at `ahead`."""
    at = np.append(s, ahead)
    x = np.exp(at)
    exponents = [np.outer(POWERS, -at), np.outer(RATES, -x), np.outer(SLOW_RATES, -x / x[-1])]
    phi = np.concatenate([np.exp(np.concatenate(exponents)), -at[None]])
    phi /= np.sqrt((np.diff(phi[:, :-1], axis=1) ** 2).mean(axis=1))[:, None]
    phi = np.concatenate([phi, np.zeros((1, len(at)))])
    return phi[:, :-1].T, phi[:, -1]


def _corrected(mean: np.ndarray, scale: np.ndarray, level: np.ndarray, end: np.ndarray) -> tuple[float, float]:
    """Mean and scale for curve 0, given mean, scale and level (m,) of all curves and the ends of the others."""
    errors = (end - mean)[1:]
    known = len(errors)
    if known > 1:
        typical = np.sort(np.abs(errors) / scale[1:])[known // 2 - 1]  # the lower median: most of them say so
        scale = scale * max(1.0, typical / SURPRISE)
    centre = np.sort(level)[known // 2]
    X = np.column_stack([np.ones(known + 1), (mean - level) / scale, (level - centre) / scale]).clip(-BOUND, BOUND)
    r = (errors / scale[1:]).clip(-BOUND, BOUND)
    precision = np.diag(ERROR_SD**-2.0)
    A = precision + X[1:].T @ X[1:]
    V = np.linalg.inv(A)
    beta = V @ (precision @ ERROR_MEAN + X[1:].T @ r)
    residual = r @ r + ERROR_MEAN @ precision @ ERROR_MEAN - beta @ A @ beta
    variance = (ERROR_FREEDOM + max(residual, 0.0) / SQUARE) / (ERROR_FREEDOM + known)
    return mean[0] + scale[0] * (X[0] @ beta), scale[0] * np.sqrt(variance * (1.0 + X[0] @ V @ X[0]))
