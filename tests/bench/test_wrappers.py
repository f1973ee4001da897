"""Wrapped problems stay legal, keep their optimum within reach, and do not mind the order where none should matter."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kilter.bench import PROBLEMS, conditional, delayed, discretised, failing, noisy, permuted, shifted
from kilter.bench.problem import BenchProblem
from kilter.core.errors import InvalidInput
from kilter.core.space import Space

SINGLE = ["branin", "hartmann-3", "schwefel-3", "mixed", "pipeline", "table", "cut-sphere-4", "levy-4"]
MADE = {name: PROBLEMS[name]() for name in [*SINGLE, "zdt1", "dtlz2"]}

seeds = st.integers(0, 2**32 - 1)
wrappers = st.one_of(
    seeds.map(lambda seed: lambda problem: shifted(problem, seed)),
    seeds.map(lambda seed: lambda problem: permuted(problem, seed)),
    seeds.map(lambda seed: lambda problem: conditional(problem, seed, f"switch-{len(problem.problem.space)}")),
    st.integers(2, 9).map(lambda levels: lambda problem: discretised(problem, levels)),
    st.floats(0, 3).map(lambda sd: lambda problem: noisy(problem, sd)),
    st.floats(0, 3).map(lambda share: lambda problem: noisy(problem, relative=share)),
    st.floats(0, 0.9).map(lambda share: lambda problem: failing(problem, share)),
    st.floats(0.1, 9).map(lambda seconds: lambda problem: delayed(problem, seconds)),
)


@st.composite
def wrapped(draw: st.DrawFn) -> tuple[BenchProblem, BenchProblem]:
    """A problem, and the same in up to four wrappers."""
    problem = outer = MADE[draw(st.sampled_from(SINGLE))]
    for wrap in draw(st.lists(wrappers, min_size=1, max_size=4)):
        outer = wrap(outer)
    return problem, outer


def drawn(problem: BenchProblem, seed: int) -> dict[str, Any]:
    space = problem.problem.space
    return space.values(space.draw(np.random.default_rng(seed)))


@given(wrapped())
def test_the_best_value_stays_within_reach(pair: tuple[BenchProblem, BenchProblem]) -> None:
    inner, outer = pair
    space = outer.problem.space
    config = space.plain(outer.optimum)
    assert space.is_legal(config)
    metrics = outer.noiseless(space.values(config))
    assert outer.best == inner.best
    assert outer.problem.is_feasible(metrics) or math.isclose(metrics["load"], 5.0)  # a hair, after shifts and back
    assert metrics[outer.problem.objectives[0].name] == pytest.approx(inner.best, rel=1e-6, abs=1e-6)


@given(wrapped(), seeds)
def test_every_draw_is_legal_has_all_metrics_and_is_no_better_than_the_best(
    pair: tuple[BenchProblem, BenchProblem], seed: int
) -> None:
    outer = pair[1]
    metrics = outer.noiseless(drawn(outer, seed))
    assert set(metrics) == set(outer.problem.metric_names)
    objective = outer.problem.objectives[0]
    if outer.problem.is_feasible(metrics):
        assert objective.sign * metrics[objective.name] >= objective.sign * outer.best - 1e-6
    assert Space.from_json(outer.problem.space.to_json()) == outer.problem.space


@given(wrapped(), seeds)
def test_an_evaluation_follows_from_its_generator(pair: tuple[BenchProblem, BenchProblem], seed: int) -> None:
    outer = pair[1]
    values = drawn(outer, seed)

    def evaluated() -> Any:
        try:
            return outer.evaluate(values, np.random.default_rng(seed))
        except ArithmeticError as error:
            return str(error)

    assert evaluated() == evaluated()


@given(st.sampled_from(SINGLE), seeds, seeds, st.floats(0, 3))
def test_what_acts_on_the_space_and_what_acts_on_the_result_commute(
    name: str, seed: int, place: int, sd: float
) -> None:
    for change in (shifted, permuted, conditional):
        one, other = noisy(change(MADE[name], seed), sd), change(noisy(MADE[name], sd), seed)
        values = drawn(one, place)
        assert one.problem == other.problem
        assert one.optimum == other.optimum
        assert one.evaluate(values, np.random.default_rng(1)) == other.evaluate(values, np.random.default_rng(1))


@given(st.sampled_from(SINGLE), seeds, seeds)
def test_a_permutation_changes_the_order_and_nothing_else(name: str, seed: int, place: int) -> None:
    problem = MADE[name]
    mixed = permuted(problem, seed)
    assert set(mixed.problem.space) == set(problem.problem.space)
    values = drawn(mixed, place)
    assert mixed.noiseless(values) == problem.noiseless(values)


def test_some_permutation_lists_parameters_and_options_differently() -> None:
    known = MADE["table"].problem.space
    mixed = permuted(MADE["table"], 1).problem.space
    assert list(mixed) != list(known)
    assert any(mixed[name].values != known[name].values for name in known)


@given(st.sampled_from(["levy-4", "schwefel-3", "hartmann-3", "zdt1", "dtlz2"]), seeds)
def test_a_shift_moves_what_the_optimum_names_off_borders_and_centre(name: str, seed: int) -> None:
    problem = MADE[name]
    moved = shifted(problem, seed)
    assert moved.problem == problem.problem
    for known, value in moved.optimum.items():
        u = problem.problem.space[known].unit(value)
        assert 0.099 < u < 0.901
        assert abs(u - 0.5) > 0.099
    for known in set(problem.problem.space) - set(problem.optimum):
        values = drawn(problem, seed)
        inner = moved.noiseless({**values, **moved.optimum})
        assert inner == pytest.approx(problem.noiseless({**values, **problem.optimum})), known


@given(seeds)
def test_a_shift_keeps_distances_and_reflects_without_a_jump(seed: int) -> None:
    sphere = shifted(PROBLEMS["sphere-4"](), seed)
    near = {name: v + 1e-3 for name, v in sphere.optimum.items()}
    assert sphere.noiseless(near)["value"] == pytest.approx(4e-6, rel=1e-3)
    slope = shifted(replace(PROBLEMS["levy-4"](), function=lambda values: {"value": values["x1"]}), seed)
    across = np.linspace(-10, 10, 101)
    seen = [slope.noiseless({**slope.optimum, "x1": x})["value"] for x in across]
    assert np.abs(np.diff(seen)).max() <= across[1] - across[0] + 1e-9


def test_the_switch_takes_half_of_the_parameters_away() -> None:
    problem = conditional(MADE["hartmann-3"], 0)
    reduced = problem.problem.space.plain({"switch": "reduced", "x1": 0.1, "x2": 0.2, "x3": 0.3})
    assert len(reduced) == 3
    full = {"switch": "full", "x1": 0.1, "x2": 0.2, "x3": 0.3}
    assert problem.noiseless(full) == MADE["hartmann-3"].noiseless({"x1": 0.1, "x2": 0.2, "x3": 0.3})
    assert problem.noiseless(reduced) != problem.noiseless(full)


def test_a_share_and_a_region_fail() -> None:
    branin, stream = MADE["branin"], np.random.default_rng(0)
    values = {"x1": 1.0, "x2": 2.0}
    risky = failing(branin, 0.3, nan=True)
    share = np.mean([math.isnan(risky.evaluate(values, stream)["value"]) for _ in range(1000)])
    assert 0.25 < share < 0.35
    closed = failing(branin, region=lambda values: values["x1"] < 0)
    assert closed.evaluate(values, stream) == closed.noiseless(values)
    with pytest.raises(ArithmeticError):
        closed.evaluate({"x1": -1.0, "x2": 2.0}, stream)


@settings(max_examples=20)
@given(st.floats(0.01, 5), seeds)
def test_noise_has_the_spread_that_was_asked_for(sd: float, seed: int) -> None:
    problem, stream = noisy(MADE["cut-sphere-4"], sd), np.random.default_rng(seed)
    values = drawn(problem, seed)
    seen = [problem.evaluate(values, stream) for _ in range(400)]
    spread = np.std([metrics["value"] for metrics in seen])
    assert 0.75 * sd < spread < 1.25 * sd
    assert len({metrics["load"] for metrics in seen}) == 1


@settings(max_examples=20)
@given(st.sampled_from(SINGLE), st.floats(0.01, 3), seeds)
def test_relative_noise_grows_with_the_distance_from_the_best(name: str, share: float, seed: int) -> None:
    problem, stream = noisy(MADE[name], relative=share), np.random.default_rng(seed)
    values, metric = drawn(problem, seed), problem.problem.objectives[0].name
    seen = [problem.evaluate(values, stream)[metric] for _ in range(400)]
    distance = abs(problem.noiseless(values)[metric] - problem.best)
    assert 0.75 * share * distance <= np.std(seen) <= 1.25 * share * distance
    assert problem.evaluate(problem.optimum, stream)[metric] == pytest.approx(problem.best, rel=1e-6, abs=1e-6)


def test_a_grid_has_the_levels_and_the_optimum_among_them() -> None:
    problem = discretised(MADE["branin"], 5)
    space = problem.problem.space
    assert space.size == 25
    assert np.ptp(np.diff(space["x1"].values)) < 1e-9  # evenly spread
    assert problem.optimum == MADE["branin"].optimum


def test_a_delay_is_what_it_says() -> None:
    assert delayed(MADE["branin"], 3.0).seconds({"x1": 0.0, "x2": 0.0}) == 3.0
    uneven = shifted(delayed(MADE["branin"], lambda values: values["x2"]), 3)
    assert uneven.seconds(uneven.optimum) == pytest.approx(2.275)


@pytest.mark.parametrize(
    ("wrap", "said"),
    [
        (lambda p: noisy(p, -1.0), "finite number from 0"),
        (lambda p: noisy(p, {"loss": 1.0}), "objectives"),
        (lambda p: noisy(p, relative=-1.0), "from 0 on"),
        (lambda p: noisy(replace(p, best=None), relative=0.1), "no best value"),
        (lambda p: failing(p, 1.0), "share"),
        (lambda p: failing(p, region=lambda values: True), "holds the optimum"),
        (lambda p: discretised(p, 1), "at least 2 levels"),
        (lambda p: conditional(p, name="x1"), "of that name"),
        (lambda p: shifted(replace(p, optimum=None)), "known"),
        (lambda p: discretised(MADE["zdt1"], 5), "one objective"),
    ],
)
def test_what_cannot_be_is_refused(wrap: Any, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        wrap(MADE["branin"])
