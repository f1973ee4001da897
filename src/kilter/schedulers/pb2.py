"""Population-based bandits (Parker-Holder et al. 2020): PBT whose losers go on with what a model expects most of.

Selection, restarts and lineage are those of schedulers/pbt.py. The model is in models/bandit.py: it learns how much the
loss fell in each stretch of training, given the time, the loss before and the configuration.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

import numpy as np

from kilter.core.history import History
from kilter.core.problem import Problem
from kilter.core.seeds import rng
from kilter.core.space import Config
from kilter.core.standing import Standing
from kilter.core.vocabulary import answers_other_settings
from kilter.models.bandit import Bandit
from kilter.models.encoding import encoding_of
from kilter.schedulers.pbt import PBTScheduler
from kilter.schedulers.pbt import State as Population

LEAST = 4
"""Stretches with a known end before a model says more than chance."""


class Stretch(NamedTuple):
    """A part of a member's training, up to a milestone; a loss is inf where there was none."""

    end: int
    member: int
    trial: int
    before: float
    after: float


@dataclass
class State(Population):
    """The population, and what each stretch of its training gained."""

    stretches: list[Stretch] = field(default_factory=list)


@answers_other_settings
@dataclass(frozen=True)
class PB2Scheduler(PBTScheduler):
    """As PBTScheduler, with configurations from a time-varying Gaussian-process bandit instead of random changes.

    `resample` and `perturb` count only before there is enough for a model. Of several objectives the model learns the
    first; selection is by fronts.
    """

    def start(self, problem: Problem, seed: int) -> State:
        """A population without members."""
        return State(**vars(super().start(problem, seed)))

    def settle(self, state: Population, slot: int, standing: Standing) -> None:
        assert isinstance(state, State)
        member = state.members[slot]
        before = _loss_at(state, member.level, slot, member.parent)
        after = standing.loss if standing.is_feasible else inf
        state.stretches.append(Stretch(member.level + 1, slot, member.trial, before, after))
        super().settle(state, slot, standing)

    def explored(self, state: Population, slot: int, history: History) -> Config:
        """The parent's configuration with the mutable parameters at the highest upper bound of the gain.

        What the other members will train with until the next milestone counts as known: those that go on as they are,
        and the copies made before this one.
        """
        assert isinstance(state, State)
        member, space = state.members[slot], history.problem.space
        parent, now = member.parent, member.level
        assert parent is not None  # it is to be replaced
        rows = sorted(row for row in state.stretches if row.end <= now)  # not as workers brought them
        end, before, after = np.array([[row.end, row.before, row.after] for row in rows]).T
        known = np.isfinite(before) | (end == 1)  # up to the first milestone all came from the same beginning
        encoding = encoding_of(space)
        if not encoding.d or np.isfinite(after[known]).sum() < LEAST:
            return super().explored(state, slot, history)

        def points(trials: list[int]) -> np.ndarray:
            return encoding.points(space.encode([history[trial].params for trial in trials]))

        fixed = np.array([self.mutable is not None and name not in self.mutable for name in space.names])
        bandit = Bandit(
            encoding,
            points([row.trial for row, is_known in zip(rows, known) if is_known]),
            end[known] - 1,
            before[known],
            np.where(np.isfinite(before), before, 0.0)[known] - after[known],
            points([parent])[0],
            now,
            _loss_of(state, now, parent),
            fixed,
        )
        others = self._others(state, slot, rows)
        bandit.imagine(points([trial for trial, _ in others]), np.array([loss for _, loss in others]))
        point = bandit.chosen(rng(state.seed, "pb2 explore", now * state.size + slot))
        if point is None:
            return super().explored(state, slot, history)
        config, mine = encoding.config(point), history[parent].params
        kept = {name for name, is_fixed in zip(space.names, fixed) if is_fixed and name in config and name in mine}
        return {**config, **{name: plain for name, plain in mine.items() if name in kept or name not in space}}

    def _others(self, state: State, slot: int, rows: list[Stretch]) -> list[tuple[int, float]]:
        """(trial, loss now) of the members whose next stretch is decided: whoever was first, the same ones."""
        now, decided = state.members[slot].level, []
        for end, other, trial, _, loss in rows:
            parent = state.members[other].parent
            if end == now and parent is None:
                decided.append((trial, loss))
            elif end == now and parent is not None and other < slot:  # copies begin in the order of members
                decided.append((state.members[other].trial, _loss_of(state, now, parent)))
        return [(trial, loss) for trial, loss in decided if np.isfinite(loss)]


def _loss_at(state: State, level: int, slot: int, parent: int | None) -> float:
    """The loss with which a member left a milestone, as itself or as a copy of another trial; inf where unknown."""
    if parent is not None:
        return _loss_of(state, level, parent)
    return next((row.after for row in reversed(state.stretches) if (row.end, row.member) == (level, slot)), inf)


def _loss_of(state: State, level: int, trial: int) -> float:
    """The loss of a trial at a milestone; inf where it was not there."""
    return next((row.after for row in reversed(state.stretches) if (row.end, row.trial) == (level, trial)), inf)
