"""States go to JSON and come back equal, those within states included."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kilter.core.errors import InvalidInput, StorageError
from kilter.core.states import dumps_state, loads_state

words = st.text(max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | words | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words | st.just("$float"), inner, max_size=3),
    max_leaves=5,
)


@dataclass
class State:
    best: float = math.inf
    names: list = field(default_factory=list)
    by_number: dict = field(default_factory=dict)
    mean: np.ndarray = field(default_factory=lambda: np.zeros(3))


@given(st.floats(allow_nan=False), st.lists(values), st.dictionaries(st.integers() | words, values))
def test_states_come_back_equal(best, names, by_number):
    state = State(best, names, by_number, np.array([[1.5, -np.inf, 1e-300]]))
    back = loads_state(State, dumps_state(state))
    assert (back.best, back.names, back.by_number) == (best, names, by_number)
    np.testing.assert_array_equal(back.mean, state.mean)
    assert back.mean.dtype == state.mean.dtype
    json.loads(dumps_state(state), parse_constant=pytest.fail)


@pytest.mark.parametrize(
    "array", [np.array(3), np.zeros((0, 2)), np.arange(6).reshape(2, 3).T, np.array([True]), np.zeros(2, "f4")]
)
def test_arrays_keep_type_and_shape(array):
    back = loads_state(State, dumps_state(State(mean=array))).mean
    np.testing.assert_array_equal(back, array)
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    back.fill(1)


def test_a_state_that_cannot_be_kept_is_named():
    with pytest.raises(InvalidInput, match="'names' of the state State"):
        dumps_state(State(names=[object()]))
    with pytest.raises(InvalidInput, match="dataclass"):
        dumps_state({"a": 1})
    with pytest.raises(StorageError, match="State"):
        loads_state(State, b'{"unknown": 1}')


class Mark(NamedTuple):
    level: int
    losses: tuple[float, ...]


@dataclass
class Member:
    number: int
    mark: Mark | None = None
    known: dict[str, Any] = field(default_factory=dict)


@dataclass
class Nested:
    inner: State
    best: Member | None = None
    members: list[Member] = field(default_factory=list)
    by_level: dict[int, list[Mark]] = field(default_factory=dict)
    by_name: dict[str, Member] = field(default_factory=dict)
    pairs: list[tuple[Mark, int]] = field(default_factory=list)
    either: State | Member | None = None


marks = st.builds(Mark, st.integers(), st.lists(st.floats(allow_nan=False), max_size=3).map(tuple))
members = st.builds(Member, st.integers(), st.none() | marks, st.dictionaries(words, values, max_size=3))


@given(
    st.none() | members,
    st.lists(members, max_size=3),
    st.dictionaries(st.integers(), st.lists(marks, max_size=3), max_size=3),
    st.dictionaries(words | st.just("$pairs"), members, max_size=3),
    st.lists(st.tuples(marks, st.integers()), max_size=3),
    members | st.none(),
)
def test_states_within_a_state_come_back_as_what_they_were(best, members, by_level, by_name, pairs, either):
    state = Nested(State(1.5, ["a"], {1: 2}, np.arange(3.0)), best, members, by_level, by_name, pairs, either)
    back = loads_state(Nested, dumps_state(state))
    assert dumps_state(back) == dumps_state(state)
    assert (back.best, back.members, back.by_level, back.by_name) == (best, members, by_level, by_name)
    assert (back.pairs, back.either) == (pairs, either)
    assert type(loads_state(Nested, dumps_state(replace(state, either=State(2.5)))).either) is State
    assert type(back.inner) is State and back.inner.by_number == {1: 2}
    for level in back.by_level.values():
        assert all(type(mark) is Mark and type(mark.losses) is tuple for mark in level)


@dataclass
class Loose:
    anything: Any = None
    items: list = field(default_factory=list)
    many: tuple = ()
    members: Sequence[Member] = ()
    by_name: Mapping[str, Member] = field(default_factory=dict)
    by_pair: dict[tuple[int, int], float] = field(default_factory=dict)


@dataclass
class Hidden:
    count: int = field(default=0, init=False)


@dataclass
class Unresolved:
    best: Member | None = None
    other: "Unknown" = None  # noqa: F821


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (Loose(Member(1)), "'anything' of the state Loose cannot be stored: a Member in it would come back as a dict"),
        (Loose((1, 2)), "a tuple in it would come back as a list"),
        (Loose(items=[Member(1)]), "'items' of the state Loose"),
        (Loose(many=(Member(1),)), "a Member in it would come back as a dict"),
        (Loose(members=(Member(1),)), "a tuple in it would come back as a list"),
        (Loose({(1, 2): 3}), "'anything' of the state Loose"),
        (Loose(np.zeros(2, dtype=[("a", int)])), "an array of"),
        (Loose(10**5000), "'anything' of the state Loose"),
        (Hidden(), "'count' of the state Hidden cannot be stored: its class does not take it"),
        (Unresolved(Member(1)), "'best' of the state Unresolved"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_would_come_back_as_something_else_is_refused_when_it_is_written(state, told):
    with pytest.raises(InvalidInput, match=told):
        dumps_state(state)


def test_abstract_annotations_and_bare_tuples_say_enough():
    state = Loose(np.float32(0.5), many=(1, 2.5), members=[Member(1)], by_name={"a": Member(2)}, by_pair={(1, 2): 0.5})
    assert loads_state(Loose, dumps_state(state)) == state
