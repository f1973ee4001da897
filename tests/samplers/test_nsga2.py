"""NSGA-II: who is a parent, how children differ from them, and that fronts come out better than by chance."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilter.core.errors import InvalidInput
from kilter.core.events import TrialState
from kilter.core.history import Record
from kilter.core.numbers import Float, Int
from kilter.core.options import Boolean, Choice, Ordinal
from kilter.core.problem import Constraint, Objective, Problem
from kilter.core.space import Space
from kilter.models.hypervolume import hypervolume
from kilter.samplers import RandomSampler
from kilter.samplers.nsga2 import NSGA2Sampler, _crossover, _moved, _mutation, crossed, mutated
from kilter.samplers.sobol import QMCSampler
from kilter.testing.sampler import Log, SamplerSuite, rich_space

SPACE = Space({"x": Float(0, 1), "n": Int(1, 9)})
UNIT = st.floats(0, 1)


class TestNSGA2(SamplerSuite):
    renews = True
    improves = True

    def sampler(self):
        return NSGA2Sampler()


class TestReferenceDirections(SamplerSuite):
    """The other niching, with a population small enough for the suite's short runs to breed."""

    def sampler(self):
        return NSGA2Sampler(population=4, niching="reference")


def told(problem, *metrics, population=4, state=TrialState.COMPLETE):
    sampler = NSGA2Sampler(population)
    learnt = sampler.start(problem, 7)
    for number, each in enumerate(metrics):
        sampler.tell(learnt, Record(number, state, {"x": number / 100, "n": 1}, metrics=each), problem)
    return sampler, learnt


def survivors(sampler, state):
    return [round(100 * state.members[i][0]["x"]) for i in sampler._order(state)[: sampler.population]]


# Who is a parent.


def test_the_best_of_all_stay():
    sampler, state = told(Problem(SPACE), *({"value": float(v)} for v in [0, 9, 8, 7, 6, 5, 4, 3, 2, 1, 10]))
    assert survivors(sampler, state) == [0, 9, 8, 7]
    assert len(state.members) < 8


@pytest.mark.parametrize("metrics", [{}, {"value": math.nan}, {"value": math.inf}])
def test_only_results_join(metrics):
    assert told(Problem(SPACE), metrics)[1].members == []
    assert told(Problem(SPACE), {"value": 1.0}, state=TrialState.PRUNED)[1].members == []


def test_the_front_stays_and_its_ends_first():
    problem = Problem(SPACE, (Objective("a"), Objective("b", "maximize")))
    rows = [(5.0, 0.0), (0.0, 0.0), (4.0, 4.0), (1.0, 1.5), (2.0, 2.0), (2.1, 2.1), (9.0, 1.0)]
    sampler, state = told(problem, *({"a": a, "b": b} for a, b in rows))
    assert set(survivors(sampler, state)[:2]) == {1, 2}
    assert set(survivors(sampler, state)) <= {1, 2, 3, 4, 5}


def test_the_feasible_come_first_then_the_smallest_violation():
    """Each constraint counts as a share of its bound; what is not known counts as worst."""
    problem = Problem(SPACE, constraints=(Constraint("m", "<=", 1.0), Constraint("k", ">=", 0.0)))
    rows = [(0.0, 1001.0, 0.0), (1.0, 501.0, -0.1), (9.0, 1.0, 0.0), (2.0, 1.0, -1.0), (0.0, 1.0, math.nan)]
    sampler, state = told(problem, *({"value": v, "m": m, "k": k} for v, m, k in rows))
    assert survivors(sampler, state) == [2, 3, 1, 0]


def test_more_than_three_objectives_have_niches():
    """Four ends and many in a heap on one side: of the heap one stays for each direction, not the least crowded."""
    rng = np.random.default_rng(0)
    heap = np.array([1.0, 1.0, 1.0, 1.0]) + 0.01 * rng.standard_normal((20, 4))
    values = np.vstack([heap, 4.0 - 4.0 * np.eye(4) * 0.99])
    problem = Problem(SPACE, tuple(map(Objective, "abcd")))
    metrics = [dict(zip("abcd", row)) for row in values]
    orders = {}
    for niching in ("auto", "reference", "crowding"):
        sampler = NSGA2Sampler(20, niching=niching)
        state = sampler.start(problem, 7)
        for number, each in enumerate(metrics):
            sampler.tell(state, Record(number, TrialState.COMPLETE, {"x": 0.5, "n": 1}, metrics=each), problem)
        orders[niching] = sampler._order(state).tolist()
    assert orders["auto"] == orders["reference"] != orders["crowding"]


# How children differ from their parents.


@given(UNIT, UNIT, UNIT)
def test_crossover_and_mutation_stay_in_the_range(a, b, u):
    a, b = sorted((a, b))
    assert -1e-9 <= _crossover(a, b, u) <= 0.5 * (a + b) + 1e-9
    assert -1e-9 <= _mutation(a, u) <= 1 + 1e-9


