"""Periodic features of numbers: what lets a network follow a curve that turns often.

    x (n, q) the columns that have many values     waves = sin(x ⊙ f + b), (n, q, p)     f ~ N(0, bandwidth²) / spread

Drawn once and kept, as random Fourier features are (Rahimi and Recht 2007), for each column by itself, as in the
embeddings of numbers of Gorishniy et al. (arXiv 2203.05556). Learned frequencies would have to pass through the network
in each step; the scales that the network learns for each input choose among these.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FEW = 10
"""Columns with no more different values than this have no waves."""
LOOK = 500
"""Rows in which values are counted."""
MOST = 512
"""Waves of all columns together: where there are many columns each has fewer."""


@dataclass(frozen=True)
class Waves:
    """The places of columns (q,), and frequencies and phases (q, p) of their waves; float32."""

    columns: np.ndarray
    frequencies: np.ndarray
    phases: np.ndarray

    @classmethod
    def drawn(cls, values: np.ndarray, each: int, bandwidth: float, rng: np.random.Generator) -> Waves:
        """`each` waves of every column with many values; `bandwidth` in radians for one standard deviation."""
        some = np.sort(values[:: max(1, len(values) // LOOK)], axis=0)
        columns = np.flatnonzero((np.diff(some, axis=0) > 0).sum(axis=0) >= FEW)
        shape = len(columns), min(each, MOST // max(len(columns), 1))
        spread = values[:, columns].std(axis=0, dtype=float) + 1e-6
        frequencies = rng.normal(0, bandwidth, shape) / spread[:, None]
        middle = values[:, columns].mean(axis=0, dtype=float)
        phases = rng.uniform(0, 2 * np.pi, shape) - frequencies * middle[:, None]
        return cls(columns, frequencies.astype(np.float32), phases.astype(np.float32))

    def beside(self, values: np.ndarray) -> np.ndarray:
        """The values, and the waves of their columns, (n, d + q p), float32."""
        values = np.asarray(values, np.float32)
        angles = values[:, self.columns, None] * self.frequencies
        angles += self.phases
        return np.hstack([values, np.sin(angles, out=angles).reshape(len(values), -1)])
