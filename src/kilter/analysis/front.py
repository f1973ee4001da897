"""How far a search for several objectives has come, in a few words."""

from __future__ import annotations

import numpy as np

from kilter.core.events import TrialState
from kilter.core.history import History

CHEAP = 3
"""Objectives up to which a hypervolume costs next to nothing."""
ROOM = 1.1
"""The corner that the volume is measured from, in ranges of all values: so the ends of the front count, too."""


def front_text(history: History) -> str | None:
    """Size and hypervolume of the Pareto front; None where nothing is complete and feasible.

    The volume is the share that the front dominates of the box from the best to the worst of all finite values.
    """
    front = [trial.number for trial in history.front()]
    if not front:
        return None
    text = f"front of {len(front)}" if len(front) > 1 else f"trial {front[0]} alone"
    values = history.values[[trial.number for trial in history.with_state(TrialState.COMPLETE)]]
    values = values[np.isfinite(values).all(axis=1)]
    if values.shape[1] > CHEAP or len(values) < 2:
        return text
    from kilter.models.hypervolume import hypervolume  # loads SciPy

    low, span = values.min(axis=0), np.ptp(values, axis=0)
    scaled = (history.values[front] - low) / np.where(span > 0, span, 1.0)
    volume = hypervolume(scaled, np.full(values.shape[1], ROOM)) / ROOM ** values.shape[1]
    return f"{text}; hypervolume {volume:.2f} of the range seen"
