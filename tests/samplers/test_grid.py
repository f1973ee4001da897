"""Grid search: each point once, in an order of the seed, then the end."""

import pytest

from kilter.core.errors import InvalidInput
from kilter.core.events import Enqueued, Started
from kilter.core.parameter import Boolean, Choice, Float, Int
from kilter.core.problem import Problem
from kilter.core.space import Space
from kilter.samplers import GridSampler
from kilter.testing.sampler import Log, rich_space

CONDITIONAL = Space(
    {
        "model": Choice(["svm", "forest"]),
        "C": Float(0.1, 10, log=True).when(model="svm"),
        "trees": Int(1, 4).when(model="forest"),
        "scale": Boolean(),
    },
    forbidden=[{"model": "svm", "scale": False}],
)


def visited(sampler, space, seed=7, limit=5000):
    log = Log(sampler, Problem(space), seed)
    configs = log.run(limit, lambda _: {"value": 0.0})
    assert len(configs) == limit or log.proposal() is None
    return configs


def keys(configs):
    return [repr(sorted(config.items())) for config in configs]


@pytest.mark.parametrize(("space", "n"), [(CONDITIONAL, 3), (CONDITIONAL, 10), (rich_space(), 3), (Space(), 2)])
def test_each_point_once(space, n):
    configs = visited(GridSampler(n=n), space)
    assert len(set(keys(configs))) == len(configs)
    assert set(keys(configs)) == set(keys(space.grid(n)))
    assert all(map(space.is_legal, configs))


def test_conditional_parameters_only_where_they_are_active():
    configs = visited(GridSampler(n=3), CONDITIONAL)
    assert sum(c["model"] == "svm" for c in configs) == 3
    assert sum(c["model"] == "forest" for c in configs) == 6


@pytest.mark.parametrize("size", range(1, 30))
def test_every_size_is_visited_whole(size):
    configs = visited(GridSampler(n=100), Space({"a": Int(1, size)}), seed=size)
    assert sorted(c["a"] for c in configs) == list(range(1, size + 1))


def test_the_order_is_the_seeds():
    space = Space({"a": Int(0, 30)})
    orders = [visited(GridSampler(n=100, seed=seed), space) for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]


def test_enqueued_trials_take_no_place():
    log = Log(GridSampler(), Problem(Space({"a": Int(0, 5)})))
    log.start()
    log.write(Enqueued(1, {"a": 0}, 0.0))
    log.write(Started(1, 1, {"a": 0}, "w", 0, 0.0, fresh=False))
    log.run(50, lambda _: {"value": 0.0})
    chosen = [t.params["a"] for t in log.engine.history if not t.enqueued]
    assert sorted(chosen) == list(range(6))


# search_space


def test_search_space():
    space = Space({"x": Float(0, 1), "n": Int(1, 100)})
    configs = visited(GridSampler({"x": [0, 0.5, 1], "n": [1, 64]}), space)
    assert sorted(keys(configs)) == sorted(keys({"x": x, "n": n} for x in (0.0, 0.5, 1.0) for n in (1, 64)))
    assert all(map(space.is_legal, configs))


def test_search_space_keeps_conditions_and_clauses():
    listed = {"model": ["svm", "forest"], "C": [0.1, 1, 10], "trees": [1, 2], "scale": [True, False]}
    configs = visited(GridSampler(listed), CONDITIONAL)
    assert len(configs) == len(set(keys(configs))) == 3 + 4
    assert all(map(CONDITIONAL.is_legal, configs))


def test_search_space_of_some_parameters_draws_the_rest():
    configs = visited(GridSampler({"model": ["forest"], "trees": [1, 2, 3]}), CONDITIONAL)
    assert sorted(c["trees"] for c in configs) == [1, 2, 3]
    assert all(map(CONDITIONAL.is_legal, configs))


def test_search_space_before_the_space_is_known():
    """An objective that defines by run: nothing is declared, then the names of the grid come one by one."""
    listed = {"b": [1, 2], "a": ["u", "v"]}
    configs = visited(GridSampler(listed), Space())
    grown = visited(GridSampler(listed), Space({"a": Choice(["u", "v"]), "b": Int(1, 9)}))
    assert len(set(keys(configs))) == 4
    assert keys(configs) == keys(grown)


def test_search_space_tells_one_from_true():
    assert [c["a"] for c in visited(GridSampler({"a": [1]}), Space())] == [1]
    (config,) = visited(GridSampler({"a": [True]}), Space())
    assert config["a"] is True


def test_search_space_takes_any_option():
    space = Space({"layers": Choice([[1, 2], [3]])})
    configs = visited(GridSampler({"layers": [[1, 2], [3]]}), space)
    assert len(configs) == 2
    assert all(map(space.is_legal, configs))


def test_search_space_outside_the_space():
    with pytest.raises(InvalidInput, match=r"search_space.*x"):
        visited(GridSampler({"x": [2.0]}), Space({"x": Float(0, 1)}))


def test_bad_settings():
    with pytest.raises(InvalidInput, match="n=0"):
        GridSampler(n=0)
    with pytest.raises(InvalidInput, match="fewer values"):
        visited(GridSampler(), Space({f"x{i}": Float(0, 1) for i in range(40)}))
