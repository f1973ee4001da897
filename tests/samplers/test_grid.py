"""Grid search: each point once, in an order of the seed, then the end."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import kilter
from kilter.core.errors import InvalidInput
from kilter.core.events import Ended, Enqueued, Failure, SpaceExtended, Started, TrialState
from kilter.core.numbers import Float, Int
from kilter.core.options import Boolean, Choice
from kilter.core.problem import Problem
from kilter.core.space import Space
from kilter.samplers import GridSampler
from kilter.testing.sampler import Log, rich_space
from kilter.testing.strategies import configs, spaces

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
    log = Log(sampler, Problem(space, is_open=not len(space)), seed)
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


# The present space, whole, each point once.


def enqueue(log, params):
    """A trial of which a user chose (part of) the configuration; it runs to its end."""
    number = len(log.engine.history)
    log.write(Enqueued(number, params, 0.0))
    config = log.engine.propose(number)
    log.write(Started(number, 1, config, "w", log.engine.position, 0.0, fresh=False))
    log.end(number, {"value": 0.0})
    return config


def test_what_was_enqueued_is_visited():
    log = Log(GridSampler(), Problem(Space({"a": Int(0, 5)})))
    enqueue(log, {"a": 0})
    log.run(50, lambda _: {"value": 0.0})
    assert sorted(t.params["a"] for t in log.engine.history) == list(range(6))


def test_what_was_enqueued_in_part_is_completed_by_what_is_left():
    log = Log(GridSampler(), Problem(Space({"a": Int(0, 2), "b": Choice(["u", "v"])})))
    for _ in range(2):
        enqueue(log, {"a": 1})
    log.run(50, lambda _: {"value": 0.0})
    assert len(log.engine.history) == len(set(keys(t.params for t in log.engine.history))) == 6


@settings(max_examples=30)
@given(spaces(max_parameters=3, kinds=("int", "ordinal", "choice", "boolean")), st.integers(0, 99), st.data())
def test_whatever_came_before_the_grid_is_whole(space, seed, data):
    """Trials that failed, run or wait, and enqueued ones in between, which are points of the grid or not."""
    assume(len(space))
    log = Log(GridSampler(n=3), Problem(space), seed)
    grid = set(keys(space.grid(3)))
    for turn in range(60):
        if turn % 4 == 3 and turn < 12:
            enqueue(log, data.draw(configs(space)))
            continue
        started = log.start()
        if started is None:
            break
        if turn % 5 == 1:
            log.end(started[0], {}, TrialState.FAIL, Failure("ValueError"))
        elif turn % 5 > 1:
            log.end(started[0], {"value": 0.0})
    chosen = keys(t.params for t in log.engine.history if not t.enqueued)
    assert len(set(chosen)) == len(chosen)
    if log.proposal() is None:
        assert grid <= set(keys(t.params for t in log.engine.history))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    ("first", "grown"),
    [
        ({"a": Choice(["p", "q", "r"])}, {"a": Choice(["p", "q", "r", "s", "t"])}),
        ({"a": Int(1, 4)}, {"a": Int(1, 8)}),
        ({"a": Int(1, 3)}, {"b": Choice(["p", "q"], default="p")}),
        ({}, {"a": Int(1, 3), "b": Choice(["p", "q"])}),
    ],
    ids=["an option more", "a wider range", "a new parameter", "met in the objective"],
)
def test_a_space_that_grows(first, grown, seed):
    """What had been visited counts, with the default of a parameter that came later."""
    log = Log(GridSampler(), Problem(Space(first)), seed)
    if first:
        log.run(2, lambda _: {"value": 0.0})
    else:
        number, _ = log.start()
        log.write(SpaceExtended({name: parameter.to_json() for name, parameter in grown.items()}, 0.0))
        log.write(Ended(number, 1, TrialState.COMPLETE, {"value": 0.0}, 1.0, params={"a": 2, "b": "p"}))
    log.write(SpaceExtended({name: parameter.to_json() for name, parameter in grown.items()}, 0.0))
    log.run(50, lambda _: {"value": 0.0})
    space = log.engine.problem.space
    had = [space.plain(t.params) for t in log.engine.history]
    assert sorted(keys(had)) == sorted(keys(space.grid()))


def test_several_workers_before_the_space_is_known():
    log = Log(GridSampler(), Problem(Space()))
    assert [log.start() for _ in range(3)] == [(0, {}), (1, {}), (2, {})]
    log.end(0, {"value": 0.0})
    assert log.proposal() is None


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


def test_listed_values_are_the_parameters_own_before_it_is_known():
    """A listed 0 of a Float is 0.0 in the first trial too, and no point of its own."""
    study = kilter.create_study(sampler=GridSampler({"x": [-50, 0, 50], "y": [-9, 0, 9]}), seed=0)
    study.optimize(lambda trial: trial.suggest_float("x", -99, 99) + trial.suggest_int("y", -9, 9), progress="none")
    assert len(study.trials) == 9
    assert all(type(trial._record.params["x"]) is float for trial in study.trials)
