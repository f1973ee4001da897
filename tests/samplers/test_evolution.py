"""Regularised evolution: who lives, who wins, and how a child differs."""

import math

import numpy as np
import pytest

from kilter.core.errors import InvalidInput
from kilter.core.events import TrialState
from kilter.core.history import Record
from kilter.core.numbers import Float, Int
from kilter.core.options import Boolean, Choice
from kilter.core.problem import Constraint, Objective, Problem
from kilter.core.space import Space
from kilter.samplers import EvolutionSampler
from kilter.samplers.evolution import mutated
from kilter.testing.sampler import Log, rich_space

SPACE = Space({"x": Float(0, 1), "n": Int(1, 9)})
SAMPLER = EvolutionSampler(population=4, tournament=4)


def told(problem, *metrics, sampler=SAMPLER, state=TrialState.COMPLETE):
    learnt = sampler.start(problem, 7)
    for number, each in enumerate(metrics):
        sampler.tell(learnt, Record(number, state, {"x": number / 100, "n": 1}, metrics=each), problem)
    return learnt


def test_the_oldest_dies_not_the_worst():
    state = told(Problem(SPACE), *({"value": float(v)} for v in [0, 5, 6, 7, 8, 9]))
    assert [member.standing.loss for member in state.members] == [6.0, 7.0, 8.0, 9.0]


@pytest.mark.parametrize("metrics", [{}, {"value": math.nan}, {"value": math.inf}])
def test_only_results_join(metrics):
    assert told(Problem(SPACE), metrics).members == []
    assert told(Problem(SPACE), {"value": 1.0}, state=TrialState.PRUNED).members == []


@pytest.mark.parametrize(("way", "best"), [("minimize", 0), ("maximize", 3)])
def test_the_best_of_the_tournament_wins(way, best):
    state = told(Problem(SPACE, (Objective("value", way),)), *({"value": float(v)} for v in range(4)))
    assert SAMPLER._winner(state, np.random.default_rng(0))["x"] == best / 100


def test_the_feasible_win():
    problem = Problem(SPACE, constraints=(Constraint("m", "<=", 1.0),))
    state = told(problem, {"value": 0.0, "m": 2.0}, {"value": 1.0}, {"value": 9.0, "m": 1.0})
    assert SAMPLER._winner(state, np.random.default_rng(0))["x"] == 0.02


def test_the_winner_of_several_objectives_is_on_the_front():
    problem = Problem(SPACE, (Objective("a"), Objective("b")))
    state = told(problem, {"a": 0.0, "b": 1.0}, {"a": 1.0, "b": 0.0}, {"a": 1.0, "b": 1.0}, {"a": 0.4, "b": 0.4})
    winners = {SAMPLER._winner(state, np.random.default_rng(seed))["x"] for seed in range(60)}
    assert winners == {0.0, 0.01, 0.03}


def test_a_child_is_near_its_parent():
    """One parameter changes at least, and on average hardly more than two of ten."""
    space = Space({f"x{i}": Float(0, 1) for i in range(10)})
    parent = space.decode([0.5] * 10)
    children = [mutated(parent, space, np.random.default_rng(seed)) for seed in range(200)]
    changed = [sum(child[name] != parent[name] for name in space) for child in children]
    assert min(changed) >= 1
    assert 1.5 < np.mean(changed) < 2.4


def test_children_are_legal_where_parents_are():
    space = rich_space()
    for seed in range(300):
        stream = np.random.default_rng(seed)
        child = mutated(space.draw(stream), space, stream)
        assert space.is_legal(child) or space.is_forbidden(child)


@pytest.mark.parametrize("parameter", [Int(1, 2), Int(1, 3), Boolean(), Choice(["a", "b"]), Float(0, 1, step=0.5)])
def test_small_parameters_can_reach_every_value(parameter):
    space = Space({"p": parameter, "y": Float(0, 1)})
    configs = Log(EvolutionSampler(population=6, tournament=6), Problem(space)).run(60, lambda c: {"value": c["y"]})
    assert {c["p"] for c in configs[10:]} == {c["p"] for c in Space({"p": parameter}).grid(5)}


def test_bad_settings():
    for population, tournament in [(0, 0), (3, 4), (3, 0)]:
        with pytest.raises(InvalidInput, match="tournament"):
            EvolutionSampler(population, tournament)
