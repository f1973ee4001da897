"""Rungs: what is known of those who reached them does not depend on the order in which they came."""

import math

from hypothesis import given
from hypothesis import strategies as st

from kilter.core.problem import Constraint, Objective, Problem
from kilter.core.standing import Standing
from kilter.core.states import dumps_state, loads_state
from kilter.schedulers.asha import State
from kilter.schedulers.rungs import Rungs, level_of, step_of

PROBLEMS = [
    Problem(objectives=tuple(map(Objective, names)), constraints=(Constraint("c", "<=", 1.0),)) for names in ("a", "ab")
]
values = st.one_of(st.integers(-3, 3).map(float), st.just(math.nan), st.just(math.inf))
metrics = st.fixed_dictionaries({"a": values, "b": values}, optional={"c": st.sampled_from([1.0, 2.5])})
singles, pairs = (
    st.lists(metrics.map(lambda known, problem=problem: problem.standing(known, so_far=True)), min_size=1, max_size=12)
    for problem in PROBLEMS
)
shares = st.sampled_from([1 / 4, 1 / 3, 1 / 2, 1.0])


def filled(entries, order=None, data=None):
    rungs = Rungs({} if data is None else data)
    for number in range(len(entries)) if order is None else order:
        rungs.add(0, number, entries[number])
    return rungs


@given(st.one_of(singles, pairs), st.randoms(use_true_random=False), shares)
def test_order_does_not_matter(entries, random, share):
    order = random.sample(range(len(entries)), len(entries))
    kept, others = {}, {}
    one, other = filled(entries, data=kept), filled(entries, order, others)
    assert [one.place(0, standing) for standing in entries] == [other.place(0, standing) for standing in entries]
    assert one.promotable(0, share) == other.promotable(0, share)
    assert kept == others


@given(st.one_of(singles, pairs), shares)
def test_never_more_than_the_share_is_promoted(entries, share):
    rungs = filled(entries)
    promoted = []
    while (number := rungs.promotable(0, share)) is not None:
        rungs.leave(0, number, entries[number])
        promoted.append(number)
    assert len(promoted) == int(share * len(entries) + 1e-9)
    assert len(set(promoted)) == len(promoted)
    assert rungs.size(0) == len(entries)


@given(singles)
def test_place_counts_those_strictly_better(entries):
    rungs = filled(entries)
    for standing in entries:
        assert rungs.place(0, standing) == sum(other < standing for other in entries)


@given(pairs)
def test_nobody_is_beaten_by_what_it_dominates(entries):
    rungs = filled(entries)
    for a in entries:
        for b in entries:
            if a.is_feasible and b.is_feasible and a != b and all(x <= y for x, y in zip(a.losses, b.losses)):
                assert rungs.place(0, a) < rungs.place(0, b)


@given(st.one_of(singles, pairs), shares)
def test_a_view_of_plain_data(entries, share):
    state = State([])
    for number, standing in enumerate(entries):
        Rungs(state.rungs).add(0, number, standing)
    again = loads_state(State, dumps_state(state))
    assert again == state
    assert Rungs(again.rungs).promotable(0, share) == Rungs(state.rungs).promotable(0, share)


def test_what_runs_does_not_wait():
    rungs = Rungs({})
    for number in range(3):
        rungs.add(0, number, Standing(0.0, (float(number),)), waits=False)
    assert rungs.promotable(0, 1.0) is None
    rungs.wait(0, 1, Standing(0.0, (1.0,)))
    rungs.wait(0, 1, Standing(0.0, (1.0,)))
    assert rungs.promotable(0, 1.0) == 1
    rungs.leave(0, 1, Standing(0.0, (1.0,)))
    assert rungs.promotable(0, 1.0) is None


def test_an_empty_rung():
    assert Rungs({}).promotable(3, 0.5) is None
    assert Rungs({}).size(3) == 0


@given(st.integers(1, 50), st.sampled_from([1.5, 2.0, 3.0, 4.0]), st.integers(0, 2**63 - 1))
def test_levels_and_steps_agree(grace, eta, step):
    level = level_of(step, grace, eta)
    assert level < 0 or step_of(level, grace, eta) <= step
    assert step_of(level + 1, grace, eta) > step or level == 64
