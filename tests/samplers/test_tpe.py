"""The tree-structured Parzen estimator: which trials are good, what keeps it away, and how a finite space ends."""

import math

import numpy as np
import pytest

from kilter.core.errors import InvalidInput
from kilter.core.events import Enqueued, Failure, Started, TrialState
from kilter.core.numbers import Float, Int
from kilter.core.options import Boolean, Choice
from kilter.core.problem import Constraint, Objective, Problem
from kilter.core.space import Space
from kilter.models.results import Results
from kilter.samplers import QMCSampler
from kilter.samplers.tpe import TPESampler, _best, _others, _weights
from kilter.testing.sampler import Log, SamplerSuite, flat_space, size_of

LINE = Space({"x": Float(0, 1)})
TREE = Space(
    {
        "m": Choice(["a", "b", "c"]),
        "n": Int(1, 6).when(m="a"),
        "k": Choice(["u", "v"]).when(m="a"),
        "w": Boolean().when(k="v"),
        "s": Float(0, 1, step=0.25).when(m=["b", "c"]),
    },
    forbidden=[{"m": "c", "s": [0.5, 0.75]}, {"n": 2, "w": True}],
)


class TestTPE(SamplerSuite):
    renews = True
    improves = True
    exhausts = True

    def sampler(self):
        return TPESampler()


def told(problem, ends, sampler=None):
    """A log of trials at x = 0, 0.01, ..., each ended with the given metrics, state and failure."""
    log = Log(sampler or TPESampler(), problem)
    for number, (metrics, *rest) in enumerate(ends):
        log.write(Enqueued(number, {"x": number / 100}, 0.0))
        log.write(started(number, 1, log))
        log.end(number, metrics, *rest)
    return log


def started(number, attempt, log):
    """The start of an attempt at a trial that waits."""
    params = log.engine.history[number].params
    return Started(number, attempt, params, "w1", log.engine.position, 0.0, fresh=False)


def good(log):
    """Numbers of the good trials, best first."""
    results = Results.of(log.engine.history)
    return results.numbers[_best(results, log.engine.history)].tolist()


def others(log):
    history = log.engine.history
    results = Results.of(history)
    return sorted(_others(results, history, _best(results, history), np.random.default_rng(0)).tolist())


# A finite space.


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("space", [TREE, Space({"a": Boolean(), "b": Int(1, 3)}), Space({"only": Int(3, 3)})])
def test_a_finite_space_is_exhausted_and_nothing_is_tried_twice(space, workers):
    log = Log(TPESampler(), Problem(space))
    seen, running = [], []
    while (new := log.start()) is not None:
        seen.append(new[1])
        running.append(new[0])
        assert len(seen) <= space.size
        if len(running) == workers:
            number = running.pop(0)
            log.end(number, {"value": size_of(seen[number])})
    key = lambda config: repr(sorted(config.items()))  # noqa: E731
    assert sorted(map(key, seen)) == sorted(map(key, space.grid(100)))


def test_what_a_user_enqueued_is_not_tried_again():
    space = Space({"a": Int(1, 4)})
    log = Log(TPESampler(), Problem(space))
    log.write(Enqueued(0, {"a": 3}, 0.0))
    assert sorted(c["a"] for c in log.run(9, lambda _: {"value": 0.0})) == [1, 2, 4]


def test_a_branch_of_one_point_is_tried_once():
    space = Space({"m": Choice(["knn", "svm"]), "C": Float(0, 1).when(m="svm")})
    configs = Log(TPESampler(), Problem(space)).run(60, lambda c: {"value": float(c["m"] == "svm")})
    assert sum(config["m"] == "knn" for config in configs) == 1


# Which trials are good.


def test_the_best_are_good():
    values = [5.0, 1.0, 3.0, 2.0, 4.0, 0.5, 9.0]
    assert good(told(Problem(LINE), [({"value": v},) for v in values])) == [5, 1, 3]
    maximized = Problem(LINE, (Objective("value", "maximize"),))
    assert good(told(maximized, [({"value": v},) for v in values])) == [6, 0, 4]


def test_at_most_twenty_five_are_good_and_the_others_are_bounded():
    log = told(Problem(LINE), [({"value": -float(v)},) for v in range(700)])
    assert good(log) == list(range(699, 674, -1))
    assert len(others(log)) == 512
    number, _ = log.start()
    assert number in others(log)


