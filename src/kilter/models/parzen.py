"""A Parzen estimator of a density over a search space with conditions (Bergstra et al. 2011; Falkner et al. 2018).

    points, active   (n, d)   kernel centres, models/encoding.py, and where they have a value that is known
    bandwidths h     (d,)     of the numbers
    tables T_j       (k, k)   of options and short grids: log kernel of a centre at place l, at place i: T_j[l, i]

    p(x) = sum_i w_i prod_j k_j(x_j, c_ij) + w_0 u(x),   sum w = 1

Densities are relative to the uniform distribution over the space, so their mean over uniform points is 1 and a kernel
that says nothing is 1. A pair of parameters counts only where both sides are active; u is 1 or the users' prior.
The kernel of a number is a normal distribution cut to [0, 1], or to its values; an option is kept or drawn anew. The
logarithms of all n kernels at all m points are then one product of matrices, (m, p) times (p, n).
"""

from __future__ import annotations

from functools import lru_cache
from typing import cast

import numpy as np

from kilter.core.parameter import CONFIDENCES
from kilter.models.candidates import filled
from kilter.models.encoding import Encoding

SPREAD = 0.3
"""Standard deviation that numbers are believed to have before any is seen, with the weight of one; about 1/sqrt(12)."""
FINEST = 100
"""The bandwidth is at least 1 / min(FINEST, n + 2) of the range: few points do not tell how narrow a region is."""
TABLED = 32
"""Numbers with at most so many values have a table of kernels; those with more count as continuous."""


class Parzen:
    """The density that kernels round `points` (n, d), best first, make; a parameter counts where it is `active` (n, d).

    `weights` (n,), positive, are relative to that of the uniform component, which is 1; without them all are 1.

    >>> from kilter.core.numbers import Float
    >>> from kilter.core.space import Space
    >>> density = Parzen(Encoding(Space({"x": Float(0, 1)})), np.array([[0.2], [0.3]]), np.ones((2, 1), dtype=bool))
    >>> density.log_density(np.array([[0.25], [0.9]])).round(2).tolist()
    [0.46, -0.97]
    """

    def __init__(
        self, encoding: Encoding, points: np.ndarray, active: np.ndarray, weights: np.ndarray | None = None
    ) -> None:
        self.encoding, self.points, self.active = encoding, points, active
        shares = np.append(np.ones(len(points)) if weights is None else weights, 1.0)
        self.shares = shares / shares.sum()
        """Of the kernels and, last, of the uniform component; (n + 1,)."""
        self.smooth, tabled = _split(encoding)
        bandwidths = _bandwidths(points, active)
        self.bandwidths = bandwidths[self.smooth]
        self._tables = {j: _table(encoding, j, bandwidths[j], points[:, j]) for j in tabled}
        """The kernels of discrete parameters, a row for each centre, (n, k)."""
        self._kernels = self._coefficients()

    def _coefficients(self) -> np.ndarray:
        """What the terms are multiplied with, a column for each kernel, (p, n)."""
        centres, known, h = self.points[:, self.smooth], self.active[:, self.smooth], self.bandwidths
        mass = _normal_share((1.0 - centres) / h) - _normal_share(-centres / h)
        constant = -0.5 * (centres / h) ** 2 - np.log(h * np.sqrt(2 * np.pi) * mass)
        # -(x - c)² / 2h², multiplied out
        columns = [known * (-0.5 / h**2), known * (centres / h**2), known * constant]
        for j, table in self._tables.items():
            columns.append(self.active[:, j, None] * table)
        return np.ascontiguousarray(np.hstack(columns).T)

    def _terms(self, points: np.ndarray) -> np.ndarray:
        """Squares, values and ones of active smooth numbers, and ones at the places of the others; (m, p)."""
        active = self.encoding.active(points)
        on, x = active[:, self.smooth], points[:, self.smooth]
        columns = [on * x**2, on * x, on]
        for j, table in self._tables.items():
            hot = np.zeros((len(points), table.shape[1]))
            hot[np.arange(len(points)), _places(self.encoding, j, points[:, j])] = active[:, j]
            columns.append(hot)
        return np.hstack(columns)

    def log_density(self, points: np.ndarray) -> np.ndarray:
        """The logarithm of the density at points (m, d), relative to the uniform one, shape (m,)."""
        logs = np.empty((len(points), len(self.shares)))
        logs[:, :-1] = self._terms(points) @ self._kernels
        logs[:, -1] = log_prior(self.encoding, points)
        logs += np.log(self.shares)
        top = logs.max(axis=1)
        return cast(np.ndarray, np.log(np.exp(logs - top[:, None]).sum(axis=1)) + top)

    def draw(self, rng: np.random.Generator, m: int) -> np.ndarray:
        """Points from the density, (m, d); those that a clause forbids are among them.

        Children that a changed parent switches on are half uniform, half near those of one of the best points.
        """
        encoding, n = self.encoding, len(self.points)
        kernel = rng.choice(n + 1, m, p=self.shares)
        points = encoding.from_uniforms(rng.random((m, encoding.d)))
        known = encoding.active(points)  # of the uniform component, whose draws stay as they are
        near = np.flatnonzero(kernel < n)
        moved, known[near] = self.points[kernel[near]], self.active[kernel[near]]
        moved[:, self.smooth] = _cut_normal(moved[:, self.smooth], self.bandwidths, rng)
        for j, table in self._tables.items():
            moved[:, j] = _drawn(encoding, j, table[kernel[near]], rng)
        points[near] = np.where(known[near], moved, points[near])
        return encoding.canonical(encoding.snapped(filled(encoding, points, known, self.points, rng)))


