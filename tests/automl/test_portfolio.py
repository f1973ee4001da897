"""The portfolio: what is tried first."""

import pytest

from kilter.automl.members import member
from kilter.automl.portfolio import portfolio
from kilter.automl.task import Task

TASKS = (Task("binary", (0, 1)), Task("multiclass", ("a", "b", "c")), Task("regression"))
SHAPES = ((1, 1), (200, 800), (2_000, 20), (500_000, 5))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_first_three_are_of_three_families_and_nothing_stands_there_twice(task, shape):
    entries = portfolio(task, *shape)
    assert len({name for name, _ in entries[:3]}) == 3
    assert entries[0][0] == "lightgbm"
    assert len({(name, tuple(sorted(params.items()))) for name, params in entries}) == len(entries)


@pytest.mark.parametrize("task", TASKS)
def test_members_take_what_it_holds(task):
    for name, params in portfolio(task, 1_000, 10):
        space = member(name).space(task)
        assert set(params) <= set(space)
        for key, value in params.items():
            assert space[key].contains(value)


def test_what_is_given_out_is_its_users_own():
    portfolio(TASKS[0], 100, 5)[1][1]["dropout"] = 0.123
    assert portfolio(TASKS[0], 100, 5)[1][1]["dropout"] != 0.123
