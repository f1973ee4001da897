"""How numbers of the dense view are brought to one scale: by quartiles, and those of many values by rank as well.

A network, or a sum, sees a skewed number twice then: its distances and its order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FAR = 3.0
"""Scaled values end here: z / √(1 + (z / FAR)²), the smooth clip of RealMLP (Holzmüller et al. 2024)."""

QUARTILE = 1.349
"""Distance of the quartiles of a normal distribution, in its standard deviations."""

ROWS_FOR_QUANTILES = 10_000

KNOTS = 129
"""Quantiles between which ranks are straight lines."""

FEW_KNOTS = 8
"""Different quantiles that a column has at least whose ranks stand beside it."""

MOST_RANKED = 200
"""Of more such columns none has its ranks beside it: there are many already."""


@dataclass(frozen=True)
class Scaling:
    """How columns of the dense view are filled, centred and scaled: (d,) each; constant ones are left out."""

    centre: np.ndarray
    scale: np.ndarray
    kept: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> Scaling:
        """By median and quartiles of the rows; by the standard deviation where the quartiles are one value."""
        if not len(values) or not values.shape[1]:
            return cls(np.zeros(values.shape[1]), np.ones(values.shape[1]), np.zeros(values.shape[1], bool))
        some = values[:: len(values) // ROWS_FOR_QUANTILES + 1]
        empty = ~np.isfinite(some).any(axis=0)
        low, centre, high = np.nanquantile(np.where(empty, 0.0, some), [0.25, 0.5, 0.75], axis=0)
        with np.errstate(over="ignore"):
            deviation = np.array([_filled_in(column, at).std() for column, at in zip(values.T, centre, strict=True)])
        # Rounding makes a tiny deviation of a column that is one value.
        kept = deviation > 1e-12 * np.maximum(np.abs(centre), 1e-300)
        scale = np.where(high > low, (high - low) / QUARTILE, np.where(kept, deviation, 1.0))
        return cls(centre, scale, kept)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """(n, kept) between −FAR and FAR; gaps are 0."""
        scaled = values[:, self.kept]  # a copy, and one more for the roots: tables may be large
        with np.errstate(over="ignore", invalid="ignore"):
            scaled -= self.centre[self.kept]
            scaled /= self.scale[self.kept]
        np.clip(np.nan_to_num(scaled, copy=False), -1e6, 1e6, out=scaled)
        roots = scaled / FAR
        roots *= roots
        roots += 1
        scaled /= np.sqrt(roots, out=roots)
        return scaled


def _filled_in(column: np.ndarray, at: float) -> np.ndarray:
    return np.where(np.isnan(column), at, column)


@dataclass(frozen=True)
class Ranks:
    """What a normal distribution has in place of a column's values, of the same rank.

    ranked: the places of these columns, (r,); knots and normal: values and what stands in place of them, (r, KNOTS).
    """

    ranked: np.ndarray
    knots: np.ndarray
    normal: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, which: np.ndarray | None = None) -> Ranks:
        """By quantiles, of all columns or those of a mask (d,); equal values have the middle of their ranks."""
        some = values[:: len(values) // ROWS_FOR_QUANTILES + 1]
        places, knots, normal = [], [], []
        for place in np.flatnonzero(np.ones(values.shape[1]) if which is None else which):
            column = some[:, place]
            known = np.sort(column[np.isfinite(column)])
            found = np.unique(np.quantile(known, np.linspace(0, 1, KNOTS), method="nearest")) if len(known) else known
            if len(found) >= FEW_KNOTS:
                places.append(place)
                knots.append(found)
                normal.append(_normal(known, found))
        if len(places) > MOST_RANKED:
            places, knots, normal = [], [], []
        return cls(np.array(places, np.int64), _filled(knots), _filled(normal))

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """(n, r); gaps are 0, as the median is."""
        ranks = np.zeros((len(values), len(self.ranked)))
        for at, place in enumerate(self.ranked.tolist()):
            ranks[:, at] = np.interp(values[:, place], self.knots[at], self.normal[at])
        return np.nan_to_num(ranks, copy=False)


def _normal(known: np.ndarray, knots: np.ndarray) -> np.ndarray:
    from scipy.special import ndtri

    ends = np.searchsorted(known, knots, "left") + np.searchsorted(known, knots, "right")
    return np.asarray(ndtri(np.clip(ends / 2 / len(known), 0.5 / len(known), 1 - 0.5 / len(known))))


def _filled(rows: list[np.ndarray]) -> np.ndarray:
    """(r, KNOTS) with each row's last value repeated."""
    return np.array([np.pad(row, (0, KNOTS - len(row)), "edge") for row in rows]).reshape(-1, KNOTS)
