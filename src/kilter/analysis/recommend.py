"""Which trial to take: one that looks good and whose neighbours say so too, not the one that was luckiest.

Of many noisy values the best is mostly a lucky draw. What is believed of a trial weighs its value against those of its
neighbours (models/smoothing.py), and no trial counts for better than what it showed itself: one whose own value speaks
against it is not taken, whatever its neighbours say. Where there is no noise, this is the best trial
(docs/decisions/0019).
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from kilter.core.events import TrialState
from kilter.core.history import History, Trial
from kilter.models.observed import Observed
from kilter.models.smoothing import smoothed
from kilter.models.transforms import standard

SHAPE = 0.65
"""The weight of values against that of their ranks. Values show the shape of a valley; where noise has heavy tails, or
grows with the value, ranks keep a few wild ones from deciding."""
CANDIDATES = 64
"""The best observed trials that may be taken where there are more trials than MOST."""
MOST = 512
"""Trials that beliefs rest on, at most: those candidates and what lies nearest to them."""


def recommended(history: History) -> Trial | None:
    """The trial of a study with one objective to take; None where none is complete and feasible.

    Trials that were stopped early are no result to take, and their values are no results to learn from here.
    """
    observed = Observed.of(history)
    rows = np.flatnonzero(observed.usable & (history.states[observed.numbers] == TrialState.COMPLETE))
    rows = rows[np.argsort(observed.values[rows, 0], kind="stable")]
    eligible = observed.violation[rows] == 0.0
    if not eligible.any():
        return None
    shown = _views(observed.values[rows, 0])
    features = observed.features[rows]
    near = _near(features, np.flatnonzero(eligible)[:CANDIDATES])
    believed = smoothed(features[near], shown[near], max(observed.encoding.mean_active, 1.0))
    level = np.maximum(_joined(believed), _joined(shown[near]))
    level[~eligible[near]] = np.inf
    return history[int(observed.numbers[rows[near[np.argmin(level)]]])]


def _views(values: np.ndarray) -> np.ndarray:
    """Values (n,) as they are and as quantiles of a normal distribution by their ranks, in units of spread, (n, 2)."""
    scores = ndtri((rankdata(values) - 0.5) / len(values))
    return np.stack([standard(values)(values), scores / max(scores.std(), 1e-12)], axis=1)


def _joined(views: np.ndarray) -> np.ndarray:
    joined: np.ndarray = SHAPE * views[:, 0] + (1.0 - SHAPE) * views[:, 1]
    return joined


def _near(features: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """The rows nearest to any of the candidates, MOST of them at most, in their order."""
    if len(features) <= MOST:
        return np.arange(len(features))
    distance = np.min([np.abs(features - features[row]).sum(axis=1) for row in candidates], axis=0)
    distance[candidates] = -1.0
    return np.sort(np.argsort(distance, kind="stable")[:MOST])
