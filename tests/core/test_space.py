"""Laws of a space between cube, configuration and values; then how it counts, grows and refuses."""

from __future__ import annotations

import itertools
import json
import math
from typing import Annotated, Literal

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kilter.core.errors import InvalidInput, SpaceChanged, UnknownName
from kilter.core.numbers import Float, Int
from kilter.core.options import Boolean, Choice, Ordinal
from kilter.core.parameter import Condition, Prior, same
from kilter.core.space import Space
from kilter.testing.strategies import configs, parameters, spaces

TREE = Space(
    {
        "model": Choice(
            {
                "svm": {"kernel": Choice({"rbf": {"gamma": Int(1, 3)}, "linear": {}}), "C": Ordinal([1, 10])},
                "forest": {"depth": Int(1, 4)},
                "none": {},
            }
        )
    }
)


def brute_force(space):
    """All legal configurations, by trying every combination of values."""
    columns = [p.grid(10**6) for p in space.parameters.values()]
    found = []
    for row in itertools.product(*columns):
        config = {}
        for name, value in zip(space.names, row):
            if all(
                c.parent in config and any(same(config[c.parent], v) for v in c.values) for c in space[name].conditions
            ):
                config[name] = value
        if not space.is_forbidden(config) and typed(config) not in found:
            found.append(typed(config))
    return found


def typed(config):
    return [(name, type(value), value) for name, value in config.items()]


# -- laws ---------------------------------------------------------------------------------------------------------


@settings(max_examples=100)
@given(st.data(), spaces(objects=True))
def test_to_the_cube_and_back_is_exact(data, space):
    config = data.draw(configs(space))
    (row,) = space.encode([config])
    assert typed(space.decode(row)) == typed(config)
    assert [name for name, u in zip(space.names, row) if u == u] == list(config)
    assert ((row >= 0) & (row <= 1) | np.isnan(row)).all()


@given(spaces(objects=True), st.integers(0, 2**32))
def test_draws_are_legal_and_come_back_exactly(space, seed):
    rng = np.random.default_rng(seed)
    drawn = [space.draw(rng) for _ in range(5)]
    assert all(map(space.is_legal, drawn))
    assert [typed(space.decode(row)) for row in space.encode(drawn)] == list(map(typed, drawn))


@given(st.data(), spaces(objects=True))
def test_values_of_a_configuration_read_as_that_configuration(data, space):
    config = data.draw(configs(space))
    values = space.values(config)
    again = space.plain(values)
    assert list(again) == list(config)
    for name, value in values.items():
        assert space.values(again)[name] is value or repr(space.values(again)[name]) == repr(value)


@given(st.data(), spaces(objects=True))
def test_json_brings_back_the_space_and_its_points(data, space):
    again = Space.from_json(json.loads(json.dumps(space.to_json(), allow_nan=False)))
    assert again == space
    assert hash(again) == hash(space)
    config = data.draw(configs(space))
    assert again.is_legal(config)
    assert np.array_equal(again.encode([config]), space.encode([config]), equal_nan=True)


@given(spaces())
def test_parents_stand_before_their_children(space):
    for name, parameter in space.parameters.items():
        assert all(space.names.index(c.parent) < space.names.index(name) for c in parameter.conditions)


@settings(max_examples=50)
@given(spaces(max_parameters=3, kinds=("ordinal", "choice", "boolean")))
def test_the_size_is_what_trying_every_combination_finds(space):
    assume(math.prod(p.size for p in space.parameters.values()) <= 2000)
    legal = brute_force(space)
    grid = list(space.grid(10**6))
    assert space.size == len(legal) == len(grid)
    assert sorted(map(repr, map(typed, grid))) == sorted(map(repr, legal))


@given(spaces(), st.integers(1, 3))
def test_grid_items_are_legal_and_distinct(space, n):
    grid = space.grid(n)
    numbers = range(min(grid.size, 50))
    items = [grid[i] for i in numbers]
    assert all(map(space.is_legal, items))
    assert len({repr(typed(item)) for item in items}) == len(items)
    with pytest.raises(IndexError):
        grid[grid.size]


@given(st.data(), spaces())
def test_what_grew_holds_all_that_was(data, space):
    wider = {}
    for name, parameter in space.parameters.items():
        if (
            isinstance(parameter, Int)
            and parameter.size < 2**40
            and parameter.high < 2**60
            and data.draw(st.booleans())
        ):
            wider[name] = Int(
                parameter.low,
                parameter.high + 5,
                log=parameter.log,
                step=parameter.step,
                conditions=parameter.conditions,
            )
    new = data.draw(parameters(objects=False).filter(lambda p: p.has_default))
    grown = space._with({**space.declared, **wider, "new": new}, space.forbidden)
    delta = space.growth(grown)
    assert delta.keys() == {name for name in wider if grown[name] != space[name]} | {"new"}
    extended = space.extended(delta)
    assert {n: extended[n].size for n in extended} == {n: grown[n].size for n in grown}
    assert space.growth(space) == {}
    assert space.extended(space.declared) == space
    config = data.draw(configs(space))
    assert extended.is_legal({**config, "new": new.plain(new.default)})
    column = extended.encode([config])[0, extended.names.index("new")]
    assert column == new.unit(new.plain(new.default))


