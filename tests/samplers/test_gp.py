"""The Gaussian-process sampler: the suite, and what is special about it."""

import math
import warnings

import numpy as np
import pytest

from kilter.core.errors import InvalidInput
from kilter.core.events import Failure, TrialState
from kilter.core.parameter import Boolean, Choice, Float, Int
from kilter.core.problem import Objective, Problem
from kilter.core.space import Space
from kilter.samplers.gp import GPSampler
from kilter.samplers.sobol import QMCSampler
from kilter.testing.sampler import Log, SamplerSuite, rich_space, size_of

FLAT = Space({"x": Float(0, 1), "y": Float(0, 1)})


class TestGP(SamplerSuite):
    improves = True
    exhausts = True

    def sampler(self):
        return GPSampler()


def bowl(config):
    return (config["x"] - 0.3) ** 2 + (config["y"] - 0.6) ** 2


def test_it_begins_with_the_sobol_sequence():
    log, quasi = (Log(sampler, Problem(FLAT)) for sampler in (GPSampler(initial=4), QMCSampler()))
    value = lambda c: {"value": bowl(c)}  # noqa: E731
    assert log.run(4, value) == quasi.run(4, value)
    assert log.run(1, value) != quasi.run(1, value)


def test_the_start_goes_on_until_there_is_something_to_model():
    log, quasi = (Log(sampler, Problem(FLAT)) for sampler in (GPSampler(initial=2), QMCSampler()))
    for number in range(8):
        for each in (log, quasi):
            started = each.start()
            each.end(started[0], {"value": 1.0 if number == 3 else math.nan})
    assert [t.params for t in log.engine.history] == [t.params for t in quasi.engine.history]


def test_a_bowl_is_solved_to_three_digits():
    for seed in range(3):
        log = Log(GPSampler(), Problem(FLAT), seed)
        configs = log.run(25, lambda c: {"value": bowl(c)})
        assert min(map(bowl, configs)) < 1e-3


def test_a_maximum_is_the_minimum_of_the_negative():
    logs = [Log(GPSampler(), Problem(FLAT, (Objective("value", way),))) for way in ("minimize", "maximize")]
    down, up = (log.run(15, lambda c, sign=sign: {"value": sign * bowl(c)}) for log, sign in zip(logs, (1.0, -1.0)))
    assert down == up


def test_its_own_seed_replaces_the_studys():
    value = lambda c: {"value": bowl(c)}  # noqa: E731
    own = [Log(GPSampler(seed=5), Problem(FLAT), seed).run(9, value) for seed in (1, 2)]
    assert own[0] == own[1] == Log(GPSampler(), Problem(FLAT), 5).run(9, value)


def test_no_point_twice_and_none_beside_another():
    log = Log(GPSampler(), Problem(FLAT))
    configs = log.run(30, lambda c: {"value": bowl(c)})
    points = np.array([[c["x"], c["y"]] for c in configs])
    apart = np.abs(points[:, None] - points).max(axis=2) + 9 * np.eye(30)
    assert apart.min() > 0.9e-3


def test_workers_side_by_side_do_not_flock():
    """Eight at once: each imagines what the others will find, so they lie further apart than asked one by one."""
    log = Log(GPSampler(), Problem(FLAT))
    log.run(7, lambda c: {"value": bowl(c)})
    batch = [log.start()[1] for _ in range(8)]
    points = np.array([[c["x"], c["y"]] for c in batch])
    apart = np.linalg.norm(points[:, None] - points, axis=2) + 9 * np.eye(8)
    assert np.median(apart.min(axis=1)) > 0.02


def test_a_finite_space_is_searched_without_repeats_until_nothing_is_left():
    space = Space({"a": Int(0, 3), "b": Choice(["u", "v"]), "c": Boolean().when(b="u")}, forbidden=[{"a": 2, "b": "v"}])
    log = Log(GPSampler(), Problem(space))
    configs = log.run(40, lambda c: {"value": size_of(c)})
    assert len(configs) == space.size == len({repr(sorted(c.items())) for c in configs})
    assert log.proposal() is None


@pytest.mark.parametrize("value", [1e300, -1e300, 1e-300, 1e9])
def test_no_warning_whatever_the_values(value):
    """Failures, outliers and running trials among them."""
    log = Log(GPSampler(), Problem(rich_space()))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for number in range(14):
            log.start()
            if number % 5 == 3:
                log.end(number, {}, TrialState.FAIL, Failure("ValueError"))
            elif number != 8:
                log.end(number, {"value": value * (number % 4) if number % 3 else 0.5})


@pytest.mark.parametrize("initial", [0, -1])
def test_settings_are_checked(initial):
    with pytest.raises(InvalidInput, match=f"initial={initial}"):
        GPSampler(initial=initial)


@pytest.mark.parametrize(
    "best_at",
    [(0.5, 0.3), (0.9, 0.3)],
    ids=["optimum at the border", "optimum beyond it"],
)
def test_failures_and_nan_teach_where_not_to_go(best_at):
    """NaN on half of a box, the best of the other half at the border: at most 12 failures in 60 trials."""
    for seed in range(2):
        log = Log(GPSampler(), Problem(FLAT), seed)
        failures, best = 0, math.inf
        for number in range(60):
            _, config = log.start()
            value = (config["x"] - best_at[0]) ** 2 + (config["y"] - best_at[1]) ** 2
            if config["x"] > 0.5:
                failures += 1
                log.end(number, {"value": math.nan})
            else:
                best = min(best, value)
                log.end(number, {"value": value})
        assert failures <= 12
        assert best - (0.5 - best_at[0]) ** 2 < 0.01
