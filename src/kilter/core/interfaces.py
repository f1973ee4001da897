"""The seams: what a third party implements to extend kilter. Each has a public conformance suite in kilter.testing."""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, Union, runtime_checkable

from kilter.core.actions import Budget, Judgement, Plan, Start, Verdict
from kilter.core.errors import InvalidInput
from kilter.core.events import Created, Entry, Event, Failure, Report, TrialState
from kilter.core.parameter import Parameter, Plain
from kilter.core.problem import Problem
from kilter.core.space import Space
from kilter.core.vocabulary import answers_other_settings

if TYPE_CHECKING:
    from kilter.core.history import History, Record
    from kilter.core.space import Config


@dataclass(frozen=True)
class Capabilities:
    """What a sampler or scheduler can handle; a problem that needs more is refused before there is a study of it."""

    conditions: bool = True
    objectives: int = 1_000_000
    constraints: bool = True
    infinite: bool = True
    """Spaces with continuous parameters."""
    recalls: bool = False
    """Whether it learns from earlier studies."""


class Sampler(Protocol):
    """Chooses configurations. A frozen dataclass of settings; what it learns lives in the state it is handed."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can handle."""

    def start(self, problem: Problem, seed: int) -> Any:
        """The state before any trial: a dataclass of JSON-serialisable fields."""

    def ask(self, state: Any, history: History, number: int) -> Config | None:
        """The configuration of trial `number`, or None where nothing is left to try. Leaves the state as it is."""

    def tell(self, state: Any, trial: Record, problem: Problem) -> None:
        """Take in a trial that ended, in the order of the log, under the problem as it is now.

        Where the space grows or a constraint is added, a state is started anew and told all trials that have ended: a
        state follows from settings, seed, problem and trials alone. What was noted beside a trial may change later.
        """


@dataclass(frozen=True)
class Explanation:
    """Why a sampler chose a configuration. Predictions are in the objective's own unit and direction."""

    arm: str
    """The method that chose: sobol, gp, tpe, …"""
    reason: str
    """Why that method, in a sentence."""
    mean: float | None = None
    """What the model expected of the configuration before it ran; None where the arm has no model."""
    sd: float | None = None
    """The standard deviation of that belief."""
    exploration: float | None = None
    """The part of the expected improvement that is owed to uncertainty, from 0 (exploitation) to 1 (exploration)."""
    sources: tuple[tuple[str, float], ...] = ()
    """The earlier studies that it is owed to, and how much each of them counted."""

    def __str__(self) -> str:
        text = f"{self.arm}: {self.reason}"
        if self.mean is not None and self.sd is not None:
            text += f"; predicted {self.mean:.4g} ± {self.sd:.2g}"
        if self.exploration is not None:
            text += f"; {self.exploration:.0%} to explore, {1 - self.exploration:.0%} to exploit"
        return text


@runtime_checkable
class Explaining(Protocol):
    """A sampler that can say why it chose what it chose."""

    def explain(self, state: Any, history: History, number: int, config: Config) -> Explanation:
        """Why `ask`, called with the same state and history, chose this configuration for trial `number`."""


class Scheduler(Protocol):
    """Spends the budget: what a free worker does, and whether a running trial goes on after a report.

    A frozen dataclass of settings that subclasses this; what it does not define, runs every trial to its end. What it
    learns lives in its state, which `started`, `reported` and `ended` change in the order of the log, on every replica
    alike. `plan` and `judge` leave the state as it is.
    """

    capabilities: ClassVar[Capabilities] = Capabilities()
    """What it can handle."""

    judges: ClassVar[bool] = True
    """Whether reports can end or pause trials; where False, workers need not ask."""

    def start(self, problem: Problem, seed: int) -> Any:
        """The state before any trial: a dataclass of JSON-serialisable fields."""

    def started(self, state: Any, trial: Record, history: History) -> None:
        """An attempt began."""
        return

    def reported(self, state: Any, trial: Record, reports: tuple[Report, ...], history: History) -> None:
        """A running trial reported."""
        return

    def ended(self, state: Any, trial: Record, history: History) -> None:
        """An attempt ended: the trial is finished, paused, or waits for another attempt."""
        return

    def forget(self, state: Any, trial: Record, history: History) -> None:
        """A finished trial, which is here as it ended, is about to count no more: nothing is compared with it again.

        What was decided by it before stays decided.
        """
        return

    def plan(self, state: Any, history: History) -> Plan:
        """What a free worker does next; trials whose worker vanished go on before anybody asks."""
        return Start()

    def judge(self, state: Any, trial: Record, history: History) -> Judgement:
        """Whether a running trial, whose latest reports the state has, should end or pause; None to go on."""
        return None