# -- conditions ---------------------------------------------------------------------------------------------------


def test_sub_spaces_become_conditions_at_any_depth():
    assert TREE.names == ("model", "kernel", "gamma", "C", "depth")
    assert TREE["gamma"].conditions == (Condition("model", ("svm",)), Condition("kernel", ("rbf",)))
    assert TREE.size == len(list(TREE.grid())) == 2 * (3 + 1) + 4 + 1
    assert not TREE.is_flat
    assert TREE.is_legal({"model": "svm", "kernel": "linear", "C": 10})
    assert not TREE.is_legal({"model": "svm", "kernel": "linear", "C": 10, "gamma": 1})
    assert not TREE.is_legal({"model": "svm", "kernel": "rbf", "C": 10})


def test_the_order_of_names_does_not_make_a_configuration_illegal():
    assert TREE.is_legal({"depth": 1, "model": "forest"})


def test_a_child_may_be_declared_before_its_parent():
    assert Space({"b": Int(0, 1).when(a=True), "a": Boolean()}).names == ("a", "b")


def test_a_name_under_two_options_is_active_under_both():
    space = Space({"m": Choice({"a": {"x": Int(0, 1)}, "b": {"x": Int(0, 1)}, "c": {}})})
    assert space["x"].conditions == (Condition("m", ("a", "b")),)


def test_the_order_in_which_a_condition_lists_values_does_not_matter():
    a, b = (Space({"a": Int(0, 3), "b": Boolean().when(a=values)}) for values in ([2, 1, 2], {1, 2}))
    assert a == b


def test_a_parent_of_objects_is_asked_for_the_object():
    space = Space({"act": Choice([len, dict]), "x": Int(0, 1).when(act=dict)})
    assert space.is_legal({"act": "dict", "x": 1})
    assert not space.is_legal({"act": "len", "x": 1})


def test_true_is_not_one_in_conditions_and_clauses():
    space = Space({"a": Choice([1, True]), "b": Boolean().when(a=True)}, forbidden=[{"a": 1}])
    assert space.size == 2
    assert space.is_forbidden({"a": 1})
    assert not space.is_forbidden({"a": True, "b": False})


def test_children_of_a_parameter_that_came_later_count_with_their_defaults():
    space = Space({"p": Boolean(default=True), "q": Int(0, 9, default=3).when(p=True)})
    assert space.decode(space.encode([{}])[0]) == {"p": True, "q": 3}


# -- counting -----------------------------------------------------------------------------------------------------


def test_sizes_from_empty_to_infinite():
    assert Space().size == len(list(Space().grid())) == 1
    assert Space({"a": Float(0, 1)}).size == math.inf
    assert Space({"a": Float(1, 1), "b": Boolean()}).size == 2
    assert Space({f"p{i}": Int(0, 2**40) for i in range(30)}).size == (2**40 + 1) ** 30


def test_a_chain_of_parents_is_counted_without_trying_all():
    chain = {f"p{i}": Boolean().when({f"p{i - 1}": True}) if i else Boolean() for i in range(60)}
    pairs = {
        name: p for i in range(60) for name, p in ((f"a{i}", Boolean()), (f"b{i}", Boolean().when({f"a{i}": True})))
    }
    assert Space(chain).size == 61
    assert Space(pairs).size == 3**60


def test_forbidden_clauses_are_left_out():
    space = Space({"a": Int(0, 9), "b": Boolean()}, forbidden=[{"a": range(5), "b": True}])
    assert space.size == len(list(space.grid())) == 15
    with pytest.raises(InvalidInput, match="forbidden by a clause"):
        space.plain({"a": 0, "b": True})


def test_a_space_that_forbids_everything_says_so():
    with pytest.raises(InvalidInput, match=r"2000 draws in a row .* loosen"):
        Space({"a": Boolean()}, forbidden=[{"a": [True, False]}]).draw(np.random.default_rng(0))


