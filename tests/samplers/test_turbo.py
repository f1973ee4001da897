"""The trust region: the suite, and what is special about it."""

import math

import numpy as np
import pytest

from kilter.core.events import TrialState
from kilter.core.history import Record
from kilter.core.numbers import Float
from kilter.core.problem import Problem
from kilter.core.space import Space
from kilter.core.standing import Standing
from kilter.samplers.opening import INITIAL
from kilter.samplers.turbo import FIRST, LONGEST, SHORTEST, SUCCESSES, TurboSampler
from kilter.testing.sampler import Log, SamplerSuite


class TestTurbo(SamplerSuite):
    renews = True
    improves = True
    exhausts = True

    def sampler(self):
        return TurboSampler()


PLANE = Space({"x": Float(0, 1), "y": Float(0, 1)})


def told(values):
    """The state after trials with these values."""
    sampler = TurboSampler()
    problem = Problem(PLANE)
    state = sampler.start(problem, 1)
    for number, value in enumerate(values):
        trial = Record(number, TrialState.COMPLETE, {"x": 0.5, "y": 0.5}, 1, "w", {"value": value})
        sampler.tell(state, trial, problem)
    return state


def test_three_successes_in_a_row_double_the_box_and_failures_halve_it():
    start = [100.0] * INITIAL
    assert told([*start, 90.0, 80.0]).side == FIRST
    assert told([*start, 90.0, 80.0, 70.0]).side == min(2 * FIRST, LONGEST)
    assert told([*start, 90.0, 95.0, 80.0, 70.0]).side == FIRST
    assert told(start + [100.0] * 4).side == FIRST / 2
    assert told([*start, 99.99999, *[100.0] * 3]).side == FIRST / 2  # too little to count
    assert SUCCESSES == 3


def test_a_tiny_box_is_given_up_and_the_next_region_starts_anew():
    needed = 4 * math.ceil(math.log2(FIRST / SHORTEST) + 1e-9)
    state = told([1.0] * (INITIAL + needed))
    assert state.side == FIRST
    assert state.since == state.told == INITIAL + needed
    assert state.best == Standing.worst(1)


def test_it_searches_near_the_best_point_when_the_box_is_small():
    space = Space({f"x{i}": Float(0, 1) for i in range(6)})
    log = Log(TurboSampler(), Problem(space), 3)

    def bowl(config):
        return {"value": sum((v - 0.3) ** 2 for v in config.values())}

    log.run(60, bowl)
    log.engine.sampler_state.side = 0.05
    best = min(log.engine.history.trials, key=lambda trial: trial.metrics["value"]).params
    config = log.proposal()
    apart = np.abs(np.array([config[n] - best[n] for n in space.names]))
    assert 0 < apart.max() <= 0.5 * 0.05 * 4  # a length-scale stretches a side by a few times at most


@pytest.mark.parametrize("d", [25])
def test_many_dimensions(d):
    space = Space({f"x{i}": Float(0, 1) for i in range(d)})

    def ridge(config):
        x = np.array([config[n] for n in space.names])
        return {"value": float((np.arange(1, d + 1) * (x - 0.6) ** 2).sum())}

    log = Log(TurboSampler(), Problem(space), 5)
    values = [ridge(config)["value"] for config in log.run(80, ridge)]
    assert min(values) < 0.35 * min(values[:INITIAL])
