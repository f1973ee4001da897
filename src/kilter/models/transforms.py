"""What is done to outputs and inputs before a Gaussian process sees them.

    y   (n,)     observed values, smaller is better
    z   (n,)     transformed values of mean 0 and standard deviation 1
    J            log |dz/dy| summed over the points, up to a constant that all transforms share

Outputs: as they are, or the power transform of Yeo & Johnson (2000), whichever the marginal likelihood prefers.
Inputs: the distribution function of Kumaraswamy (1980), whose two shapes per parameter are fitted with the kernel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CLIP = 5.0
"""Values worse than the median by so many distances between median and best quarter are drawn in towards it.
A diverged training says 1e9; where it lies says nothing about the optimum."""
POWERS = (-3.0, 5.0)
"""Where the power of Yeo & Johnson is looked for."""
SECTIONS = 18
"""Golden sections of that range: it is then known to 0.002."""
GOLDEN = 0.6180339887498949
LARGEST = 1e300
"""Values are clipped to ±1e300, so that differences of two remain floats."""
FAR = 1e15
"""Standardised values are clipped to ±1e15: beyond 15 digits of the spread nothing is known, and powers stay finite."""
EDGE = 1e-5
"""Inputs are kept this far from 0 and 1, where the derivatives of the input warp have no bound."""


@dataclass(frozen=True)
class Output:
    """An output transform: draw in what is far worse, standardise, and bend by `power` where that is not None.

    Increasing, so that bounds can be taken through it as well. Made by `standard` and `bent`.
    """

    limit: float
    spread: float
    centre: float
    scale: float
    power: float | None = None
    centre_after: float = 0.0
    scale_after: float = 1.0

    def __call__(self, y: np.ndarray) -> np.ndarray:
        """The transformed values, shape of y."""
        with np.errstate(over="ignore"):
            z = np.clip((_drawn_in(y, self.limit, self.spread) - self.centre) / self.scale, -FAR, FAR)
        return z if self.power is None else (yeo_johnson(z, self.power) - self.centre_after) / self.scale_after

    def straight(self, z: np.ndarray) -> np.ndarray:
        """The values that are bent to z: still drawn in and standardised; shape of z."""
        return z if self.power is None else yeo_johnson_inverse(z * self.scale_after + self.centre_after, self.power)

    def inverse(self, z: np.ndarray) -> np.ndarray:
        """The values that are transformed to z, shape of z."""
        with np.errstate(over="ignore"):
            y = np.clip(self.straight(z) * self.scale + self.centre, -LARGEST, LARGEST)
            beyond = self.limit + self.spread * np.expm1((y - self.limit) / self.spread)
        return np.where(y > self.limit, np.minimum(beyond, LARGEST), y)


def standard(y: np.ndarray, alike: float = 0.0) -> Output:
    """The transform to mean 0 and standard deviation 1 of finite values y (n,); constant ones become 0.

    What is worse than the best by no more than `alike` is not far.
    """
    limit, spread = _limit(y)
    limit = max(limit, float(y.min()) + alike)
    y = _drawn_in(y, limit, spread)
    low, width = float(y.min()), float(np.ptp(y))
    if not width > 0:
        return Output(limit, spread, low, 1.0)
    unit = (y - low) / width  # squares of the values themselves may be too large or too small for a float
    scale = width * float(unit.std())
    return Output(limit, spread, low + width * float(unit.mean()), scale if scale > 0 else width)


def far_limit(y: np.ndarray) -> float:
    """Beyond which value those of finite y (n,) are far worse than most."""
    return _limit(y)[0]


def bent(y: np.ndarray, power: float | None = None) -> tuple[Output, float]:
    """The Yeo-Johnson transform of standardised values, its power by profile likelihood, and its log Jacobian J.

    The log Jacobian of `standard` is 0 in the same units. Falls back to `standard` where the values do not spread.
    """
    plain = standard(y)
    z = plain(y)
    n, s = len(z), float(np.sum(np.sign(z) * np.log1p(np.abs(z))))
    if power is None:
        power = _likeliest_power(z, s)
    w = yeo_johnson(z, power)
    sd = float(w.std())
    if not (np.isfinite(sd) and sd > 1e-9):
        return plain, 0.0
    output = Output(plain.limit, plain.spread, plain.centre, plain.scale, power, float(w.mean()), sd)
    return output, (power - 1.0) * s - n * float(np.log(sd))


def _likeliest_power(z: np.ndarray, s: float) -> float:
    """The maximum of the profile likelihood, equation 3.1 of Yeo & Johnson, by golden section; s as in J."""

    def cost(power: float) -> float:
        variance = float(yeo_johnson(z, power).var())
        return 0.5 * len(z) * np.log(variance) - (power - 1.0) * s if 1e-300 < variance < 1e300 else np.inf

    a, b = POWERS
    c, d = b - GOLDEN * (b - a), a + GOLDEN * (b - a)
    at_c, at_d = cost(c), cost(d)
    for _ in range(SECTIONS):
        if at_c < at_d:
            b, d, at_d = d, c, at_c
            c = b - GOLDEN * (b - a)
            at_c = cost(c)
        else:
            a, c, at_c = c, d, at_d
            d = a + GOLDEN * (b - a)
            at_d = cost(d)
    return 0.5 * (a + b)


def _limit(y: np.ndarray) -> tuple[float, float]:
    """Beyond which value, and in which unit, values are drawn in; the unit is median minus lower quartile."""
    ordered = np.sort(np.clip(y, -LARGEST, LARGEST))
    lower, median = ordered[(len(y) - 1) // 4], ordered[(len(y) - 1) // 2]
    spread = float(median - lower)
    if not spread > 0:
        above = y[y > median]
        spread = float(above.min() - median) if len(above) else 0.0
    return (float(median) + CLIP * spread, spread) if spread > 0 else (LARGEST, 1.0)


def _drawn_in(y: np.ndarray, limit: float, spread: float) -> np.ndarray:
    """Values beyond the limit count logarithmically: they keep their order, and none can flatten all the others."""
    y = np.clip(y, -LARGEST, LARGEST)
    with np.errstate(over="ignore"):
        excess = np.minimum(np.maximum(y - limit, 0.0) / spread, LARGEST)
    return np.where(y > limit, limit + spread * np.log1p(excess), y)


def yeo_johnson(z: np.ndarray, exponent: float) -> np.ndarray:
    """Equation 2.1 of Yeo & Johnson (2000)."""
    size = np.log1p(np.abs(z))
    other = 2.0 - exponent
    w: np.ndarray
    with np.errstate(over="ignore"):
        up = size if abs(exponent) < 1e-8 else np.expm1(exponent * size) / exponent
        down = size if abs(other) < 1e-8 else np.expm1(other * size) / other
    w = np.where(z >= 0, up, -down)
    return w


def yeo_johnson_inverse(w: np.ndarray, power: float) -> np.ndarray:
    """The z with yeo_johnson(z, power) = w; beyond what the transform can reach, as far as floats go."""
    other = 2.0 - power
    with np.errstate(over="ignore"):
        up = np.abs(w) if abs(power) < 1e-8 else np.log(np.maximum(1.0 + power * np.abs(w), 1e-300)) / power
        down = np.abs(w) if abs(other) < 1e-8 else np.log(np.maximum(1.0 + other * np.abs(w), 1e-300)) / other
        z: np.ndarray = np.where(w >= 0, np.expm1(up), -np.expm1(down))
    return z


def kumaraswamy(x: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The warp w = 1 - (1 - x^a)^b for x (n, k) and shapes a, b (k,); and its derivatives by log a, log b and x."""
    x = np.clip(x, EDGE, 1.0 - EDGE)
    log_x = np.log(x)
    xa = np.exp(a * log_x)
    rest = 1.0 - xa
    log_rest = np.log(rest)
    power = np.exp(b * log_rest)
    slope = a * b * xa * power / rest
    return 1.0 - power, slope * log_x, -b * power * log_rest, slope / x