# -- bad input ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "value", "remedy"),
    [
        (
            lambda: Space({"a": Int(0, 1).when(modle=1), "model": Int(0, 1)}),
            UnknownName,
            "'modle'",
            "did you mean 'model'",
        ),
        (lambda: Space({"m": Choice(["x"]), "a": Int(0, 1).when(m="y")}), InvalidInput, "'y'", "is not one of 'x'"),
        (lambda: Space({"f": Float(0, 1), "a": Int(0, 1).when(f=0.5)}), InvalidInput, "'f'", "use a Choice"),
        (
            lambda: Space({"a": Boolean().when(b=True), "b": Boolean().when(a=True)}),
            InvalidInput,
            "a → b → a",
            "circle",
        ),
        (lambda: Space({"a": Boolean().when(a=True)}), InvalidInput, "a → a", "circle"),
        (
            lambda: Space({"m": Choice({"a": {"x": Int(0, 1)}, "b": {"x": Int(0, 2)}})}),
            InvalidInput,
            "'x'",
            "different names",
        ),
        (
            lambda: Space({"m": Choice({"a": {"x": Int(0, 1)}}), "x": Float(0, 1)}),
            InvalidInput,
            "'x'",
            "different names",
        ),
        (lambda: Space({"a": 3}), InvalidInput, "a=3", "Choice([3])"),
        (lambda: Space({1: Int(0, 1)}), InvalidInput, "1", "must be text"),
        (lambda: Space({"a": Boolean()}, [{}]), InvalidInput, "empty", "at least one"),
        (lambda: Space({"alpha": Boolean()}, [{"alhpa": True}]), UnknownName, "'alhpa'", "did you mean 'alpha'"),
        (lambda: Space({"a": Int(0, 1)}, [{"a": 7}]), InvalidInput, "7", "[0, 1]"),
        (lambda: Space({"a": Boolean(), "b": Int(0, 1).when(a=True).when(a=False)}), InvalidInput, "'b'", "exclude"),
        (lambda: Space().grid(0), InvalidInput, "0", "at least one"),
        (lambda: TREE.plain({"modle": "svm"}), UnknownName, "'modle'", "did you mean 'model'"),
        (lambda: TREE.plain({"model": "forest"}), InvalidInput, "'depth'", "give it a value"),
        (lambda: TREE.plain({"model": "forest", "depth": 9}), InvalidInput, "9", "[1, 4]"),
    ],
)
def test_a_space_that_cannot_be_says_so_with_a_remedy(make, error, value, remedy):
    with pytest.raises(error) as caught:
        make()
    assert value in str(caught.value)
    assert remedy in str(caught.value)


OLD = Space({"a": Int(0, 9), "c": Choice(["x", "y"])})


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        (Space({"a": Int(0, 9)}), "'c'"),
        (Space({**OLD.parameters, "d": Int(0, 1)}), "no default"),
        (Space({**OLD.parameters, "a": Int(0, 8)}), "leaves out"),
        (Space({**OLD.parameters, "a": Int(1, 20)}), "leaves out"),
        (Space({**OLD.parameters, "a": Float(0, 9)}), "differ"),
        (Space({**OLD.parameters, "a": Int(0, 9, step=3)}), "differ"),
        (Space({**OLD.parameters, "c": Choice(["x", "z"])}), "leaves out"),
        (Space({**OLD.parameters, "c": Ordinal(["x", "y"])}), "kind"),
        (Space({"c": OLD["c"], "a": Int(0, 9).when(c="x")}), "conditions"),
        (Space(OLD.parameters, [{"a": 1}]), "forbidden"),
    ],
)
def test_a_change_that_old_trials_do_not_fit_is_refused(new, reason):
    with pytest.raises(SpaceChanged, match=reason):
        OLD.growth(new)


def test_extending_by_a_choice_brings_its_sub_space():
    space = Space({"m": Choice(["a"])}).extended({"m": Choice({"a": {}, "b": {"x": Int(0, 1)}})})
    assert space.size == 3


def test_objects_known_by_name_are_recalled():
    known = Space({"o": Ordinal([len, dict]), "c": Choice([int, str]), "x": Int(0, 1).when(c=int)})
    stored = Space.from_json(json.loads(json.dumps(known.to_json())))
    assert stored.nameless == ["o", "c"]
    recalled = stored.recalled(known)
    assert recalled.nameless == []
    assert recalled == known


# -- from a signature ---------------------------------------------------------------------------------------------


def test_a_signature_declares_a_space():
    def train(
        data,
        lr: Float(1e-5, 1e-1, log=True) = 1e-3,
        depth: Annotated[int, "note", Int(1, 9)] = 3,
        optimizer: Literal["adam", "sgd", None] = None,
        fast: bool = False,
        verbose: bool | None = None,
        *,
        units: Ordinal([16, 32]),
    ): ...

    space = Space.from_signature(train)
    assert space == Space(
        {
            "lr": Float(1e-5, 1e-1, log=True, default=1e-3),
            "depth": Int(1, 9, default=3),
            "optimizer": Choice(["adam", "sgd", None], default=None),
            "fast": Boolean(default=False),
            "units": Ordinal([16, 32]),
        }
    )
    assert space.defaults == {"lr": 1e-3, "depth": 3, "optimizer": None, "fast": False}


def test_a_signature_without_parameters_says_what_to_write():
    def plain(x: int = 1): ...

    with pytest.raises(InvalidInput, match=r"plain\(\) declares no parameter: annotate"):
        Space.from_signature(plain)


def test_repr_can_be_pasted_back():
    space = Space({"a": Int(0, 3, prior=Prior(1)), "b": Boolean().when(a=[1, 2])}, forbidden=[{"a": 1, "b": True}])
    assert eval(repr(space)) == space


@given(spaces(), st.integers(0, 5))
def test_samples_are_legal_values_and_the_same_for_a_seed(space, seed):
    drawn = space.sample(3, seed=seed)
    assert drawn == space.sample(3, seed=seed)
    assert drawn[0] == space.sample(seed=seed)
    assert all(space.is_legal(space.plain(values)) for values in drawn)