def test_feasible_trials_come_first_then_the_nearly_feasible():
    problem = Problem(LINE, constraints=(Constraint("m", "<=", 1.0),))
    ends = [({"value": v, "m": m},) for v, m in [(0.0, 9.0), (7.0, 1.0), (-5.0, 2.0), (6.0, 0.0), (1.0, 3.0)]]
    assert good(told(problem, ends)) == [3, 1]
    assert good(told(problem, [ends[0], ends[2], ends[4]])) == [1, 2]


def test_the_front_is_good_and_its_ends_before_the_crowd():
    problem = Problem(LINE, (Objective("a"), Objective("b")))
    points = [(0.5, 0.5), (2.0, 2.0), (0.0, 1.0), (0.52, 0.49), (1.0, 0.0), (3.0, 3.0)]
    log = told(problem, [({"a": a, "b": b},) for a, b in points])
    assert sorted(good(log)) == [2, 4]
    assert sorted(good(told(problem, [({"a": a, "b": b},) for a, b in [*points[:5], *points[5:] * 9]]))) == [0, 2, 3, 4]


def test_failed_trials_are_never_good_and_pruned_ones_last():
    broken = ({}, TrialState.FAIL, Failure("ValueError"))
    infinite = ({"value": -math.inf},)
    pruned = ({"value": -9.0}, TrialState.PRUNED)
    log = told(Problem(LINE), [broken, infinite, pruned, ({"value": 2.0},), ({"value": 1.0},)])
    assert good(log) == [4, 3]
    assert others(log) == [0, 1, 2]
    assert good(told(Problem(LINE), [broken, pruned, ({"value": 2.0},)])) == [2, 1]


def test_a_lost_machine_says_nothing_of_the_configuration():
    log = told(Problem(LINE), [({"value": 1.0},)] * 3 + [({}, TrialState.FAIL, Failure("ValueError"))])
    log.write(Enqueued(4, {"x": 0.5}, 0.0))
    for attempt in (1, 2, 3):
        log.write(started(4, attempt, log))
        log.end(4, {}, TrialState.FAIL, Failure("lost"))
    assert log.engine.history[4].state is TrialState.FAIL
    assert others(log) == [2, 3]


def test_the_better_weigh_more():
    weights = _weights(10)
    assert (np.diff(weights) < 0).all()
    assert weights[-1] > 0
    assert math.isclose(weights.mean(), 1.0)
    assert _weights(0).shape == (0,)


# What it proposes.


def test_it_begins_with_the_sobol_sequence_and_the_defaults():
    space = Space({"x": Float(0, 1, default=0.3), "y": Float(0, 1)})
    ours, sobol = (Log(s, Problem(space)).run(14, lambda c: {"value": c["x"]}) for s in (TPESampler(), QMCSampler()))
    assert ours[:10] == sobol[:10]
    assert ours[0]["x"] == 0.3
    assert all(one != other for one, other in zip(ours[10:], sobol[10:]))


def test_it_waits_for_results():
    """With nothing to learn from, however many trials were asked for or failed, the sequence goes on."""
    space = flat_space()
    log, sobol = (Log(s, Problem(space)) for s in (TPESampler(initial=2), QMCSampler()))
    for state in (TrialState.FAIL, TrialState.COMPLETE) * 3:
        number, _ = log.start()
        sobol.start()
        if state is TrialState.FAIL:
            log.end(number, {}, state, Failure("ValueError"))
        assert log.proposal() == sobol.proposal()


def test_it_stays_away_from_where_trials_fail():
    log = Log(TPESampler(), Problem(LINE))
    for _ in range(50):
        number, config = log.start()
        if config["x"] > 0.5:
            log.end(number, {"value": 0.0})
        else:
            log.end(number, {}, TrialState.FAIL, Failure("MemoryError"))
    assert np.mean([trial.params["x"] > 0.5 for trial in log.engine.history][25:]) > 0.9


def test_pending_trials_push_away():
    """The same history with one trial running at the proposal gives another, and few workers propose alike."""
    log = Log(TPESampler(), Problem(flat_space()))
    log.run(20, lambda c: {"value": abs(c["x"])})
    proposals = [log.start()[1]["x"] for _ in range(8)]
    assert np.ptp(proposals) > 0.05


def test_bad_settings():
    with pytest.raises(InvalidInput, match="initial"):
        TPESampler(initial=0)
