"""What can happen to a study. A log of these is the study; everything else is computed from it.

Configurations and values are plain (JSON) here. `time` is seconds since the epoch, handed in by whoever acts.
An event's `identity` is unique within a study: a second event of the same identity is refused by the storage,
which is how a trial is claimed, and how a result that was told twice is recognised.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from hashlib import blake2b
from typing import Any, NamedTuple, Union

from kilter.core.earlier import EarlierStudy
from kilter.core.parameter import Plain
from kilter.core.text import one_line


class TrialState(IntEnum):
    """Where a trial stands, in the words of Optuna."""

    RUNNING = 0
    COMPLETE = 1
    PRUNED = 2
    FAIL = 3
    WAITING = 4
    PAUSED = 5
    """Put aside with its checkpoint, at the scheduler's wish; Optuna has no such state."""

    def __str__(self) -> str:
        return f"TrialState.{self.name}"  # of an IntEnum it is else the number

    def is_finished(self) -> bool:
        """Whether the trial will not change any more."""
        return self in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


LOST = "lost"
"""The kind of failure of an attempt whose worker vanished or was killed; its trial goes back to the queue."""


INTERRUPTED = "interrupted"
"""The kind of failure of an attempt that its own worker broke off; its trial goes back to the queue."""


RETRIES = "retry of"
"""The attribute of a trial that runs the configuration of a failed one, whose number it holds, again in its place."""


SYSTEM = "system: "
"""In front of the names of attributes that were set by set_system_attr, and are no user attributes."""


NOTE = f"{SYSTEM}note"
"""The attribute of a study or trial that is what somebody noted on it."""


ASKED = f"{SYSTEM}asked"
"""The attribute of a study that holds the bounds which its latest run was asked for."""


TAG = f"{SYSTEM}tag "
"""In front of the name of an attribute of a study that is a tag: true where the study has it."""


TASK = f"{SYSTEM}task"
"""The attribute of a study that describes its task, as {"data": "wine", "rows": 178}: what may differ among studies
that learn from one another."""


SCALE = f"{SYSTEM}scale"
"""The attribute of a study that holds the sizes of what it tunes, as {"width": 1024}."""


INVALIDATED = "invalidated"
"""The kind of failure of a trial that had a result, of which somebody said later that it shall not count."""


UNUSABLE = "return"
"""The kind of failure of a trial that returned what cannot be used, but no NaN."""

MISUSE = "misuse"
"""The kind of failure of a trial whose objective used kilter wrongly: it ends the run, no sampler learns from it."""


@dataclass(frozen=True)
class Failure:
    """Why an attempt failed.

    `kind` is the name of the exception that the objective raised, or one of: return (what it returned cannot be used),
    nan, misuse (of kilter), timeout, memory, died (its process), exit (its command), stopped, interrupted, lost, told
    (as failed), invalidated (afterwards, by a user).
    """

    kind: str
    message: str = ""
    traceback: str = ""

    @property
    def line(self) -> str:
        r"""Kind and message in one line that a terminal may be shown, and where in the user's own code it was.

        >>> Failure("ValueError", "lr is\n0.1", 'File "/home/me/train.py", line 12, in fit').line
        'ValueError: lr is 0.1 (train.py:12)'
        """
        said = one_line(f"{self.kind}: {self.message}" if self.message else self.kind)
        return f"{said} ({place})" if (place := self.place) else said

    @property
    def place(self) -> str | None:
        """File and line of the last call in the traceback that is the user's: in no library, and not in kilter."""
        call = self._last_call
        return one_line(f"{re.split(SLASH, call[1])[-1]}:{call[2]}") if call else None

    @property
    def call(self) -> str:
        r"""That call as the traceback has it, with its line of code; "" where there is none.

        >>> told = 'File "train.py", line 12, in fit\n    check(lr)\nFile "/lib/python3.11/x.py", line 3'
        >>> Failure("ValueError", "", told).call
        'File "train.py", line 12, in fit\n    check(lr)'
        """
        return call[0] if (call := self._last_call) else ""

    @property
    def _last_call(self) -> re.Match[str] | None:
        calls = CALL.finditer(self.traceback.rpartition("Traceback (most recent")[2])
        return next((call for call in reversed([*calls]) if not _is_of_a_library(call[1])), None)

    @property
    def sort(self) -> str:
        """Kind and message without its numbers: failures of one sort are told once.

        >>> Failure("ValueError", "lr=0.25 at 0x7f1a").sort
        'ValueError: lr=# at #'
        """
        return f"{self.kind}: {re.sub(NUMBER, '#', self.message[:LONG])}"


