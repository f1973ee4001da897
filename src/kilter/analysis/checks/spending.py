"""What time and budget were spent on: idle workers, trials stopped too early, those that take long, what is left."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from kilter.analysis.finding import LOOK, NOTE, Finding, Subject, duration, share, times
from kilter.analysis.ranktests import ranks
from kilter.analysis.rungs import values_at
from kilter.analysis.savings import Savings
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
ENOUGH = 10
"""Trials, pruned ones and complete ones each, before ranks are compared."""
ALIKE = 0.5
"""Ranks that correlate by less, even at the upper end of what is likely (90 %), say little."""
LEAST_SAVED = 0.01
"""A smaller share of the steps that was saved is not told."""
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
        f"Workers are busy {share(seen.utilisation)} of their time: {duration(seen.idle)} passed between trials.",
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
            f"Trial {longest} has run for {duration(running[longest])}; nine of ten took less than {duration(usual)}.",
            "Look whether it hangs; a limit of time per trial ends such trials.",
            {"seconds": running[longest], "usual": usual, "late": len(late)},
            (),
            tuple(late[:SHOWN]),
        )


def pruned_early(subject: Subject) -> Iterator[Finding]:
    """Where trials are stopped, their ranks say little of their ranks in the end."""
    furthest = subject.history.reports.furthest
    stops = [furthest[t.number] for t in subject.ended if t.state is TrialState.PRUNED and t.number in furthest]
    if len(stops) < ENOUGH:
        return
    step = int(np.median(stops))
    early, final = _ranks(subject, step)
    n = len(early)
    if n < ENOUGH or early.std() == 0 or final.std() == 0:
        return
    correlation = float(np.corrcoef(early, final)[0, 1])
    upper = math.tanh(math.atanh(min(correlation, 0.999)) + 1.28 / math.sqrt(n - 3))
    if upper >= ALIKE:
        return
    missed = int((early[final <= max(n / 10, 1)] > n / 2).sum())
    rests = {"step": step, "pruned": len(stops), "complete": n}
    yield Finding(
        "pruned early",
        LOOK,
        f"At step {step}, by which half of the {len(stops)} pruned trials had ended, ranks say little of those in the "
        f"end: over {n} complete trials they correlate by {correlation:.2f}.",
        "Let trials go further before they are compared: a larger grace of the scheduler.",
        {**rests, "correlation": correlation, "upper": upper, "missed": missed},
    )


def _ranks(subject: Subject, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Ranks of the complete trials that reported at a step or beyond, by that report and by their result, (n,) each."""
    history = subject.history
    objective = history.problem.objectives[0]
    early = objective.sign * values_at(history, objective.name, step)[subject.best]
    known = np.isfinite(early)
    return ranks(early[known]), ranks(history.values[subject.best, 0][known])


def saved(subject: Subject) -> Iterator[Finding]:
    """What early stopping has saved."""
    savings = Savings.of(subject.history)
    if savings.share >= LEAST_SAVED:
        of_time = f", some {duration(savings.seconds)} of trials" if savings.seconds >= 1 else ""
        yield Finding(
            "saved",
            NOTE,
            f"Early stopping saved {share(savings.share)} of the steps{of_time}.",
            "Nothing to do.",
            {"share": savings.share, "steps": savings.steps, "seconds": savings.seconds},
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


CHECKS = (idle, pruned_early, long_running, running_low, saved)