class Stopper(Protocol):
    """Says when a study has had enough: any function of this shape, asked whenever a worker is free.

    >>> def at_fifty(history, now):
    ...     return "fifty trials are enough" if len(history.finished) >= 50 else None
    """

    def __call__(self, history: History, now: float, /) -> str | None:
        """The reason to start no more trials, or None to go on; `now` is the study's clock, in seconds."""


@runtime_checkable
class Holding(Protocol):
    """A callback that also says when no further trial should begin, before it would."""

    def holds(self, history: History) -> str | None:
        """Why no trial should begin while those that run do, and the reason to end where none runs; None to go on."""


class Observer(Protocol):
    """Told what happens to a study: any function of this shape, as a tracker of experiments is.

    First comes Created, then each event that this process writes. Observers run in threads of their own: a slow one
    holds nobody up, and one that raises is warned of and told no more. One with a method `close` is told the end by it.

    >>> def on_event(study_name, event):
    ...     if isinstance(event, Ended):
    ...         print(study_name, event.number, event.state.name, dict(event.metrics))
    """

    def __call__(self, study_name: str, event: Event, /) -> None:
        """Take note of an event of the study."""


@dataclass(frozen=True)
class StudyRow:
    """A study in a storage's list."""

    id: int
    name: str
    created: float


@dataclass(frozen=True)
class Worker:
    """A process that runs trials; `born` is its start time, since process ids are used again.

    >>> worker = Worker("gpu-3.5f0c19d2", "node7/9a3e01bc-77d0", 812, 1450.0)
    >>> worker.name, worker.machine, worker.kernel
    ('gpu-3', 'node7', '9a3e01bc')
    """

    id: str
    """Of this process alone; it begins with the name that the user gave the worker, if any."""
    host: str
    """Where its process can be looked up: machine/kernel-container. Only the name of the machine is for people."""
    pid: int
    born: float

    @property
    def name(self) -> str:
        """What the user calls it; "" where it has no name."""
        return self.id.rpartition(".")[0]

    @property
    def machine(self) -> str:
        """The name of its machine."""
        return self.host.partition("/")[0]

    @property
    def kernel(self) -> str:
        """Of which start of a system it is, whatever containers there are called; "" where nobody told."""
        return self.host.partition("/")[2].partition("-")[0]


@dataclass(frozen=True)
class Appended:
    """What an append brought: all entries after the position asked for, ours at the end, and those of ours refused.

    Of what was refused it has the very events that were given.
    """

    entries: list[Entry]
    refused: list[Event]


class Storage(Protocol):
    """Remembers logs of events. All methods are safe between threads and between processes."""

    url: str
    """Where it is, for messages."""
    is_durable: bool
    """Whether its studies outlive this process: workers then hold leases, look after one another, and keep snapshots,
    and handles on a study are pickled as its address."""

    def create(self, name: str, event: Created) -> int:
        """A new study whose log starts with `event`; raises StudyExists where the name is taken."""

    def studies(self) -> list[StudyRow]:
        """All studies, oldest first."""

    def delete(self, study: int) -> None:
        """Remove a study and all that belongs to it."""

    def append(
        self,
        study: int,
        events: Sequence[Event],
        after: int = 0,
        limit: int | None = None,
        distinct: bool = False,
    ) -> Appended:
        """Write events in one transaction and return everything in the log after position `after`.

        An event whose identity is taken is refused; so is a Started or Enqueued that would create a trial whose
        number is taken or not below `limit`. An Enqueued without a number gets the next one. With `distinct` a Started
        is refused as well where an entry after `after`, one that its sampler has not read, began the same
        configuration; an empty one is no configuration yet.
        """

    def read(self, study: int, after: int = 0, count: int | None = None) -> list[Entry]:
        """The entries after a position, in order; at most `count`."""

    def save_snapshot(self, study: int, position: int, version: str, data: bytes) -> None:
        """Keep the state at a position; only the latest is kept."""

    def load_snapshot(self, study: int, version: str) -> tuple[int, bytes] | None:
        """The latest snapshot of that version."""

    def renew(self, study: int, worker: Worker, seconds: float) -> None:
        """Hold the worker's lease for that long from now, by the storage's clock."""

    def release(self, study: int, worker: str) -> None:
        """Give the worker's lease back."""

    def leases(self, study: int) -> list[tuple[Worker, float]]:
        """All workers with the seconds that their leases still have, negative where they have run out."""

    def close(self) -> None:
        """Let go of files and connections."""


@runtime_checkable
class OnDisk(Protocol):
    """A storage that is a file of this host: checkpoints are kept beside it where the user does not say where."""

    path: str


class Seal(NamedTuple):
    """What the log has of something that is kept elsewhere: its bytes, and the SHA-256 of them."""

    size: int
    sha256: str


