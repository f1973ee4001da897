"""The states of a trial and every legal way between them.

waiting ──Started──▶ running ──Ended──▶ complete | pruned | failed
   ▲                  │  ▲ │
   └── Ended as lost ─┘  │ └──Ended──▶ paused ──Dropped──▶ pruned
     (until too often,   └──Started──────┘
   then failed) or interrupted (always)

The complete result of an attempt that had been given up ends a trial that waits again, or runs elsewhere.
"""

from __future__ import annotations

from kilter.core.events import INTERRUPTED, LOST, Dropped, Ended, Enqueued, Event, Reported, Started, TrialState
from kilter.core.history import Record

ATTEMPTS = 3
"""A trial whose worker vanishes or is killed is tried this often in all; attempts that ended otherwise do not count."""

LEGAL: dict[type, tuple[TrialState | None, ...]] = {
    Enqueued: (None,),
    Started: (None, TrialState.WAITING, TrialState.PAUSED),
    Reported: (TrialState.RUNNING,),
    Ended: (TrialState.RUNNING,),
    Dropped: (TrialState.PAUSED,),
}
"""Which event may happen to a trial in which state; None is a trial that does not exist yet."""


def is_legal(event: Event, trial: Record | None) -> bool:
    """Whether the event may happen to the trial as it stands.

    Events of an attempt that was given up are not: a worker that woke up too late sends them. Its complete result is
    data, and counts as long as there is no other.
    """
    if type(event) not in LEGAL:
        return True
    if isinstance(event, Ended) and event.late:
        return trial is not None and _counts(event, trial)
    state = trial.state if trial else None
    if state not in LEGAL[type(event)]:
        return False
    if isinstance(event, Started):
        return event.attempt == (trial.attempt if trial else 0) + 1
    if isinstance(event, (Reported, Ended, Dropped)):
        ends = event.state.is_finished() or event.state is TrialState.PAUSED if isinstance(event, Ended) else True
        return trial is not None and event.attempt == trial.attempt and ends
    return True


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
