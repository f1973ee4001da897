import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilter.core.errors import InvalidInput
from kilter.core.events import SpaceExtended, TrialState
from kilter.core.history import Record
from kilter.core.numbers import Float, Int
from kilter.core.options import Boolean, Choice
from kilter.core.problem import Problem
from kilter.core.space import Space
from kilter.samplers.de import DESampler
from kilter.testing.sampler import Log, SamplerSuite

PLANE = Space({"x": Float(-1.0, 1.0), "y": Float(-1.0, 1.0)})
MIXED = Space({"x": Float(-1.0, 1.0), "n": Int(0, 9), "kind": Choice(["a", "b", "c"]), "flag": Boolean()})


class TestDE(SamplerSuite):
    renews = True
    improves = True

    def sampler(self):
        return DESampler()


def mixed(config):
    numbers = (config["x"] - 0.31) ** 2 + (config["n"] - 7) ** 2
    return {"value": numbers + 2.0 * (config["kind"] != "b") + 1.0 * (not config["flag"])}


def far(config):
    return {"value": sum((v - 0.7) ** 2 for v in config.values())}


def bumpy(config):
    return {"value": sum(10 - 10 * math.cos(10 * math.pi * (v - 0.3)) + 25 * (v - 0.3) ** 2 for v in config.values())}


@settings(max_examples=25)
@given(st.integers(0, 2**31), st.lists(st.one_of(st.floats(-10, 10), st.just(math.nan)), min_size=40, max_size=40))
def test_no_slot_ever_gets_worse(seed, losses):
    log = Log(DESampler(population=8), Problem(PLANE), seed)
    state = log.engine.sampler_state
    for loss in losses:
        before = list(state.standings)
        log.run(1, lambda c, loss=loss: {"value": loss})
        if len(before) == 8 == len(state.standings):
            assert all(now <= then for now, then in zip(state.standings, before))
            assert sum(now != then for now, then in zip(state.standings, before)) <= 1


@settings(max_examples=25)
@given(st.integers(0, 2**31), st.integers(4, 20))
def test_the_first_trials_share_no_cell_of_any_parameter(seed, size):
    log = Log(DESampler(population=size), Problem(PLANE), seed)
    drawn = [log.start()[1] for _ in range(size)]
    for name in PLANE:
        assert sorted(int((config[name] + 1) / 2 * size) for config in drawn) == list(range(size))


def test_a_challenger_that_is_as_good_takes_the_place():
    log = Log(DESampler(population=4), Problem(PLANE))
    log.run(4, far)
    state = log.engine.sampler_state
    target = 4 % 4
    number, config = log.start()
    log.end(number, {"value": state.standings[target].loss})
    assert state.rows[target] == pytest.approx([(config["x"] + 1) / 2, (config["y"] + 1) / 2])
    assert state.archive == []


def test_late_results_challenge_their_own_slot():
    log = Log(DESampler(population=5), Problem(PLANE))
    log.run(5, lambda c: {"value": 1.0 + far(c)["value"]})
    started = [log.start() for _ in range(5)]
    state = log.engine.sampler_state
    for number, _ in reversed(started):
        log.end(number, {"value": number / 100})
    assert [standing.loss for standing in state.standings] == [0.05, 0.06, 0.07, 0.08, 0.09]


def test_what_succeeds_is_remembered():
    log = Log(DESampler(population=10), Problem(PLANE))
    log.run(200, far)
    state = log.engine.sampler_state
    assert state.factors != [0.5] * 5
    assert all(0 < factor <= 1 for factor in state.factors)
    assert all(0 <= rate <= 1 for rate in state.rates)
    assert len(state.archive) <= 10


def test_what_a_user_enqueued_says_nothing_about_the_factors():
    sampler = DESampler(population=4)
    log = Log(sampler, Problem(PLANE))
    log.run(4, far)
    for enqueued, successes in ((True, 0), (False, 1)):
        trial = Record(4 + enqueued, TrialState.COMPLETE, {"x": 0.7, "y": 0.7}, 1, "w", {"value": -enqueued - 1.0})
        trial.enqueued = enqueued
        sampler.tell(log.engine.sampler_state, trial, log.problem)
        assert len(log.engine.sampler_state.successes) == successes


def test_integers_and_options_are_found_exactly():
    log = Log(DESampler(), Problem(MIXED))
    assert min(mixed(config)["value"] for config in log.run(500, mixed)) < 1e-4


def test_many_valleys():
    space = Space({f"x{i}": Float(-1.0, 1.0) for i in range(4)})
    log = Log(DESampler(), Problem(space))
    assert min(bumpy(config)["value"] for config in log.run(1500, bumpy)) < 1e-3


def test_a_converged_population_starts_anew_twice_as_large():
    log = Log(DESampler(population=5), Problem(Space({"x": Float(0.0, 1.0)})))
    state = log.engine.sampler_state
    best = math.inf
    while state.size == 5:
        config = log.run(1, far)[0]
        best = min(best, far(config)["value"])
    assert state.size == 10
    assert [standing.loss for standing in state.standings] == [best]


def test_defaults_come_first():
    space = Space({"x": Float(0.0, 1.0, default=0.9), "kind": Choice(["a", "b", "c"], default="c")})
    log = Log(DESampler(), Problem(space))
    first, second = log.run(2, lambda c: {"value": c["x"]})
    assert first == {"x": 0.9, "kind": "c"}
    assert second != first


def test_challengers_stay_in_the_box():
    log = Log(DESampler(), Problem(PLANE))
    given = log.run(150, lambda c: {"value": c["x"] - c["y"]})
    assert min(config["x"] for config in given) < -0.99
    assert all(PLANE.is_legal(config) for config in given)


def test_parameters_that_come_later_are_searched_like_the_others():
    log = Log(DESampler(), Problem(Space()))
    log.run(3, lambda c: {"value": 9.0})
    log.write(SpaceExtended({"x": Float(-1.0, 1.0).to_json(), "z": Float(-1.0, 1.0).to_json()}, 0.0))
    late = log.run(300, far)[-20:]
    assert min(far(config)["value"] for config in late) < 1e-3
    replica = log.replayed(len(log.entries))
    assert replica.propose(len(replica.history)) == log.proposal()


def test_overflowing_gains():
    values = iter(np.tile([1e308, -1e308, 1e307, -1e307, 0.0], 40))
    log = Log(DESampler(population=4), Problem(PLANE))
    log.run(200, lambda c: {"value": float(next(values))})
    assert PLANE.is_legal(log.proposal())


def test_settings_are_checked():
    with pytest.raises(InvalidInput):
        DESampler(population=3)
