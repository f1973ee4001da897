"""Population-based training (Jaderberg et al. 2017): members train side by side, and losers go on as copies of winners.

    member     a slot of the population; its trial changes whenever it becomes a copy
    trial      a stretch of training with one configuration; `Record.parent` tells whose checkpoint it began with
    level      how many milestones, multiples of `interval` steps, a member has behind it
    standing   how good a member is at a milestone, `Problem.standing(metrics, so_far=True)`

At a milestone each member pauses, so that its checkpoint is sealed. Once all are there, each of the worst `quantile`
is replaced by a fork of one of the best, with an explored configuration; the others go on.

Selection waits for the whole generation, so that it depends on what the members reported and on nothing else: not on
the number of workers, their speed, or whether one was killed. Nobody waits without need, though: with one objective, a
member that is sure to be neither among the best nor among the worst, whatever is still to come, goes on at once.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

import numpy as np

from kilter.core.actions import Budget, Fork, Judgement, Pause, Plan, Resume, Start, Stop, Wait
from kilter.core.errors import InvalidInput, UnknownName
from kilter.core.events import Report, TrialState
from kilter.core.history import History, Record
from kilter.core.interfaces import Scheduler
from kilter.core.parameter import Parameter, Plain
from kilter.core.problem import Problem
from kilter.core.seeds import rng
from kilter.core.space import Config, Space
from kilter.core.standing import Standing
from kilter.core.vocabulary import answers_other_settings
from kilter.models.pareto import crowded_order, non_dominated_ranks

LARGEST = 1e300
"""Stands for an infinite score where members are ordered, so that differences remain floats."""
TRIES = 20
"""How often an exploration that hits a forbidden clause is repeated before the parent's configuration is kept."""

TRAINING = "training"
"""Its trial runs, or waits for a worker after it lost one."""
PAUSED = "paused"
"""It is at a milestone, and the others are still to come."""
RESUMED = "resumed"
"""It may go on as it is."""
REPLACED = "replaced"
"""It is to become a copy of its `parent`."""
FAILED = "failed"
"""Its trial failed; it is to start again from the last checkpoint."""
DEAD = "dead"
"""It failed again, or gave itself up: at the milestone it counts as the worst."""
OVER = "over"
"""Its training is complete, or there is nobody left to copy."""


@dataclass
class Member:
    """A slot of the population."""

    milestone: int
    """The step of the next one: beyond all that its trial reported, however many steps were reported at once."""
    trial: int = -1
    level: int = 0
    phase: str = TRAINING
    standing: Standing | None = None
    """At the next milestone, once its trial has reported there."""
    is_ready: bool = False
    """Whether its attempt has come to the next milestone, so that it pauses when it asks."""
    failures: int = 0
    """Since the last milestone."""
    parent: int | None = None
    """The trial that it became or is to become a copy of at its last milestone."""


@dataclass
class State:
    """The population, and what is known of generations that are not complete."""

    seed: int
    size: int
    members: list[Member] = field(default_factory=list)
    slots: dict[int, int] = field(default_factory=dict)
    """{number of a trial: its member}."""
    standings: dict[int, dict[int, Standing]] = field(default_factory=dict)
    """{level: {member: standing}} at the milestones that some member has still to come to."""
    leaving: list[int] = field(default_factory=list)
    """Paused trials whose members go on as copies of others."""