@given(UNIT, st.lists(UNIT, min_size=2, max_size=9))
def test_mutation_is_monotone_and_reaches_the_borders(x, us):
    moved = [_mutation(x, u) for u in sorted(us)]
    assert all(later >= earlier - 1e-9 for earlier, later in pairwise(moved))
    assert _mutation(x, 0.0) == pytest.approx(0.0)
    assert _mutation(x, 0.5) == pytest.approx(x)
    assert _mutation(x, 1.0) == pytest.approx(1.0)


def test_crossover_is_spread_as_its_density_says():
    """Far from the borders half of the children lie between the parents, and the median lies on the nearer one."""
    children = [_crossover(0.45, 0.55, u) for u in np.linspace(0.001, 0.999, 999)]
    assert np.median(children) == pytest.approx(0.45, abs=1e-6)
    assert np.quantile(np.abs(np.array(children) - 0.45), 0.5) == pytest.approx(0.003, abs=0.002)


@pytest.mark.parametrize("parameter", [Int(1, 2), Int(1, 9), Ordinal([1, 5, 7]), Float(0, 1, step=0.5), Float(0, 1)])
def test_a_mutation_of_a_number_changes_it(parameter):
    for value in parameter.grid(9):
        for u in (0.0, 0.2, 0.499, 0.501, 0.8, 1.0):
            moved = _moved(parameter, value, u)
            assert parameter.contains(moved)
            assert moved != value or parameter.unit(value) in (0.0, 1.0)  # continuous, and a step into the border


def test_a_child_has_values_of_its_parents():
    space = Space({**{f"x{i}": Float(0, 1) for i in range(6)}, **{f"c{i}": Choice(["a", "b", "c"]) for i in range(6)}})
    one, other = space.decode([0.2] * 6 + [0.1] * 6), space.decode([0.8] * 6 + [0.9] * 6)
    children = [crossed(one, other, space, np.random.default_rng(seed)) for seed in range(200)]
    assert {child["c0"] for child in children} == {"a", "c"}
    numbers = np.array([[child[f"x{i}"] for i in range(6)] for child in children])
    near = np.minimum(abs(numbers - 0.2), abs(numbers - 0.8))
    assert 0.4 < (near < 1e-9).mean() < 0.7
    assert near.max() < 0.3
    assert any(child == one for child in children)  # where they do not cross


def test_children_are_legal_where_parents_are():
    space = rich_space()
    for seed in range(300):
        stream = np.random.default_rng(seed)
        child = mutated(crossed(space.draw(stream), space.draw(stream), space, stream), space, stream)
        assert space.is_legal(child) or space.is_forbidden(child)


def test_about_one_parameter_mutates():
    space = Space({f"x{i}": Float(0, 1) for i in range(10)})
    parent = space.decode([0.5] * 10)
    children = [mutated(parent, space, np.random.default_rng(seed)) for seed in range(300)]
    assert 0.8 < np.mean([sum(child[name] != parent[name] for name in space) for child in children]) < 1.2


@pytest.mark.parametrize("parameter", [Int(1, 3), Boolean(), Choice(["a", "b"]), Float(0, 1, step=0.5)])
def test_nothing_is_tried_twice_while_there_is_more(parameter):
    """In a space of a few points each comes up once; trials that run count too."""
    space = Space({"p": parameter, "n": Int(0, 19)})
    log = Log(NSGA2Sampler(population=4), Problem(space))
    log.start()
    configs = log.run(24, lambda c: {"value": c["n"]})
    seen = [log.engine.history[0].params, *configs[:4]]
    for config in configs[4:]:
        assert config not in seen
        seen.append(config)


# The runs.


def test_the_first_trials_are_the_defaults_and_quasi_random():
    space = Space({"x": Float(0, 1, default=0.25), "n": Int(1, 9)})

    def first(sampler):
        return Log(sampler, Problem(space)).run(4, lambda c: {"value": c["x"]})

    assert first(NSGA2Sampler())[0]["x"] == 0.25
    assert first(NSGA2Sampler(population=4)) == first(QMCSampler())


def volume(sampler, seed, trials=400):
    """Hypervolume of the first test problem of Zitzler, Deb & Thiele (2000) in six dimensions."""
    space = Space({f"x{i}": Float(0, 1) for i in range(6)})
    values = []

    def objective(config):
        x = list(config.values())
        g = 1 + 9 * sum(x[1:]) / (len(x) - 1)
        values.append([x[0], g * (1 - math.sqrt(x[0] / g))])
        return dict(zip("ab", values[-1]))

    Log(sampler, Problem(space, (Objective("a"), Objective("b"))), seed).run(trials, objective)
    return hypervolume(np.array(values), np.array([1.1, 5.0]))


def test_better_fronts_than_random_search():
    """Of a volume of 5.17 at most, every one of three runs leaves less than a third of what random search leaves."""
    ours = [volume(NSGA2Sampler(), seed) for seed in range(3)]
    random = [volume(RandomSampler(), seed) for seed in range(3)]
    assert 5.17 - min(ours) < (5.17 - max(random)) / 3


@pytest.mark.parametrize("settings", [{"population": 1}, {"niching": "none"}])
def test_bad_settings(settings):
    with pytest.raises(InvalidInput, match=next(iter(settings))):
        NSGA2Sampler(**settings)
