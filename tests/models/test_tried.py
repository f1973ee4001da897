"""What has been tried and what is left, against brute force."""

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kilter.core.events import SpaceExtended
from kilter.core.parameter import Boolean, Choice, Float, Int
from kilter.core.problem import Problem
from kilter.core.space import Space
from kilter.models.encoding import Encoding
from kilter.models.tried import LISTED, Tried, listed
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