@answers_other_settings
@dataclass(frozen=True)
class PBTScheduler(Scheduler):
    """Trains `population` configurations and changes them on the way; the sampler proposes the first ones.

    At each multiple of `interval` steps the worst `quantile` (of the members, rounded down, at least one) go on as
    copies of a random one of the best `quantile`, in which each parameter is drawn anew with probability `resample`
    and is else multiplied by one of the factors `perturb`; `mutable` names those that may change (None: all).
    `last_step` is where training ends (None: where the objective returns, or at the end of the first fidelity).

    The objective begins with what it loads, and reports each step before it saves it:

        state = trial.load() or {"step": 0, "weights": ...}
        for step in range(state["step"] + 1, 101):
            ...                                             # train one step with trial.params
            trial.report(loss, step)
            trial.save({"step": step, "weights": ...})
            if trial.should_prune():
                raise kilter.TrialPruned

    A member whose trial fails starts again from its last checkpoint; one that fails twice between two milestones, or
    raises TrialPruned without being asked to, counts as the worst there. Several objectives are compared by fronts.
    The number of trials follows from all this, so bound such a study by `last_step` or time. A finite space makes for
    a population no larger than itself; a sampler with fewer configurations to give ends the study.
    """

    population: int = 10
    interval: int = 5
    last_step: int | None = None
    quantile: float = 0.2
    resample: float = 0.25
    perturb: Sequence[float] = (0.8, 1.2)
    mutable: Sequence[str] | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        for name, least in (("population", 2), ("interval", 1)):
            if getattr(self, name) < least:
                raise InvalidInput(f"{name}={getattr(self, name)!r} of {type(self).__name__}: at least {least}")
        if self.last_step is not None and self.last_step < 1:
            raise InvalidInput(f"last_step={self.last_step!r} of {type(self).__name__}: at least 1, or None")
        if not 0 < self.quantile <= 0.5:
            raise InvalidInput(f"quantile={self.quantile!r}: a share above 0 and at most 0.5")
        if not 0 <= self.resample <= 1:
            raise InvalidInput(f"resample={self.resample!r}: a probability from 0 to 1")
        if isinstance(self.mutable, str):
            raise InvalidInput(f"mutable={self.mutable!r}: give a list of names")
        object.__setattr__(self, "perturb", tuple(self.perturb))
        if not self.perturb or not all(0 < factor < inf for factor in self.perturb):
            raise InvalidInput(f"perturb={self.perturb!r}: factors above 0, such as (0.8, 1.2)")
        if self.mutable is not None:
            object.__setattr__(self, "mutable", tuple(self.mutable))

    def start(self, problem: Problem, seed: int) -> State:
        """A population without members; raises UnknownName where a mutable parameter is none."""
        space = problem.space
        for name in self.mutable or ():
            if len(space) and name not in space:
                raise UnknownName.of("parameter", name, space.names)
        size = min(self.population, space.size) if len(space) else self.population
        return State(seed if self.seed is None else self.seed, int(size))

    # -- folding the log ------------------------------------------------------------------------------------------

    def started(self, state: State, trial: Record, history: History) -> None:
        """A founder joins, or a member goes on with this trial."""
        slot = state.slots.get(trial.number)
        if slot is None:
            slot = self._slot_for(state, trial)
            if slot is None:
                return  # it was queued when the population was whole, and trains on its own
            if slot < len(state.members):
                _hand_over(state, slot, history)
            else:
                state.members.append(Member(self.interval))
            state.members[slot].trial, state.slots[trial.number] = trial.number, slot
        member = state.members[slot]
        member.phase, member.is_ready = TRAINING, False

    def _slot_for(self, state: State, trial: Record) -> int | None:
        """The member that a new trial belongs to: a new one for a founder, or the first that waits for such a fork."""
        if trial.parent is None:
            return len(state.members) if len(state.members) < state.size else None
        for slot, member in enumerate(state.members):
            if trial.parent == {FAILED: member.trial, REPLACED: member.parent}.get(member.phase):
                return slot
        return None

    def reported(self, state: State, trial: Record, reports: tuple[Report, ...], history: History) -> None:
        """The first report at or beyond a milestone is the member's score there, also if it is made again later."""
        slot = state.slots.get(trial.number)
        if slot is None:
            return
        member, problem = state.members[slot], history.problem
        last = self._last(problem)
        if last is not None and member.milestone >= last:
            return
        for report in reports:
            known = all(objective.name in report.metrics for objective in problem.objectives)
            if report.fold is None and report.step >= member.milestone and known:
                member.is_ready = True
                if member.standing is None:
                    member.standing = problem.standing(report.metrics, so_far=True)

    def ended(self, state: State, trial: Record, history: History) -> None:
        """A member comes to its milestone, fails, or is done."""
        if trial.number in state.leaving:
            state.leaving.remove(trial.number)
        slot = state.slots.get(trial.number)
        if slot is None or trial.state is TrialState.WAITING:
            return
        member, last = state.members[slot], self._last(history.problem)
        member.is_ready = False
        if trial.state is TrialState.PAUSED:
            member.phase, member.failures = PAUSED, 0
            furthest = history.reports.furthest.get(trial.number, 0)
            member.milestone = self.interval * (max(member.milestone, furthest) // self.interval + 1)
            self.settle(state, slot, member.standing or history.problem.standing(trial.metrics, so_far=True))
        elif trial.state is TrialState.FAIL and not member.failures:
            member.phase, member.failures = FAILED, 1
        elif trial.state is TrialState.COMPLETE or _is_at(trial, last, history):
            member.phase = OVER
            for level in sorted(state.standings):  # they may have waited for this one
                self._select(state, level)
        else:
            member.phase = DEAD
            self.settle(state, slot, Standing.worst(len(history.problem.objectives)))

    def settle(self, state: State, slot: int, standing: Standing) -> None:
        """A member is at its next milestone, and stands so."""
        member = state.members[slot]
        member.level, member.standing = member.level + 1, None
        state.standings.setdefault(member.level, {})[slot] = standing
        self._select(state, member.level)

    def _select(self, state: State, level: int) -> None:
        """Decide at a milestone what can be decided: about all members once they are there, else about the middle."""
        standings = state.standings.get(level)
        if standings is None:
            return
        coming = any(m.phase != OVER and slot not in standings for slot, m in enumerate(state.members))
        if coming or len(state.members) < state.size:
            for slot in self._settled_places(state, standings):
                member = state.members[slot]
                if member.phase == PAUSED and member.level == level:
                    member.phase, member.parent = RESUMED, None
        else:
            del state.standings[level]
            self._exploit(state, level, standings)

    def _settled_places(self, state: State, standings: dict[int, Standing]) -> list[int]:
        """Members who have as many better and as many worse ones beside them as can be exploited at all."""
        ordered = sorted(standings.values())
        if len(ordered[0].losses) > 1:
            return []  # with several objectives, who is to come may change anybody's front
        count = self._count(state.size)
        return [
            slot
            for slot, standing in standings.items()
            if bisect_left(ordered, standing) >= count <= len(ordered) - bisect_right(ordered, standing)
        ]

    def _exploit(self, state: State, level: int, standings: dict[int, Standing]) -> None:
        """Truncation selection among members that stand so: each of the worst is to copy one of the best."""
        slots = sorted(standings)
        losses = np.array([standings[slot].losses for slot in slots])
        violation = np.array([standings[slot].violation for slot in slots])
        is_known = np.isfinite(losses).all(axis=1) & np.isfinite(violation)
        losses = losses.clip(-LARGEST, LARGEST)
        ranks, order = non_dominated_ranks(losses, violation), crowded_order(losses, violation)
        count = self._count(len(slots))
        best = [row for row in order[:count].tolist() if is_known[row]]
        parents = [state.members[slots[row]] for row in best]
        worst = set(order[len(order) - count :].tolist())
        for row, slot in enumerate(slots):
            member = state.members[slot]
            if member.level != level or member.phase not in (PAUSED, DEAD):
                continue  # it was sure to be in the middle, and has gone on
            member.parent = None
            if not parents:
                member.phase = RESUMED if member.phase == PAUSED else OVER
            elif member.phase == DEAD or (row in worst and ranks[row] > ranks[best[-1]]):
                stream = rng(state.seed, "pbt exploit", _occasion(state, slot))
                parent = parents[int(stream.integers(len(parents)))]
                member.phase, member.parent, member.milestone = REPLACED, parent.trial, parent.milestone
            else:
                member.phase = RESUMED

    # -- asking ---------------------------------------------------------------------------------------------------

    def plan(self, state: State, history: History) -> Plan:
        """Restarts first, whose checkpoints are at risk; then founders, copies of winners, and who may go on."""
        members = state.members
        for number in state.leaving:
            return Stop("its place in the population went to a copy of a better member", number)
        for member in members:
            if member.phase == FAILED:
                return Fork(member.trial, history[member.trial].params, self._budget(member, history.problem))
        if len(members) < state.size:
            return Start(self._budget(Member(self.interval), history.problem))
        if any(trial.enqueued and not trial.attempt for trial in history.waiting.values()):
            return Start()  # queued too late for the population, it trains from the beginning to the end
        for slot, member in enumerate(members):
            if member.phase == REPLACED and member.parent is not None:
                params = self.explored(state, slot, history)
                return Fork(member.parent, params, self._budget(member, history.problem))
        for member in members:
            if member.phase == RESUMED:
                return Resume(member.trial, self._budget(member, history.problem))
        return Wait(f"the scheduler has trained its population of {state.size} to the end")

    def judge(self, state: State, trial: Record, history: History) -> Judgement:
        """Pause at a milestone; stop beyond the last step."""
        last = self._last(history.problem)
        if last is not None and history.reports.furthest.get(trial.number, 0) > last:
            return Stop(f"step {last} was to be the last one")
        slot = state.slots.get(trial.number)
        if slot is not None and state.members[slot].is_ready:
            return Pause(f"step {state.members[slot].milestone}: the population is compared")
        return None

    def explored(self, state: State, slot: int, history: History) -> Config:
        """The configuration with which a member that is to be replaced goes on from its parent's checkpoint."""
        parent = state.members[slot].parent
        assert parent is not None  # it is to be replaced
        stream = rng(state.seed, "pbt explore", _occasion(state, slot))
        space = history.problem.space
        return perturbed(history[parent].params, space, stream, self.resample, self.perturb, self.mutable)

    def _count(self, members: int) -> int:
        """How many of so many members are the best, and how many the worst."""
        return min(max(1, int(self.quantile * members + 1e-9)), members // 2)

    def _last(self, problem: Problem) -> int | None:
        if self.last_step is not None or not problem.fidelities:
            return self.last_step
        return problem.fidelities[0].step(problem.fidelities[0].high)

    def _budget(self, member: Member, problem: Problem) -> Budget | None:
        """Where the problem has fidelities: the first up to the next milestone, which its result is a report at."""
        if not problem.fidelities:
            return None
        first = problem.fidelities[0]
        value = member.milestone * (1.0 if first.is_whole else first.high / 1000)
        return {first.name: min(max(value, first.low), first.high)}


def perturbed(
    config: Mapping[str, Plain],
    space: Space,
    stream: np.random.Generator,
    resample: float,
    factors: Sequence[float],
    mutable: Sequence[str] | None = None,
) -> Config:
    """A legal configuration near a given one: numbers multiplied by a random factor, or drawn anew, as options are.

    Parameters that become active are drawn, those that become inactive dropped; what the space does not know is kept.

    >>> from kilter import Float
    >>> from kilter.core.seeds import rng
    >>> perturbed({"lr": 0.1}, Space({"lr": Float(1e-4, 1, log=True)}), rng(0, "doc"), 0.0, [0.5])
    {'lr': 0.05}
    """
    strange = {name: plain for name, plain in config.items() if name not in space}
    known = {name: plain for name, plain in config.items() if name in space and space[name].contains(plain)}
    for _ in range(TRIES):
        changed = dict(known)
        for name, plain in known.items():
            if mutable is None or name in mutable:
                changed[name] = _moved(space[name], plain, stream, resample, factors)
        explored = space.from_uniforms(stream.random(len(space)), changed)
        if not space.is_forbidden(explored):
            return {**explored, **strange}
    return dict(config)


def _moved(
    parameter: Parameter, plain: Any, stream: np.random.Generator, resample: float, factors: Sequence[float]
) -> Plain:
    """The value of one parameter on the way to the next stretch."""
    is_drawn, u, factor = stream.random() < resample, stream.random(), factors[int(stream.integers(len(factors)))]
    if is_drawn:
        return parameter.from_uniform(u)
    return parameter.scaled(plain, factor)


def _hand_over(state: State, slot: int, history: History) -> None:
    """The member is about to go on with another trial."""
    member = state.members[slot]
    del state.slots[member.trial]
    if member.phase == REPLACED:
        member.failures = 0
        if history[member.trial].state is TrialState.PAUSED:
            state.leaving.append(member.trial)


def _is_at(trial: Record, last: int | None, history: History) -> bool:
    """Whether a trial that was pruned had come to the last step."""
    return (
        trial.state is TrialState.PRUNED and last is not None and history.reports.furthest.get(trial.number, 0) >= last
    )


def _occasion(state: State, slot: int) -> int:
    """A number for each member at each milestone, whatever happened in between, that random streams go by."""
    return state.members[slot].level * state.size + slot
