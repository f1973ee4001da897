"""Which parameters matter: how much of a result's variance each explains on its own.

A forest of trees is fitted to what was observed, and asked for the main effects of a functional analysis of variance
(Hutter, Hoos and Leyton-Brown 2014):

    f(x)      what the forest predicts, over a uniform x in the unit cube
    a_j(v)    the mean of f where parameter j has the value v
    V_j       the variance of a_j(v) over a uniform v

The means are over a random sample, the same for all parameters, so that a parameter that changes no prediction has
exactly 0. What two parameters only explain together counts for neither.
"""

from __future__ import annotations

import numpy as np

from kilter.core.seeds import rng
from kilter.models.forest import Forest

TREES = 64
SAMPLE = 256
"""Points that a mean is taken over."""
VALUES = 32
"""Values of a parameter at which means are compared."""


def main_effects(x: np.ndarray, y: np.ndarray, seed: int = 0, trees: int = TREES) -> np.ndarray:
    """V_j (d,) for observations y (n,) at x (n, d) in the unit cube; raises MissingLibrary without scikit-learn.

    >>> x = np.random.default_rng(0).random((200, 2))
    >>> effects = main_effects(x, 3 * x[:, 0])
    >>> bool(effects[0] > 20 * effects[1])
    True
    """
    forest = Forest(trees=trees, seed=seed).fit(x, y)
    sample = rng(seed, "importance").random((SAMPLE, x.shape[1]))
    values = (np.arange(VALUES) + 0.5) / VALUES
    effects = np.zeros(x.shape[1])
    for j in range(x.shape[1]):
        points = np.repeat(sample[None], VALUES, axis=0)
        points[:, :, j] = values[:, None]
        means = forest.predict(points.reshape(-1, x.shape[1]))[0].reshape(VALUES, SAMPLE).mean(axis=1)
        effects[j] = means.var()
    return effects
