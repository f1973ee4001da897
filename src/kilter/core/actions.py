"""What a scheduler may want done: the answers to "a worker is free" (plan) and to "does this trial go on?" (judge)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Union

from kilter.core.events import TrialState
from kilter.core.parameter import Plain

Budget = Mapping[str, float]
"""How far an attempt goes along each fidelity of the problem, by name."""


class Verdict(IntEnum):
    """What a running trial is told when it asks whether to go on; true where it should leave its loop."""

    CONTINUE = 0
    STOP = 1
    PAUSE = 2
    LEAVE = 3
    """Its machine is going away: it goes on elsewhere, from its checkpoint."""

    @property
    def ends_as(self) -> TrialState:
        """The state of a trial that leaves with this answer."""
        return {Verdict.PAUSE: TrialState.PAUSED, Verdict.LEAVE: TrialState.WAITING}.get(self, TrialState.PRUNED)


@dataclass(frozen=True)
class Start:
    """A new trial, with a configuration from the queue or from the sampler."""

    budget: Budget | None = None


@dataclass(frozen=True)
class Resume:
    """A paused trial goes on from its checkpoint."""

    number: int
    budget: Budget | None = None


@dataclass(frozen=True)
class Fork:
    """A new trial with this configuration, which begins with a copy of the parent's checkpoint."""

    parent: int
    params: Mapping[str, Plain]
    budget: Budget | None = None


@dataclass(frozen=True)
class Repeat:
    """A new trial measures the configuration of a complete one once more: on parts that are left, or by a new call.

    Nobody stops it, it counts in the study's number of trials, and its attribute `core.attributes.CONFIRMS` says whom.
    """

    number: int


@dataclass(frozen=True)
class Stop:
    """The trial ends here and counts as pruned; with a number, a paused one that will never go on."""

    reason: str
    number: int | None = None


@dataclass(frozen=True)
class Pause:
    """The trial is put aside with its checkpoint; a plan may resume it."""

    reason: str


@dataclass(frozen=True)
class Wait:
    """Nothing to do before something that runs has ended; where nothing runs, nothing at all, for this reason."""

    reason: str = "the scheduler has nothing left to do"


Plan = Union[Start, Resume, Fork, Repeat, Stop, Wait]
Judgement = Union[Stop, Pause, None]
