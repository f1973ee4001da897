"""Logs of trial 0 after its start, and what a view of trials says of it: its state, its attempt and its loss."""

from dataclasses import replace

from kilter.core.events import Dropped, Ended, Failure, Started, TrialState
from kilter.testing.storage import ended, started

LOSS = Ended(0, 1, TrialState.FAIL, {}, 2.0, failure=Failure("lost"))
LATE = ended(0, loss=0.1, late=True, counts=True)
PAUSE = Ended(0, 1, TrialState.PAUSED, {"loss": 1.0}, 2.0)
AGAIN = Started(0, 2, {}, "w", 0, 3.0, fresh=False, budget={"epochs": 9})

VIEWS = [
    ([LOSS, LATE], ("complete", 1, 0.1)),
    ([LOSS, started(0, 2, fresh=False), LATE], ("complete", 1, 0.1)),
    ([LOSS, started(0, 2, fresh=False), LATE, ended(0, 2, loss=0.2)], ("complete", 1, 0.1)),
    ([LOSS, started(0, 2, fresh=False), ended(0, 2, loss=0.2), LATE], ("complete", 2, 0.2)),
    ([LOSS, started(0, 2, fresh=False), replace(LATE, counts=False)], ("running", 2, None)),
    ([LOSS, replace(LATE, state=TrialState.PRUNED)], ("waiting", 1, None)),
    ([PAUSE], ("paused", 1, 1.0)),
    ([PAUSE, AGAIN], ("running", 2, None)),
    ([PAUSE, AGAIN, replace(PAUSE, attempt=2), Dropped(0, 2, "behind", 5.0)], ("pruned", 2, 1.0)),
]