class Source(NamedTuple):
    """What an attempt at a trial has left, for another one to begin with; without a seal where it was lost."""

    number: int
    attempt: int
    seal: Seal | None = None


@runtime_checkable
class Described(Protocol):
    """A storage that says of itself what `kilter doctor` shows."""

    def describe(self) -> dict[str, str | float]:
        """What keeps the studies, by words such as "server"; under "clock" the seconds since the epoch by its clock."""


@runtime_checkable
class CheckpointStore(Protocol):
    """Keeps what the trials of one study save, attempt by attempt; safe between threads and processes.

    An attempt writes to a local directory of its own. What one that ended has left is *sealed*: it is copied, kept for
    the user and dropped, and changes no more. Which trials keep theirs is not for the store to decide. A store is sent
    to wherever trials run, so it can be pickled.
    """

    def is_empty(self) -> bool:
        """Whether nobody has ever saved anything here; asked after each trial, so it has to be cheap."""

    def attempts(self, number: int) -> list[int]:
        """The attempts of a trial that have left something, in order."""

    def begin(self, number: int, attempt: int, source: tuple[int, int] | None = None) -> str | None:
        """The directory for an attempt, begun with a whole copy of what the `source`, a trial's attempt, has left.

        Without a source it need not exist: who saves makes it. To be told twice changes nothing. None where the source
        is gone by now; raises OSError where it cannot be copied.
        """

    def directory(self, number: int, attempt: int) -> str:
        """Where what an attempt has left can be read."""

    def keep(self, number: int, attempt: int) -> None:
        """What the directory of an attempt holds on this machine is whole now, and is to be there for every worker.

        Told when an attempt ends, and now and then while it runs. Raises OSError where it cannot be.
        """

    def add(self, number: int, name: str, seal: Seal, path: str) -> None:
        """Keep a copy of a file of this machine with a trial, whatever its attempt, under its name and seal.

        The name may have slashes, and is sound: it leads nowhere else. Raises OSError where it cannot be kept.
        """

    def artifact(self, number: int, name: str, seal: Seal) -> str:
        """Where a file that was added can be read on this machine; raises OSError where it cannot be had."""

    def drop(self, number: int, attempt: int | None = None) -> bool:
        """Give up what an attempt has left, or with None all of a trial; False where it is gone or cannot go."""

    def sweep(self) -> None:
        """Remove what workers that were killed have left half done; called once."""

    def log(self, number: int) -> str:
        """The local file for what a trial prints, which is kept of all trials."""


@answers_other_settings
@dataclass(frozen=True)
class Resources:
    """What one trial may use: `seconds` and `memory` (bytes) are enforced by ending it; gpus may be a fraction."""

    cpus: float = 1
    gpus: float = 0
    memory: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            is_number = isinstance(value, Real) and not isinstance(value, bool)
            if value is not None and not (is_number and float(value) >= 0):
                raise InvalidInput(f"{name}={value!r} of Resources: give a number from 0 on")


@dataclass(frozen=True)
class Task:
    """One attempt at a trial, as an executor receives it; it can be sent to another process.

    There its problem is read from JSON, in which options that are objects have their names alone.
    """

    number: int
    attempt: int
    params: dict[str, Plain]
    problem: Problem
    seed: int
    directory: str | None
    """Where the attempt may keep checkpoints, where there is no `store` of them."""
    may_be_stopped: bool
    """Whether the scheduler may end or pause it: should_prune asks, then."""
    attrs: dict[str, Any] = field(default_factory=dict)
    budget: Budget | None = None
    """How far to go along each fidelity."""
    parent: int | None = None
    """The trial whose checkpoint it began with."""
    started: float | None = None
    """When the attempt began, in seconds since the epoch."""
    log: str | None = None
    """The file for what the trial prints."""
    chosen: tuple[str, ...] = ()
    """The names of the values that a user enqueued."""
    store: CheckpointStore | None = None
    """Keeps what the attempt saves, on whatever machine it runs."""
    sources: tuple[Source, ...] = ()
    """What its checkpoint may begin with a copy of: the first that is still there."""

    @property
    def arguments(self) -> dict[str, Any]:
        """The plain configuration by declared names, with the budget beside it."""
        return {**self.problem.space.whole(self.params), **(self.budget or {})}

    def meaning_of(self, metrics: dict[str, float], told: Container[int]) -> tuple[TrialState, tuple[Report, ...]]:
        """What a result means: the end, or under a fidelity a report, and a pause where more of the budget is left.

        `told` are the steps that the trial reported itself.
        """
        problem = self.problem
        if not problem.fidelities:
            return TrialState.COMPLETE, ()
        full, first = problem.full_budget, problem.fidelities[0]
        budget = self.budget or full
        state = TrialState.COMPLETE if budget == full else TrialState.PAUSED
        step = first.step(budget[first.name])
        return state, () if step in told else (Report(step, metrics),)

    def __reduce__(self) -> tuple[Any, ...]:
        return _arrived, (_text_of(self.problem), {**vars(self), "problem": None})


