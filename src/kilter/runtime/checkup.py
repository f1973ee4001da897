"""What is wrong around a study: who works on it and who is gone, which trials are stuck, whose clock is wrong.

A check is a function of a Scene that gives findings, as those of `analysis.diagnostics`, which look at results. Nothing
is written here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from kilter.analysis.clocks import skews
from kilter.analysis.finding import ACT, LOOK, NOTE, Finding
from kilter.core.errors import NAME
from kilter.core.events import LOST, Entry, TrialState
from kilter.core.history import Record
from kilter.core.interfaces import OnDisk, Worker
from kilter.core.text import one_line
from kilter.engine.asked import is_done
from kilter.engine.replica import Replica
from kilter.runtime.leases import Watch, is_stopped
from kilter.runtime.log import Log
from kilter.runtime.status import span

RECENT = 5_000
"""Entries at the end of a log that tell of clocks and signs of life."""

SILENT = 10.0
"""A trial is silent for long that says nothing for so many times the longest that ended, ..."""
AT_LEAST = 600.0
"""... and for so many seconds."""

NAMED = 5
"""Trials and workers that a sentence names."""


@dataclass(frozen=True, eq=False)
class Scene:
    """A study and those who work on it, at one moment."""

    log: Log[Replica]
    leases: list[tuple[Worker, float]]
    """Who holds one, and the seconds that it has left."""
    recent: list[Entry]
    now: float

    @classmethod
    def of(cls, log: Log[Replica], now: float | None = None) -> Scene:
        """As it is now, where `now` is not given."""
        log.sync()
        recent = log.storage.read(log.study, max(0, log.replica.position - RECENT))
        leases = log.storage.leases(log.study) if log.storage.is_durable else []
        return cls(log, leases, recent, time.time() if now is None else now)

    @property
    def name(self) -> str:
        """What messages call the study."""
        return one_line(self.log.name, NAME)

    @cached_property
    def gone(self) -> set[str]:
        """Workers whose processes are no longer there."""
        return Watch().gone(self.leases, 0.0)

    @cached_property
    def alive(self) -> dict[str, Worker]:
        """Those who are at work, by their ids."""
        return {worker.id: worker for worker, left in self.leases if left > 0 and worker.id not in self.gone}

    @property
    def running(self) -> list[Record]:
        """The trials that somebody began and nobody ended."""
        return list(self.log.replica.history.running.values())


Check = Callable[[Scene], Iterable[Finding]]


def vanished(scene: Scene) -> Iterator[Finding]:
    """Trials whose workers are not there any more."""
    lost = [trial for trial in scene.running if trial.worker not in scene.alive]
    if not lost:
        return
    known = {worker.id: (worker, left) for worker, left in scene.leases}
    why = next((_absence(*known[trial.worker]) for trial in lost if trial.worker in known), "nobody holds a lease")
    goes_on = (
        f"{'Its workers see' if len(scene.alive) > 1 else 'Its worker sees'} to that within a minute or so."
        if scene.alive
        else f"Whoever works on it next goes on with that: {scene.log.command('worker')}."
    )
    sentence = f"{_listed(lost)} of {scene.name} {_verb(lost, 'runs')} nowhere: {why}."
    yield _finding("vanished", NOTE if scene.alive else ACT, sentence, goes_on, lost)


def _absence(worker: Worker, left: float) -> str:
    if left > 0:
        return f"{described(worker)} is gone"
    return f"{described(worker)} gave no sign of life for {span(float(round(-left)))} after its lease had run out"


def suspended(scene: Scene) -> Iterator[Finding]:
    """Processes of this host that were stopped, and hold what they have."""
    for worker, _ in scene.leases:
        if worker.id not in scene.gone and is_stopped(worker):
            held = [trial for trial in scene.running if trial.worker == worker.id]
            yield _finding(
                "suspended",
                LOOK,
                f"{described(worker).capitalize()} was stopped (SIGSTOP) and holds {_listed(held) or 'no trial'} of "
                f"{scene.name}.",
                f"kill -CONT {worker.pid} lets it go on; kill -KILL {worker.pid} ends it, for others to go on.",
                held,
            )


def silent(scene: Scene) -> Iterator[Finding]:
    """Trials of living workers that have said nothing for long."""
    history = scene.log.replica.history
    ended = [trial.seconds or 0.0 for trial in history.with_state(TrialState.COMPLETE)]
    if len(ended) < NAMED:
        return
    longest = max(ended)
    heard = {(e.number, getattr(e, "attempt", 0)): e.time for _, e in scene.recent}
    for trial in scene.running:
        since = scene.now - (heard.get((trial.number, trial.attempt)) or trial.started or scene.now)
        if trial.worker in scene.alive and since > max(AT_LEAST, SILENT * longest):
            worker = scene.alive[trial.worker]
            yield _finding(
                "silent",
                LOOK,
                f"Trial {trial.number} of {scene.name} has said nothing for {span(float(round(since)))}, in "
                f"{described(worker)}; the longest that ended took {span(longest)}.",
                f"See what it prints: {scene.log.command('trial', str(trial.number), '--log')}. A limit of seconds "
                "ends such trials: trial_timeout in [budget], or Resources(seconds=…).",
                [trial],
            )


def given_up(scene: Scene) -> Iterator[Finding]:
    """Trials that were tried several times, and killed their worker each time or met with one that was killed."""
    failed = [
        trial
        for trial in scene.log.replica.history.with_state(TrialState.FAIL)
        if trial.failure is not None and trial.failure.kind == LOST
    ]
    if failed:
        yield _finding(
            "given up",
            LOOK,
            f"{_listed(failed)} of {scene.name} failed, since at each of several tries the worker vanished.",
            "Look whether the system killed it for want of memory (dmesg, sacct, kubectl describe): give a trial more, "
            "or run fewer at once, -j.",
            failed,
        )


def waiting(scene: Scene) -> Iterator[Finding]:
    """What is to be done where nobody does it, or must."""
    replica = scene.log.replica
    if replica.control == "paused" and scene.alive:
        count = f"{len(scene.alive)} workers wait" if len(scene.alive) > 1 else "a worker waits"
        yield _finding("paused", NOTE, f"{scene.name} is paused, and {count}.", scene.log.command("unpause"), [])
    queued = list(replica.history.waiting.values())
    if queued and not scene.alive and not is_done(replica):
        sentence = f"{_listed(queued)} of {scene.name} {_verb(queued, 'waits')}, and nobody is at work."
        yield _finding("waiting", NOTE, sentence, f"Start a worker: {scene.log.command('worker')}", queued)


def clocks(scene: Scene) -> Iterator[Finding]:
    """Workers whose clocks are set wrong."""
    machine = {worker.id: worker.machine for worker, _ in scene.leases}
    for skew in skews(scene.recent, machine):
        yield Finding(
            "clock",
            LOOK,
            f"The clock of {one_line(skew.ahead, NAME)} is {span(float(round(skew.seconds)))} ahead of that of "
            f"{one_line(skew.behind, NAME)}, or more, by what they wrote into {scene.name}.",
            "Set the clocks, as NTP does. When trials began and how long they took is told by them; leases are not.",
            {"seconds": skew.seconds, "ahead": skew.ahead, "behind": skew.behind},
        )


def several_machines(scene: Scene) -> Iterator[Finding]:
    """Machines that share a file which only one may have open."""
    kernels = {worker.kernel: worker.machine for worker in scene.alive.values() if worker.kernel}
    if isinstance(scene.log.storage, OnDisk) and len(kernels) > 1:
        yield Finding(
            "several machines",
            ACT,
            f"{' and '.join(sorted(kernels.values()))} share {scene.name} in an SQLite file; only one machine can.",
            "End the workers of all others. For several machines use a PostgreSQL database, or kilter serve.",
        )


CHECKS: tuple[Check, ...] = (vanished, several_machines, suspended, silent, given_up, clocks, waiting)


def described(worker: Worker) -> str:
    """A worker as a sentence names it."""
    name = f"the worker {worker.name}, " if worker.name else ""
    return f"{name}process {worker.pid} on {one_line(worker.machine, NAME)}"


def _finding(kind: str, severity: str, sentence: str, action: str, trials: list[Record], **numbers: Any) -> Finding:
    return Finding(kind, severity, sentence, action, numbers, (), tuple(trial.number for trial in trials[:NAMED]))


def _listed(trials: list[Record]) -> str:
    numbers = ", ".join(str(trial.number) for trial in trials[:NAMED])
    more = f" and {len(trials) - NAMED} more" if len(trials) > NAMED else ""
    return f"Trial {numbers}" if len(trials) == 1 else f"Trials {numbers}{more}" if trials else ""


def _verb(trials: list[Record], singular: str) -> str:
    return singular if len(trials) == 1 else singular.removesuffix("s")
