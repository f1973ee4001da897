"""A trial that was run elsewhere, by another study or another library, and the events that say the same of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kilter.core.events import (
    ELSEWHERE,
    Ended,
    Enqueued,
    Event,
    Failure,
    Noted,
    Report,
    Reported,
    SpaceExtended,
    Started,
    TrialState,
)
from kilter.core.parameter import Parameter
from kilter.core.space import Config


@dataclass(frozen=True)
class PastTrial:
    """What is known of a trial that was run elsewhere, in plain values; times are seconds since the epoch.

    >>> past = PastTrial(TrialState.COMPLETE, {"x": 0.5}, 10.0, 12.0, {"value": 0.25})
    >>> [type(event).__name__ for event in past.events(0, "elsewhere")]
    ['Started', 'Ended']
    """

    state: TrialState
    params: Config
    started: float
    """When it began, or was put in the queue."""
    ended: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    """Its result; the constraints that it set are among them."""
    reports: tuple[Report, ...] = ()
    failure: Failure | None = None
    attrs: Mapping[str, Any] = field(default_factory=dict)
    grown: Mapping[str, Parameter] = field(default_factory=dict)
    """The parameters by which the space grew when it ran."""

    def events(self, number: int, worker: str) -> list[Event]:
        """All that happened, in order, for the log of a study in which it has this number."""
        grown = {name: parameter.to_json() for name, parameter in self.grown.items()}
        is_queued = self.state is TrialState.WAITING
        begun = Started(number, 1, self.params, worker, ELSEWHERE, self.started)
        return [
            *([SpaceExtended(grown, self.started)] if grown else []),
            Enqueued(number, self.params, self.started) if is_queued else begun,
            *self.outcome(number),
        ]

    def outcome(self, number: int) -> list[Event]:
        """What came of it since."""
        events: list[Event] = []
        if self.state.is_finished() or self.state is TrialState.PAUSED:
            events.append(Ended(number, 1, self.state, self.metrics, self.ended, self.reports, failure=self.failure))
        elif self.state is TrialState.RUNNING and self.reports:
            events.append(Reported(number, 1, self.reports, self.started))
        if self.attrs:
            events.append(Noted(number, self.attrs, self.ended))
        return events
