"""What a sampler knows follows from settings, seed, problem and trials: where the problem changes it is told anew."""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilter.core.events import Constrained, SpaceExtended, TrialState
from kilter.core.numbers import Float, Int
from kilter.core.options import Choice
from kilter.core.problem import SET, Problem
from kilter.core.space import Space
from kilter.core.states import dumps_state
from kilter.samplers import CmaEsSampler, DESampler, EvolutionSampler, NSGA2Sampler, RandomSampler, TurboSampler
from kilter.testing.sampler import Log, size_of

SAMPLERS = [
    CmaEsSampler(popsize=4),
    DESampler(population=4),
    EvolutionSampler(population=6, tournament=2),
    NSGA2Sampler(population=4),
    TurboSampler(),
]
GROWN = [
    {"x": Float(0, 2)},
    {"y": Choice(["a", "b"])},
    {"n": Int(1, 5), "x": Float(-1, 2)},
    {"x": Choice(["not a number"])},
    {"y": Choice(["a", "b", "c"])},
]


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: type(sampler).__name__)
@settings(max_examples=8)
@given(st.lists(st.sampled_from(["told", "told", "failed", "pruned", "grows", "constrained"]), max_size=30))
def test_a_state_is_the_start_and_all_that_ended_in_the_problem_as_it_is(sampler, events):
    log, grown, bounds = Log(sampler, Problem(Space({"x": Float(0, 1)}))), iter(GROWN * 6), 0
    for event in events:
        if event == "grows":
            log.write(SpaceExtended({name: p.to_json() for name, p in next(grown).items()}, 0.0))
        elif event == "constrained":
            bounds += 1
            log.write(Constrained(((f"{SET}{bounds}", "<=", 0.0),), 0.0))
        else:
            number, config = log.start()
            state = {"failed": TrialState.FAIL, "pruned": TrialState.PRUNED}.get(event, TrialState.COMPLETE)
            metrics = {"value": size_of(config), **{f"{SET}{i}": size_of(config) - 3.0 for i in range(bounds + 1)}}
            log.end(number, {} if event == "failed" else metrics, state)
        engine = log.engine
        state = sampler.start(engine.problem, log.seed)
        for number in engine.history.finished:
            sampler.tell(state, engine.history[number], engine.problem)
        assert dumps_state(engine.sampler_state) == dumps_state(state)


@dataclass(frozen=True)
class Counting(RandomSampler):
    """Counts what it is told, in itself."""

    def __post_init__(self):
        object.__setattr__(self, "tells", 0)

    def tell(self, state, trial, problem):
        object.__setattr__(self, "tells", self.tells + 1)


def test_a_growth_tells_each_trial_once_and_one_that_changes_nothing_tells_none():
    log = Log(Counting(), Problem(is_open=True))
    for place in range(20):  # as an objective meets its parameters, in its first trials
        log.write(SpaceExtended({f"x{place}": Float(0, 1).to_json(), f"y{place}": Float(0, 1).to_json()}, 0.0))
        log.run(1, lambda config: {"value": size_of(config)})
    assert log.sampler.tells == 20 + 20 * 19 / 2
    log.run(180, lambda config: {"value": size_of(config)})
    before = log.sampler.tells
    log.write(SpaceExtended({"x0": Float(0, 1).to_json()}, 0.0))
    log.write(SpaceExtended({"x0": Choice(["a"]).to_json()}, 0.0))
    assert log.sampler.tells == before
    log.write(SpaceExtended({"late": Float(0, 1).to_json()}, 0.0))
    assert log.sampler.tells == before + 200
