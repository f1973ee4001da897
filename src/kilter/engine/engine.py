"""A replica with the states of sampler and scheduler, which is asked what to do next; it answers and acts on nothing.

Two engines that were handed the same entries are equal and answer alike, whichever process they live in.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

from kilter.core.actions import Judgement, Plan
from kilter.core.errors import IncapableSampler, IncapableScheduler, InvalidInput, KilterError, PluginFailed
from kilter.core.events import Report
from kilter.core.history import Record
from kilter.core.interfaces import Capabilities, Sampler, Scheduler
from kilter.core.problem import Problem
from kilter.core.seeds import rng
from kilter.core.space import Config
from kilter.engine.replica import Replica

ANSWERS = frozenset(("start", "ask", "plan", "judge"))
"""Methods whose own errors of kilter are for the user; where one comes of another method, there is no sense in it."""

COMPLETIONS = 32
"""Draws that are looked at for a completion of what a user enqueued in part that no trial has had."""


class Engine(Replica):
    """What a study is, and how it is sampled and scheduled, up to a position in its log."""

    def __init__(self, problem: Problem, sampler: Sampler, scheduler: Scheduler, seed: int) -> None:
        check_capable(problem, sampler=sampler, scheduler=scheduler)
        super().__init__(problem, seed)
        self.sampler = sampler
        self.scheduler = scheduler
        self.sampler_state: Any = _called("sampler", sampler, "start", problem, seed)
        self.scheduler_state: Any = _called("scheduler", scheduler, "start", problem, seed)

    # -- folding, beyond the replica's ----------------------------------------------------------------------------

    def _begun(self, trial: Record) -> None:
        _called("scheduler", self.scheduler, "started", self.scheduler_state, trial, self.history)

    def _told(self, trial: Record, reports: tuple[Report, ...]) -> None:
        _called("scheduler", self.scheduler, "reported", self.scheduler_state, trial, reports, self.history)

    def _over(self, trial: Record) -> None:
        _called("scheduler", self.scheduler, "ended", self.scheduler_state, trial, self.history)
        if trial.is_finished:
            _called("sampler", self.sampler, "tell", self.sampler_state, trial, self.problem)

    def _forget(self, trial: Record) -> None:
        _called("scheduler", self.scheduler, "forget", self.scheduler_state, trial, self.history)

    def _learn_anew(self) -> None:
        """Have the sampler learn from the beginning what it knew of the problem as it was."""
        self.sampler_state = _called("sampler", self.sampler, "start", self.problem, self.seed)
        for trial in map(self.history.__getitem__, self.history.finished):
            if trial.invalid is None:
                _called("sampler", self.sampler, "tell", self.sampler_state, trial, self.problem)

    # -- asking ---------------------------------------------------------------------------------------------------

    def claimable(self, busy: Container[int] = ()) -> Record | None:
        """The first waiting trial but those of these numbers, of which the worker still runs an earlier attempt."""
        return next((trial for trial in self.history.waiting.values() if trial.number not in busy), None)

    def propose(self, number: int) -> Config | None:
        """The whole configuration of a trial: what was enqueued or started before, and the sampler's word on the rest.

        None where the sampler has nothing left to try.
        """
        known: Config = self.history[number].params if number < len(self.history) else {}
        space = self.problem.space
        if known and all(name in known or not space.is_active(name, known) for name in space.names):
            return dict(known)
        config = self._suggestion(number)
        if config is None and known:
            config = self._allowed(number, {n: v for n, v in known.items() if n in space})
        if config is None or not known:
            return config and space.canonical(config)
        fitting = {n: v for n, v in known.items() if n in space}
        # What a branch needs that the user chose and the sampler did not, is drawn.
        drawn = rng(self.seed, "branch", number).random(len(space))
        completed = space.from_uniforms(drawn, {**config, **fitting})
        if space.is_forbidden(completed) or self._has(completed):
            completed = self._allowed(number, fitting) or completed
        return {**completed, **{n: v for n, v in known.items() if n not in space}}

    def _suggestion(self, number: int) -> Config | None:
        """What the sampler says, which must be of the space."""
        config: Config | None = _called("sampler", self.sampler, "ask", self.sampler_state, self.history, number)
        if config is not None and (wrong := _misfit(config, self.problem)):
            raise PluginFailed.of("sampler", self.sampler, "ask", f"for trial {number} it suggests {wrong}")
        return config

    def _allowed(self, number: int, known: Config) -> Config | None:
        """A random completion that no trial has had, if a few draws find one; None where nothing is allowed."""
        stream = rng(self.seed, "completion", number)
        try:
            drawn = [self.problem.space.draw(stream, known)]
            while self._has(drawn[-1]) and len(drawn) < COMPLETIONS:
                drawn.append(self.problem.space.draw(stream, known))
        except InvalidInput:
            return None
        return drawn[0] if self._has(drawn[-1]) else drawn[-1]

    def _has(self, config: Config) -> bool:
        """Whether some trial has had a configuration."""
        return any(trial.params == config for trial in self.history)

    def plan(self) -> Plan:
        """What the scheduler would have a free worker do."""
        plan: Plan = _called("scheduler", self.scheduler, "plan", self.scheduler_state, self.history)
        return plan

    def judge(self, number: int) -> Judgement:
        """Whether a running trial should end or pause now. Ask of the attempt that runs only: see `runs`."""
        judgement: Judgement = _called(
            "scheduler", self.scheduler, "judge", self.scheduler_state, self.history[number], self.history
        )
        return judgement


def _called(kind: str, plugin: Sampler | Scheduler, method: str, *arguments: Any) -> Any:
    """What a method of a plug-in answers; raises PluginFailed with its error as the cause."""
    try:
        return getattr(plugin, method)(*arguments)
    except Exception as error:
        if isinstance(error, KilterError) and method in ANSWERS:
            raise
        raise PluginFailed.of(kind, plugin, method, f"{type(error).__name__}: {error}") from error


def _misfit(config: Any, problem: Problem) -> str | None:
    """What of a suggestion is not of the space; where trials meet the space as they go, it need not be all of it."""
    space = problem.space
    if not isinstance(config, Mapping):
        return f"{config!r:.80}, which is no dict of plain values by name"
    if not problem.is_open and space.is_legal(config):
        return None
    for name, plain in config.items():
        if name not in space.parameters:
            if problem.is_open:
                continue
            return f"{name!r}, which the space does not have"
        if not space.parameters[name].contains(plain):
            return f"{name}={plain!r:.80}, which is not a value of {space.parameters[name]!r:.200}"
    if problem.is_open:
        return None
    missing = [name for name in space.names if name not in config and space.is_active(name, config)]
    if missing:
        return f"no value for {missing[0]!r}"
    idle = [name for name in config if not space.is_active(name, config)]
    return f"{idle[0]!r}, whose condition does not hold" if idle else f"{dict(config)!r:.200}, which is forbidden"


def check_capable(problem: Problem, *, sampler: Sampler | None = None, scheduler: Scheduler | None = None) -> None:
    """Raise IncapableSampler or IncapableScheduler where the problem needs what one of them cannot do."""
    for plugin, word, error in ((sampler, "sampler", IncapableSampler), (scheduler, "scheduler", IncapableScheduler)):
        lacks = None if plugin is None else _lacks(plugin.capabilities, problem)
        if lacks:
            raise error(f"{type(plugin).__name__} handles {lacks}: use {word}='auto'")


def _lacks(able: Capabilities, problem: Problem) -> str | None:
    if len(problem.objectives) > able.objectives:
        most = "one objective" if able.objectives == 1 else f"{able.objectives} objectives"
        return f"{most}; this problem has {len(problem.objectives)}"
    if problem.constraints and not able.constraints:
        return f"no constraints; this problem has {len(problem.constraints)}"
    if not problem.space.is_flat and not able.conditions:
        return "no conditional parameters; this space has some"
    if not able.infinite and problem.space.size == float("inf"):
        return "finite spaces only; this one has continuous parameters"
    return None
