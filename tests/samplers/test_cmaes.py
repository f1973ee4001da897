import dataclasses
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilter.core.errors import InvalidInput
from kilter.core.events import Enqueued, SpaceExtended, Started, TrialState
from kilter.core.history import Record
from kilter.core.numbers import Float, Int
from kilter.core.options import Boolean, Choice, Ordinal
from kilter.core.parameter import Prior
from kilter.core.problem import Constraint, Objective, Problem
from kilter.core.space import Space
from kilter.core.states import dumps_state
from kilter.samplers.cmaes import CmaEsSampler
from kilter.testing.sampler import Log, SamplerSuite

PLANE = Space({"x": Float(-1.0, 1.0), "y": Float(-1.0, 1.0)})
MIXED = Space({"x": Float(-1.0, 1.0), "n": Int(0, 9), "kind": Choice(["a", "b", "c"]), "flag": Boolean()})


class TestCmaEs(SamplerSuite):
    renews = True
    improves = True

    def sampler(self):
        return CmaEsSampler()


def best(log, trials, objective):
    return min(objective(config)["value"] for config in log.run(trials, objective))


def rosenbrock(config):
    x = list(config.values())
    return {"value": sum(100 * (b - a * a) ** 2 + (1 - a) ** 2 for a, b in pairwise(x))}


def far(config):
    return {"value": sum((v - 0.7) ** 2 for v in config.values() if isinstance(v, float))}


def mean_of(log):
    return log.engine.sampler_state.gaussian.mean


def enqueue(log, config, metrics):
    number = len(log.engine.history)
    log.write(Enqueued(number, config, 0.0))
    log.write(Started(number, 1, config, "w1", log.engine.position, 0.0, fresh=False))
    log.end(number, metrics)


@settings(max_examples=25)
@given(st.permutations(range(12)))
def test_the_order_of_results_within_a_generation_does_not_count(order):
    def after(order):
        log = Log(CmaEsSampler(popsize=12), Problem(MIXED))
        started = [log.start() for _ in range(12)]
        for number in order:
            log.end(number, {"value": started[number][1]["x"]})
        return log.engine.sampler_state

    one, other = after(range(12)), after(order)
    assert one.results == [] and len(one.losses) == 1
    assert dumps_state(one) == dumps_state(other)


@settings(max_examples=25)
@given(st.floats(0.1, 10.0), st.floats(-5.0, 5.0))
def test_only_the_order_of_the_losses_counts(scale, shift):
    def after(objective, direction):
        log = Log(CmaEsSampler(), Problem(PLANE, (Objective("value", direction),)))
        log.run(18, objective)
        return mean_of(log).tolist()

    def plain(config):
        return {"value": config["x"] + config["y"]}

    moved = after(lambda c: {"value": -(scale * (c["x"] + c["y"]) + shift)}, "maximize")
    assert moved == after(plain, "minimize")


def test_learns_from_the_very_point_that_was_drawn():
    log = Log(CmaEsSampler(), Problem(Space({"n": Int(0, 9), "m": Int(0, 9)})))
    log.run(1, lambda c: {"value": 0.0})
    state = log.engine.sampler_state
    drawn = 0.5 + 0.25 * state.results[0].steps * state.gaussian.stretch
    assert state.begun
    assert not np.allclose(drawn * 10 % 1, 0.5)  # not the centres of the cells
    assert log.engine.history[0].params == {"n": int(drawn[0] * 10), "m": int(drawn[1] * 10)}


def test_a_curved_valley_is_followed():
    space = Space({f"x{i}": Float(-2.0, 2.0) for i in range(4)})
    assert best(Log(CmaEsSampler(), Problem(space)), 1500, rosenbrock) < 1e-6


def test_integers_and_options_are_found_exactly():
    def mixed(config):
        numbers = (config["x"] - 0.31) ** 2 + (config["n"] - 7) ** 2
        return {"value": numbers + 2.0 * (config["kind"] != "b") + 1.0 * (not config["flag"])}

    assert best(Log(CmaEsSampler(), Problem(MIXED)), 500, mixed) < 1e-6


