"""The states of a trial and every legal way between them.

waiting ──Started──▶ running ──Ended──▶ complete | pruned | failed
   ▲                  │  ▲ │
   └── Ended as lost ─┘  │ └──Ended──▶ paused ──Dropped──▶ pruned
     (until too often,   └──Started──────┘
   then failed) or interrupted (always)

complete | pruned | failed ──Invalidated──▶ failed, and forgiven

The complete result of an attempt that had been given up ends a trial that waits again, or runs elsewhere.
"""

from __future__ import annotations

from kilter.core.events import INTERRUPTED, LOST, Dropped, Ended, Invalidated, Reported, Started, TrialState
from kilter.core.history import Record

ATTEMPTS = 3
"""A trial whose worker vanishes or is killed is tried this often in all; attempts that ended otherwise do not count."""

LEGAL: dict[type, tuple[TrialState | None, ...]] = {
    Started: (None, TrialState.WAITING, TrialState.PAUSED),
    Reported: (TrialState.RUNNING,),
    Ended: (TrialState.RUNNING,),
    Dropped: (TrialState.PAUSED,),
    Invalidated: (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL),
}
"""Which event may happen to a trial, or to an attempt at it, in which state; None is one that does not exist yet."""

AT_REST = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.PAUSED)
"""The states that an attempt can end in."""


def is_legal(event: Started | Reported | Ended | Dropped | Invalidated, trial: Record | None) -> bool:
    """Whether the event may happen to the trial as it stands.

    Events of an attempt that was given up are not: a worker that woke up too late sends them. Its complete result is
    data, and counts as long as there is no other.
    """
    if isinstance(event, Ended):
        if event.late:
            return trial is not None and _counts(event, trial)
        if event.state not in AT_REST:
            return False
    state, attempt = (None, 0) if trial is None else (trial.state, trial.attempt)
    if state not in LEGAL[type(event)]:
        return False
    return isinstance(event, Invalidated) or event.attempt == attempt + isinstance(event, Started)


def _counts(event: Ended, trial: Record) -> bool:
    """Whether a late result is the first one of its trial, and of an attempt that did begin."""
    is_open = trial.state in (TrialState.RUNNING, TrialState.WAITING)
    is_result = event.counts and event.state is TrialState.COMPLETE and event.failure is None
    return is_open and is_result and 1 <= event.attempt <= trial.attempt


def state_after(event: Ended, losses: int) -> TrialState:
    """The state of a trial after an attempt ended, `losses` of them lost, this one included."""
    kind = event.failure.kind if event.failure else None
    if kind == INTERRUPTED or (kind == LOST and losses < ATTEMPTS):
        return TrialState.WAITING
    return event.state