def _arrived(problem: str, fields: dict[str, Any]) -> Task:
    return Task(**{**fields, "problem": _problem_of(problem)})


@lru_cache(maxsize=8)
def _text_of(problem: Problem) -> str:
    return json.dumps(problem.to_json())


@lru_cache(maxsize=8)
def _problem_of(text: str) -> Problem:
    return Problem.from_json(json.loads(text))


STOPPED = Failure("stopped", "stopped on request")
"""The failure of an attempt that `Running.stop` has ended."""


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended; `params` and `extensions` tell what a define-by-run objective met."""

    number: int
    attempt: int
    state: TrialState
    metrics: dict[str, float]
    reports: tuple[Report, ...] = ()
    """Those that were not sent as Progress before."""
    params: dict[str, Plain] | None = None
    extensions: dict[str, Any] = field(default_factory=dict)
    attrs: dict[str, Any] = field(default_factory=dict)
    failure: Failure | None = None
    constraints: dict[str, float] = field(default_factory=dict)
    """What the trial set, by name; met at 0 and below."""
    error: BaseException | None = None
    """The exception itself where it was raised in this process."""
    notices: tuple[str, ...] = ()
    """What the user is to be warned of, such as enqueued values that did not fit."""
    met: Mapping[str, Parameter] = field(default_factory=dict)
    """Parameters whose options are objects, as this process has them; a log knows these by their names."""

    @classmethod
    def left(cls, task: Task, verdict: Verdict, metrics: dict[str, float], reports: tuple[Report, ...] = ()) -> Outcome:
        """Of an attempt that leaves at the scheduler's wish, and counts by these metrics."""
        return cls(task.number, task.attempt, verdict.ends_as, dict(metrics), reports)

    @classmethod
    def failed(
        cls, task: Task, failure: Failure, error: BaseException | None = None, reports: tuple[Report, ...] = ()
    ) -> Outcome:
        """Of an attempt without a result."""
        return cls(task.number, task.attempt, TrialState.FAIL, {}, reports, failure=failure, error=error)

    @classmethod
    def stopped(cls, task: Task, reports: tuple[Report, ...] = ()) -> Outcome:
        """Of an attempt that `Running.stop` has ended."""
        return cls.failed(task, STOPPED, reports=reports)


@dataclass(frozen=True)
class Progress:
    """A running trial reported; `reply`, where given, takes whether it should go on and must be called."""

    number: int
    attempt: int
    reports: tuple[Report, ...]
    reply: Callable[[Verdict], None] | None = None


Message = Union[Progress, Outcome]


class Line(Protocol):
    """What connects an objective, wherever it is called, to its study."""

    def report(self, reports: tuple[Report, ...]) -> None:
        """Tell of reports; raises where the trial was stopped and is to be broken off."""

    def ask(self, reports: tuple[Report, ...]) -> Verdict:
        """Tell of reports, if there are any, and ask the scheduler whether the trial goes on."""


Draw = Callable[[int, str, Parameter, dict[str, Plain]], Plain]
"""Chooses the value of a parameter for the trial of that number, whose configuration so far it gets."""


class Executor(Protocol):
    """Where objectives run, and within which limits: frozen settings, as those of a sampler."""

    def start(self, objective: Any, space: Space | None = None, draw: Draw | None = None) -> Running:
        """Have an objective run here; raises InvalidInput where it cannot.

        `space` has the objects among the options of the study's parameters, for an executor that sends tasks to where
        they are known by name alone. `draw` is the sampler's way to choose what an objective suggests as it runs, where
        it has one; elsewhere than in this process values are drawn at random.
        """


class Running(Protocol):
    """Runs an objective on the tasks that it is given, and enforces the limits of a trial. Decides nothing."""

    @property
    def slots(self) -> int:
        """How many trials can run at a time, at least one; on a cluster this changes as machines come and go."""

    def submit(self, task: Task) -> None:
        """Run a task; called only while fewer than `slots` are running."""

    def wait(self, timeout: float | None) -> list[Message]:
        """What has happened since, waiting at most that many seconds for the first message."""

    def stop(self, number: int) -> None:
        """End a running trial; its Outcome follows, with a failure of kind 'stopped'."""

    def close(self) -> None:
        """End everything that still runs and leave no process behind."""


@runtime_checkable
class RunsHere(Running, Protocol):
    """Runs the objective in the calling thread, within `wait`: then nobody else attends to its study.

    So a signal may call `stop` in the middle of it, which may raise into it.
    """

    on_progress: Callable[[Progress], None] | None
    """Takes reports and questions while a trial runs."""