def test_integers_do_not_slow_the_numbers_down():
    """The margin alone, which keeps sending individuals to other cells, needs hundreds of trials more."""
    numbers = {f"x{i}": Float(-5.0, 5.0) for i in range(5)}
    space = Space({**{f"n{i}": Int(-5, 5) for i in range(5)}, **numbers})
    optimum = {name: 2 - place % 4 if name[0] == "n" else 1.3 - 0.7 * place for place, name in enumerate(space)}
    weights = dict(zip(space, 1000.0 ** (np.arange(10)[::-1] / 9)))

    def ellipsoid(config):
        return {"value": sum(weights[name] * (v - optimum[name]) ** 2 for name, v in config.items())}

    found = [best(Log(CmaEsSampler(), Problem(space), seed), 1000, ellipsoid) for seed in range(3)]
    assert np.median(found) < 0.3


def test_neighbouring_integers_stay_within_reach():
    log = Log(CmaEsSampler(), Problem(Space({"x": Float(-1.0, 1.0), "n": Int(0, 9)})))
    log.run(150, lambda c: {"value": c["x"] ** 2 + (c["n"] - 6) ** 2})
    state, history = log.engine.sampler_state, log.engine.history
    drawn = [log.sampler.ask(state, history, number) for number in range(1000, 1300)]
    assert np.std([config["x"] for config in drawn]) < 1e-2
    assert {5, 6, 7} <= {config["n"] for config in drawn}


def test_only_options():
    space = Space({f"c{i}": Choice(list("abcd")) for i in range(6)})
    log = Log(CmaEsSampler(), Problem(space))
    assert best(log, 400, lambda c: {"value": sum(v != "c" for v in c.values())}) == 0


def test_more_than_a_hundred_parameters():
    space = Space({f"x{i}": Float(0.0, 1.0) for i in range(120)})
    log = Log(CmaEsSampler(), Problem(space))
    log.run(40, far)
    assert log.engine.sampler_state.gaussian.basis.size == 0
    assert space.is_legal(log.proposal())


def test_many_values_are_treated_as_continuous():
    log = Log(CmaEsSampler(), Problem(Space({"n": Int(1, 10**6, log=True), "o": Ordinal([1, 2])})))
    assert best(log, 300, lambda c: {"value": abs(c["n"] - 5000) + c["o"]}) < 20


def test_the_search_begins_at_the_best_of_what_was_enqueued():
    log = Log(CmaEsSampler(), Problem(PLANE))
    enqueue(log, {"x": 0.5, "y": -0.5}, {"value": 1.0})
    enqueue(log, {"x": -0.5, "y": 0.5}, {"value": 2.0})
    enqueue(log, {"x": 0.0, "y": 0.0}, {"value": math.inf})
    assert mean_of(log) == pytest.approx([0.75, 0.25])


def test_defaults_come_first_and_priors_centre_the_search():
    space = Space(
        {"x": Float(0.0, 1.0, default=0.9), "y": Float(0.0, 1.0, prior=Prior(0.2)), "kind": Choice(["a", "b"])}
    )
    log = Log(CmaEsSampler(), Problem(space))
    assert mean_of(log) == pytest.approx([0.9, 0.2])
    assert log.run(1, far)[0]["x"] == 0.9
    assert log.proposal()["x"] != 0.9


def test_a_late_result_of_an_older_generation_is_taken_in():
    log = Log(CmaEsSampler(popsize=6), Problem(PLANE))
    late = log.start()
    log.run(6, far)
    state = log.engine.sampler_state
    assert state.results == []
    log.end(late[0], far(late[1]))
    assert len(state.results) == 1


def test_a_distant_result_moves_the_search_by_a_likely_step_at_most():
    log = Log(CmaEsSampler(popsize=6), Problem(PLANE))
    log.run(60, far)
    enqueue(log, {"x": -1.0, "y": -1.0}, {"value": 0.0})
    state = log.engine.sampler_state
    length = np.linalg.norm(state.gaussian.whitened(state.results[0].steps))
    assert length == pytest.approx(math.sqrt(2) + 2 * 2 / 4)


def test_nothing_to_gain_restarts_with_larger_populations():
    log = Log(CmaEsSampler(popsize=4), Problem(PLANE))
    sizes = []
    for _ in range(600):
        log.run(1, lambda c: {"value": 0.0})
        sizes.append(log.engine.sampler_state.popsize)
    assert log.engine.sampler_state.restarts >= 2
    assert sizes[0] == 4 and 8 in sizes


