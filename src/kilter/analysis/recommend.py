"""Which trial to take: the one that looked best, unless its neighbours speak for another one that looked good too.

Of many noisy values the best is mostly a lucky draw. What is believed of a trial weighs its value against those of its
neighbours, and is asked of many processes (models/smoothing.py). Another trial than the best observed one is taken
where the processes on average expect it to be better, by more than a share of how much they disagree about that, and
where its own value does not speak against it. Without noise this is the best trial (docs/decisions/0019).
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from kilter.core.events import TrialState
from kilter.core.history import History, Record
from kilter.models.results import Results
from kilter.models.smoothing import processes
from kilter.models.transforms import standard

SHAPE = 0.65
"""The weight of values against that of their ranks. Values show the shape of a valley; where noise has heavy tails, or
grows with the value, ranks keep a few wild ones from deciding."""
CAUTION = 2.0
"""How much of the processes' disagreement about a gain counts against it, over the root of the number of trials: .4
standard deviations after 25 trials, .2 after 100. Few trials leave room for many explanations."""
DIGITS = 9
"""Scores are rounded to these decimals: of trials with the same configuration the best observed one comes first."""
CANDIDATES = 64
"""The best observed trials that may be taken where there are more trials than MOST."""
MOST = 512
"""Trials that beliefs rest on, at most: those candidates and what lies nearest to them."""


def recommended(history: History) -> Record | None:
    """The trial of a study with one objective to take; None where none is complete and feasible.

    Trials that were stopped early are no result to take, and their values are no results to learn from here.
    """
    results = Results.of(history)
    rows = np.flatnonzero(results.usable & (history.states[results.numbers] == TrialState.COMPLETE))
    rows = rows[np.argsort(results.values[rows, 0], kind="stable")]
    eligible = results.violation[rows] == 0.0
    if not eligible.any():
        return None
    features = results.features[rows]
    near = _near(features, np.flatnonzero(eligible)[:CANDIDATES])
    shown = _views(results.values[rows, 0])[:, near]
    weights, opinions = processes(features[near], shown, max(results.encoding.mean_active, 1.0))
    score = _scores(weights, opinions, shown, best=int(np.argmax(eligible[near])))
    score[~eligible[near]] = -np.inf
    return history[int(results.numbers[rows[near[np.argmax(score.round(DIGITS))]]])]


def _scores(weights: np.ndarray, opinions: np.ndarray, shown: np.ndarray, best: int) -> np.ndarray:
    """What is gained over the best observed trial, with caution, (n,); -inf where the own value is worse than believed.

    Of opinions (2, q, n) with weights (2, q), and values (2, n), a row for each view.
    """
    gains = opinions[:, :, [best]] - opinions
    expected = np.einsum("vq,vqn->vn", weights, gains)
    doubt = np.sqrt(_joined(np.einsum("vq,vqn->vn", weights, (gains - expected[:, None]) ** 2)) / shown.shape[1])
    score: np.ndarray = _joined(expected) - CAUTION * doubt
    score[_joined(shown) > _joined(np.einsum("vq,vqn->vn", weights, opinions))] = -np.inf
    score[best] = 0.0
    return score


def _views(values: np.ndarray) -> np.ndarray:
    """Values (n,) as they are and as quantiles of a normal distribution by their ranks, in units of spread, (2, n)."""
    scores = ndtri((rankdata(values) - 0.5) / len(values))
    return np.stack([standard(values)(values), scores / max(scores.std(), 1e-12)])


def _joined(views: np.ndarray) -> np.ndarray:
    joined: np.ndarray = SHAPE * views[0] + (1.0 - SHAPE) * views[1]
    return joined


def _near(features: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """The rows nearest to any of the candidates, MOST of them at most, in their order."""
    if len(features) <= MOST:
        return np.arange(len(features))
    distance = np.min([np.abs(features - features[row]).sum(axis=1) for row in candidates], axis=0)
    distance[candidates] = -1.0
    return np.sort(np.argsort(distance, kind="stable")[:MOST])
