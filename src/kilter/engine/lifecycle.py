"""The states of a trial and every legal way between them.

waiting ──Started──▶ running ──Ended──▶ complete | pruned | failed
   ▲                  │  ▲ │
   └── Ended as lost ─┘  │ └──Ended──▶ paused ──Dropped──▶ pruned
     (until too often,   └──Started──────┘
   then failed) or interrupted (always)
"""

from __future__ import annotations

from kilter.core.events import INTERRUPTED, LOST, Dropped, Ended, Enqueued, Event, Reported, Started, TrialState
from kilter.core.history import Trial

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


def is_legal(event: Event, trial: Trial | None) -> bool:
    """Whether the event may happen to the trial as it stands.

    Events of an attempt that was given up are not: a worker that woke up too late sends them.
    """
    if type(event) not in LEGAL:
        return True
    state = trial.state if trial else None
    if state not in LEGAL[type(event)]:
        return False
    if isinstance(event, Started):
        return event.attempt == (trial.attempt if trial else 0) + 1
    if isinstance(event, (Reported, Ended, Dropped)):
        ends = event.state.is_finished() or event.state is TrialState.PAUSED if isinstance(event, Ended) else True
        late = isinstance(event, Ended) and event.late
        return trial is not None and event.attempt == trial.attempt and ends and not late
    return True


def state_after(event: Ended, losses: int) -> TrialState:
    """The state of a trial after an attempt ended, `losses` of them lost, this one included."""
    kind = event.failure.kind if event.failure else None
    if kind == INTERRUPTED or (kind == LOST and losses < ATTEMPTS):
        return TrialState.WAITING
    return event.state