def test_a_restart_leaves_the_neighbourhood():
    log = Log(CmaEsSampler(popsize=4), Problem(PLANE))
    while not log.engine.sampler_state.restarts:
        log.run(1, far)
    assert abs(mean_of(log) - 0.85).max() > 0.01
    assert log.engine.sampler_state.gaussian.sigma == 0.25


def test_constraints_come_before_the_loss():
    problem = Problem(PLANE, constraints=(Constraint("sum", ">=", 1.0),))

    def objective(config):
        return {"value": config["x"] ** 2 + config["y"] ** 2, "sum": config["x"] + config["y"]}

    log = Log(CmaEsSampler(), problem)
    found = [objective(config) for config in log.run(400, objective)]
    feasible = [metrics["value"] for metrics in found if metrics["sum"] >= 1.0]
    assert min(feasible) == pytest.approx(0.5, abs=1e-2)


def test_failures_are_avoided():
    """Whatever lies left of the middle fails; the search stays right of it though the loss falls to the left."""
    log = Log(CmaEsSampler(), Problem(PLANE))
    for _ in range(150):
        number, config = log.start()
        if config["x"] < 0:
            log.end(number, {}, TrialState.FAIL)
        else:
            log.end(number, {"value": config["x"] + config["y"] ** 2})
    late = [trial.state for trial in log.engine.history.trials[-50:]]
    assert mean_of(log)[0] < 0.6
    assert late.count(TrialState.COMPLETE) > 20


# Spaces that grow while the study runs, as they do where the objective asks for its parameters.


def grown(space=None, trials=20):
    log = Log(CmaEsSampler(), Problem(space or Space()))
    log.run(3, lambda c: {"value": 9.0})
    log.write(SpaceExtended({"x": Float(-1.0, 1.0).to_json(), "z": Float(-1.0, 1.0, default=0.5).to_json()}, 0.0))
    log.run(trials, far)
    return log


def test_parameters_that_come_later_are_searched_like_the_others():
    log = grown(trials=300)
    late = [trial.params for trial in log.engine.history.trials[-20:]]
    assert min(far(config)["value"] for config in late) < 1e-3


def test_a_grown_space_is_searched_from_the_best_known():
    log = grown(Space({"x": Float(-1.0, 1.0)}), trials=0)
    enqueue(log, {"x": 0.62, "z": 0.4}, {"value": 0.0})
    first = [log.start()[1]["x"] for _ in range(40)]
    assert np.mean(first) == pytest.approx(0.5, abs=0.25)


def test_a_replica_agrees_in_a_grown_space():
    log = grown()
    late = log.start()
    for cut in range(len(log.entries) - 4, len(log.entries) + 1):
        replica = log.replayed(cut)
        fresh = log.replayed(cut)
        replica.propose(len(replica.history))
        assert replica.propose(len(replica.history)) == fresh.propose(len(fresh.history))
    log.end(late[0], far(late[1]))
    log.write(SpaceExtended({"w": Float(-1.0, 1.0).to_json()}, 0.0))
    assert all("w" in config for config in log.run(3, far))
    again = log.replayed(len(log.entries))
    assert again.propose(len(again.history)) == log.proposal()


def test_settings_are_checked():
    for settings_ in ({"popsize": 1}, {"sigma": 0.0}, {"sigma": 2.0}):
        with pytest.raises(InvalidInput):
            CmaEsSampler(**settings_)


def test_its_own_seed_replaces_the_studys():
    logs = [Log(CmaEsSampler(seed=5), Problem(PLANE), seed) for seed in (1, 2)]
    assert logs[0].proposal() == logs[1].proposal()


def test_tell_keeps_the_trial_apart_from_the_state():
    log = Log(CmaEsSampler(), Problem(PLANE))
    trial = Record(0, TrialState.COMPLETE, {"x": 0.5, "y": 0.5}, 1, "w", {"value": 1.0})
    before = dataclasses.replace(trial)
    log.sampler.tell(log.engine.sampler_state, trial, log.problem)
    assert trial == before
