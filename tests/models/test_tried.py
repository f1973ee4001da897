"""What has been tried and what is left, against brute force."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kilter.core.events import SpaceExtended, Started, TrialState
from kilter.core.numbers import Float, Int
from kilter.core.options import Boolean, Choice
from kilter.core.parameter import Prior
from kilter.core.problem import Problem
from kilter.core.space import Space
from kilter.models.encoding import Encoding
from kilter.models.tried import LISTED, Tried, listed, renewed
from kilter.samplers import RandomSampler
from kilter.testing.sampler import Log
from kilter.testing.strategies import spaces

TREE = Space({"m": Choice(["a", "b"]), "n": Int(1, 3).when(m="a"), "t": Boolean()}, forbidden=[{"m": "b", "t": True}])


def typed(configs):
    return sorted(repr(sorted((name, type(value).__name__, value) for name, value in c.items())) for c in configs)


@settings(max_examples=25)
@given(spaces(max_parameters=4))
def test_all_points_are_listed_once(space):
    assume(not 2000 < Space(space.parameters).size <= LISTED)  # right too, but slow to check
    points = listed(space)
    if points is None:
        assert Space(space.parameters).size > LISTED
    else:
        configs = [Encoding(space).config(point) for point in points]
        assert len(configs) == space.size
        assert len(set(typed(configs))) == len(configs)
        assert all(map(space.is_legal, configs))


@settings(max_examples=20)
@given(spaces(max_parameters=4), st.integers(0, 99))
def test_whatever_a_trial_had_is_not_new(space, seed):
    log = Log(RandomSampler(), Problem(space), seed)
    log.run(6, lambda _: {"value": 0.0})
    pending = log.start()
    tried = Tried.of(log.engine.history)
    configs = [trial.params for trial in log.engine.history]
    assert not tried.are_new(tried.encoding.points(space.encode(configs))).any()
    assert pending is not None
    assert len(tried) <= 7


def test_what_is_left():
    log = Log(RandomSampler(), Problem(TREE))
    seen = []
    for _ in range(40):
        left = [Encoding(TREE).config(point) for point in Tried.of(log.engine.history).left()]
        assert typed(left) == typed([c for c in TREE.grid(9) if c not in seen])
        number, config = log.start()
        seen.append(config)
        if number % 3:
            log.end(number, {"value": 1.0})


def test_a_longer_range_is_a_new_space():
    log = Log(RandomSampler(), Problem(Space({"n": Int(1, 2)})))
    log.run(20, lambda _: {"value": 0.0})
    assert len(Tried.of(log.engine.history).left()) == 0
    log.write(SpaceExtended({"n": Int(1, 4).to_json()}, 0.0))
    tried = Tried.of(log.engine.history)
    assert [tried.encoding.config(point)["n"] for point in tried.left()] == [3, 4]


def test_a_trial_that_lacks_a_parameter_has_tried_nothing():
    log = Log(RandomSampler(), Problem(Space({"n": Int(1, 1)})))
    log.run(2, lambda _: {"value": 0.0})
    log.write(SpaceExtended({"m": Int(1, 3).to_json()}, 0.0))
    tried = Tried.of(log.engine.history)
    assert (len(tried), len(tried.left())) == (0, 3)


def test_infinite_spaces_cannot_be_listed():
    assert listed(Space({"x": Float(0, 1)})) is None
    assert listed(Space({"n": Int(0, 10**6)})) is None
    assert listed(Space({f"b{i}": Boolean() for i in range(17)})) is None
    assert np.shape(listed(Space())) == (1, 0)


FINE = Space({"n": Int(1, 10**9, log=True), "x": Float(0.0, 1.0, step=1e-5), "c": Choice(["p", "q"])})


@pytest.mark.parametrize("n", [1, 2, 77, 10**9])
def test_the_values_of_a_fine_number_are_told_apart_and_nothing_else(n):
    log = Log(RandomSampler(), Problem(FINE))
    log.write(Started(0, 1, {"n": n, "x": 0.5, "c": "p"}, "w", 0, 0.0))
    tried, point = Tried.of(log.engine.history), Encoding(FINE).points(FINE.encode([{"n": n, "x": 0.5, "c": "p"}]))
    assert not tried.are_new(point)[0]
    assert not tried.are_new(tried.encoding.snapped(point + [[1e-12, 1e-12, 0.0]]))[0]
    assert tried.are_new(Encoding(FINE).points(FINE.encode([{"n": n, "x": 0.50001, "c": "p"}])))[0]


def test_the_nearest_new_point_differs_in_one_parameter_by_as_little_as_can_be():
    log = Log(RandomSampler(), Problem(FINE))
    config = {"n": 10**6, "x": 0.5, "c": "p"}
    stream = np.random.default_rng(0)
    seen = []
    for number in range(12):
        seen.append(config)
        log.write(Started(number, 1, config, "w", 0, 0.0))
        config = renewed(log.engine.history, seen[0], stream)
        assert config not in seen
    assert {c["c"] for c in seen} == {"p"}
    assert {c["x"] for c in seen} == {0.5}  # a step of n is less of its range
    assert max(abs(c["n"] - 10**6) for c in seen) <= 6


def test_what_pauses_has_been_tried():
    log = Log(RandomSampler(), Problem(Space({"n": Int(1, 3)})))
    log.write(Started(0, 1, {"n": 2}, "w", 0, 0.0))
    log.end(0, {"value": 1.0}, TrialState.PAUSED)
    assert log.engine.history.paused
    assert len(Tried.of(log.engine.history).left()) == 2


def test_where_chance_finds_nothing_new_neighbours_are_looked_at():
    """A prior that draws one option of a thousand nearly always, in a space that cannot be listed."""
    space = Space({"c": Choice(["a", "b"], prior=Prior("a", "high")), "n": Int(1, 10**6).when(c="b")})
    log = Log(RandomSampler(), Problem(space))
    given = log.run(30, lambda _: {"value": 0.0})
    assert len(set(typed(given))) == 30
