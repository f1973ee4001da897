"""How fast a study goes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kilter.core.history import History

PAUSE = 60.0
"""Seconds without a running trial that still count as the study's own slowness; more is a break between runs."""
RECENT = 50
"""The pace is that of so many trials that ended last."""


def pace(history: History, numbers: Sequence[int]) -> float:
    """Trials that end in a second, of all workers, with what lies between trials but without breaks between runs."""
    latest = [history[number] for number in numbers[-RECENT:]]
    spans = sorted((t.started, t.ended) for t in latest if t.started is not None and t.ended is not None)
    active, until = 0.0, -math.inf
    for started, ended in spans:
        if until == -math.inf:
            active += ended - started
        else:
            active += min(max(started - until, 0.0), PAUSE) + max(ended - max(started, until), 0.0)
        until = max(until, ended)
    return len(spans) / active if active > 0 else math.inf
