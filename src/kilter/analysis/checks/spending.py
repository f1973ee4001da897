"""What time and budget were spent on: idle workers, trials stopped too early, those that take long, what is left."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kilter.analysis.finding import LOOK, Finding, Subject, share, times
from kilter.analysis.timeline import timeline
from kilter.core.events import TrialState

BUSY = 0.75
"""Workers that are busy for a smaller share of their time are idle, ..."""
WASTED = 60.0
"""... where that is more than so many seconds in all."""
LOW = 0.1
"""A budget of which less is left runs low, ..."""
RISING = 0.15
"""... which matters where the best is younger than this share of the trials."""
SHOWN = 5
"""Trials that a finding names."""


def idle(subject: Subject) -> Iterator[Finding]:
    """Workers that wait between trials."""
    seen = timeline(subject.history, subject.now)
    if seen.utilisation is None or len(seen.numbers) < 10 or seen.utilisation >= BUSY or seen.idle < WASTED:
        return
    yield Finding(
        "idle",
        LOOK,
        f"Workers are busy {share(seen.utilisation)} of their time: {seen.idle:.0f} s passed between trials.",
        "Make trials longer or start-up shorter, or take a sampler that answers faster; look at the timeline.",
        {"utilisation": seen.utilisation, "idle_seconds": seen.idle, "lanes": len(seen.lanes), "workers": seen.workers},
    )


def long_running(subject: Subject) -> Iterator[Finding]:
    """Trials that run much longer than others took."""
    took = np.array([t.seconds for t in subject.ended if t.state is TrialState.COMPLETE])
    took = took[np.isfinite(took)]
    running = {t.number: subject.now - t.started for t in subject.history.running.values() if t.started is not None}
    if len(took) < 5 or not running:
        return
    usual = float(np.quantile(took, 0.9))
    late = [number for number, seconds in running.items() if seconds > max(5 * usual, WASTED)]
    if late:
        longest = max(late, key=running.__getitem__)
        yield Finding(
            "long",
            LOOK,
            f"Trial {longest} has run for {running[longest]:.0f} s; nine of ten took less than {usual:.3g} s.",
            "Look whether it hangs; a limit of time per trial ends such trials.",
            {"seconds": running[longest], "usual": usual, "late": len(late)},
            (),
            tuple(late[:SHOWN]),
        )


def running_low(subject: Subject) -> Iterator[Finding]:
    """Little is left of the budget while the best still becomes better."""
    n, budget = len(subject.ended), subject.budget
    if not budget or n < 20 or not len(subject.best):
        return
    left = budget - n
    if 0 <= left <= LOW * budget and subject.since_best <= RISING * n:
        yield Finding(
            "budget",
            LOOK,
            f"{times(left, 'trial')} of {budget} are left, and the best is {times(subject.since_best, 'trial')} old.",
            "Add trials: the search has not come to rest.",
            {"left": left, "budget": budget, "since_best": subject.since_best},
        )


CHECKS = (idle, long_running, running_low)