LONG = 1_000
"""Characters of a message by which failures are told apart."""
SLASH = r"[/\\]"
CALL = re.compile(r'File "([^"\n]+)", line (\d+)[^\n]*(?:\n {4}[^\n]*)*')
"""A call in a traceback: file, line and, indented, the code."""
NUMBER = r"[-+]?(0x[0-9a-fA-F]+|\d+(\.\d*)?([eE][-+]?\d+)?|\b(nan|inf)\b)"
LIBRARIES = re.compile(
    r"<frozen |[/\\](site|dist)-packages[/\\]|[/\\]lib[/\\]python3\.\d+[/\\]|\\Python3\d+\\Lib\\", re.IGNORECASE
)
HERE = re.split(r"core[/\\]events", __file__)[0]
"""The folder of kilter itself."""


def _is_of_a_library(path: str) -> bool:
    return LIBRARIES.search(path) is not None or path.startswith(HERE)


class Report(NamedTuple):
    """Metrics that a trial reported at a step, a non-negative whole number, of all of it or of one fold.

    A fold is any part that an evaluation is the mean of: a fold of the data, an instance, a seed.
    """

    step: int
    metrics: dict[str, float]
    fold: int | str | None = None

    @property
    def key(self) -> int:
        """The step, or below zero a digest of step and fold: what tells one report of an attempt from another."""
        if self.fold is None:
            return self.step
        digest = blake2b(f"{self.step} {self.fold!r}".encode(), digest_size=7).digest()
        return -1 - int.from_bytes(digest, "big")


@dataclass(frozen=True)
class Created:
    """The study came to be: its problem, how it is sampled and scheduled, and its seed."""

    problem: Mapping[str, Any]
    sampler: Mapping[str, Any]
    scheduler: Mapping[str, Any]
    seed: int
    time: float

    number = None
    identity = (None, 0, "created", 0)
    creates = False


@dataclass(frozen=True)
class Defined:
    """From here on the study is of this objective: a Definition as JSON.

    With `forgives` the failures so far say nothing about it: they use up no budget, and no sampler learns from them.
    """

    definition: Mapping[str, Any]
    time: float
    forgives: bool = False

    number = None
    identity = None
    creates = False


@dataclass(frozen=True)
class SpaceExtended:
    """The space grew: parameters (as JSON) that are new, or that widen known ones."""

    parameters: Mapping[str, Any]
    time: float

    number = None
    identity = None
    creates = False


@dataclass(frozen=True)
class Constrained:
    """Constraints, each as [metric, relation, bound], that the study did not know before a trial told of them."""

    constraints: tuple[tuple[str, str, float], ...]
    time: float

    number = None
    identity = None
    creates = False


@dataclass(frozen=True)
class Recalled:
    """What earlier studies teach this one, once and for all: whatever becomes of them later changes nothing here.

    Of two, as of workers that begin a study at the same instant, the first one in the log counts.
    """

    studies: tuple[EarlierStudy, ...]
    time: float

    number = None
    identity = None
    creates = False


@dataclass(frozen=True)
class Enqueued:
    """A trial waits for a worker. `params` may be partial. The storage gives the number where it is None.

    With `worker` nobody chose the configuration: kilter 0.1 reserved numbers so for its workers. Where it is not
    `judged` no scheduler stops it, and it is no candidate for the best trial of a tracker: it measures another one.
    """

    number: int | None
    params: Mapping[str, Plain]
    time: float
    worker: str | None = None
    attrs: Mapping[str, Any] = field(default_factory=dict)
    judged: bool = True

    creates = True

    @property
    def identity(self) -> tuple[int | None, int, str, int]:
        return self.number, 0, "enqueued", 0


ELSEWHERE = 0
"""How far in the log a sampler had read that was not asked."""


