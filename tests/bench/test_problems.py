"""The optima are where they are said to be, nothing is below them, and no sampler finds them by its first guess."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilter.bench import PROBLEMS, find
from kilter.bench.problem import BenchProblem, hypervolume, own
from kilter.core.errors import InvalidInput, UnknownName
from kilter.core.numbers import Float
from kilter.core.problem import Problem
from kilter.core.space import Space

MADE = {name: make() for name, make in PROBLEMS.items()}
SINGLE = [name for name, problem in MADE.items() if len(problem.problem.objectives) == 1]
SEVERAL = [name for name in MADE if name not in SINGLE]


def value(problem: BenchProblem, values: dict) -> float:
    return problem.problem.standing(problem.noiseless(values)).loss


def best(problem: BenchProblem) -> float:
    return problem.problem.objectives[0].sign * problem.best


@pytest.mark.parametrize("name", MADE)
def test_a_problem_is_called_by_its_key(name: str) -> None:
    assert MADE[name].name == name


@pytest.mark.parametrize("name", SINGLE)
def test_the_optimum_is_legal_and_has_the_best_value(name: str) -> None:
    problem = MADE[name]
    space = problem.problem.space
    config = space.plain(problem.optimum)
    assert space.is_legal(config)
    metrics = problem.noiseless(space.values(config))
    assert problem.problem.is_feasible(metrics)
    assert value(problem, space.values(config)) == pytest.approx(best(problem), rel=1e-9, abs=1e-9)


@given(st.sampled_from(SINGLE), st.integers(0, 2**32), st.floats(0, 0.2))
def test_nothing_is_better_than_the_best(name: str, seed: int, spread: float) -> None:
    problem, stream = MADE[name], np.random.default_rng(seed)
    space = problem.problem.space
    optimum = np.nan_to_num(space.encode([space.plain(problem.optimum)])[0], nan=0.5)
    near = np.clip(optimum + spread * stream.standard_normal(len(space)), 0, 1)
    for config in (space.decode(near), space.draw(stream)):
        metrics = problem.noiseless(space.values(config))
        if problem.problem.is_feasible(metrics):
            assert problem.problem.standing(metrics).loss >= best(problem) - 1e-9


@pytest.mark.parametrize("name", SINGLE)
def test_the_optimum_is_neither_in_the_centre_nor_in_a_corner(name: str) -> None:
    problem = MADE[name]
    space = problem.problem.space
    place = space.encode([space.plain(problem.optimum)])[0]
    place = place[[np.isinf(parameter.size) for parameter in space.parameters.values()]]
    place = place[~np.isnan(place)]
    assert not len(place) or np.abs(place - 0.5).max() > 0.05
    assert not len(place) or np.abs(place - 0.5).min() < 0.45


@pytest.mark.parametrize("name", SINGLE)
def test_ten_random_draws_leave_something_to_gain(name: str) -> None:
    problem = MADE[name]
    sign = problem.problem.objectives[0].sign
    assert sign * problem.typical > best(problem) + 0.05 * abs(best(problem))


@pytest.mark.parametrize("name", SEVERAL)
def test_random_draws_stay_below_the_best_hypervolume_and_the_optimum_comes_close(name: str) -> None:
    problem, stream = MADE[name], np.random.default_rng(0)
    space = problem.problem.space
    drawn = [space.values(space.draw(stream)) for _ in range(300)]
    losses = [problem.problem.standing(problem.noiseless(v)).losses for v in drawn]
    blind = hypervolume(np.array(losses), problem.reference)
    informed = [problem.problem.standing(problem.noiseless({**v, **problem.optimum})).losses for v in drawn]
    known = hypervolume(np.array(informed), problem.reference)
    assert 0 < problem.typical < blind < problem.best
    assert blind <= known < problem.best
    if problem.optimum:
        assert known > 0.95 * problem.best


def test_kursawes_best_hypervolume_is_just_above_what_a_search_of_its_corner_finds() -> None:
    problem, stream = MADE["kursawe"], np.random.default_rng(0)
    corner = stream.uniform(-1.3, 0.0, (4000, 3)) * (stream.random((4000, 3)) < 0.8)
    points = [problem.problem.standing(problem.noiseless(dict(zip(["x1", "x2", "x3"], row)))).losses for row in corner]
    assert 0.98 * problem.best < hypervolume(np.array(points), problem.reference) < problem.best


@settings(max_examples=20)
@given(st.sampled_from(sorted(MADE)), st.integers(0, 2**32))
def test_without_noise_an_evaluation_is_the_truth(name: str, seed: int) -> None:
    problem = MADE[name]
    space = problem.problem.space
    values = space.values(space.draw(np.random.default_rng(seed)))
    if not problem.is_noisy and "failing" not in problem.tags:
        assert problem.evaluate(values, np.random.default_rng(0)) == problem.noiseless(values)
    assert set(problem.noiseless(values)) == set(problem.problem.metric_names)
    assert problem.seconds(values) > 0


def test_patterns_pick_in_the_order_of_the_table() -> None:
    assert [problem.name for problem in find(["zdt*", "branin", "zdt1"])] == ["branin", "zdt1", "zdt2", "zdt3"]
    with pytest.raises(UnknownName, match="did you mean 'branin'"):
        find(["sphere-4", "brannin"])


def test_an_objective_of_ones_own_needs_a_space_and_may_return_a_number() -> None:
    space = Space({"x": Float(-1, 1)})
    assert own("mine", Problem(space), lambda x: x).noiseless({"x": 0.5}) == {"value": 0.5}
    assert own("mine", Problem.of(space, directions={"a": "maximize"}), lambda x: {"a": x}).typical is not None
    with pytest.raises(InvalidInput, match="no parameters"):
        own("mine", Problem(), lambda: 0.0)
