"""Whether results can be trusted: reports that oppose values, noise beside gains, a search that came to rest."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice

import numpy as np

from kilter.analysis.agreement import Agreement
from kilter.analysis.checks.space import repeat_noise
from kilter.analysis.finding import ACT, LOOK, NOTE, Finding, Subject, times
from kilter.core.events import TrialState

FIRST = 100
"""Complete trials of which reports and values are compared."""
LONG = (50, 3)
"""A plateau is at least so many trials long, and so many for each parameter, ..."""
PART, MOST = 0.5, 0.75
"""... and at least this share of all that ended: it is worth a look from the larger share on. Random search passes half
of its trials without a better one every other time."""
SHOWN = 5
"""Trials that a finding names."""


def opposed(subject: Subject) -> Iterator[Finding]:
    """What trials report goes against what they return."""
    agreement, complete = Agreement(), (t for t in subject.ended if t.state is TrialState.COMPLETE)
    if not any(agreement.is_opposed_after(trial, subject.history) for trial in islice(complete, FIRST)):
        return
    name = subject.history.problem.objectives[0].name
    yield Finding(
        "opposed",
        ACT,
        f"Trials that report a good {name} return a bad one: what is reported goes the other way.",
        "Report the same quantity as the objective returns, or turn the direction of the study.",
    )


def plateau(subject: Subject) -> Iterator[Finding]:
    """Many trials without a better one."""
    n, since = len(subject.history.finished), subject.since_best
    least = max(LONG[0], LONG[1] * len(subject.history.problem.space))
    if not subject.is_single or not len(subject.best) or since < least or since < PART * n:
        return
    best = int(subject.best[0])
    yield Finding(
        "plateau",
        LOOK if since >= MOST * n else NOTE,
        f"No improvement for {since} trials: the best of {n} is trial {best}.",
        "Stop here, or widen the space; patience= would have stopped it.",
        {"since_best": since, "ended": n, "share": since / n},
        (),
        (best,),
    )


def noise(subject: Subject) -> Iterator[Finding]:
    """Trials that cannot be told from the best one, by how much repeated configurations differ."""
    known = repeat_noise(subject) if subject.is_single else None
    if known is None or known[1] < 3 or known[0] == 0 or len(subject.best) < 10:
        return
    deviation, freedom = known
    losses = subject.history.values[subject.best, 0]
    alike = int((losses - losses[0] <= 2 * math.sqrt(2.0) * deviation).sum())
    gain = float(np.median(losses) - losses[0])
    if alike < 5:
        return
    name = subject.history.problem.objectives[0].name
    yield Finding(
        "noise",
        LOOK,
        f"{times(alike, 'trial')} of {len(losses)} cannot be told from the best: "
        f"one configuration gives {name} ± {deviation:.2g} when it is run again.",
        "Run the best few once more, or over more seeds or folds, before you choose: study.confirm, study.winner().",
        {"deviation": deviation, "freedom": freedom, "alike": alike, "gain_over_median": gain},
        (),
        tuple(subject.best[:SHOWN].tolist()),
    )


CHECKS = (opposed, noise, plateau)