@dataclass(frozen=True)
class Started:
    """An attempt at a trial began on `worker`. `seen` is how far in the log its sampler had read, which is ELSEWHERE
    where nobody asked one, since the trial was run elsewhere.

    `fresh` says that this also creates the trial, which is refused where the number is taken. A first attempt with a
    `parent` begins with a copy of that trial's checkpoint. `budget` is how far it goes along each fidelity. A trial
    that is `granted` is one of those by which the run's own number of trials was raised: see Granted. A new one that
    `confirms` another trial measures its configuration once more, and no scheduler stops it.
    """

    number: int
    attempt: int
    params: Mapping[str, Plain]
    worker: str
    seen: int
    time: float
    fresh: bool = True
    parent: int | None = None
    budget: Mapping[str, float] | None = None
    granted: bool = False
    confirms: int | None = None

    @property
    def identity(self) -> tuple[int, int, str, int]:
        return self.number, self.attempt, "started", 0

    @property
    def creates(self) -> bool:
        return self.fresh


@dataclass(frozen=True)
class Reported:
    """A running trial reported metrics, once or more; the first report is part of the identity."""

    number: int
    attempt: int
    reports: tuple[Report, ...]
    time: float

    creates = False

    @property
    def identity(self) -> tuple[int, int, str, int]:
        return self.number, self.attempt, "reported", self.reports[0].key


@dataclass(frozen=True)
class Ended:
    """An attempt ended. `reports` are those not written before; `params`, where given, replace those of the start.

    `late` marks the result of an attempt that had been given up. With `counts` it is the trial's result all the same
    where it is complete and no other attempt has ended the trial before; without, as kilter 0.1 wrote it, it is only
    kept.
    """

    number: int
    attempt: int
    state: TrialState
    metrics: Mapping[str, float]
    time: float
    reports: tuple[Report, ...] = ()
    params: Mapping[str, Plain] | None = None
    failure: Failure | None = None
    late: bool = False
    counts: bool = False

    creates = False

    @property
    def identity(self) -> tuple[int, int, str, int]:
        return self.number, self.attempt, "late" if self.late else "ended", 0


@dataclass(frozen=True)
class Dropped:
    """A paused trial will never go on: it counts as pruned, with the metrics it had."""

    number: int
    attempt: int
    reason: str
    time: float

    creates = False

    @property
    def identity(self) -> tuple[int, int, str, int]:
        return self.number, self.attempt, "dropped", 0


@dataclass(frozen=True)
class Noted:
    """Attributes set by the user or an observer, on a trial or (number None) on the study."""

    number: int | None
    attrs: Mapping[str, Any]
    time: float

    identity = None
    creates = False


CONTROLS = ("running", "paused", "stopped")
"""How a study can be steered; each is also the word for how it stands then."""


@dataclass(frozen=True)
class Controlled:
    """Somebody paused the study, let it go on, or stopped it: one of CONTROLS.

    While it is paused nobody begins a trial. A stop ends the runs that had begun before it; with `cuts` what they are
    evaluating is broken off, and waits to be gone on with.
    """

    control: str
    time: float
    cuts: bool = False

    number = None
    identity = None
    creates = False


@dataclass(frozen=True)
class Granted:
    """The study may have so many trials more than its runs were asked for, all together, and each that much longer."""

    trials: int
    seconds: float
    time: float

    number = None
    identity = None
    creates = False


@dataclass(frozen=True)
class Invalidated:
    """The result of a finished trial counts no more, for this reason: it uses up no budget and teaches nothing."""

    number: int
    reason: str
    time: float

    creates = False

    @property
    def identity(self) -> tuple[int, int, str, int]:
        return self.number, 0, "invalidated", 0


Event = Union[
    Created,
    Defined,
    SpaceExtended,
    Constrained,
    Recalled,
    Enqueued,
    Started,
    Reported,
    Ended,
    Dropped,
    Noted,
    Controlled,
    Granted,
    Invalidated,
]


class Entry(NamedTuple):
    """An event at its position in a study's log; positions start at 1 and have no gaps."""

    position: int
    event: Event


def is_begun(event: Event, entries: Sequence[Entry]) -> bool:
    """Whether one of the entries began the configuration that this event would begin; an empty one is none yet.

    >>> one, other = (Started(number, 1, {"x": 0.5}, worker, 1, 0.0) for number, worker in enumerate("ab"))
    >>> is_begun(other, [Entry(2, one)])
    True
    """
    if not isinstance(event, Started) or not event.params:
        return False
    return any(isinstance(other, Started) and other.params == event.params for _, other in entries)