def log_prior(encoding: Encoding, points: np.ndarray) -> np.ndarray:
    """The logarithm of the users' beliefs at points, relative to the uniform density, (m,); 0 where there are none."""
    if not encoding.has_priors:
        return np.zeros(len(points))
    return cast(np.ndarray, encoding.log_prior(points)[0] - encoding.active(points) @ _prior_masses(encoding))


@lru_cache(maxsize=64)
def _prior_masses(encoding: Encoding) -> np.ndarray:
    """For each parameter the logarithm of the mean of exp(Encoding.log_prior) over uniform values, (d,)."""
    masses = np.zeros(encoding.d)
    for j, parameter in enumerate(encoding.space.parameters.values()):
        if parameter.prior is None:
            continue
        spread = CONFIDENCES[parameter.prior.confidence]
        if encoding.is_option[j]:
            k = encoding.options[j]
            masses[j] = -np.log(k) if k > 1 else np.log1p(-spread)
        else:
            ends = (np.array([0.0, 1.0]) - parameter.unit(parameter.plain(parameter.prior.value))) / spread
            masses[j] = np.log(spread * np.sqrt(2 * np.pi) * np.diff(_normal_share(ends))[0])
    return masses


@lru_cache(maxsize=64)
def _split(encoding: Encoding) -> tuple[np.ndarray, list[int]]:
    """The numbers without a table of kernels, and the parameters with one."""
    short = [j for j, grid in encoding.grids.items() if len(grid) <= TABLED]
    tabled = sorted([*encoding.choices.tolist(), *short])
    return np.setdiff1d(np.arange(encoding.d), tabled), tabled


def _bandwidths(points: np.ndarray, active: np.ndarray) -> np.ndarray:
    """Scott's rule (1992), s_j n^(-1 / (d + 4)): narrow where the active values lie close together; (d,)."""
    n, d = points.shape
    count = active.sum(axis=0)
    mean = (active * points).sum(axis=0) / np.maximum(count, 1)
    spread = np.sqrt(((active * (points - mean) ** 2).sum(axis=0) + SPREAD**2) / (count + 1))
    return cast(np.ndarray, np.clip(spread * max(n, 1) ** (-1.0 / (d + 4)), 1.0 / min(FINEST, n + 2), 1.0))


def _table(encoding: Encoding, j: int, h: float, centres: np.ndarray) -> np.ndarray:
    """Logarithms of a discrete parameter's kernels, relative to a uniform draw: [centre, place], (n, k)."""
    at, n = _places(encoding, j, centres), len(centres)
    if encoding.is_option[j]:
        k = int(encoding.options[j])
        redrawn = k / (n + 1 + k)  # as if the kernel had seen its option once and each option 1 / (n + 1) times
        other, own = np.log(np.array([redrawn, redrawn + k * (1.0 - redrawn)]))
        table = np.full((n, k), other)
        table[np.arange(n), at] = own
        return table
    grid = encoding.grids[j]
    cells = _cells(encoding, j)[1]
    wide = np.maximum(h, 0.5 * cells)[:, None]  # enough to reach the neighbours
    logs = -0.5 * ((grid[None, :] - grid[:, None]) / wide) ** 2
    return cast(np.ndarray, (logs - np.log(np.exp(logs) @ cells)[:, None])[at])


@lru_cache(maxsize=1024)
def _cells(encoding: Encoding, j: int) -> tuple[np.ndarray, np.ndarray]:
    """Borders between the values of a grid, (k - 1,), and the share of uniform draws that are snapped to each, (k,)."""
    grid = encoding.grids[j]
    borders = (grid[1:] + grid[:-1]) / 2
    return borders, np.diff(np.concatenate([[0.0], borders, [1.0]]))


def _places(encoding: Encoding, j: int, column: np.ndarray) -> np.ndarray:
    """Which option or which value of its grid each entry of a column of points is, (m,)."""
    if encoding.is_option[j]:
        return column.astype(int)
    return _cells(encoding, j)[0].searchsorted(column)


def _drawn(encoding: Encoding, j: int, logs: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A value of a discrete parameter from each row of logarithms of its density, (m, k) to (m,)."""
    is_option = encoding.is_option[j]
    shares = np.cumsum(np.exp(logs) * (1.0 if is_option else _cells(encoding, j)[1]), axis=1)
    places = (shares[:, :-1] < rng.random((len(logs), 1)) * shares[:, -1:]).sum(axis=1)
    return cast(np.ndarray, places.astype(float) if is_option else encoding.grids[j][places])


def _cut_normal(centres: np.ndarray, h: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Normal draws round centres (m, s), again where they leave [0, 1]: where h <= 1, a third stays inside at least."""
    drawn: np.ndarray = centres + h * rng.standard_normal(centres.shape)
    rows, columns = np.nonzero((drawn < 0.0) | (drawn > 1.0))
    while len(rows):
        again = centres[rows, columns] + h[columns] * rng.standard_normal(len(rows))
        drawn[rows, columns] = again
        outside = (again < 0.0) | (again > 1.0)
        rows, columns = rows[outside], columns[outside]
    return drawn


def _normal_share(z: np.ndarray) -> np.ndarray:
    """The standard normal distribution function, to 1e-7: Abramowitz & Stegun (1964), 26.2.17.

    SciPy's is exact, but importing it takes longer than a hundred suggestions.
    """
    t = 1.0 / (1.0 + 0.2316419 * np.abs(z))
    series = t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
    upper = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi) * series
    return cast(np.ndarray, np.where(z >= 0.0, 1.0 - upper, upper))
